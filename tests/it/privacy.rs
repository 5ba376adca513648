//! What messages say of patients stays with whoever sends them: it is in no log line and in no file, also at level
//! `debug`. Codes are in files, where they must be, and in no log line.

mod commands;
mod persons;
mod purge;

use crate::support::process::PROGRAM;
use crate::support::redis::RedisServer;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the messages of this test say of patients. The names stand in the day's messages, the numbers are put in.
const PERSONAL: [&str; 3] = ["测试患者", "33010119900307881X", "PSN0000330119077"];

fn day() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/days/counter")
}

/// A wrapping key, and how its file spells it.
const WRAPPING: (&[u8], &str) =
    (&[0x5a; 32], "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");

/// The day's messages with numbers of patients in them.
fn messages(dir: &Path) -> PathBuf {
    let text = std::fs::read_to_string(day().join("messages.jsonl")).expect("messages");
    let text = text
        .replace(r#""certno":"""#, &format!(r#""certno":"{}""#, PERSONAL[1]))
        .replace(r#""psn_no":"""#, &format!(r#""psn_no":"{}""#, PERSONAL[2]));
    assert!(PERSONAL.iter().all(|personal| text.contains(personal)), "the messages speak of patients");
    let file = dir.join("messages.jsonl");
    std::fs::write(&file, text).expect("written");
    file
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Replays the day into a gateway that logs everything; gives the log.
fn replayed(dir: &Path, store: &[(&str, &str)]) -> String {
    let (log, wrapping) = (dir.join("gateway.log"), dir.join("wrapping.key"));
    std::fs::write(&wrapping, WRAPPING.1).expect("written");
    let mut gateway = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir"])
        .arg(dir.join("data"))
        .args(if store.is_empty() { [].as_slice() } else { ["--init-codes", "100000"].as_slice() })
        .env("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "1")
        .env("TRACEGATE_LOG_LEVEL", "debug")
        .env("TRACEGATE_PRIVACY_WRAPPING_KEY_FILES", &wrapping)
        .envs(store.iter().copied())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).expect("a log file"))
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(gateway.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("tracegate listens on ").expect("an address");
    let played = Command::new(PROGRAM)
        .args(["replay", "--registry"])
        .arg(day())
        .arg(messages(dir))
        .args(["--gateway", address, "--out"])
        .arg(dir.join("verdicts.jsonl"))
        .output()
        .expect("the program runs");
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let told = Command::new("kill").arg(gateway.id().to_string()).status().expect("kill can be run");
    assert!(told.success() && gateway.wait().expect("it ends").success());
    std::fs::read_to_string(log).expect("a log")
}

/// Codes that the day sold more than once: they were spoken of, found and blocked.
fn codes() -> Vec<String> {
    let text = std::fs::read_to_string(day().join("cases.jsonl")).expect("cases");
    let code = |line: &str| -> String {
        let case: Value = serde_json::from_str(line).expect("a case");
        case["code"].as_str().expect("a code").to_owned()
    };
    text.lines().map(code).collect()
}

/// Nothing of patients in the log and below these directories, no code in the log.
#[track_caller]
fn check_silent(log: &str, kept: &[PathBuf]) {
    assert!(log.lines().count() > 100 && log.contains("DEBUG"), "everything was logged: {log}");
    assert!(!log.contains(WRAPPING.1), "a secret is logged");
    for file in kept.iter().flat_map(|dir| files(dir)) {
        let bytes = std::fs::read(&file).expect("a file that can be read");
        let secret = bytes.windows(WRAPPING.0.len()).any(|window| window == WRAPPING.0);
        assert!(!secret && !holds(&bytes, WRAPPING.1), "a secret stands in {}", file.display());
    }
    for personal in PERSONAL {
        assert!(!log.contains(personal), "{personal} is logged");
        for file in kept.iter().flat_map(|dir| files(dir)) {
            let bytes = std::fs::read(&file).expect("a file that can be read");
            assert!(!holds(&bytes, personal), "{personal} stands in {}", file.display());
        }
    }
    let codes = codes();
    assert!(codes.len() > 50);
    for code in codes {
        assert!(!log.contains(&code), "{code} is logged");
    }
}

#[test]
fn what_is_said_of_patients_is_neither_logged_nor_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = replayed(dir.path(), &[]);
    let data = dir.path().join("data");
    check_silent(&log, std::slice::from_ref(&data));
    // The check sees what is there: numbers of documents are kept.
    let segments = files(&data.join("log"));
    assert!(segments.iter().any(|file| holds(&std::fs::read(file).unwrap(), "RD0")), "documents are kept");
}

#[test]
fn nor_over_redis() {
    let (dir, redis) = (tempfile::tempdir().expect("a directory"), RedisServer::start());
    let url = redis.url();
    let log = replayed(dir.path(), &[("TRACEGATE_STORE_URL", &url)]);
    check_silent(&log, &[dir.path().join("data"), redis.dir().to_owned()]);
}
