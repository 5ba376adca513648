//! The one who writes: many entries, one write, one sync.
//!
//! A write that fails is taken back, and nothing of its entries remains. A sync that fails is never tried again: nobody
//! knows what is on the disk until it was read again at a start. Both refuse whoever wanted the entries.

use super::TrailError;
use super::entry::{Entry, Fact};
use super::files::{Head, Month, write_head};
use crate::store::log::{LogFile, LogFiles};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The buffer keeps at most this much between groups, in bytes.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

/// A trail open for writing.
pub(super) struct Writer {
    dir: PathBuf,
    files: Box<dyn LogFiles>,
    file: Box<dyn LogFile>,
    month: Month,
    /// The length of its file.
    bytes: u64,
    last: Head,
    /// Why nothing is written any more.
    stopped: Option<String>,
    buffer: Vec<u8>,
    /// Held for as long as the trail is open.
    _lock: File,
}

impl Writer {
    /// A writer behind an entry, at the end of a month's file, which has so many bytes.
    pub fn new(
        dir: &Path,
        files: Box<dyn LogFiles>,
        file: Box<dyn LogFile>,
        lock: File,
        (month, bytes): (Month, u64),
        last: Head,
    ) -> Self {
        let dir = dir.to_owned();
        Self { dir, files, file, month, bytes, last, stopped: None, buffer: Vec::new(), _lock: lock }
    }

    /// Why nothing is written any more.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Writes facts down, in order; an answer for each, once it is on the disk. Blocks.
    pub fn append(&mut self, facts: &[Fact]) -> Vec<Result<Head, TrailError>> {
        let mut answers = Vec::with_capacity(facts.len());
        let mut rest = facts;
        while let Some(first) = rest.first() {
            let month = self.month.max(Month::of(first.at));
            // What belongs into a later file begins a write of its own.
            let count = rest.iter().take_while(|fact| Month::of(fact.at) <= month).count();
            let (group, later) = rest.split_at(count);
            match self.write_group(month, group) {
                Ok(heads) => answers.extend(heads.into_iter().map(Ok)),
                Err(error) => answers.extend(group.iter().map(|_| Err(error.clone()))),
            }
            rest = later;
        }
        answers
    }

    fn write_group(&mut self, month: Month, group: &[Fact]) -> Result<Vec<Head>, TrailError> {
        if let Some(why) = &self.stopped {
            return Err(TrailError::Stopped(why.clone()));
        }
        if month > self.month {
            self.roll(month)?;
        }
        self.buffer.clear();
        let mut heads = Vec::with_capacity(group.len());
        let mut last = self.last.clone();
        for fact in group {
            let number = last.number.saturating_add(1);
            let entry = Entry::of(fact, number, &last.hash);
            let hash = entry.write(&mut self.buffer).map_err(|error| TrailError::Unfit(error.to_string()))?;
            last = Head { number, hash };
            heads.push(last.clone());
        }
        self.write_buffer()?;
        self.file.sync_data().map_err(|error| self.stop("synced", &error))?;
        self.bytes += self.buffer.len() as u64;
        self.last = last;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        Ok(heads)
    }

    /// Writes the lines, or leaves the file as it was.
    fn write_buffer(&mut self) -> Result<(), TrailError> {
        let Err(error) = self.file.write_all(&self.buffer) else { return Ok(()) };
        match self.file.set_len(self.bytes) {
            Ok(()) => Err(TrailError::Full(error.to_string())),
            Err(_) => Err(self.stop("written, nor what was written taken back", &error)),
        }
    }

    /// Begins the file of a month.
    fn roll(&mut self, month: Month) -> Result<(), TrailError> {
        let path = month.file(&self.dir);
        let file = match self.files.create(&path) {
            // Left behind by a write that failed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_empty(&path) => {
                self.files.open(&path)
            }
            made => made,
        };
        let file = file.map_err(|error| TrailError::Full(format!("{}: {error}", path.display())))?;
        let dir = self.dir.clone();
        self.files.sync_dir(&dir).map_err(|error| self.stop("begun for a month", &error))?;
        (self.file, self.month, self.bytes) = (file, month, 0);
        Ok(())
    }

    fn stop(&mut self, what: &str, error: &io::Error) -> TrailError {
        let why = format!("it could not be {what}: {error}");
        tracing::error!(dir = %self.dir.display(), %error, "the audit trail takes no more entries until a restart");
        self.stopped = Some(why.clone());
        TrailError::Stopped(why)
    }

    /// Says in the file `head` how far the entries go. It comes behind them: it may lag, and never says too much. A
    /// lost one is made up for by the next.
    pub fn note_head(&mut self) {
        if let Err(error) = write_head(&self.dir, &self.last) {
            tracing::warn!(dir = %self.dir.display(), %error, "the audit trail's head could not be written; the next one will be");
        }
    }
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == 0)
}
