//! Writes the rows that were not taken into a CSV file that a person can open, mend and import again.

use super::error::Reject;
use std::io::Write;

/// Writes rejects as CSV: line, column, reason, then the row as it stood in its file.
///
/// The first three columns are unknown to the readers and therefore ignored by them, so the mended file can be
/// imported as it is.
pub struct RejectsWriter<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> RejectsWriter<W> {
    /// Starts a file for the rejects of one file with these `columns`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(out: W, columns: &[String]) -> Result<Self, csv::Error> {
        let mut out = csv::WriterBuilder::new().flexible(true).from_writer(out);
        let own = ["line", "column", "reason"].into_iter().map(str::to_owned);
        out.write_record(own.chain(columns.iter().map(|name| harmless(name))))?;
        Ok(Self { out })
    }

    /// Goes on with a file that has its header.
    pub fn append(out: W) -> Self {
        Self { out: csv::WriterBuilder::new().flexible(true).from_writer(out) }
    }

    /// Appends one reject.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&mut self, reject: &Reject) -> Result<(), csv::Error> {
        let own = [reject.line.to_string(), harmless(&reject.column), harmless(&reject.reason)];
        self.out.write_record(own.into_iter().chain(reject.record.iter().map(|cell| harmless(cell))))
    }

    /// Writes out what is still held back.
    ///
    /// # Errors
    /// What the writer says; without this call the last rows may be lost without a word.
    pub fn finish(mut self) -> Result<(), csv::Error> {
        self.out.flush().map_err(csv::Error::from)
    }
}

/// The cell, kept from being run as a formula by the spreadsheet that opens it.
pub(crate) fn harmless(cell: &str) -> String {
    match cell.trim_start().starts_with(['=', '+', '-', '@']) {
        true => format!("'{}", cell.trim_start()),
        false => cell.to_owned(),
    }
}
