//! Holds: confirmed, voided, lapsed; documents voided by number; answers in doubt.

use super::reasons;
use crate::support::world::{DRUG, OTHER_PHARMACY, PHARMACY, World, at, code, dispense};
use tonic::Code;
use tracegate::grpc::pb;

fn confirm(request_id: &str, hold: &str) -> pb::ConfirmRequest {
    pb::ConfirmRequest {
        request_id: request_id.into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: hold.into(),
        settlement_id: format!("S-{hold}"),
        amount: "12.50".into(),
        occurred_at: None,
    }
}

fn held(id: &str, codes: &[String]) -> pb::DispenseRequest {
    pb::DispenseRequest { hold: true, ..dispense(PHARMACY, id, codes) }
}

#[tokio::test]
async fn a_hold_is_confirmed_voided_or_lapses_and_accuses_nobody() {
    let mut world = World::start().await;
    let hold = world.dispense(held("hold", &[code(7)])).await;
    assert_eq!(hold.hold_expires_at.expect("an end").seconds, at(9, 30).as_second());
    let rival = world.dispense(dispense(OTHER_PHARMACY, "rival", &[code(7)])).await;
    assert_eq!((rival.verdict(), reasons(&rival)), (pb::Verdict::Pending, vec![pb::Reason::InDoubt]));
    // Confirmed: the rival's next try is a duplicate.
    let sold = world.gate.confirm(confirm("c1", "hold")).await.expect("an answer").into_inner();
    assert_eq!(sold.decision.expect("a decision").verdict(), pb::Verdict::Allow);
    let rival = world.dispense(dispense(OTHER_PHARMACY, "rival", &[code(7)])).await;
    assert_eq!((rival.verdict(), reasons(&rival)), (pb::Verdict::Block, vec![pb::Reason::Duplicate]));
    // Lapsed: free again, and a late confirmation finds the other sale.
    world.dispense(held("lapsed", &[code(8)])).await;
    world.clock.set(at(9, 30));
    let rival = world.dispense(dispense(OTHER_PHARMACY, "r2", &[code(8)])).await;
    assert_eq!(rival.verdict(), pb::Verdict::Allow);
    let late = world.gate.confirm(confirm("c2", "lapsed")).await.expect("an answer").into_inner();
    let late = late.decision.expect("a decision");
    assert_eq!(
        (late.verdict(), reasons(&late), late.recorded),
        (pb::Verdict::Block, vec![pb::Reason::Duplicate], true)
    );
    // Voided: free at once; the id is closed.
    world.dispense(held("void-me", &[code(9)])).await;
    let void = pb::VoidRequest {
        request_id: "v1".into(),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DispenseRequestId("void-me".into())),
    };
    let freed = world.gate.void(void).await.expect("an answer").into_inner();
    assert_eq!(freed.freed_codes, [code(9)]);
    assert_eq!(world.outcome(PHARMACY, "void-me").await.state(), pb::OutcomeState::Voided);
    let rival = world.dispense(dispense(OTHER_PHARMACY, "r3", &[code(9)])).await;
    assert_eq!(rival.verdict(), pb::Verdict::Allow);
    let status = world.gate.confirm(confirm("c3", "void-me")).await.expect_err("voided");
    assert_eq!(status.code(), Code::FailedPrecondition);
    world.stop().await;
}

#[tokio::test]
async fn a_document_is_voided_by_its_number_and_sold_again_by_a_new_request() {
    let mut world = World::start().await;
    let mut first = dispense(PHARMACY, "a", &[code(10), code(11)]);
    first.document.as_mut().expect("a document").document_no = "RD1".into();
    let mut second = dispense(PHARMACY, "b", &[code(12)]);
    second.document.as_mut().expect("a document").document_no = "RD1".into();
    world.dispense(first.clone()).await;
    world.dispense(second).await;
    let void = pb::VoidRequest {
        request_id: "v".into(),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DocumentNo("RD1".into())),
    };
    let mut freed = world.gate.void(void).await.expect("an answer").into_inner().freed_codes;
    freed.sort();
    assert_eq!(freed, [code(10), code(11), code(12)]);
    let refused = world.gate.dispense(first.clone()).await.expect_err("closed");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let again = world.dispense(pb::DispenseRequest { request_id: "c".into(), ..first }).await;
    assert_eq!(again.verdict(), pb::Verdict::Allow);
    world.stop().await;
}

#[tokio::test]
async fn a_request_in_doubt_is_remembered_and_answered_later() {
    let mut world = World::start().await;
    world.dispense(held("hold", &[code(20)])).await;
    let rival = dispense(OTHER_PHARMACY, "rival", &[code(20)]);
    assert_eq!(world.dispense(rival.clone()).await.verdict(), pb::Verdict::Pending);
    let found = world.outcome(OTHER_PHARMACY, "rival").await;
    assert_eq!(found.state(), pb::OutcomeState::InDoubt, "asking does not close it");
    world.clock.set(at(9, 31));
    let decided = world.dispense(rival.clone()).await;
    assert_eq!((decided.verdict(), decided.replayed), (pb::Verdict::Allow, false));
    assert!(world.dispense(rival).await.replayed);
    assert_eq!(world.outcome(OTHER_PHARMACY, "rival").await.state(), pb::OutcomeState::Decided);
    let other = dispense(OTHER_PHARMACY, "rival", &[code(21)]);
    assert_eq!(world.gate.dispense(other).await.expect_err("another body").code(), Code::AlreadyExists);
    world.stop().await;
}

#[tokio::test]
async fn a_late_hold_counts_its_units_once() {
    let mut world = World::start().await;
    let mut late = held("late", &[code(22)]);
    let an_hour_ago = prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 };
    late.document.as_mut().expect("a document").occurred_at = Some(an_hour_ago);
    let answer = world.dispense(late).await;
    assert!(answer.after_the_fact && answer.recorded && answer.hold_expires_at.is_none(), "{answer:?}");
    let sold = async |world: &mut World| {
        let asked = pb::GetPurchaseRequest { institution_code: PHARMACY.into(), catalog_code: DRUG.into() };
        world.purchases.get_purchase(asked).await.expect("an answer").into_inner().sold_quantity
    };
    assert_eq!(sold(&mut world).await, "1");
    world.gate.confirm(confirm("c", "late")).await.expect("an answer");
    assert_eq!(sold(&mut world).await, "1");
    world.dispense(held("hold", &[code(23)])).await;
    assert_eq!(sold(&mut world).await, "1", "a hold is no sale yet");
    world.gate.confirm(confirm("c2", "hold")).await.expect("an answer");
    assert_eq!(sold(&mut world).await, "2");
    world.stop().await;
}
