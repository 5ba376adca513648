//! What is too large is refused before it is in the log, and alone: what is in the log is applied at every start.

use super::files::TestFiles;
use super::{claim, held, open, positions, purchase, queued, reopen, request, spawn_commit, versions};
use crate::domain::code::OwnScheme;
use crate::domain::drug::PackLevel;
use crate::domain::party::Pool;
use crate::domain::purchase::Position;
use crate::domain::registry::RegistryRow;
use crate::store::{Change, ClaimLedger, CommitError, LoadStatus, PurchaseBook, RegistryStore, StoreError};
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::sync::Arc;

#[track_caller]
fn check_unfit(told: Result<(), CommitError>, says: &str) {
    let told = told.unwrap_err();
    assert!(matches!(&told, CommitError::Refused(StoreError::Unfit(_))), "{told}");
    assert!(told.to_string().contains(says), "{told} does not say {says:?}");
}

fn sold(pool: Pool, catalog_code: &str, units: Decimal) -> Change {
    Change { sold: vec![(pool, catalog_code.to_owned(), units)], ..Change::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_table_can_keep_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    store.commit(&claim(&[1], "r1")).await.unwrap();
    let long = "x".repeat(70_000);
    check_unfit(store.commit(&claim(&[2], &long)).await, "a name or number of");
    check_unfit(store.commit(&sold(super::pool(), &long, Decimal::ONE)).await, "a name or number of");
    check_unfit(
        store.commit(&sold(Pool::Chain(long.clone()), "D", Decimal::ONE)).await,
        "a name or number of",
    );
    for units in [Decimal::MAX, Decimal::MIN] {
        check_unfit(store.commit(&sold(super::pool(), "D", units)).await, "units at once");
    }
    let loaded = store.add_purchases(vec![purchase("o1", 5), purchase(&long, 5)]).await;
    check_unfit(loaded.map(drop), "a name or number of");
    let scheme = RegistryRow::OwnScheme(OwnScheme {
        issuer: "maker".to_owned(),
        pattern: long.clone(),
        catalog_code: None,
        pack_level: PackLevel::Small,
        units_per_pack: None,
    });
    let put = store.put_rows(vec![scheme], Timestamp::UNIX_EPOCH).await;
    check_unfit(put.map(drop), "a name or number of");

    // Nor does asking for it do any harm.
    assert_eq!(store.outcome(&request(&long)).await.unwrap(), None);
    assert_eq!(store.awaited(Some((&super::pool(), &long)), 9).await.unwrap(), []);
    assert_eq!(store.positions(&[(super::pool(), long)]).await.unwrap(), [Position::default()]);

    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[1, 2]).await, [1, 0]);
    assert_eq!(store.load_registry().await.unwrap().version, 0);
    // Nothing of the refused load counts, nor is it known.
    assert_eq!(store.add_purchases(vec![purchase("o1", 5)]).await.unwrap(), [LoadStatus::Added]);
    assert_eq!(positions(&store).await[0].platform, Decimal::from(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_units_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    let most = Decimal::from(100_000_000_000_000_000_000_u128);
    for _ in 0..3 {
        store.commit(&sold(super::pool(), "D", most)).await.unwrap();
    }
    assert_eq!(positions(&store).await[0].sold, most * Decimal::from(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_never_spoils_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let files = TestFiles::default();
    let store = open(dir.path(), &files);
    let first = held(&store, &files, claim(&[0], "r0"));
    let before = spawn_commit(&store, claim(&[1], "r1"));
    queued(&store, 1).await;
    let mut large = claim(&[2], "r2");
    large.outcomes[0].outcome.freed = vec!["x".repeat(70 << 20)];
    // Told at once: the writer never sees it.
    check_unfit(store.commit(&large).await, "bytes in one change");
    // Of the same code as the one that is refused: nothing stands in its way.
    let after = spawn_commit(&store, claim(&[2], "r3"));
    queued(&store, 2).await;
    let refused_load = {
        let store = Arc::clone(&store);
        let records = vec![purchase("o1", 5), purchase(&"x".repeat(70_000), 5)];
        tokio::spawn(async move { store.add_purchases(records).await })
    };
    queued(&store, 3).await;
    let load = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_purchases(vec![purchase("o1", 5)]).await })
    };
    queued(&store, 4).await;
    files.release();
    first.await.unwrap().unwrap();
    before.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    check_unfit(refused_load.await.unwrap().map(drop), "a name or number of");
    assert_eq!(load.await.unwrap().unwrap(), [LoadStatus::Added]);
    let store = reopen(store, dir.path()).await;
    assert_eq!(versions(&store, &[0, 1, 2]).await, [1, 1, 1]);
    assert_eq!(positions(&store).await[0].platform, Decimal::from(5));
}
