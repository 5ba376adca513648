//! The store in Redis behind the store traits: claims, outcomes, positions, and the store as a whole.

use super::cell::Value;
use super::layout::{awaited_of, claim_bucket, key_of, partitions};
use super::ledger::{Place, Read, Shown, shown};
use super::link::{Batch, Tag};
use super::reply::list_of;
use super::transaction::{DECISION_LOOK_EVERY, DECISION_WAIT_MAX};
use super::work::Work;
use super::{RedisStore, Shared};
use crate::clock::Stopwatch;
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::store::log::free_bytes;
use crate::store::{
    Answering, AwaitedKey, Change, ClaimLedger, CommitError, DoubleSale, Forgetting, Forgotten, LoadStatus,
    ProvisionalBook, PurchaseBook, Store, StoreError, StoreState,
};
use crate::telemetry::StoreGauges;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// Codes whose histories are fetched at once by a scan.
const SCAN_BATCH: usize = 1024;
/// How long a close waits for what is under way.
const CLOSE_MAX: Duration = Duration::from_secs(5);

impl RedisStore {
    /// Reads until everything that was asked is decided; others have a moment to decide.
    pub(super) async fn settled<T, F>(&self, read: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<Read<T>, StoreError>>,
    {
        if let StoreState::Away(why) = self.shared.health.now() {
            // Nobody waits for what is known to be away.
            return Err(StoreError::Away(why));
        }
        let started = Stopwatch::start();
        loop {
            let undecided = match read().await? {
                Read::Known(found) => return Ok(found),
                Read::Undecided(id) => id,
            };
            // A decision of this gateway's own is only waiting for its log.
            let own = self.shared.ledger.is_open(undecided);
            self.shared.ledger.suspect(undecided);
            let wait_max = if own { self.shared.options.commit_max } else { DECISION_WAIT_MAX };
            if started.elapsed() >= wait_max {
                return Err(StoreError::Undecided);
            }
            // signal: Redis tells nobody when a decision is made.
            tokio::time::sleep(DECISION_LOOK_EVERY).await;
        }
    }

    /// What stands under request ids.
    pub(super) async fn outcomes(
        &self,
        keys: &[RequestKey],
    ) -> Result<Read<Vec<Option<Outcome>>>, StoreError> {
        let ledger = &self.shared.ledger;
        let place = |key: &RequestKey| {
            let (tag, key) = ledger.layout.outcome(key);
            Place::Record(tag, key)
        };
        let places: Vec<_> = keys.iter().map(place).collect();
        let cells = ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
        let decided = ledger.decided(cells.iter().flatten()).await?;
        let mut outcomes = Vec::with_capacity(keys.len());
        for cell in &cells {
            match shown(cell.as_ref(), &decided) {
                Shown::Undecided(id) => return Ok(Read::Undecided(id)),
                Shown::Nothing | Shown::This(Value::Facts(_)) => outcomes.push(None),
                Shown::This(Value::Stored { bytes, .. }) => outcomes.push(Some(read_row(&bytes)?)),
            }
        }
        Ok(Read::Known(outcomes))
    }

    /// The first codes behind `after`. Buckets are in no order, so every page walks over all codes; it holds no more
    /// of them than it gives.
    async fn first_codes(&self, after: Option<&CodeKey>, limit: usize) -> Result<Vec<CodeKey>, StoreError> {
        let mut first: BTreeMap<CodeKey, ()> = BTreeMap::new();
        for partitions in self.shared.ledger.layout.walk() {
            for key in self.shared.codes_of(&partitions).await? {
                if after.is_some_and(|after| key <= *after) {
                    continue;
                }
                first.insert(key, ());
                if first.len() > limit {
                    first.pop_last();
                }
            }
        }
        Ok(first.into_keys().collect())
    }
}

impl Shared {
    /// The codes of some partitions, in no order.
    pub(super) async fn codes_of(&self, partitions: &[Tag]) -> Result<Vec<CodeKey>, StoreError> {
        let ledger = &self.ledger;
        let mut batch = Batch::default();
        for tag in partitions {
            for bucket in 0..ledger.layout.buckets.claims {
                let mut cmd = redis::cmd("HKEYS");
                cmd.arg(claim_bucket(*tag, bucket));
                batch.put(*tag, cmd);
            }
        }
        let mut codes = Vec::new();
        for reply in ledger.link.run(batch).await? {
            for field in list_of(reply)? {
                let foreign =
                    || StoreError::Unreadable("a bucket in Redis holds something that is no code".to_owned());
                codes.push(key_of(&field).ok_or_else(foreign)?);
            }
        }
        Ok(codes)
    }
}

pub(super) fn read_row<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes)
        .map_err(|e| StoreError::Unreadable(format!("a row in Redis cannot be read: {e}")))
}

impl ClaimLedger for RedisStore {
    fn histories<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<History>>, StoreError>> {
        Box::pin(self.settled(|| self.shared.ledger.histories(keys)))
    }

    fn outcome<'a>(&'a self, key: &'a RequestKey) -> Answering<'a, Result<Option<Outcome>, StoreError>> {
        Box::pin(async move {
            let found = self.settled(|| self.outcomes(std::slice::from_ref(key))).await?;
            Ok(found.into_iter().next().flatten())
        })
    }

