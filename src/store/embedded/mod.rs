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
mod directory;
mod feed;
mod fit;
mod read;
mod resolve;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use super::log::{DiskFiles, EventLog, LogFiles, LogOptions};
use super::{LogEvent, StoreState};
use directory::Directory;
use siphasher::sip::SipHasher24;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::JoinHandle;
use tables::Tables;
use tokio::sync::{mpsc, watch};
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
    /// Size of one segment of the log, in bytes.
    pub segment_bytes_max: u64,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            disk_free_bytes_min: 256 << 20,
            group_changes_max: 1024,
            queue_changes_max: 4096,
            cache_bytes: 256 << 20,
            segment_bytes_max: 256 << 20,
        }
    }
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{0} is in use by another tracegate; stop that one, or give each its own --data-dir")]
    Locked(PathBuf),
    /// Written by a newer gateway.
    #[error("{dir} has format {found}, this gateway knows {known}; use the newer gateway for it")]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Not what a gateway wrote.
    #[error(
        "{dir} is damaged: {what}. Restore it from a backup; do not start with an empty directory in its place"
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] super::log::OpenError),
    /// The tables refused.
    #[error(
        "the tables in {dir} cannot be opened ({what}). They can be derived again: move {dir} away and start"
    )]
    Tables {
        /// The tables' directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// An open embedded store.
pub struct EmbeddedStore {
    dir: PathBuf,
    id: String,
    tables: Tables,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    state: watch::Receiver<StoreState>,
    hasher: SipHasher24,
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
        let directory = Directory::open(dir)?;
        let tables = Tables::open(&dir.join("tables"), options.cache_bytes)?;
        let log = recover(dir, options, &tables, files)?;
        let (hasher, id) = (directory.hasher(), directory.id.clone());
        let (jobs, waiting) = mpsc::channel(options.queue_changes_max);
        let (state_sender, state) = watch::channel(StoreState::Ready);
        let writer = Writer::new(directory, tables.clone(), log, options.clone(), state_sender);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        let (jobs, writer) = (Mutex::new(Some(jobs)), Mutex::new(Some(thread)));
        let (dir, disk_free_bytes_min) = (dir.to_owned(), options.disk_free_bytes_min);
        Ok(Self { dir, id, tables, jobs, writer, state, hasher, disk_free_bytes_min })
    }
}

fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Opens the log behind the tables' watermark and applies what they have not seen.
fn recover(
    dir: &Path,
    options: &EmbeddedOptions,
    tables: &Tables,
    files: Box<dyn LogFiles>,
) -> Result<EventLog, OpenError> {
    let damaged = |what: String| OpenError::Damaged { dir: dir.to_owned(), what };
    let from = tables.watermark().map_err(|e| damaged(e.to_string()))?;
    let log_options = LogOptions { segment_bytes_max: options.segment_bytes_max };
    let (log, replay) = EventLog::open_with(&log_dir(dir), log_options, from, files)?;
    let mut groups = 0_u64;
    for group in replay {
        let group = group?;
        let events: Result<Vec<_>, _> =
            group.payloads().map(|(at, bytes)| LogEvent::decode(bytes).map(|event| (at, event))).collect();
        let events = events.map_err(|e| damaged(format!("log position {}: {e}", group.start)))?;
        tables.apply(&events, group.end).map_err(|e| damaged(e.to_string()))?;
        groups += 1;
    }
    if groups > 0 {
        tracing::info!(groups, "applied what the tables had not seen of the log");
    }
    Ok(log)
}
