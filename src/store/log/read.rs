//! Reads a log in order, for replay at start and for exports. It changes no file and holds one group at a time.

use super::error::OpenError;
use super::frame::Group;
use super::scan::{Bad, SegmentScan, Step};
use super::segment::{Layout, SEGMENT_HEADER_BYTES, Segment};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// The groups of the log in `dir` that end after `position`, in order.
///
/// A payload's position gives the group that holds it first. The log may be open for appending elsewhere: give
/// [`LogReader::until`] the writer's durable end, else groups that are not acknowledged yet may be seen, and an
/// incomplete last frame ends the reading. Errors: the files do not make one log, or begin after `position`.
pub fn read_from(dir: &Path, position: u64) -> Result<LogReader, OpenError> {
    LogReader::new(dir, Layout::read(dir)?, position)
}

/// A walk over the groups of a log; nothing follows an error.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    waiting: VecDeque<Segment>,
    scan: Option<SegmentScan>,
    /// The newest segment may end in an interrupted write: no newer file proves that it was whole.
    open_tail: bool,
    from: u64,
    until: Option<u64>,
    reached: u64,
    next_sequence: Option<u64>,
    torn_bytes: u64,
    done: bool,
}

impl LogReader {
    /// Stands before the segment that holds `from`.
    pub(super) fn new(dir: &Path, layout: Layout, from: u64) -> Result<Self, OpenError> {
        let mut waiting = VecDeque::from(layout.segments);
        if let Some(first) = waiting.front().filter(|first| first.start > from) {
            let what =
                format!("the log begins at position {}, but it is asked for from {from} on", first.start);
            return Err(OpenError::damaged(dir, 0, what));
        }
        while waiting.get(1).is_some_and(|next| next.start <= from) {
            waiting.pop_front();
        }
        Ok(Self {
            dir: dir.to_owned(),
            open_tail: layout.unborn.is_none(),
            waiting,
            scan: None,
            from,
            until: None,
            reached: 0,
            next_sequence: None,
            torn_bytes: 0,
            done: false,
        })
    }

    /// Ends before position `end`, which must be a durable end of this log; a log that ends earlier is damaged.
    #[must_use]
    pub fn until(mut self, end: u64) -> Self {
        self.until = Some(end);
        self
    }

    /// The position that is reached; after the last group, the log's end.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// Bytes of an interrupted write behind the log's end; known after the last group.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The number of the group that comes next; `None` where there is no segment.
    pub(super) fn next_sequence(&self) -> Option<u64> {
        self.next_sequence
    }

    /// Damage at a position of the segment that is being read.
    pub(super) fn damaged_at(&self, position: u64, what: String) -> OpenError {
        match &self.scan {
            Some(scan) => OpenError::damaged(&scan.segment.path, position - scan.segment.start, what),
            None => OpenError::damaged(&self.dir, 0, what),
        }
    }

    fn advance(&mut self) -> Result<Option<Group>, OpenError> {
        while self.until.is_none_or(|until| self.reached < until) {
            let Some(scan) = self.current_scan()? else {
                return self.end_of_files();
            };
            match scan.step()? {
                Step::Group(group) => {
                    self.next_sequence = Some(scan.next_sequence);
                    self.reached = group.end;
                    if group.end > self.from {
                        return Ok(Some(group));
                    }
                }
                Step::End => self.scan = None,
                Step::Bad(bad) => return self.stop_at(&bad),
            }
        }
        Ok(None)
    }

    /// The scan in hand, or the one of the next segment.
    fn current_scan(&mut self) -> Result<Option<&mut SegmentScan>, OpenError> {
        if self.scan.is_none()
            && let Some(segment) = self.waiting.pop_front()
        {
            if self.next_sequence.is_some_and(|due| due != segment.first_sequence) {
                let what = "its first group has another sequence number than is due after the segment before";
                return Err(OpenError::damaged(&segment.path, 0, what));
            }
            self.next_sequence = Some(segment.first_sequence);
            self.reached = segment.start + SEGMENT_HEADER_BYTES;
            self.scan = Some(SegmentScan::open(segment)?);
        }
        Ok(self.scan.as_mut())
    }

    fn end_of_files(&self) -> Result<Option<Group>, OpenError> {
        match self.until {
            Some(until) => {
                let what = format!("the log ends at position {}, before {until}", self.reached);
                Err(OpenError::damaged(&self.dir, 0, what))
            }
            None => Ok(None),
        }
    }

    /// A bad place is the log's end only where an interrupted write can have left it; all else is damage.
    fn stop_at(&mut self, bad: &Bad) -> Result<Option<Group>, OpenError> {
        let Some(mut scan) = self.scan.take() else {
            return Ok(None);
        };
        let later = if bad.may_be_torn { scan.later_header()? } else { None };
        let newest = self.waiting.is_empty() && self.open_tail && self.until.is_none();
        if newest && bad.may_be_torn && later.is_none() {
            self.torn_bytes = if scan.is_room()? { 0 } else { scan.bytes_left() };
            return Ok(None);
        }
        let proof = match later {
            Some(offset) => format!("; a later group begins at byte {offset}"),
            None => String::new(),
        };
        Err(OpenError::damaged(&scan.segment.path, bad.offset, format!("{}{proof}", bad.what)))
    }
}

impl Iterator for LogReader {
    type Item = Result<Group, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.advance().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
