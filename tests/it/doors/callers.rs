//! Who sees what, and who may act for whom.

use super::as_caller;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use tonic::Code;
use tracegate::grpc::pb;

#[tokio::test]
async fn an_institution_learns_you_or_another_and_a_bureau_sees_both() {
    let mut world = World::start().await;
    world.dispense(dispense(OTHER_PHARMACY, "first", &[code(1)])).await;
    world.clock.set(at(9, 5));
    let check = async |world: &mut World, caller: &str| {
        let message = pb::CheckRequest { document: Some(document(PHARMACY, "D2", &[code(1)])) };
        let answer = world.gate.check(as_caller(message, caller)).await.expect("an answer").into_inner();
        answer.decision.expect("a decision").findings.remove(0).other_sale.expect("the other sale")
    };
    let own = check(&mut world, &format!("institution {PHARMACY}")).await;
    assert_eq!((own.same_institution, own.institution_code.as_str()), (false, ""));
    assert_eq!(own.occurred_at.expect("a time").seconds, at(9, 0).as_second());
    let bureau = check(&mut world, "bureau 12").await;
    assert_eq!(bureau.institution_code, OTHER_PHARMACY);
    let operator = check(&mut world, "operator").await;
    assert_eq!(operator.institution_code, OTHER_PHARMACY);
    world.stop().await;
}

#[tokio::test]
async fn callers_act_for_themselves_only() {
    let mut world = World::start().await;
    let check = async |world: &mut World, caller: &str, expected: Code| {
        let answer = world.gate.dispense(as_caller(dispense(PHARMACY, caller, &[code(2)]), caller)).await;
        let found = answer.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(found, expected, "{caller}");
    };
    check(&mut world, &format!("institution {OTHER_PHARMACY}"), Code::PermissionDenied).await;
    check(&mut world, "bureau 13", Code::PermissionDenied).await;
    check(&mut world, "chain NOBODY", Code::PermissionDenied).await;
    check(&mut world, "somebody", Code::Unauthenticated).await;
    check(&mut world, &format!("institution {PHARMACY}"), Code::Ok).await;
    let load =
        world.registry.load_drugs(as_caller(tokio_stream::empty(), &format!("institution {PHARMACY}"))).await;
    assert_eq!(load.expect_err("not allowed").code(), Code::PermissionDenied);
    world.stop().await;
}
