//! Faults of the disk: a full one, a sync that fails, a month that cannot be begun.

use super::{at, checked, fact, faults};
use crate::store::log::{LogFile, LogFiles};
use crate::trail::files::PrivateFiles;
use crate::trail::open::open;
use crate::trail::writer::Writer;
use crate::trail::{Trail, TrailError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong; shared with every open file.
#[derive(Debug, Default)]
struct Faults {
    /// Bytes that still fit on the disk.
    space_bytes: Option<usize>,
    fail_sync: bool,
    fail_sync_dir: bool,
    fail_set_len: bool,
    writes: usize,
    syncs: usize,
}

#[derive(Debug, Clone, Default)]
struct FaultyFiles(Arc<Mutex<Faults>>);

struct FaultyFile(Box<dyn LogFile>, FaultyFiles);

impl FaultyFiles {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap()
    }

    fn wrap(&self, file: io::Result<Box<dyn LogFile>>) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(FaultyFile(file?, self.clone())))
    }
}

fn fail_if(failing: bool) -> io::Result<()> {
    if failing { Err(io::Error::other("injected")) } else { Ok(()) }
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut faults = self.1.faults();
        faults.writes += 1;
        let taken = bytes.len().min(faults.space_bytes.unwrap_or(usize::MAX));
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        faults.space_bytes = faults.space_bytes.map(|space| space - taken);
        self.0.write_all(&bytes[..taken])?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl LogFile for FaultyFile {
    fn sync_data(&mut self) -> io::Result<()> {
        self.1.faults().syncs += 1;
        fail_if(self.1.faults().fail_sync)?;
        self.0.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        fail_if(self.1.faults().fail_set_len)?;
        self.0.set_len(bytes)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        self.0.make_room(bytes)
    }
}

impl LogFiles for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.wrap(PrivateFiles.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.wrap(PrivateFiles.open(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        PrivateFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fail_if(self.faults().fail_sync_dir)?;
        PrivateFiles.sync_dir(dir)
    }
}

fn faulty(dir: &Path) -> (Writer, FaultyFiles) {
    let files = FaultyFiles::default();
    let (writer, _) = open(dir, at(0), Box::new(files.clone())).unwrap();
    (writer, files)
}

/// Whether a trail is whole and has so many entries, now and after a start.
fn check_whole(dir: &Path, writer: Writer, entries: u64) {
    let report = checked(dir);
    assert_eq!((faults(&report), report.entries), (Vec::new(), entries));
    drop(writer);
    let (_writer, damage) = open(dir, at(9), Box::new(PrivateFiles)).unwrap();
    assert_eq!((damage, faults(&checked(dir))), (None, Vec::new()));
}

#[test]
fn many_entries_are_one_write_and_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, files) = faulty(dir.path());
    let done = || {
        let faults = files.faults();
        (faults.writes, faults.syncs)
    };
    let before = done();
    let group: Vec<_> = (0..50).map(|_| fact(0)).collect();
    assert!(writer.append(&group).iter().all(Result::is_ok));
    assert_eq!(done(), (before.0 + 1, before.1 + 1));
    check_whole(dir.path(), writer, 51);
}

#[test]
fn a_full_disk_leaves_nothing_and_recovers_with_space() {
    // In the middle of a month, and while another one begins.
    for number in [0, 1, 5] {
        for space in [0, 1, 100, 300] {
            let dir = tempfile::tempdir().unwrap();
            let (mut writer, files) = faulty(dir.path());
            files.faults().space_bytes = Some(space);
            let answers = writer.append(&[fact(number), fact(number)]);
            assert!(answers.iter().all(|answer| matches!(answer, Err(TrailError::Full(_)))), "{answers:?}");
            assert_eq!(faults(&checked(dir.path())), []);
            files.faults().space_bytes = None;
            assert_eq!(writer.append(&[fact(number)])[0].as_ref().unwrap().number, 2);
            check_whole(dir.path(), writer, 2);
        }
    }
}

#[test]
fn a_sync_that_fails_is_never_tried_again() {
    for number in [0, 5] {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, files) = faulty(dir.path());
        files.faults().fail_sync = true;
        assert!(matches!(writer.append(&[fact(number)])[0], Err(TrailError::Stopped(_))));
        files.faults().fail_sync = false;
        let syncs = files.faults().syncs;
        for _ in 0..3 {
            let refused = writer.append(&[fact(number)]).remove(0).unwrap_err();
            assert!(refused.to_string().contains("could not be synced"), "{refused}");
        }
        assert_eq!((files.faults().syncs, writer.stopped().is_some()), (syncs, true));
        // The entry was written and nobody was told so: it may be there, and the chain is whole.
        check_whole(dir.path(), writer, 2);
    }
}

#[test]
fn what_cannot_be_taken_back_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, files) = faulty(dir.path());
    *files.faults() = Faults { space_bytes: Some(100), fail_set_len: true, ..Faults::default() };
    assert!(matches!(writer.append(&[fact(0)])[0], Err(TrailError::Stopped(_))));
    *files.faults() = Faults::default();
    assert!(matches!(writer.append(&[fact(0)])[0], Err(TrailError::Stopped(_))));
    // What was torn is cut off at the next start.
    check_whole(dir.path(), writer, 1);
}

#[test]
fn a_month_that_cannot_be_begun_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, files) = faulty(dir.path());
    files.faults().fail_sync_dir = true;
    let answers = writer.append(&[fact(0), fact(5)]);
    assert!(matches!(answers[..], [Ok(_), Err(TrailError::Stopped(_))]), "{answers:?}");
    check_whole(dir.path(), writer, 2);
}

#[tokio::test]
async fn whoever_waits_is_refused_and_the_state_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let trail = Trail::open_with(dir.path(), at(0), Box::new(files.clone())).await.unwrap();
    assert!(trail.append(fact(0)).await.is_ok());
    files.faults().fail_sync = true;
    assert!(matches!(trail.append(fact(0)).await, Err(TrailError::Stopped(_))));
    files.faults().fail_sync = false;
    assert!(matches!(trail.append(fact(0)).await, Err(TrailError::Stopped(_))));
    assert_eq!((trail.state().borrow().name(), trail.entries()), ("stopped", 1));
    trail.close().await;
    assert_eq!(faults(&checked(dir.path())), []);
}
