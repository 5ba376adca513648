//! Everything of a code, and who looked at it.

use super::{bureau, minutes, refused};
use crate::doors::as_caller;
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, code, dispense};
use tonic::{Code, Status};
use tracegate::grpc::pb;

async fn look(world: &World, caller: &str, person: &str) -> Result<pb::GetCodeHistoryResponse, Status> {
    let request = pb::GetCodeHistoryRequest {
        code: format!("]C1{}\r\n", code(1)),
        person: person.into(),
        reason: "a complaint".into(),
    };
    Ok(bureau(world).get_code_history(as_caller(request, caller)).await?.into_inner())
}

#[tokio::test]
async fn a_bureau_sees_every_event_and_each_look_is_kept() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    minutes(&world, 10);
    world.dispense(dispense(HOSPITAL, "second", &[code(1)])).await;
    world.dispense(dispense(OTHER_PHARMACY, "third", &[code(1)])).await;
    let history = look(&world, "bureau 12", "Li").await.unwrap();
    let told: Vec<_> = history
        .events
        .iter()
        .map(|e| {
            (
                e.number,
                e.kind(),
                e.institution_code.as_str(),
                e.details.as_ref().unwrap().document_no.as_str(),
            )
        })
        .collect();
    use pb::CodeEventKind::{Attempt, Sale};
    assert_eq!(
        told,
        [
            (1, Sale, PHARMACY, "D-first"),
            (2, Sale, HOSPITAL, "D-second"),
            (0, Attempt, OTHER_PHARMACY, "D-third")
        ]
    );
    assert_eq!(history.case_ids, [format!("{}-1", code(1))]);
    minutes(&world, 20);
    look(&world, "operator", "Zhao").await.unwrap();
    let looks = look(&world, "bureau 1201", "Li").await.unwrap().looks;
    let looks: Vec<_> = looks.iter().map(|l| (l.of.as_str(), l.person.as_str(), l.reason.as_str())).collect();
    assert_eq!(looks.len(), 3);
    assert_eq!(looks[2], ("12", "Li", "a complaint"));
    // They outlive a restart.
    let dir = world.stop().await;
    let world = World::open(dir, |_| {}).await;
    assert_eq!(look(&world, "operator", "Sun").await.unwrap().looks.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn who_may_not_look_is_told_why() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    let own = format!("institution {PHARMACY}");
    refused(look(&world, &own, "Wang").await, Code::PermissionDenied, "these may: reader, bureau, operator");
    refused(look(&world, "bureau 13", "Li").await, Code::NotFound, "divisions 13");
    refused(look(&world, "bureau 12", " ").await, Code::InvalidArgument, "who looked");
    world.stop().await;
}
