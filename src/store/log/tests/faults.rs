//! Faults of the disk: a full disk, short writes, failing syncs and rollbacks, by way of the file seam.

use super::room::copied;
use super::{Payloads, ROOMY, SMALL, group, groups, open, segments};
use crate::store::log::{DiskFiles, EventLog, LogError, LogFile, LogFiles, LogOptions, read_from};
use proptest::prelude::*;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong; shared with every open file.
#[derive(Debug, Default)]
struct Faults {
    /// Bytes that still fit on the disk.
    space_bytes: Option<usize>,
    /// The most that one write takes.
    write_bytes_max: Option<usize>,
    fail_sync: bool,
    fail_sync_dir: bool,
    fail_set_len: bool,
    fail_remove: bool,
    fail_create: bool,
    syncs: u32,
}

#[derive(Debug, Clone, Default)]
pub struct FaultyFiles(Arc<Mutex<Faults>>);

struct FaultyFile(Box<dyn LogFile>, FaultyFiles);

impl FaultyFiles {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap()
    }

    /// Syncs so far.
    pub fn syncs(&self) -> u32 {
        self.faults().syncs
    }

    /// Whether syncs fail from now on.
    pub fn fail_sync(&self, fails: bool) {
        self.faults().fail_sync = fails;
    }

    /// What is left on the disk; `None` = enough.
    pub fn space(&self, bytes: Option<usize>) {
        self.faults().space_bytes = bytes;
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
        let fits = faults.space_bytes.unwrap_or(usize::MAX);
        let taken = bytes.len().min(faults.write_bytes_max.unwrap_or(usize::MAX)).min(fits);
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

    /// Takes space, and fails where there is not enough of it, as a write does.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let mut faults = self.1.faults();
        let wanted = usize::try_from(bytes).unwrap();
        let taken = wanted.min(faults.space_bytes.unwrap_or(usize::MAX));
        faults.space_bytes = faults.space_bytes.map(|space| space - taken);
        self.0.make_room(taken as u64)?;
        if taken < wanted { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl LogFiles for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        fail_if(self.faults().fail_create)?;
        self.wrap(DiskFiles.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.wrap(DiskFiles.open(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fail_if(self.faults().fail_remove)?;
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fail_if(self.faults().fail_sync_dir)?;
        DiskFiles.sync_dir(dir)
    }
}

/// A log of `count` groups that is still open, and the switch of its faults.
fn faulty(dir: &Path, count: usize) -> (EventLog, FaultyFiles) {
    faulty_with(dir, count, SMALL)
}

pub fn faulty_with(dir: &Path, count: usize, options: LogOptions) -> (EventLog, FaultyFiles) {
    let files = FaultyFiles::default();
    let (mut log, _) = EventLog::open_with(dir, options, 0, Box::new(files.clone())).unwrap();
    groups(count).iter().for_each(|payloads| drop(log.append_group(payloads).unwrap()));
    (log, files)
}

/// The number of groups after which the next one begins a segment.
fn before_roll() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = faulty(dir.path(), 0);
    (0..).find(|n| log.append_group(&group(*n)).is_ok() && segments(dir.path()).len() == 2).unwrap()
}

#[test]
fn one_group_is_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty(dir.path(), 1);
    let before = files.faults().syncs;
    log.append_group(&group(3)).unwrap();
    assert_eq!(files.faults().syncs, before + 1);
}

#[test]
fn short_writes_are_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty(dir.path(), 3);
    files.faults().write_bytes_max = Some(1);
    log.append_group(&group(3)).unwrap();
    drop(log);
    assert_eq!(open(dir.path(), 0).unwrap().1, groups(4));
}

#[test]
fn a_full_disk_leaves_nothing_and_recovers_with_space() {
    // Every point at which space can run out, in a running segment and while a new one is begun.
    for count in [1, before_roll()] {
        for space in 0..100 {
            let dir = tempfile::tempdir().unwrap();
            let (mut log, files) = faulty(dir.path(), count);
            files.faults().space_bytes = Some(space);
            let error = log.append_group(&[[9; 90]]).unwrap_err();
            assert!(matches!(error, LogError::Full(_)) && error.retryable(), "{error}");
            assert!(!log.is_poisoned());
            let read = read_from(dir.path(), 0).unwrap().until(log.durable_end());
            assert_eq!(read.map(Result::unwrap).count(), count);
            files.faults().space_bytes = None;
            let receipt = log.append_group(&group(count)).unwrap();
            assert_eq!(receipt.sequence, count as u64 + 1);
            drop(log);
            let (_, replayed, report) = open(dir.path(), 0).unwrap();
            assert_eq!((replayed, report.torn_bytes), (groups(count + 1), 0), "{space} bytes left");
        }
    }
}

