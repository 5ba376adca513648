//! Rows of the purchase files: purchase records, and how far each feed is complete.

use super::cells::{Cells, bad, shown};
use super::error::BadCell;
use super::registry::{NAME_CHARS_MAX, catalog_code, institution_code, is_division_prefix};
use super::rows::Row;
use crate::domain::party::InstitutionCode;
use crate::domain::purchase::{FeedScope, PurchaseFeed, PurchaseRecord, PurchaseSource};
use rust_decimal::Decimal;

/// Characters in the longest order or lot number.
const NUMBER_CHARS_MAX: usize = 100;

impl Row for PurchaseRecord {
    const FILE_NAME: &'static str = "purchases.csv";
    const REQUIRED: &'static [&'static str] = &[
        "institution_code",
        "catalog_code",
        "source",
        "order_no",
        "supplier",
        "lot_no",
        "quantity",
        "unit_price",
        "purchased_at",
    ];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        let source = cells.choice("source", PurchaseSource::ALL, PurchaseSource::from_name)?;
        Ok(Self {
            institution: institution_code(cells)?,
            catalog_code: catalog_code(cells)?,
            source,
            order_no: order_no(cells, source)?,
            supplier: cells.text("supplier", NAME_CHARS_MAX)?,
            lot_no: cells.optional_key("lot_no", NUMBER_CHARS_MAX)?.unwrap_or_default(),
            quantity: quantity(cells)?,
            unit_price: cells.price("unit_price")?,
            purchased_at: cells.moment("purchased_at")?,
        })
    }
}

impl Row for PurchaseFeed {
    const FILE_NAME: &'static str = "purchase_feeds.csv";
    const REQUIRED: &'static [&'static str] = &["institution_code", "complete_up_to"];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        Ok(Self { scope: feed_scope(cells)?, complete_up_to: cells.moment("complete_up_to")? })
    }
}

/// A bought pack has an order; stock that was there at go-live has none.
///
/// The number is part of what makes a second import harmless: without it two purchases of one lot would pass
/// for one.
fn order_no(cells: &Cells<'_>, source: PurchaseSource) -> Result<String, BadCell> {
    match source {
        PurchaseSource::Platform | PurchaseSource::Filed => cells.key("order_no", NUMBER_CHARS_MAX),
        PurchaseSource::OpeningStock => {
            Ok(cells.optional_key("order_no", NUMBER_CHARS_MAX)?.unwrap_or_default())
        }
    }
}

fn quantity(cells: &Cells<'_>) -> Result<Decimal, BadCell> {
    match cells.decimal("quantity")? {
        quantity if quantity.is_zero() => {
            Err(bad("quantity", "is 0; write what was bought, or a negative number for what went back"))
        }
        quantity => Ok(quantity),
    }
}

fn feed_scope(cells: &Cells<'_>) -> Result<FeedScope, BadCell> {
    let cell = cells.raw("institution_code");
    let Some(prefix) = cell.strip_suffix('*') else {
        return InstitutionCode::parse(cell).map(FeedScope::Institution).map_err(|_| scope_error(cell));
    };
    match is_division_prefix(prefix) {
        true => Ok(FeedScope::DivisionPrefix(prefix.to_owned())),
        false => Err(scope_error(cell)),
    }
}

fn scope_error(cell: &str) -> BadCell {
    let form = "write an institution code, or up to six digits of a division followed by *";
    bad("institution_code", &format!("is {}; {form}", shown(cell)))
}
