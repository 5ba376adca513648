//! Every input that is kept for the fuzz targets, tried once more: what fuzzing reached or broke stays right.

#[path = "../../fuzz/src/lib.rs"]
mod promises;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Ends in a panic where it does not hold.
type Promise = fn(&[u8]);

/// Targets with what they promise of any input.
const TARGETS: [(&str, Promise); 9] = [
    ("code", promises::code::check),
    ("csv", promises::csv::check),
    ("door", promises::door::check),
    ("event", promises::event::check),
    ("index", promises::index::check),
    ("log", promises::log::check),
    ("message", promises::message::check),
    ("policy", promises::policy::check),
    ("stored", promises::stored::check),
];

fn under_fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Tries every kept input of a target, and names all on which it breaks.
fn check(target: &str) {
    let (_, promise) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let [seeds, corpus] = ["seeds", "corpus"].map(|dir| files(&under_fuzz(dir).join(target)));
    assert!(!seeds.is_empty() && !corpus.is_empty(), "{target} has inputs to begin with");
    let breaks = |path: &&PathBuf| {
        let input = fs::read(path).unwrap();
        catch_unwind(|| promise(&input)).is_err()
    };
    let broken: Vec<_> = seeds.iter().chain(&corpus).filter(breaks).collect();
    assert!(broken.is_empty(), "{target} breaks its promise on {broken:#?}");
}

#[test]
fn every_target_has_its_promise_here() {
    let built = files(&under_fuzz("fuzz_targets"));
    let built: Vec<_> = built.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(TARGETS.map(|(name, _)| name).as_slice(), built);
}

#[test]
fn codes() {
    check("code");
}

#[test]
fn files_to_import() {
    check("csv");
}

#[test]
fn calls() {
    check("door");
    promises::door::close();
}

#[test]
fn events() {
    check("event");
}

#[test]
fn saved_filters() {
    check("index");
}

#[test]
fn damaged_logs() {
    check("log");
}

#[test]
fn messages() {
    check("message");
}

#[test]
fn policy_files() {
    check("policy");
}

#[test]
fn stored_rows() {
    check("stored");
}
