//! The log fails: what is refused leaves nothing, what is in doubt says so, and opening again tells.

use super::files::TestFiles;
use super::{
    claim, held, open, positions, purchase, queued, reopen, request, spawn_commit, until_state, versions,
};
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::{ClaimLedger, CommitError, PurchaseBook, Store, StoreError, StoreState};
use rust_decimal::Decimal;
use std::sync::Arc;

fn is_stopped(store: &EmbeddedStore) -> bool {
    matches!(*store.state().borrow(), StoreState::Stopped(_))
}

async fn check_refused_as_stopped(store: &EmbeddedStore) {
    let told = store.commit(&claim(&[77], "later")).await.unwrap_err();
    assert!(matches!(&told, CommitError::Refused(StoreError::Stopped(_))), "{told}");
    assert!(told.to_string().contains("needs a restart"), "{told}");
    let loaded = store.add_purchases(vec![purchase("order", 1)]).await.unwrap_err();
    assert!(matches!(&loaded, CommitError::Refused(StoreError::Stopped(_))), "{loaded}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_unknown_and_stops_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    store.commit(&claim(&[1], "r1")).await.unwrap();
    let mut state = store.state();
    state.mark_unchanged();

    let first = held(&store, &files, claim(&[2, 3], "r2"));
    let behind: Vec<_> = (10..15).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    queued(&store, 5).await;
    files.switches().fail_sync = true;
    files.release();
    let told = first.await.unwrap().unwrap_err();
    assert!(matches!(&told, CommitError::Unknown(why) if why.contains("in doubt")), "{told}");
    for commit in behind {
        let told = commit.await.unwrap().unwrap_err();
        assert!(matches!(&told, CommitError::Refused(StoreError::Stopped(_))), "{told}");
    }
    assert!(state.has_changed().unwrap() && is_stopped(&store));

    // The disk is well again: it must not be believed before the log was read again.
    files.switches().fail_sync = false;
    check_refused_as_stopped(&store).await;
    assert_eq!(versions(&store, &[1, 2, 3, 10]).await, [1, 0, 0, 0], "reads show what was acknowledged");

    let store = reopen(store, dir.path()).await;
    assert_eq!(*store.state().borrow(), StoreState::Ready);
    let found = versions(&store, &[1, 2, 3]).await;
    let recorded = found == [1, 1, 1];
    assert!(recorded || found == [1, 0, 0], "a half of the change is left: {found:?}");
    assert_eq!(store.outcome(&request("r2")).await.unwrap().is_some(), recorded);
    assert_eq!(positions(&store).await[0].sold, Decimal::from(if recorded { 2 } else { 1 }));
    assert_eq!(versions(&store, &[10, 11, 12, 13, 14, 77]).await, [0; 6], "what was refused is not there");
    store.commit(&claim(&[77], "later")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_group_whose_sync_failed_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, claim(&[1], "r1"));
    let together: Vec<_> = (2..8).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    queued(&store, 6).await;
    // The first sync passes, the one of the others waits again and fails.
    files.step();
    tokio::task::block_in_place(|| files.until_waiting());
    first.await.unwrap().unwrap();
    files.switches().fail_sync = true;
    files.release();
    for commit in together {
        let told = commit.await.unwrap().unwrap_err();
        assert!(matches!(told, CommitError::Unknown(_)), "{told}");
    }
    let store = reopen(store, dir.path()).await;
    let mut found = versions(&store, &[2, 3, 4, 5, 6, 7]).await;
    found.dedup();
    assert_eq!(found.len(), 1, "a part of the group is left");
    assert_eq!(versions(&store, &[1]).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_leaves_nothing_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    store.commit(&claim(&[1], "r1")).await.unwrap();
    let state = store.state();

    files.switches().full = true;
    let told = store.commit(&claim(&[2, 3], "r2")).await.unwrap_err();
    let CommitError::Refused(error @ StoreError::Full(_)) = &told else {
        panic!("{told}");
    };
    assert!(error.retryable(), "{error}");
    assert!(state.has_changed().unwrap(), "nobody was told");
    assert_eq!(versions(&store, &[1, 2, 3]).await, [1, 0, 0]);

    files.switches().full = false;
    // Nobody sends anything: a gateway that says "not ready" is sent nothing.
    until_state(&store, |state| *state == StoreState::Ready).await;
    store.commit(&claim(&[2, 3], "r2")).await.unwrap();
    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[1, 2, 3]).await, [1, 1, 1]);
    assert_eq!(positions(&store).await[0].sold, Decimal::TWO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_cannot_be_taken_back_stops_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    store.commit(&claim(&[1], "r1")).await.unwrap();
    (files.switches().full, files.switches().fail_set_len) = (true, true);
    let told = store.commit(&claim(&[2], "r2")).await.unwrap_err();
    assert!(matches!(told, CommitError::Unknown(_)), "{told}");
    assert!(is_stopped(&store));
    (files.switches().full, files.switches().fail_set_len) = (false, false);
    check_refused_as_stopped(&store).await;
    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[1, 2]).await, [1, 0]);
    store.commit(&claim(&[2], "r2")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_panics_is_told_to_whoever_watches() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    store.commit(&claim(&[1], "r1")).await.unwrap();
    files.switches().panic_in_sync = true;
    let told = store.commit(&claim(&[2], "r2")).await.unwrap_err();
    assert!(matches!(told, CommitError::Unknown(_)), "{told}");
    until_state(&store, |state| matches!(state, StoreState::Stopped(_))).await;
    check_refused_as_stopped(&store).await;
    assert_eq!(versions(&store, &[1]).await, [1]);
    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[1]).await, [1]);
    store.commit(&claim(&[3], "r3")).await.unwrap();
}

#[tokio::test]
async fn a_log_that_cannot_be_synced_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    files.switches().fail_sync = true;
    let opened = EmbeddedStore::open_with(&dir.path().join("data"), &super::options(), Box::new(files));
    assert!(matches!(opened.map(Arc::new), Err(OpenError::Log(_))));
    let store = open(dir.path(), &TestFiles::default());
    store.commit(&claim(&[1], "r1")).await.unwrap();
}
