//! What was logged since the tables were last written, in memory: rows that a table would take microseconds to put
//! into their order one by one, and takes in one sorted run (`flush`) for a fraction of that.
//!
//! Rows do not copy what the log was given: a history and an outcome are places in its bytes.

use super::tables::{PositionRow, TallyRow, decode};
use super::versions::Reaching;
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::tally::{Tally, TallyKey};
use crate::store::{EncodedEvent, LogEvent, PositionDelta, StoreError, Swap};
use bytes::Bytes;
use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// A map that readers and the writer share.
type DashMap<K, V> = dashmap::DashMap<K, V, RandomState>;

/// What a row takes in a map besides the bytes that were logged, about.
const ROW_BYTES: u64 = 160;

/// A logged event as the tables need it.
pub(super) type Entries = LogEvent<Swap, Swap>;

/// Where an outcome stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutcomePlace {
    /// The outcome's version, so that a writer can compare it without reading the log.
    pub version: u32,
    /// Position of its first byte.
    pub position: u64,
    /// Its length in bytes.
    pub bytes: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
}

/// A history as it was logged.
#[derive(Debug, Clone)]
pub(super) struct ClaimRow {
    pub version: u32,
    pub bytes: Bytes,
}

/// A dossier as it was logged.
#[derive(Debug, Clone)]
pub(super) struct DossierEntry {
    pub version: u32,
    /// Its place in the order of changes.
    pub place: u64,
    pub bytes: Bytes,
}

/// The place in the order of changes of a dossier of an event; the event is longer than it has dossiers.
pub(super) const fn place_of_dossier(event_position: u64, number: usize) -> u64 {
    event_position + number as u64
}

/// An outcome as it was logged, and where.
#[derive(Debug, Clone)]
pub(super) struct OutcomeRow {
    pub place: OutcomePlace,
    pub bytes: Bytes,
}

/// The rows of one stretch of the log, each as it stood at its end. One thread changes it, everybody reads it.
pub(super) struct Layer {
    /// The position in the log from which on it holds everything.
    pub from: u64,
    pub claims: DashMap<CodeKey, ClaimRow>,
    pub outcomes: DashMap<RequestKey, OutcomeRow>,
    pub documents: DashMap<(InstitutionCode, PaperKey), Vec<String>>,
    pub dossiers: DashMap<CodeKey, DossierEntry>,
    pub positions: DashMap<Pool, HashMap<String, PositionRow, RandomState>>,
    pub tallies: DashMap<TallyKey, TallyRow>,
    weight: AtomicU64,
}

impl Reaching for Layer {
    fn from(&self) -> u64 {
        self.from
    }
}

impl Layer {
    pub fn new(from: u64) -> Self {
        Self {
            from,
            claims: DashMap::default(),
            outcomes: DashMap::default(),
            documents: DashMap::default(),
            dossiers: DashMap::default(),
            positions: DashMap::default(),
            tallies: DashMap::default(),
            weight: AtomicU64::new(0),
        }
    }

    /// Takes in histories, outcomes and documents of an event that was logged at `position`.
    pub fn put(&self, event: &Entries, encoded: &EncodedEvent, position: u64) -> Result<(), StoreError> {
        for ((key, swap), place) in event.claims.iter().zip(&encoded.claims) {
            let bytes = encoded.bytes.slice(place.clone());
            self.claims.insert(key.clone(), ClaimRow { version: swap.version, bytes });
        }
        for ((key, swap), place) in event.outcomes.iter().zip(&encoded.outcomes) {
            let bytes = encoded.bytes.slice(place.clone());
            let unfit = |_| StoreError::Unfit("an outcome of 4 GiB".to_owned());
            let place = OutcomePlace {
                version: swap.version,
                position: position + place.start as u64,
                bytes: u32::try_from(bytes.len()).map_err(unfit)?,
                crc: crc32fast::hash(&bytes),
            };
            self.outcomes.insert(key.clone(), OutcomeRow { place, bytes });
        }
        let rows = event.claims.len() + event.outcomes.len() + event.documents.len();
        self.weight.fetch_add(encoded.bytes.len() as u64 + rows as u64 * ROW_BYTES, Ordering::Relaxed);
        for ((number, row), range) in event.dossiers.iter().enumerate().zip(&encoded.dossiers) {
            let place = place_of_dossier(position, number);
            self.weight.fetch_add(row.bytes.len() as u64 + ROW_BYTES, Ordering::Relaxed);
            let bytes = encoded.bytes.slice(range.clone());
            let entry = DossierEntry { version: row.version, place, bytes };
            self.dossiers.insert(row.key.clone(), entry);
        }
        for (key, document) in &event.documents {
            let mut requests = self.documents.entry((key.institution, PaperKey(*document))).or_default();
            if !requests.contains(&key.request_id) {
                requests.push(key.request_id.clone());
            }
        }
        Ok(())
    }

