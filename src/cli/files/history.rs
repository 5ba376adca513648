//! Rows of the go-live files: past sales and returns, opening stock, go-live days.

use super::cells::{Cells, bad, shown};
use super::error::BadCell;
use super::registry::{catalog_code, institution_code, optional_catalog_code};
use super::rows::Row;
use crate::domain::document::PastEvent;
use crate::domain::party::InstitutionCode;
use crate::domain::purchase::{PurchaseRecord, PurchaseSource};
use crate::domain::time::moment_of;
use jiff::Timestamp;
use jiff::civil::Date;

/// Characters in the longest document, visit or lot number.
const NUMBER_CHARS_MAX: usize = 100;

/// One box of a past sale or return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRow(pub PastEvent);

/// The same row where only returns are wanted: everything else is `None`, and is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastReturnRow(pub Option<PastEvent>);

/// What an institution had of one drug and lot when it went live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningStockRow(pub PurchaseRecord);

/// The day on which purchase rules begin to count for an institution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoLiveRow {
    /// Which institution.
    pub institution: InstitutionCode,
    /// Its first day.
    pub goes_live_on: Date,
}

const PAST_FILE: &str = "sales.csv";
const PAST_REQUIRED: &[&str] = &["institution_code", "document_no", "occurred_at", "code"];
const PAST_OPTIONAL: &[&str] =
    &["kind", "visit_no", "line_no", "catalog_code", "quantity", "line_quantity", "split"];

impl Row for PastRow {
    const FILE_NAME: &'static str = PAST_FILE;
    const REQUIRED: &'static [&'static str] = PAST_REQUIRED;
    const OPTIONAL: &'static [&'static str] = PAST_OPTIONAL;

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        Ok(Self(past_event(cells, is_return(cells)?)?))
    }
}

impl Row for PastReturnRow {
    const FILE_NAME: &'static str = PAST_FILE;
    const REQUIRED: &'static [&'static str] = PAST_REQUIRED;
    const OPTIONAL: &'static [&'static str] = PAST_OPTIONAL;

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        if is_return(cells)? { past_event(cells, true).map(Some).map(Self) } else { Ok(Self(None)) }
    }
}

fn is_return(cells: &Cells<'_>) -> Result<bool, BadCell> {
    match cells.raw("kind") {
        "" => Ok(false),
        kind if kind.eq_ignore_ascii_case("sale") => Ok(false),
        kind if kind.eq_ignore_ascii_case("return") => Ok(true),
        kind => Err(bad(
            "kind",
            &format!("is {}; write sale or return, or leave it empty for a sale", shown(kind)),
        )),
    }
}

fn past_event(cells: &Cells<'_>, came_back: bool) -> Result<PastEvent, BadCell> {
    let document_no = cells.optional_key("document_no", NUMBER_CHARS_MAX)?;
    let visit_no = cells.optional_key("visit_no", NUMBER_CHARS_MAX)?;
    if document_no.is_none() && visit_no.is_none() {
        let why =
            "is empty, and there is no visit_no; without one of them a second import would be a second sale";
        return Err(bad("document_no", why));
    }
    let scanned = cells.raw("code");
    if scanned.is_empty() {
        return Err(bad("code", "is empty; leave rows without a code out"));
    }
    let split = cells.raw("split");
    Ok(PastEvent {
        institution: institution_code(cells)?,
        came_back,
        document_no,
        visit_no,
        occurred_at: cells.local_moment("occurred_at")?,
        line: cells.count("line_no")?.unwrap_or(1),
        catalog_code: optional_catalog_code(cells)?,
        quantity: cells.units("quantity")?,
        line_quantity: cells.units("line_quantity")?,
        split: if split.is_empty() { false } else { cells.flag("split")? },
        scanned: scanned.to_owned(),
    })
}

impl Row for OpeningStockRow {
    const FILE_NAME: &'static str = "opening_stock.csv";
    const REQUIRED: &'static [&'static str] = &["institution_code", "catalog_code", "quantity", "counted_on"];
    const OPTIONAL: &'static [&'static str] = &["lot_no"];

    /// Its identity is institution, drug and lot: there is one opening stock, and counting again replaces it.
    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        let quantity = cells.units("quantity")?;
        Ok(Self(PurchaseRecord {
            institution: institution_code(cells)?,
            catalog_code: catalog_code(cells)?,
            source: PurchaseSource::OpeningStock,
            order_no: String::new(),
            supplier: String::new(),
            lot_no: cells.optional_key("lot_no", NUMBER_CHARS_MAX)?.unwrap_or_default(),
            quantity: quantity.ok_or_else(|| bad("quantity", "is empty; leave out what is not there"))?,
            unit_price: None,
            purchased_at: start_of(day(cells, "counted_on")?, "counted_on")?,
        }))
    }
}

impl Row for GoLiveRow {
    const FILE_NAME: &'static str = "go_live.csv";
    const REQUIRED: &'static [&'static str] = &["institution_code", "goes_live_on"];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        Ok(Self { institution: institution_code(cells)?, goes_live_on: day(cells, "goes_live_on")? })
    }
}

fn day(cells: &Cells<'_>, column: &'static str) -> Result<Date, BadCell> {
    cells.date(column)?.ok_or_else(|| bad(column, "is empty; write a day as yyyy-MM-dd"))
}

fn start_of(day: Date, column: &'static str) -> Result<Timestamp, BadCell> {
    moment_of(day.at(0, 0, 0, 0)).ok_or_else(|| bad(column, "lies outside of what a clock can show"))
}
