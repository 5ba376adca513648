//! Tables that are behind, ahead or gone: opening brings them to where the log is, and counts nothing twice.

use super::files::TestFiles;
use super::{claim, close, open, options, positions, purchase, swap, versions};
use crate::domain::party::{Institution, InstitutionKind, InstitutionStatus, Ownership};
use crate::domain::purchase::Position;
use crate::domain::registry::RegistryRow;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::log::{EventLog, LogOptions};
use crate::store::{Change, ClaimLedger, LoadStatus, PurchaseBook, RegistryStore};
use jiff::Timestamp;
use std::path::Path;

fn member_of(chain: Option<&str>) -> RegistryRow {
    RegistryRow::Institution(Institution {
        code: super::institution(),
        name: "pharmacy".to_owned(),
        kind: InstitutionKind::Pharmacy,
        division: super::institution().division(),
        ownership: Ownership::Private,
        agreement_signed_on: None,
        transition_ends_on: None,
        chain_group: chain.map(str::to_owned),
        status: InstitutionStatus::Active,
        goes_live_on: None,
    })
}

/// What must be the same, however the tables came to be.
async fn answers(store: &EmbeddedStore) -> (Vec<u32>, [Position; 2], u64, Vec<LoadStatus>) {
    let registry = store.load_registry().await.unwrap();
    let again = vec![purchase("o1", 30), purchase("o2", 4)];
    (
        versions(store, &[1, 2, 3, 4]).await,
        positions(store).await,
        registry.version,
        store.add_purchases(again).await.unwrap(),
    )
}

/// A store with a history that adds, replaces, moves and sells; the watermark after every step.
async fn lived(dir: &Path) -> (std::sync::Arc<EmbeddedStore>, Vec<u64>) {
    let store = open(dir, &TestFiles::default());
    let mut watermarks = vec![0];
    for step in 0..8 {
        match step {
            0 => store.commit(&claim(&[1, 2], "r1")).await.unwrap(),
            1 => drop(store.add_purchases(vec![purchase("o1", 10), purchase("o2", 4)]).await.unwrap()),
            2 => drop(store.put_rows(vec![member_of(Some("other"))], Timestamp::UNIX_EPOCH).await.unwrap()),
            3 => store.commit(&Change { claims: vec![swap(1, 1)], ..claim(&[3], "r2") }).await.unwrap(),
            4 => drop(store.put_rows(vec![member_of(Some("chain"))], Timestamp::UNIX_EPOCH).await.unwrap()),
            5 => drop(store.add_purchases(vec![purchase("o1", 30), purchase("o3", -2)]).await.unwrap()),
            6 => drop(store.put_rows(vec![member_of(None)], Timestamp::UNIX_EPOCH).await.unwrap()),
            _ => store.commit(&claim(&[4], "r3")).await.unwrap(),
        }
        watermarks.push(store.view.end());
    }
    (store, watermarks)
}

#[tokio::test]
async fn a_watermark_behind_its_tables_counts_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, watermarks) = lived(dir.path()).await;
    assert!(watermarks.is_sorted_by(|a, b| a < b), "{watermarks:?}");
    let before = answers(&store).await;
    assert_eq!(before.3, [LoadStatus::Unchanged; 2]);
    // As after a power loss that took the newest watermark, but not all of what it stood for.
    for watermark in watermarks {
        let tables = store.view.tables.clone();
        close(store).await;
        tables.put_watermark(watermark).unwrap();
        drop(tables);
        store = open(dir.path(), &TestFiles::default());
        assert_eq!(answers(&store).await, before, "from watermark {watermark}");
    }
}

#[tokio::test]
async fn a_watermark_that_is_no_place_in_the_log_is_refused() {
    for (off, says) in [(1, "acknowledged events are missing"), (-1, "do not belong together")] {
        let dir = tempfile::tempdir().unwrap();
        let (store, watermarks) = lived(dir.path()).await;
        let watermark = watermarks[8].checked_add_signed(off).unwrap();
        let tables = store.view.tables.clone();
        close(store).await;
        tables.put_watermark(watermark).unwrap();
        drop(tables);
        let error = EmbeddedStore::open(&dir.path().join("data"), &options()).unwrap_err();
        assert!(matches!(&error, OpenError::Log(_)), "{error}");
        assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    }
}

#[tokio::test]
async fn an_event_of_a_newer_gateway_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &TestFiles::default());
    store.commit(&claim(&[1], "r1")).await.unwrap();
    close(store).await;
    let log_dir = dir.path().join("data/log");
    let (mut log, replay) = EventLog::open(&log_dir, LogOptions::default(), 0).unwrap();
    drop(replay);
    log.append_group(&[[200_u8, 1, 2, 3]]).unwrap();
    drop(log);
    let error = EmbeddedStore::open(&dir.path().join("data"), &options()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("use a newer gateway"), "{error}");
}