#[test]
fn a_failed_sync_poisons_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty(dir.path(), 1);
    files.faults().fail_sync = true;
    let error = log.append_group(&group(1)).unwrap_err();
    assert!(matches!(error, LogError::SyncFailed(_)) && !error.retryable(), "{error}");
    files.faults().fail_sync = false;
    let syncs = files.faults().syncs;
    for _ in 0..3 {
        let error = log.append_group(&group(1)).unwrap_err();
        assert!(matches!(error, LogError::Poisoned) && !error.retryable(), "{error}");
    }
    assert!(log.is_poisoned());
    assert_eq!(files.faults().syncs, syncs, "a failed sync must not be tried again");
    drop(log);
    let (mut log, replayed, _) = open(dir.path(), 0).unwrap();
    assert!(replayed == groups(1) || replayed == groups(2), "{replayed:?}");
    assert_eq!(log.append_group(&group(1)).unwrap().sequence, replayed.len() as u64 + 1);
}

/// Begins a segment while `fault` is on, then expects the log to be poisoned or not, and to open again.
#[track_caller]
fn check_roll(fault: fn(&mut Faults), poisons: bool) {
    let dir = tempfile::tempdir().unwrap();
    let count = before_roll();
    let (mut log, files) = faulty(dir.path(), count);
    fault(&mut files.faults());
    let error = log.append_group(&group(count)).unwrap_err();
    assert_eq!((error.poisons(), log.is_poisoned()), (poisons, poisons), "{error}");
    *files.faults() = Faults::default();
    assert_eq!(log.append_group(&group(count)).is_err(), poisons);
    drop(log);
    let (_, replayed, _) = open(dir.path(), 0).unwrap();
    assert_eq!(replayed, groups(if poisons { count } else { count + 1 }));
}

#[test]
fn a_fault_while_a_segment_is_begun_loses_nothing() {
    check_roll(|faults| faults.fail_create = true, false);
    check_roll(|faults| faults.space_bytes = Some(0), false);
    check_roll(|faults| faults.space_bytes = Some(20), false);
    check_roll(|faults| faults.fail_sync = true, true);
    check_roll(|faults| faults.fail_sync_dir = true, true);
    check_roll(|faults| (faults.space_bytes, faults.fail_remove) = (Some(20), true), true);
    check_roll(|faults| (faults.space_bytes, faults.fail_sync_dir) = (Some(20), true), true);
}

#[test]
fn a_failed_rollback_poisons_and_reopening_cuts_it_off() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, files) = faulty(dir.path(), 1);
    *files.faults() = Faults { space_bytes: Some(10), fail_set_len: true, ..Faults::default() };
    let error = log.append_group(&group(1)).unwrap_err();
    assert!(matches!(error, LogError::RollbackFailed { .. }) && log.is_poisoned(), "{error}");
    *files.faults() = Faults::default();
    assert!(matches!(log.append_group(&group(1)), Err(LogError::Poisoned)));
    drop(log);
    let (_, replayed, report) = open(dir.path(), 0).unwrap();
    assert_eq!((replayed, report.torn_bytes), (groups(1), 10));
}

#[test]
fn a_log_that_cannot_be_synced_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(faulty(dir.path(), 3));
    let files = FaultyFiles::default();
    files.faults().fail_sync = true;
    let error = EventLog::open_with(dir.path(), SMALL, 0, Box::new(files)).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("cannot sync"), "{error}");
}

#[derive(Debug, Clone)]
enum Step {
    Append(Payloads),
    SpaceLeft(usize),
    SpaceBack,
    Reopen,
    /// As after a kill: nobody closes it.
    Kill,
}

fn any_step() -> impl Strategy<Value = Step> {
    let payload = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        6 => prop::collection::vec(payload, 0..4).prop_map(Step::Append),
        1 => (0..300_usize).prop_map(Step::SpaceLeft),
        1 => Just(Step::SpaceBack),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_acknowledged_and_nothing_else_comes_back(
        steps in prop::collection::vec(any_step(), 1..60),
        roomy: bool,
    ) {
        let options = if roomy { ROOMY } else { SMALL };
        let mut dir = tempfile::tempdir().unwrap();
        let (mut log, files) = faulty_with(dir.path(), 0, options);
        let mut model: Vec<Payloads> = Vec::new();
        for step in steps.into_iter().chain([Step::Reopen]) {
            match step {
                Step::Append(payloads) => match log.append_group(&payloads) {
                    Ok(_) => model.push(payloads),
                    Err(error) => prop_assert!(matches!(error, LogError::Full(_)), "{}", error),
                },
                Step::SpaceLeft(bytes) => files.faults().space_bytes = Some(bytes),
                Step::SpaceBack => files.faults().space_bytes = None,
                Step::Reopen | Step::Kill => {
                    let left = matches!(step, Step::Kill).then(|| copied(dir.path()));
                    drop(log);
                    dir = left.unwrap_or(dir);
                    let (next, replay) =
                        EventLog::open_with(dir.path(), options, 0, Box::new(files.clone())).unwrap();
                    let replayed: Vec<_> = replay.map(|group| super::payloads(&group.unwrap())).collect();
                    prop_assert_eq!(&replayed, &model);
                    log = next;
                }
            }
        }
    }
}
