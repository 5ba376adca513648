//! A real file system that fills up: nothing acknowledged is lost, and it goes on when there is space again.

use crate::acceptance::samples::{claim, code, request};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tracegate::domain::code::CodeKey;
use tracegate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use tracegate::store::log::free_bytes;
use tracegate::store::{Change, ClaimLedger, CommitError, Store, StoreError, StoreState};

const DISK_BYTES: u64 = 64 << 20;
const FREE_BYTES_MIN: u64 = 8 << 20;

/// A file system in memory; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(
            status.as_ref().is_ok_and(|status| status.success()),
            "this test needs to mount a tmpfs of 64 MiB: run it as root or in a user namespace that may mount ({status:?})"
        );
        Self(dir)
    }

    fn open(&self, disk_free_bytes_min: u64) -> EmbeddedStore {
        let options =
            EmbeddedOptions { disk_free_bytes_min, cache_bytes: 1 << 20, ..EmbeddedOptions::default() };
        EmbeddedStore::open(&self.0.path().join("data"), &options).unwrap()
    }

    /// A file that leaves only so many bytes free.
    fn fill(&self, but_for: u64) -> PathBuf {
        let ballast = self.0.path().join("ballast");
        let bytes = free_bytes(self.0.path()).unwrap() - but_for;
        fs::write(&ballast, vec![1; usize::try_from(bytes).unwrap()]).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.0.path().display());
        }
    }
}

/// A change of a good 64 KiB: two codes and a long outcome.
fn change(n: u64) -> Change {
    let mut change = claim(&keys(n), 0, &format!("r{n}"));
    change.outcomes[0].outcome.freed = vec!["x".repeat(64 << 10)];
    change
}

fn keys(n: u64) -> [CodeKey; 2] {
    [code(2 * n), code(2 * n + 1)]
}

/// How much of a change is there; an outcome without its codes, or half the codes, is a fault.
async fn is_there(store: &EmbeddedStore, n: u64) -> bool {
    let codes = store.histories(&keys(n)).await.unwrap();
    let outcome = store.outcome(&request(0, &format!("r{n}"))).await.unwrap();
    let parts = [codes[0].is_some(), codes[1].is_some(), outcome.is_some()];
    assert!(parts == [true; 3] || parts == [false; 3], "change {n} is there in part: {parts:?}");
    parts[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_runs_low_refuses_and_recovers() {
    let disk = SmallDisk::mount();
    let store = disk.open(FREE_BYTES_MIN);
    for n in 0..20 {
        store.commit(&change(n)).await.unwrap();
    }
    let ballast = disk.fill(FREE_BYTES_MIN / 2);
    let refused = store.commit(&change(20)).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Refused(StoreError::Full(_))), "{refused}");
    for part in ["the disk is full", "8388608 are needed", "free space in"] {
        assert!(refused.to_string().contains(part), "{refused} does not say {part:?}");
    }
    let mut state = store.state();
    assert!(matches!(*state.borrow(), StoreState::Full(_)));
    assert!(is_there(&store, 19).await && !is_there(&store, 20).await, "reads go on");

    fs::remove_file(&ballast).unwrap();
    // Nobody sends anything: a gateway that says "not ready" is sent nothing.
    let ready = state.wait_for(|state| *state == StoreState::Ready);
    let told = tokio::time::timeout(Duration::from_secs(10), ready).await;
    assert!(told.is_ok_and(|told| told.is_ok()), "it never said that it takes changes again");
    store.commit(&change(20)).await.unwrap();
    store.close().await;
    drop(store);
    let store = disk.open(FREE_BYTES_MIN);
    for n in 0..=20 {
        assert!(is_there(&store, n).await, "change {n} is lost");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_any_reserve_loses_nothing_acknowledged() {
    let disk = SmallDisk::mount();
    // As if the reserve had been taken by others while a group was written.
    let store = disk.open(0);
    store.commit(&change(0)).await.unwrap();
    let ballast = disk.fill(3 << 20);
    let mut acknowledged = 1;
    let told = loop {
        match store.commit(&change(acknowledged)).await {
            Ok(()) => acknowledged += 1,
            Err(told) => break told,
        }
    };
    assert!(acknowledged > 5, "only {acknowledged} fitted");
    // Refused by the log, or logged but not to be seen in the tables: then nobody may say that it failed.
    let in_doubt = match &told {
        CommitError::Refused(StoreError::Full(_)) => false,
        CommitError::Unknown(_) => true,
        other => panic!("{other}"),
    };
    let stopped = matches!(*store.state().borrow(), StoreState::Stopped(_));
    assert_eq!(stopped, in_doubt, "{told}");
    println!("after {acknowledged} changes: {told}");
    store.close().await;
    drop(store);

    fs::remove_file(&ballast).unwrap();
    let store = disk.open(0);
    for n in 0..acknowledged {
        assert!(is_there(&store, n).await, "change {n} is lost");
    }
    let recorded = is_there(&store, acknowledged).await;
    assert!(in_doubt || !recorded, "what was refused is there");
    if !recorded {
        store.commit(&change(acknowledged)).await.unwrap();
    }
    store.close().await;
}
