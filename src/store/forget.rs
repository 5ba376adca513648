//! Forgetting requests after their time: out of the tables, and out of the log that they were acknowledged by. The log
//! keeps its positions and everything else it says: claims, purchases, cases. What was forgotten can be asked for no
//! more, and a request id that was forgotten is unknown again; its boxes stay sold.
//!
//! Segments are looked at in order, the first time and again while they hold something that must stay; a file says how
//! far. First the tables forget, then the log: killed between both, the next run finds the log's part again.

use super::event::{LoggedRequest, requests_in, without_requests};
use super::log::{self, Group, OpenError, PAYLOAD_LENGTH_BYTES};
use super::{Answering, StoreError, write_durably};
use crate::domain::claim::PaperKey;
use crate::domain::outcome::{Outcome, RequestKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The file that says how far segments were looked at.
const PROGRESS_FILE: &str = "forgotten";
/// Requests that are forgotten at once.
const BATCH_REQUESTS: usize = 1000;
/// Batches that wait for the tables.
const BATCHES_WAITING_MAX: usize = 2;

/// Says of a request that it must stay.
pub type Stays = Arc<dyn Fn(&RequestKey, &Outcome) -> bool + Send + Sync>;

/// What shall be forgotten.
#[derive(Clone)]
pub struct Forgetting {
    /// Requests that were decided before this moment.
    pub before: Timestamp,
    /// Except those of which this says that they stay.
    pub stays: Stays,
    /// Nothing is changed: only counted.
    pub only_counts: bool,
    /// Told behind each segment what was done so far.
    pub told: Arc<dyn Fn(Forgotten) + Send + Sync>,
}

impl std::fmt::Debug for Forgetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forgetting").field("before", &self.before).finish_non_exhaustive()
    }
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Requests.
    pub requests: u64,
    /// Requests that are old enough and must stay.
    pub stayed: u64,
    /// Segments of the log that were written anew.
    pub segments: u64,
}

/// A request as it was logged long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    pub key: RequestKey,
    /// The version that was logged.
    pub version: u32,
    /// The position of its outcome in the log.
    pub at: u64,
    pub documents: Vec<PaperKey>,
}

/// What a store does of it.
pub(super) trait Forgets: Send + Sync {
    /// Ends the segment that takes groups now; nothing that was logged before is in memory alone.
    fn end_segment(&self) -> Answering<'_, Result<(), StoreError>>;

    /// Whether nothing that was logged before a position is in memory alone.
    fn is_in_tables(&self, position: u64) -> Result<bool, StoreError>;

    /// Forgets requests, where they are what was logged there, or only counts them; gives how many they are.
    fn forget_rows(&self, old: Vec<Old>, only_counts: bool) -> Answering<'_, Result<u64, StoreError>>;
}

/// Where a log lies, and how its payloads are made.
pub(super) struct LogPart {
    /// The data directory: where it is kept how far segments were looked at.
    pub data_dir: PathBuf,
    pub log_dir: PathBuf,
    /// Bytes of a payload before its event.
    pub bytes_before_event: usize,
}

/// How far segments were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Segments that begin before this position were.
    up_to: u64,
    /// Of these, those that hold something that had to stay, or was not old then.
    again: BTreeSet<u64>,
}

