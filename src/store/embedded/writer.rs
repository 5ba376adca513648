//! The writer thread: collects, checks, writes one group, syncs once, applies, answers everybody.

use super::EmbeddedOptions;
use super::apply::Logged;
use super::dossiers::told_of;
use super::flush::Flusher;
use super::layer::{Entries, Layer};
use super::pace::Pace;
use super::prepare::{Prepared, Proposed};
use super::resolve::Overlay;
use super::versions::Recent;
use super::view::View;
use crate::clock::Stopwatch;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::registry::RegistryRow;
use crate::store::directory::Directory;
use crate::store::log::{EventLog, FRAME_BYTES_MAX, LogError, free_bytes};
use crate::store::{ClaimFollower, CommitError, EncodedEvent, LoadStatus, LogEvent, StoreError, StoreState};
use crate::telemetry;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

/// A group takes no further change once it holds this many bytes.
const GROUP_BYTES_MAX: u64 = FRAME_BYTES_MAX / 4;
/// How often a full disk is looked at again while nobody asks for anything.
const FULL_LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What waits for the writer.
pub(super) enum Job {
    Commit(Box<Proposed>, oneshot::Sender<Result<(), CommitError>>),
    Purchases(Vec<(PurchaseRecord, Option<String>)>, oneshot::Sender<Result<Vec<LoadStatus>, CommitError>>),
    Rows(Vec<RegistryRow>, Timestamp, oneshot::Sender<Result<(Vec<LoadStatus>, u64), CommitError>>),
    Follow(Arc<dyn ClaimFollower>, oneshot::Sender<Result<u64, CommitError>>),
    /// Everything that was logged goes to the tables, and the log begins another segment.
    EndSegment(oneshot::Sender<Result<(), CommitError>>),
}

/// An answer that is sent once its group is durable and applied, or has failed.
type Answer = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

pub(super) struct Writer {
    directory: Directory,
    view: View,
    flusher: Flusher,
    log: EventLog,
    options: EmbeddedOptions,
    state: watch::Sender<StoreState>,
    follower: Option<Arc<dyn ClaimFollower>>,
    /// The one of the group before, emptied: what it has grown to is about what the next one needs.
    overlay: Overlay,
    pace: Pace,
}

/// What was collected for one sync.
struct Group {
    /// What was in memory before it.
    recent: Recent<Layer>,
    overlay: Overlay,
    events: Vec<Entries>,
    encoded: Vec<EncodedEvent>,
    bytes: u64,
    answers: Vec<Answer>,
    /// Refused already, but told only after the group: whoever reads again must see what stood in the way.
    refused: Vec<(Answer, CommitError)>,
    /// The overlay holds something of a refused change: nothing more may be checked against it.
    spoiled: bool,
}

impl Drop for Writer {
    /// A writer that ends in a panic takes no more changes: whoever watches must be told.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.say(StoreState::Stopped("a fault in the writer".to_owned()));
        }
    }
}

impl Writer {
    pub fn new(
        directory: Directory,
        view: View,
        flusher: Flusher,
        log: EventLog,
        options: EmbeddedOptions,
        state: watch::Sender<StoreState>,
    ) -> Self {
        let pace = Pace::new(options.sync_interval);
        let (follower, overlay) = (None, Overlay::default());
        Self { directory, view, flusher, log, options, state, follower, overlay, pace }
    }

