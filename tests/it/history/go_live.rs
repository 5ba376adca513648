//! Go-live: days on which purchase rules begin to count, and stock that was there.

use crate::support::world::{DRUG, World, at, code, dispense};
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;

/// A pharmacy in Hebei, where a sale without a purchase is blocked.
const IN_HEBEI: &str = "P13010200001";

async fn load_hebei(channel: &Channel) {
    let institution = pb::Institution {
        institution_code: IN_HEBEI.into(),
        name: "药店".into(),
        kind: "pharmacy".into(),
        division: "130102".into(),
        ownership: "private".into(),
        chain_group: "CHAIN".into(),
        status: "active".into(),
        ..pb::Institution::default()
    };
    let rows = tokio_stream::iter([pb::LoadInstitutionsRequest { institution: Some(institution) }]);
    RegistryServiceClient::new(channel.clone()).load_institutions(rows).await.expect("it loads");
}

async fn go_live(channel: &Channel, rows: &[(&str, &str)]) -> Vec<pb::LoadResult> {
    let rows: Vec<_> = rows
        .iter()
        .map(|(code, day)| pb::LoadGoLiveDatesRequest {
            institution_code: (*code).into(),
            goes_live_on: (*day).into(),
        })
        .collect();
    let mut registry = RegistryServiceClient::new(channel.clone());
    let loaded = registry.load_go_live_dates(tokio_stream::iter(rows)).await.expect("an answer");
    loaded.into_inner().results
}

#[tokio::test]
async fn before_the_go_live_day_purchase_rules_only_observe() {
    let mut world = World::start().await;
    load_hebei(&world.channel).await;
    let blocked = world.dispense(dispense(IN_HEBEI, "r1", &[code(1)])).await;
    assert_eq!(blocked.verdict(), pb::Verdict::Block, "{blocked:?}");
    let rows = [(IN_HEBEI, "2026-03-11"), ("P13010299999", "2026-03-11"), (IN_HEBEI, ""), (IN_HEBEI, "soon")];
    let told = go_live(&world.channel, &rows).await;
    let refusals: Vec<_> = told.iter().map(|r| r.refusal.as_str()).collect();
    assert_eq!((told[0].status(), refusals[0]), (pb::LoadStatus::Replaced, ""));
    assert!(refusals[1].contains("load institutions first"), "{refusals:?}");
    assert!(refusals[2].contains("is missing") && refusals[3].contains("no date"), "{refusals:?}");
    let observed = world.dispense(dispense(IN_HEBEI, "r2", &[code(2)])).await;
    assert_eq!(observed.verdict(), pb::Verdict::Allow, "{observed:?}");
    assert!(observed.findings.iter().all(|f| f.enforcement() == pb::Enforcement::Observe), "{observed:?}");
    // Everything else of the institution is as it was.
    let asked = pb::GetInstitutionRequest { institution_code: IN_HEBEI.into() };
    let found = world.registry.get_institution(asked).await.expect("known").into_inner().institution;
    let found = found.expect("an institution");
    assert_eq!((found.chain_group.as_str(), found.goes_live_on.as_str()), ("CHAIN", "2026-03-11"));
    let again = go_live(&world.channel, &[(IN_HEBEI, "2026-03-11")]).await;
    assert_eq!(again[0].status(), pb::LoadStatus::Unchanged);
    world.clock.set(at(9, 0).checked_add(jiff::SignedDuration::from_hours(24)).expect("a moment"));
    let live = world.dispense(dispense(IN_HEBEI, "r3", &[code(3)])).await;
    assert_eq!(live.verdict(), pb::Verdict::Block, "{live:?}");
    world.stop().await;
}

#[tokio::test]
async fn opening_stock_is_bought_and_a_second_count_replaces_it() {
    let mut world = World::start().await;
    load_hebei(&world.channel).await;
    let counted = |quantity: &str| pb::SubmitPurchasesRequest {
        institution_code: IN_HEBEI.into(),
        catalog_code: DRUG.into(),
        source: pb::PurchaseSource::OpeningStock.into(),
        lot_no: "L1".into(),
        quantity: quantity.into(),
        purchased_at: Some(prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 }),
        ..pb::SubmitPurchasesRequest::default()
    };
    for (quantity, status) in
        [("5", pb::LoadStatus::Added), ("5", pb::LoadStatus::Unchanged), ("2", pb::LoadStatus::Replaced)]
    {
        let rows = tokio_stream::iter([counted(quantity)]);
        let told = world.purchases.submit_purchases(rows).await.expect("an answer").into_inner();
        assert_eq!(told.results[0].status(), status, "{quantity}");
        let asked = pb::GetPurchaseRequest { institution_code: IN_HEBEI.into(), catalog_code: DRUG.into() };
        let found = world.purchases.get_purchase(asked).await.expect("an answer").into_inner();
        assert_eq!(found.opening_quantity, quantity);
    }
    let sold = world.dispense(dispense(IN_HEBEI, "r1", &[code(1)])).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow, "{sold:?}");
    world.stop().await;
}
