//! kill -9 of the gateway and of the importer in the middle of an import: the same command goes on, and every row is
//! there once. What an interrupted import may not go on with is refused.

use super::command::{Desk, beside, numbers};
use crate::support::process::GatewayProcess;
use crate::support::world::{PHARMACY, code, connect, load_province};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// Rows of an import that is interrupted: many batches.
const ROWS: u64 = 60_000;
/// Every so many rows one is no code at all.
const BAD_EVERY: u64 = 997;
/// Every so many rows a box is sold a second time, under another document.
const TWICE_EVERY: u64 = 1_009;

fn list() -> String {
    let mut text = String::from("institution_code,document_no,occurred_at,code\n");
    for n in 1..=ROWS {
        let scanned = match n {
            n if n.is_multiple_of(BAD_EVERY) => "6901234567892".to_owned(),
            n if n.is_multiple_of(TWICE_EVERY) => code(n - 1),
            n => code(n),
        };
        writeln!(text, "{PHARMACY},D{n},2026-02-01 09:00:00,{scanned}").expect("a string takes it");
    }
    text
}

fn lines_of(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).expect("the sheet is there");
    let number = |line: &str| line.split(',').next().and_then(|cell| cell.parse().ok());
    text.lines().skip(1).map(|line| number(line).expect("a line number")).collect()
}

/// Starts a command and waits until it has made so much progress.
async fn run_until_line(mut command: Command, progress: &Path, line: u64) -> std::process::Child {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    crate::support::eventually("the import is under way", || async {
        let text = std::fs::read_to_string(progress).ok()?;
        let saved: serde_json::Value = serde_json::from_str(&text).ok()?;
        (saved["place"]["line"].as_u64()? > line).then_some(())
    })
    .await;
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_gateway_and_importer_and_every_row_is_there_once() {
    let mut desk = Desk::open().await;
    let file = desk.file("sales.csv", &list());
    let progress = beside(&file, ".progress.json");
    let flags = ["--findings"];

    let mut importer = run_until_line(desk.command("sales", &file, &flags), &progress, 1).await;
    importer.kill().expect("the importer can be killed");
    importer.wait().expect("the importer ends");

    let other = desk.spare();
    let importer = run_until_line(desk.command("sales", &file, &flags), &progress, ROWS / 3).await;
    let data = desk.dir.path().join("data");
    let gateway = std::mem::replace(&mut desk.gateway, other);
    gateway.kill();
    let said = importer.wait_with_output().expect("the importer ends");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("run the same command again"), "{said}");

    // Another ledger must not be taken for this one: its sales would be forgotten.
    load_province(&connect(&desk.gateway.address).await).await;
    let elsewhere = desk.import("sales", &file, &flags);
    assert!(!elsewhere.ok && elsewhere.text.contains("another ledger"), "{}", elsewhere.text);

    desk.gateway = GatewayProcess::start(&data, &[]);
    let done = desk.import("sales", &file, &flags);
    assert!(done.text.contains("going on at line"), "{}", done.text);
    let (bad, twice) = (ROWS / BAD_EVERY, ROWS / TWICE_EVERY);
    let json = done.json();
    let [added, known, refused, found] = numbers(&json, &["added", "known", "refused", "with_findings"])[..]
    else {
        panic!("{json}")
    };
    assert_eq!((added + known, refused, found), (ROWS - bad, bad, twice), "{json}");
    assert!(json["rows"].as_u64().expect("rows") < ROWS, "it did not begin again: {json}");
    // Each row stands in its sheet once, also those around the kills. The header is line 1.
    let expected: Vec<u64> = (1..=ROWS).filter(|n| n.is_multiple_of(BAD_EVERY)).map(|n| n + 1).collect();
    assert_eq!(lines_of(&beside(&file, ".rejects.csv")), expected);
    let expected: Vec<u64> = (1..=ROWS).filter(|n| n.is_multiple_of(TWICE_EVERY)).map(|n| n + 1).collect();
    assert_eq!(lines_of(&beside(&file, ".findings.csv")), expected);

    let again = desk.import("sales", &file, &flags).json();
    assert_eq!(numbers(&again, &["added", "known", "added_to_known", "rows"]), [0, ROWS - bad, 0, ROWS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_told_to_stop_does_not_wait_for_the_end_of_an_import() {
    let mut desk = Desk::open().await;
    let file = desk.file("sales.csv", &list());
    let other = desk.spare();
    let importer =
        run_until_line(desk.command("sales", &file, &[]), &beside(&file, ".progress.json"), 1).await;
    let stopping = Stopwatch::start();
    let data = desk.dir.path().join("data");
    let gateway = std::mem::replace(&mut desk.gateway, other);
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success() && !said.contains("deadline"), "{status}: {said}");
    assert!(stopping.elapsed() < Duration::from_secs(8), "sooner than the drain: {:?}", stopping.elapsed());
    let words = importer.wait_with_output().expect("the importer ends").stderr;
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(words.contains("run the same command again"), "{words}");
    desk.gateway = GatewayProcess::start(&data, &[]);
    let done = desk.import("sales", &file, &[]).json();
    let [added, known] = numbers(&done, &["added", "known"])[..] else { panic!("{done}") };
    assert_eq!(added + known, ROWS - ROWS / BAD_EVERY, "{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_interrupted_import_may_not_go_on_with_is_refused() {
    let desk = Desk::open().await;
    let text = list();
    let file = desk.file("sales.csv", &text);
    let progress = beside(&file, ".progress.json");
    let importer = run_until_line(desk.command("sales", &file, &[]), &progress, 1).await;
    let told = Command::new("kill").arg("-INT").arg(importer.id().to_string()).status();
    assert!(told.expect("kill can be run").success());
    let said = importer.wait_with_output().expect("the importer ends");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && words.contains("interrupted"), "{words}");
    let kept = std::fs::read(&progress).expect("a progress file");

    let changed = text.replacen("D1,", "D0,", 1);
    let rows: [(&str, &[&str], &str); 3] = [
        (&text, &["--findings"], "other options"),
        (&changed, &[], "has changed"),
        (&text, &["--rejects", file.to_str().expect("UTF-8")], "imported file itself"),
    ];
    for (text, flags, part) in rows {
        std::fs::write(&file, text).expect("written");
        let said = desk.import("sales", &file, flags);
        assert!(!said.ok && said.text.contains(part), "{part}: {}", said.text);
        assert_eq!(std::fs::read(&progress).expect("kept"), kept, "{part}: nothing is lost by trying");
    }
    std::fs::write(&progress, "{").expect("written");
    let said = desk.import("sales", &file, &[]);
    assert!(!said.ok && said.text.contains("--from-start"), "{}", said.text);

    // Rows that were appended are simply further rows.
    std::fs::write(&progress, kept).expect("written");
    std::fs::write(&file, format!("{text}{PHARMACY},E1,2026-02-01 09:00:00,{}\n", code(ROWS + 1)))
        .expect("written");
    let done = desk.import("sales", &file, &[]).json();
    let [added, known] = numbers(&done, &["added", "known"])[..] else { panic!("{done}") };
    assert_eq!(added + known, ROWS + 1 - ROWS / BAD_EVERY);
    let again = desk.import("sales", &file, &["--from-start"]).json();
    assert_eq!(numbers(&again, &["added", "rows"]), [0, ROWS + 1]);
}