    /// Works until every sender is gone, then closes the tables.
    pub fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        telemetry::store_is(StoreState::Ready.name());
        let mut held_over = None;
        while let Some(first) = held_over.take().or_else(|| self.next(&mut waiting)) {
            let Some(first) = self.followed(first).and_then(|job| self.ended_segment(job)) else { continue };
            if let Some(refusal) = self.refusal() {
                answer_of(first)(Err(refusal.into()));
                continue;
            }
            let (group, next) = self.collect(first, &mut waiting);
            held_over = next;
            self.finish(group);
        }
        if let Err(error) = self.flusher.flush(&self.view).and_then(|()| self.flusher.wait()) {
            tracing::warn!(%error, "the tables were not written at close; they catch up from the log at start");
        }
    }

    /// Takes on a follower, between two groups: all claims before are in the tables. Gives back any other job.
    fn followed(&mut self, job: Job) -> Option<Job> {
        let Job::Follow(follower, reply) = job else { return Some(job) };
        let stopped = match &*self.state.borrow() {
            StoreState::Stopped(why) => Some(StoreError::Stopped(why.clone())),
            StoreState::Ready | StoreState::Full(_) | StoreState::Away(_) => None,
        };
        if stopped.is_none() {
            self.follower = Some(follower);
        }
        send(reply, stopped.map_or(Ok(self.log.durable_end()), |error| Err(error.into())));
        None
    }

    /// Ends the log's segment, between two groups. Gives back any other job.
    fn ended_segment(&mut self, job: Job) -> Option<Job> {
        let Job::EndSegment(reply) = job else { return Some(job) };
        let written = self.flusher.flush(&self.view).and_then(|()| self.flusher.wait());
        let ended = written.map_err(|error| self.stopped_by_tables(&error));
        let ended = ended.and_then(|()| self.log.end_segment().map_err(|error| self.refused_by_log(&error)));
        send(reply, ended);
        None
    }

    /// Waits for the next job. A full disk is looked at meanwhile: a gateway that says "not ready" gets no
    /// requests that could find out that there is space again.
    fn next(&mut self, waiting: &mut mpsc::Receiver<Job>) -> Option<Job> {
        loop {
            let full = matches!(*self.state.borrow(), StoreState::Full(_));
            if !full {
                return waiting.blocking_recv();
            }
            match waiting.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                // signal: a disk tells nobody that it has space again.
                Err(TryRecvError::Empty) => std::thread::sleep(FULL_LOOK_AGAIN),
            }
            self.refusal();
        }
    }

    /// The changes that wait, up to the limits of a group. Registry rows make a group of their own: they read
    /// positions, and must see what was added before them.
    fn collect(&mut self, first: Job, waiting: &mut mpsc::Receiver<Job>) -> (Group, Option<Job>) {
        let mut group = Group::over(Recent::of(self.view.layers()), std::mem::take(&mut self.overlay));
        let alone = matches!(first, Job::Rows(..));
        self.take(&mut group, first);
        if alone {
            return (group, None);
        }
        let mut next = self.take_waiting(&mut group, waiting);
        if next.is_none()
            && group.has_room(&self.options)
            && let Some(rest) = self.pace.rest(group.events.len())
        {
            // signal: nobody tells that nobody else comes.
            std::thread::sleep(rest);
            next = self.take_waiting(&mut group, waiting);
        }
        (group, next)
    }

    /// Takes what waits, up to the limits of a group; gives a job that is for itself.
    fn take_waiting(&self, group: &mut Group, waiting: &mut mpsc::Receiver<Job>) -> Option<Job> {
        while group.has_room(&self.options) {
            match waiting.try_recv() {
                Ok(next @ (Job::Rows(..) | Job::Follow(..) | Job::EndSegment(_))) => return Some(next),
                Ok(job) => self.take(group, job),
                Err(_) => break,
            }
        }
        None
    }

    /// Why nothing can be accepted right now; tells everybody when that changes.
    fn refusal(&mut self) -> Option<StoreError> {
        if let StoreState::Stopped(why) = &*self.state.borrow() {
            return Some(StoreError::Stopped(why.clone()));
        }
        let least = self.options.disk_free_bytes_min;
        match free_bytes(&self.directory.path) {
            Ok(free) if free < least => {
                let why = format!(
                    "the disk is full: {free} bytes are free, {least} are needed; free space in {}",
                    self.directory.path.display()
                );
                self.say(StoreState::Full(why.clone()));
                return Some(StoreError::Full(why));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "free disk space cannot be told"),
        }
        self.say(StoreState::Ready);
        None
    }

    fn say(&self, state: StoreState) {
        let changed = *self.state.borrow() != state;
        if changed {
            match &state {
                StoreState::Ready => tracing::info!("the store takes changes again"),
                StoreState::Full(why) | StoreState::Away(why) => {
                    tracing::error!(%why, "the store takes no changes");
                }
                StoreState::Stopped(why) => {
                    tracing::error!(%why, "the store has stopped; restart the gateway")
                }
            }
            telemetry::store_is(state.name());
            self.state.send_replace(state);
        }
    }

    /// Checks a job and puts it into the group.
    fn take(&self, group: &mut Group, job: Job) {
        match job {
            Job::Commit(proposed, reply) => {
                let Proposed { prepared, checked } = *proposed;
                let answer = Box::new(|result| send(reply, result));
                let stands = (&self.view, &group.recent);
                let resolved = group.overlay.resolve_change(stands, &prepared.event, checked);
                group.add(resolved.map(|()| prepared), answer);
            }
            Job::Purchases(records, reply) => match group.overlay.resolve_purchases(&self.view, records) {
                Ok((event, answers)) => {
                    group.add_event(event, Box::new(|result| send(reply, result.map(|()| answers))));
                }
                Err(e) => group.add(Err(e), Box::new(|result| send(reply, result.map(|()| Vec::new())))),
            },
            Job::Rows(rows, at, reply) => match group.overlay.resolve_rows(&self.view, rows, at) {
                Ok((event, answers, version)) => {
                    group.add_event(
                        event,
                        Box::new(move |result| send(reply, result.map(|()| (answers, version)))),
                    );
                }
                Err(e) => group.add(Err(e), Box::new(|result| send(reply, result.map(|()| (Vec::new(), 0))))),
            },
            // Never part of a group; see `followed` and `ended_segment`.
            Job::Follow(..) | Job::EndSegment(_) => {}
        }
    }

    /// Makes the group durable, applies it, answers everybody.
    fn finish(&mut self, group: Group) {
        self.overlay = group.overlay.emptied();
        let result = if group.events.is_empty() { Ok(()) } else { self.write(group.events, group.encoded) };
        for answer in group.answers {
            answer(result.clone());
        }
        for (answer, refusal) in group.refused {
            answer(Err(refusal));
        }
    }

    fn write(&mut self, events: Vec<Entries>, encoded: Vec<EncodedEvent>) -> Result<(), CommitError> {
        let started = Stopwatch::start();
        let changes = encoded.len();
        self.pace.begins(changes);
        let receipt = self.log.append_group(&encoded).map_err(|error| self.refused_by_log(&error))?;
        if let Some(follower) = &self.follower {
            // Before the tables: nobody can have read what the follower does not know yet.
            let mut claims = events.iter().zip(&encoded).flat_map(|(event, encoded)| {
                event.claims.iter().map(|(key, _)| key).zip(encoded.histories())
            });
            follower.claimed(receipt.end, &mut claims);
        }
        let logged = receipt.positions.into_iter().zip(events).zip(encoded);
        let logged: Vec<_> = logged.map(|((at, event), encoded)| (at, event, encoded)).collect();
        // Where it cannot be seen though it is durable, whatever is decided from here on could be wrong.
        self.view.apply(&logged, receipt.end).map_err(|error| self.stopped_by_tables(&error))?;
        self.tell_dossiers(&logged);
        telemetry::group_written(changes, started.elapsed());
        if self.view.active().weight() >= self.options.memory_bytes_max {
            // This group can be seen; the next one will be told that the tables cannot be written.
            if let Err(error) = self.flusher.flush(&self.view) {
                self.stopped_by_tables(&error);
            }
        } else if let Err(error) = self.flusher.check() {
            self.stopped_by_tables(&error);
        }
        Ok(())
    }

    /// Once they can be read: whoever is told may ask.
    fn tell_dossiers(&self, logged: &[Logged]) {
        let Some(follower) = self.follower.as_ref() else { return };
        if logged.iter().all(|(_, event, _)| event.dossiers.is_empty()) {
            return;
        }
        follower.dossiers_changed(&mut logged.iter().flat_map(|(at, event, _)| told_of(*at, event)));
    }

    fn stopped_by_tables(&self, error: &StoreError) -> CommitError {
        let why = format!("the tables: {error}");
        self.say(StoreState::Stopped(why.clone()));
        CommitError::Unknown(why)
    }

    fn refused_by_log(&self, error: &LogError) -> CommitError {
        let why = error.to_string();
        if error.poisons() {
            self.say(StoreState::Stopped(why.clone()));
            return CommitError::Unknown(why);
        }
        if error.retryable() {
            self.say(StoreState::Full(why.clone()));
            return StoreError::Full(why).into();
        }
        StoreError::Unreadable(why).into()
    }
}

