//! What one decision leaves in the durable log: enough to derive every table again, and safe to apply twice.

mod dossier;
mod forgotten;

pub use dossier::{DossierRow, WrittenDossier};
pub use forgotten::{LoggedRequest, requests_in, without_requests};

use super::{Change, DossierChange};
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::Pool;
use crate::domain::purchase::{PurchaseRecord, PurchaseSource};
use crate::domain::registry::RegistryRow;
use crate::domain::stored::Appended;
use crate::domain::tally::{Tally, TallyKey};
use bytes::Bytes;
use dossier::put_dossiers;
use forgotten::{EVENT_FORMAT_FORGOTTEN, EVENT_FORMAT_FORGOTTEN_WITH_CASES};
use jiff::Timestamp;
use postcard::Serializer;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The encoding of events; an unknown one is refused. An event that changes no dossier and no tally is written in the
/// first format, which older gateways read too.
const EVENT_FORMAT: u8 = 1;
/// As the first, with dossiers and tallies behind it.
const EVENT_FORMAT_WITH_CASES: u8 = 2;
/// Most events are shorter than this, in bytes.
const USUAL_BYTES: usize = 1024;

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

/// One entry of the log. Written from `&History`, `&Outcome` and `&DossierChange` where somebody else holds them; what is
/// done with it after it was written needs their versions only, see [`swaps`](Self::swaps).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "H: Serialize, O: Serialize",
    deserialize = "H: Deserialize<'de>, O: Deserialize<'de>"
))]
pub struct LogEvent<H = History, O = Outcome, D = DossierRow> {
    /// Histories as they are from now on.
    pub claims: Vec<(CodeKey, H)>,
    /// Outcomes as they are from now on.
    pub outcomes: Vec<(RequestKey, O)>,
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
    /// Dossiers as they are from now on; behind everything else, where there are any.
    #[serde(skip)]
    pub dossiers: Vec<D>,
    /// What is added to tallies; behind the dossiers.
    #[serde(skip)]
    pub tallies: Vec<(TallyKey, Tally)>,
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
    #[error(
        "event format {found} is not known (this gateway knows up to {}); use a newer gateway",
        EVENT_FORMAT_FORGOTTEN_WITH_CASES
    )]
    Format {
        /// The format found.
        found: u8,
    },
    /// Not an event.
    #[error("not an event: {0}")]
    Garbled(#[from] postcard::Error),
}

/// An event that says nothing.
impl<H, O, D> Default for LogEvent<H, O, D> {
    fn default() -> Self {
        Self {
            claims: Vec::new(),
            outcomes: Vec::new(),
            documents: Vec::new(),
            purchases: Vec::new(),
            adds: Vec::new(),
            awaited: Vec::new(),
            settled: Vec::new(),
            registry: Vec::new(),
            registry_version: None,
            dossiers: Vec::new(),
            tallies: Vec::new(),
        }
    }
}

/// The version that something must have, and the one that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swap {
    /// The version that was read; `None` = nothing must stand.
    pub expected: Option<u32>,
    /// The version from now on.
    pub version: u32,
}

impl<H: Serialize, O: Serialize, D: WrittenDossier> LogEvent<H, O, D> {
    /// The event as bytes, which say the same as the fields in their order, and where in them the histories and
    /// outcomes stand: a table can keep these places instead of writing them once more.
    pub fn encode(&self) -> Result<EncodedEvent, EventError> {
        let dossier_bytes: usize = self.dossiers.iter().map(WrittenDossier::room).sum();
        // Over a kilobyte the allocator takes a slower way; a blocked duplicate with its dossier needs less.
        let mut bytes = Vec::with_capacity(USUAL_BYTES.max(dossier_bytes + USUAL_BYTES / 2));
        let plain = self.dossiers.is_empty() && self.tallies.is_empty();
        bytes.push(if plain { EVENT_FORMAT } else { EVENT_FORMAT_WITH_CASES });
        let mut to = Serializer { output: Appended(bytes) };
        let claims = put_rows(&mut to, &self.claims)?;
        let outcomes = put_rows(&mut to, &self.outcomes)?;
        let Self { documents, purchases, adds, awaited, settled, registry, registry_version, .. } = self;
        (documents, purchases, adds, awaited, settled, registry, registry_version).serialize(&mut to)?;
        let mut dossiers = Vec::new();
        if !plain {
            dossiers = put_dossiers(&mut to, &self.dossiers)?;
            self.tallies.serialize(&mut to)?;
        }
        Ok(EncodedEvent { bytes: to.output.0.into(), claims, outcomes, dossiers })
    }
}

