//! What this gateway knows of all cases, in memory: enough to find, order and count them without reading the store.
//! The dossiers themselves stay there.
//!
//! Whoever feeds it tells of every dossier that changes ([`CaseIndex::changed`], many at once), in any order and as often as they
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
use bytes::Bytes;
use dashmap::DashMap;
use foldhash::quality::RandomState;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use table::Table;
use tokio::sync::watch;

/// A dossier in stored form that was told of and is not taken in yet.
type Told = (u64, CodeKey, Bytes);

/// The cases of one gateway.
pub struct CaseIndex {
    table: RwLock<Table>,
    told: Mutex<Vec<Told>>,
    /// Codes with a dossier, and whether it has an open case: asked at each sale of a code that is known already, and at
    /// each duplicate.
    known: DashMap<CodeKey, bool, RandomState>,
    /// How many of them have an open case.
    open: AtomicUsize,
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
            known: DashMap::default(),
            open: AtomicUsize::new(0),
            complete: AtomicBool::new(false),
            garbled: AtomicU64::new(0),
            last: watch::channel(0).0,
        }
    }
}

impl std::fmt::Debug for CaseIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseIndex").field("open", &self.open_count()).finish_non_exhaustive()
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
    /// Takes note of dossiers in stored form, each with its place in the order of changes. Whoever waits for changes is
    /// woken once for all of them.
    pub fn changed<'a>(&self, dossiers: impl IntoIterator<Item = (u64, &'a CodeKey, &'a Bytes)>) {
        let mut newest = 0;
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, key, bytes) in dossiers {
                if self.note(key, Dossier::is_open_in_stored(bytes)) {
                    told.push((place, key.clone(), bytes.clone()));
                    newest = place.max(newest);
                }
            }
        }
        self.last.send_if_modified(|last| {
            let newer = newest > *last;
            *last = newest.max(*last);
            newer
        });
    }

    /// Takes note of a code with a dossier; gives whether it can be read. `is_open` = `None` where it cannot.
    fn note(&self, key: &CodeKey, is_open: Option<bool>) -> bool {
        // One that cannot be read stands all the same: whoever needs it must ask the store, and hear that.
        let open = is_open == Some(true);
        match (self.known.insert(key.clone(), open).unwrap_or(false), open) {
            (false, true) => drop(self.open.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.open.fetch_sub(1, Ordering::Relaxed)),
            (true, true) | (false, false) => {}
        }
        self.garbled.fetch_add(u64::from(is_open.is_none()), Ordering::Relaxed);
        is_open.is_some()
    }

    /// Whether a code may have a dossier: every code may until all were told.
    pub fn may_have_dossier(&self, key: &CodeKey) -> bool {
        !self.is_complete() || self.known.contains_key(key)
    }

    /// Whether a code may have an open case: every code may until all dossiers were told.
    pub fn may_have_open(&self, key: &CodeKey) -> bool {
        !self.is_complete() || self.known.get(key).is_some_and(|open| *open)
    }

    /// How many codes have an open case, as far as was told.
    pub fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The codes with an open case, as far as was told.
    pub fn open_codes(&self) -> Vec<CodeKey> {
        self.known.iter().filter(|known| *known.value()).map(|known| known.key().clone()).collect()
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

    /// Takes in what was told. Whoever reads does so first; where nobody reads, it must not pile up.
    pub fn take_in(&self) {
        let told = || self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told().is_empty() {
            return;
        }
        // Locked before anything is taken out: whoever finds nothing left must find it in the table.
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *told());
        for (place, key, bytes) in taken {
            match Dossier::from_stored(&bytes) {
                Ok(dossier) => table.take(place, &key, &dossier),
                Err(_) => drop(self.garbled.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// The table with everything that was told.
    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.take_in();
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
