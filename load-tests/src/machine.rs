//! Where and of what a figure was made: the machine, the commit, the command. Must not know the figure.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// Synced writes that are tried to learn what one costs.
const SYNCS: usize = 50;
/// What a block of a file is to programs, whatever the file system has.
const BLOCK_BYTES: u64 = 512;
/// A file system that keeps nothing.
const TMPFS: &str = "tmpfs";

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// As the processor names itself.
    pub cpu: String,
    /// Cores that this process may use; server and driver share them.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Version of the kernel.
    pub kernel: String,
    /// Running processes over the last minute, before the run: more than a little means a noisy neighbour.
    pub load_average: f64,
}

/// The disk under the data directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disk {
    /// Kind of its file system.
    pub file_system: String,
    /// Median time of one small synced write.
    pub sync_us: u64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Commit {
    /// `git rev-parse HEAD`; `unknown` outside of a repository.
    pub id: String,
    /// Whether files differ from it.
    pub dirty: bool,
    /// `release` or `debug`: a debug build is no measure.
    pub build: &'static str,
}

/// Reads the machine.
pub fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    Machine {
        cpu: value_of(&cpu, "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: kib(&memory) / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_average: read("/proc/loadavg").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0),
    }
}

/// The first value of a `name : value` line.
fn value_of(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(memory: &str) -> u64 {
    let total = value_of(memory, "MemTotal").unwrap_or_default();
    total.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Asks git for the commit of the sources that this program was built from.
pub fn commit() -> Commit {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Commit {
        id: git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()),
        // Results are not what is measured.
        dirty: git(&["status", "--porcelain", "--", ":(top)", ":(top,exclude)load-tests/results"])
            .is_none_or(|changes| !changes.is_empty()),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
    }
}

/// The command line, without the folder that the program lies in.
pub fn command() -> Vec<String> {
    let mut words = std::env::args();
    let program = words.next().map(|path| {
        Path::new(&path).file_name().map_or(path.clone(), |name| name.to_string_lossy().into_owned())
    });
    program.into_iter().chain(words).collect()
}

/// Looks at the disk of a folder.
pub fn disk(folder: &Path) -> Result<Disk> {
    let stat = rustix::fs::statfs(folder).with_context(|| folder.display().to_string())?;
    Ok(Disk { file_system: file_system(stat.f_type), sync_us: sync_us(folder)? })
}

/// Disk that a folder takes with everything in it; what is set aside in a file and not written takes none.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    let said = || folder.display().to_string();
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(said)? {
        let entry = entry.with_context(said)?;
        let about = entry.metadata().with_context(said)?;
        bytes += if about.is_dir() { disk_bytes(&entry.path())? } else { about.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}

impl Disk {
    /// Whether what is synced there is kept.
    pub fn is_durable(&self) -> bool {
        self.file_system != TMPFS
    }
}

fn file_system(magic: i64) -> String {
    let known = match magic {
        0x0102_1994 | 0x8584_58f6 => TMPFS,
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x794c_7630 => "overlay",
        0x2fc1_2fc1 => "zfs",
        _ => return format!("{magic:#x}"),
    };
    known.to_owned()
}

fn sync_us(folder: &Path) -> Result<u64> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let watch = Stopwatch::start();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(watch.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    let median: Duration = times.get(SYNCS / 2).copied().unwrap_or_default();
    Ok(u64::try_from(median.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read() {
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory_mib > 0 && !machine.kernel.is_empty(), "{machine:?}");
    }

    #[test]
    fn values_are_found_by_name() {
        let check = |text: &str, value: Option<&str>| {
            assert_eq!(value_of(text, "model name").as_deref(), value, "{text}");
        };
        check("processor\t: 0\nmodel name\t: A B @ 2 GHz\nmodel name : C", Some("A B @ 2 GHz"));
        check("processor\t: 0", None);
        assert_eq!(kib("MemTotal:       2048 kB\nMemFree: 1 kB"), 2048);
    }

    #[test]
    fn disk_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_bytes(folder.path()).unwrap(), 0);
        let within = folder.path().join("a/b");
        std::fs::create_dir_all(&within).unwrap();
        for path in [folder.path().join("x"), within.join("y")] {
            let mut file = File::create(path).unwrap();
            file.write_all(&[1; 100_000]).unwrap();
            file.set_len(50_000_000).unwrap();
            file.sync_all().unwrap();
        }
        let bytes = disk_bytes(folder.path()).unwrap();
        assert!((200_000..400_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn memory_is_no_disk() {
        let disk = |magic| Disk { file_system: file_system(magic), sync_us: 0 };
        assert!(!disk(0x0102_1994).is_durable());
        assert!(disk(0xef53).is_durable());
        assert_eq!(disk(0x1234).file_system, "0x1234");
    }
}
