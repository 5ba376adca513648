//! Labelled days, replayed through the program itself; each line of the truth must come out.

use crate::support::process::PROGRAM;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

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
