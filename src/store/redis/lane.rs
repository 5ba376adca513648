//! The gateway's own log beside Redis: what was decided goes on disk here before anybody is answered, so that it
//! survives Redis losing it. One task owns the log; whatever waits shares one sync.

use super::accounts::{Accounts, Adds, Totals};
use super::decision::DecisionId;
use super::health::Health;
use crate::clock::Stopwatch;
use crate::domain::code::CodeKey;
use crate::store::log::{self, EventLog, GroupReceipt, LogError, OpenError, free_bytes};
use crate::store::{ClaimFollower, CommitError, EncodedEvent, LogEvent, StoreError, StoreState};
use crate::telemetry;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often a full disk is looked at again.
const FULL_LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the disk is looked at while changes come in.
const DISK_LOOK_EVERY: Duration = Duration::from_millis(200);
/// Changes that share one sync, at most.
const GROUP_MAX: usize = 1024;
/// Bytes of a payload before its event: the decision that it rests on.
pub(super) const DECISION_BYTES: usize = 8;

/// What was decided, as the log and those who follow it need it.
pub(super) struct Entry {
    pub id: DecisionId,
    pub encoded: EncodedEvent,
    pub claims: Vec<CodeKey>,
    pub adds: Adds,
}

/// The first position of the group that holds an entry.
pub(super) type LogPlace = u64;

/// An entry with whoever waits for it.
type Waiting = (Box<Entry>, oneshot::Sender<Result<LogPlace, CommitError>>);

/// Entries that are in the log and still on the list of what is under way.
pub(super) type Unretired = Arc<Mutex<BTreeSet<(LogPlace, DecisionId)>>>;

pub(super) enum Job {
    /// Answered with where the entry is in the log.
    Append(Box<Entry>, oneshot::Sender<Result<LogPlace, CommitError>>),
    Follow(Arc<dyn ClaimFollower>, oneshot::Sender<Result<u64, StoreError>>),
    /// What the log adds up to, up to a position: accounts become that and what was logged since.
    Totals(Totals, u64, oneshot::Sender<Result<(), StoreError>>),
    /// The log begins another segment.
    EndSegment(oneshot::Sender<Result<(), StoreError>>),
}

/// The task that owns the log.
pub(super) struct Lane {
    dir: PathBuf,
    disk_free_bytes_min: u64,
    log: Option<EventLog>,
    end: Arc<AtomicU64>,
    accounts: Arc<Accounts>,
    follower: Arc<Mutex<Option<Arc<dyn ClaimFollower>>>>,
    health: Arc<Health>,
    unretired: Unretired,
    looked_at_disk: Option<Stopwatch>,
}

impl Lane {
    pub fn new(
        dir: PathBuf,
        disk_free_bytes_min: u64,
        log: EventLog,
        accounts: Arc<Accounts>,
        health: Arc<Health>,
    ) -> Self {
        let end = Arc::new(AtomicU64::new(log.durable_end()));
        let (log, follower, unretired, looked_at_disk) =
            (Some(log), Arc::default(), Unretired::default(), None);
        Self { dir, disk_free_bytes_min, log, end, accounts, follower, health, unretired, looked_at_disk }
    }