impl<H, O, D> LogEvent<H, O, D> {
    /// The same event with versions in the place of histories and outcomes.
    pub fn swaps<R>(
        self,
        of_claim: impl Fn(H) -> Swap,
        of_outcome: impl Fn(O) -> Swap,
        of_dossier: impl FnMut(D) -> R,
    ) -> LogEvent<Swap, Swap, R> {
        LogEvent {
            claims: self.claims.into_iter().map(|(key, history)| (key, of_claim(history))).collect(),
            outcomes: self.outcomes.into_iter().map(|(key, outcome)| (key, of_outcome(outcome))).collect(),
            documents: self.documents,
            purchases: self.purchases,
            adds: self.adds,
            awaited: self.awaited,
            settled: self.settled,
            registry: self.registry,
            registry_version: self.registry_version,
            dossiers: self.dossiers.into_iter().map(of_dossier).collect(),
            tallies: self.tallies,
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        let Self {
            claims,
            outcomes,
            documents,
            purchases,
            adds,
            awaited,
            settled,
            registry,
            dossiers,
            tallies,
            registry_version: _,
        } = self;
        let rows = [claims.len(), outcomes.len(), documents.len(), purchases.len(), adds.len()];
        let others = [awaited.len(), settled.len(), registry.len(), dossiers.len(), tallies.len()];
        rows.iter().chain(&others).all(|rows| *rows == 0) && self.registry_version.is_none()
    }
}

/// What is written of a change.
type ChangeEvent<'a> = LogEvent<&'a History, &'a Outcome, &'a DossierChange>;

impl<'a> ChangeEvent<'a> {
    /// What a change says.
    pub fn of_change(change: &'a Change) -> Self {
        let sold = |(pool, code, units): &(_, String, _)| {
            (Clone::clone(pool), code.clone(), PositionDelta::Sold(*units))
        };
        Self {
            claims: change.claims.iter().map(|c| (c.key.clone(), &c.history)).collect(),
            outcomes: change.outcomes.iter().map(|o| (o.key.clone(), &o.outcome)).collect(),
            documents: change.document.iter().map(|(key, document)| (key.clone(), document.0)).collect(),
            adds: change.sold.iter().map(sold).collect(),
            awaited: change.awaited.clone(),
            settled: change.settled.clone(),
            dossiers: change.dossiers.iter().collect(),
            tallies: change.tallies.clone(),
            ..Self::default()
        }
    }

    /// The same event with what must stand and what was written: dossiers are places in its bytes.
    pub fn written(self, encoded: &EncodedEvent) -> LogEvent<Swap, Swap> {
        let settled = |version| Swap { expected: None, version };
        let mut places = encoded.dossiers.iter();
        let row = |change: &DossierChange| DossierRow {
            key: change.key.clone(),
            version: change.dossier.version,
            bytes: places.next().map(|place| encoded.bytes.slice(place.clone())).unwrap_or_default(),
            expected: change.expected,
        };
        self.swaps(|history| settled(history.version), |outcome| settled(outcome.version), row)
    }
}

impl LogEvent {
    /// The same event without what was written of it: versions are known, nothing is expected any more.
    pub fn entries(self) -> LogEvent<Swap, Swap> {
        let settled = |version| Swap { expected: None, version };
        self.swaps(|history| settled(history.version), |outcome| settled(outcome.version), |row| row)
    }

    /// The event that [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        match bytes.split_first() {
            Some((&EVENT_FORMAT, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&EVENT_FORMAT_WITH_CASES, rest)) => {
                let (event, rest): (Self, _) = postcard::take_from_bytes(rest)?;
                let (dossiers, tallies) = postcard::from_bytes(rest)?;
                Ok(Self { dossiers, tallies, ..event })
            }
            Some((&(EVENT_FORMAT_FORGOTTEN | EVENT_FORMAT_FORGOTTEN_WITH_CASES), _)) => {
                Ok(forgotten::read(bytes)?.0)
            }
            Some((&found, _)) => Err(EventError::Format { found }),
            None => Err(EventError::Garbled(postcard::Error::DeserializeUnexpectedEnd)),
        }
    }
}

impl LogEvent {
    /// The event with its bytes and the places in them, whatever was taken out of it.
    pub fn read(bytes: &[u8]) -> Result<(Self, EncodedEvent), EventError> {
        if matches!(bytes.first(), Some(&(EVENT_FORMAT_FORGOTTEN | EVENT_FORMAT_FORGOTTEN_WITH_CASES))) {
            return forgotten::read(bytes);
        }
        let event = Self::decode(bytes)?;
        let encoded = event.encode()?;
        Ok((event, encoded))
    }
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// All of it.
    pub bytes: Bytes,
    /// Where each history stands, in the order of the claims.
    pub claims: Vec<Range<usize>>,
    /// Where each outcome stands, in their order.
    pub outcomes: Vec<Range<usize>>,
    /// Where each dossier stands, in their order.
    pub dossiers: Vec<Range<usize>>,
}

impl EncodedEvent {
    /// The histories in stored form, in the order of the claims.
    pub fn histories(&self) -> impl Iterator<Item = &[u8]> {
        self.claims.iter().filter_map(|place| self.bytes.get(place.clone()))
    }
}

impl AsRef<[u8]> for EncodedEvent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes rows as a list of pairs is written; gives where the second of each pair stands.
fn put_rows<K: Serialize, V: Serialize>(
    to: &mut Serializer<Appended>,
    rows: &[(K, V)],
) -> Result<Vec<Range<usize>>, postcard::Error> {
    rows.len().serialize(&mut *to)?;
    let mut places = Vec::with_capacity(rows.len());
    for (key, value) in rows {
        key.serialize(&mut *to)?;
        let start = to.output.0.len();
        value.serialize(&mut *to)?;
        places.push(start..to.output.0.len());
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
