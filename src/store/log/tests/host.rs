//! The real thing: a small disk that fills up, and a process that is killed.

use super::{EventLog, LogError, LogOptions, ROOMY, free_bytes, open, payloads};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system of 2 MiB in memory; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(dir.path()).status();
        assert!(
            status.as_ref().is_ok_and(|status| status.success()),
            "this test needs to mount a 2 MiB tmpfs: run it as root or in a user namespace that may mount ({status:?})"
        );
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.0.path().display());
        }
    }
}

/// Appends groups of 20,000 bytes until the disk is full; how many were acknowledged.
fn fill(log: &mut EventLog, from: u8) -> u8 {
    for n in from.. {
        match log.append_group(&[vec![n; 20_000]]) {
            Ok(_) => {}
            Err(LogError::Full(_)) => return n,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk never became full");
}

fn check_filled(dir: &Path, count: u8) {
    let (_, replayed, report) = open(dir, 0).unwrap();
    assert_eq!(report.torn_bytes, 0);
    assert!(
        replayed == (0..count).map(|n| vec![vec![n; 20_000]]).collect::<Vec<_>>(),
        "other than acknowledged"
    );
}

#[test]
fn a_small_disk_fills_up_and_recovers() {
    let disk = SmallDisk::mount();
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let options = LogOptions { segment_bytes_max: 300_000, ..LogOptions::default() };
    let (mut log, _) = EventLog::open(&disk.path(), options, 0).unwrap();
    let first = fill(&mut log, 0);
    assert!(first > 20, "only {first} groups fitted");
    assert!(free_bytes(disk.0.path()).unwrap() < 40_000);
    assert!(matches!(log.append_group(&[vec![0; 30_000]]), Err(LogError::Full(_))));
    fs::remove_file(&ballast).unwrap();
    let second = fill(&mut log, first);
    assert!(second > first + 20, "only {} groups fitted after space came back", second - first);
    drop(log);
    check_filled(&disk.path(), second);
}

const CHILD_DIR: &str = "TRACEGATE_TEST_LOG_DIR";

/// Appends without end and tells what was acknowledged; started and killed by the test below.
#[test]
#[ignore = "the child process of a_killed_writer_loses_nothing_acknowledged"]
fn child_that_appends_for_ever() {
    let dir = std::env::var_os(CHILD_DIR).expect("started by its parent test only");
    let (mut log, _) = EventLog::open(Path::new(&dir), ROOMY, 0).unwrap();
    for n in 0_u64.. {
        log.append_group(&[n.to_le_bytes()]).unwrap();
        println!("acknowledged {n}");
    }
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", &format!("{module}::child_that_appends_for_ever")])
        .env(CHILD_DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.filter_map(|line| line.unwrap().split_once("acknowledged ")?.1.parse::<u64>().ok());
    let last = told.take(200).last();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(last, Some(199), "the child must have appended");

    let (_, replay) = EventLog::open(dir.path(), LogOptions::default(), 0).unwrap();
    let found: Vec<_> = replay.map(|group| payloads(&group.unwrap())).collect();
    assert!(found.len() >= 200, "{} groups are left", found.len());
    let expected: Vec<_> = (0..found.len() as u64).map(|n| vec![n.to_le_bytes().to_vec()]).collect();
    assert_eq!(found, expected);
}
