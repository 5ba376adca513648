//! Labelled days, replayed through the program itself; each line of the truth must come out.

use crate::bureau::bureau;
use crate::support::process::PROGRAM;
use crate::support::world::World;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use tracegate::grpc::pb;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    value[name].as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

/// What is wrong with one answer.
fn misses(truth: &Value, answer: Option<&Value>) -> Vec<String> {
    let Some(answer) = answer else {
        return vec!["no answer".into()];
    };
    let findings = texts(answer, "findings");
    let mut wrong = Vec::new();
    if answer["verdict"] != truth["verdict"] {
        wrong.push(format!("verdict {} instead of {}", answer["verdict"], truth["verdict"]));
    }
    for must in texts(truth, "must") {
        let there =
            findings.iter().any(|f| f["reason"] == must[0] && (must[1].is_null() || f["class"] == must[1]));
        if !there {
            wrong.push(format!("missing {must}"));
        }
    }
    for forbidden in texts(truth, "forbid") {
        if findings.iter().any(|f| f["reason"] == *forbidden) {
            wrong.push(format!("false {forbidden}"));
        }
    }
    for role in texts(truth, "roles") {
        if !findings.iter().any(|f| f["code"] == role[0] && f["role"] == role[1]) {
            wrong.push(format!("missing role {role}"));
        }
    }
    if truth.get("recorded").is_some_and(|recorded| *recorded != answer["recorded"]) {
        wrong.push(format!("recorded {} instead of {}", answer["recorded"], truth["recorded"]));
    }
    if truth["error"] == true && !answer["error"].is_string() {
        wrong.push("missing error".into());
    }
    wrong
}

