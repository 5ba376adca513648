//! What is kept in memory before it goes to the tables: read from either side, and what happens where the tables or
//! the log under them are damaged.

use super::files::TestFiles;
use super::{claim, close, code, open, open_with, options, positions, request, swap, until_state, versions};
use crate::domain::claim::PaperKey;
use crate::domain::outcome::{Outcome, OutcomeState};
use crate::store::embedded::tables::Tables;
use crate::store::embedded::{EmbeddedOptions, EmbeddedStore, OpenError};
use crate::store::{Change, ClaimFeed, ClaimLedger, StoreError, StoreState};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything goes to the tables as soon as it can.
fn no_memory() -> EmbeddedOptions {
    EmbeddedOptions { memory_bytes_max: 1, ..options() }
}

fn with_document(n: u64) -> Change {
    let id = format!("r{n}");
    Change { document: Some((request(&id), PaperKey(n / 2))), ..claim(&[n], &id) }
}

/// Reads everything of `with_document(0..count)`, once changed where `swapped`.
async fn check_everything(store: &EmbeddedStore, count: u64, swapped: &BTreeSet<u64>) {
    let all: Vec<_> = (0..count).collect();
    let expected: Vec<_> = all.iter().map(|n| 1 + u32::from(swapped.contains(n))).collect();
    assert_eq!(versions(store, &all).await, expected);
    let scanned = store.scan(None, usize::MAX).await.unwrap();
    let scanned: Vec<_> = scanned.into_iter().map(|(key, history)| (key, history.version)).collect();
    assert_eq!(scanned, all.iter().map(|n| code(*n)).zip(expected).collect::<Vec<_>>());
    let page = store.scan(Some(&code(2)), 3).await.unwrap();
    assert_eq!(page.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [code(3), code(4), code(5)]);
    for n in &all {
        let outcome = store.outcome(&request(&format!("r{n}"))).await.unwrap();
        assert_eq!(outcome, Some(Outcome::closed(OutcomeState::Voided)), "r{n}");
        let pair = [format!("r{}", n / 2 * 2), format!("r{}", n / 2 * 2 + 1)];
        assert_eq!(store.requests_of(super::institution(), PaperKey(n / 2), 9).await.unwrap(), pair);
        assert_eq!(store.requests_of(super::institution(), PaperKey(n / 2), 1).await.unwrap(), pair[..1]);
    }
    let mut told = BTreeSet::new();
    let mut codes = store.all_codes();
    while let Some(batch) = codes.recv().await {
        told.extend(batch.unwrap());
    }
    assert_eq!(told, all.iter().map(|n| code(*n)).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_all_the_same_where_a_row_lies() {
    for memory_bytes_max in [1, 2_000, 1 << 30] {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions { memory_bytes_max, ..options() };
        let mut store = open_with(dir.path(), &TestFiles::default(), &options);
        let mut swapped = BTreeSet::new();
        for n in 0..40 {
            store.commit(&with_document(n)).await.unwrap();
            if n % 3 == 0 {
                store.commit(&Change { claims: vec![swap(n / 2, 1)], ..Change::default() }).await.unwrap();
                swapped.insert(n / 2);
            }
            if n == 25 {
                close(store).await;
                store = open_with(dir.path(), &TestFiles::default(), &options);
            }
        }
        check_everything(&store, 40, &swapped).await;
        assert_eq!(positions(&store).await[0].sold, Decimal::from(40));
        close(store).await;
        check_everything(&open(dir.path(), &TestFiles::default()), 40, &swapped).await;
    }
}

/// The biggest file under a directory.
fn biggest(dir: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_whose_bytes_have_changed_on_disk_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    let mut change = claim(&[1], "r1");
    change.outcomes[0].outcome.freed = vec!["a mark that is found again".to_owned()];
    store.commit(&change).await.unwrap();
    close(store).await;
    let store = open(dir.path(), &TestFiles::default());
    assert_eq!(store.outcome(&request("r1")).await.unwrap().as_ref(), Some(&change.outcomes[0].outcome));
    let segment = biggest(&dir.path().join("data/log"));
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(6).position(|window| window == b"a mark").unwrap();
    bytes[at] = b'b';
    fs::write(&segment, bytes).unwrap();
    let told = store.outcome(&request("r1")).await.unwrap_err();
    assert!(matches!(&told, StoreError::Unreadable(why) if why.contains("have changed on disk")), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_cannot_be_written_stop_the_store_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), &TestFiles::default(), &no_memory());
    store.commit(&with_document(0)).await.unwrap();
    // Moved, not removed: the store may be writing there, and a directory that is filled cannot be emptied.
    fs::rename(dir.path().join("data/tables/keyspaces"), dir.path().join("out of reach")).unwrap();
    let mut acknowledged = 1;
    while store.commit(&with_document(acknowledged)).await.is_ok() {
        acknowledged += 1;
        assert!(acknowledged < 1_000, "tables that are gone were written");
    }
    until_state(&store, |state| matches!(state, StoreState::Stopped(_))).await;
    let all: Vec<_> = (1..acknowledged).collect();
    assert_eq!(versions(&store, &all).await, vec![1; all.len()], "still read from memory");
    close(store).await;
    fs::remove_dir_all(dir.path().join("data/tables")).unwrap();
    let store = open(dir.path(), &TestFiles::default());
    let all: Vec<_> = (0..acknowledged).collect();
    assert_eq!(versions(&store, &all).await, vec![1; all.len()], "what was acknowledged is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_form_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    store.commit(&claim(&[1], "r1")).await.unwrap();
    close(store).await;
    let tables_dir = dir.path().join("data/tables");
    let tables = Tables::open(&tables_dir, 1 << 20).unwrap();
    tables.meta.insert("form", [1]).unwrap();
    drop(tables);
    let refused = EmbeddedStore::open(&dir.path().join("data"), &options()).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Tables { .. }), "{refused}");
    assert!(
        refused.to_string().contains("move") && refused.to_string().contains("derived again"),
        "{refused}"
    );
    fs::remove_dir_all(tables_dir).unwrap();
    assert_eq!(versions(&open(dir.path(), &TestFiles::default()), &[1]).await, [1]);
}
