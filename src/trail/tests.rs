//! The trail as a whole: what is written is read back, a start goes on where it ended, and what was done to it shows.

mod broken;
mod faults;
mod starts;

use super::files::PrivateFiles;
use super::open::open;
use super::verify::{Report, verify};
use super::writer::Writer;
use super::{Act, BEGIN_CONTEXT, Fact, FaultKind, HASH_CONTEXT, Head, Trail, TrailState, entries};
use jiff::{Timestamp, ToSpan};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Noon of 30 June 2026 in Shanghai, and so many half days later.
pub(super) fn at(half_days: i64) -> Timestamp {
    let noon: Timestamp = "2026-06-30T04:00:00.000001Z".parse().unwrap();
    noon + (12 * half_days).hours()
}

pub(super) fn fact(number: i64) -> Fact {
    Fact::new(at(number), "bureau 1301", Act::CaseAdvance, format!("830038500000001318{number}-1"))
        .with("step", "push")
        .with("person", "李\"明")
}

/// A trail of so many entries, half a day apart, in two months or more; the first one begins it.
pub(super) fn written(dir: &Path, entries: i64) -> Writer {
    let (mut writer, damage) = open(dir, at(0), Box::new(PrivateFiles)).unwrap();
    assert_eq!(damage, None);
    for number in 1..entries {
        assert!(writer.append(&[fact(number)]).iter().all(Result::is_ok));
    }
    writer.note_head();
    writer
}

pub(super) fn checked(dir: &Path) -> Report {
    verify(dir, None).unwrap()
}

/// Kinds and first numbers of what is wrong.
pub(super) fn faults(report: &Report) -> Vec<(FaultKind, u64)> {
    report.faults.iter().map(|fault| (fault.kind, fault.number)).collect()
}

#[test]
fn what_is_written_is_whole_and_readable_by_any_tool() {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 5));
    let report = checked(dir.path());
    assert_eq!((faults(&report), report.entries, report.unfinished_bytes), (Vec::new(), 5, 0));
    assert_eq!((report.first_at, report.last_at), (Some(at(0)), Some(at(4))));
    let files = ["2026-06.jsonl", "2026-07.jsonl"].map(|name| dir.path().join(name));
    let mut lines = Vec::new();
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        lines.extend(std::fs::read_to_string(file).unwrap().lines().map(str::to_owned));
    }
    let mut before = String::new();
    for (number, line) in (1..).zip(&lines) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["number"], number);
        // Whoever has BLAKE3 and a text tool can check it without us.
        let hashed = line.split_once(",\"hash\":").unwrap().0;
        let hash = blake3::Hasher::new_derive_key(HASH_CONTEXT).update(hashed.as_bytes()).finalize();
        assert_eq!(entry["hash"], hash.to_hex().as_str());
        if number == 1 {
            let id = entry["about"].as_str().unwrap();
            before = blake3::Hasher::new_derive_key(BEGIN_CONTEXT)
                .update(id.as_bytes())
                .finalize()
                .to_hex()
                .to_string();
        }
        assert_eq!(entry["before"], before);
        before = entry["hash"].as_str().unwrap().to_owned();
    }
    assert_eq!(report.head, Some(Head { number: 5, hash: before.clone() }));
    assert_eq!(std::fs::read_to_string(dir.path().join("head")).unwrap(), format!("5:{before}\n"));
    assert!(lines[1].contains("\"at\":\"2026-06-30T16:00:00.000001Z\""), "{}", lines[1]);
}

#[test]
fn two_trails_share_no_entry() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let heads = dirs.each_ref().map(|dir| {
        drop(written(dir.path(), 1));
        checked(dir.path()).head
    });
    assert_ne!(heads[0], heads[1]);
}

#[test]
fn an_entry_stays_in_the_newest_file_where_the_clock_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = written(dir.path(), 3);
    let answers = writer.append(&[fact(-60), fact(70), fact(2)]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    writer.note_head();
    assert_eq!(faults(&checked(dir.path())), []);
    let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
    assert_eq!((lines("2026-06.jsonl"), lines("2026-07.jsonl"), lines("2026-08.jsonl")), (1, 3, 2));
}

#[test]
fn long_texts_are_cut_and_what_cannot_be_kept_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = written(dir.path(), 1);
    let long = Fact { about: "码\u{1}".repeat(400), ..fact(1) };
    assert!(writer.append(&[long])[0].is_ok());
    writer.note_head();
    let about: Vec<_> = entries(dir.path()).unwrap().map(|entry| entry.unwrap().0.about).collect();
    assert_eq!(about[1].chars().count(), super::TEXT_CHARS_MAX + 1);
    assert_eq!(faults(&checked(dir.path())), []);
}

#[tokio::test]
async fn many_at_once_are_numbered_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(dir.path(), at(0)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..300 {
        let trail = trail.clone();
        tasks.spawn(async move { trail.append(fact(number % 3)).await.unwrap() });
    }
    let mut heads: Vec<Head> = tasks.join_all().await;
    heads.sort_unstable_by_key(|head| head.number);
    assert!((2..).zip(&heads).all(|(number, head)| head.number == number));
    let too_much = fact(0).with("rows", "x".repeat(super::DETAIL_BYTES_MAX));
    assert!(matches!(trail.append(too_much).await, Err(super::TrailError::Unfit(_))));
    assert_eq!((trail.entries(), trail.state().borrow().clone()), (300, TrailState::Ready));
    trail.close().await;
    let closed = trail.append(fact(1)).await.unwrap_err();
    assert!(closed.to_string().contains("it is closed"), "{closed}");
    let report = checked(dir.path());
    assert_eq!((faults(&report), report.entries), (Vec::new(), 301));
    // What was acknowledged is what stands there.
    let hashes: Vec<_> = entries(dir.path()).unwrap().map(|entry| entry.unwrap().0.hash).collect();
    assert!(heads.iter().zip(&hashes[1..]).all(|(head, hash)| head.hash == *hash));
}

#[tokio::test]
async fn a_trail_for_measurements_keeps_nothing() {
    let trail = Trail::nowhere();
    assert_eq!(trail.append(fact(1)).await.unwrap().number, 1);
    assert_eq!(trail.append(fact(1)).await.unwrap().number, 2);
    trail.close().await;
}

#[test]
fn names_of_acts_and_faults_are_their_own() {
    let acts: std::collections::BTreeSet<_> = Act::ALL.iter().map(|act| act.name()).collect();
    assert_eq!(acts.len(), Act::ALL.len());
    let kinds: std::collections::BTreeSet<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(kinds.len(), FaultKind::ALL.len());
}

#[test]
fn a_head_is_read_as_it_is_printed_and_nothing_else_is_one() {
    let hash = "0123456789abcdef".repeat(4);
    let head: Head = format!("17:{hash}").parse().unwrap();
    assert_eq!((head.number, head.to_string()), (17, format!("17:{hash}")));
    for wrong in [
        "",
        "17",
        ":",
        &hash,
        &format!("17:{}", hash.to_uppercase()),
        &format!("+17:{hash}"),
        &format!("17:{hash}0"),
    ] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}
