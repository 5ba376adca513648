//! One entry as a line, and what its hash covers.
//!
//! The hash is taken over the bytes of the line itself, up to where the hash begins: nothing of an entry, down to the
//! order of its fields, can change unnoticed, and whoever checks needs no program of ours to know what was hashed.

use super::Act;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Keeps hashes of entries apart from all other hashes.
pub const HASH_CONTEXT: &str = "tracegate 2026 audit trail entry";
/// The same for what stands before the first entry of a chain.
pub const BEGIN_CONTEXT: &str = "tracegate 2026 audit trail begin";
/// The longest `who` and `about`, in characters; what is longer is cut.
pub const TEXT_CHARS_MAX: usize = 512;
/// The longest `detail`, in bytes of JSON.
pub const DETAIL_BYTES_MAX: usize = 16 << 10;
/// The longest line that is read, in bytes: an entry with every character escaped fits.
pub const LINE_BYTES_MAX: usize = 64 << 10;

const HASH_BYTES: usize = 64;
/// What stands before the hash in a line.
const HASH_KEY: &[u8] = b",\"hash\":\"";
const LINE_END: &[u8] = b"\"}";

/// A hash as 64 lower-case hexadecimal digits.
pub type Hash = String;

/// What somebody does, to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// When, by the clock of whoever writes it down.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub act: Act,
    /// To what: the name of a case, a code, a key, a list. No patient, no secret.
    pub about: String,
    /// More of it, small: counts, versions, hashes, reasons. No patient, no secret.
    pub detail: Map<String, Value>,
}

impl Fact {
    /// A fact without details.
    pub fn new(at: Timestamp, who: impl Into<String>, act: Act, about: impl Into<String>) -> Self {
        Self { at, who: who.into(), act, about: about.into(), detail: Map::new() }
    }

    /// The same, with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// An entry as it stands on the disk, without its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// 1, 2, 3 … over the whole trail.
    pub number: u64,
    /// When, with microseconds, UTC.
    pub at: String,
    /// Who.
    pub who: String,
    /// What; one of [`Act`], or one that a newer gateway knows.
    pub act: String,
    /// To what.
    pub about: String,
    /// More of it.
    pub detail: Map<String, Value>,
    /// The hash of the entry before.
    pub before: Hash,
    /// Its own.
    #[serde(skip)]
    pub hash: Hash,
}

impl Entry {
    /// The entry that says a fact, behind another one.
    pub(super) fn of(fact: &Fact, number: u64, before: &str) -> Self {
        Self {
            number,
            at: format!("{:.6}", fact.at),
            who: cut(&fact.who),
            act: fact.act.name().to_owned(),
            about: cut(&fact.about),
            detail: fact.detail.clone(),
            before: before.to_owned(),
            hash: String::new(),
        }
    }

    /// Adds it to `lines` as a line of its own, and gives its hash.
    pub(super) fn write(&self, lines: &mut Vec<u8>) -> Result<Hash, serde_json::Error> {
        let start = lines.len();
        let written = serde_json::to_writer(&mut *lines, self);
        if let Err(error) = written {
            lines.truncate(start);
            return Err(error);
        }
        lines.pop();
        let hash = hash_of(lines.get(start..).unwrap_or_default());
        lines.extend_from_slice(HASH_KEY);
        lines.extend_from_slice(hash.as_bytes());
        lines.extend_from_slice(LINE_END);
        lines.push(b'\n');
        Ok(hash)
    }

    /// When.
    pub fn moment(&self) -> Option<Timestamp> {
        self.at.parse().ok()
    }
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Read {
    /// An entry, and its hash fits.
    Whole(Entry),
    /// It reads like the entry of this number, and its hash does not fit.
    Changed(u64),
    /// No entry.
    Unreadable(String),
}

/// Reads a line without its end.
pub(super) fn read(line: &[u8]) -> Read {
    let hashed_and_hash = line.strip_suffix(LINE_END).and_then(|rest| {
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH_BYTES)?)?;
        Some((rest.strip_suffix(HASH_KEY)?, hash))
    });
    let Some((hashed, hash)) = hashed_and_hash else {
        return Read::Unreadable("it does not end with a hash".to_owned());
    };
    let whole = [hashed, b"}"].concat();
    match serde_json::from_slice::<Entry>(&whole) {
        Ok(entry) if hash_of(hashed).as_bytes() != hash => Read::Changed(entry.number),
        Ok(entry) if entry.moment().is_none() => Read::Unreadable(format!("{:?} is no moment", entry.at)),
        Ok(entry) => Read::Whole(Entry { hash: String::from_utf8_lossy(hash).into_owned(), ..entry }),
        Err(error) => Read::Unreadable(error.to_string()),
    }
}

/// The hash of an entry: BLAKE3 in the mode that derives keys, over the line up to its hash.
fn hash_of(hashed: &[u8]) -> Hash {
    hex(blake3::Hasher::new_derive_key(HASH_CONTEXT).update(hashed))
}

/// What stands before the first entry of a chain: two trails never share an entry.
pub(super) fn hash_before(id: &str) -> Hash {
    hex(blake3::Hasher::new_derive_key(BEGIN_CONTEXT).update(id.as_bytes()))
}

fn hex(hasher: &blake3::Hasher) -> Hash {
    hasher.finalize().to_hex().to_string()
}

/// Whether a text is a hash as it is written here.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == HASH_BYTES && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
