//! Tests of the embedded store through its seams: groups, failing files, tables that are behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod closing;
mod dossiers;
mod files;
mod group;
mod log_faults;
mod memory;
mod overtaken;
mod recovery;
mod sizes;

use super::{EmbeddedOptions, EmbeddedStore};
use crate::domain::claim::{Event, History, MovementEvent, MovementKind};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::judge::ClaimChange;
use crate::domain::outcome::{Outcome, OutcomeState, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord, PurchaseSource};
use crate::store::{Change, ClaimLedger, CommitError, OutcomeChange, PurchaseBook, Store, StoreState};
use files::TestFiles;
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

fn options() -> EmbeddedOptions {
    EmbeddedOptions { disk_free_bytes_min: 1 << 20, cache_bytes: 1 << 20, ..EmbeddedOptions::default() }
}

/// A store in `dir/data` whose log is written through `files`.
fn open(dir: &Path, files: &TestFiles) -> Arc<EmbeddedStore> {
    open_with(dir, files, &options())
}

fn open_with(dir: &Path, files: &TestFiles, options: &EmbeddedOptions) -> Arc<EmbeddedStore> {
    let store = EmbeddedStore::open_with(&dir.join("data"), options, Box::new(files.clone()));
    Arc::new(store.unwrap())
}

/// Closes a store and gives its directory free.
async fn close(store: Arc<EmbeddedStore>) {
    store.close().await;
    assert_eq!(Arc::strong_count(&store), 1, "somebody still holds the closed store");
}

async fn reopen(store: Arc<EmbeddedStore>, dir: &Path) -> Arc<EmbeddedStore> {
    close(store).await;
    open(dir, &TestFiles::default())
}

fn code(n: u64) -> CodeKey {
    match read(&format!("8300385{n:013}"), &ScanRules::default()) {
        Scan::Code(code) => code.key(),
        other => panic!("no code: {other:?}"),
    }
}

fn institution() -> InstitutionCode {
    InstitutionCode::parse("P13010200001").unwrap()
}

fn pool() -> Pool {
    Pool::Institution(institution())
}

fn history(version: u32) -> History {
    let event = Event::Movement(MovementEvent {
        institution: institution(),
        destination: None,
        kind: MovementKind::StockIn,
        occurred_at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
    });
    let empty = History::default();
    (0..version).fold(empty, |history, _| history.with(event.clone()))
}

/// Swaps version `from` (0 = none) of a code for the next one.
fn swap(n: u64, from: u32) -> ClaimChange {
    ClaimChange {
        key: code(n),
        expected: Some(from).filter(|version| *version > 0),
        history: history(from + 1),
    }
}

fn request(id: &str) -> RequestKey {
    RequestKey { institution: institution(), request_id: id.to_owned() }
}

/// A first claim of codes under a request id, which sells one unit of drug `D`.
fn claim(codes: &[u64], id: &str) -> Change {
    Change {
        claims: codes.iter().map(|n| swap(*n, 0)).collect(),
        outcomes: vec![OutcomeChange {
            key: request(id),
            expected: None,
            outcome: Outcome::closed(OutcomeState::Voided),
        }],
        sold: vec![(pool(), "D".to_owned(), Decimal::ONE)],
        ..Change::default()
    }
}

fn purchase(order: &str, quantity: i64) -> (PurchaseRecord, Option<String>) {
    let record = PurchaseRecord {
        institution: institution(),
        catalog_code: "D".to_owned(),
        source: PurchaseSource::Platform,
        order_no: order.to_owned(),
        supplier: "supplier".to_owned(),
        lot_no: "L".to_owned(),
        quantity: Decimal::from(quantity),
        unit_price: None,
        purchased_at: Timestamp::UNIX_EPOCH,
    };
    (record, Some("chain".to_owned()))
}

/// The recorded version of each code; 0 = nothing.
async fn versions(store: &EmbeddedStore, codes: &[u64]) -> Vec<u32> {
    let keys: Vec<_> = codes.iter().map(|n| code(*n)).collect();
    let found = store.histories(&keys).await.unwrap();
    found.into_iter().map(|history| history.map_or(0, |h| h.version)).collect()
}

/// What the institution and the chain `chain` hold of drug `D`.
async fn positions(store: &EmbeddedStore) -> [Position; 2] {
    let pools = [pool(), Pool::Chain("chain".to_owned())];
    let asked = pools.map(|pool| (pool, "D".to_owned()));
    store.positions(&asked).await.unwrap().try_into().unwrap()
}

fn spawn_commit(store: &Arc<EmbeddedStore>, change: Change) -> JoinHandle<Result<(), CommitError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.commit(&change).await })
}

/// Returns once `count` jobs wait in the writer's queue.
async fn queued(store: &EmbeddedStore, count: usize) {
    let waiting = || {
        let jobs = store.jobs.lock().unwrap();
        jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    };
    let enough = async {
        while waiting() < count {
            tokio::task::yield_now().await;
        }
    };
    let patience = tokio::time::timeout(PATIENCE, enough).await;
    assert!(patience.is_ok(), "{} jobs wait, not {count}", waiting());
}

/// Returns once the store says what is expected of it, with nobody asking it for anything.
async fn until_state(store: &EmbeddedStore, expected: fn(&StoreState) -> bool) {
    let mut state = store.state();
    let told = tokio::time::timeout(PATIENCE, state.wait_for(expected)).await;
    let told = told.map(|told| told.is_ok());
    assert_eq!(told, Ok(true), "still {:?}", *store.state().borrow());
}

/// Commits a change and holds the writer in the sync of it: all that follow come together in the next group.
fn held(
    store: &Arc<EmbeddedStore>,
    files: &TestFiles,
    change: Change,
) -> JoinHandle<Result<(), CommitError>> {
    files.hold();
    let first = spawn_commit(store, change);
    tokio::task::block_in_place(|| files.until_waiting());
    first
}