    fn requests_of<'a>(
        &'a self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Answering<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async move {
            let place = self.shared.ledger.layout.requests(institution, document);
            let mut cmd = redis::cmd("HKEYS");
            cmd.arg(&place.key);
            let fields = list_of(self.shared.ledger.link.ask(place.tag, cmd).await?)?;
            let named = fields.iter().filter_map(|field| field.strip_prefix(place.field.as_slice()));
            let ids = named.filter_map(|id| String::from_utf8(id.to_vec()).ok());
            Ok(ids.take(limit).collect())
        })
    }

    fn commit<'a>(&'a self, change: &'a Change) -> Answering<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let work = Work::of_change(&self.shared, change)?;
            self.shared.make(work).await
        })
    }

    fn scan<'a>(
        &'a self,
        after: Option<&'a CodeKey>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<(CodeKey, History)>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let mut after = after.cloned();
            // Codes of aborted claims have no history: more are looked for until the page is full.
            while found.len() < limit {
                let wanted = limit - found.len();
                let codes = self.first_codes(after.as_ref(), wanted).await?;
                let is_last = codes.len() < wanted;
                after = codes.last().cloned();
                for codes in codes.chunks(SCAN_BATCH) {
                    let histories = self.histories(codes).await?;
                    let known = codes.iter().cloned().zip(histories);
                    found.extend(known.filter_map(|(key, history)| Some((key, history?))));
                }
                if is_last {
                    break;
                }
            }
            Ok(found)
        })
    }

    fn paper_key(&self, number: &str) -> PaperKey {
        PaperKey(self.shared.hasher.hash(number.as_bytes()))
    }
}

impl PurchaseBook for RedisStore {
    fn positions<'a>(
        &'a self,
        asked: &'a [(Pool, String)],
    ) -> Answering<'a, Result<Vec<Position>, StoreError>> {
        Box::pin(self.shared.accounts.positions(asked))
    }

    fn add_purchases(
        &self,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Answering<'_, Result<Vec<LoadStatus>, CommitError>> {
        Box::pin(self.shared.add_purchases(records))
    }

    fn awaited<'a>(
        &'a self,
        of: Option<(&'a Pool, &'a str)>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<AwaitedKey>, StoreError>> {
        Box::pin(async move {
            let link = &self.shared.ledger.link;
            let places: Vec<_> = match of {
                Some((pool, code)) => vec![self.shared.ledger.layout.awaited(pool, code)],
                None => partitions().map(|tag| (tag, awaited_of(tag))).collect(),
            };
            let mut batch = Batch::default();
            for (tag, key) in places {
                let mut cmd = redis::cmd("HKEYS");
                cmd.arg(key);
                batch.put(tag, cmd);
            }
            let mut found = Vec::new();
            for reply in link.run(batch).await? {
                for field in list_of(reply)? {
                    let question: AwaitedKey = read_row(&field)?;
                    let asked =
                        of.is_none_or(|(pool, code)| question.pool == *pool && question.catalog_code == code);
                    if asked && found.len() < limit {
                        found.push(question);
                    }
                }
            }
            Ok(found)
        })
    }
}

impl Store for RedisStore {
    fn state(&self) -> watch::Receiver<StoreState> {
        self.shared.health.watch()
    }

    fn double_sales(&self) -> Option<tokio::sync::mpsc::Receiver<DoubleSale>> {
        self.double_sales.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn provisional(&self) -> Option<&dyn ProvisionalBook> {
        Some(&self.shared.aside)
    }

    fn share_policy(&self, version: String) {
        self.shared.life.has_policy(version);
    }

    fn gauges(&self) -> StoreGauges {
        let shared = &self.shared;
        StoreGauges {
            log_end_bytes: shared.logged_up_to(),
            tables_bytes: 0,
            claims_bytes: 0,
            waiting_changes: shared.options.changes_max - shared.room.available_permits(),
            waiting_changes_max: shared.options.changes_max,
            disk_free_bytes: free_bytes(&shared.log_dir).ok(),
            disk_free_bytes_min: shared.options.disk_free_bytes_min,
            codes_planned: shared.head.codes_planned,
        }
    }

    fn forget<'a>(&'a self, forgetting: &'a Forgetting) -> Answering<'a, Result<Forgotten, StoreError>> {
        Box::pin(self.forget_requests(forgetting))
    }

    fn close(&self) -> Answering<'_, ()> {
        Box::pin(async move {
            let shared = &self.shared;
            shared.room.close();
            shared.work.close();
            if tokio::time::timeout(CLOSE_MAX, shared.work.wait()).await.is_err() {
                tracing::warn!("changes were still under way at close; they are settled at the next start");
            }
            shared.closing.cancel();
            shared.work.wait().await;
            shared.aside.close();
            drop(shared.lane.lock().unwrap_or_else(PoisonError::into_inner).take());
            let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            let was_open = !tasks.is_empty();
            for task in tasks {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a task of the store ended in a panic");
                }
            }
            if was_open {
                shared.checkpoint().await;
                shared.say_goodbye().await;
            }
        })
    }
}
