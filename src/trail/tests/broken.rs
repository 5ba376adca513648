//! Whatever is done to the files shows, at the entry to which it was done.

use super::{Report, checked, faults, written};
use crate::trail::entry::{Entry, Read, read};
use crate::trail::{FaultKind, Head, verify};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const ENTRIES: usize = 9;

/// Every line of a trail in two months, with its file; and its head.
type Lines = Vec<(&'static str, Vec<u8>)>;
static TRAIL: LazyLock<(Lines, Head)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 9));
    let mut lines = Vec::new();
    for name in ["2026-06.jsonl", "2026-07.jsonl"] {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        lines.extend(bytes.split_inclusive(|b| *b == b'\n').map(|line| (name, line.to_vec())));
    }
    assert_eq!(lines.len(), ENTRIES);
    (lines, checked(dir.path()).head.unwrap())
});

/// Puts lines and a head into a directory and checks them.
fn put(dir: &Path, lines: &Lines, head: &Head) -> Report {
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    lines.iter().for_each(|(name, line)| files.entry(name).or_default().extend(line));
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    fs::write(dir.join("head"), format!("{head}\n")).unwrap();
    checked(dir)
}

fn check(lines: &Lines) -> Report {
    put(tempfile::tempdir().unwrap().path(), lines, &TRAIL.1)
}

fn names(report: &Report, kind: FaultKind, number: usize) -> bool {
    faults(report).contains(&(kind, number as u64))
}

/// The entry of a line, changed, with a hash that fits.
fn forged(line: &[u8], change: impl FnOnce(&mut Entry)) -> (Vec<u8>, String) {
    let Read::Whole(mut entry) = read(line.strip_suffix(b"\n").unwrap()) else { panic!("an entry") };
    change(&mut entry);
    let mut bytes = Vec::new();
    let hash = entry.write(&mut bytes).unwrap();
    (bytes, hash)
}

#[test]
fn what_nobody_touched_is_whole() {
    let report = check(&TRAIL.0);
    assert_eq!((faults(&report), report.entries), (Vec::new(), ENTRIES as u64));
    assert!(report.is_whole());
}

proptest! {
    #[test]
    fn a_changed_byte(line in 0..ENTRIES, place: prop::sample::Index, byte: u8) {
        let mut lines = TRAIL.0.clone();
        let bytes = &mut lines[line].1;
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let report = check(&lines);
        let first = report.faults.first().map(|fault| fault.number);
        prop_assert_eq!(first, Some(line as u64 + 1), "byte {} of entry {}: {:?}", place, line + 1, report.faults);
    }

    #[test]
    fn a_line_that_is_removed(line in 0..ENTRIES) {
        let mut lines = TRAIL.0.clone();
        lines.remove(line);
        let kind = match line {
            0 => FaultKind::FirstGone,
            last if last == ENTRIES - 1 => FaultKind::CutOff,
            _ => FaultKind::Missing,
        };
        prop_assert_eq!(faults(&check(&lines)), [(kind, line as u64 + 1)]);
    }

    #[test]
    fn lines_that_changed_places(one in 0..ENTRIES, other in 0..ENTRIES) {
        prop_assume!(one != other);
        let mut lines = TRAIL.0.clone();
        let (first, second) = (lines[one].1.clone(), lines[other].1.clone());
        (lines[one].1, lines[other].1) = (second, first);
        let report = check(&lines);
        prop_assert!(names(&report, FaultKind::Reordered, one.min(other) + 1), "{:?}", report.faults);
        prop_assert!(!report.faults.iter().any(|fault| fault.kind == FaultKind::Missing), "{:?}", report.faults);
    }

    #[test]
    fn a_line_that_stands_there_again(line in 0..ENTRIES, place in 0..=ENTRIES) {
        prop_assume!(place > line);
        let mut lines = TRAIL.0.clone();
        let (_, bytes) = lines[line].clone();
        let file = lines[place.min(ENTRIES - 1)].0;
        lines.insert(place, (file, bytes));
        prop_assert_eq!(faults(&check(&lines)), [(FaultKind::Repeated, line as u64 + 1)]);
    }

    #[test]
    fn a_line_from_elsewhere(line in 0..ENTRIES, text in "[^\n]{0,80}") {
        let mut lines = TRAIL.0.clone();
        let file = lines[line].0;
        lines.insert(line, (file, format!("{text}\n").into_bytes()));
        let report = check(&lines);
        prop_assert_eq!(faults(&report), [(FaultKind::Unreadable, line as u64 + 1)]);
        prop_assert_eq!(report.entries, ENTRIES as u64);
    }

    #[test]
    fn an_end_that_is_cut_off(bytes in 1_usize..2000) {
        let mut lines = TRAIL.0.clone();
        let (mut left, mut first) = (bytes, 0);
        while left > 0 && let Some((_, line)) = lines.last_mut() {
            first = lines_before(&TRAIL.0, line);
            let cut = left.min(line.len());
            line.truncate(line.len() - cut);
            left -= cut;
            if line.is_empty() {
                lines.pop();
            }
        }
        let report = check(&lines);
        let first_of_all = if lines.is_empty() { 1 } else { first + 1 };
        prop_assert_eq!(faults(&report), [(FaultKind::CutOff, first_of_all as u64)]);
        prop_assert_eq!(report.faults[0].up_to, ENTRIES as u64);
    }

    #[test]
    fn an_entry_that_was_written_anew(line in 0..ENTRIES, who in "[a-z ]{1,9}") {
        let mut lines = TRAIL.0.clone();
        lines[line].1 = forged(&lines[line].1, |entry| entry.who = who).0;
        let report = check(&lines);
        if line == ENTRIES - 1 {
            prop_assert_eq!(faults(&report), [(FaultKind::Head, ENTRIES as u64)]);
        } else {
            prop_assert_eq!(faults(&report), [(FaultKind::Replaced, line as u64 + 2)]);
        }
    }

    #[test]
    fn a_chain_that_was_written_anew_shows_to_whoever_kept_a_head(line in 0..ENTRIES, kept in 0..ENTRIES) {
        let mut lines = TRAIL.0.clone();
        let mut before = None;
        for (number, (_, bytes)) in lines.iter_mut().enumerate().skip(line) {
            let forged = forged(bytes, |entry| {
                entry.who.push_str(if number == line { "!" } else { "" });
                if let Some(before) = before.take() {
                    entry.before = before;
                }
            });
            *bytes = forged.0;
            before = Some(forged.1);
        }
        let dir = tempfile::tempdir().unwrap();
        let head = Head { number: ENTRIES as u64, hash: before.unwrap() };
        let report = put(dir.path(), &lines, &head);
        prop_assert_eq!(faults(&report), [], "by itself it is whole");
        let known = Head { number: kept as u64 + 1, hash: hash_of(&TRAIL.0[kept].1) };
        let report = verify(dir.path(), Some(known)).unwrap();
        let expected = if kept < line { vec![] } else { vec![(FaultKind::Since, kept as u64 + 1)] };
        prop_assert_eq!(faults(&report), expected);
    }
}

