//! Where the trail cannot be written, or was changed: counters go on, and nothing is changed without an entry.

use super::{listed, verified};
use crate::bureau::{BUREAU, bureau};
use crate::doors::as_caller;
use crate::support::eventually;
use crate::support::process::{GatewayProcess, page};
use crate::support::world::{PHARMACY, World, code, connect, dispense, institution, load_province};
use std::fs;
use tonic::Code;
use tracegate::grpc::pb;
use tracegate::grpc::pb::policy_service_client::PolicyServiceClient;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_trail_counters_go_on_and_nothing_else_is_changed() {
    let dir = World::start().await.stop().await;
    let data = dir.path().join("data");
    fs::rename(data.join("trail"), data.join("kept")).expect("moved");
    fs::write(data.join("trail"), "no directory").expect("written");
    let mut world = World::open(dir, |_| {}).await;
    let sold = world.dispense(dispense(PHARMACY, "r1", &[code(1)])).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    let refused = |status: tonic::Status| {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("the audit trail has stopped"), "{status}");
    };
    let mut rules = PolicyServiceClient::new(world.channel.clone());
    refused(rules.reload_policy(pb::ReloadPolicyRequest {}).await.expect_err("refused"));
    let another = pb::LoadInstitutionsRequest { institution: Some(institution("P12010100099")) };
    refused(world.registry.load_institutions(tokio_stream::iter([another])).await.expect_err("refused"));
    let asked = pb::GetInstitutionRequest { institution_code: "P12010100099".into() };
    let unknown = world.registry.get_institution(asked).await.expect_err("it was not loaded");
    assert_eq!(unknown.code(), Code::NotFound, "{unknown}");
    let look = pb::GetCodeHistoryRequest { code: code(1), person: "Li".into(), reason: String::new() };
    refused(bureau(&world).get_code_history(as_caller(look.clone(), BUREAU)).await.expect_err("refused"));
    let dir = world.stop().await;
    // With a trail again: the look that was refused was none.
    fs::remove_file(data.join("trail")).expect("removed");
    fs::rename(data.join("kept"), data.join("trail")).expect("moved back");
    let world = World::open(dir, |_| {}).await;
    let history = bureau(&world).get_code_history(as_caller(look, BUREAU)).await.expect("a history");
    assert_eq!(history.into_inner().looks.len(), 1);
    assert_eq!(verified(&data)["whole"], true);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trail_that_was_changed_is_said_and_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start(dir.path(), &[]);
    load_province(&connect(&gateway.address).await).await;
    gateway.kill();
    let trail = dir.path().join("trail");
    let month = fs::read_dir(&trail).expect("a directory").map(|file| file.expect("a file").path());
    let month =
        month.into_iter().find(|path| path.extension().is_some_and(|e| e == "jsonl")).expect("a month");
    let text = fs::read_to_string(&month).expect("entries");
    fs::write(&month, text.replace("\"rows\":3", "\"rows\":2")).expect("written");
    let gateway = GatewayProcess::start_with_http(dir.path(), "127.0.0.1:0", &[]);
    eventually("the damage shows", || async {
        let (_, text) = page(&gateway.pages, "/metrics");
        let line = "tracegate_trail_state{state=\"damaged\"} 1";
        text.lines().any(|found| found == line).then_some(())
    })
    .await;
    eventually("counters go on", || async { page(&gateway.pages, "/ready").0.contains("200").then_some(()) })
        .await;
    let mut registry = RegistryServiceClient::new(connect(&gateway.address).await);
    let another = pb::LoadInstitutionsRequest { institution: Some(institution("P12010100099")) };
    registry.load_institutions(tokio_stream::iter([another])).await.expect("it is loaded, and recorded");
    let report = verified(dir.path());
    let kinds: Vec<_> = report["faults"].as_array().expect("faults").iter().map(|f| &f["kind"]).collect();
    assert_eq!(kinds, ["changed", "begun_anew"], "{report:#}");
    let acts: Vec<_> = listed(dir.path(), &[]).iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts[3..], ["trail.begin", "gateway.start", "registry.load"], "{acts:?}");
}
