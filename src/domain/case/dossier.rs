//! Everything that is kept of one code besides its history: its cases, and the attempts that were blocked.

use super::{ATTEMPTS_MAX, Case, Details, Involved, Side};
use crate::domain::claim::{Fate, SaleEvent, SaleName};
use crate::domain::event::Payment;
use crate::domain::stored::packed::Packed;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The forms in which dossiers are stored; an unknown one is refused. They say whether a case is open, so that this can
/// be told without reading the rest. The first two are postcard, which is only read any more, the others packed.
const POSTCARD_CLOSED: u8 = 1;
const POSTCARD_OPEN: u8 = 2;
const PACKED_CLOSED: u8 = 3;
const PACKED_OPEN: u8 = 4;

/// A blocked attempt to sell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The sale that it would have been.
    pub sale: SaleEvent,
    /// What else is known of it.
    pub details: Details,
}

/// Everything that is kept of one code besides its history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dossier {
    /// Grows by one with every change.
    pub version: u32,
    /// Attempts that were blocked, in order of arrival.
    pub attempts: Vec<Attempt>,
    /// Attempts beyond [`ATTEMPTS_MAX`].
    pub further_attempts: u32,
    /// Its cases in the order of their numbers; at most one, the last, is open.
    pub cases: Vec<Case>,
}

/// Room for so many more and for no others: what is kept of a code is long, and is a handful.
pub(super) fn make_room<T>(kept: &mut Vec<T>, more: usize) {
    if kept.capacity() == 0 {
        // Cheaper than to let nothing grow.
        *kept = Vec::with_capacity(more);
    } else {
        kept.reserve_exact(more);
    }
}

impl Dossier {
    /// Most are shorter than this in stored form, in bytes.
    pub const USUAL_BYTES: usize = 512;

    /// The case with that number.
    pub fn case(&self, number: u32) -> Option<&Case> {
        self.cases.iter().find(|case| case.number == number)
    }

    /// The open case.
    pub fn open_case(&self) -> Option<&Case> {
        self.cases.iter().find(|case| !case.is_closed())
    }

    /// Whether the money of a sale was recovered by any case.
    pub fn is_recovered(&self, name: &SaleName) -> bool {
        let concluded = self.cases.iter().filter_map(|case| case.conclusion.as_ref());
        concluded.flat_map(|conclusion| &conclusion.recovered_from).any(|recovered| recovered.is_same(name))
    }

    /// Yuan that a case may recover at most; `None` = the amount of one of its duplicates is not known.
    pub fn at_stake(&self, case: &Case) -> Option<Decimal> {
        let mut sum = Decimal::ZERO;
        for involved in case.duplicates().filter(|i| self.may_be_recovered(i)) {
            sum += involved.recoverable()?;
        }
        Some(sum)
    }

    /// Whether anything of a sale can be recovered: a sale that the fund paid and nobody recovered yet.
    pub(crate) fn may_be_recovered(&self, involved: &Involved) -> bool {
        involved.side == Side::Duplicate
            && !involved.is_attempt
            && involved.fate != Fate::Annulled
            && involved.details.payment != Some(Payment::SelfPaid)
            && !self.is_recovered(&involved.name)
    }

    /// What is known of a sale or attempt of a case. Of a sale on the first side that may be nothing: whoever shows it
    /// looks its request up.
    pub fn details_of<'a>(&'a self, involved: &'a Involved) -> &'a Details {
        let attempt = || self.attempts.iter().find(|a| SaleName::of(&a.sale).is_same(&involved.name));
        let attempt = if involved.is_attempt { attempt() } else { None };
        attempt.map_or(&involved.details, |attempt| &attempt.details)
    }

    /// Adds a blocked attempt; one that is known under its paper counts once. Gives whether anything changed.
    pub fn attempt(&mut self, sale: SaleEvent, details: Details) -> bool {
        let name = SaleName::of(&sale);
        if self.attempts.iter().any(|known| SaleName::of(&known.sale).is_same(&name)) {
            return false;
        }
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.further_attempts = self.further_attempts.saturating_add(1);
        } else {
            // Room for the one that most codes ever get: an attempt is long.
            make_room(&mut self.attempts, 1);
            self.attempts.push(Attempt { sale, details });
        }
        true
    }

    /// The form in which stores keep it.
    pub fn stored(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::USUAL_BYTES);
        self.put_stored(&mut bytes);
        bytes
    }

    /// Writes [`stored`](Self::stored) behind what is there.
    pub fn put_stored(&self, to: &mut Vec<u8>) {
        to.push(if self.open_case().is_some() { PACKED_OPEN } else { PACKED_CLOSED });
        self.put(to);
    }

    /// The version of a dossier in stored form, without reading the rest.
    pub fn version_of_stored(bytes: &[u8]) -> Option<u32> {
        let (form, mut rest) = bytes.split_first()?;
        match *form {
            POSTCARD_CLOSED | POSTCARD_OPEN => {
                postcard::take_from_bytes(rest).ok().map(|(version, _)| version)
            }
            PACKED_CLOSED | PACKED_OPEN => u32::take(&mut rest),
            _ => None,
        }
    }

    /// Whether a case is open in a dossier in stored form; `None` = that is none.
    pub fn is_open_in_stored(bytes: &[u8]) -> Option<bool> {
        match *bytes.first()? {
            POSTCARD_CLOSED | PACKED_CLOSED => Some(false),
            POSTCARD_OPEN | PACKED_OPEN => Some(true),
            _ => None,
        }
    }

    /// The dossier that [`stored`](Self::stored) wrote, now or in an earlier form.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, postcard::Error> {
        match bytes.split_first() {
            Some((&(POSTCARD_CLOSED | POSTCARD_OPEN), rest)) => postcard::from_bytes(rest),
            Some((&(PACKED_CLOSED | PACKED_OPEN), mut rest)) => {
                let dossier = Self::take(&mut rest).filter(|_| rest.is_empty());
                dossier.ok_or(postcard::Error::DeserializeBadEncoding)
            }
            Some(_) | None => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}
