//! Tests of the event log: what is written comes back, and what opening refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod damage;
mod faults;
mod host;
mod room;

use super::{EventLog, FRAME_BYTES_MAX, GroupReceipt, LogError, LogOptions, OpenError, OpenReport};
use super::{free_bytes, read_from};
use std::fs;
use std::path::{Path, PathBuf};

type Payloads = Vec<Vec<u8>>;

/// Small segments: a few groups each.
const SMALL: LogOptions = LogOptions { segment_bytes_max: 256, room_bytes: 0 };
/// The same, with room ahead.
const ROOMY: LogOptions = LogOptions { room_bytes: 96, ..SMALL };

fn open(dir: &Path, from: u64) -> Result<(EventLog, Vec<Payloads>, OpenReport), OpenError> {
    open_as(SMALL, dir, from)
}

fn open_as(
    options: LogOptions,
    dir: &Path,
    from: u64,
) -> Result<(EventLog, Vec<Payloads>, OpenReport), OpenError> {
    let (log, replay) = EventLog::open(dir, options, from)?;
    let report = replay.report();
    Ok((log, replay.map(|group| payloads(&group.unwrap())).collect(), report))
}

fn payloads(group: &super::Group) -> Payloads {
    group.payloads().map(|(_, payload)| payload.to_vec()).collect()
}

/// Group `n` has `n % 4` payloads; some are empty.
fn group(n: usize) -> Payloads {
    (0..n % 4).map(|i| format!("group {n} payload {i}").into_bytes().repeat(i)).collect()
}

/// A log of `count` groups in a new directory, closed again.
fn written(count: usize) -> (tempfile::TempDir, Vec<GroupReceipt>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(dir.path(), 0).unwrap();
    let receipts = (0..count).map(|n| log.append_group(&group(n)).unwrap()).collect();
    (dir, receipts)
}

fn groups(count: usize) -> Vec<Payloads> {
    (0..count).map(group).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    found.sort();
    found
}

/// Opens and expects a refusal that leaves every file as it was.
#[track_caller]
fn check_refused(dir: &Path, from: u64, says: &str) {
    let content =
        |dir| segments(dir).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>();
    let before = content(dir);
    let error = open(dir, from).map(|(.., report)| report).expect_err("the log must be refused");
    assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    assert_eq!(content(dir), before, "a refused log was changed");
}

#[test]
fn groups_come_back_over_segments_and_reopening() {
    let (dir, receipts) = written(20);
    assert!(segments(dir.path()).len() > 3, "the groups must spread over segments");
    let (mut log, replayed, report) = open(dir.path(), 0).unwrap();
    assert_eq!(replayed, groups(20));
    let end = receipts.last().unwrap().end;
    assert_eq!(report, OpenReport { end, torn_bytes: 0, removed_segment: false });
    assert_eq!(log.durable_end(), end);
    let next = log.append_group(&group(20)).unwrap();
    assert_eq!((next.sequence, log.durable_end()), (21, next.end));
    drop(log);
    assert_eq!(open(dir.path(), 0).unwrap().1, groups(21));
}

#[test]
fn replay_begins_after_what_was_applied() {
    let (dir, receipts) = written(20);
    for (applied, receipt) in receipts.iter().enumerate() {
        let (log, replayed, _) = open(dir.path(), receipt.end).unwrap();
        assert_eq!(replayed, groups(20)[applied + 1..], "after group {applied}");
        assert_eq!(log.durable_end(), receipts[19].end);
    }
}

#[test]
fn replay_leaves_out_what_is_appended_meanwhile() {
    let (dir, _) = written(6);
    let (mut log, replay) = EventLog::open(dir.path(), SMALL, 0).unwrap();
    for n in 6..20 {
        log.append_group(&group(n)).unwrap();
    }
    let replayed: Vec<_> = replay.map(|group| payloads(&group.unwrap())).collect();
    assert_eq!(replayed, groups(6));
}

#[test]
fn positions_of_receipts_are_those_of_reading() {
    let (dir, receipts) = written(20);
    let read: Vec<_> = read_from(dir.path(), 0).unwrap().map(Result::unwrap).collect();
    for (receipt, group) in receipts.iter().zip(&read) {
        let positions: Vec<_> = group.payloads().map(|(position, _)| position).collect();
        assert_eq!(receipt.positions, positions);
        assert_eq!((receipt.start, receipt.end, receipt.sequence), (group.start, group.end, group.sequence));
    }
    let mut all: Vec<_> = receipts.iter().flat_map(|receipt| receipt.positions.clone()).collect();
    let count = all.len();
    all.dedup();
    assert!(all.is_sorted() && all.len() == count, "positions must rise: {all:?}");
}

