//! Provisional answers that the ledger does not have yet, in memory: by request, and by the codes that they sold.

use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::judge::Reading;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::InstitutionCode;
use crate::index::{Index, Seen};
use crate::store::{Provisional, StoreError};
use crate::telemetry;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Provisional answers that the ledger does not have yet.
#[derive(Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    /// As many as there are, for those who only want to know whether there are any.
    waiting: AtomicUsize,
    pub more: Notify,
}

#[derive(Default)]
pub(super) struct Inner {
    answers: HashMap<RequestKey, Waiting>,
    /// Codes as these answers leave them, where that is known, and how many answers name each.
    codes: HashMap<CodeKey, (Option<History>, usize)>,
    /// Everything in the book lies before this position.
    kept_up_to: u64,
}

/// A code with its history as an answer leaves it; `None` = that is not known any more.
pub(super) type Sold = (CodeKey, Option<History>);

struct Waiting {
    outcome: Arc<Outcome>,
    codes: Vec<CodeKey>,
    durable: bool,
}

impl Desk {
    /// What is on it, held against everybody else.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// How many answers wait for the ledger.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// What was answered to a request, where the ledger does not have it yet.
    pub fn given(&self, key: &RequestKey) -> Result<Option<Arc<Outcome>>, StoreError> {
        if self.is_empty() {
            return Ok(None);
        }
        match self.lock().answers.get(key) {
            None => Ok(None),
            Some(waiting) if waiting.durable => Ok(Some(Arc::clone(&waiting.outcome))),
            Some(_) => Err(StoreError::Undecided),
        }
    }

    /// Refuses to judge codes that the ledger does not know the latest of.
    pub fn are_settled(&self, reading: &Reading) -> Result<(), StoreError> {
        let unsettled = || {
            let inner = self.lock();
            reading.keys().iter().any(|code| inner.codes.contains_key(code))
        };
        if !self.is_empty() && unsettled() { Err(StoreError::Undecided) } else { Ok(()) }
    }

    /// Refuses to go on where something of an institution waits that a confirmation or a void may be about.
    pub fn is_settled_for(&self, institution: InstitutionCode) -> Result<(), StoreError> {
        let unsettled = || self.lock().answers.keys().any(|key| key.institution == institution);
        if !self.is_empty() && unsettled() { Err(StoreError::Undecided) } else { Ok(()) }
    }

    /// Puts an answer on it, with the codes that it sold.
    pub fn add(&self, inner: &mut Inner, key: RequestKey, outcome: Arc<Outcome>, sold: Vec<Sold>) {
        let codes = sold.iter().map(|(code, _)| code.clone()).collect();
        for (code, history) in sold {
            let (stands, count) = inner.codes.entry(code).or_default();
            *stands = history;
            *count += 1;
        }
        inner.answers.insert(key, Waiting { outcome, codes, durable: false });
        self.waiting.store(inner.answers.len(), Ordering::Release);
        telemetry::provisional_waiting(inner.answers.len());
    }

    /// On disk, up to a position.
    pub fn kept(&self, key: &RequestKey, up_to: u64) {
        let mut inner = self.lock();
        inner.kept_up_to = inner.kept_up_to.max(up_to);
        if let Some(waiting) = inner.answers.get_mut(key) {
            waiting.durable = true;
        }
        drop(inner);
        self.more.notify_one();
    }

    /// The ledger has it, or it was never given. Gives the position before which nothing waits any more.
    pub fn remove(&self, key: &RequestKey) -> Option<u64> {
        let mut inner = self.lock();
        let waiting = inner.answers.remove(key)?;
        for code in waiting.codes {
            if let Some((_, count)) = inner.codes.get_mut(&code) {
                *count -= 1;
                if *count == 0 {
                    inner.codes.remove(&code);
                }
            }
        }
        self.waiting.store(inner.answers.len(), Ordering::Release);
        telemetry::provisional_waiting(inner.answers.len());
        inner.answers.is_empty().then_some(inner.kept_up_to)
    }

    /// Some of the answers that are on disk, at most `limit`.
    pub fn durable(&self, limit: usize) -> Vec<Provisional> {
        let inner = self.lock();
        let durable = inner.answers.iter().filter(|(_, waiting)| waiting.durable).take(limit);
        durable
            .map(|(key, waiting)| Provisional { key: key.clone(), outcome: Outcome::clone(&waiting.outcome) })
            .collect()
    }
}

impl Inner {
    /// Whether a request was answered.
    pub fn holds(&self, key: &RequestKey) -> bool {
        self.answers.contains_key(key)
    }

    /// What this gateway knows of codes; `None` = of some of them only the ledger knows.
    pub fn histories(
        &self,
        index: &Index,
        codes: BTreeSet<CodeKey>,
        now: Timestamp,
    ) -> Option<(BTreeMap<CodeKey, History>, Timestamp)> {
        let mut known = BTreeMap::new();
        let mut as_of = now;
        for code in codes {
            if let Some((history, _)) = self.codes.get(&code) {
                known.insert(code, history.clone()?);
                continue;
            }
            let sighting = index.last_heard(&code, now);
            as_of = as_of.min(sighting.as_of);
            match sighting.seen {
                Seen::Never => {}
                Seen::Recently(history) => drop(known.insert(code, history)),
                Seen::AskLedger => return None,
            }
        }
        Some((known, as_of))
    }
}
