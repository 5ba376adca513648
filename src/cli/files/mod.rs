//! Reads the registry and purchase files (CSV) into domain values, row by row.
//!
//! A bad row is refused with its line, column and reason, and never stops the rest. Knows the files and the
//! domain; knows nothing of the wire, of stores, or of what becomes of the rows.

mod cells;
pub(crate) mod decimal;
mod error;
mod history;
mod lines;
mod purchases;
mod records;
mod registry;
mod rejects;
mod rows;

pub use cells::Cells;
pub use error::{BadCell, FileError, Reject};
pub use history::{GoLiveRow, OpeningStockRow, PastReturnRow, PastRow};
pub use lines::Place;
pub use registry::OwnSchemeRow;
pub use rejects::RejectsWriter;
pub(super) use rejects::harmless;
pub use rows::{Row, Rows, Taken, read_rows};

#[cfg(test)]
mod tests;
