//! What a message of the national interface says, in plain structs: one per request it becomes.
//!
//! Data only. Knows nothing of JSON and nothing of the gateway's requests.

use crate::domain::person::Person;
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::fmt;

/// One message, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Transaction number in capitals, such as `3505A`.
    pub infno: String,
    /// `fixmedins_code` as sent, blanks trimmed; never empty, perhaps not a lawful code.
    pub institution_code: String,
    /// `inf_time`: the client's clock when it sent the message.
    pub clock: Timestamp,
    /// `opter`: the operator's number. The name is a person's and not kept.
    pub operator: Option<String>,
    /// What it reports.
    pub body: Body,
    /// The rows that could not be read, in row order; each took its whole document with it, and no other.
    /// Empty for a message that is not supported.
    pub rejected: Vec<MessageError>,
}

/// What a message reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Sales: at least one document, in order of first appearance.
    Sales(Vec<SaleDocument>),
    /// Returns: at least one document, in order of first appearance.
    Returns(Vec<ReturnDocument>),
    /// Nothing that is played; says why.
    NotSupported(String),
}

/// The rows of a message that share document and visit: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleDocument {
    /// `rtal_docno`.
    pub document_no: Option<String>,
    /// `mdtrt_sn` (3505), `mdtrt_id` (2207).
    pub visit_no: Option<String>,
    /// `setl_id`, the first that a row of the document gives.
    pub settlement_id: Option<String>,
    /// `certno` and `psn_no`, the first that a row of the document gives.
    pub person: Person,
    /// 32 hex digits that stay the same however often the message is sent, whatever its `msgid`.
    pub request_id: String,
    /// At least one line, in message order.
    pub lines: Vec<SaleLine>,
}

/// One sold item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleLine {
    /// Its place in the message, from 1.
    pub row: u32,
    /// `med_list_codg`; `None` in a 2207, where the drug follows from the code.
    pub catalog_code: Option<String>,
    /// `sel_retn_cnt` in smallest priced units, with the sign it was sent with; `None` = not said.
    pub quantity: Option<Decimal>,
    /// `trdn_flag` 1: parts of an opened pack.
    pub split: bool,
    /// `finl_trns_pric` in yuan per smallest priced unit.
    pub unit_price: Option<Decimal>,
    /// `mdtrt_setl_type` 1; where it says neither 1 nor 2, whether the document has a `setl_id`.
    pub insured: bool,
    /// `sel_retn_time`; `None` where the row does not say: when the gateway hears of it.
    pub occurred_at: Option<Timestamp>,
    /// The codes as scanned, noise and repetitions included; blank ones left out.
    pub codes: Vec<String>,
}

/// The rows of a return message that share document and visit: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnDocument {
    /// `rtal_docno`, which the interface does not ask for here.
    pub document_no: Option<String>,
    /// `mdtrt_sn`.
    pub visit_no: Option<String>,
    /// `setl_id`, the first that a row of the document gives.
    pub settlement_id: Option<String>,
    /// `medins_prod_sel_no`: the institution's serial of the sale, the first that a row gives.
    pub original_sale_no: Option<String>,
    /// As in [`SaleDocument::request_id`].
    pub request_id: String,
    /// At least one line, in message order.
    pub lines: Vec<ReturnLine>,
}

/// One returned item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnLine {
    /// Its place in the message, from 1.
    pub row: u32,
    /// `med_list_codg`.
    pub catalog_code: Option<String>,
    /// `sel_retn_cnt` in smallest priced units, never negative: some clients write what comes back below zero.
    pub quantity: Option<Decimal>,
    /// `trdn_flag` 1: parts of an opened pack.
    pub split: bool,
    /// `sel_retn_time`; `None` where the row does not say: when the gateway hears of it.
    pub occurred_at: Option<Timestamp>,
    /// The codes as scanned, noise and repetitions included; blank ones left out.
    pub codes: Vec<String>,
}

/// Why a message, or a row of it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageError {
    /// The field, with array places from 0: `input.selinfoDetail[2].sel_retn_cnt`; empty for the whole line.
    pub path: String,
    /// The row in the message, from 1, where one is at fault.
    pub row: Option<u32>,
    /// What is wrong.
    pub what: String,
    /// What the sender has to do.
    pub remedy: String,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str("message")?,
            path => f.write_str(path)?,
        }
        if let Some(row) = self.row {
            write!(f, " (row {row})")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for MessageError {}
