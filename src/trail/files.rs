//! The trail's files: one for each month, and `head`, which says how far they go. Must not know what entries mean.

use super::entry::{Hash, LINE_BYTES_MAX, is_hash};
use crate::store::log::{DiskFiles, LogFile, LogFiles};
use crate::store::write_durably;
use jiff::Timestamp;
use jiff::tz::{Offset, offset};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The trail's directory, in the data directory.
pub const TRAIL_DIR: &str = "trail";
/// The file that says how far the entries go.
pub(super) const HEAD_FILE: &str = "head";
const ENDING: &str = ".jsonl";
/// Months begin and end in Asia/Shanghai, which has one offset all year.
const SHANGHAI: Offset = offset(8);

/// A month: the name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month of a moment.
    pub fn of(moment: Timestamp) -> Self {
        let date = SHANGHAI.to_datetime(moment).date();
        Self { year: date.year(), month: date.month() }
    }

    /// Its file.
    pub fn file(self, dir: &Path) -> PathBuf {
        dir.join(self.to_string())
    }

    fn parse(name: &str) -> Option<Self> {
        let (year, month) = name.strip_suffix(ENDING)?.split_once('-')?;
        let found = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        (found.to_string() == name && (1..=12).contains(&found.month)).then_some(found)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}{ENDING}", self.year, self.month)
    }
}

/// The months that have a file, in order. An empty list where there is no directory.
pub(super) fn months(dir: &Path) -> io::Result<Vec<Month>> {
    let found = match fs::read_dir(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut months = Vec::new();
    for file in found {
        months.extend(file?.file_name().to_str().and_then(Month::parse));
    }
    months.sort_unstable();
    Ok(months)
}

/// How far a trail goes: `NUMBER:HASH` of its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of the entry; 0 = there is none yet.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = text.split_once(':').and_then(|(number, hash)| {
            let plain = number.bytes().all(|b| b.is_ascii_digit());
            let number = number.parse().ok().filter(|_| plain)?;
            is_hash(hash).then(|| Self { number, hash: hash.to_owned() })
        });
        found.ok_or_else(|| format!("{text:?} is no NUMBER:HASH with a hash of 64 hexadecimal digits"))
    }
}

/// What `head` says; `None` = there is none, `Err` inside = it cannot be read as one.
pub(super) fn read_head(dir: &Path) -> io::Result<Option<Result<Head, String>>> {
    match fs::read(dir.join(HEAD_FILE)) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let line = text.strip_suffix('\n').ok_or_else(|| "it does not end".to_owned());
            Ok(Some(line.and_then(str::parse)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts another head in place of the one before, whole or not at all.
pub(super) fn write_head(dir: &Path, head: &Head) -> io::Result<()> {
    write_durably(dir, HEAD_FILE, &format!("{head}\n"))
}

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line with an end; the buffer holds it without.
    Whole,
    /// A line with an end that is longer than an entry can be.
    TooLong,
    /// The last line, and it has no end: so many bytes.
    Unfinished(u64),
    /// There are no more.
    End,
}

/// The lines of one file, one after the other, in memory that does not grow with them.
pub(super) struct Lines {
    file: BufReader<File>,
    /// Bytes of the lines that have an end.
    pub whole_bytes: u64,
}

impl Lines {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), whole_bytes: 0 })
    }

    /// Reads the next line into `line`.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        line.clear();
        let read = (&mut self.file).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line)?;
        if read == 0 {
            return Ok(Line::End);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            self.whole_bytes += read as u64;
            return Ok(Line::Whole);
        }
        let (skipped, has_end) = self.skip()?;
        let bytes = read as u64 + skipped;
        if has_end {
            self.whole_bytes += bytes;
            return Ok(Line::TooLong);
        }
        Ok(Line::Unfinished(bytes))
    }

    /// Reads past the rest of a line; gives its bytes, and whether it has an end.
    fn skip(&mut self) -> io::Result<(u64, bool)> {
        let mut skipped = 0;
        loop {
            let buffer = self.file.fill_buf()?;
            let end = buffer.iter().position(|b| *b == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.file.consume(used);
            skipped += used as u64;
            if end.is_some() || used == 0 {
                return Ok((skipped, end.is_some()));
            }
        }
    }
}

/// The operating system's files, for their owner alone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PrivateFiles;

impl LogFiles for PrivateFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        DiskFiles.open(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }
}
