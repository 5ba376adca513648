//! The tables, derived from the log: their names, keys and encodings.

use super::OpenError;
use super::fingerprints::Fingerprints;
use crate::domain::claim::PaperKey;
use crate::domain::outcome::RequestKey;
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::Position;
use crate::domain::stored::appended;
use crate::domain::tally::{Month, Tally};
use crate::store::fit::KEY_BYTES_MAX;
use crate::store::{AwaitedKey, PositionDelta, StoreError};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Between the parts of a key; no part may hold it.
const SEPARATOR: u8 = 0x1f;
const WATERMARK: &[u8] = b"watermark";
/// How far upkeep stands back; at 5 it gets a third of what a request gets where both want the same core.
const UPKEEP_NICENESS: i32 = 5;
/// Threads that merge the tables' runs. Of several, the table library keeps the first free for what is written row by row:
/// while another merges, that one takes each waiting merge from the queue and puts it back, without a pause, and uses a
/// core for nothing. Sales come as whole runs.
const UPKEEP_THREADS: usize = 1;
const FORM: &[u8] = b"form";
/// The form of the rows: 2 keeps outcomes as places in the log.
const ROW_FORM: u32 = 2;
pub(super) const REGISTRY_VERSION: &[u8] = b"registry_version";

/// All tables of a data directory; cheap to clone.
#[derive(Clone)]
pub(super) struct Tables {
    pub db: Database,
    /// Code → history.
    pub claims: Keyspace,
    /// Request → where its outcome stands in the log.
    pub outcomes: Keyspace,
    /// Institution, document, request id → nothing.
    pub documents: Keyspace,
    /// Code → place in the order of changes, dossier.
    pub dossiers: Keyspace,
    /// Codes with a row in `dossiers`.
    pub with_dossier: Arc<Fingerprints>,
    /// Purchase identity → record.
    pub purchases: Keyspace,
    /// Pool, catalogue code → position.
    pub positions: Keyspace,
    /// Month, institution → tally.
    pub tallies: Keyspace,
    /// Pool, catalogue code, request, line → question.
    pub awaited: Keyspace,
    /// Row identity → row.
    pub registry: Keyspace,
    /// The watermark and the registry's version.
    pub meta: Keyspace,
}

/// A position with the place in the log up to which it is added up; what lies before adds nothing again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PositionRow {
    pub applied: u64,
    pub position: Position,
}

impl PositionRow {
    /// Adds what stands at `at` in the log, where it is not added yet; gives whether it was.
    pub fn add(&mut self, delta: &PositionDelta, at: u64) -> bool {
        if self.applied > at {
            return false;
        }
        match delta {
            PositionDelta::Sold(units) => self.position.sold += units,
            PositionDelta::Bought(source, units, records) => self.position.count(*source, *units, *records),
        }
        true
    }
}

/// A tally with the place in the log up to which it is added up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct TallyRow {
    pub applied: u64,
    pub tally: Tally,
}

impl TallyRow {
    /// Adds what stands at `at` in the log, where it is not added yet.
    pub fn add(&mut self, tally: &Tally, at: u64) {
        if self.applied <= at {
            self.tally.add(tally);
            self.applied = at + 1;
        }
    }
}