fn replay(registry: &Path, messages: &Path, out: &Path, options: &[&str]) {
    let run = Command::new(PROGRAM)
        .args(["replay", "--registry"])
        .arg(registry)
        .arg(messages)
        .arg("--out")
        .arg(out)
        .args(options)
        .output()
        .expect("the program runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn check_day(registry: &str, messages: &str, truth: &str) {
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    replay(&root().join(registry), &root().join(messages), out.path(), &[]);
    let answers: HashMap<u64, Value> =
        lines(out.path()).into_iter().map(|a| (a["n"].as_u64().expect("n is a number"), a)).collect();
    let truths = lines(&root().join(truth));
    let wrong: Vec<String> = truths
        .iter()
        .filter_map(|truth| {
            let n = truth["n"].as_u64().expect("n is a number");
            let wrong = misses(truth, answers.get(&n));
            (!wrong.is_empty()).then(|| {
                format!(
                    "line {n} {}: {}; got {:?}",
                    truth["tag"],
                    wrong.join(", "),
                    answers.get(&n).map(ToString::to_string)
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), truths.len(), wrong.join("\n"));
    assert_eq!(answers.len(), truths.len(), "one answer a message");
}

fn check_own_day(name: &str) {
    let day = format!("tests/days/{name}");
    check_day(&day, &format!("{day}/messages.jsonl"), &format!("{day}/truth.jsonl"));
}

#[test]
fn the_counter_day_comes_out_as_labelled() {
    check_own_day("counter");
}

#[test]
fn the_late_day_comes_out_as_labelled() {
    check_own_day("late");
}

#[test]
fn the_busy_day_comes_out_as_labelled() {
    check_own_day("busy");
}

/// The answers of a day.
fn answers_of(day: &Path, options: &[&str]) -> Vec<Value> {
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    replay(day, &day.join("messages.jsonl"), out.path(), options);
    lines(out.path())
}

#[test]
fn every_day_comes_out_the_same_over_redis() {
    for name in ["counter", "late", "busy"] {
        let server = crate::support::redis::RedisServer::start();
        let day = root().join(format!("tests/days/{name}"));
        let (embedded, redis) = (answers_of(&day, &[]), answers_of(&day, &["--store", &server.url()]));
        assert_eq!(embedded.len(), redis.len(), "{name}");
        for (embedded, redis) in embedded.iter().zip(&redis) {
            assert_eq!(embedded, redis, "{name}");
        }
    }
}

#[test]
fn the_demo_morning_comes_out_as_labelled() {
    check_day("demo", "demo/morning.jsonl", "demo/morning.truth.jsonl");
}

async fn all_cases(world: &World) -> Vec<pb::Case> {
    let (mut cases, mut list) =
        (Vec::new(), pb::ListCasesRequest { page_size: 7, ..pb::ListCasesRequest::default() });
    loop {
        let page = bureau(world).list_cases(list.clone()).await.expect("a page").into_inner();
        cases.extend(page.cases);
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            return cases;
        }
    }
}

/// The first and the last day on which messages of a day arrived.
fn days_of(messages: &Path) -> (Date, Date) {
    let text = std::fs::read_to_string(messages).expect("messages");
    // Some lines are no messages at all, on purpose.
    let days = text.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["inf_time"].as_str()?.get(..10)?.parse::<Date>().ok()
    });
    let days: BTreeSet<Date> = days.collect();
    (*days.first().expect("messages"), *days.last().expect("messages"))
}

/// Audits everything from one day to another, a month at a time.
async fn audit(world: &World, (first, last): (Date, Date)) -> pb::RunAuditResponse {
    let (mut from, mut sum) = (first, pb::RunAuditResponse::default());
    while from <= last {
        let to = from.saturating_add(30.days()).min(last);
        let (first_day, last_day) = (from.to_string(), to.to_string());
        let days = pb::RunAuditRequest { first_day, last_day, everything: true };
        let mut steps = bureau(world).run_audit(days).await.expect("an audit").into_inner();
        let mut done = pb::RunAuditResponse::default();
        while let Some(step) = steps.message().await.expect("a step") {
            done = step;
        }
        sum.requests += done.requests;
        sum.corrected += done.corrected;
        sum.cases_changed += done.cases_changed;
        sum.pushed += done.pushed;
        from = to.tomorrow().expect("a day");
    }
    sum
}

/// One line of a day's expected cases, or a case, as code, class, state and ending.
fn labelled(day: &Path, name: &str) -> Vec<String> {
    let text = |case: &Value, name: &str| case[name].as_str().unwrap_or_default().to_owned();
    let row = |case: Value| ["code", "class", "state", "ending"].map(|name| text(&case, name)).join(" ");
    let mut rows: Vec<_> = lines(&day.join(name)).into_iter().map(row).collect();
    rows.sort();
    rows
}

fn found(cases: &[pb::Case]) -> Vec<String> {
    let row = |case: &pb::Case| {
        let class = case.class().as_str_name().strip_prefix("CASE_CLASS_").unwrap_or_default();
        let state = case.state().as_str_name().strip_prefix("CASE_STATE_").unwrap_or_default();
        let ending = case.ending().as_str_name().strip_prefix("CASE_ENDING_").unwrap_or_default();
        [&case.code, class, state, ending.trim_start_matches("UNSPECIFIED")].join(" ")
    };
    let mut rows: Vec<_> = cases.iter().map(row).collect();
    rows.sort();
    rows
}

#[track_caller]
fn check_same(found: &[String], expected: &[String], day: &str) {
    let besides = |rows: &[String], others: &[String]| -> Vec<String> {
        rows.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    let (missing, surplus) = (besides(expected, found), besides(found, expected));
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{day}: missing {missing:#?}, not expected {surplus:#?}"
    );
    assert_eq!(found.len(), expected.len(), "{day}: some stand twice");
}

/// A day leaves the cases that its labels expect and no other; an audit of it finds nothing that was not found, and a
/// second one nothing at all.
async fn check_cases(folder: &str, messages: &str, cases: &str) {
    let dir = std::sync::Arc::new(tempfile::tempdir().expect("a temporary directory"));
    let (day, data) = (root().join(folder), dir.path().join("data"));
    let (messages, expected) = (day.join(messages), labelled(&day, cases));
    let days = days_of(&messages);
    let replayed = tokio::task::spawn_blocking(move || {
        let out = tempfile::NamedTempFile::new().expect("a temporary file");
        replay(&day, &messages, out.path(), &["--data-dir", data.to_str().unwrap()]);
        lines(out.path()).len()
    });
    let answers = replayed.await.expect("replayed");
    let morning_after = days.1.tomorrow().expect("a day").at(9, 0, 0, 0);
    let after = tracegate::domain::time::moment_of(morning_after).expect("a moment");
    let world = World::open_without_audits(dir, after).await;
    world.index_complete().await;
    crate::support::eventually("cases are read", || async {
        let list = pb::ListCasesRequest::default();
        let page = bureau(&world).list_cases(list).await.ok()?.into_inner();
        (!page.incomplete).then_some(())
    })
    .await;
    // The night has not pushed them yet.
    let detected: Vec<_> = expected.iter().map(|row| row.replace(" PUSHED ", " DETECTED ")).collect();
    check_same(&found(&all_cases(&world).await), &detected, folder);
    let first = audit(&world, days).await;
    assert!(first.requests as usize >= answers / 2, "{folder}: {first:?}");
    assert_eq!(first.cases_changed, 0, "{folder}: {first:?}");
    let second = audit(&world, days).await;
    assert_eq!((second.corrected, second.cases_changed, second.pushed), (0, 0, 0), "{folder}: {second:?}");
    check_same(&found(&all_cases(&world).await), &expected, folder);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_day_leaves_the_cases_that_are_labelled() {
    for name in ["counter", "late", "busy"] {
        check_cases(&format!("tests/days/{name}"), "messages.jsonl", "cases.jsonl").await;
    }
    check_cases("demo", "morning.jsonl", "morning.cases.jsonl").await;
}

#[test]
fn a_day_replayed_twice_into_one_directory_gives_the_same_answers() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let day = root().join("tests/days/counter");
    let run = |out: &Path| {
        let run = Command::new(PROGRAM)
            .args(["replay", "--registry"])
            .arg(&day)
            .arg(day.join("messages.jsonl"))
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .arg("--out")
            .arg(out)
            .output()
            .expect("the program runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        std::fs::read_to_string(out).expect("the output is there")
    };
    let first = run(&dir.path().join("first.jsonl"));
    let second = run(&dir.path().join("second.jsonl"));
    assert_eq!(first, second);
}

#[test]
fn the_demo_ends_with_one_json_object() {
    let run = Command::new(PROGRAM).args(["demo", "--json"]).output().expect("the program runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).expect("UTF-8");
    let last: Value = serde_json::from_str(text.lines().last().expect("a last line")).expect("JSON");
    for field in ["documents", "codes", "allow", "remind", "block", "elapsed_ms"] {
        assert!(last[field].as_u64().is_some_and(|n| n > 0), "{field} in {last}");
    }
    let truths = lines(&root().join("demo/morning.truth.jsonl"));
    for (field, verdict) in [("allow", "ALLOW"), ("remind", "REMIND"), ("block", "BLOCK")] {
        let expected = truths.iter().filter(|t| t["verdict"] == verdict).count() as u64;
        assert_eq!(last[field].as_u64(), Some(expected), "{field}");
    }
    assert!(last["findings"]["DUPLICATE"].as_u64().is_some_and(|n| n > 0), "{last}");
    assert!(last["duplicates"]["SAME_INSTITUTION"].as_u64().is_some_and(|n| n > 0), "{last}");
}
