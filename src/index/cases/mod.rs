//! What this gateway knows of all cases, in memory: enough to find, order and count them without reading the store.
//! The dossiers themselves stay there.
//!
//! Whoever feeds it tells of every dossier that changes ([`CaseIndex::changed`]), in any order and as often as they
//! like: what is older than what is known is passed over. The feeding side never waits for a reader: it leaves what it
//! has, and readers take it in before they look.

mod filter;
mod row;
mod summary;
mod table;
#[cfg(test)]
mod tests;

pub use filter::{CaseFilter, Cursor, Range, Sight};
pub use row::{CaseRow, Ended};
pub use summary::Summary;

use crate::domain::case::{CaseName, Dossier, GroupBy};
use crate::domain::code::CodeKey;
use dashmap::DashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use table::Table;
use tokio::sync::watch;

/// A dossier in stored form that was told of and is not taken in yet.
type Told = (u64, CodeKey, Vec<u8>);

/// The cases of one gateway.
pub struct CaseIndex {
    table: RwLock<Table>,
    told: Mutex<Vec<Told>>,
    /// Codes with an open case: asked at each sale of a code that is known already.
    open: DashSet<CodeKey>,
    /// Every dossier of the store was told.
    complete: AtomicBool,
    /// Dossiers that could not be read.
    garbled: AtomicU64,
    /// The last place in the order of changes.
    last: watch::Sender<u64>,
}

impl Default for CaseIndex {
    fn default() -> Self {
        Self {
            table: RwLock::default(),
            told: Mutex::default(),
            open: DashSet::default(),
            complete: AtomicBool::new(false),
            garbled: AtomicU64::new(0),
            last: watch::channel(0).0,
        }
    }
}

impl std::fmt::Debug for CaseIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseIndex").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// A page of cases, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Their names.
    pub cases: Vec<CaseName>,
    /// Where the next page begins; `None` = there is none.
    pub next: Option<Cursor>,
}

impl CaseIndex {
    /// Takes note of a dossier in stored form. `place` = its place in the order of changes.
    pub fn changed(&self, place: u64, key: &CodeKey, bytes: &[u8]) {
        match Dossier::is_open_in_stored(bytes) {
            Some(true) => drop(self.open.insert(key.clone())),
            Some(false) => drop(self.open.remove(key)),
            None => {
                self.garbled.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((place, key.clone(), bytes.to_vec()));
        self.last.send_if_modified(|last| {
            let newer = place > *last;
            *last = place.max(*last);
            newer
        });
    }

    /// Whether a code may have an open case: every code may until all dossiers were told.
    pub fn may_have_open(&self, key: &CodeKey) -> bool {
        !self.is_complete() || self.open.contains(key)
    }

    /// How many codes have an open case, as far as was told.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The codes with an open case, as far as was told.
    pub fn open_codes(&self) -> Vec<CodeKey> {
        self.open.iter().map(|key| key.clone()).collect()
    }

    /// Every dossier of the store was told.
    pub fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether every dossier was told.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Dossiers that were told and could not be read.
    pub fn garbled(&self) -> u64 {
        self.garbled.load(Ordering::Relaxed)
    }

    /// Told of the last place in the order of changes.
    pub fn last_place(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The table with everything that was told.
    fn table(&self) -> RwLockReadGuard<'_, Table> {
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        if !told.is_empty() {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            for (place, key, bytes) in told {
                match Dossier::from_stored(&bytes) {
                    Ok(dossier) => table.take(place, &key, &dossier),
                    Err(_) => drop(self.garbled.fetch_add(1, Ordering::Relaxed)),
                }
            }
        }
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest cases behind a cursor that a filter lets pass.
    pub fn page(&self, filter: &CaseFilter, after: Option<Cursor>, limit: usize) -> Page {
        self.table().page(filter, after.as_ref(), limit)
    }

    /// How many cases a filter lets pass.
    pub fn count(&self, filter: &CaseFilter) -> u64 {
        self.table().count(filter)
    }

    /// Cases counted by groups.
    pub fn summarize(&self, filter: &CaseFilter, by: GroupBy) -> Vec<Summary> {
        summary::summarize(&self.table(), filter, by)
    }

    /// The codes whose dossiers changed behind a place, in order, with their places; at most `limit`.
    pub fn changed_behind(&self, place: u64, limit: usize) -> Vec<(u64, CodeKey)> {
        self.table().changed_behind(place, limit)
    }

    /// What is known of a case.
    pub fn row(&self, name: &CaseName) -> Option<CaseRow> {
        self.table().row(name).cloned()
    }
}
