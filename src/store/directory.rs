//! The data directory itself: its lock, its format version, its secret.

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{0} is in use by another tracegate; stop that one, or give each its own --data-dir")]
    Locked(PathBuf),
    /// Written by a newer gateway.
    #[error("{dir} has format {found}, this gateway knows {known}; use the newer gateway for it")]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Not what a gateway wrote.
    #[error(
        "{dir} is damaged: {what}. Restore it from a backup; do not start with an empty directory in its place"
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A store is being moved into it.
    #[error(
        "a store is being moved into {0} and not all of it is there yet; run the same `tracegate migrate` command again, \
         it goes on where it was interrupted"
    )]
    Unfinished(PathBuf),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] super::log::OpenError),
    /// The tables refused.
    #[error(
        "the tables in {dir} cannot be opened ({what}). They can be derived again: move {dir} away and start"
    )]
    Tables {
        /// The tables' directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// No secret can be made.
    #[error("the system has no random numbers: {0}")]
    Random(String),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// The format this gateway writes and the newest it reads.
const FORMAT_VERSION: u32 = 1;
const HEAD_FILE: &str = "tracegate.toml";
const LOCK_FILE: &str = "lock";
/// How far a move into the directory is; see `moving`.
pub(super) const MIGRATION_FILE: &str = "migration.toml";

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format_version: u32,
    directory_id: String,
    /// Keys the hash of document and visit numbers: whoever can send requests must not be able to find two
    /// numbers that collide.
    paper_secret: String,
}

/// A data directory that is locked by this process.
#[derive(Debug)]
pub(super) struct Directory {
    pub path: PathBuf,
    /// Names the directory for its life.
    pub id: String,
    secret: [u8; 16],
    /// Released when the directory is dropped, or by the system.
    _lock: File,
}

impl Directory {
    /// Locks the directory and reads its head; makes both where the directory is empty.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let directory = Self::open_as(path, None)?;
        if path.join(MIGRATION_FILE).exists() {
            return Err(OpenError::Unfinished(path.to_owned()));
        }
        Ok(directory)
    }

    /// As [`open`](Self::open), for a store that is being moved into it; with that store's secret, where one is given.
    pub fn open_to_fill(path: &Path, secret: Option<[u8; 16]>) -> Result<Self, OpenError> {
        let directory = Self::open_as(path, secret)?;
        if secret.is_some_and(|secret| secret != directory.secret) {
            return Err(damaged(
                path,
                "it has another secret than the store that is moved into it".to_owned(),
            ));
        }
        Ok(directory)
    }

    fn open_as(path: &Path, secret: Option<[u8; 16]>) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        // Outcomes hold visit numbers, the head holds the secret: for the owner alone.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::Io { path: lock_path, source });
            }
        }
        let head = match fs::read_to_string(path.join(HEAD_FILE)) {
            Ok(text) => read_head(path, &text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => new_head(path, secret)?,
            Err(source) => {
                return Err(OpenError::Io { path: path.join(HEAD_FILE), source });
            }
        };
        let secret = secret_of(&head).ok_or_else(|| {
            damaged(path, format!("{HEAD_FILE}: paper_secret is not 32 hexadecimal digits"))
        })?;
        Ok(Self { path: path.to_owned(), id: head.directory_id, secret, _lock: lock })
    }

    /// Keys the hash of document and visit numbers.
    pub const fn secret(&self) -> [u8; 16] {
        self.secret
    }

    /// Hashes document and visit numbers.
    pub fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_key(&self.secret)
    }
}

fn damaged(dir: &Path, what: String) -> OpenError {
    OpenError::Damaged { dir: dir.to_owned(), what }
}

fn read_head(dir: &Path, text: &str) -> Result<Head, OpenError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    // The version is read by itself: a newer head may have other fields.
    let version: Version = toml::from_str(text).map_err(|e| damaged(dir, format!("{HEAD_FILE}: {e}")))?;
    if version.format_version > FORMAT_VERSION {
        let (found, known) = (version.format_version, FORMAT_VERSION);
        return Err(OpenError::Newer { dir: dir.to_owned(), found, known });
    }
    toml::from_str(text).map_err(|e| damaged(dir, format!("{HEAD_FILE}: {e}")))
}

/// A secret that lost digits is no secret: with another one, no document would be found again.
fn secret_of(head: &Head) -> Option<[u8; 16]> {
    let text = &head.paper_secret;
    let is_whole = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok()?;
    is_whole.then(|| number.to_be_bytes())
}

/// Writes the head of a new directory; refuses to put one over data that lost its own.
fn new_head(dir: &Path, secret: Option<[u8; 16]>) -> Result<Head, OpenError> {
    if dir.join("log").exists() || dir.join("tables").exists() {
        return Err(damaged(dir, format!("{HEAD_FILE} is missing beside the data")));
    }
    let paper_secret = secret.map_or_else(random_hex, |secret| Ok(hex_of(secret)))?;
    let head = Head { format_version: FORMAT_VERSION, directory_id: random_hex()?, paper_secret };
    let text = toml::to_string(&head).map_err(|e| damaged(dir, e.to_string()))?;
    write_durably(dir, HEAD_FILE, &text)
        .map_err(|source| OpenError::Io { path: dir.join(HEAD_FILE), source })?;
    Ok(head)
}

/// 128 random bits as 32 hexadecimal digits.
pub(super) fn random_hex() -> Result<String, OpenError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(error.to_string()))?;
    Ok(hex_of(bytes))
}

/// 16 bytes as 32 hexadecimal digits.
pub(super) fn hex_of(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Puts a file in place of what stood under its name, whole or not at all.
pub fn write_durably(dir: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let draft = dir.join(format!("{name}.new"));
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, dir.join(name))?;
    File::open(dir)?.sync_all()?;
    // The directory itself may be as new as its head.
    let parent = dir.canonicalize()?;
    parent.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
