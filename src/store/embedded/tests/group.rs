//! Group commit: many changes share one sync, and within a group each sees the ones before it.

use super::files::TestFiles;
use super::{
    EmbeddedOptions, claim, code, held, open, positions, purchase, queued, reopen, request, spawn_commit,
    swap, versions,
};
use crate::domain::claim::History;
use crate::store::{AwaitedKey, Change, ClaimLedger, CommitError, LoadStatus, PurchaseBook, Store};
use rust_decimal::Decimal;
use std::fs;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What occupies the writer while the others gather.
fn first_claim() -> Change {
    claim(&[1_000_000], "first")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let before = files.switches().syncs;
    let first = held(&store, &files, first_claim());
    let commits: Vec<_> = (0..200).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    queued(&store, 200).await;
    files.release();
    first.await.unwrap().unwrap();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(files.switches().syncs - before, 2, "one for the first commit, one for all others");
    let all: Vec<_> = (0..200).collect();
    assert_eq!(versions(&store, &all).await, [1; 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_soon_after_a_group_of_several_is_gathered() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let options = EmbeddedOptions { sync_interval: Duration::from_secs(2), ..super::options() };
    let store = super::open_with(dir.path(), &files, &options);
    let first = held(&store, &files, first_claim());
    let second = [1, 2].map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}"))));
    queued(&store, 2).await;
    files.release();
    first.await.unwrap().unwrap();
    for commit in second {
        commit.await.unwrap().unwrap();
    }
    let before = files.switches().syncs;
    let change = claim(&[3], "r3");
    let mut third = pin!(store.commit(&change));
    let sent = poll_fn(|context| Poll::Ready(third.as_mut().poll(context).is_pending())).await;
    assert!(sent, "it is answered before two seconds are over");
    // The writer has it in its hand.
    while store.gauges().waiting_changes > 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (4..8).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    third.await.unwrap();
    for commit in others {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(files.switches().syncs - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sells_alone_waits_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let options = EmbeddedOptions { sync_interval: Duration::from_secs(3600), ..super::options() };
    let store = super::open_with(dir.path(), &files, &options);
    for n in 0..20 {
        let sold = spawn_commit(&store, claim(&[n], &format!("r{n}")));
        tokio::time::timeout(super::PATIENCE, sold).await.expect("an answer").unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_group_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let options = EmbeddedOptions { group_changes_max: 10, ..super::options() };
    let store = super::open_with(dir.path(), &files, &options);
    let before = files.switches().syncs;
    let first = held(&store, &files, first_claim());
    let commits: Vec<_> = (0..25).map(|n| spawn_commit(&store, claim(&[n], &format!("r{n}")))).collect();
    queued(&store, 25).await;
    files.release();
    first.await.unwrap().unwrap();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(files.switches().syncs - before, 4, "1, 10, 10 and 5 changes");
}

fn only(claim: crate::domain::judge::ClaimChange) -> Change {
    Change { claims: vec![claim], ..Change::default() }
}

fn question() -> AwaitedKey {
    AwaitedKey { pool: super::pool(), catalog_code: "D".to_owned(), request: request("r1"), line: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_group_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, first_claim());
    // One after the other into the queue, so that their order is known.
    let wait = Change { awaited: vec![question()], ..Change::default() };
    let settle = Change { settled: vec![question()], ..Change::default() };
    let changes = [
        only(swap(1, 0)),
        only(swap(1, 1)),
        only(swap(1, 1)),
        only(swap(1, 0)),
        only(swap(1, 2)),
        claim(&[2, 3], "r1"),
        claim(&[3, 4], "r2"),
        claim(&[4], "r1"),
        wait,
        settle,
    ];
    let mut commits = Vec::new();
    for (n, change) in changes.into_iter().enumerate() {
        commits.push(spawn_commit(&store, change));
        queued(&store, n + 1).await;
    }
    files.release();
    first.await.unwrap().unwrap();
    let mut told = Vec::new();
    for commit in commits {
        told.push(commit.await.unwrap());
    }
    let conflict = || Err(CommitError::Conflict);
    let ok = || Ok(());
    let expected = [ok(), ok(), conflict(), conflict(), ok(), ok(), conflict(), conflict(), ok(), ok()];
    assert_eq!(told, expected);
    assert_eq!(versions(&store, &[1, 2, 3, 4]).await, [3, 1, 1, 0]);
    assert_eq!(store.awaited(None, 9).await.unwrap(), []);
    assert_eq!(positions(&store).await[0].sold, Decimal::TWO, "the first commit and r1");

    // The same from the log alone.
    super::close(store).await;
    fs::remove_dir_all(dir.path().join("data/tables")).unwrap();
    let store = open(dir.path(), &TestFiles::default());
    assert_eq!(versions(&store, &[1, 2, 3, 4]).await, [3, 1, 1, 0]);
    assert_eq!(store.awaited(None, 9).await.unwrap(), []);
    assert_eq!(positions(&store).await[0].sold, Decimal::TWO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_replaced_within_a_group_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, first_claim());
    let mut loads = Vec::new();
    for (n, quantity) in [10, 10, 25, 7].into_iter().enumerate() {
        let store_of_load = Arc::clone(&store);
        loads.push(tokio::spawn(async move {
            store_of_load.add_purchases(vec![purchase("order", quantity)]).await
        }));
        queued(&store, n + 1).await;
    }
    files.release();
    first.await.unwrap().unwrap();
    let mut statuses = Vec::new();
    for load in loads {
        statuses.extend(load.await.unwrap().unwrap());
    }
    let [added, unchanged, replaced] = [LoadStatus::Added, LoadStatus::Unchanged, LoadStatus::Replaced];
    assert_eq!(statuses, [added, unchanged, replaced, replaced]);
    for position in positions(&store).await {
        assert_eq!((position.platform, position.records), (Decimal::from(7), [1, 0, 0]));
    }
    // The table holds the last one too: the same once more changes nothing.
    let store = reopen(store, dir.path()).await;
    assert_eq!(store.add_purchases(vec![purchase("order", 7)]).await.unwrap(), [unchanged]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loser_sees_the_winner_of_its_own_group() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, first_claim());
    let racing: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let told = store.commit(&claim(&[1, 2], &format!("r{n}"))).await;
                let seen = store.histories(&[code(1), code(2)]).await.unwrap();
                (told, seen.iter().flatten().map(|h: &History| h.version).collect::<Vec<_>>())
            })
        })
        .collect();
    queued(&store, 50).await;
    files.release();
    first.await.unwrap().unwrap();
    let mut winners = 0;
    for caller in racing {
        let (told, seen) = caller.await.unwrap();
        assert_eq!(seen, [1, 1], "{told:?}");
        winners += u32::from(told.is_ok());
    }
    assert_eq!(winners, 1);
    assert_eq!(positions(&store).await[0].sold, Decimal::TWO);
}
