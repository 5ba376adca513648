//! Faults of a real data directory: small disks, damage, lost and outdated parts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod damage;
mod small_disk;
mod tables;

use crate::acceptance::everything::{Everything, everything};
use crate::acceptance::model::Model;
use crate::acceptance::random::{Random, play};
use crate::acceptance::small_options;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tracegate::store::Store;
use tracegate::store::embedded::{EmbeddedStore, OpenError};

/// A data directory that a store has lived in, and what it answered at the end.
pub struct Lived {
    home: tempfile::TempDir,
    model: Model,
    random: Random,
    pub answers: Everything,
}

impl Lived {
    /// A store that took `count` random operations, closed again.
    pub async fn new(count: usize) -> Self {
        let mut lived = Self {
            home: tempfile::tempdir().unwrap(),
            model: Model::default(),
            random: Random::new(7),
            answers: Model::default().everything(),
        };
        lived.go_on(count).await;
        lived
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Opens it, does more to it, closes it.
    pub async fn go_on(&mut self, count: usize) {
        let store = open(&self.path()).unwrap();
        play(&store, &mut self.model, &mut self.random, count).await;
        self.answers = everything(&store).await;
        store.close().await;
    }

    /// Puts a copy of a part of the directory aside.
    pub fn set_aside(&self, part: &str) -> PathBuf {
        let copy = self.home.path().join(format!("{part}-aside"));
        copy_dir(&self.path().join(part), &copy);
        copy
    }

    /// Puts the part that was set aside in the place of the current one.
    pub fn put_back(&self, part: &str) {
        let place = self.path().join(part);
        fs::remove_dir_all(&place).unwrap();
        fs::rename(self.home.path().join(format!("{part}-aside")), place).unwrap();
    }
}

pub fn open(path: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(path, &small_options())
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file and directory with its contents, but for the tables: they can be derived again.
fn contents(path: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let at = entry.unwrap().path();
            if at == path.join("tables") {
                continue;
            }
            let bytes = at.is_file().then(|| fs::read(&at).unwrap());
            if bytes.is_none() {
                waiting.push(at.clone());
            }
            found.insert(at, bytes);
        }
    }
    found
}

/// Opens and expects a refusal that says what is wrong and changes nothing.
#[track_caller]
pub fn check_refused(path: &Path, says: &[&str]) -> OpenError {
    let before = contents(path);
    let error = open(path).expect_err("the directory must be refused");
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "{text} does not say {part:?}");
    }
    assert!(contents(path) == before, "a refused directory was changed");
    error
}
