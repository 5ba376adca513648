//! A second policy beside the one in force: exactly what would change, and nothing that does.

use super::{as_caller, bare, reasons, report, rule, rules, start_shadow, totals, verdicts, world_with};
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use prost::Message;
use tracegate::grpc::pb;

fn hold(request: pb::DispenseRequest) -> pb::DispenseRequest {
    pb::DispenseRequest { hold: true, ..request }
}

fn return_of(id: &str, codes: &[String]) -> pb::ReturnRequest {
    let line = pb::Line { catalog_code: DRUG.into(), codes: codes.to_vec(), ..pb::Line::default() };
    let document = pb::ReturnDocument {
        institution_code: PHARMACY.into(),
        document_no: format!("D-{id}"),
        lines: vec![line],
        ..pb::ReturnDocument::default()
    };
    pb::ReturnRequest { request_id: id.into(), document: Some(document) }
}

fn reported(id: &str, code: String) -> pb::ReportRequest {
    let event = pb::report_request::Event::Sale(document(OTHER_PHARMACY, id, &[code]));
    pb::ReportRequest { request_id: id.into(), event: Some(event) }
}

/// A morning with every call that decides, and some that do not. Gives every answer.
async fn morning(world: &mut World) -> Vec<pb::Decision> {
    let mut told = Vec::new();
    told.push(world.dispense(dispense(PHARMACY, "whole", &[code(1)])).await);
    told.push(world.dispense(bare(PHARMACY, "bare")).await);
    told.push(world.dispense(bare(HOSPITAL, "ward")).await);
    world.clock.set(at(9, 1));
    told.push(world.dispense(dispense(OTHER_PHARMACY, "twice", &[code(1)])).await);
    told.push(world.dispense(hold(dispense(PHARMACY, "held", &[code(2)]))).await);
    told.push(world.dispense(hold(bare(PHARMACY, "bare-held"))).await);
    // The box is held by somebody else: PENDING, which decides nothing.
    let pending = world.dispense(dispense(OTHER_PHARMACY, "waits", &[code(2)])).await;
    assert_eq!(pending.verdict(), pb::Verdict::Pending);
    told.push(pending);
    // Sent again: the first answer, counted once.
    for again in [dispense(PHARMACY, "whole", &[code(1)]), bare(PHARMACY, "bare")] {
        let again = world.dispense(again).await;
        assert!(again.replayed, "{again:?}");
        told.push(again);
    }
    let check = pb::CheckRequest { document: Some(document(PHARMACY, "checked", &[])) };
    told.push(world.gate.check(check).await.expect("an answer").into_inner().decision.expect("a decision"));
    let back = world.gate.r#return(return_of("back", &[code(1)])).await.expect("an answer");
    told.push(back.into_inner().decision.expect("a decision"));
    let unpaired = world.gate.r#return(return_of("unpaired", &[code(77)])).await.expect("an answer");
    told.push(unpaired.into_inner().decision.expect("a decision"));
    let moved = pb::Movement {
        institution_code: PHARMACY.into(),
        kind: pb::MovementKind::StockCount.into(),
        codes: vec![code(3)],
        ..pb::Movement::default()
    };
    let moved = pb::ReportRequest {
        request_id: "counted".into(),
        event: Some(pb::report_request::Event::Movement(moved)),
    };
    let events =
        vec![reported("late", code(4)), moved, reported("late-twice", code(5)), reported("late", code(4))];
    let report = world.gate.report(tokio_stream::iter(events)).await.expect("an answer").into_inner();
    told.extend(report.results.into_iter().map(|r| r.decision.expect("a decision")));
    told
}

/// An answer as bytes, without the name that is made anew for each.
fn bytes(decision: &pb::Decision) -> Vec<u8> {
    pb::Decision { outcome_id: String::new(), ..decision.clone() }.encode_to_vec()
}

/// Pharmacies are reminded of a missing code and of a duplicate at most; an unpaired return is blocked.
fn milder_and_stricter() -> String {
    rule("NO_CODE", "remind") + &rule("DUPLICATE", "remind") + &rule("RETURN_UNPAIRED", "block")
}

