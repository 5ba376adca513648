//! The gRPC door, through real connections.

mod callers;
mod foreign;
mod holds;
mod loads;
mod requests;
mod roles;

use tonic::Request;
use tonic::metadata::MetadataValue;
use tracegate::grpc::pb;

pub fn as_caller<T>(message: T, caller: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("tracegate-caller", MetadataValue::try_from(caller).expect("ASCII"));
    request
}

fn reasons(decision: &pb::Decision) -> Vec<pb::Reason> {
    decision.findings.iter().map(pb::Finding::reason).collect()
}
