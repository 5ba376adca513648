//! Opens a log after whatever happened: checks everything first, repairs an interrupted write, refuses the rest.
//! No file is changed before the whole check has passed.

use super::error::OpenError;
use super::file::{LogFile, LogFiles, forget_cached};
use super::read::{LogReader, read_from};
use super::segment::{self, Layout, Segment};
use std::path::Path;

/// What opening found and repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenReport {
    /// The log's durable end.
    pub end: u64,
    /// Bytes of an interrupted, never acknowledged group that were cut off, with the room behind it; 0 where there was
    /// none.
    pub torn_bytes: u64,
    /// Whether a segment file was removed that was never begun.
    pub removed_segment: bool,
}

/// Every group after `from` up to the end that the log had when it was opened.
///
/// It streams; groups may be appended meanwhile and are not part of it.
#[derive(Debug)]
pub struct Replay {
    reader: LogReader,
    report: OpenReport,
}

impl Replay {
    /// What opening found and repaired.
    pub const fn report(&self) -> OpenReport {
        self.report
    }
}

impl Iterator for Replay {
    type Item = Result<super::Group, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next()
    }
}

/// Where appending goes on.
pub(super) struct Tail {
    pub file: Box<dyn LogFile>,
    pub segment_start: u64,
    pub end: u64,
    pub next_sequence: u64,
}

/// Checks and repairs the log in `dir`; the caller holds its lock.
pub(super) fn recover(dir: &Path, from: u64, files: &dyn LogFiles) -> Result<(Tail, Replay), OpenError> {
    let layout = Layout::read(dir)?;
    let removed_segment = layout.unborn.is_some();
    let (tail, torn_bytes) = match layout.segments.last().cloned() {
        Some(newest) => resume(dir, from, files, layout, &newest)?,
        None => (start(dir, from, files, &layout)?, 0),
    };
    let report = OpenReport { end: tail.end, torn_bytes, removed_segment };
    let reader = read_from(dir, from)?.until(tail.end);
    Ok((tail, Replay { reader, report }))
}

/// An empty log.
fn start(dir: &Path, from: u64, files: &dyn LogFiles, layout: &Layout) -> Result<Tail, OpenError> {
    check_end(dir, 0, from, 0)?;
    remove_unborn(dir, files, layout.unborn.as_deref())?;
    let file = segment::create(files, dir, 0, 1)?;
    Ok(Tail { file, segment_start: 0, end: segment::SEGMENT_HEADER_BYTES, next_sequence: 1 })
}

fn resume(
    dir: &Path,
    from: u64,
    files: &dyn LogFiles,
    layout: Layout,
    newest: &Segment,
) -> Result<(Tail, u64), OpenError> {
    let mut file = files.open(&newest.path).map_err(OpenError::io("open", &newest.path))?;
    settle(dir, files, file.as_mut(), &newest.path)?;
    let unborn = layout.unborn.clone();
    let mut reader = LogReader::new(dir, layout, from)?;
    check_groups(&mut reader, from)?;
    let end = reader.reached();
    check_end(&newest.path, end - newest.start, from, end)?;
    remove_unborn(dir, files, unborn.as_deref())?;
    cut(file.as_mut(), newest, end, reader.torn_bytes())?;
    let next_sequence = reader.next_sequence().unwrap_or(newest.first_sequence);
    Ok((Tail { file, segment_start: newest.start, end, next_sequence }, reader.torn_bytes()))
}

/// What a killed program wrote but did not sync is made durable before it is believed; what an earlier failed
/// sync lost is forgotten by the cache, so that the check reads the disk.
fn settle(dir: &Path, files: &dyn LogFiles, file: &mut dyn LogFile, path: &Path) -> Result<(), OpenError> {
    file.sync_data().map_err(OpenError::io("sync", path))?;
    files.sync_dir(dir).map_err(OpenError::io("sync the directory", dir))?;
    forget_cached(path)
}

/// Reads all that replay will give, and that `from` does not cut a group in two.
fn check_groups(reader: &mut LogReader, from: u64) -> Result<(), OpenError> {
    while let Some(group) = reader.next() {
        let group = group?;
        if group.start < from {
            let what = format!(
                "the stores have seen position {from}, which lies inside the group from {} to {}: \
                 this log and the stores do not belong together",
                group.start, group.end
            );
            return Err(reader.damaged_at(group.start, what));
        }
    }
    Ok(())
}

/// A log that ends before what was already applied has lost acknowledged groups.
fn check_end(file: &Path, offset: u64, from: u64, end: u64) -> Result<(), OpenError> {
    if end >= from {
        return Ok(());
    }
    let what = format!(
        "the stores have seen position {from}, but the log ends at {end}: acknowledged events are missing"
    );
    Err(OpenError::damaged(file, offset, what))
}

fn remove_unborn(dir: &Path, files: &dyn LogFiles, path: Option<&Path>) -> Result<(), OpenError> {
    let Some(path) = path else { return Ok(()) };
    tracing::warn!(file = %path.display(), "removing a log segment that was never begun");
    files.remove(path).map_err(OpenError::io("remove", path))?;
    files.sync_dir(dir).map_err(OpenError::io("sync the directory", dir))
}

/// Cuts off what stands behind the log's end: room that a killed program had made, or what it was writing.
fn cut(file: &mut dyn LogFile, newest: &Segment, end: u64, torn_bytes: u64) -> Result<(), OpenError> {
    if newest.end() == end {
        return Ok(());
    }
    if torn_bytes > 0 {
        tracing::warn!(
            file = %newest.path.display(), end, torn_bytes,
            "cutting off a group whose writing was interrupted; it was never acknowledged"
        );
    }
    file.set_len(end - newest.start).map_err(OpenError::io("cut", &newest.path))?;
    file.sync_data().map_err(OpenError::io("sync", &newest.path))
}
