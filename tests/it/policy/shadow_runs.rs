//! Starting, stopping and replacing a shadow: from the network, from files, and beside a policy that changes.

use super::{bare, code_of, report, rule, rules, start_shadow, totals, verdicts, world_with};
use crate::support::world::{PHARMACY, World};
use tonic::Code;
use tonic_types::StatusExt;
use tracegate::grpc::pb;

async fn reload(world: &World) -> pb::ReloadPolicyResponse {
    let done = rules(world).reload_policy(pb::ReloadPolicyRequest {}).await;
    done.expect("good files").into_inner()
}

fn file(name: &str, text: impl Into<String>) -> pb::PolicyFile {
    pb::PolicyFile { name: name.into(), text: text.into() }
}

#[tokio::test]
async fn a_shadow_runs_from_its_start_to_its_stop() {
    let (mut world, ..) = world_with("", None).await;
    let none = rules(&world).get_shadow(pb::GetShadowRequest {}).await.expect_err("none runs");
    assert_eq!(none.code(), Code::NotFound);
    assert_eq!(code_of(&rules(&world).stop_shadow(pb::StopShadowRequest {}).await), Code::NotFound);
    world.dispense(bare(PHARMACY, "before")).await;
    let first = start_shadow(&world, &rule("NO_CODE", "remind")).await;
    assert_eq!(
        first.files,
        ["policy/national.toml (built in)", "policy/hebei.toml (built in)", "beside.toml"]
    );
    assert_ne!(first.shadow_version, first.compared_with_version);
    world.dispense(bare(PHARMACY, "one")).await;
    assert_eq!(verdicts(&report(&world).await), ["dispense BLOCK REMIND 1"]);
    // Another one gives it way, with empty counts.
    let second = start_shadow(&world, &rule("NO_CODE", "observe")).await;
    assert_ne!(second.shadow_version, first.shadow_version);
    world.dispense(bare(PHARMACY, "two")).await;
    let stopped = rules(&world).stop_shadow(pb::StopShadowRequest {}).await.expect("it ran").into_inner();
    let last = stopped.report.expect("its last counts");
    assert_eq!(
        (last.shadow_version.as_str(), verdicts(&last)),
        (second.shadow_version.as_str(), vec!["dispense BLOCK ALLOW 1".to_owned()])
    );
    world.dispense(bare(PHARMACY, "after")).await;
    assert_eq!(code_of(&rules(&world).get_shadow(pb::GetShadowRequest {}).await), Code::NotFound);
    world.stop().await;
}

#[tokio::test]
async fn texts_that_cannot_be_a_policy_start_nothing() {
    let (world, ..) = world_with("", None).await;
    let running = start_shadow(&world, &rule("NO_CODE", "remind")).await.shadow_version;
    let check = async |files: Vec<pb::PolicyFile>, places: &[&str]| {
        let refused =
            rules(&world).start_shadow(pb::StartShadowRequest { files }).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let violations = refused.get_details_bad_request().expect("details").field_violations;
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, places, "{violations:?}");
        assert_eq!(report(&world).await.shadow_version, running, "what ran goes on");
    };
    check(vec![], &["files"]).await;
    check(vec![file("", "")], &["files[0].name"]).await;
    check(vec![file("a.toml", ""), file("a.toml", "")], &["files[1].name"]).await;
    check((0..17).map(|n| file(&n.to_string(), "")).collect(), &["files"]).await;
    let comment = "# ".repeat(400_000);
    check(["a", "b", "c"].map(|n| file(n, comment.clone())).to_vec(), &["files"]).await;
    let bad = "[[rule]]\nreason = 'NONSENSE'\nenforcement = 'perhaps'\nnote = ''\n";
    check(vec![file("a.toml", ""), file("b.toml", bad)], &["b.toml:2", "b.toml:3"]).await;
    let contradiction = rule("NO_CODE", "remind") + &rule("NO_CODE", "off");
    check(vec![file("a.toml", contradiction)], &["a.toml:8"]).await;
    check(vec![file("a.toml", "[settings]\nplaceholder_patterns = ['(']\n")], &["a.toml:2"]).await;
    world.stop().await;
}

#[tokio::test]
async fn a_shadow_from_files_runs_from_the_start_and_follows_its_files() {
    let (mut world, own, beside) = world_with("", Some(&rule("NO_CODE", "remind"))).await;
    world.dispense(bare(PHARMACY, "one")).await;
    let first = report(&world).await;
    assert_eq!(verdicts(&first), ["dispense BLOCK REMIND 1"]);
    assert_eq!(first.files.last().map(String::as_str), beside.to_str());
    // Nothing new in either file: the counts go on.
    let done = reload(&world).await;
    assert_eq!(
        (done.shadow_version.as_str(), done.old_version),
        (first.shadow_version.as_str(), done.new_version)
    );
    assert_eq!(totals(&report(&world).await), [1, 1, 0, 1, 0]);
    // Another shadow, or another policy in force: what was counted compared something else.
    std::fs::write(&beside, rule("NO_CODE", "observe")).expect("written");
    reload(&world).await;
    assert_eq!(totals(&report(&world).await), [0; 5]);
    world.dispense(bare(PHARMACY, "two")).await;
    assert_eq!(verdicts(&report(&world).await), ["dispense BLOCK ALLOW 1"]);
    std::fs::write(&own, rule("NO_CODE", "remind")).expect("written");
    let done = reload(&world).await;
    let found = report(&world).await;
    assert_eq!((totals(&found), found.compared_with_version), ([0; 5], done.new_version));
    world.dispense(bare(PHARMACY, "three")).await;
    assert_eq!(verdicts(&report(&world).await), ["dispense REMIND ALLOW 1"]);
    // The files have the last word at every reload.
    rules(&world).stop_shadow(pb::StopShadowRequest {}).await.expect("it ran");
    assert!(!reload(&world).await.shadow_version.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_shadow_from_the_network_outlives_a_reload_that_says_nothing_about_it() {
    let (mut world, own, _) = world_with("", None).await;
    let started = start_shadow(&world, &rule("NO_CODE", "remind")).await;
    world.dispense(bare(PHARMACY, "one")).await;
    assert_eq!(reload(&world).await.shadow_version, started.shadow_version);
    assert_eq!(totals(&report(&world).await), [1, 1, 0, 1, 0], "the same two policies");
    std::fs::write(&own, rule("NO_CODE", "observe")).expect("written");
    assert_eq!(reload(&world).await.shadow_version, started.shadow_version);
    assert_eq!(totals(&report(&world).await), [0; 5], "another policy in force");
    world.stop().await;
}
