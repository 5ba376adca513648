//! Streams the rows of one CSV file as domain values, and the rows that could not be read as rejects.
//!
//! Columns are found by name. Knows nothing of any single file: each row type names its columns itself.

use super::cells::Cells;
use super::error::{BadCell, FileError, Reject};
use super::lines::{Lines, Place};
use super::records::{Record, next_record};
use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::marker::PhantomData;

/// How much of a file is checked for its encoding before the first row is taken, in bytes.
const ENCODING_CHECK_BYTES: u64 = 1024 * 1024;

/// A row type: which columns its file has, and how a row is read from them.
pub trait Row: Sized {
    /// The usual name of its file.
    const FILE_NAME: &'static str;
    /// Columns that the header must name.
    const REQUIRED: &'static [&'static str];
    /// Columns that the header may name.
    const OPTIONAL: &'static [&'static str] = &[];

    /// Reads one row, or names the cell that stands in the way.
    fn read(cells: &Cells<'_>) -> Result<Self, BadCell>;
}

/// The rows of one file, in file order; a bad row never stops the rest.
pub struct Rows<'a, T> {
    lines: Lines<'a>,
    columns: Vec<String>,
    places: HashMap<&'static str, usize>,
    ended: bool,
    taken: Option<Taken>,
    row: PhantomData<fn() -> T>,
}

/// Where the last good row stood, for whoever refuses it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The line it starts on.
    pub line: u64,
    /// Its cells as they stand in the file.
    pub record: Vec<String>,
}

impl Taken {
    /// The reject of a row that was readable but refused elsewhere.
    pub fn refused(self, reason: String) -> Reject {
        Reject { line: self.line, column: String::new(), reason, record: self.record, ends_file: false }
    }
}

/// Opens a CSV file: checks its encoding and its header, and takes no row yet.
///
/// The encoding is checked over the first MiB, which tells a file in another encoding; bytes that are not
/// UTF-8 further down make only their own row a reject.
///
/// # Errors
/// A file that cannot be read, is not UTF-8, is empty, or whose header lacks a required column or names one
/// twice.
pub fn read_rows<'a, T: Row>(reader: impl Read + Send + 'a) -> Result<Rows<'a, T>, FileError> {
    let unreadable = |source| FileError::Unreadable { file: T::FILE_NAME, source };
    let (reader, skipped_bytes) = checked::<T>(reader)?;
    let mut lines = Lines::from_place(reader, Place { offset_bytes: skipped_bytes, line: 1 });
    let header = next_record(&mut lines, None).map_err(unreadable)?;
    let header =
        header.ok_or_else(|| FileError::Empty { file: T::FILE_NAME, expected: T::REQUIRED.join(", ") })?;
    let (columns, places) = read_header::<T>(header)?;
    Ok(Rows { lines, columns, places, ended: false, taken: None, row: PhantomData })
}

/// The reader without a byte-order mark, after a look at its encoding; and the bytes of that mark.
fn checked<'a, T: Row>(mut reader: impl Read + Send + 'a) -> Result<(impl Read + Send + 'a, u64), FileError> {
    let mut head = Vec::new();
    (&mut reader)
        .take(ENCODING_CHECK_BYTES)
        .read_to_end(&mut head)
        .map_err(|source| FileError::Unreadable { file: T::FILE_NAME, source })?;
    if let Err(error) = std::str::from_utf8(&head) {
        let good = head.get(..error.valid_up_to()).unwrap_or_default();
        // A character that the look itself cut in two is no fault of the file.
        if error.error_len().is_some() || (head.len() as u64) < ENCODING_CHECK_BYTES {
            let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count() as u64;
            return Err(FileError::NotUtf8 { file: T::FILE_NAME, line });
        }
    }
    let mut head = Cursor::new(head);
    if head.get_ref().starts_with(b"\xEF\xBB\xBF") {
        head.set_position(3);
    }
    let skipped_bytes = head.position();
    Ok((head.chain(reader), skipped_bytes))
}

type Header = (Vec<String>, HashMap<&'static str, usize>);

fn read_header<T: Row>(record: Record) -> Result<Header, FileError> {
    let bad = |reason| FileError::BadHeader { file: T::FILE_NAME, line: record.line, reason };
    if let Some(damage) = record.damage {
        return Err(bad(damage));
    }
    let found: Vec<String> = record.cells.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut places = HashMap::new();
    for &column in T::REQUIRED.iter().chain(T::OPTIONAL) {
        let mut at = found.iter().enumerate().filter(|(_, name)| *name == column).map(|(place, _)| place);
        if let Some(place) = at.next() {
            places.insert(column, place);
        }
        if at.next().is_some() {
            return Err(bad(format!("it names column {column} twice; remove one of them")));
        }
    }
    let missing: Vec<&str> = T::REQUIRED.iter().copied().filter(|name| !places.contains_key(name)).collect();
    if missing.is_empty() {
        return Ok((record.cells, places));
    }
    Err(FileError::MissingColumns {
        file: T::FILE_NAME,
        missing: missing.join(", "),
        found: found.join(", ").chars().take(500).collect(),
        hint: separator_hint(&found),
    })
}

fn separator_hint(found: &[String]) -> &'static str {
    match found {
        [only] if only.contains([';', '\t', '|']) => " (the file has to be separated by commas)",
        _ => "",
    }
}

impl<'a, T: Row> Rows<'a, T> {
    /// Where the next row begins: with [`going_on_at`](Self::going_on_at) another reader goes on there.
    pub fn place(&self) -> Place {
        self.lines.place()
    }

    /// Goes on with a reader of the same file that stands at a place where a row begins.
    #[must_use]
    pub fn going_on_at(self, reader: impl Read + Send + 'a, place: Place) -> Self {
        Self { lines: Lines::from_place(reader, place), ended: false, taken: None, ..self }
    }

    /// The columns as the header names them, in file order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the row that was given last stood; `None` after a reject, and once asked.
    pub fn taken(&mut self) -> Option<Taken> {
        self.taken.take()
    }

    fn read_row(&mut self, record: Record) -> Result<T, Reject> {
        let Record { line, cells, damage } = record;
        let result = match damage {
            Some(reason) => Err(BadCell { column: "", reason }),
            None => T::read(&Cells::new(&self.places, &cells)),
        };
        match result {
            Ok(row) => {
                self.taken = Some(Taken { line, record: cells });
                Ok(row)
            }
            Err(BadCell { column, reason }) => {
                self.taken = None;
                Err(Reject { line, column: column.to_owned(), reason, record: cells, ends_file: false })
            }
        }
    }

    fn broken_off(&mut self, error: &io::Error) -> Reject {
        self.ended = true;
        let line = self.lines.last_number() + 1;
        let reason =
            format!("reading broke off: {error}; the rows from here on are missing, import the file again");
        Reject { line, column: String::new(), reason, record: Vec::new(), ends_file: true }
    }
}

impl<T: Row> Iterator for Rows<'_, T> {
    type Item = Result<T, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match next_record(&mut self.lines, Some(self.columns.len())) {
            Ok(Some(record)) => Some(self.read_row(record)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => Some(Err(self.broken_off(&error))),
        }
    }
}
