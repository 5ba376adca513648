//! Room ahead: zeros behind the log's end, which are no part of it whatever happens.

use super::faults::faulty_with;
use super::{Payloads, ROOMY, change_byte, group, groups, open, open_as, segments};
use crate::store::log::{EventLog, GroupReceipt, LogError, OpenReport, read_from};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a killed program leaves of a log of `count` groups.
fn killed(count: usize) -> (TempDir, Vec<GroupReceipt>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = EventLog::open(dir.path(), ROOMY, 0).unwrap();
    let receipts = (0..count).map(|n| log.append_group(&group(n)).unwrap()).collect();
    (copied(dir.path()), receipts)
}

/// The files as they are now, elsewhere.
pub fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in segments(dir) {
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// Opens with room ahead; what comes back, and what opening found.
fn replayed(dir: &Path, from: u64) -> (EventLog, Vec<Payloads>, OpenReport) {
    open_as(ROOMY, dir, from).unwrap()
}

/// The newest segment, and a group's place in it.
fn in_newest(dir: &Path, receipt: &GroupReceipt) -> (PathBuf, Range<usize>) {
    let path = segments(dir).pop().unwrap();
    let start: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let [from, to] = [receipt.start, receipt.end].map(|at| usize::try_from(at - start).unwrap());
    (path, from..to)
}

/// Bytes of the newest segment, and of what stands in it up to a group's end.
fn newest(dir: &Path, last: &GroupReceipt) -> (usize, usize) {
    let (path, place) = in_newest(dir, last);
    (fs::read(path).unwrap().len(), place.end)
}

#[test]
fn a_killed_log_has_room_behind_it_and_loses_nothing() {
    let mut with_room = 0;
    for count in 1..20 {
        let (dir, receipts) = killed(count);
        let last = receipts.last().unwrap();
        let (bytes, held) = newest(dir.path(), last);
        assert!(bytes >= held && bytes <= 256, "{bytes} bytes for {held}");
        with_room += usize::from(bytes > held);
        assert_eq!(read_from(dir.path(), 0).unwrap().map(Result::unwrap).count(), count);
        let (mut log, found, report) = replayed(dir.path(), 0);
        assert_eq!(found, groups(count));
        assert_eq!(report, OpenReport { end: last.end, torn_bytes: 0, removed_segment: false });
        log.append_group(&group(count)).unwrap();
        drop(log);
        // A program that knows nothing of room finds a log as it would have written it.
        assert_eq!(open(dir.path(), 0).unwrap().1, groups(count + 1));
    }
    assert!(with_room > 10, "only {with_room} of 19 logs had room");
}

#[test]
fn a_closed_log_is_as_long_as_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, ..) = replayed(dir.path(), 0);
    let last = log.append_group(&group(2)).unwrap();
    let (bytes, held) = newest(dir.path(), &last);
    assert!(bytes > held, "no room was made");
    drop(log);
    let (bytes, held) = newest(dir.path(), &last);
    assert_eq!(bytes, held);
}

#[test]
fn a_group_torn_inside_the_room_is_cut_off_and_never_one_that_was_applied() {
    let (dir, receipts) = killed(18);
    let (path, Range { start: from, end: to }) = in_newest(dir.path(), &receipts[17]);
    let whole = fs::read(&path).unwrap();
    assert!(from > 32 && whole.len() > to, "the last group must stand in a segment with room behind");
    for lost in from..to {
        // Only its beginning reached the disk, or only its end.
        for (zeroed, what) in [(lost..to, "end"), (from..lost + 1, "beginning")] {
            let mut bytes = whole.clone();
            bytes[zeroed].fill(0);
            if bytes == whole {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            assert!(EventLog::open(dir.path(), ROOMY, receipts[17].end).is_err(), "{what} from {lost}");
            let (log, found, report) = replayed(dir.path(), 0);
            assert_eq!((found, report.end), (groups(17), receipts[16].end), "{what} from {lost}");
            assert_eq!(report.torn_bytes > 0, bytes[from..].iter().any(|byte| *byte != 0));
            drop(log);
        }
    }
}

#[test]
fn what_is_not_zero_behind_the_end_is_an_interrupted_group() {
    let (dir, receipts) = killed(18);
    let path = segments(dir.path()).pop().unwrap();
    let last = fs::read(&path).unwrap().len() - 1;
    change_byte(&path, last);
    let (_, found, report) = replayed(dir.path(), 0);
    assert_eq!((found, report.end), (groups(18), receipts[17].end));
    assert!(report.torn_bytes > 0);
}

#[test]
fn an_earlier_group_that_became_zeros_is_refused() {
    let (dir, receipts) = killed(18);
    let (path, place) = in_newest(dir.path(), &receipts[16]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[place].fill(0);
    fs::write(&path, bytes).unwrap();
    let error = EventLog::open(dir.path(), ROOMY, 0).map(drop).unwrap_err();
    assert!(error.to_string().contains("a later group begins"), "{error}");
}

#[test]
fn room_is_synced_with_its_group_and_cut_before_another_segment_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty_with(dir.path(), 0, ROOMY);
    let rolls = (0..40).find(|n| {
        let before = (files.syncs(), segments(dir.path()).len());
        log.append_group(&group(*n)).unwrap();
        let rolled = segments(dir.path()).len() > before.1;
        assert!(rolled || files.syncs() == before.0 + 1, "one group is one sync");
        rolled
    });
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty_with(dir.path(), rolls.unwrap(), ROOMY);
    files.fail_sync(true);
    // Where it is not certain that the segment is cut, no other one may begin.
    let error = log.append_group(&group(rolls.unwrap())).unwrap_err();
    assert!(matches!(error, LogError::SyncFailed(_)), "{error}");
    assert_eq!(segments(dir.path()).len(), 1);
    files.fail_sync(false);
    drop(log);
    let (_, found, report) = replayed(dir.path(), 0);
    assert_eq!((found, report.torn_bytes), (groups(rolls.unwrap()), 0));
}

#[test]
fn without_space_for_room_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty_with(dir.path(), 0, ROOMY);
    let group = [[9; 20]];
    // The group takes 60 bytes, a segment's header 32, the room behind them 96.
    for space in 92..182 {
        files.space(Some(space));
        log.append_group(&group).unwrap();
    }
    files.space(None);
    let copy = copied(dir.path());
    assert_eq!(replayed(copy.path(), 0).1.len(), 90);
}