#[tokio::test]
async fn a_shadow_counts_exactly_what_would_change_and_changes_nothing() {
    let (mut alone, ..) = world_with("", None).await;
    let (mut watched, ..) = world_with("", None).await;
    let started = start_shadow(&watched, &milder_and_stricter()).await;
    assert_eq!((totals(&started), started.changes.len()), ([0; 5], 0));
    let (first, second) = (morning(&mut alone).await, morning(&mut watched).await);
    assert_eq!(
        first.iter().map(bytes).collect::<Vec<_>>(),
        second.iter().map(bytes).collect::<Vec<_>>(),
        "the same answers, byte for byte"
    );
    let found = report(&watched).await;
    assert_eq!(totals(&found), [10, 4, 1, 3, 0], "{found:#?}");
    assert_eq!(
        verdicts(&found),
        [
            "dispense ALLOW ALLOW 1",
            "dispense REMIND REMIND 1",
            "dispense BLOCK REMIND 2",
            "hold ALLOW ALLOW 1",
            "hold BLOCK REMIND 1",
            "report_sale ALLOW ALLOW 2",
            "return ALLOW ALLOW 1",
            "return ALLOW BLOCK 1",
        ]
    );
    assert_eq!(
        reasons(&found),
        [
            "NO_CODE REMIND REMIND 1",
            "NO_CODE BLOCK REMIND 2",
            "DUPLICATE BLOCK REMIND 1",
            "RETURN_UNPAIRED OBSERVE BLOCK 1",
        ]
    );
    let listed: Vec<_> =
        found.changes.iter().map(|c| (c.request_id.as_str(), c.institution_code.as_str())).collect();
    assert_eq!(
        listed,
        [("unpaired", PHARMACY), ("bare-held", PHARMACY), ("twice", OTHER_PHARMACY), ("bare", PHARMACY)],
        "the latest first"
    );
    let twice = &found.changes[2];
    assert_eq!((twice.was(), twice.would_be()), (pb::Verdict::Block, pb::Verdict::Remind));
    assert_eq!((twice.was_recorded, twice.would_be_recorded), (false, true));
    let finding = &twice.findings[0];
    assert_eq!(
        (finding.reason(), finding.line_no, finding.code.as_str()),
        (pb::Reason::Duplicate, 1, code(1).as_str())
    );
    assert_eq!((finding.was(), finding.would_be()), (pb::Enforcement::Block, pb::Enforcement::Remind));
    assert_eq!(finding.was_class(), pb::DuplicateClass::OtherInstitutionClose);
    // What became of it in the ledger is what the policy in force said.
    for id in ["whole", "bare", "twice", "held", "unpaired"] {
        let institution = if id == "twice" { OTHER_PHARMACY } else { PHARMACY };
        let (first, second) = (alone.outcome(institution, id).await, watched.outcome(institution, id).await);
        assert_eq!(first.state(), second.state(), "{id}");
        assert_eq!(first.decision.as_ref().map(bytes), second.decision.as_ref().map(bytes), "{id}");
    }
    alone.stop().await;
    watched.stop().await;
}

#[tokio::test]
async fn a_pending_request_is_counted_once_it_is_decided() {
    let (mut world, ..) = world_with("", None).await;
    start_shadow(&world, &rule("DUPLICATE", "remind")).await;
    world.dispense(hold(dispense(PHARMACY, "held", &[code(1)]))).await;
    world.clock.set(at(9, 1));
    for _ in 0..3 {
        let waits = world.dispense(dispense(OTHER_PHARMACY, "waits", &[code(1)])).await;
        assert_eq!(waits.verdict(), pb::Verdict::Pending);
    }
    assert_eq!(totals(&report(&world).await), [1, 0, 0, 0, 0]);
    // The hold lapses; the same request is decided.
    world.clock.set(at(9, 40));
    assert_eq!(
        world.dispense(dispense(OTHER_PHARMACY, "waits", &[code(1)])).await.verdict(),
        pb::Verdict::Allow
    );
    assert_eq!(verdicts(&report(&world).await), ["dispense ALLOW ALLOW 1", "hold ALLOW ALLOW 1"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_race_for_one_box_are_counted_once_each() {
    let (world, ..) = world_with("", None).await;
    start_shadow(&world, &rule("DUPLICATE", "remind")).await;
    let sale = |n: usize| {
        let mut gate = world.gate.clone();
        let institution = if n.is_multiple_of(2) { PHARMACY } else { OTHER_PHARMACY };
        tokio::spawn(async move { gate.dispense(dispense(institution, &format!("r{n}"), &[code(1)])).await })
    };
    let sales: Vec<_> = (0..16).map(sale).collect();
    for sale in sales {
        sale.await.expect("the task ends").expect("an answer");
    }
    let found = report(&world).await;
    assert_eq!(verdicts(&found), ["dispense ALLOW ALLOW 1", "dispense BLOCK REMIND 15"]);
    assert_eq!(reasons(&found), ["DUPLICATE BLOCK REMIND 15"]);
    world.stop().await;
}

#[tokio::test]
async fn a_bureau_sees_all_counts_and_the_requests_of_its_own_divisions() {
    let (mut world, ..) = world_with("", None).await;
    start_shadow(&world, &rule("NO_CODE", "remind")).await;
    world.dispense(bare(PHARMACY, "bare")).await;
    let seen = async |caller: &str| {
        let answer = rules(&world).get_shadow(as_caller(pb::GetShadowRequest {}, caller)).await;
        let report = answer.expect("a report").into_inner().report.expect("a report");
        (report.changed, report.changes.len())
    };
    assert_eq!(seen("operator").await, (1, 1));
    assert_eq!(seen("bureau 12").await, (1, 1));
    assert_eq!(seen("bureau 13").await, (1, 0));
    world.stop().await;
}

#[tokio::test]
async fn the_list_of_changed_requests_keeps_the_latest_hundred() {
    let (mut world, ..) = world_with("", None).await;
    start_shadow(&world, &rule("NO_CODE", "remind")).await;
    for n in 0..103 {
        world.dispense(bare(PHARMACY, &format!("bare-{n}"))).await;
    }
    // One document with more differences than are kept of one.
    let lines = (1..=25).map(|n| pb::Line { line_no: n, catalog_code: DRUG.into(), ..pb::Line::default() });
    let document = pb::Document { lines: lines.collect(), ..document(PHARMACY, "long", &[]) };
    world
        .dispense(pb::DispenseRequest {
            request_id: "long".into(),
            document: Some(document),
            ..Default::default()
        })
        .await;
    let found = report(&world).await;
    assert_eq!((found.changed, found.changes.len()), (104, 100));
    let (first, last) = (&found.changes[0], &found.changes[99]);
    assert_eq!((first.request_id.as_str(), last.request_id.as_str()), ("long", "bare-4"));
    assert_eq!((first.findings.len(), first.findings_left_out), (20, 5));
    world.stop().await;
}
