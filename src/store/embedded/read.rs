//! The embedded store behind the store traits.

use super::EmbeddedStore;
use super::tables::{
    KEY_BYTES_MAX, PositionRow, REGISTRY_VERSION, awaited_prefix, decode, document_prefix, get, outcome_key,
    position_key, unreadable,
};
use super::writer::Job;
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::domain::registry::{Registry, RegistryRow};
use crate::store::event::RegistryMoment;
use crate::store::log::free_bytes;
use crate::store::{
    Answering, AwaitedKey, Change, ClaimLedger, CommitError, LoadStatus, PurchaseBook, RegistryStore, Store,
    StoreError, StoreState,
};
use crate::telemetry::StoreGauges;
use jiff::Timestamp;
use std::ops::Bound;
use std::sync::PoisonError;
use tokio::sync::mpsc::Sender;
use tokio::sync::{oneshot, watch};

impl EmbeddedStore {
    /// Hands a job to the writer and waits for its answer.
    pub(super) async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, CommitError>>) -> Job + Send,
    ) -> Result<T, CommitError> {
        let closed = || CommitError::Refused(StoreError::Stopped("the store is closed".to_owned()));
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        jobs.send(job(reply)).await.map_err(|_| closed())?;
        drop(jobs);
        answer
            .await
            .unwrap_or_else(|_| Err(CommitError::Unknown("the writer stopped before it answered".to_owned())))
    }
}

impl ClaimLedger for EmbeddedStore {
    fn histories<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<History>>, StoreError>> {
        Box::pin(async move { keys.iter().map(|key| get(&self.tables.claims, key.as_bytes())).collect() })
    }

    fn outcome<'a>(&'a self, key: &'a RequestKey) -> Answering<'a, Result<Option<Outcome>, StoreError>> {
        Box::pin(async move { get(&self.tables.outcomes, &outcome_key(key)) })
    }

    fn requests_of<'a>(
        &'a self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Answering<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async move {
            let prefix = document_prefix(institution, document);
            let found = self.tables.documents.prefix(&prefix).take(limit).map(|guard| {
                let key = guard.key().map_err(unreadable)?;
                Ok(String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned())
            });
            found.collect()
        })
    }

    fn commit(&self, change: Change) -> Answering<'_, Result<(), CommitError>> {
        Box::pin(self.ask(|reply| Job::Commit(change, reply)))
    }

    fn scan<'a>(
        &'a self,
        after: Option<&'a CodeKey>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<(CodeKey, History)>, StoreError>> {
        Box::pin(async move {
            let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_bytes().to_vec()));
            let rows =
                self.tables.claims.range::<Vec<u8>, _>((start, Bound::Unbounded)).take(limit).map(|guard| {
                    let (key, value) = guard.into_inner().map_err(unreadable)?;
                    let key = CodeKey::from_bytes(&key).ok_or_else(|| {
                        StoreError::Unreadable("a claim has a key that is no code".to_owned())
                    })?;
                    Ok((key, decode(&value)?))
                });
            rows.collect()
        })
    }

    fn paper_key(&self, number: &str) -> PaperKey {
        PaperKey(self.hasher.hash(number.as_bytes()))
    }
}

impl PurchaseBook for EmbeddedStore {
    fn positions<'a>(
        &'a self,
        asked: &'a [(Pool, String)],
    ) -> Answering<'a, Result<Vec<Position>, StoreError>> {
        Box::pin(async move {
            let read = |(pool, code): &(Pool, String)| {
                let row: Option<PositionRow> = get(&self.tables.positions, &position_key(pool, code))?;
                Ok(row.unwrap_or_default().position)
            };
            asked.iter().map(read).collect()
        })
    }

    fn add_purchases(
        &self,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Answering<'_, Result<Vec<LoadStatus>, CommitError>> {
        Box::pin(self.ask(|reply| Job::Purchases(records, reply)))
    }

    fn awaited<'a>(
        &'a self,
        of: Option<(&'a Pool, &'a str)>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<AwaitedKey>, StoreError>> {
        Box::pin(async move {
            let prefix = of.map(|(pool, code)| awaited_prefix(pool, code)).unwrap_or_default();
            if prefix.len() > KEY_BYTES_MAX {
                return Ok(Vec::new());
            }
            let rows = self.tables.awaited.prefix(prefix).take(limit);
            rows.map(|guard| decode(&guard.value().map_err(unreadable)?)).collect()
        })
    }
}

impl RegistryStore for EmbeddedStore {
    fn load_registry(&self) -> Answering<'_, Result<Registry, StoreError>> {
        Box::pin(async move {
            let mut registry = Registry::default();
            for guard in self.tables.registry.iter() {
                let row: RegistryRow = decode(&guard.value().map_err(unreadable)?)?;
                registry.put(row);
            }
            let version: Option<(u64, RegistryMoment)> = get(&self.tables.meta, REGISTRY_VERSION)?;
            if let Some((version, RegistryMoment(at))) = version {
                (registry.version, registry.changed_at) = (version, Some(at));
            }
            Ok(registry)
        })
    }

    fn put_rows(
        &self,
        rows: Vec<RegistryRow>,
        at: Timestamp,
    ) -> Answering<'_, Result<(Vec<LoadStatus>, u64), CommitError>> {
        Box::pin(self.ask(move |reply| Job::Rows(rows, at, reply)))
    }
}

impl Store for EmbeddedStore {
    fn state(&self) -> watch::Receiver<StoreState> {
        self.state.clone()
    }

    fn gauges(&self) -> StoreGauges {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StoreGauges {
            log_end_bytes: self.tables.watermark().unwrap_or(0),
            tables_bytes: self.tables.db.disk_space().unwrap_or(0),
            waiting_changes: jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity()),
            waiting_changes_max: jobs.as_ref().map_or(0, Sender::max_capacity),
            disk_free_bytes: free_bytes(&self.dir).ok(),
            disk_free_bytes_min: self.disk_free_bytes_min,
        }
    }

    fn close(&self) -> Answering<'_, ()> {
        Box::pin(async move {
            drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
            let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let joined = tokio::task::spawn_blocking(move || thread.join()).await;
                if !matches!(joined, Ok(Ok(()))) {
                    tracing::error!("the ledger writer ended in a panic");
                }
            }
        })
    }
}
