//! The store as it stands: layers in memory over the tables. The newest that knows a row is right.

use super::layer::{Entries, Layer, OutcomePlace};
use super::layers::Layers;
use super::tables::{
    PositionRow, Tables, decode, document_prefix, get, outcome_key, pool_prefix, position_key, unreadable,
};
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::Position;
use crate::store::StoreError;
use crate::store::log::PlaceReader;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All of the store that can be read; cheap to clone.
#[derive(Clone)]
pub(super) struct View {
    pub tables: Tables,
    layers: Arc<Layers<Layer>>,
    log: Arc<PlaceReader>,
    /// The position in the log up to which everything can be read here.
    end: Arc<AtomicU64>,
}

impl View {
    /// Over tables that have seen the log up to `end`.
    pub fn new(tables: Tables, log_dir: &Path, end: u64) -> Self {
        Self {
            tables,
            layers: Arc::new(Layers::new(Layer::new(end))),
            log: Arc::new(PlaceReader::new(log_dir)),
            end: Arc::new(AtomicU64::new(end)),
        }
    }

    /// The position in the log up to which everything can be read here.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// The layer that takes what is logged now; for the writer.
    pub fn active(&self) -> Arc<Layer> {
        self.layers.active()
    }

    /// Begins a new layer and gives the full one, to be written to the tables; `None` while another is.
    pub fn freeze(&self) -> Option<Arc<Layer>> {
        self.layers.freeze(Layer::new(self.end()))
    }

    /// Lets the frozen layer go: all of it is in the tables.
    pub fn thaw(&self) {
        self.layers.thaw();
    }

    /// The layers as they are, the newest first; take them before reading the tables, never after.
    pub fn layers(&self) -> Vec<Arc<Layer>> {
        self.layers.all()
    }

    /// Asks the layers, the newest first; ask the tables after it, where nothing is found.
    pub fn layers_ask<T>(&self, ask: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.layers.ask(ask)
    }

    pub fn history(&self, key: &CodeKey) -> Result<Option<History>, StoreError> {
        match self.layers.ask(|layer| layer.history(key).transpose()) {
            Some(recent) => recent.map(Some),
            None => get(&self.tables.claims, key.as_bytes()),
        }
    }

