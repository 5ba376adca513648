//! What can be wrong with a file as a whole, and with one row of it.

use std::io;

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused to read it.
    #[error("{file}: cannot be read: {source}; check the path and the permissions")]
    Unreadable {
        /// The kind of file that was expected.
        file: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another encoding, mostly GBK from a spreadsheet.
    #[error("{file}: line {line} is not UTF-8 (GBK is common); save the file as UTF-8 and import it again")]
    NotUtf8 {
        /// The kind of file that was expected.
        file: &'static str,
        /// The first line that is not UTF-8, from 1.
        line: u64,
    },
    /// Not even a header.
    #[error("{file}: the file is empty; its first line has to name the columns: {expected}")]
    Empty {
        /// The kind of file that was expected.
        file: &'static str,
        /// The columns it should name, separated by commas.
        expected: String,
    },
    /// The header cannot be used as it stands.
    #[error("{file}: the header in line {line} is damaged: {reason}")]
    BadHeader {
        /// The kind of file that was expected.
        file: &'static str,
        /// Where the header stands.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Required columns are not in the header.
    #[error("{file}: missing column(s) {missing}; found {found}{hint}; add them to the header, in any order")]
    MissingColumns {
        /// The kind of file that was expected.
        file: &'static str,
        /// The missing columns, separated by commas.
        missing: String,
        /// The columns that are there, separated by commas.
        found: String,
        /// A guess at the cause, or empty.
        hint: &'static str,
    },
}

/// One row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The line it starts on; the header of a plain file is line 1.
    pub line: u64,
    /// The column at fault; empty where the row as a whole is.
    pub column: String,
    /// What is wrong and what to write instead.
    pub reason: String,
    /// The cells as they stand in the file, in its order.
    pub record: Vec<String>,
    /// Reading broke off here: whatever follows in the file was not seen, so the import is not complete.
    pub ends_file: bool,
}

/// A cell that says nothing usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCell {
    /// Its column.
    pub column: &'static str,
    /// What is wrong and what to write instead.
    pub reason: String,
}
