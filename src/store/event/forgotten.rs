//! Events out of which requests were taken after their time: the same length, and everything else at the same place, so
//! that what points into the log stands. A row that is gone begins with a byte that no row begins with, then its length,
//! then zeros.

use super::{DossierRow, EVENT_FORMAT, EVENT_FORMAT_WITH_CASES, EncodedEvent, EventError, LogEvent};
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::store::AwaitedKey;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ops::Range;

/// As the first format, and rows may be gone.
pub(super) const EVENT_FORMAT_FORGOTTEN: u8 = 3;
/// As the second one, and rows may be gone.
pub(super) const EVENT_FORMAT_FORGOTTEN_WITH_CASES: u8 = 4;
/// What a row that is gone begins with; rows begin with a small number or a length.
const GONE: u8 = 0xff;
/// Bytes of such a row that say how long it is.
const LENGTH_BYTES: usize = 4;

/// A request in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Where its outcome begins in the event's bytes.
    pub at: usize,
    /// Which.
    pub key: RequestKey,
    /// Its outcome as it was logged.
    pub outcome: Outcome,
    /// Documents (hashed) that the event says it dispensed.
    pub documents: Vec<u64>,
}

/// A row with its place; `None` = it is gone.
struct Row<T> {
    place: Range<usize>,
    said: Option<T>,
}

/// A row of two parts, and where the second one begins.
struct Pair<K, V> {
    key: K,
    value: V,
    value_at: usize,
}

/// Everything that an event says, with places.
struct Walked {
    claims: Vec<Row<Pair<CodeKey, History>>>,
    outcomes: Vec<Row<Pair<RequestKey, Outcome>>>,
    documents: Vec<Row<(RequestKey, u64)>>,
    awaited: Vec<Row<AwaitedKey>>,
    settled: Vec<Row<AwaitedKey>>,
    dossiers: Vec<Row<DossierRow>>,
    /// The rest; the lists above are empty in it.
    rest: LogEvent,
}

/// Reads an event's bytes piece by piece.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take<T: DeserializeOwned>(&mut self) -> Result<T, EventError> {
        let left = self.left();
        let (value, rest) = postcard::take_from_bytes(left)?;
        self.at += left.len() - rest.len();
        Ok(value)
    }

    /// The end of a row that is gone, where one stands here.
    fn gone(&self) -> Result<Option<usize>, EventError> {
        let Some((&GONE, rest)) = self.left().split_first() else { return Ok(None) };
        let length = rest.first_chunk::<LENGTH_BYTES>().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let fits = |length: &usize| (1 + LENGTH_BYTES..=self.left().len()).contains(length);
        let length = length.filter(fits).ok_or(postcard::Error::DeserializeBadEncoding)?;
        Ok(Some(self.at + length))
    }

    fn rows<T>(
        &mut self,
        mut row: impl FnMut(&mut Self) -> Result<T, EventError>,
    ) -> Result<Vec<Row<T>>, EventError> {
        let count: usize = self.take()?;
        // A row has a byte at least: what says that there are more is no event.
        if count > self.left().len() {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        }
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let start = self.at;
            let said = match self.gone()? {
                Some(end) => {
                    self.at = end;
                    None
                }
                None => Some(row(self)?),
            };
            rows.push(Row { place: start..self.at, said });
        }
        Ok(rows)
    }

    fn pair<K: DeserializeOwned, V: DeserializeOwned>(&mut self) -> Result<Pair<K, V>, EventError> {
        let key = self.take()?;
        let value_at = self.at;
        Ok(Pair { key, value: self.take()?, value_at })
    }
}

