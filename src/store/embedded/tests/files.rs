//! Log files that count their syncs, hold them back, and fail on demand.

use crate::store::log::{DiskFiles, LogFile, LogFiles};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What the files do; shared by all of them.
#[derive(Debug, Default)]
pub struct Switches {
    /// Syncs of files so far, failed ones too.
    pub syncs: usize,
    /// Syncs wait while this is set.
    held: bool,
    /// So many syncs pass all the same.
    passes: usize,
    /// A sync is waiting.
    waiting: bool,
    pub fail_sync: bool,
    pub panic_in_sync: bool,
    /// Every write finds the disk full.
    pub full: bool,
    /// A failed write cannot be taken back.
    pub fail_set_len: bool,
}

#[derive(Debug, Clone, Default)]
pub struct TestFiles(Arc<(Mutex<Switches>, Condvar)>);

struct TestFile(Box<dyn LogFile>, TestFiles);

impl TestFiles {
    pub fn switches(&self) -> MutexGuard<'_, Switches> {
        self.0.0.lock().unwrap()
    }

    /// From now on syncs wait.
    pub fn hold(&self) {
        self.switches().held = true;
    }

    /// Returns once a sync waits; to be called where waiting does no harm.
    pub fn until_waiting(&self) {
        let not_yet = |switches: &mut Switches| !switches.waiting;
        let waited = self.0.1.wait_timeout_while(self.switches(), super::PATIENCE, not_yet);
        assert!(!waited.unwrap().1.timed_out(), "no sync came");
    }

    /// Lets the waiting sync go on; the next one waits again.
    pub fn step(&self) {
        let mut switches = self.switches();
        (switches.passes, switches.waiting) = (1, false);
        drop(switches);
        self.0.1.notify_all();
    }

    /// Lets every sync go on.
    pub fn release(&self) {
        self.switches().held = false;
        self.0.1.notify_all();
    }

    fn pass(&self) -> MutexGuard<'_, Switches> {
        let is_held = |switches: &mut Switches| switches.held && switches.passes == 0;
        let mut switches = self.switches();
        switches.syncs += 1;
        switches.waiting = is_held(&mut switches);
        self.0.1.notify_all();
        let mut switches = self.0.1.wait_while(switches, is_held).unwrap();
        switches.passes = switches.passes.saturating_sub(1);
        switches
    }
}

impl Write for TestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.switches().full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl LogFile for TestFile {
    fn sync_data(&mut self) -> io::Result<()> {
        let switches = self.1.pass();
        let (fail, panics) = (switches.fail_sync, switches.panic_in_sync);
        drop(switches);
        assert!(!panics, "a fault put in by the test");
        if fail { Err(io::Error::other("injected")) } else { self.0.sync_data() }
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        if self.1.switches().fail_set_len {
            return Err(io::Error::other("injected"));
        }
        self.0.set_len(bytes)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        self.0.make_room(bytes)
    }
}

impl LogFiles for TestFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(TestFile(DiskFiles.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(TestFile(DiskFiles.open(path)?, self.clone())))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }
}