    /// Histories in the order of their keys, from behind `after` on, at most `limit`.
    pub fn scan(&self, after: Option<&CodeKey>, limit: usize) -> Result<Vec<(CodeKey, History)>, StoreError> {
        let layers = self.layers();
        let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_bytes().to_vec()));
        let mut found = BTreeMap::new();
        for guard in self.tables.claims.range::<Vec<u8>, _>((start, Bound::Unbounded)).take(limit) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let key = CodeKey::from_bytes(&key)
                .ok_or_else(|| StoreError::Unreadable("a claim has a key that is no code".to_owned()))?;
            found.insert(key, Bytes::from(value.to_vec()));
        }
        for layer in layers.iter().rev() {
            let recent = layer.claims.iter().filter(|row| after.is_none_or(|after| row.key() > after));
            found.extend(recent.map(|row| (row.key().clone(), row.bytes.clone())));
        }
        found.into_iter().take(limit).map(|(key, bytes)| Ok((key, decode(&bytes)?))).collect()
    }

    /// Compares what an event expects with everything that stands; gives where the log ended for everybody before that.
    /// `None` = something else stands, or does not show yet: whoever follows the ledger is told before.
    pub fn check(&self, event: &Entries) -> Result<Option<u64>, StoreError> {
        // First: what is logged from here on may not be seen below.
        let checked = self.end();
        for (key, swap) in &event.claims {
            if self.claim_version(key)? != swap.expected {
                return Ok(None);
            }
        }
        for (key, swap) in &event.outcomes {
            if self.outcome_version(key)? != swap.expected {
                return Ok(None);
            }
        }
        for row in &event.dossiers {
            if self.dossier_version(&row.key)? != row.expected {
                return Ok(None);
            }
        }
        Ok(Some(checked))
    }

    pub fn claim_version(&self, key: &CodeKey) -> Result<Option<u32>, StoreError> {
        if let Some(version) = self.layers.ask(|layer| layer.claim_version(key)) {
            return Ok(Some(version));
        }
        let row = self.tables.claims.get(key.as_bytes()).map_err(unreadable)?;
        // A history begins with its version.
        row.map(|row| decode_front(&row)).transpose()
    }

    pub fn outcome(&self, key: &RequestKey) -> Result<Option<Outcome>, StoreError> {
        match self.layers.ask(|layer| layer.outcome(key).transpose()) {
            Some(recent) => recent.map(Some),
            None => self.outcome_in_tables(key),
        }
    }

    fn outcome_in_tables(&self, key: &RequestKey) -> Result<Option<Outcome>, StoreError> {
        let Some(place) = self.outcome_place(key)? else { return Ok(None) };
        match self.read_outcome(place) {
            Ok(outcome) => Ok(Some(outcome)),
            // Forgotten between the two.
            Err(_) if self.outcome_place(key)?.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the outcome of a request stands in the tables, and at that position of the log.
    pub fn stands_at(&self, key: &RequestKey, position: u64) -> Result<bool, StoreError> {
        if self.layers.ask(|layer| layer.outcomes.contains_key(key).then_some(())).is_some() {
            return Ok(false);
        }
        Ok(self.outcome_place(key)?.is_some_and(|place| place.position == position))
    }

    pub fn outcome_version(&self, key: &RequestKey) -> Result<Option<u32>, StoreError> {
        if let Some(version) = self.layers.ask(|layer| layer.outcome_version(key)) {
            return Ok(Some(version));
        }
        Ok(self.outcome_place(key)?.map(|place| place.version))
    }

    fn outcome_place(&self, key: &RequestKey) -> Result<Option<OutcomePlace>, StoreError> {
        get(&self.tables.outcomes, &outcome_key(key))
    }

    fn read_outcome(&self, place: OutcomePlace) -> Result<Outcome, StoreError> {
        let wrong = |what: String| {
            StoreError::Unreadable(format!("an outcome at log position {}: {what}", place.position))
        };
        let bytes = self.log.read(place.position, place.bytes as usize).map_err(|e| wrong(e.to_string()))?;
        if crc32fast::hash(&bytes) != place.crc {
            return Err(wrong("its bytes have changed on disk".to_owned()));
        }
        decode(&bytes)
    }

    pub fn position(&self, pool: &Pool, catalog_code: &str) -> Result<PositionRow, StoreError> {
        match self.layers.ask(|layer| layer.position(pool, catalog_code)) {
            Some(row) => Ok(row),
            None => Ok(get(&self.tables.positions, &position_key(pool, catalog_code))?.unwrap_or_default()),
        }
    }

    /// All positions of a pool by catalogue code.
    pub fn positions_of(&self, pool: &Pool) -> Result<BTreeMap<String, Position>, StoreError> {
        let layers = self.layers();
        let mut found = BTreeMap::new();
        let prefix = pool_prefix(pool);
        for guard in self.tables.positions.prefix(&prefix) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let code = String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned();
            let PositionRow { position, .. } = decode(&value)?;
            found.insert(code, position);
        }
        for layer in layers.iter().rev() {
            let Some(rows) = layer.positions.get(pool) else { continue };
            found.extend(rows.iter().map(|(code, row)| (code.clone(), row.position.clone())));
        }
        Ok(found)
    }

    /// The request ids that dispensed a document, in their order, at most `limit`.
    pub fn requests_of(
        &self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let layers = self.layers();
        let prefix = document_prefix(institution, document);
        let mut found = BTreeSet::new();
        for guard in self.tables.documents.prefix(&prefix).take(limit) {
            let key = guard.key().map_err(unreadable)?;
            found.insert(String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned());
        }
        for layer in layers {
            let Some(requests) = layer.documents.get(&(institution, document)) else { continue };
            found.extend(requests.iter().cloned());
        }
        Ok(found.into_iter().take(limit).collect())
    }
}

/// Decodes what a row begins with.
fn decode_front(row: &[u8]) -> Result<u32, StoreError> {
    let front = postcard::take_from_bytes(row);
    front
        .map(|(version, _)| version)
        .map_err(|e| StoreError::Unreadable(format!("a row cannot be read: {e}")))
}
