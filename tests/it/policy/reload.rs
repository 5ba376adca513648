//! Reading the policy again while requests run, and what a bad file does.

use super::{as_caller, bare, code_of, rule, rules, world_with};
use crate::support::world::{PHARMACY, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tonic::Code;
use tonic_types::StatusExt;
use tracegate::grpc::pb;

async fn version(world: &World) -> String {
    rules(world).get_policy(pb::GetPolicyRequest::default()).await.expect("a policy").into_inner().version
}

async fn reload(world: &World) -> Result<pb::ReloadPolicyResponse, tonic::Status> {
    rules(world).reload_policy(pb::ReloadPolicyRequest {}).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_verdicts_while_requests_run_and_fails_none() {
    let (world, own, _) = world_with(&rule("NO_CODE", "remind"), None).await;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = |name: usize| {
        let (mut gate, stop, sent) = (world.gate.clone(), Arc::clone(&stop), Arc::clone(&sent));
        tokio::spawn(async move {
            let mut told = BTreeSet::new();
            for n in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let answer = gate.dispense(bare(PHARMACY, &format!("c{name}-{n}"))).await;
                let decision = answer.expect("never an error").into_inner().decision.expect("a decision");
                let verdict = decision.verdict();
                told.insert((decision.policy_version, verdict));
                sent.fetch_add(1, Ordering::SeqCst);
            }
            told
        })
    };
    let counters: Vec<_> = (0..4).map(counter).collect();
    let mut expected = BTreeMap::from([(version(&world).await, pb::Verdict::Remind)]);
    for n in 0..20 {
        // Both rules are seen at work before the next one comes.
        let before = sent.load(Ordering::SeqCst);
        crate::support::eventually("requests go on", async || {
            (sent.load(Ordering::SeqCst) > before + 8).then_some(())
        })
        .await;
        let (enforcement, verdict) =
            if n % 2 == 0 { ("block", pb::Verdict::Block) } else { ("remind", pb::Verdict::Remind) };
        std::fs::write(&own, rule("NO_CODE", enforcement)).expect("written");
        let old = version(&world).await;
        let done = reload(&world).await.expect("a good file");
        assert_eq!((done.old_version.as_str(), done.new_version == old), (old.as_str(), false));
        expected.insert(done.new_version, verdict);
    }
    stop.store(true, Ordering::SeqCst);
    let mut told = BTreeSet::new();
    for counter in counters {
        told.extend(counter.await.expect("the counter ends"));
    }
    assert_eq!(told, expected.into_iter().collect(), "two versions, each with its own verdict");
    world.stop().await;
}

#[tokio::test]
async fn a_bad_file_leaves_everything_as_it_was_and_names_every_mistake() {
    let (world, own, beside) = world_with(&rule("NO_CODE", "remind"), Some(&rule("NO_CODE", "off"))).await;
    let (before, shadow) = (version(&world).await, super::report(&world).await.shadow_version);
    let good = rule("NO_CODE", "observe");
    let check = async |in_force: Option<&str>, beside_text: &str, places: &[(&str, &str)]| {
        match in_force {
            Some(text) => std::fs::write(&own, text).expect("written"),
            None => std::fs::remove_file(&own).expect("removed"),
        }
        std::fs::write(&beside, beside_text).expect("written");
        let refused = reload(&world).await.expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains("the old policy stays in force"), "{refused}");
        let violations = refused.get_details_precondition_failure().expect("details").violations;
        let told: Vec<_> = violations.iter().map(|v| (v.subject.as_str(), v.description.as_str())).collect();
        assert_eq!(told.len(), places.len(), "{told:?}");
        for ((subject, description), (place, says)) in told.iter().zip(places) {
            assert!(subject.ends_with(place) && description.contains(says), "{told:?}");
        }
        let answer = world.gate.clone().dispense(bare(PHARMACY, &format!("d-{places:?}"))).await;
        let decision = answer.expect("an answer").into_inner().decision.expect("a decision");
        assert_eq!(
            (decision.policy_version.as_str(), decision.verdict()),
            (before.as_str(), pb::Verdict::Remind)
        );
        assert_eq!(super::report(&world).await.shadow_version, shadow, "the old shadow goes on");
    };
    let bad = "[[rule]]\nreason = 'NONSENSE'\nenforcement = 'perhaps'\nnote = ''\n";
    check(Some(bad), &good, &[("own.toml:2", "NONSENSE"), ("own.toml:3", "perhaps")]).await;
    check(Some(&good), bad, &[("beside.toml:2", "NONSENSE"), ("beside.toml:3", "perhaps")]).await;
    check(
        Some("[settings]\nhold_minutes = 0\n"),
        "not TOML",
        &[("own.toml:2", "hold_minutes"), ("beside.toml:1", "TOML")],
    )
    .await;
    check(None, &good, &[("own.toml", "cannot be read")]).await;
    std::fs::write(&own, &good).expect("written");
    let done = reload(&world).await.expect("both are good again");
    assert_eq!((done.old_version.as_str(), done.shadow_version == shadow), (before.as_str(), false));
    assert_ne!(done.new_version, before);
    world.stop().await;
}

