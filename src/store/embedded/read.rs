//! The embedded store behind the store traits.

use super::EmbeddedStore;
use super::prepare::Proposed;
use super::tables::{REGISTRY_VERSION, awaited_prefix, decode, get, unreadable};
use super::writer::Job;
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::domain::registry::{Registry, RegistryRow};
use crate::store::event::RegistryMoment;
use crate::store::fit::KEY_BYTES_MAX;
use crate::store::log::free_bytes;
use crate::store::{
    Answering, AwaitedKey, Change, ClaimLedger, CommitError, DoubleSale, Forgetting, Forgotten, LoadStatus,
    ProvisionalBook, PurchaseBook, RegistryStore, Store, StoreError, StoreState,
};
use crate::telemetry::StoreGauges;
use jiff::Timestamp;
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
        Box::pin(async move { keys.iter().map(|key| self.view.history(key)).collect() })
    }

    fn outcome<'a>(&'a self, key: &'a RequestKey) -> Answering<'a, Result<Option<Outcome>, StoreError>> {
        Box::pin(async move { self.view.outcome(key) })
    }

    fn requests_of<'a>(
        &'a self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Answering<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async move { self.view.requests_of(institution, document, limit) })
    }

    fn commit<'a>(&'a self, change: &'a Change) -> Answering<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let proposed = Box::new(Proposed::of_change(change, &self.view)?);
            self.ask(|reply| Job::Commit(proposed, reply)).await
        })
    }

    fn scan<'a>(
        &'a self,
        after: Option<&'a CodeKey>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<(CodeKey, History)>, StoreError>> {
        Box::pin(async move { self.view.scan(after, limit) })
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
            let read = |(pool, code): &(Pool, String)| Ok(self.view.position(pool, code)?.position);
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
            let rows = self.view.tables.awaited.prefix(prefix).take(limit);
            rows.map(|guard| decode(&guard.value().map_err(unreadable)?)).collect()
        })
    }
}

impl RegistryStore for EmbeddedStore {
    fn load_registry(&self) -> Answering<'_, Result<Registry, StoreError>> {
        Box::pin(async move {
            let mut registry = Registry::default();
            for guard in self.view.tables.registry.iter() {
                let row: RegistryRow = decode(&guard.value().map_err(unreadable)?)?;
                registry.put(row);
            }
            let version: Option<(u64, RegistryMoment)> = get(&self.view.tables.meta, REGISTRY_VERSION)?;
            if let Some((version, RegistryMoment(at))) = version {
                (registry.version, registry.changed_at) = (version, Some(at));
            }
            Ok(registry)
        })
    }

    fn loaded_elsewhere(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
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

    fn double_sales(&self) -> Option<tokio::sync::mpsc::Receiver<DoubleSale>> {
        None
    }

    fn provisional(&self) -> Option<&dyn ProvisionalBook> {
        None
    }

    fn share_policy(&self, _: String) {}

    fn gauges(&self) -> StoreGauges {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StoreGauges {
            log_end_bytes: self.view.end(),
            tables_bytes: self.view.tables.db.disk_space().unwrap_or(0),
            claims_bytes: self.view.tables.claims.disk_space(),
            waiting_changes: jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity()),
            waiting_changes_max: jobs.as_ref().map_or(0, Sender::max_capacity),
            disk_free_bytes: free_bytes(&self.dir).ok(),
            disk_free_bytes_min: self.disk_free_bytes_min,
            codes_planned: 0,
        }
    }

    fn forget<'a>(&'a self, forgetting: &'a Forgetting) -> Answering<'a, Result<Forgotten, StoreError>> {
        Box::pin(self.forget_requests(forgetting))
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
