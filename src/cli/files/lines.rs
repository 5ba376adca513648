//! Physical lines of a file, numbered, bounded, and able to be put back.
//!
//! Knows bytes and line ends only: neither columns nor quotes.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is kept, in bytes; the rest of a longer one is skipped.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Where a line of a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Bytes before it.
    pub offset_bytes: u64,
    /// Its number, from 1.
    pub line: u64,
}

/// One line without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1 at the top of the file.
    pub(super) number: u64,
    /// Bytes of the file before it.
    offset_bytes: u64,
    /// At most [`LINE_BYTES_MAX`] bytes.
    pub(super) bytes: Vec<u8>,
    /// Bytes were left out.
    pub(super) cut: bool,
}

/// Lines of a reader, in order.
pub(super) struct Lines<'a> {
    source: BufReader<Box<dyn Read + Send + 'a>>,
    number: u64,
    /// Bytes that were read, lines that were put back included.
    read_bytes: u64,
    put_back: VecDeque<Line>,
}

impl<'a> Lines<'a> {
    /// Lines of a reader that stands at a place of its file.
    pub(super) fn from_place(source: impl Read + Send + 'a, place: Place) -> Self {
        let source: Box<dyn Read + Send + 'a> = Box::new(source);
        Self {
            source: BufReader::with_capacity(LINE_BYTES_MAX, source),
            number: place.line.saturating_sub(1),
            read_bytes: place.offset_bytes,
            put_back: VecDeque::new(),
        }
    }

    /// Where the next line begins, or would.
    pub(super) fn place(&self) -> Place {
        match self.put_back.front() {
            Some(line) => Place { offset_bytes: line.offset_bytes, line: line.number },
            None => Place { offset_bytes: self.read_bytes, line: self.number + 1 },
        }
    }

    /// The next line, or `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        match self.put_back.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read_line(),
        }
    }

    /// The number of the line that was read last, 0 before the first.
    pub(super) fn last_number(&self) -> u64 {
        self.number
    }

    /// Gives lines back, in their order; they are the next to be read.
    pub(super) fn put_back(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        for line in lines.rev() {
            self.put_back.push_front(line);
        }
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut line =
            Line { number: self.number + 1, offset_bytes: self.read_bytes, bytes: Vec::new(), cut: false };
        let mut anything = false;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            anything = true;
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(available.len());
            line.keep(available.get(..taken).unwrap_or_default());
            let consumed = end.map_or(taken, |at| at + 1);
            self.source.consume(consumed);
            self.read_bytes += consumed as u64;
            if end.is_some() {
                break;
            }
        }
        if !anything {
            return Ok(None);
        }
        self.number = line.number;
        if line.bytes.last() == Some(&b'\r') {
            line.bytes.pop();
        }
        Ok(Some(line))
    }
}

impl Line {
    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Nothing in it but blanks and commas, as spreadsheets write empty rows.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b',')
    }
}
