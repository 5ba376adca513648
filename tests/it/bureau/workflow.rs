//! A case from detection to closure.

use super::opened::priced;
use super::{BUREAU, advance, deed, minutes, refused, the_case, to_review};
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, code, dispense};
use tonic::Code;
use tracegate::grpc::pb;

async fn two_sales() -> World {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "first", &[code(1)], "30")).await;
    minutes(&world, 10);
    world.dispense(priced(HOSPITAL, "second", &[code(1)], "31")).await;
    world
}

#[tokio::test]
async fn a_violation_is_closed_once_and_recovered_once() {
    let mut world = two_sales().await;
    let case = to_review(&world, HOSPITAL).await;
    assert_eq!(case.state(), pb::CaseState::FirstReview);
    let close = |amount: &str| pb::AdvanceCaseRequest {
        ending: pb::CaseEnding::Violation.into(),
        amount: amount.into(),
        ..deed(&case, pb::CaseAction::Close)
    };
    refused(advance(&world, BUREAU, close("31.01")).await, Code::InvalidArgument, "at most 31 yuan");
    let closed = advance(&world, BUREAU, close("")).await.unwrap();
    assert_eq!((closed.ending(), closed.recovered.as_str()), (pb::CaseEnding::Violation, "31"));
    assert!(closed.sales.iter().any(|sale| sale.recovered && sale.institution_code == HOSPITAL));
    let again = advance(&world, BUREAU, close("")).await;
    refused(again, Code::FailedPrecondition, "nothing more is");
    // A third sale opens a case of its own, in which the second one is not recovered again.
    minutes(&world, 60);
    world.dispense(priced(OTHER_PHARMACY, "third", &[code(1)], "40")).await;
    let cases = super::cases(&world, BUREAU).await;
    assert_eq!(
        cases.iter().map(|case| case.case_id.as_str()).collect::<Vec<_>>(),
        [format!("{}-2", code(1)).as_str(), format!("{}-1", code(1)).as_str(),]
    );
    assert_eq!(cases[0].at_stake, "0");
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_not_done_twice() {
    let world = two_sales().await;
    let case = the_case(&world).await;
    let pushed = advance(&world, BUREAU, deed(&case, pb::CaseAction::Push)).await.unwrap();
    let refund = pb::AdvanceCaseRequest {
        amount: "5".into(),
        version: pushed.version,
        ..deed(&case, pb::CaseAction::MarkRefund)
    };
    let own = format!("institution {HOSPITAL}");
    let marked = advance(&world, &own, refund.clone()).await.unwrap();
    assert_eq!((marked.refunded.as_str(), marked.version), ("5", pushed.version + 1));
    refused(advance(&world, &own, refund).await, Code::FailedPrecondition, "has changed");
    assert_eq!(the_case(&world).await.refunded, "5");
    world.stop().await;
}

#[tokio::test]
async fn an_event_is_annulled_and_the_state_derived_again() {
    let mut world = two_sales().await;
    let case = the_case(&world).await;
    let annul = |number: u32| pb::AdvanceCaseRequest {
        event_number: number,
        note: "typed by mistake".into(),
        ..deed(&case, pb::CaseAction::AnnulEvent)
    };
    refused(advance(&world, BUREAU, annul(9)).await, Code::InvalidArgument, "event_number");
    let closed = advance(&world, BUREAU, annul(1)).await.unwrap();
    assert_eq!((closed.state(), closed.ending()), (pb::CaseState::Closed, pb::CaseEnding::DataError));
    let kinds: Vec<_> = closed.steps.iter().map(pb::CaseStep::kind).collect();
    use pb::CaseStepKind::{Closed, Detected, EventAnnulled};
    assert_eq!(kinds, [Detected, EventAnnulled, Closed]);
    assert_eq!(closed.steps[1].note, "typed by mistake");
    // The box counts as sold by the hospital alone: it is the first side of whatever comes.
    minutes(&world, 60);
    let third = world.dispense(dispense(OTHER_PHARMACY, "third", &[code(1)])).await;
    assert_eq!(third.verdict(), pb::Verdict::Block);
    let cases = super::cases(&world, BUREAU).await;
    let sides: Vec<_> = cases[0].sales.iter().map(|s| (s.institution_code.as_str(), s.side())).collect();
    assert_eq!(sides, [(HOSPITAL, pb::CaseSide::First), (OTHER_PHARMACY, pb::CaseSide::Duplicate)]);
    world.stop().await;
}

#[tokio::test]
async fn deeds_are_refused_with_what_to_do() {
    let world = two_sales().await;
    let case = the_case(&world).await;
    let close = pb::AdvanceCaseRequest {
        ending: pb::CaseEnding::Lawful.into(),
        ..deed(&case, pb::CaseAction::Close)
    };
    refused(advance(&world, BUREAU, close.clone()).await, Code::FailedPrecondition, "possible: PUSH");
    let unnamed = pb::AdvanceCaseRequest { person: String::new(), ..deed(&case, pb::CaseAction::Push) };
    refused(advance(&world, BUREAU, unnamed).await, Code::InvalidArgument, "person");
    let file = pb::FileReference { name: "a.pdf".into(), sha256: "12".into(), size_bytes: 1 };
    let odd = pb::AdvanceCaseRequest { files: vec![file], ..deed(&case, pb::CaseAction::Push) };
    refused(advance(&world, BUREAU, odd).await, Code::InvalidArgument, "sha256sum");
    let nothing = pb::AdvanceCaseRequest { action: 0, ..close };
    refused(advance(&world, BUREAU, nothing).await, Code::InvalidArgument, "action");
    let nowhere = pb::AdvanceCaseRequest { case_id: "nonsense".into(), ..deed(&case, pb::CaseAction::Push) };
    refused(advance(&world, BUREAU, nowhere).await, Code::InvalidArgument, "case_id");
    world.stop().await;
}
