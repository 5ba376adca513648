//! What becomes of a row of a history: recorded, known, refused and why, and what was found of it.

use super::HISTORY_BEGINS_ON;
use crate::domain::claim::{Counterpart, EVENTS_PER_INSTITUTION_MAX};
use crate::domain::code::Refusal;
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{DuplicateClass, Reason, Role};
use jiff::Timestamp;

/// Why a row of a history is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PastRefusal {
    /// Not a trace code.
    #[error("{reason}: {}; correct the code, or leave the row out", detail.text())]
    Scan {
        /// What it is instead.
        reason: Reason,
        /// What exactly is wrong with it.
        detail: Refusal,
    },
    /// A text that stands for "no code".
    #[error("PLACEHOLDER_CODE: it stands for no code, and is not kept; leave the row out")]
    Placeholder,
    /// No identity: duplicates cannot be judged.
    #[error(
        "SERIAL_MISSING: the code has no readable serial and tells no box from another; leave the row out"
    )]
    NoSerial,
    /// Nothing that tells one sale from another.
    #[error(
        "document_no: is empty, and so is visit_no; without one of them a second import would be a second sale"
    )]
    NoPaper,
    /// No quantity.
    #[error("quantity: is not above zero; write smallest priced units, or leave it empty for a whole box")]
    Quantity,
    /// Beyond the allowed skew.
    #[error("EVENT_TIME_IN_FUTURE: {0} has not come yet; correct the time and its offset")]
    InFuture(Timestamp),
    /// Before any box had a code.
    #[error("occurred_at: {0} lies before {HISTORY_BEGINS_ON}; an empty date? Write when it was sold")]
    BeforeHistory(Timestamp),
    /// The institution's sale came back before.
    #[error(
        "ALREADY_RETURNED: every sale of this box by {0} up to then had come back before; the first return stays"
    )]
    AlreadyReturned(InstitutionCode),
    /// No further event of this institution fits.
    #[error(
        "{0} has {EVENTS_PER_INSTITUTION_MAX} sales and returns of this code on record, the most that are kept; ask \
         the operator to look at this code"
    )]
    Full(InstitutionCode),
}

impl PastRefusal {
    /// The reason of the trade, where it is one.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Scan { reason, .. } => Some(*reason),
            Self::Placeholder => Some(Reason::PlaceholderCode),
            Self::NoSerial => Some(Reason::SerialMissing),
            Self::InFuture(_) => Some(Reason::EventTimeInFuture),
            Self::AlreadyReturned(_) => Some(Reason::AlreadyReturned),
            Self::NoPaper | Self::Quantity | Self::BeforeHistory(_) | Self::Full(_) => None,
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastStanding {
    /// A sale or return of its own.
    Added,
    /// On record already; nothing changed.
    Known,
    /// Another message about a sale on record, which learns something from it.
    AddedToKnown,
    /// Not recorded.
    Refused(PastRefusal),
}

/// One finding about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFinding {
    /// Why.
    pub reason: Reason,
    /// How the two sales stand, for a duplicate.
    pub class: Option<DuplicateClass>,
    /// Which side this row is.
    pub role: Role,
    /// The other side, where it is still there.
    pub other: Option<Counterpart>,
}

/// The answer to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAnswer {
    /// What became of it.
    pub standing: PastStanding,
    /// What was found; empty unless it was asked for.
    pub findings: Vec<PastFinding>,
    /// The institution is in the registry. One that is not may have closed since, or be mistyped.
    pub is_registered: bool,
}

impl PastAnswer {
    pub(super) const fn bare(standing: PastStanding) -> Self {
        Self { standing, findings: Vec::new(), is_registered: true }
    }
}
