//! Records of a CSV file: cells of one logical row, which may span several lines inside quotes.
//!
//! A stray quote must not swallow the rest of the file, so a row that spans lines is bounded, and where it
//! does not come out right only its first line is given up. Knows nothing of what the columns mean.

use super::lines::{LINE_BYTES_MAX, Line, Lines};
use std::io;

/// The most lines one quoted cell may span.
const RECORD_LINES_MAX: usize = 100;

/// One row as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line it starts on, from 1.
    pub(super) line: u64,
    /// Its cells as written, quotes resolved.
    pub(super) cells: Vec<String>,
    /// Why the row cannot be taken, whatever its cells say.
    pub(super) damage: Option<String>,
}

/// The next record, blank rows skipped; `width` is the number of cells that the header has, if it is known.
pub(super) fn next_record(lines: &mut Lines<'_>, width: Option<usize>) -> io::Result<Option<Record>> {
    loop {
        let Some(first) = lines.next_line()? else {
            return Ok(None);
        };
        if !first.is_blank() {
            return read_record(lines, first, width).map(Some);
        }
    }
}

fn read_record(lines: &mut Lines<'_>, first: Line, width: Option<usize>) -> io::Result<Record> {
    if !first.bytes.contains(&b'"') {
        let cells = text_of(&first.bytes).split(',').map(str::to_owned).collect();
        return Ok(judged(&first, cells, width));
    }
    let Gathered { whole, more, closed } = gather(lines, &first)?;
    let record = judged(&whole, parse(&whole.bytes), width);
    if closed && (more.is_empty() || record.damage.is_none()) {
        return Ok(record);
    }
    lines.put_back(more.into_iter());
    let mut alone = judged(&first, parse(&first.bytes), width);
    let where_closed = if closed { "closes in a later row" } else { "is never closed" };
    alone.damage = Some(format!(
        "a quote opens here and {where_closed}; close it, or write it twice (\"\") to mean a quote"
    ));
    Ok(alone)
}

struct Gathered {
    /// All lines in one.
    whole: Line,
    /// The lines after the first, to be put back where the row does not come out right.
    more: Vec<Line>,
    closed: bool,
}

/// The lines until the quotes of the first are closed, within the limits.
fn gather(lines: &mut Lines<'_>, first: &Line) -> io::Result<Gathered> {
    let mut quotes = Quotes::default();
    let mut closed = quotes.closed_after(&first.bytes);
    let mut whole = first.clone();
    let mut more = Vec::new();
    while !closed && more.len() + 1 < RECORD_LINES_MAX && whole.bytes.len() < LINE_BYTES_MAX {
        let Some(line) = lines.next_line()? else { break };
        closed = quotes.closed_after(&line.bytes);
        whole.cut |= line.cut;
        whole.bytes.push(b'\n');
        whole.bytes.extend_from_slice(&line.bytes);
        more.push(line);
    }
    Ok(Gathered { whole, more, closed })
}

/// The record of these cells, with the damage that shows without knowing the columns.
fn judged(line: &Line, cells: Vec<String>, width: Option<usize>) -> Record {
    let damage = if line.cut {
        Some(format!("longer than {LINE_BYTES_MAX} bytes; a row may not be longer"))
    } else if std::str::from_utf8(&line.bytes).is_err() {
        Some("not UTF-8 text; save the file as UTF-8".to_owned())
    } else {
        width.filter(|&width| width != cells.len()).map(|width| {
            let count = cells.len();
            format!(
                "has {count} cells where the header has {width}; put a cell that holds a comma between quotes"
            )
        })
    };
    Record { line: line.number, cells, damage }
}

fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The cells of one record with quotes.
fn parse(bytes: &[u8]) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1024).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    // Reading bytes from memory with any number of cells cannot fail; if it did, the row has no cells and is
    // refused for that.
    let _ = reader.read_byte_record(&mut record);
    record.iter().map(|cell| text_of(cell).into_owned()).collect()
}

/// Whether a quoted cell is open, by the rules of CSV: a quote counts only at the start of a cell.
#[derive(Default)]
struct Quotes {
    inside: bool,
}

impl Quotes {
    fn closed_after(&mut self, line: &[u8]) -> bool {
        let mut cell_start = !self.inside;
        let mut bytes = line.iter().peekable();
        while let Some(&byte) = bytes.next() {
            if self.inside {
                // A doubled quote stands for a quote.
                if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
                    self.inside = false;
                }
            } else {
                self.inside = cell_start && byte == b'"';
            }
            cell_start = !self.inside && byte == b',';
        }
        !self.inside
    }
}
