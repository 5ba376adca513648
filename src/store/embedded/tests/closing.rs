//! Closing, and callers that go away while they wait.

use super::files::TestFiles;
use super::{
    EmbeddedOptions, claim, held, open, open_with, positions, queued, reopen, spawn_commit, versions,
};
use crate::store::{ClaimLedger, CommitError, Store, StoreError};
use rust_decimal::Decimal;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_what_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, claim(&[0], "r0"));
    let commits: Vec<_> = (1..20).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    queued(&store, 19).await;
    let closing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.close().await })
    };
    while store.jobs.lock().unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    let late = store.commit(&claim(&[99], "late")).await.unwrap_err();
    assert!(matches!(late, CommitError::Refused(StoreError::Stopped(_))), "{late}");
    assert!(!closing.is_finished(), "closed while work was waiting");
    files.release();
    first.await.unwrap().unwrap();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    closing.await.unwrap();
    let store = reopen(store, dir.path()).await;
    let all: Vec<_> = (0..20).collect();
    assert_eq!(versions(&store, &all).await, [1; 20]);
    assert_eq!(versions(&store, &[99]).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let options = EmbeddedOptions { queue_changes_max: 4, ..super::options() };
    let store = open_with(dir.path(), &files, &options);
    let first = held(&store, &files, claim(&[0, 100], "r0"));
    let accepted: Vec<_> =
        (1..5).map(|n| spawn_commit(&store, claim(&[n, n + 100], &format!("r{n}")))).collect();
    queued(&store, 4).await;
    // The queue is full: this one is not accepted yet.
    let waiting = spawn_commit(&store, claim(&[5, 105], "r5"));
    // Everybody goes away: the one that is being written, those that wait for it, and the one that waits for room.
    for caller in accepted.into_iter().chain([first, waiting]) {
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    files.release();
    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[0, 1, 2, 3, 4]).await, [1; 5], "what was accepted is made");
    assert_eq!(versions(&store, &[100, 101, 102, 103, 104]).await, [1; 5], "the other half too");
    assert_eq!(versions(&store, &[5, 105]).await, [0; 2], "what was not accepted is not");
    assert_eq!(positions(&store).await[0].sold, Decimal::from(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_claims_is_measured_apart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    let codes: Vec<_> = (0..2000).collect();
    store.commit(&claim(&codes, "r")).await.unwrap();
    assert_eq!(store.gauges().claims_bytes, 0, "what was logged last is in memory");
    let store = reopen(store, dir.path()).await;
    let gauges = store.gauges();
    assert!((2000..2000 * 200).contains(&gauges.claims_bytes), "{gauges:?}");
    assert!(gauges.claims_bytes < gauges.tables_bytes, "a part of the tables: {gauges:?}");
}
