//! What a change is for the writer: checked and written down by whoever asks for it, beside all others who ask; the one
//! writer compares versions and appends bytes.

use super::layer::Entries;
use super::view::View;
use crate::store::fit::{check_bytes, check_change};
use crate::store::{Change, EncodedEvent, LogEvent, StoreError};

/// An event with its bytes.
pub(super) struct Prepared {
    pub event: Entries,
    pub encoded: EncodedEvent,
}

/// What somebody wants to change.
pub(super) struct Proposed {
    pub prepared: Prepared,
    /// Where the log ended before it was [compared](View::check) with everything that stands.
    pub checked: Option<u64>,
}

impl Proposed {
    /// A change, compared with what stands.
    pub fn of_change(change: &Change, view: &View) -> Result<Self, StoreError> {
        Self::of(Prepared::of_change(change)?, view)
    }

    /// An event, as [`of_change`](Self::of_change).
    pub fn of(prepared: Prepared, view: &View) -> Result<Self, StoreError> {
        let checked = view.check(&prepared.event)?;
        Ok(Self { prepared, checked })
    }
}

impl Prepared {
    /// A change, where tables and log can keep it.
    pub fn of_change(change: &Change) -> Result<Self, StoreError> {
        check_change(change)?;
        let event = LogEvent::of_change(change);
        let encoded = encode(event.encode())?;
        let mut event = event.written(&encoded);
        for ((_, swap), claim) in event.claims.iter_mut().zip(&change.claims) {
            swap.expected = claim.expected;
        }
        for ((_, swap), outcome) in event.outcomes.iter_mut().zip(&change.outcomes) {
            swap.expected = outcome.expected;
        }
        Ok(Self { event, encoded })
    }

    /// An event that the writer made itself.
    pub fn of_event(event: LogEvent) -> Result<Self, StoreError> {
        let encoded = encode(event.encode())?;
        Ok(Self { event: event.entries(), encoded })
    }
}

fn encode<E: std::fmt::Display>(encoded: Result<EncodedEvent, E>) -> Result<EncodedEvent, StoreError> {
    let encoded = encoded.map_err(|error| StoreError::Unreadable(error.to_string()))?;
    check_bytes(encoded.bytes.len())?;
    Ok(encoded)
}
