//! Answers that were given while Redis was away: a log of their own beside the other one, because nothing of them is
//! decided yet. They stay in it as proof until they are forgotten; a file says up to where Redis has what follows from them.

use super::health::Health;
use super::lane::append_beside;
use super::open::read_position;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::store::directory::write_durably;
use crate::store::log::{self, EventLog, Group, GroupReceipt, LogError, LogOptions};
use crate::store::{Answering, CommitError, Provisional, ProvisionalBook, StoreError, StoreState};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// The log's directory, in the data directory.
const DIR: &str = "provisional";
/// The file that says up to where they are in Redis.
const CLAIMED_FILE: &str = "provisional.claimed";
/// The form in which they are written: the first byte of each.
const FORM: u8 = 1;
/// Answers that share one sync, at most.
const GROUP_MAX: usize = 256;
/// Answers that wait for the log, at most.
const WAITING_MAX: usize = 1024;

/// An answer with whoever waits for it to be on disk.
type Waiting = (Vec<u8>, oneshot::Sender<Result<u64, CommitError>>);

/// The log of provisional answers.
pub(super) struct Aside {
    dir: PathBuf,
    kept: Mutex<Option<(Vec<Provisional>, u64)>>,
    waiting: Mutex<Option<mpsc::Sender<Waiting>>>,
}

impl Aside {
    /// Opens it in a data directory, and reads what Redis does not have yet; also gives the work of its log, which ends
    /// when it is closed. Blocks.
    pub fn open(
        dir: &Path,
        health: Arc<Health>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), super::OpenError> {
        let claimed = read_position(dir, CLAIMED_FILE);
        let (mut log, replay) = EventLog::open(&dir.join(DIR), LogOptions::default(), claimed)?;
        let mut kept = Vec::new();
        for group in replay {
            let group: Group = group?;
            for (at, payload) in group.payloads() {
                kept.push(read(payload).ok_or_else(|| {
                    super::OpenError::Foreign(format!("{DIR}: position {at} holds no provisional answer"))
                })?);
            }
        }
        let end = log.durable_end();
        if kept.is_empty()
            && let Err(error) = log.end_segment()
        {
            // It only could not be forgotten then.
            tracing::warn!(%error, "the log of provisional answers goes on in its old segment");
        }
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let kept = Mutex::new(Some((kept, end)));
        let aside = Self { dir: dir.to_owned(), kept, waiting: Mutex::new(Some(sender)) };
        Ok((aside, write_all(log, waiting, health)))
    }

    /// Removes segments that an earlier life ended, that Redis has everything of, and whose last answer was given before
    /// a moment. Gives how many; `only_counts` = would be. Blocks.
    pub fn forget(&self, before: Timestamp, only_counts: bool) -> Result<u64, StoreError> {
        let (dir, claimed) = (self.dir.join(DIR), read_position(&self.dir, CLAIMED_FILE));
        let unreadable = |what: String| StoreError::Unreadable(format!("provisional answers: {what}"));
        let starts = log::segment_starts(&dir).map_err(|error| unreadable(error.to_string()))?;
        let mut removed = 0;
        for (start, end) in starts.iter().zip(starts.iter().skip(1)) {
            let mut last = None;
            for group in log::segment_groups(&dir, *start).map_err(|error| unreadable(error.to_string()))? {
                let group = group.map_err(|error| unreadable(error.to_string()))?;
                let answered = |(_, payload)| Some(read(payload)?.outcome.answer?.decided_at);
                last = group.payloads().filter_map(answered).max().max(last);
            }
            if *end > claimed || last.is_none_or(|last| last >= before) {
                break;
            }
            removed += 1;
            if !only_counts {
                log::remove_segment(&dir, *start).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        Ok(removed)
    }

    /// Takes no more; what waits is still written.
    pub fn close(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl ProvisionalBook for Aside {
    fn kept(&self) -> (Vec<Provisional>, u64) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn keep<'a>(
        &'a self,
        key: &'a RequestKey,
        outcome: &'a Outcome,
    ) -> Answering<'a, Result<u64, CommitError>> {
        Box::pin(async move {
            let unreadable = |error: postcard::Error| StoreError::Unreadable(error.to_string());
            let bytes = postcard::to_extend(&(key, outcome), vec![FORM]).map_err(unreadable)?;
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (reply, written) = oneshot::channel();
            let closed = || CommitError::Refused(super::closed());
            waiting.ok_or_else(closed)?.send((bytes, reply)).await.map_err(|_| closed())?;
            written.await.map_err(|_| CommitError::Unknown("the log ended".to_owned()))?
        })
    }

    fn all_claimed(&self, up_to: u64) {
        // Where this is lost, they are looked up once more at the next start.
        if let Err(error) = write_durably(&self.dir, CLAIMED_FILE, &up_to.to_string()) {
            tracing::warn!(%error, "provisional answers will be looked up again at the next start");
        }
    }
}

fn read(payload: &[u8]) -> Option<Provisional> {
    let (form, row) = payload.split_first()?;
    let (key, outcome) = postcard::from_bytes(row).ok().filter(|_| *form == FORM)?;
    Some(Provisional { key, outcome })
}

/// Owns the log; whatever waits shares one sync.
async fn write_all(mut log: EventLog, mut waiting: mpsc::Receiver<Waiting>, health: Arc<Health>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let (payloads, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let Some((back, written)) = append_beside(log, payloads).await else {
            return health.say_disk(StoreState::Stopped("a fault in the writer of a log".to_owned()));
        };
        log = back;
        let told = written.map(|GroupReceipt { end, .. }| end).map_err(|error| refused(&error, &health));
        for reply in replies {
            drop(reply.send(told.clone()));
        }
    }
}

fn refused(error: &LogError, health: &Health) -> CommitError {
    let why = error.to_string();
    if error.retryable() {
        return CommitError::Refused(StoreError::Full(why));
    }
    health.say_disk(StoreState::Stopped(why.clone()));
    CommitError::Unknown(why)
}