impl Progress {
    /// What a file says; nothing where there is none. One that cannot be read costs a look at everything.
    fn read(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join(PROGRESS_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn keep(&self, dir: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        write_durably(dir, PROGRESS_FILE, &text).map_err(|error| StoreError::Full(error.to_string()))
    }
}

/// What one segment holds.
#[derive(Debug, Default)]
struct Looked {
    /// Places of outcomes that are old, as positions.
    old: HashSet<u64>,
    stayed: u64,
    /// All that it holds is old, or gone already.
    is_past: bool,
}

/// Forgets what was logged in a store's own log.
pub(super) async fn forget(
    store: &dyn Forgets,
    part: &LogPart,
    forgetting: &Forgetting,
) -> Result<Forgotten, StoreError> {
    let mut done = Forgotten::default();
    let mut progress = Progress::read(&part.data_dir);
    if !forgetting.only_counts && holds_past(part, forgetting.before).await? {
        store.end_segment().await?;
    }
    let starts: Vec<u64> = segments(part)?.into_iter().collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    for (start, end) in starts.iter().copied().zip(ends) {
        // The one that takes groups now is counted, and never written anew.
        let Some(end) = end else {
            if forgetting.only_counts {
                let looked = forget_in(store, part, (start, true), forgetting, &mut done).await?;
                done.stayed += looked.stayed;
            }
            break;
        };
        if start < progress.up_to && !progress.again.contains(&start) {
            continue;
        }
        if !forgetting.only_counts && !store.is_in_tables(end)? {
            // A row in memory would go to the tables later, and point to what is gone.
            store.end_segment().await?;
        }
        let looked = forget_in(store, part, (start, false), forgetting, &mut done).await?;
        done.stayed += looked.stayed;
        (forgetting.told)(done);
        let nothing_is_old = looked.old.is_empty() && looked.stayed == 0;
        if nothing_is_old && !looked.is_past && start >= progress.up_to {
            break;
        }
        if forgetting.only_counts {
            continue;
        }
        if looked.is_past && looked.stayed == 0 {
            progress.again.remove(&start);
        } else {
            progress.again.insert(start);
        }
        progress.up_to = progress.up_to.max(end);
        progress.keep(&part.data_dir)?;
    }
    Ok(done)
}

fn segments(part: &LogPart) -> Result<BTreeSet<u64>, StoreError> {
    log::segment_starts(&part.log_dir).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Whether the segment that takes groups now begins with something that shall be forgotten.
async fn holds_past(part: &LogPart, before: Timestamp) -> Result<bool, StoreError> {
    let Some(start) = segments(part)?.last().copied() else { return Ok(false) };
    let (dir, skip) = (part.log_dir.clone(), part.bytes_before_event);
    beside(move || {
        for group in log::segment_groups(&dir, start).map_err(unreadable)? {
            // Behind what is durable stands what is being written.
            let Ok(group) = group else { return Ok(false) };
            for (_, payload) in group.payloads() {
                let requests = requests_of(payload, skip)?;
                if let Some(first) = requests.iter().find_map(|request| decided_at(&request.outcome)) {
                    return Ok(first < before);
                }
            }
        }
        Ok(false)
    })
    .await
}

/// Forgets what one segment holds of requests: in the tables batch by batch, then in the segment itself.
async fn forget_in(
    store: &dyn Forgets,
    part: &LogPart,
    (start, is_open): (u64, bool),
    forgetting: &Forgetting,
    done: &mut Forgotten,
) -> Result<Looked, StoreError> {
    let (sender, mut batches): (Sender<Vec<Old>>, Receiver<Vec<Old>>) = mpsc::channel(BATCHES_WAITING_MAX);
    let look = Look {
        dir: part.log_dir.clone(),
        start,
        is_open,
        skip: part.bytes_before_event,
        forgetting: forgetting.clone(),
        batches: sender,
        batch: Vec::new(),
        without_time: Vec::new(),
        looked: Looked { is_past: true, ..Looked::default() },
    };
    let looking = beside(move || look.run());
    let forgetting_rows = async {
        while let Some(batch) = batches.recv().await {
            done.requests += store.forget_rows(batch, forgetting.only_counts).await?;
        }
        // Dropped here on an error too, so that whoever looks ends.
        drop(batches);
        Ok::<(), StoreError>(())
    };
    let (looked, rows) = tokio::join!(looking, forgetting_rows);
    rows?;
    let looked = looked?;
    if looked.old.is_empty() || forgetting.only_counts {
        return Ok(looked);
    }
    let (dir, skip) = (part.log_dir.clone(), part.bytes_before_event);
    let looked = beside(move || {
        log::rewrite_segment(&dir, start, |at, payload| blanked(at, payload, skip, &looked.old))
            .map_err(|Rewriting(error)| error)?;
        Ok(looked)
    })
    .await?;
    done.segments += 1;
    Ok(looked)
}

/// Why a segment could not be written anew.
struct Rewriting(StoreError);

impl From<OpenError> for Rewriting {
    fn from(error: OpenError) -> Self {
        Self(unreadable(error))
    }
}

/// A payload at a position without what is old; `None` = it holds nothing that is.
fn blanked(at: u64, payload: &[u8], skip: usize, old: &HashSet<u64>) -> Result<Option<Vec<u8>>, Rewriting> {
    let Some((head, event)) = payload.split_at_checked(skip) else { return Ok(None) };
    let is_old = |place: usize| old.contains(&(at + PAYLOAD_LENGTH_BYTES + (skip + place) as u64));
    let without = without_requests(event, is_old)
        .map_err(|error| Rewriting(StoreError::Unreadable(error.to_string())))?;
    Ok(without.map(|event| [head, &event].concat()))
}

fn requests_of(payload: &[u8], skip: usize) -> Result<Vec<LoggedRequest>, StoreError> {
    let event = payload.get(skip..).unwrap_or_default();
    requests_in(event).map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn decided_at(outcome: &Outcome) -> Option<Timestamp> {
    outcome.answer.as_ref().map(|answer| answer.decided_at)
}

fn unreadable(error: OpenError) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

/// Runs what blocks beside the other tasks.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = |error: tokio::task::JoinError| StoreError::Unreadable(error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

/// A walk over one segment.
struct Look {
    dir: PathBuf,
    start: u64,
    /// It takes groups: behind what is durable stands what is being written.
    is_open: bool,
    skip: usize,
    forgetting: Forgetting,
    batches: Sender<Vec<Old>>,
    batch: Vec<Old>,
    /// Requests without a time of their own, before the first one that has one: they are not younger than that.
    without_time: Vec<(u64, LoggedRequest)>,
    looked: Looked,
}

impl Look {
    fn run(mut self) -> Result<Looked, StoreError> {
        let mut now = None;
        for group in log::segment_groups(&self.dir, self.start).map_err(unreadable)? {
            let group: Group = match group {
                Ok(group) => group,
                Err(_) if self.is_open => break,
                Err(error) => return Err(unreadable(error)),
            };
            for (at, payload) in group.payloads() {
                let event_at = at + PAYLOAD_LENGTH_BYTES + self.skip as u64;
                for request in requests_of(payload, self.skip)? {
                    let own = decided_at(&request.outcome);
                    now = now.max(own);
                    let at = event_at + request.at as u64;
                    let Some(now) = now else {
                        self.without_time.push((at, request));
                        continue;
                    };
                    for (at, earlier) in std::mem::take(&mut self.without_time) {
                        self.take(at, earlier, now);
                    }
                    // What was changed since is as old as its last change: it was logged behind what was decided then.
                    let moment = if request.outcome.version > 1 { now } else { own.unwrap_or(now) };
                    self.take(at, request, moment);
                }
            }
            if self.batch.len() >= BATCH_REQUESTS && !self.send() {
                break;
            }
        }
        self.looked.is_past &= self.without_time.is_empty();
        self.send();
        Ok(self.looked)
    }

    fn take(&mut self, at: u64, request: LoggedRequest, moment: Timestamp) {
        let LoggedRequest { key, outcome, documents, .. } = request;
        if moment >= self.forgetting.before {
            self.looked.is_past = false;
        } else if (self.forgetting.stays)(&key, &outcome) {
            self.looked.stayed += 1;
        } else {
            self.looked.old.insert(at);
            let documents = documents.into_iter().map(PaperKey).collect();
            self.batch.push(Old { key, version: outcome.version, at, documents });
        }
    }

    /// Hands over what was found; `false` = nobody takes it any more.
    fn send(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || self.batches.blocking_send(batch).is_ok()
    }
}
