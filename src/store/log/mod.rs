//! The durable event log under every store: append-only segment files of checked frames.
//!
//! It stores opaque payloads in groups and must not know the trade. A *group* is the unit of durability: it is
//! one frame, written at once and synced before the append returns, so that an acknowledged group survives a
//! kill and a power loss. A *position* (u64) names a place in the log; it counts bytes over all segments, which
//! are named by the position of their first byte.
//!
//! What failure does:
//! - a write that fails (disk full) is taken back; nothing of the group remains and the log stays usable;
//! - a sync that fails poisons the log for good: the system may have dropped the pages and call a second sync
//!   a success, so nothing after it can be believed until the files were read again;
//! - on opening, an interrupted last group is cut off with a warning; everything else that is not as it was
//!   written is refused, because it means that acknowledged events are gone.
//!
//! What cannot be told apart: a bad *last* frame may also be an acknowledged group that rotted on the disk. The
//! caller's own watermark closes that gap: [`EventLog::open`] refuses where the log ends before it.
//!
//! Reading order: `frame` (bytes of a group), `segment` (files), `scan` (frames of a file), `read` (the whole
//! log), `place` (single places), `rewrite` (what is to be forgotten), `open` (recovery), `file` (the seam to the disk). All
//! calls block; a writer thread owns the log.

mod error;
mod file;
mod frame;
mod open;
mod place;
mod read;
mod rewrite;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

pub use error::{LogError, OpenError};
pub use file::{DiskFiles, LogFile, LogFiles, free_bytes};
pub use frame::{FRAME_BYTES_MAX, Group, PAYLOAD_LENGTH_BYTES};
pub use open::{OpenReport, Replay};
pub use place::PlaceReader;
pub use read::{LogReader, read_from};
pub use rewrite::{remove_segment, rewrite_segment, segment_groups};
pub use segment::starts as segment_starts;

use std::fs::File;
use std::path::{Path, PathBuf};

/// The frame buffer keeps at most this much between groups, in bytes.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment takes no further group that would make it longer than this. One group always fits.
    pub segment_bytes_max: u64,
    /// So many zeros are put behind the groups at a time, for the next ones: a sync then finds the file as long as it
    /// was, and is done in half the time. 0 = none.
    pub room_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes_max: 256 << 20, room_bytes: 256 << 10 }
    }
}

/// Proof that a group is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReceipt {
    /// The position of the group's first byte.
    pub start: u64,
    /// The position after its last byte: the watermark of whoever has applied it.
    pub end: u64,
    /// Its number; groups are numbered from 1 without gaps.
    pub sequence: u64,
    /// The position of each payload, rising; [`Group::payloads`] gives the same.
    pub positions: Vec<u64>,
}

/// A log open for appending; one per directory.
pub struct EventLog {
    dir: PathBuf,
    options: LogOptions,
    files: Box<dyn LogFiles>,
    file: Box<dyn LogFile>,
    segment_start: u64,
    end: u64,
    /// The position up to which the segment's file may have zeros behind `end`.
    room_end: u64,
    next_sequence: u64,
    poisoned: bool,
    buffer: Vec<u8>,
    /// Held for as long as the log is open; the system releases it, also after a kill.
    _lock: File,
}

impl EventLog {
    /// Opens the log in `dir`, which is made where it is missing.
    ///
    /// `from` is the end of the last group that was already applied elsewhere (0 = none). Every group after it is
    /// checked now, so that damage is refused before anything is applied, and given by the returned [`Replay`].
    /// Segments that lie wholly before `from` are checked by name, header and length only.
    pub fn open(dir: &Path, options: LogOptions, from: u64) -> Result<(Self, Replay), OpenError> {
        Self::open_with(dir, options, from, Box::new(DiskFiles))
    }

    /// As [`open`](Self::open), changing files through `files`; reading goes to the disk directly.
    pub fn open_with(
        dir: &Path,
        options: LogOptions,
        from: u64,
        files: Box<dyn LogFiles>,
    ) -> Result<(Self, Replay), OpenError> {
        file::make_dir(dir, files.as_ref())?;
        let lock = file::lock(dir)?;
        let (tail, replay) = open::recover(dir, from, files.as_ref())?;
        let log = Self {
            dir: dir.to_owned(),
            options,
            files,
            file: tail.file,
            segment_start: tail.segment_start,
            end: tail.end,
            room_end: tail.end,
            next_sequence: tail.next_sequence,
            poisoned: false,
            buffer: Vec::new(),
            _lock: lock,
        };
        Ok((log, replay))
    }

