//! Directories that must be refused: in use, newer, damaged, or without a part that cannot be derived.

use super::{Lived, check_refused, open};
use crate::acceptance::everything::{check_same, everything};
use std::fs;
use std::path::{Path, PathBuf};
use tracegate::store::Store;
use tracegate::store::embedded::OpenError;

const ADVICE: &str = "Restore it from a backup; do not start with an empty directory in its place";

/// After the damage is taken back, the store answers as before.
async fn check_well(lived: &Lived) {
    let store = open(&lived.path()).unwrap();
    check_same(&everything(&store).await, &lived.answers, "after the damage was taken back");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_use_is_refused() {
    let lived = Lived::new(5).await;
    let first = open(&lived.path()).unwrap();
    let error = check_refused(&lived.path(), &["is in use by another tracegate", "--data-dir"]);
    assert!(matches!(error, OpenError::Locked(path) if path == lived.path()));
    check_same(&everything(&first).await, &lived.answers, "while another one tried to open it");
    first.close().await;
    drop(first);
    check_well(&lived).await;
}

/// The head file of a directory and its text.
fn head(path: &Path) -> (PathBuf, String) {
    let file = path.join("tracegate.toml");
    let text = fs::read_to_string(&file).unwrap();
    (file, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_format_is_refused() {
    let lived = Lived::new(5).await;
    let (file, text) = head(&lived.path());
    // A newer head may look different in all but its version.
    for newer in [text.replace("format_version = 1", "format_version = 2"), "format_version = 7\n".to_owned()]
    {
        fs::write(&file, newer).unwrap();
        let error = check_refused(&lived.path(), &["this gateway knows 1", "use the newer gateway"]);
        assert!(matches!(error, OpenError::Newer { found: 2 | 7, known: 1, .. }));
    }
    fs::write(&file, text).unwrap();
    check_well(&lived).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_head_is_refused() {
    let lived = Lived::new(5).await;
    let (file, text) = head(&lived.path());
    let without = |name: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with(name));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let (_, secret) = text.split_once("paper_secret = \"").unwrap();
    let secret = secret.get(..32).unwrap();
    let damaged = [
        String::new(),
        "garbage".to_owned(),
        without("format_version"),
        without("paper_secret"),
        text.replace(secret, ""),
        text.replace(secret, secret.get(..31).unwrap()),
        text.replace(secret, &format!("g{}", secret.get(1..).unwrap())),
        text.replace(secret, &format!("+{}", secret.get(1..).unwrap())),
        text.get(..text.len() / 2).unwrap().to_owned(),
    ];
    for damage in damaged {
        fs::write(&file, &damage).unwrap();
        let error = check_refused(&lived.path(), &["is damaged: tracegate.toml", ADVICE]);
        assert!(matches!(error, OpenError::Damaged { .. }), "{damage:?}");
    }
    fs::write(&file, text).unwrap();
    check_well(&lived).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_missing_beside_data_is_refused() {
    let lived = Lived::new(5).await;
    let (file, text) = head(&lived.path());
    fs::remove_file(&file).unwrap();
    let says = ["tracegate.toml is missing beside the data", ADVICE];
    let error = check_refused(&lived.path(), &says);
    assert!(matches!(error, OpenError::Damaged { .. }));
    // A new secret would make every document a stranger, also where the tables are gone.
    fs::rename(lived.path().join("tables"), lived.path().join("elsewhere")).unwrap();
    check_refused(&lived.path(), &says);
    fs::rename(lived.path().join("elsewhere"), lived.path().join("tables")).unwrap();
    fs::write(&file, text).unwrap();
    check_well(&lived).await;
}

/// The segments of the log, oldest first.
fn segments(path: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(path.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|at| at.extension().is_some_and(|e| e == "log")).collect();
    found.sort();
    found
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_of_the_newest_segment_is_refused() {
    let lived = Lived::new(60).await;
    let newest = segments(&lived.path()).pop().unwrap();
    let bytes = fs::read(&newest).unwrap().len();
    for offset in [32, bytes / 2, bytes - 1] {
        flip(&newest, offset);
        let error =
            check_refused(&lived.path(), &["the event log is damaged", "backup", "Nothing was changed"]);
        assert!(matches!(error, OpenError::Log(_)), "byte {offset}");
        flip(&newest, offset);
    }
    check_well(&lived).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_anywhere_is_refused_where_the_tables_are_derived_again() {
    let lived = Lived::new(60).await;
    let all = segments(&lived.path());
    assert!(all.len() > 3, "the log must have several segments");
    fs::remove_dir_all(lived.path().join("tables")).unwrap();
    for file in [&all[0], &all[all.len() / 2]] {
        let middle = fs::read(file).unwrap().len() / 2;
        flip(file, middle);
        let name = file.file_name().unwrap().to_str().unwrap();
        let says = ["the event log is damaged", name, "backup", "Nothing was changed"];
        let error = check_refused(&lived.path(), &says);
        assert!(matches!(error, OpenError::Log(_)));
        flip(file, middle);
    }
    check_well(&lived).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_end_is_refused() {
    let mut lived = Lived::new(40).await;
    lived.set_aside("log");
    lived.go_on(40).await;
    lived.put_back("log");
    let error = check_refused(&lived.path(), &["acknowledged events are missing", "backup"]);
    assert!(matches!(error, OpenError::Log(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_is_refused() {
    let lived = Lived::new(20).await;
    lived.set_aside("log");
    for file in segments(&lived.path()) {
        fs::remove_file(file).unwrap();
    }
    let error = check_refused(&lived.path(), &["acknowledged events are missing", "backup"]);
    assert!(matches!(error, OpenError::Log(_)));
    lived.put_back("log");
    check_well(&lived).await;
}