impl Group {
    fn over(recent: Recent<Layer>, overlay: Overlay) -> Self {
        Self {
            recent,
            overlay,
            events: Vec::new(),
            encoded: Vec::new(),
            bytes: 0,
            answers: Vec::new(),
            refused: Vec::new(),
            spoiled: false,
        }
    }

    fn has_room(&self, options: &EmbeddedOptions) -> bool {
        !self.spoiled && self.events.len() < options.group_changes_max && self.bytes < GROUP_BYTES_MAX
    }

    fn add_event(&mut self, event: LogEvent, answer: Answer) {
        self.add(Prepared::of_event(event).map_err(CommitError::from), answer);
    }

    fn add(&mut self, resolved: Result<Prepared, CommitError>, answer: Answer) {
        match resolved {
            Ok(prepared) if prepared.event.is_empty() => self.answers.push(answer),
            Ok(Prepared { event, encoded }) => {
                self.bytes += encoded.bytes.len() as u64;
                self.events.push(event);
                self.encoded.push(encoded);
                self.answers.push(answer);
            }
            Err(refusal) => {
                self.spoiled |= refusal != CommitError::Conflict;
                self.refused.push((answer, refusal));
            }
        }
    }
}

/// Nobody waits any more where the receiver is gone; the change stands all the same.
fn send<T>(reply: oneshot::Sender<T>, result: T) {
    drop(reply.send(result));
}

fn answer_of(job: Job) -> Answer {
    match job {
        Job::Commit(_, reply) | Job::EndSegment(reply) => Box::new(|result| send(reply, result)),
        Job::Purchases(_, reply) => Box::new(|result| send(reply, result.map(|()| Vec::new()))),
        Job::Rows(_, _, reply) => Box::new(|result| send(reply, result.map(|()| (Vec::new(), 0)))),
        Job::Follow(_, reply) => Box::new(|result| send(reply, result.map(|()| 0))),
    }
}
