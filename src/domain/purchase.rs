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