fn walk(bytes: &[u8]) -> Result<Walked, EventError> {
    let has_cases = match bytes.first() {
        Some(&(EVENT_FORMAT | EVENT_FORMAT_FORGOTTEN)) => false,
        Some(&(EVENT_FORMAT_WITH_CASES | EVENT_FORMAT_FORGOTTEN_WITH_CASES)) => true,
        Some(&found) => return Err(EventError::Format { found }),
        None => return Err(postcard::Error::DeserializeUnexpectedEnd.into()),
    };
    let mut walk = Walk { bytes, at: 1 };
    let claims = walk.rows(Walk::pair)?;
    let outcomes = walk.rows(Walk::pair)?;
    let documents = walk.rows(Walk::take)?;
    let (purchases, adds) = walk.take()?;
    let awaited = walk.rows(Walk::take)?;
    let settled = walk.rows(Walk::take)?;
    let (registry, registry_version) = walk.take()?;
    let (mut dossiers, mut tallies) = (Vec::new(), Vec::new());
    if has_cases {
        dossiers = walk.rows(Walk::take)?;
        tallies = walk.take()?;
    }
    let rest = LogEvent { purchases, adds, registry, registry_version, tallies, ..LogEvent::default() };
    Ok(Walked { claims, outcomes, documents, awaited, settled, dossiers, rest })
}

/// What an event says of which rows are gone, and where in its bytes the rest stands.
pub(super) fn read(bytes: &[u8]) -> Result<(LogEvent, EncodedEvent), EventError> {
    let Walked { claims, outcomes, documents, awaited, settled, dossiers, rest } = walk(bytes)?;
    let mut event = rest;
    let mut places = EncodedEvent {
        bytes: Bytes::copy_from_slice(bytes),
        claims: Vec::new(),
        outcomes: Vec::new(),
        dossiers: Vec::new(),
    };
    for Row { place, said } in claims {
        let Some(Pair { key, value, value_at }) = said else { continue };
        event.claims.push((key, value));
        places.claims.push(value_at..place.end);
    }
    for Row { place, said } in outcomes {
        let Some(Pair { key, value, value_at }) = said else { continue };
        event.outcomes.push((key, value));
        places.outcomes.push(value_at..place.end);
    }
    for Row { place, said } in dossiers {
        let Some(row) = said else { continue };
        places.dossiers.push(place.end - row.bytes.len()..place.end);
        event.dossiers.push(row);
    }
    event.documents = documents.into_iter().filter_map(|row| row.said).collect();
    event.awaited = awaited.into_iter().filter_map(|row| row.said).collect();
    event.settled = settled.into_iter().filter_map(|row| row.said).collect();
    Ok((event, places))
}

/// The requests in an event, in their order.
pub fn requests_in(bytes: &[u8]) -> Result<Vec<LoggedRequest>, EventError> {
    let Walked { outcomes, documents, .. } = walk(bytes)?;
    let documents: Vec<_> = documents.into_iter().filter_map(|row| row.said).collect();
    let request = |Pair { key, value, value_at }: Pair<RequestKey, Outcome>| {
        let own = documents.iter().filter(|(of, _)| *of == key).map(|(_, document)| *document);
        LoggedRequest { at: value_at, documents: own.collect(), key, outcome: value }
    };
    Ok(outcomes.into_iter().filter_map(|row| row.said).map(request).collect())
}

/// The event without the requests whose outcomes begin at these places; `None` = it has none of them.
pub fn without_requests(
    bytes: &[u8],
    is_forgotten: impl Fn(usize) -> bool,
) -> Result<Option<Vec<u8>>, EventError> {
    let Walked { outcomes, documents, awaited, settled, .. } = walk(bytes)?;
    let mut gone = Vec::new();
    let mut requests = BTreeSet::new();
    for Row { place, said } in outcomes {
        if let Some(Pair { key, value_at, .. }) = said
            && is_forgotten(value_at)
        {
            gone.push(place);
            requests.insert(key);
        }
    }
    if gone.is_empty() {
        return Ok(None);
    }
    let of = |said: Option<&RequestKey>| said.is_some_and(|key| requests.contains(key));
    gone.extend(
        documents.into_iter().filter(|row| of(row.said.as_ref().map(|(key, _)| key))).map(|row| row.place),
    );
    let questions = awaited.into_iter().chain(settled);
    gone.extend(questions.filter(|row| of(row.said.as_ref().map(|key| &key.request))).map(|row| row.place));
    let mut bytes = bytes.to_vec();
    if let Some(format) = bytes.first_mut() {
        *format = match *format {
            EVENT_FORMAT => EVENT_FORMAT_FORGOTTEN,
            EVENT_FORMAT_WITH_CASES => EVENT_FORMAT_FORGOTTEN_WITH_CASES,
            other => other,
        };
    }
    for place in gone {
        blank(bytes.get_mut(place).unwrap_or_default())?;
    }
    Ok(Some(bytes))
}

