//! Walks the frames of one segment file and judges what it finds: a group, the end, or something bad.
//! What a bad place means for the whole log is decided by the reader, not here.

use super::error::OpenError;
use super::file::only_zeros;
use super::frame::{self, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameHeader, Group};
use super::segment::{SEGMENT_HEADER_BYTES, Segment};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// How much is searched at a time for a later frame, in bytes.
const WINDOW_BYTES: u64 = 256 << 10;

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum Step {
    Group(Group),
    End,
    Bad(Bad),
}

/// A place where no sound frame stands.
#[derive(Debug)]
pub(super) struct Bad {
    /// In the file, in bytes.
    pub offset: u64,
    pub what: &'static str,
    /// An interrupted write can look like this.
    pub may_be_torn: bool,
}

/// A walk over one segment, up to the length that the file had at its start.
#[derive(Debug)]
pub(super) struct SegmentScan {
    pub segment: Segment,
    pub next_sequence: u64,
    file: BufReader<File>,
    bytes: u64,
    offset: u64,
}

impl SegmentScan {
    /// Stands before the first frame.
    pub fn open(segment: Segment) -> Result<Self, OpenError> {
        let mut file = File::open(&segment.path).map_err(OpenError::io("open", &segment.path))?;
        let bytes = file.metadata().map_err(OpenError::io("read the length of", &segment.path))?.len();
        file.seek(SeekFrom::Start(SEGMENT_HEADER_BYTES)).map_err(OpenError::io("read", &segment.path))?;
        Ok(Self {
            next_sequence: segment.first_sequence,
            file: BufReader::with_capacity(64 << 10, file),
            bytes,
            offset: SEGMENT_HEADER_BYTES,
            segment,
        })
    }

    /// The position in the log that is reached.
    pub fn position(&self) -> u64 {
        self.segment.start + self.offset
    }

    /// Bytes from the place that is reached to the end of the file.
    pub fn bytes_left(&self) -> u64 {
        self.bytes.saturating_sub(self.offset)
    }

    /// Reads the next frame. After [`Step::Bad`] the walk is over.
    pub fn step(&mut self) -> Result<Step, OpenError> {
        if self.bytes_left() == 0 {
            return Ok(Step::End);
        }
        match self.read_group() {
            Ok(Ok(group)) => {
                self.offset = group.end - self.segment.start;
                // The last number there is can only be made up, and damage is no reason to fall over.
                self.next_sequence = self.next_sequence.saturating_add(1);
                Ok(Step::Group(group))
            }
            Ok(Err(bad)) => Ok(Step::Bad(bad)),
            // The file became shorter while it was read: a writer took a failed write back.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Step::Bad(self.torn("the frame is incomplete")))
            }
            Err(error) => Err(OpenError::io("read", &self.segment.path)(error)),
        }
    }

    fn read_group(&mut self) -> io::Result<Result<Group, Bad>> {
        if self.bytes_left() < FRAME_HEADER_BYTES as u64 {
            return Ok(Err(self.torn("the frame is incomplete")));
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        self.file.read_exact(&mut header)?;
        let header = match self.judge_header(&header) {
            Ok(header) => header,
            Err(bad) => return Ok(Err(bad)),
        };
        let mut body = vec![0; usize::try_from(header.body_bytes).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut body)?;
        if crc32fast::hash(&body) != header.body_crc {
            return Ok(Err(self.torn("the frame's body was changed (CRC)")));
        }
        Ok(Group::new(self.position(), &header, body)
            .ok_or_else(|| self.wrong("the frame's lengths do not add up")))
    }

    /// A whole header that does not belong here was never left by an interrupted write.
    fn judge_header(&self, bytes: &[u8]) -> Result<FrameHeader, Bad> {
        let header = FrameHeader::decode(bytes).ok_or_else(|| self.torn("no sound frame begins here"))?;
        let at_start = self.offset == SEGMENT_HEADER_BYTES;
        let durable_before = if at_start { self.segment.start } else { self.position() };
        if header.sequence != self.next_sequence {
            Err(self.wrong("the frame has another sequence number than is due here"))
        } else if header.durable_before != durable_before {
            Err(self.wrong("the frame belongs to another position"))
        } else if header.frame_bytes() > FRAME_BYTES_MAX {
            Err(self.wrong("the frame is larger than any group may be"))
        } else if header.frame_bytes() > self.bytes_left() {
            Err(self.torn("the frame is incomplete"))
        } else {
            Ok(header)
        }
    }

    fn torn(&self, what: &'static str) -> Bad {
        Bad { offset: self.offset, what, may_be_torn: true }
    }

    fn wrong(&self, what: &'static str) -> Bad {
        Bad { offset: self.offset, what, may_be_torn: false }
    }

    /// Looks behind a bad place for a frame header that can only have been written after it: the offset of the
    /// first one in the file. A header is enough: it was written after all before it was acknowledged. Its
    /// position is not asked, so that bytes cut out of the file do not hide it.
    pub fn later_header(&mut self) -> Result<Option<u64>, OpenError> {
        self.search(self.offset + 1).map_err(OpenError::io("read", &self.segment.path))
    }

    /// Whether nothing was ever written from the place that is reached to the end of the file: room for what was to come.
    pub fn is_room(&mut self) -> Result<bool, OpenError> {
        let io = OpenError::io("read", &self.segment.path);
        self.file.seek(SeekFrom::Start(self.offset)).and_then(|_| only_zeros(&mut self.file)).map_err(io)
    }

    fn search(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        let mut window = Vec::new();
        while self.bytes.saturating_sub(offset) >= FRAME_HEADER_BYTES as u64 {
            window.clear();
            self.file.seek(SeekFrom::Start(offset))?;
            let wanted = WINDOW_BYTES.min(self.bytes - offset);
            (&mut self.file).take(wanted).read_to_end(&mut window)?;
            if let Some(at) = frame::find_header(&window, self.next_sequence) {
                return Ok(Some(offset + at as u64));
            }
            if window.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            // The next window overlaps by a header less one byte.
            offset += (window.len() - FRAME_HEADER_BYTES + 1) as u64;
        }
        Ok(None)
    }
}
