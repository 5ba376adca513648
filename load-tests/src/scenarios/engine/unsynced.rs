//! Files that are written as ever and never synced: the disk's own time is not the engine's.

use std::io::{self, Write};
use std::path::Path;
use tracegate::store::log::{DiskFiles, LogFile, LogFiles};

/// Makes them.
pub(in crate::scenarios) struct Unsynced;

struct UnsyncedFile(Box<dyn LogFile>);

impl LogFiles for Unsynced {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.open(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Write for UnsyncedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl LogFile for UnsyncedFile {
    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        self.0.make_room(bytes)
    }
}
