//! Days judged again: what changes is written once, and midnight comes by itself.

use super::{bureau, cases, minutes, refused, the_case};
use crate::doors::as_caller;
use crate::support::eventually;
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense};
use jiff::ToSpan;
use tonic::{Code, Status};
use tracegate::grpc::pb;
use tracegate::grpc::pb::history_service_client::HistoryServiceClient;

async fn audit(world: &World, first: &str, last: &str) -> Result<pb::RunAuditResponse, Status> {
    run_audit(
        world,
        pb::RunAuditRequest { first_day: first.into(), last_day: last.into(), everything: false },
    )
    .await
}

async fn run_audit(world: &World, days: pb::RunAuditRequest) -> Result<pb::RunAuditResponse, Status> {
    let mut steps = bureau(world).run_audit(days).await?.into_inner();
    let mut done = None;
    while let Some(step) = steps.message().await? {
        done = Some(step);
    }
    Ok(done.expect("at least one answer"))
}

fn changes(done: &pb::RunAuditResponse) -> (u64, u64, u64) {
    (done.corrected, done.cases_changed, done.pushed)
}

const DAY: &str = "2026-03-10";

/// A box of a drug that the registry does not know yet.
fn unmapped(n: u64) -> String {
    format!("8999999{n:013}")
}

async fn map(world: &mut World, units_per_pack: u32) {
    let drug = pb::Drug {
        code_prefix: "8999999".into(),
        catalog_code: DRUG.into(),
        name: "药品".into(),
        pack_level: "small".into(),
        units_per_pack,
        drug_class: "western".into(),
        dosage_form: "tablet".into(),
        ..pb::Drug::default()
    };
    let rows = tokio_stream::iter([pb::LoadDrugsRequest { drug: Some(drug) }]);
    let loaded = world.registry.load_drugs(rows).await.expect("loaded").into_inner();
    assert_eq!(loaded.results[0].refusal, "");
}

#[tokio::test]
async fn a_prefix_that_is_mapped_later_corrects_the_day() {
    let mut world = World::start().await;
    world.index_complete().await;
    let decision = world.dispense(dispense(PHARMACY, "a", &[unmapped(1)])).await;
    assert_eq!(decision.findings[0].reason(), pb::Reason::PrefixUnmapped);
    map(&mut world, 1).await;
    minutes(&world, 60);
    assert_eq!(changes(&audit(&world, DAY, DAY).await.unwrap()), (1, 0, 0));
    let outcome = world.outcome(PHARMACY, "a").await;
    let decision = outcome.decision.unwrap();
    let corrections: Vec<_> = decision.corrections.iter().map(|c| (c.line_no, c.was(), c.now())).collect();
    assert_eq!(corrections, [(1, pb::Reason::PrefixUnmapped, pb::Reason::Unspecified)]);
    assert_eq!(changes(&audit(&world, DAY, DAY).await.unwrap()), (0, 0, 0), "twice");
    world.stop().await;
}

#[tokio::test]
async fn a_pack_whose_size_is_known_later_opens_a_case() {
    let mut world = World::start().await;
    world.index_complete().await;
    for (n, (institution, minute)) in [(PHARMACY, 1), (PHARMACY, 2)].into_iter().enumerate() {
        minutes(&world, minute);
        let mut request = dispense(institution, &format!("r{n}"), &[unmapped(1)]);
        for line in &mut request.document.as_mut().unwrap().lines {
            (line.split, line.quantity) = (true, "20".into());
        }
        let decision = world.dispense(request).await;
        assert_ne!(decision.verdict(), pb::Verdict::Block, "{decision:?}");
    }
    assert_eq!(cases(&world, "operator").await, []);
    map(&mut world, 36).await;
    minutes(&world, 60);
    let done = audit(&world, DAY, DAY).await.unwrap();
    assert_eq!(done.cases_changed, 1, "{done:?}");
    let case = the_case(&world).await;
    assert_eq!(case.class(), pb::CaseClass::SplitOverdraw);
    let again = audit(&world, DAY, DAY).await.unwrap();
    assert_eq!(changes(&again), (0, 0, 0), "twice: {again:?}");
    world.stop().await;
}

