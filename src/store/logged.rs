//! What a log holds of a span of time: requests and codes, for audits. Entries know no time of their own; their outcomes
//! do, and what has none happened between those that have.

use super::log::{self, OpenError};
use super::{LogEvent, LoggedBatch, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::{self, Sender};

/// Entries of a batch.
const BATCH_ENTRIES: usize = 500;
/// Batches that wait for their reader.
const BATCHES_WAITING_MAX: usize = 2;
/// Outcomes are logged in the order of their decisions but for those that were under way together; none is for longer.
const SLACK: SignedDuration = SignedDuration::from_mins(10);

/// Reads an entry of a log.
pub(super) type ReadEntry = fn(&[u8]) -> Result<LogEvent, StoreError>;

/// Batches of what was logged; nothing follows an error.
pub type Logged = mpsc::Receiver<Result<LoggedBatch, StoreError>>;

/// Which part of which log is read.
pub(super) struct Span {
    pub dir: PathBuf,
    /// The log's durable end.
    pub end: u64,
    pub read: ReadEntry,
    /// Decided at or after this moment, and before that one.
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    /// Reads it in a thread of its own.
    pub fn read(self) -> Logged {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = self.read_into(&sender) {
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }

    fn read_into(&self, sender: &Sender<Result<LoggedBatch, StoreError>>) -> Result<(), StoreError> {
        let begin = self.first_segment()?;
        let (mut batch, mut entries, mut now) = (LoggedBatch::default(), 0, None);
        let past = self.to.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
        for group in groups(&self.dir, begin, self.end)? {
            for (_, payload) in group?.payloads() {
                let event = (self.read)(payload)?;
                now = moment_of(&event).or(now);
                if now.is_some_and(|now| past < now) {
                    drop(sender.blocking_send(Ok(batch)));
                    return Ok(());
                }
                if now.is_some_and(|now| self.from <= now && now < self.to) {
                    take(&mut batch, event);
                    entries += 1;
                }
                if entries == BATCH_ENTRIES {
                    entries = 0;
                    if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        drop(sender.blocking_send(Ok(batch)));
        Ok(())
    }

    /// Where the last segment begins whose first outcome lies before the span.
    fn first_segment(&self) -> Result<u64, StoreError> {
        let starts = log::segment_starts(&self.dir).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        let least = self.from.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
        for start in starts.iter().rev() {
            if self.first_moment(*start)?.is_some_and(|first| first < least) {
                return Ok(*start);
            }
        }
        Ok(starts.first().copied().unwrap_or(0))
    }

    fn first_moment(&self, from: u64) -> Result<Option<Timestamp>, StoreError> {
        for group in groups(&self.dir, from, self.end)? {
            for (_, payload) in group?.payloads() {
                if let Some(moment) = moment_of(&(self.read)(payload)?) {
                    return Ok(Some(moment));
                }
            }
        }
        Ok(None)
    }
}

fn groups(
    dir: &Path,
    from: u64,
    end: u64,
) -> Result<impl Iterator<Item = Result<log::Group, StoreError>>, StoreError> {
    let damaged = |error: OpenError| StoreError::Unreadable(error.to_string());
    let groups = if from < end { Some(log::read_from(dir, from).map_err(damaged)?.until(end)) } else { None };
    let within =
        move |group: &Result<log::Group, OpenError>| group.as_ref().map_or(true, |group| group.end <= end);
    Ok(groups.into_iter().flatten().take_while(within).map(move |group| group.map_err(damaged)))
}

fn moment_of(event: &LogEvent) -> Option<Timestamp> {
    event.outcomes.iter().filter_map(|(_, outcome)| Some(outcome.answer.as_ref()?.decided_at)).max()
}

fn take(batch: &mut LoggedBatch, event: LogEvent) {
    batch.codes.extend(event.claims.into_iter().map(|(key, _)| key));
    batch.codes.extend(event.dossiers.into_iter().map(|row| row.key));
    batch.requests.extend(event.outcomes.into_iter().map(|(key, _)| key));
}
