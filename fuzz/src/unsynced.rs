//! Log files that are written as ever and never synced, which would take nearly all of the time; and that fail to sync
//! once they are told to.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracegate::store::log::{DiskFiles, LogFile, LogFiles};

/// Makes them.
#[derive(Clone, Default)]
pub struct Unsynced(Arc<AtomicBool>);

struct UnsyncedFile(Box<dyn LogFile>, Unsynced);

impl Unsynced {
    /// From now on every sync fails.
    pub fn fail(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl LogFiles for Unsynced {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.open(path)?, self.clone())))
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
        if self.1.0.load(Ordering::SeqCst) {
            Err(io::Error::other("nothing more is accepted"))
        } else {
            Ok(())
        }
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        self.0.make_room(bytes)
    }
}
