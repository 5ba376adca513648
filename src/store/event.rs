//! What one decision leaves in the durable log: enough to derive every table again, and safe to apply twice.

use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::Pool;
use crate::domain::purchase::{PurchaseRecord, PurchaseSource};
use crate::domain::registry::RegistryRow;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The encoding of events; an unknown one is refused.
const EVENT_FORMAT: u8 = 1;

/// A purchase question that waits for data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AwaitedKey {
    /// Whose purchases are asked for.
    pub pool: Pool,
    /// NHSA catalogue code.
    pub catalog_code: String,
    /// The request that was answered "not known yet".
    pub request: RequestKey,
    /// Line of its document.
    pub line: u32,
}

/// What is added to a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PositionDelta {
    /// Bought units of a source, and by how much the number of records grows.
    Bought(PurchaseSource, Decimal, i32),
    /// Sold units.
    Sold(Decimal),
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogEvent {
    /// Histories as they are from now on.
    pub claims: Vec<(CodeKey, History)>,
    /// Outcomes as they are from now on.
    pub outcomes: Vec<(RequestKey, Outcome)>,
    /// Documents (hashed) and the requests that dispensed them.
    pub documents: Vec<(RequestKey, u64)>,
    /// Purchase records, new or replaced.
    pub purchases: Vec<PurchaseRecord>,
    /// What is added to positions.
    pub adds: Vec<(Pool, String, PositionDelta)>,
    /// Questions that wait from now on.
    pub awaited: Vec<AwaitedKey>,
    /// Questions that wait no more.
    pub settled: Vec<AwaitedKey>,
    /// Registry rows, new or replaced.
    pub registry: Vec<RegistryRow>,
    /// The registry's version and time from now on.
    pub registry_version: Option<(u64, RegistryMoment)>,
}

/// A moment, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryMoment(
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")] pub Timestamp,
);

/// An entry that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Written by a newer gateway.
    #[error("event format {found} is not known (this gateway knows {EVENT_FORMAT}); use a newer gateway")]
    Format {
        /// The format found.
        found: u8,
    },
    /// Not an event.
    #[error("not an event: {0}")]
    Garbled(#[from] postcard::Error),
}

impl LogEvent {
    /// The event as bytes.
    pub fn encode(&self) -> Result<Vec<u8>, EventError> {
        Ok(postcard::to_extend(self, vec![EVENT_FORMAT])?)
    }

    /// The event that [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        match bytes.split_first() {
            Some((&EVENT_FORMAT, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&found, _)) => Err(EventError::Format { found }),
            None => Err(EventError::Garbled(postcard::Error::DeserializeUnexpectedEnd)),
        }
    }
}

#[cfg(test)]
mod tests;