#[tokio::test]
async fn thousands_of_mistakes_are_answered_with_as_many_as_fit_and_a_count() {
    let (world, own, _) = world_with("", None).await;
    let line = "[[rule]]\nreason = '无此原因'\nenforcement = 'block'\nnote = ''\n";
    std::fs::write(&own, line.repeat(5_000)).expect("written");
    let refused = reload(&world).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("5000 mistake(s)"), "{refused}");
    let violations = refused.get_details_precondition_failure().expect("details").violations;
    let (last, told) = violations.split_last().expect("mistakes");
    assert!(!told.is_empty() && last.description.starts_with(&format!("and {} more", 5_000 - told.len())));
    world.stop().await;
}

#[tokio::test]
async fn the_policy_in_force_is_shown_page_by_page() {
    let many = |n: u32| {
        let county = |n: u32| {
            format!(
                "[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '{:06}'\nenforcement = 'observe'\n\
                 note = '{}'\n",
                100_000 + n,
                "a note ".repeat(20)
            )
        };
        (0..n).map(county).collect::<String>()
    };
    let (world, own, _) = world_with(&many(4_500), None).await;
    let first = rules(&world).get_policy(pb::GetPolicyRequest::default()).await.expect("a page").into_inner();
    assert_eq!(
        first.files,
        ["policy/national.toml (built in)", "policy/hebei.toml (built in)", own.to_str().expect("UTF-8")]
    );
    assert_eq!(first.settings.as_ref().map(|s| (s.hold_minutes, s.url_hosts.len())), Some((30, 2)));
    let (mut rows, mut exemptions, mut token, mut pages) = (Vec::new(), 0, String::new(), 0);
    loop {
        let request = pb::GetPolicyRequest { page_token: token };
        let page = rules(&world).get_policy(request).await.expect("a page").into_inner();
        assert_eq!((page.version.as_str(), page.rules_total), (first.version.as_str(), first.rules_total));
        rows.extend(page.rules.into_iter().map(|r| (r.source_file, r.source_line)));
        exemptions += page.exemptions.len();
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let distinct: BTreeSet<_> = rows.iter().collect();
    assert_eq!((rows.len(), distinct.len()), (first.rules_total as usize, first.rules_total as usize));
    assert!(first.rules_total > 4_500 && pages > 2, "{} rules on {pages} pages", first.rules_total);
    assert_eq!(exemptions, first.exemptions_total as usize);
    std::fs::write(&own, many(4_499)).expect("written");
    reload(&world).await.expect("a good file");
    let stale = pb::GetPolicyRequest { page_token: first.next_page_token };
    let refused = rules(&world).get_policy(stale).await.expect_err("a page of another policy");
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("page_token"), "{refused}");
    world.stop().await;
}

#[tokio::test]
async fn rules_are_changed_by_the_operator_and_read_by_those_they_concern() {
    let (world, ..) = world_with("", None).await;
    super::start_shadow(&world, &rule("NO_CODE", "remind")).await;
    let own = format!("institution {PHARMACY}");
    let files = || vec![pb::PolicyFile { name: "x.toml".into(), text: String::new() }];
    // Caller; GetPolicy, GetShadow; ReloadPolicy, StartShadow, StopShadow.
    let rows = [
        (own.as_str(), [Code::Ok, Code::PermissionDenied, Code::PermissionDenied]),
        ("chain CHAIN", [Code::Ok, Code::PermissionDenied, Code::PermissionDenied]),
        ("bureau 12", [Code::Ok, Code::Ok, Code::PermissionDenied]),
        ("somebody", [Code::Unauthenticated, Code::Unauthenticated, Code::Unauthenticated]),
        ("operator", [Code::Ok, Code::Ok, Code::Ok]),
    ];
    for (caller, [get_policy, get_shadow, change]) in rows {
        let mut rules = rules(&world);
        let shown = rules.get_policy(as_caller(pb::GetPolicyRequest::default(), caller)).await;
        assert_eq!(code_of(&shown), get_policy, "{caller}");
        if let Ok(shown) = shown {
            let knows_shadow = !shown.into_inner().shadow_version.is_empty();
            assert_eq!(knows_shadow, get_shadow == Code::Ok, "{caller} and the shadow's version");
        }
        let seen = rules.get_shadow(as_caller(pb::GetShadowRequest {}, caller)).await;
        assert_eq!(code_of(&seen), get_shadow, "{caller}");
        let read = rules.reload_policy(as_caller(pb::ReloadPolicyRequest {}, caller)).await;
        assert_eq!(code_of(&read), change, "{caller}");
        let started = pb::StartShadowRequest { files: files() };
        assert_eq!(code_of(&rules.start_shadow(as_caller(started, caller)).await), change, "{caller}");
        let stopped = rules.stop_shadow(as_caller(pb::StopShadowRequest {}, caller)).await;
        assert_eq!(code_of(&stopped), change, "{caller}");
    }
    world.stop().await;
}
