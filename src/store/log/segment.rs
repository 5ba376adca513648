//! Segment files: their names, their headers, and whether the files of a directory make one log.
//! Frames are not looked at here.
//!
//! A segment is named by the position of its first byte and begins with a header (little-endian):
//! magic (8 bytes), format version (4), the position again (8), the sequence number of its first group (8),
//! CRC-32 of all that (4). Magic and version keep their places in every format to come.

use super::error::{LogError, OpenError};
use super::file::{LogFile, LogFiles, only_zeros};
use super::frame::{take_u32, take_u64};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"TGLOGSEG";

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Bytes before the first frame.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 32;

/// The path of the segment that begins at `start`.
pub(super) fn path(dir: &Path, start: u64) -> PathBuf {
    dir.join(format!("{start:020}.log"))
}

/// One segment file with a sound header.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub start: u64,
    pub bytes: u64,
    pub first_sequence: u64,
}

/// The segments of a directory in order.
#[derive(Debug)]
pub(super) struct Layout {
    pub segments: Vec<Segment>,
    /// The newest file, if the program died before its header was written. It never held a group.
    pub unborn: Option<PathBuf>,
}

impl Layout {
    /// Reads all names and headers; an error if they do not make one log without a gap.
    pub fn read(dir: &Path) -> Result<Self, OpenError> {
        let mut names = names(dir)?;
        let newest_is_unborn = names.last().map(|(_, path)| is_unborn(path)).transpose()?.unwrap_or(false);
        let unborn = if newest_is_unborn { names.pop() } else { None };
        let segments =
            names.iter().map(|(start, path)| Segment::read(*start, path)).collect::<Result<Vec<_>, _>>()?;
        check_gaps(dir, &segments, unborn.as_ref().map(|(start, _)| *start))?;
        Ok(Self { segments, unborn: unborn.map(|(_, path)| path) })
    }
}

impl Segment {
    /// Reads a header and the file's length.
    pub fn read(start: u64, path: &Path) -> Result<Self, OpenError> {
        let mut file = File::open(path).map_err(OpenError::io("open", path))?;
        let bytes = file.metadata().map_err(OpenError::io("read the length of", path))?.len();
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(OpenError::damaged(path, bytes, "its header is incomplete"));
            }
            Err(error) => return Err(OpenError::io("read", path)(error)),
        }
        let first_sequence = decode_header(&header, start, path)?;
        Ok(Self { path: path.to_owned(), start, bytes, first_sequence })
    }

    /// The position after its last byte.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes)
    }
}

/// Makes a segment: when this returns, the file, its header and its name are on disk.
///
/// After [`LogError::Full`] and [`LogError::Write`] no file remains and the call may be repeated; every other
/// error poisons the log.
pub(super) fn create(
    files: &dyn LogFiles,
    dir: &Path,
    start: u64,
    first_sequence: u64,
) -> Result<Box<dyn LogFile>, LogError> {
    let path = path(dir, start);
    let mut file = files.create(&path).map_err(LogError::from_write)?;
    if let Err(write) = file.write_all(&encode_header(start, first_sequence)) {
        drop(file);
        // The removal must be on disk too: the name coming back after groups were added to the segment
        // before would look like a gap.
        return Err(match files.remove(&path).and_then(|()| files.sync_dir(dir)) {
            Ok(()) => LogError::from_write(write),
            Err(rollback) => LogError::RollbackFailed { write, rollback },
        });
    }
    file.sync_data().and_then(|()| files.sync_dir(dir)).map_err(LogError::SyncFailed)?;
    Ok(file)
}

fn encode_header(start: u64, first_sequence: u64) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&start.to_le_bytes());
    header.extend_from_slice(&first_sequence.to_le_bytes());
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

/// Checks a header against the file's name and gives the sequence number of its first group.
fn decode_header(header: &[u8], start: u64, path: &Path) -> Result<u64, OpenError> {
    let changed = || OpenError::damaged(path, 0, "its header was changed");
    let mut rest = header.strip_prefix(&MAGIC).ok_or_else(changed)?;
    let found = take_u32(&mut rest).ok_or_else(changed)?;
    // Before the CRC: a newer format may keep it elsewhere.
    if found > FORMAT_VERSION {
        return Err(OpenError::Newer { file: path.to_owned(), found, known: FORMAT_VERSION });
    }
    let stated = take_u64(&mut rest).ok_or_else(changed)?;
    let first_sequence = take_u64(&mut rest).ok_or_else(changed)?;
    let covered = header.split_last_chunk::<4>().map(|(covered, _)| crc32fast::hash(covered));
    if take_u32(&mut rest) != covered || found != FORMAT_VERSION {
        return Err(changed());
    }
    if stated != start {
        return Err(OpenError::damaged(path, 0, format!("it is the segment of position {stated}, renamed")));
    }
    Ok(first_sequence)
}

/// Where the segments of a directory begin, by their names alone. Errors are those of listing it.
pub fn starts(dir: &Path) -> io::Result<BTreeSet<u64>> {
    let names = std::fs::read_dir(dir)?.map(|entry| Ok(start_of(&entry?.path())));
    names.filter_map(io::Result::transpose).collect()
}

fn start_of(path: &Path) -> Option<u64> {
    let is_log = path.extension().is_some_and(|extension| extension == "log");
    path.file_stem().filter(|_| is_log)?.to_str()?.parse().ok()
}

/// The segment files of a directory and the positions they are named by, in order.
fn names(dir: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(OpenError::io("list", dir))? {
        let path = entry.map_err(OpenError::io("list", dir))?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        match start_of(&path) {
            Some(start) if self::path(dir, start) == path => names.push((start, path)),
            Some(_) | None => return Err(OpenError::damaged(&path, 0, "its name is not a segment's name")),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether the program died before the file's header was whole: cut short, or nothing but zeros.
fn is_unborn(path: &Path) -> Result<bool, OpenError> {
    let io = |error| OpenError::io("read", path)(error);
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() < SEGMENT_HEADER_BYTES {
        return Ok(true);
    }
    only_zeros(file).map_err(io)
}

/// Each segment must begin where the one before it ends.
fn check_gaps(dir: &Path, segments: &[Segment], unborn: Option<u64>) -> Result<(), OpenError> {
    if segments.is_empty() && unborn.is_some_and(|start| start > 0) {
        return Err(OpenError::damaged(dir, 0, "the segments before the newest one are missing"));
    }
    let starts = segments.iter().map(|segment| segment.start).chain(unborn).skip(1);
    for (segment, next) in segments.iter().zip(starts) {
        if segment.end() != next {
            let what = format!(
                "the segment ends at position {}, the next one begins at {next}: \
                 a segment between them is missing, or this one lost or gained bytes",
                segment.end()
            );
            return Err(OpenError::damaged(&segment.path, segment.bytes, what));
        }
    }
    Ok(())
}