impl Tables {
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let wrong = |e: fjall::Error| OpenError::Tables { dir: dir.to_owned(), what: e.to_string() };
        // Its threads inherit what the one that opens it has.
        let opened = std::thread::scope(|scope| {
            let open = || {
                yield_to_requests();
                Database::builder(dir).cache_size(cache_bytes).worker_threads(UPKEEP_THREADS).open()
            };
            scope.spawn(open).join()
        });
        let panicked = |_| OpenError::Tables { dir: dir.to_owned(), what: "a fault in opening".to_owned() };
        let db = opened.map_err(panicked)?.map_err(wrong)?;
        let table = |name: &str| db.keyspace(name, KeyspaceCreateOptions::default).map_err(wrong);
        let tables = Self {
            claims: table("claims")?,
            outcomes: table("outcomes")?,
            documents: table("documents")?,
            dossiers: table("dossiers")?,
            with_dossier: Arc::default(),
            purchases: table("purchases")?,
            positions: table("positions")?,
            tallies: table("tallies")?,
            awaited: table("awaited")?,
            registry: table("registry")?,
            meta: table("meta")?,
            db,
        };
        tables.check_form().map_err(|e| OpenError::Tables { dir: dir.to_owned(), what: e.to_string() })?;
        Ok(tables)
    }

    /// The position in the log up to which the tables have seen everything.
    pub fn watermark(&self) -> Result<u64, StoreError> {
        Ok(get(&self.meta, WATERMARK)?.unwrap_or(0))
    }

    pub fn put_watermark(&self, end: u64) -> Result<(), StoreError> {
        self.meta.insert(WATERMARK, encode(&end)?).map_err(unreadable)
    }

    /// Refuses tables whose rows have another form, which tables without a form have.
    fn check_form(&self) -> Result<(), StoreError> {
        let form: Option<u32> = get(&self.meta, FORM)?;
        if form.is_none() && self.watermark()? == 0 {
            return self.meta.insert(FORM, encode(&ROW_FORM)?).map_err(unreadable);
        }
        match form {
            Some(ROW_FORM) => Ok(()),
            other => Err(StoreError::Unreadable(format!(
                "their rows have form {}, this gateway reads form {ROW_FORM}",
                other.unwrap_or(1)
            ))),
        }
    }
}

/// Lowers the priority of the calling thread: upkeep of the tables can wait, whoever stands at a counter cannot.
pub(super) fn yield_to_requests() {
    if let Err(error) = rustix::process::setpriority_process(None, UPKEEP_NICENESS) {
        tracing::debug!(%error, "upkeep of the tables keeps the priority of requests");
    }
}

/// Reads and decodes one row. Nothing stands under a key that is too long to be taken.
pub(super) fn get<T: DeserializeOwned>(table: &Keyspace, key: &[u8]) -> Result<Option<T>, StoreError> {
    if key.len() > KEY_BYTES_MAX {
        return Ok(None);
    }
    let bytes = table.get(key).map_err(unreadable)?;
    bytes.map(|bytes| decode(&bytes)).transpose()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    appended(value, Vec::new()).map_err(|e| StoreError::Unreadable(format!("a row cannot be written: {e}")))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|e| StoreError::Unreadable(format!("a row cannot be read: {e}")))
}

pub(super) fn unreadable(error: fjall::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

pub(super) fn outcome_key(key: &RequestKey) -> Vec<u8> {
    let mut bytes = key.institution.packed().to_be_bytes().to_vec();
    bytes.extend_from_slice(key.request_id.as_bytes());
    bytes
}

pub(super) fn document_prefix(institution: InstitutionCode, document: PaperKey) -> Vec<u8> {
    let mut bytes = institution.packed().to_be_bytes().to_vec();
    bytes.extend_from_slice(&document.0.to_be_bytes());
    bytes
}

pub(super) fn document_key(key: &RequestKey, document: PaperKey) -> Vec<u8> {
    let mut bytes = document_prefix(key.institution, document);
    bytes.extend_from_slice(key.request_id.as_bytes());
    bytes
}

/// All positions of a pool begin with this.
pub(super) fn pool_prefix(pool: &Pool) -> Vec<u8> {
    let mut bytes = match pool {
        Pool::Institution(code) => format!("i{code}"),
        Pool::Chain(group) => format!("c{group}"),
    }
    .into_bytes();
    bytes.push(SEPARATOR);
    bytes
}

pub(super) fn position_key(pool: &Pool, catalog_code: &str) -> Vec<u8> {
    let mut bytes = pool_prefix(pool);
    bytes.extend_from_slice(catalog_code.as_bytes());
    bytes
}

/// All tallies of a month begin with this.
pub(super) fn month_prefix(month: Month) -> [u8; 4] {
    month.packed().to_be_bytes()
}

/// All questions of a pool and catalogue code begin with this.
pub(super) fn awaited_prefix(pool: &Pool, catalog_code: &str) -> Vec<u8> {
    let mut bytes = position_key(pool, catalog_code);
    bytes.push(SEPARATOR);
    bytes
}

pub(super) fn awaited_key(key: &AwaitedKey) -> Vec<u8> {
    let mut bytes = awaited_prefix(&key.pool, &key.catalog_code);
    bytes.extend_from_slice(&outcome_key(&key.request));
    bytes.extend_from_slice(&key.line.to_be_bytes());
    bytes
}
