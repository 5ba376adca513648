//! The record in which a document is decided: put once, committed or aborted. Claims name it, so that they are
//! neither free nor sales until it stands; and it holds once, for all codes of the document, who sold when.

use crate::domain::claim::{Event, History, PaperKey, Part, SaleEvent, SaleStatus};
use crate::domain::party::InstitutionCode;
use jiff::Timestamp;
use std::fmt;

/// Moments are counted from 2020-01-01 UTC, in microseconds.
const EPOCH_MICROSECONDS: i64 = 1_577_836_800_000_000;
const SECOND: i64 = 1_000_000;
/// Bytes of a packed institution code.
const INSTITUTION_BYTES: usize = 5;

/// Names a decision for ever: 16 bits of the gateway, 48 bits of its own count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DecisionId(u64);

impl DecisionId {
    /// Bits of a gateway's own count.
    pub const COUNT_BITS: u32 = 48;

    pub const fn new(gateway: u16, count: u64) -> Self {
        Self(((gateway as u64) << Self::COUNT_BITS) | (count & ((1 << Self::COUNT_BITS) - 1)))
    }

    pub const fn gateway(self) -> u16 {
        (self.0 >> Self::COUNT_BITS) as u16
    }

    pub const fn count(self) -> u64 {
        self.0 & ((1 << Self::COUNT_BITS) - 1)
    }

    pub const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk::<8>().map(|bytes| Self(u64::from_be_bytes(*bytes)))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.gateway(), self.count())
    }
}

/// How a decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Aborted,
    Committed,
    /// As another one: many documents that are decided together.
    As(DecisionId),
}

/// What a plain history says besides the code: one whole pack, sold, held or voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    version: u32,
    institution: InstitutionCode,
    document: Option<PaperKey>,
    visit: Option<PaperKey>,
    occurred_at: i64,
    received_at: i64,
    status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Status {
    Sold,
    Held(i64),
    Voided,
}

impl Facts {
    /// The facts of a history that is plain; `None` where it needs more room.
    pub fn of(history: &History) -> Option<Self> {
        let [Event::Sale(sale)] = history.events.as_slice() else { return None };
        let plain = sale.part == Part::Whole && sale.first_findings.is_empty();
        let status = match sale.status {
            SaleStatus::Sold => Status::Sold,
            SaleStatus::Held { expires_at } => Status::Held(since_epoch(expires_at)),
            SaleStatus::Voided => Status::Voided,
        };
        let facts = Self {
            version: history.version,
            institution: sale.institution,
            document: sale.document,
            visit: sale.visit,
            occurred_at: since_epoch(sale.occurred_at),
            received_at: since_epoch(sale.received_at),
            status,
        };
        plain.then_some(facts)
    }

    /// The history that these facts say; `None` where a moment is none.
    pub fn history(&self) -> Option<History> {
        let status = match self.status {
            Status::Sold => SaleStatus::Sold,
            Status::Held(until) => SaleStatus::Held { expires_at: moment(until)? },
            Status::Voided => SaleStatus::Voided,
        };
        let sale = SaleEvent {
            institution: self.institution,
            document: self.document,
            visit: self.visit,
            occurred_at: moment(self.occurred_at)?,
            received_at: moment(self.received_at)?,
            part: Part::Whole,
            status,
            first_findings: Vec::new(),
        };
        Some(History { version: self.version, events: vec![Event::Sale(sale)] })
    }
}

fn since_epoch(moment: Timestamp) -> i64 {
    moment.as_microsecond().saturating_sub(EPOCH_MICROSECONDS)
}

fn moment(since_epoch: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(since_epoch.checked_add(EPOCH_MICROSECONDS)?).ok()
}

/// A decision with the facts of its document, where its claims are plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub state: State,
    pub facts: Option<Facts>,
}

const COMMITTED: u8 = 1;
const AS: u8 = 2;
const STATE: u8 = 3;
const HAS_FACTS: u8 = 1 << 2;
const HAS_DOCUMENT: u8 = 1 << 3;
const HAS_VISIT: u8 = 1 << 4;
const WHOLE_SECONDS: u8 = 1 << 5;
const HELD: u8 = 1 << 6;
const VOIDED: u8 = 1 << 7;