    /// The position after the last acknowledged group.
    pub const fn durable_end(&self) -> u64 {
        self.end
    }

    /// Whether every append is refused until the log is opened again.
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Appends one group and returns once it is on disk: one write, one sync.
    ///
    /// After an error the group is not in the log, except after [`LogError::SyncFailed`]: then it is in doubt, and
    /// opening the log again tells. [`LogError::retryable`] says whether trying again makes sense.
    pub fn append_group(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<GroupReceipt, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let appended = self.try_append(payloads);
        if let Err(error) = &appended
            && error.poisons()
        {
            self.poisoned = true;
            tracing::error!(dir = %self.dir.display(), %error, "the event log takes no more groups");
        }
        appended
    }

    /// Ends the segment that takes groups now, where it has any: the next group begins another one.
    pub fn end_segment(&mut self) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let rolled = self.roll_for(u64::MAX);
        self.poisoned |= rolled.as_ref().is_err_and(LogError::poisons);
        rolled
    }

    fn try_append(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<GroupReceipt, LogError> {
        let bytes = frame::frame_bytes(payloads)?;
        self.roll_for(bytes)?;
        let durable_before = if self.segment_is_empty() { self.segment_start } else { self.end };
        frame::encode(&mut self.buffer, self.next_sequence, durable_before, payloads);
        self.write_buffer()?;
        self.make_room(self.end + bytes);
        self.file.sync_data().map_err(LogError::SyncFailed)?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        let (start, sequence) = (self.end, self.next_sequence);
        self.end += bytes;
        self.next_sequence = self.next_sequence.saturating_add(1);
        Ok(GroupReceipt { start, end: self.end, sequence, positions: frame::positions(start, payloads) })
    }

    /// Begins a new segment where the current one holds groups and has no room for `bytes` more.
    fn roll_for(&mut self, bytes: u64) -> Result<(), LogError> {
        let used = self.end - self.segment_start;
        if self.segment_is_empty() || used.saturating_add(bytes) <= self.options.segment_bytes_max {
            return Ok(());
        }
        self.cut_room()?;
        self.file = segment::create(self.files.as_ref(), &self.dir, self.end, self.next_sequence)?;
        self.segment_start = self.end;
        self.end += segment::SEGMENT_HEADER_BYTES;
        self.room_end = self.end;
        Ok(())
    }

    fn segment_is_empty(&self) -> bool {
        self.end == self.segment_start + segment::SEGMENT_HEADER_BYTES
    }

    /// Makes room behind `end`, up to which the file is written, where it has none any more. It is synced with the group;
    /// where there is no space for it, the log goes on without.
    fn make_room(&mut self, end: u64) {
        let most = (self.segment_start + self.options.segment_bytes_max).saturating_sub(end);
        let bytes = self.options.room_bytes.min(most);
        if bytes == 0 || end <= self.room_end {
            return;
        }
        // Also where there is no space for all of it: the file may be longer all the same.
        self.room_end = end + bytes;
        if let Err(error) = self.file.make_room(bytes) {
            tracing::debug!(%error, "the event log goes on with less room ahead");
        }
    }

    /// Cuts the segment to what it holds: another one begins where it ends, on the disk too.
    fn cut_room(&mut self) -> Result<(), LogError> {
        if self.room_end <= self.end {
            return Ok(());
        }
        self.file.set_len(self.end - self.segment_start).map_err(LogError::from_write)?;
        self.room_end = self.end;
        self.file.sync_data().map_err(LogError::SyncFailed)
    }

    /// Writes the frame, or leaves the file as it was.
    fn write_buffer(&mut self) -> Result<(), LogError> {
        let Err(write) = self.file.write_all(&self.buffer) else {
            return Ok(());
        };
        self.room_end = self.end;
        match self.file.set_len(self.end - self.segment_start) {
            Ok(()) => Err(LogError::from_write(write)),
            Err(rollback) => Err(LogError::RollbackFailed { write, rollback }),
        }
    }
}

impl Drop for EventLog {
    /// A log that is closed is as long as what it holds. After a fault its files are left as they are.
    fn drop(&mut self) {
        if self.poisoned || std::thread::panicking() || self.room_end <= self.end {
            return;
        }
        if let Err(error) = self.file.set_len(self.end - self.segment_start) {
            tracing::debug!(%error, "the event log keeps the room ahead of it; the next start cuts it");
        }
    }
}
