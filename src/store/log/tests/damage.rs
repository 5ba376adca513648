//! Damage: any cut or change of the files either yields a prefix of what was acknowledged or is refused.

use super::{Payloads, change_byte, check_refused, group, groups, open, segments, written};
use crate::store::log::frame::{self, FRAME_HEADER_BYTES};
use crate::store::log::{
    DiskFiles, EventLog, FRAME_BYTES_MAX, GroupReceipt, LogOptions, OpenError, read_from, segment,
};
use proptest::prelude::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// One segment holds everything.
const LARGE: LogOptions = LogOptions { segment_bytes_max: 1 << 30, room_bytes: 0 };

/// Opens a damaged log whose last group begins at `last_start` of all `groups`.
///
/// Lawful: a refusal, or all groups but the last one. Damage that lies before the last group (`in_last` false)
/// may only be refused.
#[track_caller]
fn check_damaged(dir: &Path, all: &[Payloads], in_last: bool, place: &str) {
    match open(dir, 0) {
        Ok((log, replayed, _)) => {
            assert!(in_last, "damage before the last group was taken: {place}");
            assert_eq!(replayed, all[..all.len() - 1], "{place}");
            check_goes_on(log, dir, replayed);
        }
        Err(OpenError::Damaged { .. } | OpenError::Newer { .. }) => {}
        Err(error) => panic!("{place}: {error}"),
    }
}

/// After a repair the log takes groups again and shows them.
fn check_goes_on(mut log: EventLog, dir: &Path, mut replayed: Vec<Payloads>) {
    log.append_group(&group(7)).unwrap();
    drop(log);
    replayed.push(group(7));
    assert_eq!(open(dir, 0).unwrap().1, replayed);
}

#[test]
fn the_newest_segment_cut_at_every_byte_keeps_every_whole_group() {
    let (dir, receipts) = written(20);
    let newest = segments(dir.path()).pop().unwrap();
    let start: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let whole = fs::read(&newest).unwrap();
    for length in 0..whole.len() {
        fs::write(&newest, &whole[..length]).unwrap();
        let end = start + length as u64;
        let kept = receipts.iter().filter(|receipt| receipt.end <= end).count();
        let applied = receipts[kept].end;
        check_refused(dir.path(), applied, "acknowledged events are missing");
        let (log, replayed, report) = open(dir.path(), 0).unwrap();
        assert_eq!(replayed, groups(kept), "cut to {length}");
        assert_eq!(report.removed_segment, length < 32, "cut to {length}");
        if length >= 32 {
            assert_eq!(report.end + report.torn_bytes, end, "cut to {length}");
        }
        check_goes_on(log, dir.path(), replayed);
        segments(dir.path())
            .iter()
            .filter(|path| **path > newest)
            .for_each(|path| fs::remove_file(path).unwrap());
        if length < 32 {
            restore(dir.path(), &newest);
        }
    }
}

