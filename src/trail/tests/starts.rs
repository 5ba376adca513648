//! Starts: a trail goes on where it ended; what was never finished is cut off; damage is said, and does not stop it.

use super::{at, checked, fact, faults, written};
use crate::trail::files::PrivateFiles;
use crate::trail::open::{OpenError, open};
use crate::trail::{FaultKind, Trail, TrailState, entries};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Opens it, adds an entry and closes it; gives what is wrong.
fn started(dir: &Path) -> Option<String> {
    let (mut writer, damage) = open(dir, at(8), Box::new(PrivateFiles)).unwrap();
    assert!(writer.append(&[fact(8)])[0].is_ok());
    writer.note_head();
    damage
}

fn append(dir: &Path, file: &str, bytes: &[u8]) {
    fs::File::options().append(true).open(dir.join(file)).unwrap().write_all(bytes).unwrap();
}

#[test]
fn it_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 4));
    assert_eq!(started(dir.path()), None);
    assert_eq!(started(dir.path()), None);
    let report = checked(dir.path());
    assert_eq!((faults(&report), report.entries), (Vec::new(), 6));
}

#[test]
fn only_one_may_write_it() {
    let dir = tempfile::tempdir().unwrap();
    let _writer = written(dir.path(), 1);
    let second = open(dir.path(), at(0), Box::new(PrivateFiles));
    assert!(matches!(second.err(), Some(OpenError::Locked(_))));
}

#[test]
fn what_was_never_finished_is_cut_off() {
    // Wherever a kill falls, from before the very first entry on.
    for whole in [0, 1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        drop(written(dir.path(), 5));
        let lines: Vec<(String, Vec<u8>)> = ["2026-06.jsonl", "2026-07.jsonl"]
            .into_iter()
            .flat_map(|name| {
                let bytes = fs::read(dir.path().join(name)).unwrap();
                let lines: Vec<_> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                lines.into_iter().map(move |line| (name.to_owned(), line))
            })
            .collect();
        for cut in [1, 40, lines[whole].1.len() - 1] {
            let dir = tempfile::tempdir().unwrap();
            let hash = lines[..whole].last().map_or("0".repeat(64), |(_, line)| {
                serde_json::from_slice::<serde_json::Value>(line).unwrap()["hash"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            });
            fs::write(dir.path().join("head"), format!("{whole}:{hash}\n")).unwrap();
            let torn = (lines[whole].0.clone(), lines[whole].1[..cut].to_vec());
            for (name, line) in lines[..whole].iter().chain([&torn]) {
                let before = fs::read(dir.path().join(name)).unwrap_or_default();
                fs::write(dir.path().join(name), [before, line.clone()].concat()).unwrap();
            }
            assert_eq!(started(dir.path()), None, "{whole} entries and {cut} bytes");
            let report = checked(dir.path());
            let entries = (whole as u64).max(1) + 1;
            assert_eq!((faults(&report), report.entries), (Vec::new(), entries), "{whole} and {cut}");
        }
    }
}

#[test]
fn a_line_that_is_being_written_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 4));
    append(dir.path(), "2026-07.jsonl", b"{\"number\":5");
    let report = checked(dir.path());
    assert_eq!((faults(&report), report.unfinished_bytes), (Vec::new(), 11));
}

#[test]
fn damage_is_said_and_a_chain_of_its_own_begins_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 4));
    let file = dir.path().join("2026-07.jsonl");
    let text = fs::read_to_string(&file).unwrap().replacen("1301", "1302", 1);
    fs::write(&file, &text).unwrap();
    let damage = started(dir.path()).unwrap();
    assert!(damage.contains("entry 2, 2026-07.jsonl line 1: changed"), "{damage}");
    // Nothing that stands there was touched, and the next start does not begin once more.
    assert!(fs::read_to_string(&file).unwrap().starts_with(&text));
    assert!(started(dir.path()).is_some(), "it stays damaged");
    let report = checked(dir.path());
    assert_eq!(faults(&report), [(FaultKind::Changed, 2), (FaultKind::BegunAnew, 5)]);
    assert!(report.faults[1].what.contains("entry 2, 2026-07.jsonl line 1"), "{:?}", report.faults);
    let mut read = entries(dir.path()).unwrap();
    let found: Vec<_> = read.by_ref().map(|entry| entry.unwrap().0).collect();
    assert_eq!(read.unreadable_lines, 1);
    let numbers: Vec<_> = found.iter().map(|entry| (entry.number, entry.act.as_str())).collect();
    assert_eq!(
        numbers[1..],
        [
            (3, "case.advance"),
            (4, "case.advance"),
            (5, "trail.begin"),
            (6, "case.advance"),
            (7, "case.advance")
        ]
    );
}

#[test]
fn every_way_to_lose_the_end_is_noticed_at_the_start() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("the last line", |dir| {
            let text = fs::read_to_string(dir.join("2026-07.jsonl")).unwrap();
            let (kept, _) = text.trim_end().rsplit_once('\n').unwrap();
            fs::write(dir.join("2026-07.jsonl"), format!("{kept}\n")).unwrap();
        }),
        ("the end of the last line", |dir| {
            let bytes = fs::read(dir.join("2026-07.jsonl")).unwrap();
            fs::write(dir.join("2026-07.jsonl"), &bytes[..bytes.len() - 9]).unwrap();
        }),
        ("the newest file", |dir| fs::remove_file(dir.join("2026-07.jsonl")).unwrap()),
        ("what is in it", |dir| fs::write(dir.join("2026-07.jsonl"), "").unwrap()),
        ("all files", |dir| {
            fs::remove_file(dir.join("2026-06.jsonl")).unwrap();
            fs::remove_file(dir.join("2026-07.jsonl")).unwrap();
        }),
        ("the head", |dir| fs::remove_file(dir.join("head")).unwrap()),
    ];
    for (what, harm) in harms {
        let dir = tempfile::tempdir().unwrap();
        drop(written(dir.path(), 5));
        harm(dir.path());
        assert!(started(dir.path()).is_some(), "{what}");
        assert!(faults(&checked(dir.path())).iter().any(|(kind, _)| *kind == FaultKind::BegunAnew), "{what}");
        let (_, number) = faults(&checked(dir.path())).pop().unwrap();
        assert_eq!(number, 6, "no number is given twice: {what}");
    }
}

#[tokio::test]
async fn a_damaged_trail_takes_entries_and_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(written(dir.path(), 4));
    append(dir.path(), "2026-07.jsonl", b"junk\n");
    let trail = Trail::open(dir.path(), at(5)).await.unwrap();
    let state = trail.state().borrow().clone();
    assert!(matches!(&state, TrailState::Damaged(why) if why.contains("2026-07.jsonl line 4")), "{state:?}");
    assert_eq!((state.name(), trail.append(fact(5)).await.unwrap().number), ("damaged", 6));
}

#[tokio::test]
async fn a_trail_that_cannot_be_opened_refuses_every_entry() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail"), "no directory").unwrap();
    let error = Trail::open(&dir.path().join("trail"), at(0)).await.unwrap_err();
    let trail = Trail::refusing(&error);
    let refused = trail.append(fact(1)).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be opened"), "{refused}");
    assert_eq!(trail.state().borrow().name(), "stopped");
}
