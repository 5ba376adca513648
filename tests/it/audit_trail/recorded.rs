//! What a gateway writes down, of whom, and that it comes before what it announces.

use super::listed;
use crate::bureau::{BUREAU, advance, bureau, deed, minutes, the_case};
use crate::doors::as_caller;
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::world::{
    HOSPITAL, PHARMACY, World, at, code, connect, dispense, drug, institution, purchase,
};
use serde_json::{Value, json};
use std::path::Path;
use tracegate::grpc::pb;
use tracegate::grpc::pb::history_service_client::HistoryServiceClient;
use tracegate::grpc::pb::policy_service_client::PolicyServiceClient;

/// The entries of a world so far.
fn trail(world: &World) -> Vec<Value> {
    listed(&world.dir.path().join("data"), &[])
}

/// The only entry that came since so many.
#[track_caller]
fn one_since(world: &World, before: usize) -> Value {
    let mut entries = trail(world).split_off(before);
    assert_eq!(entries.len(), 1, "{entries:#?}");
    entries.remove(0)
}

#[track_caller]
fn check(entry: &Value, who: &str, act: &str, about: &str) {
    assert_eq!([&entry["who"], &entry["act"], &entry["about"]], [who, act, about], "{entry:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_loads_are_entries_and_sales_are_none() {
    let mut world = World::start().await;
    let first = trail(&world);
    let acts: Vec<_> = first.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["trail.begin", "gateway.start", "registry.load", "registry.load"]);
    assert_eq!(first[1]["detail"]["policy"].as_str().unwrap().len(), 16, "{:#}", first[1]);
    check(&first[2], "operator", "registry.load", "institutions");
    let detail = &first[2]["detail"];
    assert_eq!([&detail["institutions"], &detail["rows"]], [&json!(3), &json!(3)]);
    assert_eq!(detail["divisions_named"], json!(["120101"]));
    assert_eq!(detail["blake3"].as_str().unwrap().len(), 64);
    assert_eq!(first[3]["at"], json!(format!("{:.6}", at(9, 0))));
    // Counters do what they do without it.
    world.dispense(dispense(PHARMACY, "r1", &[code(1)])).await;
    world.outcome(PHARMACY, "r1").await;
    assert_eq!(trail(&world).len(), 4);
    let drugs = tokio_stream::iter([pb::LoadDrugsRequest { drug: Some(drug()) }]);
    world.registry.load_drugs(as_caller(drugs, "bureau 12")).await.unwrap();
    check(&one_since(&world, 4), "bureau 12", "registry.load", "drugs");
    let errors = pb::PutMakersErrorsRequest {
        entries: vec![pb::MakersError {
            first_code: code(5),
            notice_no: "N-1".into(),
            ..pb::MakersError::default()
        }],
    };
    let put = bureau(&world).put_makers_errors(as_caller(errors, "operator")).await.unwrap().into_inner();
    assert_eq!(put.results.iter().filter(|result| result.refusal.is_empty()).count(), 1, "{put:?}");
    check(&one_since(&world, 5), "operator", "makers_errors.put", "makers_errors");
    // A batch of which nothing can be loaded changes nothing, and is no entry.
    let bad = pb::LoadInstitutionsRequest { institution: Some(institution("nobody")) };
    let loaded = world.registry.load_institutions(tokio_stream::iter([bad])).await.unwrap().into_inner();
    assert!(!loaded.results[0].refusal.is_empty());
    assert_eq!(trail(&world).len(), 6);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_to_cases_and_every_look_are_entries() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    minutes(&world, 10);
    world.dispense(dispense(HOSPITAL, "second", &[code(1)])).await;
    let case = the_case(&world).await;
    let before = trail(&world).len();
    advance(&world, BUREAU, deed(&case, pb::CaseAction::Push)).await.expect("pushed");
    let pushed = one_since(&world, before);
    check(&pushed, BUREAU, "case.advance", &case.case_id);
    assert_eq!([&pushed["detail"]["action"], &pushed["detail"]["person"]], ["PUSH", "Li"]);
    // What is refused by the rules of cases is no entry.
    advance(&world, BUREAU, deed(&case, pb::CaseAction::Push)).await.expect_err("it is pushed already");
    advance(&world, "bureau 13", deed(&case, pb::CaseAction::Close)).await.expect_err("not theirs");
    assert_eq!(trail(&world).len(), before + 1);
    let asked = |person: &str| pb::GetCodeHistoryRequest {
        code: code(1),
        person: person.into(),
        reason: "投诉".into(),
    };
    let history =
        bureau(&world).get_code_history(as_caller(asked("王芳"), BUREAU)).await.unwrap().into_inner();
    assert_eq!(history.looks.len(), 1, "the look is shown as before");
    let look = one_since(&world, before + 1);
    check(&look, BUREAU, "code_history.look", &code(1));
    assert_eq!(look["detail"], json!({ "person": "王芳", "reason": "投诉" }));
    bureau(&world).get_code_history(as_caller(asked(""), BUREAU)).await.expect_err("nobody looks");
    assert_eq!(trail(&world).len(), before + 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_imports_and_purchases_are_entries() {
    let mut world = World::start().await;
    let before = trail(&world).len();
    let (first_day, last_day) = ("2026-03-09".to_owned(), "2026-03-10".to_owned());
    let asked = pb::RunAuditRequest { first_day, last_day, everything: true };
    let mut steps = bureau(&world).run_audit(asked).await.unwrap().into_inner();
    while steps.message().await.unwrap().is_some() {}
    let audit = one_since(&world, before);
    check(&audit, "operator", "audit.run", "2026-03-09 to 2026-03-10");
    assert_eq!(audit["detail"], json!({ "everything": true }));
    let mut histories = HistoryServiceClient::new(world.channel.clone());
    let batches =
        tokio_stream::iter([1, 2].map(|batch_no| pb::ImportSalesRequest { batch_no, ..Default::default() }));
    let mut answers = histories.import_sales(as_caller(batches, "bureau 12")).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    check(&one_since(&world, before + 1), "bureau 12", "sales.import", "past sales");
    let purchase = purchase(PHARMACY, "P-1", "5");
    let loaded = world.purchases.submit_purchases(tokio_stream::iter([purchase])).await.unwrap().into_inner();
    assert!(loaded.results.iter().all(|result| result.refusal.is_empty()), "{loaded:?}");
    let purchases = one_since(&world, before + 2);
    check(&purchases, "operator", "purchases.load", "purchases");
    assert_eq!(purchases["detail"]["rows"], 1);
    world.stop().await;
}

/// Entries of rules in a data directory.
fn rules_in(data_dir: &Path) -> Vec<Value> {
    let acts = ["policy.reload", "policy.shadow.start", "policy.shadow.stop", "gateway.start"];
    listed(data_dir, &acts.map(|act| ["--act", act]).concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_rules_is_an_entry_with_the_versions() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, settings) = (dir.path().join("own.toml"), dir.path().join("tracegate.toml"));
    let rule = |what: &str| {
        format!("[[rule]]\nreason = 'NO_CODE'\nkind = 'pharmacy'\nenforcement = '{what}'\nnote = 'a test'\n")
    };
    std::fs::write(&file, rule("remind")).unwrap();
    std::fs::write(&settings, format!("[policy]\nfiles = ['{}']\n", file.display())).unwrap();
    let data_dir = dir.path().join("data");
    let args = ["--http", "off", "--config", settings.to_str().unwrap()];
    let gateway = GatewayProcess::start_with_args(&data_dir, &args, &[]);
    let mut rules = PolicyServiceClient::new(connect(&gateway.address).await);
    std::fs::write(&file, rule("block")).unwrap();
    let reloaded = rules.reload_policy(pb::ReloadPolicyRequest {}).await.unwrap().into_inner();
    let files = vec![pb::PolicyFile { name: "beside.toml".into(), text: rule("observe") }];
    let shadow = rules.start_shadow(pb::StartShadowRequest { files }).await.unwrap().into_inner();
    rules.stop_shadow(pb::StopShadowRequest {}).await.unwrap();
    let found = rules_in(&data_dir);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!(found[0]["detail"]["policy"], *reloaded.old_version);
    check(&found[1], "operator", "policy.reload", found[1]["about"].as_str().unwrap());
    assert!(found[1]["about"].as_str().unwrap().contains("own.toml"), "{:#}", found[1]);
    assert_eq!(found[1]["detail"]["before"], *reloaded.old_version);
    assert_eq!(found[1]["detail"]["after"], *reloaded.new_version);
    let version = shadow.report.expect("a report").shadow_version;
    check(&found[2], "operator", "policy.shadow.start", &version);
    check(&found[3], "operator", "policy.shadow.stop", &version);
    // A bad file changes nothing; SIGHUP is the operator's.
    std::fs::write(&file, "nonsense").unwrap();
    rules.reload_policy(pb::ReloadPolicyRequest {}).await.expect_err("a bad file");
    assert_eq!(rules_in(&data_dir).len(), 4);
    std::fs::write(&file, rule("remind")).unwrap();
    gateway.signal("HUP");
    let last = eventually("the signal is heard", || async { rules_in(&data_dir).into_iter().nth(4) }).await;
    check(&last, "operator", "policy.reload", last["about"].as_str().unwrap());
    assert_eq!(last["detail"]["after"], *reloaded.old_version);
}
