//! `audit-trail verify` and `list`.

use super::{listed, run, verified};
use jiff::{Timestamp, ToSpan};
use std::fs;
use std::path::Path;
use tracegate::trail::{Act, Fact, TRAIL_DIR, Trail};

/// A trail of six entries in two months.
async fn written(data_dir: &Path) {
    let first: Timestamp = "2026-06-29T04:00:00Z".parse().expect("a moment");
    let trail = Trail::open(&data_dir.join(TRAIL_DIR), first).await.expect("a trail");
    let facts = [
        ("operator", Act::PolicyReload, "", "files", "hebei.toml"),
        ("bureau 1301", Act::HistoryLook, "83003850000000131888", "reason", "=投诉\u{1b}[2J"),
        ("bureau 1301", Act::CaseAdvance, "83003850000000131888-1", "action", "push"),
        ("bureau 12", Act::CaseAdvance, "83003850000000131889-1", "action", "close"),
        ("operator", Act::RegistryLoad, "institutions", "rows", "3"),
    ];
    for (days, (who, act, about, name, value)) in (1..).zip(facts) {
        let fact = Fact::new(first + (24 * days).hours(), who, act, about).with(name, value);
        trail.append(fact).await.expect("an entry");
    }
    trail.close().await;
}

#[tokio::test]
async fn a_whole_trail_is_verified_and_its_head_is_given_back() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    written(dir.path()).await;
    let (ok, said, error) = run(dir.path(), &["verify"]);
    assert!(ok, "{error}");
    assert!(
        said.contains("6 entries are as they were written, from 2026-06-29T04:00:00Z to 2026-07-04"),
        "{said}"
    );
    let head = said.lines().find_map(|line| line.strip_prefix("head ")).expect("a head").to_owned();
    assert!(head.starts_with("6:"), "{head}");
    let report = verified(dir.path());
    assert_eq!((&report["entries"], &report["head"]), (&6.into(), &head.clone().into()));
    assert!(run(dir.path(), &["verify", "--since", &head]).0);
    // Another trail is whole by itself, and not the one that was known.
    let other = tempfile::tempdir().expect("a temporary directory");
    written(other.path()).await;
    assert!(run(other.path(), &["verify"]).0);
    let (ok, said, error) = run(other.path(), &["verify", "--since", &head]);
    assert!(
        !ok && said.contains("entry 6, 2026-07.jsonl line 4: since: it is another entry"),
        "{said} {error}"
    );
    assert!(error.contains("not whole: 1 fault"), "{error}");
    let (ok, _, error) = run(other.path(), &["verify", "--since", "6"]);
    assert!(!ok && error.contains("NUMBER:HASH"), "{error}");
}

#[tokio::test]
async fn what_was_done_to_it_is_named_with_file_and_line() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    written(dir.path()).await;
    let file = dir.path().join(TRAIL_DIR).join("2026-07.jsonl");
    let text = fs::read_to_string(&file).expect("a month");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[0] = lines[0].replace("1301", "1302");
    lines.remove(2);
    fs::write(&file, lines.join("\n") + "\n").expect("written");
    let (ok, said, error) = run(dir.path(), &["verify"]);
    assert!(!ok && error.contains("2 fault(s)"), "{error}");
    for part in ["entry 3, 2026-07.jsonl line 1: changed", "entry 5, 2026-07.jsonl line 3: missing"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let report = verified(dir.path());
    assert_eq!(report["faults"][0]["kind"], "changed");
    assert_eq!((&report["faults"][1]["number"], &report["faults"][1]["line"]), (&5.into(), &3.into()));
    // What can be believed is still shown, with a word on the rest.
    let (ok, said, error) = run(dir.path(), &["list"]);
    assert!(ok && said.contains("registry.load") && error.contains("1 line(s)"), "{said} {error}");
}

#[tokio::test]
async fn entries_are_found_by_day_act_who_and_about() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    written(dir.path()).await;
    let numbers = |args: &[&str]| -> Vec<u64> {
        listed(dir.path(), args).iter().map(|entry| entry["number"].as_u64().expect("a number")).collect()
    };
    assert_eq!(numbers(&[]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&["--act", "case.advance"]), [4, 5]);
    assert_eq!(numbers(&["--act", "case.advance", "--act", "policy.reload", "--who", "bureau 13"]), [4]);
    assert_eq!(numbers(&["--about", "131888"]), [3, 4]);
    assert_eq!(numbers(&["--from", "2026-06-30", "--to", "2026-07-01"]), [2, 3]);
    assert_eq!(numbers(&["--limit", "2"]), [5, 6]);
    let (ok, _, error) = run(dir.path(), &["list", "--act", "case.push"]);
    assert!(!ok && error.contains("none of trail.begin"), "{error}");
}

#[tokio::test]
async fn a_table_a_spreadsheet_and_lines_as_they_stand() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    written(dir.path()).await;
    let (_, said, error) = run(dir.path(), &["list", "--limit", "4"]);
    assert!(said.contains("83003850000000131888") && said.contains("action push"), "{said}");
    assert!(!said.contains('\u{1b}'), "nobody who is recorded moves the cursor: {said:?}");
    assert!(error.contains("2 earlier entries"), "{error}");
    let (_, said, _) = run(dir.path(), &["list", "--who", "nobody"]);
    assert!(said.contains("no entry is like that"), "{said}");
    let (_, said, _) = run(dir.path(), &["list", "--format", "csv"]);
    let mut csv = csv::Reader::from_reader(said.trim_start_matches('\u{feff}').as_bytes());
    let rows: Vec<_> = csv.records().map(|row| row.expect("a row")).collect();
    assert_eq!((rows.len(), &rows[2][3]), (6, "code_history.look"));
    let (_, said, _) = run(dir.path(), &["list", "--format", "json"]);
    let files = ["2026-06.jsonl", "2026-07.jsonl"]
        .map(|name| fs::read_to_string(dir.path().join(TRAIL_DIR).join(name)).expect("a month"));
    assert_eq!(said, files.concat());
    let out = dir.path().join("trail.xlsx");
    let (ok, _, error) =
        run(dir.path(), &["list", "--format", "xlsx", "--out", out.to_str().expect("a path")]);
    assert!(ok && fs::metadata(&out).is_ok_and(|file| file.len() > 1000), "{error}");
}

#[test]
fn no_trail_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for command in ["verify", "list"] {
        let (ok, _, error) = run(dir.path(), &[command]);
        assert!(!ok && error.contains("there is no audit trail in"), "{error}");
    }
}
