//! `BureauService` through real connections: who sees which case, what they do to it, what survives.

mod audit;
mod commands;
pub mod compliance;
mod history;
mod opened;
mod sight;
mod watched;
mod workflow;

use crate::doors::as_caller;
use crate::support::world::{World, at};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;

/// The bureau of the pharmacies' city, and of their province.
pub const BUREAU: &str = "bureau 1201";

pub fn bureau(world: &World) -> BureauServiceClient<Channel> {
    BureauServiceClient::new(world.channel.clone())
}

/// Cases that a caller sees, newest first.
pub async fn cases(world: &World, caller: &str) -> Vec<pb::Case> {
    let list = as_caller(pb::ListCasesRequest::default(), caller);
    bureau(world).list_cases(list).await.expect("cases").into_inner().cases
}

/// The only case.
pub async fn the_case(world: &World) -> pb::Case {
    let mut cases = cases(world, "operator").await;
    assert_eq!(cases.len(), 1, "{cases:#?}");
    cases.remove(0)
}

/// A deed without frills.
pub fn deed(case: &pb::Case, action: pb::CaseAction) -> pb::AdvanceCaseRequest {
    pb::AdvanceCaseRequest {
        case_id: case.case_id.clone(),
        action: action.into(),
        person: "Li".into(),
        note: "because".into(),
        ..pb::AdvanceCaseRequest::default()
    }
}

pub async fn advance(world: &World, caller: &str, deed: pb::AdvanceCaseRequest) -> Result<pb::Case, Status> {
    let answer = bureau(world).advance_case(as_caller(deed, caller)).await?;
    Ok(answer.into_inner().case.expect("a case"))
}

/// Walks a case from detection to its first review.
pub async fn to_review(world: &World, institution: &str) -> pb::Case {
    let case = the_case(world).await;
    advance(world, BUREAU, deed(&case, pb::CaseAction::Push)).await.expect("pushed");
    let own = format!("institution {institution}");
    advance(world, &own, deed(&case, pb::CaseAction::Explain)).await.expect("explained");
    advance(world, BUREAU, deed(&case, pb::CaseAction::BeginReview)).await.expect("under review")
}

/// Sets the clock some minutes after nine.
pub fn minutes(world: &World, after_nine: i32) {
    let (hours, minutes) = (after_nine / 60, after_nine % 60);
    world.clock.set(at(9 + i8::try_from(hours).unwrap(), i8::try_from(minutes).unwrap()));
}

#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, says: &str) {
    let status = answer.expect_err("refused");
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(says), "{status}");
}
