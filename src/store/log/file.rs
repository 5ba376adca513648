//! The log's only way to change files: a small seam, so that tests can fill the disk, cut writes short and
//! break a sync. It must not know what the bytes mean.

use super::error::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What room is made of, piece by piece.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// One segment file open for appending: every write goes behind the one before.
pub trait LogFile: Write + Send {
    /// Returns once all written bytes and the file's length are on disk. Never called again after an error.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Cuts the file to `bytes`; the next write continues there.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
    /// Puts so many zeros behind what is written; what is written next takes their place. After an error there may be
    /// fewer.
    fn make_room(&mut self, bytes: u64) -> io::Result<()>;
}

/// Makes, opens and removes segment files.
pub trait LogFiles: Send {
    /// Makes a new file; an error if it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens an existing file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns once the directory's entries are on disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl LogFile for File {
    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)?;
        self.seek(SeekFrom::Start(bytes)).map(drop)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let mut at = self.stream_position()?;
        let end = at.saturating_add(bytes);
        while at < end {
            let piece = ZEROS.get(..usize::try_from(end - at).unwrap_or(usize::MAX)).unwrap_or(&ZEROS);
            self.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

impl LogFiles for DiskFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Box::new(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// Whether nothing but zeros comes.
pub(super) fn only_zeros(mut from: impl Read) -> io::Result<bool> {
    let mut block = [0; 64 << 10];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(true),
            bytes if block.iter().take(bytes).any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Bytes that an unprivileged process may still write to the file system of `dir`.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes the directory, and those above it, where they are missing; their entries are on disk after.
pub(super) fn make_dir(dir: &Path, files: &dyn LogFiles) -> Result<(), OpenError> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = dir.ancestors().take_while(is_missing).collect();
    std::fs::create_dir_all(dir).map_err(OpenError::io("make the directory", dir))?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files.sync_dir(parent).map_err(OpenError::io("sync the directory", parent))?;
    }
    Ok(())
}

/// Takes the directory for this open log alone; the lock goes with the returned file, also when killed.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(OpenError::io("open the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => {
            Err(OpenError::Io { doing: "lock the lock file", file: path, source })
        }
    }
}

/// Asks the system to forget its clean copy of a file, so that what is read next comes from the disk.
///
/// After a failed sync the cache may hold pages that never reached the disk but count as clean: reading them
/// would prove nothing. Advice only: a file system that ignores it loses that check, nothing else.
pub(super) fn forget_cached(path: &Path) -> Result<(), OpenError> {
    #[cfg(target_os = "linux")]
    {
        let file = File::open(path).map_err(OpenError::io("open", path))?;
        if let Err(error) = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed) {
            tracing::debug!(file = %path.display(), %error, "the cached copy cannot be dropped");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
}
