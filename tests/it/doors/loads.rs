//! Reports, purchases, registry, health and reflection.

use super::reasons;
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use tonic::Code;
use tracegate::grpc::pb;

#[tokio::test]
async fn a_report_records_every_event_and_a_bad_one_spoils_nothing() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(13)])).await;
    world.clock.set(at(9, 1));
    let sale = |id: &str, n: u64| pb::ReportRequest {
        request_id: id.into(),
        event: Some(pb::report_request::Event::Sale(document(OTHER_PHARMACY, id, &[code(n)]))),
    };
    let movement = pb::Movement {
        institution_code: PHARMACY.into(),
        kind: pb::MovementKind::StockCount.into(),
        codes: vec![code(13)],
        ..pb::Movement::default()
    };
    let events = vec![
        sale("r1", 13),
        pb::ReportRequest { request_id: "r2".into(), event: None },
        sale("r3", 14),
        pb::ReportRequest {
            request_id: "r4".into(),
            event: Some(pb::report_request::Event::Movement(movement)),
        },
    ];
    let report = world.gate.report(tokio_stream::iter(events)).await.expect("an answer").into_inner();
    let shown: Vec<_> = report
        .results
        .iter()
        .map(|r| {
            (
                r.request_id.as_str(),
                r.decision.as_ref().map(|d| (d.verdict(), d.recorded)),
                r.refusal.is_empty(),
            )
        })
        .collect();
    let expected = [
        ("r1", Some((pb::Verdict::Block, true)), true),
        ("r2", None, false),
        ("r3", Some((pb::Verdict::Allow, true)), true),
        ("r4", Some((pb::Verdict::Allow, true)), true),
    ];
    assert_eq!(shown, expected);
    let blocked = world.dispense(dispense(PHARMACY, "next", &[code(14)])).await;
    assert_eq!(reasons(&blocked), [pb::Reason::Duplicate]);
    world.stop().await;
}

fn purchase(order: &str, quantity: &str) -> pb::SubmitPurchasesRequest {
    pb::SubmitPurchasesRequest {
        institution_code: HOSPITAL.into(),
        catalog_code: DRUG.into(),
        source: pb::PurchaseSource::Platform.into(),
        order_no: order.into(),
        supplier: "供应商".into(),
        lot_no: "L1".into(),
        quantity: quantity.into(),
        unit_price: "1.00".into(),
        purchased_at: Some(prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 }),
    }
}

#[tokio::test]
async fn purchases_are_answered_one_by_one_and_balance_exactly() {
    let mut world = World::start().await;
    let records =
        vec![purchase("PO1", "0.3"), purchase("PO2", "x"), purchase("PO1", "0.3"), purchase("PO1", "-0.1")];
    let answer =
        world.purchases.submit_purchases(tokio_stream::iter(records)).await.expect("an answer").into_inner();
    let statuses: Vec<_> = answer.results.iter().map(pb::LoadResult::status).collect();
    use pb::LoadStatus::{Added, Refused, Unchanged};
    assert_eq!(statuses, [Added, Refused, Unchanged, Added]);
    assert!(answer.results[1].refusal.contains("exact decimal"), "{}", answer.results[1].refusal);
    world.dispense(dispense(HOSPITAL, "sold", &[code(15)])).await;
    let asked = pb::GetPurchaseRequest { institution_code: HOSPITAL.into(), catalog_code: DRUG.into() };
    let found = world.purchases.get_purchase(asked).await.expect("an answer").into_inner();
    assert_eq!((found.platform_quantity.as_str(), found.sold_quantity.as_str()), ("0.2", "1"));
    assert_eq!((found.balance.as_str(), found.age_seconds), ("-0.8", 0));
    world.stop().await;
}

#[tokio::test]
async fn the_registry_answers_what_was_loaded_and_counts_its_versions() {
    let mut world = World::start().await;
    let asked = pb::GetDrugRequest { code_prefix: "8123456".into() };
    let found = world.registry.get_drug(asked).await.expect("an answer").into_inner();
    assert_eq!((found.drug.expect("a drug").catalog_code.as_str(), found.registry_version), (DRUG, 2));
    let asked = pb::GetInstitutionRequest { institution_code: "P99999999999".into() };
    assert_eq!(world.registry.get_institution(asked).await.expect_err("unknown").code(), Code::NotFound);
    let scheme = |pattern: &str| {
        let scheme = pb::OwnScheme {
            issuer: "药企".into(),
            pattern: pattern.into(),
            pack_level: "small".into(),
            ..pb::OwnScheme::default()
        };
        pb::LoadOwnSchemesRequest { scheme: Some(scheme) }
    };
    let rows = tokio_stream::iter([scheme("AB[0-9]{8}"), scheme("(")]);
    let answer = world.registry.load_own_schemes(rows).await.expect("an answer").into_inner();
    assert_eq!(answer.registry_version, 3);
    assert!(answer.results[0].refusal.is_empty() && !answer.results[1].refusal.is_empty(), "{answer:?}");
    let own = world.dispense(dispense(PHARMACY, "own", &["AB12345678".into()])).await;
    assert_eq!(own.verdict(), pb::Verdict::Allow, "{own:?}");
    let dir = world.stop().await;
    let mut world = World::open(dir, |_| {}).await;
    let status =
        world.registry.get_registry_status(pb::GetRegistryStatusRequest {}).await.expect("an answer");
    let status = status.into_inner();
    assert_eq!(
        (status.registry_version, status.institutions, status.drugs, status.own_schemes),
        (3, 3, 1, 1)
    );
    world.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let world = World::start().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(world.channel.clone());
    let asked = tonic_health::pb::HealthCheckRequest { service: "tracegate.v1.DispensingService".into() };
    let found = health.check(asked).await.expect("an answer").into_inner();
    assert_eq!(found.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(world.channel.clone());
    let mut answers =
        reflection.server_reflection_info(tokio_stream::iter([list])).await.expect("a stream").into_inner();
    let answer: ServerReflectionResponse = answers.message().await.expect("an answer").expect("not the end");
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("no list of services: {answer:?}");
    };
    let names: Vec<_> = services.service.iter().map(|s| s.name.as_str()).collect();
    for service in ["DispensingService", "PurchaseService", "RegistryService"] {
        assert!(names.contains(&format!("tracegate.v1.{service}").as_str()), "{names:?}");
    }
    world.stop().await;
}