fn hash_of(line: &[u8]) -> String {
    let entry: serde_json::Value = serde_json::from_slice(line).unwrap();
    entry["hash"].as_str().unwrap().to_owned()
}

/// How many lines of a trail stand before one.
fn lines_before(lines: &Lines, line: &[u8]) -> usize {
    lines.iter().position(|(_, known)| known.starts_with(line)).unwrap()
}

#[test]
fn several_things_at_once_are_all_named() {
    let mut lines = TRAIL.0.clone();
    lines[2].1[30] ^= 1;
    lines.remove(4);
    lines.swap(5, 6);
    lines.pop();
    let found = faults(&check(&lines));
    assert_eq!(
        found,
        [(FaultKind::Changed, 3), (FaultKind::Reordered, 7), (FaultKind::Missing, 5), (FaultKind::CutOff, 9)]
    );
}

#[test]
fn an_entry_in_the_file_of_an_earlier_month_is_named() {
    let mut lines = TRAIL.0.clone();
    lines[1].0 = "2026-06.jsonl";
    assert_eq!(faults(&check(&lines)), [(FaultKind::Misplaced, 2)]);
}

#[test]
fn a_line_longer_than_an_entry_is_named_and_read_past() {
    let mut lines = TRAIL.0.clone();
    lines.insert(4, ("2026-07.jsonl", [vec![b'x'; 200 << 10], b"\n".to_vec()].concat()));
    let report = check(&lines);
    assert_eq!((faults(&report), report.entries), (vec![(FaultKind::Unreadable, 5)], ENTRIES as u64));
}

#[test]
fn a_head_that_is_gone_or_unreadable_is_named() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &TRAIL.0, &TRAIL.1);
    fs::write(dir.path().join("head"), "9\n").unwrap();
    assert_eq!(faults(&checked(dir.path())), [(FaultKind::Head, 0)]);
    fs::remove_file(dir.path().join("head")).unwrap();
    assert_eq!(faults(&checked(dir.path())), [(FaultKind::Head, 0)]);
}

#[test]
fn a_head_that_lags_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let head = Head { number: 4, hash: hash_of(&TRAIL.0[3].1) };
    assert_eq!(faults(&put(dir.path(), &TRAIL.0, &head)), []);
}

#[test]
fn first_entries_may_be_gone_where_a_purge_says_so() {
    let purge = |up_to: u64, hash: String| {
        let mut lines = TRAIL.0.clone();
        let last = lines.len() - 1;
        let (bytes, hash) = forged(&lines[last].1, |entry| {
            entry.act = "trail.purge".to_owned();
            entry.detail = serde_json::json!({ "up_to": up_to, "hash": hash }).as_object().unwrap().clone();
        });
        lines[last].1 = bytes;
        let head = Head { number: ENTRIES as u64, hash };
        put(tempfile::tempdir().unwrap().path(), &lines[3..].to_vec(), &head)
    };
    let hash = hash_of(&TRAIL.0[2].1);
    assert_eq!(faults(&purge(3, hash.clone())), []);
    assert_eq!(faults(&purge(2, hash)), [(FaultKind::FirstGone, 1)]);
    assert_eq!(faults(&purge(3, hash_of(&TRAIL.0[1].1))), [(FaultKind::FirstGone, 1)]);
}

#[test]
fn memory_does_not_grow_with_what_is_wrong() {
    // 3,000 faults, each for itself.
    let line = |n: u64| ("2026-07.jsonl", format!("{n}\n").into_bytes());
    let lines: Lines = (0..3000).map(line).collect();
    let report = check(&lines);
    assert_eq!((report.faults.len(), report.faults_not_told), (1000, 2000));
    assert!(!report.is_whole());
}
