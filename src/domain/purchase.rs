//! Purchases: records, balances per institution and catalogue code, and how fresh the data is.

use crate::domain::party::InstitutionCode;
use crate::domain::verdict::named;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

named! {
    /// Where a purchase record comes from.
    pub enum PurchaseSource {
        /// The provincial purchase platform.
        Platform = "platform",
        /// A filed purchase (备案采购).
        Filed = "filed",
        /// Stock on hand at go-live.
        OpeningStock = "opening_stock",
    }
}

/// One purchase, or a purchase return when the quantity is negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseRecord {
    /// Who bought.
    pub institution: InstitutionCode,
    /// NHSA catalogue code of the drug.
    pub catalog_code: String,
    /// Platform, filed, or opening stock.
    pub source: PurchaseSource,
    /// Order or delivery-note number.
    pub order_no: String,
    /// Who sold it.
    pub supplier: String,
    /// Lot number (批号).
    pub lot_no: String,
    /// Smallest priced units; negative = purchase return.
    pub quantity: Decimal,
    /// Yuan per smallest priced unit.
    pub unit_price: Option<Decimal>,
    /// When it was bought.
    pub purchased_at: Timestamp,
}

/// How far the purchase data of an institution or an area is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseFeed {
    /// An institution code, or a division prefix.
    pub scope: FeedScope,
    /// Everything bought before this moment is known.
    pub complete_up_to: Timestamp,
}

/// What a feed row speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FeedScope {
    /// One institution.
    Institution(InstitutionCode),
    /// Every institution whose division starts with these 0 to 6 digits.
    DivisionPrefix(String),
}

/// What is known of one drug at one pool of institutions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Bought over the platform, returns subtracted; smallest priced units.
    pub platform: Decimal,
    /// Filed purchases, returns subtracted.
    pub filed: Decimal,
    /// Opening stock.
    pub opening: Decimal,
    /// Purchase records seen of each source: platform, filed, opening stock.
    pub records: [u32; 3],
    /// Sold and not returned; smallest priced units.
    pub sold: Decimal,
}

impl Position {
    /// Bought in all.
    pub fn bought(&self) -> Decimal {
        self.platform + self.filed + self.opening
    }

    /// Whether any purchase is on record.
    pub fn has_purchases(&self) -> bool {
        self.records.iter().any(|n| *n > 0)
    }

    /// Whether the drug was bought by filing only, never over the platform.
    pub fn is_filed_only(&self) -> bool {
        let [platform, filed, _] = self.records;
        filed > 0 && platform == 0
    }

    /// Adds a record, or takes an earlier one out again.
    pub fn count(&mut self, source: PurchaseSource, quantity: Decimal, records: i32) {
        let (sum, slot) = match source {
            PurchaseSource::Platform => (&mut self.platform, 0),
            PurchaseSource::Filed => (&mut self.filed, 1),
            PurchaseSource::OpeningStock => (&mut self.opening, 2),
        };
        *sum += quantity;
        if let Some(n) = self.records.get_mut(slot) {
            *n = n.saturating_add_signed(records);
        }
    }
}

impl PurchaseRecord {
    /// What makes a second import of the record harmless: institution, source, order, drug, lot, and whether
    /// it is a purchase or a purchase return.
    pub fn identity(&self) -> String {
        let direction = if self.quantity.is_sign_negative() { "return" } else { "purchase" };
        [
            self.institution.to_string().as_str(),
            self.source.name(),
            &self.order_no,
            &self.catalog_code,
            &self.lot_no,
            direction,
        ]
        .join("\u{1f}")
    }
}
