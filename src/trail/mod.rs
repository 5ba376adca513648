//! The audit trail: what people did to rules, registry, keys and cases, and what they looked at, as entries chained by
//! hash. It keeps what it is told and must not know the trade.
//!
//! An entry is a line of JSON in a file of its month, `2026-06.jsonl`, so that any text tool reads it. Each holds the
//! hash of the one before; `head` beside them says how far they go, so that an end that was cut off is noticed too.
//! [`Trail::append`] answers once the entry is on the disk, and whoever gets an error must not do what it announced: a
//! change without an entry must not happen. An entry without a change may: it was written first.
//!
//! What the chain cannot show by itself: whoever can write the disk can write all of it anew. Only a head that was kept
//! elsewhere tells ([`verify()`]).
//!
//! Reading order: `act`, `entry` (one line and its hash), `files` (months, head, lines), `chain` and `fault` (what a
//! whole trail is), `verify` (all of it), `open` (its newest month, at a start), `writer`.

mod act;
mod chain;
mod entry;
mod fault;
mod files;
mod open;
mod purge;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use act::Act;
pub use entry::{BEGIN_CONTEXT, DETAIL_BYTES_MAX, Entry, Fact, HASH_CONTEXT, Hash, TEXT_CHARS_MAX};
pub use fault::{Fault, FaultKind};
pub use files::{Head, TRAIL_DIR};
pub use open::OpenError;
pub use verify::{Entries, ReadError, Report, entries, verify};

use crate::store::log::LogFiles;
use files::PrivateFiles;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use writer::Writer;

/// Entries that share one sync, at most.
const GROUP_MAX: usize = 256;
/// Entries that wait for the writer, at most; beyond, whoever brings one waits.
const WAITING_MAX: usize = 1024;

/// Why an entry is not on the disk. What it announced must not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// The disk does not take it; nothing of it remains, and a later one may be taken.
    #[error(
        "the audit trail cannot be written, and nothing is changed without an entry; free the disk and try again: {0}"
    )]
    Full(String),
    /// Nothing is taken until a restart.
    #[error(
        "the audit trail has stopped, and nothing is changed without an entry; check the disk and restart: {0}"
    )]
    Stopped(String),
    /// It is no entry.
    #[error("this is no entry for the audit trail: {0}")]
    Unfit(String),
}

/// How a trail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailState {
    /// It takes entries.
    Ready,
    /// It takes entries, behind damage that was found at the start.
    Damaged(String),
    /// It takes no entries until a restart.
    Stopped(String),
}

impl TrailState {
    /// Its name, as metrics have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Damaged(_) => "damaged",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// A fact with whoever waits for it to be on the disk.
type Waiting = (Fact, oneshot::Sender<Result<Head, TrailError>>);

/// A trail that takes entries; its copies are the same trail.
#[derive(Debug, Clone)]
pub struct Trail(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    /// `None` = nowhere.
    waiting: Mutex<Option<mpsc::Sender<Waiting>>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    state: watch::Receiver<TrailState>,
    is_nowhere: bool,
    /// Where it lies; `None` where nothing is kept or it could not be opened.
    dir: Option<PathBuf>,
    entries: AtomicU64,
}

impl Kept {
    fn without_writer(state: TrailState) -> Self {
        Self {
            waiting: Mutex::new(None),
            writing: Mutex::new(None),
            state: watch::channel(state).1,
            is_nowhere: false,
            dir: None,
            entries: AtomicU64::new(0),
        }
    }

    /// Why nothing is taken.
    fn closed(&self) -> TrailError {
        TrailError::Stopped(match &*self.state.borrow() {
            TrailState::Stopped(why) => why.clone(),
            TrailState::Ready | TrailState::Damaged(_) => "it is closed".to_owned(),
        })
    }
}

impl Trail {
    /// Opens the trail in a directory, which is made where it is missing; its first entry, where it needs one, has the
    /// moment that is given. Only the newest month is looked at.
    pub async fn open(dir: &Path, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_with(dir, now, Box::new(PrivateFiles)).await
    }

