//! The embedded store: one data directory, no server.
//!
//! ```text
//! DIR/tracegate.toml   format version, the directory's id and its secret; locked while in use
//! DIR/log/             the durable event log: what was acknowledged
//! DIR/tables/          claims, outcomes, purchases, registry; derived from the log, with a watermark
//! ```
//!
//! One writer thread owns log and tables: it collects what is waiting, checks each change against what stands,
//! writes one group, syncs once, applies it to the tables and answers everybody. Readers read the tables.
//! Tables may lag behind the log after a crash (they catch up at start) and may be deleted (they are derived
//! again); the log may not.

mod apply;
mod dossiers;
mod export;
mod feed;
mod fingerprints;
mod flush;
mod forget;
mod import;
mod layer;
mod layers;
mod pace;
mod prepare;
mod read;
mod resolve;
mod tables;
mod tallies;
#[cfg(test)]
mod tests;
mod versions;
mod view;
mod writer;

use super::directory::Directory;
pub use super::directory::OpenError;
use super::event::EventError;
use super::log::{DiskFiles, EventLog, LogFiles, LogOptions};
use super::{LogEvent, StoreState};
use apply::Logged;
use flush::Flusher;
use siphasher::sip::SipHasher24;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;
use tables::Tables;
use tokio::sync::{mpsc, watch};
use view::View;
use writer::{Job, Writer};

/// Settings of an embedded store; see the configuration file for what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Least free disk, in bytes, with which changes are still accepted.
    pub disk_free_bytes_min: u64,
    /// Most changes in one group.
    pub group_changes_max: usize,
    /// Most changes that wait for the writer.
    pub queue_changes_max: usize,
    /// Cache of the tables, in bytes.
    pub cache_bytes: u64,
    /// What was logged last is kept in memory up to this size, in bytes, and then written to the tables in one run.
    pub memory_bytes_max: u64,
    /// Size of one segment of the log, in bytes.
    pub segment_bytes_max: u64,
    /// Least time between the beginnings of two syncs, while several changes come at a time; see `pace`.
    pub sync_interval: Duration,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            disk_free_bytes_min: 256 << 20,
            group_changes_max: 1024,
            queue_changes_max: 4096,
            cache_bytes: 256 << 20,
            memory_bytes_max: 128 << 20,
            segment_bytes_max: 256 << 20,
            sync_interval: pace::SYNC_INTERVAL,
        }
    }
}

/// An open embedded store.
pub struct EmbeddedStore {
    dir: PathBuf,
    id: String,
    view: View,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    state: watch::Receiver<StoreState>,
    hasher: SipHasher24,
    secret: [u8; 16],
    disk_free_bytes_min: u64,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens a data directory, or makes a new one where nothing stands. Applies what the tables have not seen.
    pub fn open(dir: &Path, options: &EmbeddedOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, Box::new(DiskFiles))
    }

    /// As [`open`](Self::open), writing the log through `files`.
    pub fn open_with(
        dir: &Path,
        options: &EmbeddedOptions,
        files: Box<dyn LogFiles>,
    ) -> Result<Self, OpenError> {
        Self::open_in(Directory::open(dir)?, options, files, false)
    }

    /// As [`open`](Self::open), for a store whose [`rows`](crate::store::moving::Movable::rows) will be read: everything
    /// is in the tables.
    pub fn open_to_read(dir: &Path, options: &EmbeddedOptions) -> Result<Self, OpenError> {
        Self::open_in(Directory::open(dir)?, options, Box::new(DiskFiles), true)
    }

    /// As [`open_to_read`](Self::open_to_read), for a directory into which a store with that secret is being moved.
    pub fn open_to_fill(dir: &Path, options: &EmbeddedOptions, secret: [u8; 16]) -> Result<Self, OpenError> {
        let directory = Directory::open_to_fill(dir, Some(secret))?;
        Self::open_in(directory, options, Box::new(DiskFiles), true)
    }

    fn open_in(
        directory: Directory,
        options: &EmbeddedOptions,
        files: Box<dyn LogFiles>,
        flushed: bool,
    ) -> Result<Self, OpenError> {
        let path = directory.path.clone();
        let dir = path.as_path();
        let tables = Tables::open(&dir.join("tables"), options.cache_bytes)?;
        let io = |source| OpenError::Io { path: dir.to_owned(), source };
        let end = tables.watermark().map_err(|e| damaged(dir, e.to_string()))?;
        let view = View::new(tables, &log_dir(dir), end);
        let mut flusher = Flusher::start(view.clone()).map_err(io)?;
        let log = recover(dir, options, &view, &mut flusher, files)?;
        if flushed {
            flusher.wait().map_err(|e| damaged(dir, e.to_string()))?;
        }
        let (hasher, secret, id) = (directory.hasher(), directory.secret(), directory.id.clone());
        let (jobs, waiting) = mpsc::channel(options.queue_changes_max);
        let (state_sender, state) = watch::channel(StoreState::Ready);
        let writer = Writer::new(directory, view.clone(), flusher, log, options.clone(), state_sender);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(io)?;
        let (jobs, writer) = (Mutex::new(Some(jobs)), Mutex::new(Some(thread)));
        let disk_free_bytes_min = options.disk_free_bytes_min;
        Ok(Self { dir: path, id, view, jobs, writer, state, hasher, secret, disk_free_bytes_min })
    }
}

fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

fn damaged(dir: &Path, what: String) -> OpenError {
    OpenError::Damaged { dir: dir.to_owned(), what }
}

/// Opens the log behind the tables' watermark and applies what they have not seen.
fn recover(
    dir: &Path,
    options: &EmbeddedOptions,
    view: &View,
    flusher: &mut Flusher,
    files: Box<dyn LogFiles>,
) -> Result<EventLog, OpenError> {
    let log_options = LogOptions { segment_bytes_max: options.segment_bytes_max, ..LogOptions::default() };
    let (log, replay) = EventLog::open_with(&log_dir(dir), log_options, view.end(), files)?;
    let mut groups = 0_u64;
    for group in replay {
        let group = group?;
        let wrong = |what: String| damaged(dir, format!("log position {}: {what}", group.start));
        let logged: Result<Vec<_>, _> = group.payloads().map(|(at, bytes)| read_event(at, bytes)).collect();
        let logged = logged.map_err(|e| wrong(e.to_string()))?;
        view.apply(&logged, group.end).map_err(|e| wrong(e.to_string()))?;
        groups += 1;
        if view.active().weight() >= options.memory_bytes_max {
            flusher.flush(view).map_err(|e| damaged(dir, e.to_string()))?;
        }
    }
    if groups > 0 {
        // Beside the first requests: a gateway that crashes again and again must not read more each time.
        flusher.flush(view).map_err(|e| damaged(dir, e.to_string()))?;
        tracing::info!(groups, "applied what the tables had not seen of the log");
    }
    Ok(log)
}

fn read_event(at: u64, bytes: &[u8]) -> Result<Logged, EventError> {
    let (event, encoded) = LogEvent::read(bytes)?;
    Ok((at, event.entries(), encoded))
}
