//! `PolicyService` through real connections: what is in force and why, reload without a stop, the shadow.

mod commands;
mod explain;
mod reload;
mod shadow;
mod shadow_facts;
mod shadow_runs;

use crate::support::world::{World, dispense, load_province};
use std::path::PathBuf;
use std::sync::Arc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tracegate::config::Config;
use tracegate::grpc::pb;
use tracegate::grpc::pb::policy_service_client::PolicyServiceClient;

fn as_caller<T>(message: T, caller: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("tracegate-caller", MetadataValue::try_from(caller).expect("ASCII"));
    request
}

fn rules(world: &World) -> PolicyServiceClient<Channel> {
    PolicyServiceClient::new(world.channel.clone())
}

/// A `Dispense` of one box whose code nobody scanned.
fn bare(institution: &str, request_id: &str) -> pb::DispenseRequest {
    let mut request = dispense(institution, request_id, &[]);
    for line in request.document.iter_mut().flat_map(|document| &mut document.lines) {
        line.quantity = "1".into();
    }
    request
}

/// One rule for the pharmacies of the province, insured sales.
fn rule(reason: &str, enforcement: &str) -> String {
    format!(
        "[[rule]]\nreason = '{reason}'\ndivision_prefix = '1201'\nkind = 'pharmacy'\npayment = 'insured'\n\
         enforcement = '{enforcement}'\nnote = 'a test'\n"
    )
}

/// A world whose policy files stand in its directory, with the paths of those in force and of the shadow.
async fn world_with(in_force: &str, shadow: Option<&str>) -> (World, PathBuf, PathBuf) {
    let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
    let (own, beside) = (dir.path().join("own.toml"), dir.path().join("beside.toml"));
    std::fs::write(&own, in_force).expect("written");
    if let Some(text) = shadow {
        std::fs::write(&beside, text).expect("written");
    }
    let (in_force, shadow) = (vec![own.clone()], shadow.map(|_| beside.clone()).into_iter().collect());
    let settings = |config: &mut Config| {
        config.policy_files = in_force;
        config.shadow_files = shadow;
    };
    let world = World::open(dir, settings).await;
    load_province(&world.channel).await;
    (world, own, beside)
}

async fn start_shadow(world: &World, text: &str) -> pb::ShadowReport {
    let files = vec![pb::PolicyFile { name: "beside.toml".into(), text: text.into() }];
    let answer = rules(world).start_shadow(pb::StartShadowRequest { files }).await.expect("a shadow");
    answer.into_inner().report.expect("a report")
}

async fn report(world: &World) -> pb::ShadowReport {
    let answer = rules(world).get_shadow(pb::GetShadowRequest {}).await.expect("a report");
    answer.into_inner().report.expect("a report")
}

/// Counts as rows: `dispense BLOCK REMIND 2`.
fn verdicts(report: &pb::ShadowReport) -> Vec<String> {
    let name = |v: pb::Verdict| v.as_str_name().trim_start_matches("VERDICT_").to_owned();
    let row = |c: &pb::ShadowVerdictCount| {
        format!("{} {} {} {}", c.call, name(c.was()), name(c.would_be()), c.documents)
    };
    report.verdicts.iter().map(row).collect()
}

/// Counts as rows: `NO_CODE BLOCK REMIND 2`.
fn reasons(report: &pb::ShadowReport) -> Vec<String> {
    let name = |e: pb::Enforcement| e.as_str_name().trim_start_matches("ENFORCEMENT_").to_owned();
    let row = |c: &pb::ShadowReasonCount| {
        let reason = c.reason().as_str_name().trim_start_matches("REASON_");
        format!("{reason} {} {} {}", name(c.was()), name(c.would_be()), c.findings)
    };
    report.reasons.iter().map(row).collect()
}

/// Documents, changed, stricter, milder, failed.
fn totals(r: &pb::ShadowReport) -> [u64; 5] {
    [r.documents, r.changed, r.stricter, r.milder, r.failed]
}

fn code_of<T>(answer: &Result<T, tonic::Status>) -> Code {
    answer.as_ref().err().map_or(Code::Ok, tonic::Status::code)
}
