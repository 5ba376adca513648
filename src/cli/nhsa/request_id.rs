//! The id under which a message is asked: the same message has the same id, however often it is sent.
//!
//! `msgid` has no part in it: clients make a new one for each attempt, and some repeat them.

use super::json::Json;
use super::rows::Key;

/// Hex digits of an id.
const HEX_DIGITS: usize = 32;

/// Makes the ids of one message.
pub(super) struct RequestIds {
    message: blake3::Hasher,
    several: bool,
}

impl RequestIds {
    /// For a message of this institution and transaction with this `input`.
    pub(super) fn new(institution: &str, infno: &str, input: &Json) -> Self {
        let mut canonical = String::new();
        input.write_canonical(&mut canonical);
        let mut message = blake3::Hasher::new();
        for part in [institution, infno, &canonical] {
            add(&mut message, Some(part));
        }
        Self { message, several: false }
    }

    /// Whether the message becomes `groups` requests; with more than one, each has an id of its own.
    pub(super) fn for_groups(self, groups: usize) -> Self {
        Self { several: groups > 1, ..self }
    }

    /// The id of the request for this document and visit.
    pub(super) fn of(&self, key: &Key) -> String {
        let mut hasher = self.message.clone();
        if self.several {
            add(&mut hasher, key.document_no.as_deref());
            add(&mut hasher, key.visit_no.as_deref());
        }
        hasher.finalize().to_hex().chars().take(HEX_DIGITS).collect()
    }
}

/// Each part goes in with its length, so that no two lists of parts look alike.
fn add(hasher: &mut blake3::Hasher, part: Option<&str>) {
    let length = part.map_or(u64::MAX, |part| part.len() as u64);
    hasher.update(&length.to_le_bytes());
    hasher.update(part.unwrap_or_default().as_bytes());
}