#[test]
fn reading_begins_with_the_group_that_holds_a_position() {
    let (dir, receipts) = written(20);
    let (log, ..) = open(dir.path(), 0).unwrap();
    for (n, receipt) in receipts.iter().enumerate() {
        for position in receipt.positions.iter().copied().chain([receipt.start, receipt.end - 1]) {
            let first = read_from(dir.path(), position).unwrap().until(log.durable_end()).next();
            assert_eq!(first.unwrap().unwrap().sequence, n as u64 + 1, "position {position}");
        }
    }
    let until = receipts[7].end;
    assert_eq!(read_from(dir.path(), 0).unwrap().until(until).count(), 8);
    assert_eq!(read_from(dir.path(), log.durable_end()).unwrap().count(), 0);
}

#[test]
fn a_group_of_any_lawful_size_fits() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(dir.path(), 0).unwrap();
    let most = usize::try_from(FRAME_BYTES_MAX).unwrap() - 36 - 4;
    let over = log.append_group(&[vec![7; most + 1]]).unwrap_err();
    assert!(matches!(over, LogError::TooLarge { bytes, limit_bytes } if bytes == limit_bytes + 1), "{over}");
    log.append_group(&[vec![7; most]]).unwrap();
    log.append_group(&[b"after"]).unwrap();
    drop(log);
    let (_, replayed, _) = open(dir.path(), 0).unwrap();
    assert!(replayed == [vec![vec![7; most]], vec![b"after".to_vec()]]);
}

#[test]
fn missing_directories_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("data/store/log");
    open(&deep, 0).unwrap().0.append_group(&group(3)).unwrap();
    assert_eq!(open(&deep, 0).unwrap().1, [group(3)]);
}

#[test]
fn a_second_open_is_refused_while_the_first_lives() {
    let (dir, _) = written(2);
    let first = open(dir.path(), 0).unwrap();
    assert!(matches!(open(dir.path(), 0).map(|(.., r)| r), Err(OpenError::Locked { .. })));
    drop(first);
    assert_eq!(open(dir.path(), 0).unwrap().1, groups(2));
}

#[test]
fn a_log_behind_its_stores_is_refused() {
    let (dir, receipts) = written(20);
    check_refused(dir.path(), receipts[19].end + 1, "acknowledged events are missing");
    check_refused(dir.path(), receipts[18].end + 1, "do not belong together");
    let empty = tempfile::tempdir().unwrap();
    check_refused(empty.path(), 1, "acknowledged events are missing");
}

#[test]
fn missing_and_foreign_segments_are_refused() {
    let row = |change: fn(&[PathBuf]), says| {
        let (dir, _) = written(20);
        change(&segments(dir.path()));
        check_refused(dir.path(), 0, says);
    };
    row(|s| fs::remove_file(&s[1]).unwrap(), "is missing");
    row(|s| fs::remove_file(&s[0]).unwrap(), "the log begins at position");
    row(|s| fs::rename(&s[1], s[1].with_file_name("00000000000000000033.log")).unwrap(), "renamed");
    row(|s| fs::rename(&s[1], s[1].with_file_name("33.log")).unwrap(), "not a segment's name");
    row(|s| change_byte(&s[0], 3), "header was changed");
    row(|s| change_byte(&s[1], 20), "header was changed");
    row(|s| fs::write(&s[0], b"").unwrap(), "header is incomplete");
}

#[test]
fn a_missing_newest_segment_is_seen_by_the_watermark() {
    let (dir, receipts) = written(20);
    fs::remove_file(segments(dir.path()).pop().unwrap()).unwrap();
    check_refused(dir.path(), receipts[19].end, "acknowledged events are missing");
}

#[test]
fn segments_archived_before_the_watermark_are_not_missed() {
    let (dir, receipts) = written(20);
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    assert_eq!(open(dir.path(), receipts[15].end).unwrap().1, groups(20)[16..]);
    assert!(read_from(dir.path(), 0).is_err(), "reading what is gone must not look like an empty log");
}

#[test]
fn a_newer_format_is_refused() {
    let (dir, _) = written(20);
    change_byte(&segments(dir.path())[2], 9); // the version's second byte
    let error = open(dir.path(), 0).map(|(.., report)| report).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 0xFF01, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("run the newer program"), "{error}");
}

#[test]
fn a_refusal_says_where_and_what_to_do() {
    let (dir, receipts) = written(3);
    let path = &segments(dir.path())[0];
    change_byte(path, usize::try_from(receipts[1].start).unwrap());
    let text = open(dir.path(), 0).map(|(.., report)| report).unwrap_err().to_string();
    for part in
        [path.to_str().unwrap(), "byte 68", "later group", "backup", "move it aside", "Nothing was changed"]
    {
        assert!(text.contains(part), "{text} does not say {part:?}");
    }
}

#[test]
fn free_space_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(free_bytes(dir.path()).unwrap() > 0);
    assert!(free_bytes(&dir.path().join("nowhere")).is_err());
}

fn change_byte(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 0xFF;
    fs::write(path, bytes).unwrap();
}
