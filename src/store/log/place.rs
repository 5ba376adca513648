//! Reads single places of a log by position, beside the writer that appends to it.

use super::segment;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Finds bytes again whose position an acknowledged append gave.
#[derive(Debug)]
pub struct PlaceReader {
    dir: PathBuf,
    /// Where the known segments begin. Files are opened for each read: there may be thousands of them.
    starts: RwLock<BTreeSet<u64>>,
}

impl PlaceReader {
    /// For the log in `dir`; nothing is read yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), starts: RwLock::new(BTreeSet::new()) }
    }

    /// The `bytes` bytes from `position` on. They are not checked here: one payload of a group has no checksum of
    /// its own, whoever keeps a position keeps one beside it.
    pub fn read(&self, position: u64, bytes: usize) -> io::Result<Vec<u8>> {
        match self.try_read(position, bytes) {
            // Not in the segments that are known: a newer one may have been begun.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                *self.starts.write().unwrap_or_else(PoisonError::into_inner) = segment::starts(&self.dir)?;
                self.try_read(position, bytes)
            }
            read => read,
        }
    }

    fn try_read(&self, position: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let starts = self.starts.read().unwrap_or_else(PoisonError::into_inner);
        let start = starts.range(..=position).next_back().copied();
        drop(starts);
        let start = start.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut read = vec![0; bytes];
        File::open(segment::path(&self.dir, start))?.read_exact_at(&mut read, position - start)?;
        Ok(read)
    }
}
