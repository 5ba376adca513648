//! What one decision leaves in the durable log: enough to derive every table again, and safe to apply twice.

mod forgotten;

pub use forgotten::{LoggedRequest, requests_in, without_requests};

use super::{Change, DossierChange};
use crate::domain::case::Dossier;
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::Pool;
use crate::domain::purchase::{PurchaseRecord, PurchaseSource};
use crate::domain::registry::RegistryRow;
use crate::domain::stored::Appended;
use crate::domain::tally::{Tally, TallyKey};
use bytes::Bytes;
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
/// Bytes in which the length of most dossiers is written, and of any.
const USUAL_LENGTH_BYTES: usize = 2;
const LENGTH_BYTES_MAX: usize = 10;

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

/// A dossier as stores keep it: they compare versions and do not look inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DossierRow {
    /// The code.
    pub key: CodeKey,
    /// Its version.
    pub version: u32,
    /// The dossier in [stored form](crate::domain::case::Dossier::stored).
    #[serde(with = "in_one_piece")]
    pub bytes: Bytes,
    /// The version that must stand; `None` = nothing must. Not part of what is written.
    #[serde(skip)]
    pub expected: Option<u32>,
}

/// Bytes as serde's own list of them, which is the same in postcard, in one piece instead of one by one.
mod in_one_piece {
    use bytes::Bytes;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(Piece)
    }

    struct Piece;

    impl Visitor<'_> for Piece {
        type Value = Bytes;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the bytes of a dossier")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }
    }
}

/// A dossier that an event writes.
pub trait WrittenDossier {
    /// Bytes that it takes, about.
    fn room(&self) -> usize;

    /// Writes what a row says; gives where its bytes stand, which are the last of it.
    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error>;
}

impl WrittenDossier for DossierRow {
    fn room(&self) -> usize {
        self.bytes.len()
    }

    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error> {
        self.serialize(&mut *to)?;
        let end = to.output.0.len();
        Ok(end - self.bytes.len()..end)
    }
}

/// As a [`DossierRow`], straight from the dossier.
impl WrittenDossier for &DossierChange {
    fn room(&self) -> usize {
        Dossier::USUAL_BYTES
    }

    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error> {
        self.key.serialize(&mut *to)?;
        self.dossier.version.serialize(&mut *to)?;
        let to = &mut to.output.0;
        // How long it is stands before it, and is known behind it: nearly always in so many bytes.
        let length_at = to.len();
        let start = length_at + USUAL_LENGTH_BYTES;
        to.extend([0; USUAL_LENGTH_BYTES]);
        self.dossier.put_stored(to);
        let bytes = to.len() - start;
        let mut room = [0; LENGTH_BYTES_MAX];
        let length = &*postcard::to_slice(&bytes, &mut room)?;
        match to.get_mut(length_at..start) {
            Some(place) if place.len() == length.len() => place.copy_from_slice(length),
            _ => drop(to.splice(length_at..start, length.iter().copied())),
        }
        Ok(length_at + length.len()..to.len())
    }
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
pub type ChangeEvent<'a> = LogEvent<&'a History, &'a Outcome, &'a DossierChange>;

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

/// Writes dossiers as their list is written; gives where the bytes of each stand.
fn put_dossiers(
    to: &mut Serializer<Appended>,
    dossiers: &[impl WrittenDossier],
) -> Result<Vec<Range<usize>>, postcard::Error> {
    dossiers.len().serialize(&mut *to)?;
    let mut places = Vec::with_capacity(dossiers.len());
    for dossier in dossiers {
        places.push(dossier.put(to)?);
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