fn blank(row: &mut [u8]) -> Result<(), EventError> {
    let unfit = || EventError::Garbled(postcard::Error::SerializeBufferFull);
    let length = u32::try_from(row.len()).map_err(|_| unfit())?;
    let (head, rest) = row.split_at_mut_checked(1 + LENGTH_BYTES).ok_or_else(unfit)?;
    head.fill(GONE);
    head.iter_mut().skip(1).zip(length.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    rest.fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::everything;
    use super::*;

    fn holds(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn a_request_is_taken_out_and_everything_else_stays_where_it_was() {
        let mut event = everything();
        let mut other = event.outcomes[0].clone();
        other.0.request_id = "stays".into();
        event.outcomes.push(other);
        let before = event.encode().unwrap();
        let named = requests_in(&before.bytes).unwrap();
        let places: Vec<usize> = before.outcomes.iter().map(|place| place.start).collect();
        assert_eq!(named.iter().map(|request| request.at).collect::<Vec<_>>(), places);
        assert_eq!(named[0].documents.len(), 1, "the document is its own");
        assert_eq!(without_requests(&before.bytes, |_| false).unwrap(), None);
        let after = without_requests(&before.bytes, |at| at == places[0]).unwrap().unwrap();
        assert_eq!(after.len(), before.bytes.len());
        let gone = &event.outcomes[0].0.request_id;
        assert!(holds(&before.bytes, gone) && !holds(&after, gone), "{gone}");
        let (read, read_at) = read(&after).unwrap();
        let expected = LogEvent {
            outcomes: vec![event.outcomes[1].clone()],
            documents: Vec::new(),
            awaited: Vec::new(),
            settled: Vec::new(),
            ..event.clone()
        };
        assert_eq!(read, expected);
        assert_eq!(LogEvent::decode(&after).unwrap(), expected);
        assert_eq!((&read_at.claims, &read_at.dossiers), (&before.claims, &before.dossiers));
        assert_eq!(read_at.outcomes, before.outcomes[1..]);
        // The other one too, later.
        let empty = without_requests(&after, |at| at == places[1]).unwrap().unwrap();
        assert!(LogEvent::decode(&empty).unwrap().outcomes.is_empty() && !holds(&empty, "stays"));
        assert_eq!(without_requests(&empty, |_| true).unwrap(), None);
    }

    #[test]
    fn an_event_without_cases_is_read_too() {
        let event = LogEvent { dossiers: Vec::new(), tallies: Vec::new(), ..everything() };
        let bytes = event.encode().unwrap().bytes;
        let after = without_requests(&bytes, |_| true).unwrap().unwrap();
        let (read, _) = read(&after).unwrap();
        assert_eq!((read.outcomes.len(), &read.claims), (0, &event.claims));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let bytes = everything().encode().unwrap().bytes;
        let after = without_requests(&bytes, |_| true).unwrap().unwrap();
        for end in 0..after.len() {
            assert!(read(&after[..end]).is_err(), "cut at {end}");
        }
        let differing = after.iter().zip(&bytes).skip(1).position(|(now, before)| now != before);
        let at = 1 + differing.unwrap();
        assert_eq!(after[at], GONE);
        for length in [[0; 4], [0xff; 4]] {
            let mut wrong = after.clone();
            wrong[at + 1..at + 5].copy_from_slice(&length);
            assert!(read(&wrong).is_err());
        }
        assert!(read(&[9, 0]).is_err() && read(&[]).is_err());
        // A count that is larger than there are bytes takes no memory.
        assert!(read(&[EVENT_FORMAT_FORGOTTEN, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