/// Writes the segments before `newest` again: the log went on in them.
fn restore(dir: &Path, newest: &Path) {
    let (original, _) = written(20);
    segments(dir).iter().for_each(|path| fs::remove_file(path).unwrap());
    for path in segments(original.path()).iter().filter(|path| path.file_name() < newest.file_name()) {
        fs::copy(path, dir.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn any_changed_byte_of_the_newest_segment_is_cut_off_or_refused() {
    let (dir, receipts) = written(20);
    let newest = segments(dir.path()).pop().unwrap();
    let start: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let whole = fs::read(&newest).unwrap();
    let last = receipts[19].start - start;
    for offset in 0..whole.len() {
        change_byte(&newest, offset);
        check_refused_if_applied(dir.path(), receipts[19].end, offset);
        check_damaged(dir.path(), &groups(20), offset as u64 >= last, &format!("byte {offset}"));
        segments(dir.path())
            .iter()
            .filter(|path| **path > newest)
            .for_each(|path| fs::remove_file(path).unwrap());
        fs::write(&newest, &whole).unwrap();
    }
}

/// Where the stores have seen the whole log, nothing may be cut off.
#[track_caller]
fn check_refused_if_applied(dir: &Path, end: u64, offset: usize) {
    assert!(open(dir, end).is_err(), "an applied group was cut off: byte {offset}");
}

#[test]
fn any_changed_byte_of_a_sealed_segment_is_refused() {
    let (dir, _) = written(20);
    let sealed = segments(dir.path()).remove(1);
    for offset in 0..fs::read(&sealed).unwrap().len() {
        change_byte(&sealed, offset);
        check_damaged(dir.path(), &groups(20), false, &format!("byte {offset}"));
        change_byte(&sealed, offset);
    }
    assert_eq!(open(dir.path(), 0).unwrap().1, groups(20));
}

#[test]
fn what_an_interrupted_write_leaves_is_cut_off() {
    let row = |tail: &[u8]| {
        let (dir, receipts) = written(20);
        let newest = segments(dir.path()).pop().unwrap();
        let mut bytes = fs::read(&newest).unwrap();
        bytes.extend_from_slice(tail);
        fs::write(&newest, bytes).unwrap();
        assert_eq!(read_from(dir.path(), 0).unwrap().map(Result::unwrap).count(), 20);
        let (log, replayed, report) = open(dir.path(), receipts[19].end).unwrap();
        let torn = if tail.iter().all(|byte| *byte == 0) { 0 } else { tail.len() as u64 };
        assert_eq!((replayed.len(), report.torn_bytes), (0, torn));
        check_goes_on(log, dir.path(), groups(20));
    };
    row(&[0]);
    row(&[0; 1 << 20]);
    row(b"garbage that is no frame, longer than a header is");
    row(&[0xF5, b'g', b'r', 0xFF].repeat(1000));
}

#[test]
fn a_segment_that_was_never_begun_is_removed() {
    for header in [&[][..], &[0; 10], &[0; 4096], b"TGLOGSEG\x01"] {
        let (dir, receipts) = written(20);
        let unborn = dir.path().join(format!("{:020}.log", receipts[19].end));
        fs::write(&unborn, header).unwrap();
        check_refused(dir.path(), receipts[19].end + 1, "acknowledged events are missing");
        let (log, replayed, report) = open(dir.path(), 0).unwrap();
        assert_eq!(report, super::OpenReport { end: receipts[19].end, torn_bytes: 0, removed_segment: true });
        assert!(!unborn.exists());
        check_goes_on(log, dir.path(), replayed);
    }
}

#[test]
fn a_segment_never_begun_proves_that_the_one_before_was_whole() {
    let (dir, receipts) = written(20);
    fs::write(dir.path().join(format!("{:020}.log", receipts[19].end)), []).unwrap();
    let newest = segments(dir.path()).into_iter().rev().nth(1).unwrap();
    let length = fs::read(&newest).unwrap().len();
    change_byte(&newest, length - 1);
    check_refused(dir.path(), 0, "damaged");
}

#[test]
fn a_log_that_died_at_its_birth_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join(format!("{:020}.log", 0));
    fs::write(&first, [0; 5]).unwrap();
    let (log, replayed, report) = open(dir.path(), 0).unwrap();
    assert!(report.removed_segment && replayed.is_empty());
    check_goes_on(log, dir.path(), replayed);
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join(format!("{:020}.log", 512)), []).unwrap();
    check_refused(other.path(), 0, "missing");
}

#[test]
fn lost_inserted_and_foreign_frames_are_refused() {
    let row = |change: fn(&mut Vec<u8>, [usize; 4]), says| {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = EventLog::open(dir.path(), LARGE, 0).unwrap();
        let starts =
            [5, 6, 7, 9].map(|n| usize::try_from(log.append_group(&group(n)).unwrap().start).unwrap());
        drop(log);
        let path = segments(dir.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes, starts);
        fs::write(&path, bytes).unwrap();
        check_refused(dir.path(), 0, says);
    };
    row(|bytes, s| drop(bytes.drain(s[1]..s[2])), "another sequence number");
    row(|bytes, s| drop(bytes.drain(s[2]..s[2] + 1)), "later group");
    row(|bytes, s| drop(bytes.splice(s[3]..s[3], [0; 512])), "later group");
    row(|bytes, s| bytes.extend_from_within(s[3]..), "another sequence number");
}

#[test]
fn a_later_group_is_found_wherever_it_begins() {
    // The search reads windows of 256 KiB: the later header lies across the end of the first one.
    let window_end = 32 + 1 + (256 << 10);
    for before in 0..=FRAME_HEADER_BYTES + 1 {
        let dir = tempfile::tempdir().unwrap();
        let filler = vec![1; window_end - before - 32 - FRAME_HEADER_BYTES - 4];
        let receipts = write_all(dir.path(), &[vec![filler], group(3)], LARGE);
        assert_eq!(receipts[1].start, (window_end - before) as u64);
        change_byte(&segments(dir.path())[0], 32);
        check_refused(dir.path(), 0, "later group");
    }
}

/// Appends a frame that the log itself would never write there; its checksums are right.
#[track_caller]
fn check_crafted(sequence: u64, moved: u64, payload_bytes: u64, refused: Option<&str>) {
    let (dir, receipts) = written(2);
    let mut frame = Vec::new();
    let payload = vec![0; usize::try_from(payload_bytes).unwrap()];
    frame::encode(&mut frame, sequence, receipts[1].end + moved, &[payload]);
    let path = segments(dir.path()).remove(0);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&frame).unwrap();
    match refused {
        Some(says) => check_refused(dir.path(), 0, says),
        None => assert_eq!(open(dir.path(), 0).unwrap().1.len(), 3),
    }
}

