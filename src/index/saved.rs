//! Filters on disk, so that a start need not read every claim again. A saved index is a shortcut, never a source:
//! it is believed only if format, settings, seed and checksum are as expected, and then caught up from the ledger's
//! position that it names. Anything else is left alone and the filters are filled from the ledger.
//!
//! The file: magic (8 bytes), format (4), shards (4), false positives per mille (4), codes planned (8), codes (8),
//! the ledger's position (8), seed hashed (32); each shard as its length (8) and its bytes; BLAKE3 of all that (32).
//! Numbers are little-endian.

use super::Index;
use super::filter::{Filter, SHARDS};
use crate::sync::{Arc, Ordering, PoisonError};
use bloomfilter::Bloom;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

const MAGIC: [u8; 8] = *b"TGFILTER";
const FORMAT: u32 = 1;
/// More than any shard has: a length beyond is damage.
const SHARD_BYTES_MAX: u64 = 1 << 30;

/// What was written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedIndex {
    /// Codes in the filters.
    pub codes: u64,
    /// Every claim before this position of the ledger is in them.
    pub up_to: u64,
}

/// Why a saved index is not used.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// Nothing was saved.
    #[error("nothing was saved")]
    Missing,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
    /// It is not whole, or was changed.
    #[error("it is damaged")]
    Damaged,
    /// Written for another ledger, with other settings, or by another format.
    #[error("it has another {0}")]
    Other(&'static str),
}

impl From<io::Error> for Misfit {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Damaged
        } else {
            Self::Io(error)
        }
    }
}

impl Index {
    /// Writes the current generation beside `path` and puts it in its place once it is on disk.
    pub fn save(&self, path: &Path) -> io::Result<SavedIndex> {
        // Read before the filters: what is told meanwhile is in them or not, and is added again.
        let up_to = self.told_up_to.load(Ordering::Acquire);
        let filter = self.current();
        let fill = filter.fill();
        let draft = path.with_extension("new");
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut out = Hashing::new(BufWriter::new(File::create(&draft)?));
        out.write_all(&MAGIC)?;
        for number in [FORMAT, SHARDS as u32, self.options.false_positives_per_mille] {
            out.write_all(&number.to_le_bytes())?;
        }
        for number in [fill.planned, fill.codes, up_to] {
            out.write_all(&number.to_le_bytes())?;
        }
        out.write_all(blake3::hash(&self.seed).as_bytes())?;
        for shard in filter.shard_bytes() {
            out.write_all(&(shard.len() as u64).to_le_bytes())?;
            out.write_all(&shard)?;
        }
        let Hashing { inner: mut file, hash } = out;
        file.write_all(hash.finalize().as_bytes())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&draft, path)?;
        Ok(SavedIndex { codes: fill.codes, up_to })
    }

    /// Takes saved filters as the next generation, as [`begin_generation`](Self::begin_generation) does an empty one:
    /// what the ledger holds from `up_to` on must still be added.
    pub fn load(&self, path: &Path) -> Result<SavedIndex, Misfit> {
        let mut from = Hashing::new(BufReader::new(File::open(path)?));
        let head: [u8; 8] = from.take()?;
        check(head == MAGIC, "format")?;
        check(from.number_u32()? == FORMAT, "format")?;
        check(from.number_u32()? == SHARDS as u32, "number of shards")?;
        check(from.number_u32()? == self.options.false_positives_per_mille, "rate of false positives")?;
        let (planned, codes, up_to) = (from.number()?, from.number()?, from.number()?);
        check(planned >= self.options.codes_planned_min, "number of planned codes")?;
        let seed: [u8; 32] = from.take()?;
        check(seed == *blake3::hash(&self.seed).as_bytes(), "ledger")?;
        let mut shards = Vec::with_capacity(SHARDS);
        for _ in 0..SHARDS {
            let bytes = from.number()?;
            if bytes > SHARD_BYTES_MAX {
                return Err(Misfit::Damaged);
            }
            let mut shard = vec![0; usize::try_from(bytes).unwrap_or(0)];
            from.read_exact(&mut shard)?;
            shards.push(shard);
        }
        let Hashing { inner: mut rest, hash } = from;
        let mut sum = [0; 32];
        rest.read_exact(&mut sum)?;
        if sum != *hash.finalize().as_bytes() {
            return Err(Misfit::Damaged);
        }
        let shards: Result<Vec<Bloom<u64>>, _> = shards.into_iter().map(Bloom::from_bytes).collect();
        let shards = shards.map_err(|_| Misfit::Damaged)?;
        let filter = Filter::restored(shards, planned, codes).ok_or(Misfit::Damaged)?;
        self.generations.write().unwrap_or_else(PoisonError::into_inner).next = Some(Arc::new(filter));
        Ok(SavedIndex { codes, up_to })
    }
}

fn check(fits: bool, what: &'static str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Other(what)) }
}

/// Passes bytes on and hashes them.
struct Hashing<T> {
    inner: T,
    hash: blake3::Hasher,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: blake3::Hasher::new() }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Hashing<R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number_u32(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn number(&mut self) -> io::Result<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