#[tokio::test]
async fn midnight_pushes_what_was_found_and_is_made_up_for_after_a_stop() {
    let mut world = World::start().await;
    world.index_complete().await;
    let duplicate = async |world: &mut World, n: u64| {
        world.dispense(dispense(PHARMACY, &format!("a{n}"), &[code(n)])).await;
        world.dispense(dispense(OTHER_PHARMACY, &format!("b{n}"), &[code(n)])).await;
    };
    duplicate(&mut world, 1).await;
    let file = world.dir.path().join("data/audited");
    world.clock.set(at(9, 0).saturating_add(24.hours()).unwrap());
    let pushed = async |world: &World, expected: usize| {
        eventually("cases are pushed", || async {
            let cases = cases(world, "operator").await;
            let pushed: Vec<_> = cases.iter().filter(|c| c.state() == pb::CaseState::Pushed).collect();
            let by_system =
                |c: &&&pb::Case| c.steps.last().is_some_and(|step| step.actor() == pb::ActorKind::System);
            (pushed.iter().filter(by_system).count() == expected).then_some(())
        })
        .await;
    };
    pushed(&world, 1).await;
    eventually("the day is kept", || async {
        let kept = std::fs::read_to_string(&file).ok()?;
        (kept.trim() == DAY).then_some(())
    })
    .await;
    // Two days pass while it is stopped.
    duplicate(&mut world, 2).await;
    let dir = world.stop().await;
    let world = World::open_at(dir, at(9, 0).saturating_add(72.hours()).unwrap()).await;
    pushed(&world, 2).await;
    world.stop().await;
}

#[tokio::test]
async fn what_was_imported_without_findings_is_looked_at_with_everything() {
    let world = World::start().await;
    world.index_complete().await;
    let sold = |institution: &str, n: u64| pb::PastSale {
        institution_code: institution.into(),
        document_no: format!("D-{institution}-{n}"),
        occurred_at: Some(prost_types::Timestamp { seconds: at(9, 0).as_second() - 30 * 86_400, nanos: 0 }),
        code: code(n),
        ..pb::PastSale::default()
    };
    let rows = vec![sold(PHARMACY, 1), sold(OTHER_PHARMACY, 1), sold(PHARMACY, 2)];
    let batch = pb::ImportSalesRequest { batch_no: 1, rows, ..pb::ImportSalesRequest::default() };
    let mut history = HistoryServiceClient::new(world.channel.clone());
    let mut answers = history.import_sales(tokio_stream::once(batch)).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    assert_eq!(
        changes(&audit(&world, DAY, DAY).await.unwrap()),
        (0, 0, 0),
        "a day is what was recorded on it"
    );
    assert_eq!(cases(&world, "operator").await.len(), 0);
    let all = pb::RunAuditRequest { first_day: DAY.into(), last_day: DAY.into(), everything: true };
    let done = run_audit(&world, all.clone()).await.unwrap();
    assert_eq!((changes(&done), done.codes >= 2), ((0, 1, 1), true), "{done:?}");
    assert_eq!(the_case(&world).await.code, code(1));
    let again = run_audit(&world, all).await.unwrap();
    assert_eq!(changes(&again), (0, 0, 0), "{again:?}");
    world.stop().await;
}

#[tokio::test]
async fn an_audit_is_the_operators_and_names_its_days() {
    let mut world = World::start().await;
    world.dispense(dispense(HOSPITAL, "a", &[code(1)])).await;
    let days = pb::RunAuditRequest { first_day: DAY.into(), last_day: DAY.into(), everything: false };
    let denied = bureau(&world).run_audit(as_caller(days, "bureau 12")).await;
    refused(denied.map(drop), Code::PermissionDenied, "these may: operator");
    refused(audit(&world, "10 March", DAY).await, Code::InvalidArgument, "first_day");
    refused(audit(&world, DAY, "2026-03-09").await, Code::InvalidArgument, "last_day");
    refused(audit(&world, DAY, "2026-05-09").await, Code::InvalidArgument, "31 days");
    let other_day = audit(&world, "2026-03-09", "2026-03-09").await.unwrap();
    assert_eq!((other_day.requests, other_day.codes), (0, 0));
    let day = audit(&world, DAY, DAY).await.unwrap();
    assert_eq!((day.requests, day.codes), (1, 1));
    world.stop().await;
}