#[test]
fn sound_frames_that_do_not_belong_are_refused() {
    let most = FRAME_BYTES_MAX - FRAME_HEADER_BYTES as u64 - 4;
    check_crafted(3, 0, most, None);
    check_crafted(3, 0, most + 1, Some("larger than any group may be"));
    check_crafted(4, 0, 1, Some("another sequence number"));
    check_crafted(2, 0, 1, Some("another sequence number"));
    check_crafted(3, 1, 1, Some("another position"));
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (dir, receipts) = written(2);
    drop(segment::create(&DiskFiles, dir.path(), receipts[1].end, 4).unwrap());
    check_refused(dir.path(), 0, "another sequence number");
}

fn any_groups() -> impl Strategy<Value = Vec<Payloads>> {
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    prop::collection::vec(prop::collection::vec(payload, 0..5), 1..12)
}

fn write_all(dir: &Path, all: &[Payloads], options: LogOptions) -> Vec<GroupReceipt> {
    let (mut log, _) = EventLog::open(dir, options, 0).unwrap();
    all.iter().map(|payloads| log.append_group(payloads).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_groups_come_back(all in any_groups(), segment_bytes_max in 0_u64..2000, room_bytes in 0_u64..500) {
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path(), &all, LogOptions { segment_bytes_max, room_bytes });
        prop_assert_eq!(open(dir.path(), 0).unwrap().1, all);
    }

    #[test]
    fn random_changes_never_change_a_payload(
        all in any_groups(), place in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let receipts = write_all(dir.path(), &all, LARGE);
        let path = segments(dir.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let offset = place.index(bytes.len());
        let in_last = offset as u64 >= receipts.last().unwrap().start;
        if cut { bytes.truncate(offset) } else { bytes[offset] ^= flip }
        fs::write(&path, bytes).unwrap();
        if cut {
            let kept = receipts.iter().filter(|receipt| receipt.end <= offset as u64).count();
            prop_assert_eq!(open(dir.path(), 0).unwrap().1, &all[..kept]);
        } else {
            check_damaged(dir.path(), &all, in_last, &format!("byte {offset}"));
        }
    }
}
