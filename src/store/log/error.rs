//! The log's errors: why an append failed, and why a log cannot be opened or read.
//! They speak of files and positions only; what the events mean is not known here.

use std::io;
use std::path::{Path, PathBuf};

/// Why a group was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk or quota is full. Nothing of the group remains; the log stays usable.
    #[error("the event log's disk is full, nothing was recorded; free space and try again: {0}")]
    Full(#[source] io::Error),
    /// Writing failed for another reason. Nothing of the group remains; the log stays usable.
    #[error("the event log cannot be written, nothing was recorded; check the disk and try again: {0}")]
    Write(#[source] io::Error),
    /// The group is larger than a frame may be. Nothing was written.
    #[error("a group of {bytes} bytes is over the log's limit of {limit_bytes} bytes; send smaller groups")]
    TooLarge {
        /// What the frame would have taken, in bytes.
        bytes: u64,
        /// The largest frame, in bytes.
        limit_bytes: u64,
    },
    /// The sync failed: whether the group is on disk is *unknown* until the log was opened again.
    /// The log is poisoned.
    #[error("the event log could not be synced, its last group is in doubt; check the disk and restart: {0}")]
    SyncFailed(#[source] io::Error),
    /// A write failed and its remains could not be taken back. The group is not recorded (its frame is
    /// incomplete); the log is poisoned.
    #[error(
        "the event log could not be written ({write}) nor rolled back ({rollback}); check the disk and restart"
    )]
    RollbackFailed {
        /// Why the write failed.
        write: io::Error,
        /// Why its remains could not be removed.
        rollback: io::Error,
    },
    /// An earlier sync or rollback failed. Nothing was written.
    #[error("the event log stopped after an earlier disk failure; check the disk and restart")]
    Poisoned,
}

impl LogError {
    /// Sorts the error of a write that was rolled back.
    pub(super) fn from_write(source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full(source)
        } else {
            Self::Write(source)
        }
    }

    /// Whether the same append may succeed later on the same open log.
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Full(_) | Self::Write(_) => true,
            Self::TooLarge { .. } | Self::SyncFailed(_) | Self::RollbackFailed { .. } | Self::Poisoned => {
                false
            }
        }
    }

    /// Whether the log refuses every append from here on until it is opened again.
    pub const fn poisons(&self) -> bool {
        match self {
            Self::SyncFailed(_) | Self::RollbackFailed { .. } | Self::Poisoned => true,
            Self::Full(_) | Self::Write(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// Why a log cannot be opened or read on. The log's files are left as they were found.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Acknowledged events are missing or changed.
    #[error(
        "the event log is damaged: {} at byte {offset}: {what}. Nothing was changed. \
         Restore the log directory from a backup; or move it aside, together with the stores \
         that were built from it, to start empty",
        file.display()
    )]
    Damaged {
        /// The segment file, or the directory where a whole file is missing.
        file: PathBuf,
        /// Where in that file, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The log was written by a newer program.
    #[error(
        "{} has log format {found}, this program knows up to {known}: run the newer program again",
        file.display()
    )]
    Newer {
        /// The segment file.
        file: PathBuf,
        /// The format version that it states.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// Another open log, in this process or another one, writes to the directory.
    #[error("the event log {} is in use by another process: stop that one first", dir.display())]
    Locked {
        /// The log directory.
        dir: PathBuf,
    },
    /// The first segment of an empty log could not be made.
    #[error("the event log cannot be started: {0}")]
    NotCreated(#[from] LogError),
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}; check the disk and the directory's permissions", file.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

impl OpenError {
    /// Damage in `file` at `offset` bytes.
    pub(super) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), offset, what: what.into() }
    }

    /// Adds what was tried to an error of the operating system.
    pub(super) fn io(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, file: file.to_owned(), source }
    }
}