    pub fn claim_version(&self, key: &CodeKey) -> Option<u32> {
        self.claims.get(key).map(|row| row.version)
    }

    pub fn outcome_version(&self, key: &RequestKey) -> Option<u32> {
        self.outcomes.get(key).map(|row| row.place.version)
    }

    pub fn dossier_version(&self, key: &CodeKey) -> Option<u32> {
        self.dossiers.get(key).map(|entry| entry.version)
    }

    pub fn history(&self, key: &CodeKey) -> Result<Option<History>, StoreError> {
        self.claims.get(key).map(|row| decode(&row.bytes)).transpose()
    }

    pub fn outcome(&self, key: &RequestKey) -> Result<Option<Outcome>, StoreError> {
        self.outcomes.get(key).map(|row| decode(&row.bytes)).transpose()
    }

    pub fn position(&self, pool: &Pool, catalog_code: &str) -> Option<PositionRow> {
        self.positions.get(pool).and_then(|rows| rows.get(catalog_code).cloned())
    }

    /// Adds to a position what stands at `at` in the log, where it is not added yet; gives whether it was. `None` = the
    /// layer does not hold it yet.
    pub fn add_to_position(
        &self,
        pool: &Pool,
        catalog_code: &str,
        delta: &PositionDelta,
        at: u64,
    ) -> Option<bool> {
        let mut rows = self.positions.get_mut(pool)?;
        rows.get_mut(catalog_code).map(|row| row.add(delta, at))
    }

    pub fn put_position(&self, pool: &Pool, catalog_code: &str, row: PositionRow) {
        if let Some(mut rows) = self.positions.get_mut(pool) {
            if let Some(known) = rows.get_mut(catalog_code) {
                *known = row;
            } else {
                self.weight.fetch_add(ROW_BYTES, Ordering::Relaxed);
                rows.insert(catalog_code.to_owned(), row);
            }
            return;
        }
        self.weight.fetch_add(ROW_BYTES, Ordering::Relaxed);
        self.positions.entry(pool.clone()).or_default().insert(catalog_code.to_owned(), row);
    }

    /// Everything up to `end` is added up in this row.
    pub fn mark_applied(&self, pool: &Pool, catalog_code: &str, end: u64) {
        if let Some(row) = self.positions.get_mut(pool).as_mut().and_then(|rows| rows.get_mut(catalog_code)) {
            row.applied = end;
        }
    }

    /// Adds to a tally what stands at `at` in the log; `false` = the layer does not hold it yet.
    pub fn add_to_tally(&self, key: &TallyKey, tally: &Tally, at: u64) -> bool {
        let Some(mut row) = self.tallies.get_mut(key) else { return false };
        row.add(tally, at);
        true
    }

    pub fn put_tally(&self, key: TallyKey, row: TallyRow) {
        self.weight.fetch_add(ROW_BYTES, Ordering::Relaxed);
        self.tallies.insert(key, row);
    }

    /// Bytes of memory that it takes, about.
    pub fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }
}
