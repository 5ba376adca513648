//! Rows for spreadsheets and programs: CSV, XLSX or JSON lines, in memory that does not grow with their number. Knows
//! nothing of what the rows say.
//!
//! Codes stay texts: a spreadsheet keeps 15 digits of a number. A text that a spreadsheet would take for a formula
//! (`=`, `+`, `-`, `@` in front) gets an apostrophe in CSV; in XLSX it is written as a text.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use std::io::{Read, Seek, SeekFrom, Write};

/// Rows of one sheet, with its header; what is more goes into another one.
const SHEET_ROWS_MAX: u32 = 1_048_576;
/// The longest text of a cell that every spreadsheet takes, in characters.
const CELL_CHARS_MAX: usize = 32_767;
/// Bytes that are copied at once.
const BUFFER_BYTES: usize = 64 << 10;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SheetFormat {
    /// Comma-separated values: UTF-8 with a byte order mark, so that Excel reads Chinese.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// One JSON object a line.
    JsonLines,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text; codes too.
    Text(String),
    /// A number that is added up; `None` = not known.
    Number(Option<Decimal>),
    /// Yes or no.
    Flag(bool),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// Whoever takes them is gone, or the disk is full.
    #[error("rows cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The workbook cannot be made.
    #[error("the workbook cannot be made: {0}")]
    Xlsx(#[from] XlsxError),
    /// A row is no CSV.
    #[error("a row cannot be written as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A row is no JSON.
    #[error("a row cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes rows under a header; gives how many.
pub fn write_rows(
    format: SheetFormat,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell>>,
    out: &mut impl Write,
) -> Result<u64, SheetError> {
    match format {
        SheetFormat::Csv => write_csv(header, rows, out),
        SheetFormat::Xlsx => write_xlsx(header, rows, out),
        SheetFormat::JsonLines => write_json(header, rows, out),
    }
}

fn write_csv(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell>>,
    out: &mut impl Write,
) -> Result<u64, SheetError> {
    out.write_all("\u{feff}".as_bytes())?;
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(header)?;
    let mut count = 0;
    for row in rows {
        csv.write_record(row.iter().map(in_csv))?;
        count += 1;
    }
    csv.flush()?;
    Ok(count)
}

fn in_csv(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.map(|n| n.normalize().to_string()).unwrap_or_default(),
        Cell::Flag(flag) => flag.to_string(),
    }
}

fn write_json(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell>>,
    out: &mut impl Write,
) -> Result<u64, SheetError> {
    let mut count = 0;
    for row in rows {
        let value = |cell: Cell| match cell {
            Cell::Text(text) => serde_json::Value::String(text),
            // As text: whoever adds amounts up must not round them.
            Cell::Number(number) => number.map(|n| n.normalize().to_string()).into(),
            Cell::Flag(flag) => serde_json::Value::Bool(flag),
        };
        let object: serde_json::Map<_, _> =
            header.iter().map(|name| (*name).to_owned()).zip(row.into_iter().map(value)).collect();
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

fn write_xlsx(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell>>,
    out: &mut impl Write,
) -> Result<u64, SheetError> {
    let mut workbook = Workbook::new();
    let mut rows = rows.into_iter().peekable();
    let mut count = 0;
    loop {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        write_header(sheet, header)?;
        for (number, row) in (1..SHEET_ROWS_MAX).zip(rows.by_ref()) {
            write_row(sheet, number, &row)?;
            count += 1;
        }
        if rows.peek().is_none() {
            break;
        }
    }
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        out.write_all(buffer.get(..read).unwrap_or_default())?;
    }
    out.flush()?;
    Ok(count)
}

fn write_header(sheet: &mut Worksheet, header: &[&str]) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    for (column, name) in (0_u16..).zip(header) {
        sheet.write_string_with_format(0, column, *name, &bold)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

fn write_row(sheet: &mut Worksheet, number: u32, row: &[Cell]) -> Result<(), XlsxError> {
    for (column, cell) in (0_u16..).zip(row) {
        match cell {
            Cell::Text(text) if text.is_empty() => {}
            Cell::Text(text) if text.len() > CELL_CHARS_MAX => {
                let cut: String = text.chars().take(CELL_CHARS_MAX).collect();
                sheet.write_string(number, column, cut)?;
            }
            Cell::Text(text) => drop(sheet.write_string(number, column, text)?),
            Cell::Number(value) => {
                if let Some(value) = value.and_then(|value| value.to_f64()) {
                    sheet.write_number(number, column, value)?;
                }
            }
            Cell::Flag(flag) => drop(sheet.write_boolean(number, column, *flag)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::{Data, Reader, Xlsx};
    use std::io::Cursor;

    const HEADER: [&str; 4] = ["code", "amount", "attempt", "note"];

    fn rows() -> Vec<Vec<Cell>> {
        let row = |code: &str, amount: Option<i64>, note: &str| {
            let amount = amount.map(|fen| Decimal::new(fen, 2));
            vec![Cell::text(code), Cell::Number(amount), Cell::Flag(true), Cell::text(note)]
        };
        vec![
            row("83003850000000131888", Some(1250), "=1+1"),
            row("(01)06901234567892(21)S", None, "说明, \"引号\"\n换行"),
        ]
    }

    fn written(format: SheetFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(write_rows(format, &HEADER, rows(), &mut bytes).unwrap(), 2);
        bytes
    }

    #[test]
    fn csv_is_read_back_and_holds_no_formula() {
        let bytes = written(SheetFormat::Csv);
        let text = String::from_utf8(bytes).unwrap();
        let mut csv = csv::Reader::from_reader(text.strip_prefix('\u{feff}').unwrap().as_bytes());
        assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), HEADER);
        let read: Vec<Vec<String>> =
            csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(read[0], ["83003850000000131888", "12.5", "true", "'=1+1"]);
        assert_eq!(read[1], ["(01)06901234567892(21)S", "", "true", "说明, \"引号\"\n换行"]);
    }

    #[test]
    fn json_lines_are_read_back() {
        let text = String::from_utf8(written(SheetFormat::JsonLines)).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["code"], "83003850000000131888");
        assert_eq!((&lines[0]["amount"], &lines[0]["note"]), (&"12.5".into(), &"=1+1".into()));
        assert_eq!(lines[1]["amount"], serde_json::Value::Null);
    }

    #[test]
    fn a_workbook_is_read_back_with_its_codes_intact() {
        let mut workbook = Xlsx::new(Cursor::new(written(SheetFormat::Xlsx))).unwrap();
        let sheet = workbook.worksheet_range_at(0).unwrap().unwrap();
        let read: Vec<Vec<Data>> = sheet.rows().map(<[Data]>::to_vec).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[1][0], Data::String("83003850000000131888".to_owned()));
        assert_eq!(read[1][1], Data::Float(12.5));
        assert_eq!(read[1][3], Data::String("=1+1".to_owned()), "a text, not a formula");
        assert_eq!((&read[2][1], &read[2][2]), (&Data::Empty, &Data::Bool(true)));
    }
}
