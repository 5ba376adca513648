//! What a caller brings: a document with its lines, a return, a movement.

use crate::domain::claim::MovementKind;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::InstitutionCode;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A dispensing document with its lines; one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Who dispenses.
    pub institution: InstitutionCode,
    /// Document number (零售单据号).
    pub document_no: Option<String>,
    /// Visit number (就医流水号).
    pub visit_no: Option<String>,
    /// Settlement id, where the document is settled already.
    pub settlement_id: Option<String>,
    /// Where it happens.
    pub scene: Scene,
    /// Who works at the counter, as the caller names them.
    pub operator: Option<String>,
    /// The lines, in the caller's order.
    pub lines: Vec<Line>,
}

/// One line of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub number: u32,
    /// NHSA catalogue code (med_list_codg); `None` = it follows from the code's prefix.
    pub catalog_code: Option<String>,
    /// Smallest priced units; `None` = the message does not say.
    pub quantity: Option<Decimal>,
    /// A part of a pack (拆零).
    pub split: bool,
    /// Yuan per smallest priced unit.
    pub unit_price: Option<Decimal>,
    /// Who pays.
    pub payment: Payment,
    /// When it was handed over, by the caller's word; `None` = when the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    pub occurred_at: Option<Timestamp>,
    /// What the scanner sent, as it sent it.
    pub scanned: Vec<String>,
}

/// A sale return with its lines; one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnDocument {
    /// Who takes the goods back.
    pub institution: InstitutionCode,
    /// Document of the original sale, where known.
    pub document_no: Option<String>,
    /// Visit of the original sale, where known.
    pub visit_no: Option<String>,
    /// Sale serial of the original; evidence.
    pub original_sale_no: Option<String>,
    /// Settlement of the original; evidence.
    pub settlement_id: Option<String>,
    /// Who works at the counter.
    pub operator: Option<String>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A stock count, stock move or stock-in of coded goods: kept as history, never a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Who reports it.
    pub institution: InstitutionCode,
    /// Where the goods went, for a move.
    pub destination: Option<InstitutionCode>,
    /// Count, move or stock-in.
    pub kind: MovementKind,
    /// When it happened, by the caller's word; `None` = when the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    pub occurred_at: Option<Timestamp>,
    /// What the scanner sent.
    pub scanned: Vec<String>,
}

/// One row of a history that is imported: a box that was sold, or came back, before the gateway heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// Who sold it, or took it back.
    pub institution: InstitutionCode,
    /// It came back; otherwise it was sold.
    pub came_back: bool,
    /// Document number of the sale, where known.
    pub document_no: Option<String>,
    /// Visit number of the sale, where known. One of the two must be there.
    pub visit_no: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Number of the line on its document.
    pub line: u32,
    /// NHSA catalogue code (med_list_codg); `None` = it follows from the code's prefix.
    pub catalog_code: Option<String>,
    /// Smallest priced units of this very box; `None` = all of it, or not known for a split.
    pub quantity: Option<Decimal>,
    /// Smallest priced units of the whole line, where it split several boxes; `None` = as `quantity`.
    pub line_quantity: Option<Decimal>,
    /// A part of a pack (拆零).
    pub split: bool,
    /// What the scanner sent, as it sent it.
    pub scanned: String,
}
