//! Dossiers in the embedded store: rows of their own table, told to whoever follows with their places in the order of
//! changes, which are positions in the log.

use super::layer::{DossierEntry, Entries, place_of_dossier};
use super::tables::unreadable;
use super::view::View;
use super::{EmbeddedStore, log_dir};
use crate::domain::case::Dossier;
use crate::domain::code::CodeKey;
use crate::store::log::PAYLOAD_LENGTH_BYTES;
use crate::store::logged::Span;
use crate::store::{Answering, CaseBook, DossierRow, DossierTold, Dossiers, LogEvent, Logged, StoreError};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashMap;
use tokio::sync::mpsc;

/// Dossiers of a batch.
const BATCH_ROWS: usize = 1000;
/// Batches that wait for their reader.
const BATCHES_WAITING_MAX: usize = 2;

/// Writes a row of the table: place, dossier.
pub(super) fn put_dossier_row(entry: &DossierEntry, to: &mut Vec<u8>) {
    to.extend_from_slice(&entry.place.to_be_bytes());
    to.extend_from_slice(&entry.bytes);
}

/// The dossiers of an event that was logged at `at`, as they are told.
pub(super) fn told_of(at: u64, event: &Entries) -> impl Iterator<Item = DossierTold<'_>> {
    event.dossiers.iter().enumerate().map(move |(number, row)| DossierTold {
        place: place_of_dossier(at + PAYLOAD_LENGTH_BYTES, number),
        key: &row.key,
        bytes: &row.bytes,
    })
}

fn read_row(row: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let parts = row.split_first_chunk::<8>();
    let (place, bytes) =
        parts.ok_or_else(|| StoreError::Unreadable("a dossier is too short to be one".to_owned()))?;
    Ok((u64::from_be_bytes(*place), bytes))
}

pub(super) fn read_dossier(bytes: &[u8]) -> Result<Dossier, StoreError> {
    Dossier::from_stored(bytes)
        .map_err(|error| StoreError::Unreadable(format!("a dossier cannot be read: {error}")))
}

/// A row of the table, as it is handed over.
pub(super) fn row_of(key: CodeKey, row: &[u8]) -> Result<(u64, DossierRow), StoreError> {
    let (place, bytes) = read_row(row)?;
    let (version, bytes) = (version_of(bytes)?, Bytes::copy_from_slice(bytes));
    Ok((place, DossierRow { key, version, bytes, expected: None }))
}

fn version_of(bytes: &[u8]) -> Result<u32, StoreError> {
    let garbled = || StoreError::Unreadable("a dossier has no version".to_owned());
    Dossier::version_of_stored(bytes).ok_or_else(garbled)
}

impl View {
    /// The dossier of a code in stored form, with its place in the order of changes.
    fn dossier_bytes(&self, key: &CodeKey) -> Result<Option<(u64, Bytes)>, StoreError> {
        let recent =
            self.layers_ask(|layer| layer.dossiers.get(key).map(|entry| (entry.place, entry.bytes.clone())));
        if recent.is_some() {
            return Ok(recent);
        }
        let row = self.tables.dossiers.get(key.as_bytes()).map_err(unreadable)?;
        row.map(|row| read_row(&row).map(|(place, bytes)| (place, Bytes::copy_from_slice(bytes)))).transpose()
    }

    pub fn dossier(&self, key: &CodeKey) -> Result<Option<Dossier>, StoreError> {
        self.dossier_bytes(key)?.map(|(_, bytes)| read_dossier(&bytes)).transpose()
    }

    pub fn dossier_row(&self, key: &CodeKey) -> Result<Option<DossierRow>, StoreError> {
        let Some((_, bytes)) = self.dossier_bytes(key)? else { return Ok(None) };
        Ok(Some(DossierRow { key: key.clone(), version: version_of(&bytes)?, bytes, expected: None }))
    }

    pub fn dossier_version(&self, key: &CodeKey) -> Result<Option<u32>, StoreError> {
        if let Some(version) = self.layers_ask(|layer| layer.dossier_version(key)) {
            return Ok(Some(version));
        }
        if !self.tables.with_dossier.may_hold(key) {
            return Ok(None);
        }
        let row = self.tables.dossiers.get(key.as_bytes()).map_err(unreadable)?;
        row.map(|row| read_row(&row).and_then(|(_, bytes)| version_of(bytes))).transpose()
    }

    /// Every dossier, handed over in batches until `take` wants no more. Once all were, it is known which codes have none.
    pub fn all_dossiers(&self, take: impl Fn(Vec<(u64, DossierRow)>) -> bool) -> Result<(), StoreError> {
        let mut recent: HashMap<CodeKey, DossierEntry> = HashMap::new();
        for layer in self.layers().iter().rev() {
            recent.extend(layer.dossiers.iter().map(|entry| (entry.key().clone(), entry.value().clone())));
        }
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        for guard in self.tables.dossiers.iter() {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let key = CodeKey::from_bytes(&key)
                .ok_or_else(|| StoreError::Unreadable("a dossier has a key that is no code".to_owned()))?;
            self.tables.with_dossier.add(1, [&key]);
            if recent.contains_key(&key) {
                continue;
            }
            batch.push(row_of(key, &value)?);
            if batch.len() == BATCH_ROWS && !take(std::mem::take(&mut batch)) {
                return Ok(());
            }
        }
        self.tables.with_dossier.complete();
        for (key, entry) in recent {
            let row = DossierRow { key, version: entry.version, bytes: entry.bytes, expected: None };
            batch.push((entry.place, row));
        }
        take(batch);
        Ok(())
    }
}

impl CaseBook for EmbeddedStore {
    fn dossiers<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<Dossier>>, StoreError>> {
        Box::pin(async move { keys.iter().map(|key| self.view.dossier(key)).collect() })
    }

    fn logged_between(&self, from: Timestamp, to: Timestamp) -> Logged {
        let read = |bytes: &[u8]| LogEvent::decode(bytes).map_err(|e| StoreError::Unreadable(e.to_string()));
        Span { dir: log_dir(&self.dir), end: self.view.end(), read, from, to }.read()
    }

    fn all_dossiers(&self) -> Dossiers {
        let view = self.view.clone();
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = view.all_dossiers(|batch| sender.blocking_send(Ok(batch)).is_ok()) {
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }
}
