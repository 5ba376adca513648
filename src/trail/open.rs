//! Opening a trail: where it ends, whether its newest month is whole, and what to do where it is not.
//!
//! Damage does not keep a gateway from working: counters need no trail, and whoever could stop a gateway by touching one
//! byte would do so. It is said in the log and shown until it is looked into, and a chain of its own begins behind it,
//! whose first entry says why. Nothing of what stands there is changed, so that it can be looked into.

use super::Act;
use super::chain::{Chain, From};
use super::entry::{Fact, hash_before};
use super::fault::{FaultKind, Place};
use super::files::{Head, Line, Lines, Month, months, read_head, write_head};
use super::writer::Writer;
use crate::store::log::LogFiles;
use jiff::Timestamp;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// Why a trail cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("the audit trail in {0} is written by another process: stop that one first")]
    Locked(PathBuf),
    /// The operating system refused.
    #[error(
        "the audit trail cannot be opened: {path}: {source}; check the disk and the directory's permissions"
    )]
    Io {
        /// What was touched.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// Its first entry cannot be written.
    #[error("the audit trail cannot be begun: {0}")]
    Begin(#[from] super::TrailError),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// What a directory holds.
struct Found {
    /// The file of the last entry.
    month: Option<Month>,
    /// The newest file that is not empty.
    newest: Option<Month>,
    /// Bytes of the lines of `month` that have an end.
    whole_bytes: u64,
    /// Files whose last line has no end, and how far their lines have one.
    torn: Vec<(Month, u64)>,
    chain: Chain,
    /// The number that no entry has had yet.
    next: u64,
}

impl Found {
    /// What is wrong, in one line; `None` = nothing.
    fn damage(&self) -> Option<String> {
        let first = self.chain.faults.first()?;
        let more = self.chain.faults.len() as u64 - 1 + self.chain.faults_not_kept;
        Some(if more == 0 { first.to_string() } else { format!("{first}; and {more} more") })
    }
}

/// Opens the trail in a directory, which is made where it is missing; gives its writer, and what is wrong with it.
pub(super) fn open(
    dir: &Path,
    now: Timestamp,
    files: Box<dyn LogFiles>,
) -> Result<(Writer, Option<String>), OpenError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
    if let Some(parent) = dir.parent() {
        files.sync_dir(parent).map_err(io_at(parent))?;
    }
    let lock = lock(dir)?;
    let found = look(dir)?;
    let damage = found.damage();
    if found.chain.faults_since_begin > 0 {
        return Ok((begin(dir, now, files, lock, &found, damage.clone())?, damage));
    }
    for (month, whole_bytes) in &found.torn {
        let path = month.file(dir);
        tracing::warn!(file = %path.display(), "cutting off an entry of the audit trail that was never finished");
        let mut file = files.open(&path).map_err(io_at(&path))?;
        file.set_len(*whole_bytes).and_then(|()| file.sync_data()).map_err(io_at(&path))?;
    }
    let (Some(month), Some(last)) = (found.month, found.chain.last.clone()) else {
        return Ok((begin(dir, now, files, lock, &found, None)?, None));
    };
    let path = month.file(dir);
    let file = files.open(&path).map_err(io_at(&path))?;
    let mut writer = Writer::new(dir, files, file, lock, (month, found.whole_bytes), last);
    writer.note_head();
    Ok((writer, damage))
}

/// Begins a chain: the first one, or another one behind damage.
fn begin(
    dir: &Path,
    now: Timestamp,
    files: Box<dyn LogFiles>,
    lock: File,
    found: &Found,
    because: Option<String>,
) -> Result<Writer, OpenError> {
    let id = random_hex().map_err(io_at(Path::new("/dev/urandom")))?;
    let head = Head { number: found.next.saturating_sub(1), hash: hash_before(&id) };
    if because.is_none() {
        // Before the first entry: from here on, a trail without a head has lost it.
        write_head(dir, &head).map_err(io_at(dir))?;
    }
    let month = found.newest.max(Some(Month::of(now))).unwrap_or(Month::of(now));
    let path = month.file(dir);
    let is_there = path.exists();
    let made = if is_there { files.open(&path) } else { files.create(&path) };
    let mut file = made.map_err(io_at(&path))?;
    files.sync_dir(dir).map_err(io_at(dir))?;
    let mut fact = Fact::new(now, "gateway", Act::TrailBegin, id);
    if let Some(because) = because {
        tracing::error!(
            dir = %dir.display(), damage = %because,
            "the audit trail is damaged; it goes on with a chain of its own. Run `tracegate audit-trail verify`, keep a \
             copy of the directory as evidence, then restore it or move it away"
        );
        fact = fact.with("because", because);
        if found.torn.iter().any(|(torn, _)| *torn == month) {
            // What stands there without an end must not swallow the entry.
            file.write_all(b"\n").map_err(io_at(&path))?;
        }
    }
    let bytes = fs::metadata(&path).map_err(io_at(&path))?.len();
    let mut writer = Writer::new(dir, files, file, lock, (month, bytes), head);
    writer.append(&[fact]).into_iter().collect::<Result<Vec<_>, _>>()?;
    writer.note_head();
    Ok(writer)
}

/// Looks at the head and at the newest month.
fn look(dir: &Path) -> Result<Found, OpenError> {
    let head = read_head(dir).map_err(io_at(dir))?;
    let known = head.as_ref().and_then(|head| head.as_ref().ok()).cloned();
    let begun = || {
        let mut chain = Chain::new(From::Anywhere);
        known.iter().for_each(|head| chain.expect(head.clone(), FaultKind::Head));
        chain
    };
    let (mut chain, mut found, mut newest, mut torn) = (begun(), None, None, Vec::new());
    for month in months(dir).map_err(io_at(dir))?.into_iter().rev() {
        let path = month.file(dir);
        forget_cached(&path);
        chain = begun();
        let read = read_month(&mut chain, month, newest.is_some(), &path).map_err(io_at(&path))?;
        if read.torn {
            torn.push((month, read.whole_bytes));
        }
        if read.whole_bytes > 0 || read.torn {
            newest = newest.max(Some(month));
        }
        // A file that holds no more than what was never finished does not say where the trail ends.
        if read.whole_bytes > 0 {
            found = Some((month, read.whole_bytes));
            break;
        }
    }
    chain.finish();
    match head {
        Some(Err(why)) => chain.fault(FaultKind::Head, (0, 0), None, format!("it cannot be read: {why}")),
        None if newest.is_some() => chain.fault(FaultKind::Head, (0, 0), None, "it is missing"),
        None | Some(Ok(_)) => {}
    }
    let number = |head: &Option<Head>| head.as_ref().map_or(0, |head| head.number);
    let next = number(&chain.last).max(number(&known)).saturating_add(1);
    let (month, whole_bytes) = found.map_or((None, 0), |(month, bytes)| (Some(month), bytes));
    Ok(Found { month, newest, whole_bytes, torn, chain, next })
}

/// How a file ends.
struct ReadMonth {
    /// Bytes of its lines that have an end.
    whole_bytes: u64,
    /// Whether its last line has none.
    torn: bool,
}

/// Gives a file's lines to a chain. Only at the end of all may a line have none.
fn read_month(chain: &mut Chain, month: Month, others_follow: bool, path: &Path) -> io::Result<ReadMonth> {
    let (mut lines, mut line) = (Lines::open(path)?, Vec::new());
    for number in 1.. {
        let at = Place { month, line: number };
        match lines.next(&mut line)? {
            Line::Whole => drop(chain.take(at, &line)),
            Line::TooLong => chain.take_unreadable(at, "it is longer than an entry can be"),
            Line::Unfinished(_) => {
                if others_follow {
                    chain.take_unreadable(at, "it has no end, and another file follows");
                }
                return Ok(ReadMonth { whole_bytes: lines.whole_bytes, torn: true });
            }
            Line::End => break,
        }
    }
    Ok(ReadMonth { whole_bytes: lines.whole_bytes, torn: false })
}

/// Keeps another writer out for as long as the file is open; the system lets go of it, also after a kill.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = options.map_err(io_at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// What is read next comes from the disk: after a failed sync, memory may hold what never got there. Advice only.
fn forget_cached(path: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(file) = File::open(path)
        && let Err(error) = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
    {
        tracing::debug!(file = %path.display(), %error, "the cached copy cannot be dropped");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