    /// As [`open`](Self::open), changing files through `files`.
    pub async fn open_with(dir: &Path, now: Timestamp, files: Box<dyn LogFiles>) -> Result<Self, OpenError> {
        let path = dir.to_owned();
        let opened = spawn_blocking(move || open::open(&path, now, files)).await;
        let (writer, damage) = opened.map_err(|error| OpenError::Io {
            path: dir.to_owned(),
            source: std::io::Error::other(error),
        })??;
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let (told, state) = watch::channel(damage.map_or(TrailState::Ready, TrailState::Damaged));
        let writing = tokio::spawn(write_all(writer, waiting, told));
        Ok(Self(Arc::new(Kept {
            waiting: Mutex::new(Some(sender)),
            writing: Mutex::new(Some(writing)),
            state,
            dir: Some(dir.to_owned()),
            ..Kept::without_writer(TrailState::Ready)
        })))
    }

    /// A trail that keeps nothing, for engines that are measured or tested; never for a gateway.
    pub fn nowhere() -> Self {
        Self(Arc::new(Kept { is_nowhere: true, ..Kept::without_writer(TrailState::Ready) }))
    }

    /// A trail that could not be opened: every entry is refused, and what it announces with it. Counters go on.
    pub fn refusing(why: &OpenError) -> Self {
        Self(Arc::new(Kept::without_writer(TrailState::Stopped(why.to_string()))))
    }

    /// Writes a fact down. `Ok` = it is on the disk; it is that entry. After an error it is not, except after
    /// [`TrailError::Stopped`]: then nobody knows. Whoever calls must let it run to its end.
    pub async fn append(&self, fact: Fact) -> Result<Head, TrailError> {
        let bytes = serde_json::to_vec(&fact.detail).map_or(usize::MAX, |detail| detail.len());
        if bytes > DETAIL_BYTES_MAX {
            return Err(TrailError::Unfit(format!(
                "its detail has {bytes} bytes, at most {DETAIL_BYTES_MAX} are kept"
            )));
        }
        if self.0.is_nowhere {
            let number = self.0.entries.fetch_add(1, Ordering::Relaxed) + 1;
            return Ok(Head { number, hash: entry::hash_before("nowhere") });
        }
        let closed = || self.0.closed();
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, written) = oneshot::channel();
        waiting.ok_or_else(closed)?.send((fact, reply)).await.map_err(|_| closed())?;
        let written = written.await.map_err(|_| TrailError::Stopped("its writer ended".to_owned()))?;
        self.0.entries.fetch_add(u64::from(written.is_ok()), Ordering::Relaxed);
        written
    }

    /// How it is.
    pub fn state(&self) -> watch::Receiver<TrailState> {
        self.0.state.clone()
    }

    /// Every entry that can be believed by itself, in their order; `None` where it keeps nothing that can be read.
    pub fn read(&self) -> Option<Result<Entries, ReadError>> {
        self.0.dir.as_deref().map(entries)
    }

    /// Entries that were asked for and are on the disk, since it was opened.
    pub fn entries(&self) -> u64 {
        self.0.entries.load(Ordering::Relaxed)
    }

    /// Takes no more; gives once what waits is written.
    pub async fn close(&self) {
        drop(self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = match writing {
            Some(writing) => Some(writing.await),
            None => None,
        } {
            tracing::error!(%error, "the writer of the audit trail ended in a panic");
        }
    }
}

/// Owns the trail; whatever waits shares one sync.
async fn write_all(
    mut writer: Writer,
    mut waiting: mpsc::Receiver<Waiting>,
    told: watch::Sender<TrailState>,
) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let (facts, replies): (Vec<Fact>, Vec<_>) = group.drain(..).unzip();
        let appended = spawn_blocking(move || {
            let answers = writer.append(&facts);
            (writer, answers)
        });
        let Ok((back, answers)) = appended.await else {
            told.send_replace(TrailState::Stopped("a fault in its writer".to_owned()));
            return;
        };
        if let Some(why) = back.stopped() {
            told.send_replace(TrailState::Stopped(why.to_owned()));
        }
        let wrote = answers.iter().any(Result::is_ok);
        for (reply, answer) in replies.into_iter().zip(answers) {
            drop(reply.send(answer));
        }
        let noted = spawn_blocking(move || {
            let mut writer = back;
            if wrote {
                writer.note_head();
            }
            writer
        });
        let Ok(back) = noted.await else {
            told.send_replace(TrailState::Stopped("a fault in its writer".to_owned()));
            return;
        };
        writer = back;
    }
}