impl Decision {
    pub const ABORTED: Self = Self { state: State::Aborted, facts: None };

    /// As few bytes as hold it: a flag byte, then what the flags name, in their order.
    pub fn encode(&self) -> Vec<u8> {
        let mut flags = match self.state {
            State::Aborted => 0,
            State::Committed => COMMITTED,
            State::As(_) => AS,
        };
        let mut bytes = vec![0];
        if let State::As(other) = self.state {
            bytes.extend_from_slice(&other.bytes());
        }
        if let Some(facts) = &self.facts {
            flags |= HAS_FACTS | encode_facts(facts, &mut bytes);
        }
        if let Some(first) = bytes.first_mut() {
            *first = flags;
        }
        bytes
    }

    /// What [`encode`](Self::encode) wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [flags] = rest.take::<1>()?;
        let state = match flags & STATE {
            0 => State::Aborted,
            COMMITTED => State::Committed,
            AS => State::As(DecisionId(u64::from_be_bytes(rest.take()?))),
            _ => return None,
        };
        let facts = if flags & HAS_FACTS == 0 { None } else { Some(decode_facts(flags, &mut rest)?) };
        rest.0.is_empty().then_some(Self { state, facts })
    }
}

fn encode_facts(facts: &Facts, bytes: &mut Vec<u8>) -> u8 {
    let mut flags = 0;
    put_varint(bytes, u64::from(facts.version));
    let [_, _, _, institution @ ..] = facts.institution.packed().to_be_bytes();
    bytes.extend_from_slice(&institution);
    for (flag, paper) in [(HAS_DOCUMENT, facts.document), (HAS_VISIT, facts.visit)] {
        if let Some(PaperKey(number)) = paper {
            flags |= flag;
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
    match u32::try_from(facts.occurred_at / SECOND) {
        Ok(seconds) if facts.occurred_at % SECOND == 0 => {
            flags |= WHOLE_SECONDS;
            bytes.extend_from_slice(&seconds.to_be_bytes());
        }
        Ok(_) | Err(_) => bytes.extend_from_slice(&facts.occurred_at.to_be_bytes()),
    }
    put_varint(bytes, zigzag(facts.received_at.wrapping_sub(facts.occurred_at)));
    match facts.status {
        Status::Sold => {}
        Status::Held(until) => {
            flags |= HELD;
            put_varint(bytes, zigzag(until.wrapping_sub(facts.occurred_at)));
        }
        Status::Voided => flags |= VOIDED,
    }
    flags
}

fn decode_facts(flags: u8, rest: &mut Reader<'_>) -> Option<Facts> {
    let version = u32::try_from(rest.varint()?).ok()?;
    let mut packed = [0; 8];
    packed.get_mut(8 - INSTITUTION_BYTES..)?.copy_from_slice(&rest.take::<INSTITUTION_BYTES>()?);
    let institution = InstitutionCode::unpack(u64::from_be_bytes(packed))?;
    let mut paper = |flag| -> Option<Option<PaperKey>> {
        if flags & flag == 0 {
            return Some(None);
        }
        Some(Some(PaperKey(u64::from_be_bytes(rest.take()?))))
    };
    let (document, visit) = (paper(HAS_DOCUMENT)?, paper(HAS_VISIT)?);
    let occurred_at = if flags & WHOLE_SECONDS == 0 {
        i64::from_be_bytes(rest.take()?)
    } else {
        i64::from(u32::from_be_bytes(rest.take()?)) * SECOND
    };
    let received_at = occurred_at.wrapping_add(unzigzag(rest.varint()?));
    let status = match (flags & HELD != 0, flags & VOIDED != 0) {
        (false, false) => Status::Sold,
        (true, false) => Status::Held(occurred_at.wrapping_add(unzigzag(rest.varint()?))),
        (false, true) => Status::Voided,
        (true, true) => return None,
    };
    Some(Facts { version, institution, document, visit, occurred_at, received_at, status })
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests;
