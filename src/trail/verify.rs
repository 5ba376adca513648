//! Reads a whole trail, beside a gateway that writes it, and says whether it is whole. Reads only.

use super::chain::{Chain, From};
use super::entry::{Entry, Read, read};
use super::fault::{Fault, FaultKind, Place};
use super::files::{Head, Line, Lines, Month, months, read_head};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// What a trail is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries that are as they were written.
    pub entries: u64,
    /// When the first of them was written.
    pub first_at: Option<Timestamp>,
    /// When the last of them was written.
    pub last_at: Option<Timestamp>,
    /// The last one: what an auditor keeps.
    pub head: Option<Head>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What is wrong besides, and not told: there is too much of it.
    pub faults_not_told: u64,
    /// Bytes behind the last line: an entry that is being written, or was never finished.
    pub unfinished_bytes: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.faults_not_told == 0
    }
}

/// Why a trail cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error(
        "there is no audit trail in {0}; a gateway writes one into its data directory from its first start on"
    )]
    None(PathBuf),
    /// The operating system refused.
    #[error("the audit trail cannot be read: {path}: {source}")]
    Io {
        /// What was read.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ReadError {
    let path = path.to_owned();
    move |source| ReadError::Io { path, source }
}

/// Reads all months of a trail. `since` = an entry that somebody kept elsewhere.
pub fn verify(dir: &Path, since: Option<Head>) -> Result<Report, ReadError> {
    // Before the files: entries that come meanwhile are behind it.
    let head = read_head(dir).map_err(io_at(dir))?;
    let months = existing(dir, head.is_some())?;
    let mut chain = Chain::new(From::Beginning);
    match head {
        Some(Ok(head)) => chain.expect(head, FaultKind::Head),
        Some(Err(why)) => chain.fault(FaultKind::Head, (0, 0), None, format!("it cannot be read: {why}")),
        None => chain.fault(FaultKind::Head, (0, 0), None, "it is missing"),
    }
    if let Some(since) = since {
        chain.expect(since, FaultKind::Since);
    }
    let (mut first_at, mut last_at) = (None, None);
    let mut walk = Walk::new(dir, months);
    while let Some((at, line)) = walk.next()? {
        match line {
            Ok(line) => {
                if let Some(entry) = chain.take(at, line) {
                    last_at = entry.moment();
                    first_at = first_at.or(last_at);
                }
            }
            Err(why) => chain.take_unreadable(at, why),
        }
    }
    let unfinished_bytes = walk.unfinished_bytes;
    chain.finish();
    let (entries, head) = (chain.entries, chain.last);
    let (faults, faults_not_told) = (chain.faults, chain.faults_not_kept);
    Ok(Report { entries, first_at, last_at, head, faults, faults_not_told, unfinished_bytes })
}

/// Every entry of a trail that can be believed by itself, in the order in which they stand there.
pub fn entries(dir: &Path) -> Result<Entries, ReadError> {
    Ok(Entries { walk: Walk::new(dir, existing(dir, false)?), unreadable_lines: 0 })
}

/// Entries, each with its line as it stands there.
pub struct Entries {
    walk: Walk,
    /// Lines that were passed over: they cannot be believed.
    pub unreadable_lines: u64,
}

impl Iterator for Entries {
    type Item = Result<(Entry, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.next() {
                Ok(None) => return None,
                Ok(Some((_, Ok(line)))) => {
                    if let Read::Whole(entry) = read(line) {
                        return Some(Ok((entry, line.to_vec())));
                    }
                    self.unreadable_lines += 1;
                }
                Ok(Some((_, Err(_)))) => self.unreadable_lines += 1,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn existing(dir: &Path, has_head: bool) -> Result<Vec<Month>, ReadError> {
    let months = months(dir).map_err(io_at(dir))?;
    if months.is_empty() && !has_head { Err(ReadError::None(dir.to_owned())) } else { Ok(months) }
}

/// A line, or why it is none.
type Found<'a> = Result<&'a [u8], &'static str>;

/// Reads the lines of some months, one after the other.
struct Walk {
    dir: PathBuf,
    months: std::vec::IntoIter<Month>,
    open: Option<(Place, Lines)>,
    line: Vec<u8>,
    /// Bytes behind the last line of all.
    unfinished_bytes: u64,
}

impl Walk {
    fn new(dir: &Path, months: Vec<Month>) -> Self {
        let months = months.into_iter();
        Self { dir: dir.to_owned(), months, open: None, line: Vec::new(), unfinished_bytes: 0 }
    }

    fn next(&mut self) -> Result<Option<(Place, Found<'_>)>, ReadError> {
        loop {
            let (at, lines) = match &mut self.open {
                Some(open) => open,
                none => {
                    let Some(month) = self.months.next() else { return Ok(None) };
                    let path = month.file(&self.dir);
                    let lines = Lines::open(&path).map_err(io_at(&path))?;
                    none.insert((Place { month, line: 0 }, lines))
                }
            };
            at.line += 1;
            let at = *at;
            let path = at.month.file(&self.dir);
            match lines.next(&mut self.line).map_err(io_at(&path))? {
                Line::Whole => return Ok(Some((at, Ok(&self.line)))),
                Line::TooLong => return Ok(Some((at, Err("it is longer than an entry can be")))),
                Line::End => self.open = None,
                Line::Unfinished(bytes) => {
                    self.open = None;
                    // Only the end of the newest file may be on its way.
                    if self.months.len() > 0 {
                        return Ok(Some((at, Err("it has no end, and another file follows"))));
                    }
                    self.unfinished_bytes = bytes;
                }
            }
        }
    }
}