    /// The position after what is durable; kept up to date.
    pub fn end(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.end)
    }

    /// What is in the log and still on the list of what is under way.
    pub fn unretired(&self) -> Unretired {
        Arc::clone(&self.unretired)
    }

    /// Who is told of claims.
    pub fn follower(&self) -> Arc<Mutex<Option<Arc<dyn ClaimFollower>>>> {
        Arc::clone(&self.follower)
    }

    /// Works until every sender is gone.
    pub async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        loop {
            let full = matches!(self.health.disk(), StoreState::Full(_));
            let count = if full {
                match tokio::time::timeout(FULL_LOOK_AGAIN, waiting.recv_many(&mut jobs, GROUP_MAX)).await {
                    Ok(count) => count,
                    Err(_) => {
                        self.look_at_disk();
                        continue;
                    }
                }
            } else {
                waiting.recv_many(&mut jobs, GROUP_MAX).await
            };
            if count == 0 {
                return;
            }
            if self.looked_at_disk.is_none_or(|looked| looked.elapsed() >= DISK_LOOK_EVERY) {
                self.look_at_disk();
            }
            let mut entries = Vec::with_capacity(count);
            for job in jobs.drain(..) {
                match job {
                    Job::Append(entry, reply) => entries.push((entry, reply)),
                    Job::Totals(totals, up_to, reply) => {
                        self.append(std::mem::take(&mut entries)).await;
                        drop(reply.send(self.take_over(totals, up_to)));
                    }
                    Job::EndSegment(reply) => {
                        self.append(std::mem::take(&mut entries)).await;
                        drop(reply.send(self.end_segment().await));
                    }
                    Job::Follow(follower, reply) => {
                        self.append(std::mem::take(&mut entries)).await;
                        drop(reply.send(self.follow(follower)));
                    }
                }
            }
            self.append(entries).await;
        }
    }

    fn follow(&mut self, follower: Arc<dyn ClaimFollower>) -> Result<u64, StoreError> {
        *self.follower.lock().unwrap_or_else(PoisonError::into_inner) = Some(follower);
        Ok(self.end.load(Ordering::Acquire))
    }

    fn take_over(&self, mut totals: Totals, up_to: u64) -> Result<(), StoreError> {
        let end = self.end.load(Ordering::Acquire);
        for logged in events(&self.dir, up_to, end)? {
            // Where the log has nothing before, what is written since is all there is.
            totals.add_to_known(Adds::of(&logged?.1));
        }
        self.accounts.replace(totals, end);
        Ok(())
    }

    /// Whether the disk has room; tells everybody when that changes. What is decided is logged all the same while a
    /// write succeeds: nothing new is begun on a full disk, but what was begun must be finished.
    fn look_at_disk(&mut self) {
        self.looked_at_disk = Some(Stopwatch::start());
        if matches!(self.health.disk(), StoreState::Stopped(_)) {
            return;
        }
        let least = self.disk_free_bytes_min;
        match free_bytes(&self.dir) {
            Ok(free) if free < least => self.health.say_disk(StoreState::Full(format!(
                "the disk is full: {free} bytes are free, {least} are needed; free space in {}",
                self.dir.display()
            ))),
            Ok(_) => self.health.say_disk(StoreState::Ready),
            Err(error) => tracing::warn!(%error, "free disk space cannot be told"),
        }
    }

    async fn append(&mut self, entries: Vec<Waiting>) {
        if entries.is_empty() {
            return;
        }
        let started = Stopwatch::start();
        let payloads: Vec<_> = entries.iter().map(|(entry, _)| payload(entry)).collect();
        let written = self.write(payloads).await;
        match written {
            Ok(GroupReceipt { start, end, positions, .. }) => {
                // Before the end is told: whoever remembers how far the log is read must not pass these.
                let ids = entries.iter().map(|(entry, _)| (start, entry.id));
                self.unretired.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
                for ((entry, _), position) in entries.iter().zip(positions) {
                    self.accounts.add(&entry.adds, position);
                }
                self.end.store(end, Ordering::Release);
                let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(follower) = follower {
                    let claims = entries.iter().map(|(entry, _)| entry);
                    let mut claims =
                        claims.flat_map(|entry| entry.claims.iter().zip(entry.encoded.histories()));
                    follower.claimed(end, &mut claims);
                }
                telemetry::group_written(entries.len(), started.elapsed());
                for (_, reply) in entries {
                    drop(reply.send(Ok(start)));
                }
            }
            Err(error) => {
                for (_, reply) in entries {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }

    /// Writes and syncs one group. It stands in Redis already: whatever fails here, the answer is "unknown".
    async fn write(&mut self, payloads: Vec<Vec<u8>>) -> Result<GroupReceipt, CommitError> {
        let Some(log) = self.log.take() else {
            return Err(CommitError::Unknown("the log is lost after a fault".to_owned()));
        };
        let Some((log, receipt)) = append_beside(log, payloads).await else {
            self.health.say_disk(StoreState::Stopped("a fault in the writer of the log".to_owned()));
            return Err(CommitError::Unknown("a fault in the writer of the log".to_owned()));
        };
        self.log = Some(log);
        receipt.map_err(|error| self.failed(&error))
    }

    async fn end_segment(&mut self) -> Result<(), StoreError> {
        let lost = || StoreError::Stopped("the log is lost after a fault".to_owned());
        let mut log = self.log.take().ok_or_else(lost)?;
        let ending = tokio::task::spawn_blocking(move || {
            let ended = log.end_segment();
            (log, ended)
        });
        let Ok((log, ended)) = ending.await else {
            self.health.say_disk(StoreState::Stopped("a fault in the writer of the log".to_owned()));
            return Err(lost());
        };
        self.log = Some(log);
        ended.map_err(|error| match self.failed(&error) {
            CommitError::Refused(error) => error,
            CommitError::Conflict | CommitError::Undecided | CommitError::Unknown(_) => {
                StoreError::Stopped(error.to_string())
            }
        })
    }

    fn failed(&self, error: &LogError) -> CommitError {
        let why = error.to_string();
        self.health.say_disk(if error.retryable() {
            StoreState::Full(why.clone())
        } else {
            StoreState::Stopped(why.clone())
        });
        CommitError::Unknown(why)
    }
}

/// Appends a group beside other tasks: it blocks. `None` = a fault; the log is lost until it is opened again.
pub(super) async fn append_beside(
    mut log: EventLog,
    payloads: Vec<Vec<u8>>,
) -> Option<(EventLog, Result<GroupReceipt, LogError>)> {
    let appending = move || {
        let receipt = log.append_group(&payloads);
        (log, receipt)
    };
    tokio::task::spawn_blocking(appending).await.ok()
}

fn payload(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DECISION_BYTES + entry.encoded.bytes.len());
    bytes.extend_from_slice(&entry.id.bytes());
    bytes.extend_from_slice(&entry.encoded.bytes);
    bytes
}

/// The events between two positions of a log, with their decisions.
pub(super) fn events(
    dir: &Path,
    from: u64,
    to: u64,
) -> Result<impl Iterator<Item = Result<(DecisionId, LogEvent), StoreError>>, StoreError> {
    let damaged = |error: OpenError| StoreError::Unreadable(error.to_string());
    let groups = if from < to { Some(log::read_from(dir, from).map_err(damaged)?.until(to)) } else { None };
    let decoded = move |group: Result<log::Group, OpenError>| {
        let group = match group {
            Ok(group) => group,
            Err(error) => return vec![Err(damaged(error))],
        };
        let event = |(at, payload): (u64, &[u8])| {
            let bad = || StoreError::Unreadable(format!("log position {at} holds no event"));
            let (id, event) = parts(payload).ok_or_else(bad)?;
            Ok((id, LogEvent::decode(event).map_err(|_| bad())?))
        };
        group.payloads().map(event).collect()
    };
    // A log that holds nothing yet ends behind its own head, where its first group begins.
    let within =
        move |group: &Result<log::Group, OpenError>| group.as_ref().map_or(true, |group| group.end <= to);
    Ok(groups.into_iter().flatten().take_while(within).flat_map(decoded))
}

/// The decision and the event of a payload.
pub(super) fn parts(payload: &[u8]) -> Option<(DecisionId, &[u8])> {
    let (_, event) = payload.split_at_checked(DECISION_BYTES)?;
    Some((DecisionId::read(payload)?, event))
}
