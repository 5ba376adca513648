//! Which rows a table may hold, in memory: so that the writer thread, where everybody waits, need not look into a table
//! for what is nearly never there.

use crate::domain::code::CodeKey;
use foldhash::quality::RandomState;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Fingerprints of codes, 5 to 10 bytes each. Two codes may share one: then a table is asked in vain.
#[derive(Default)]
pub(super) struct Fingerprints {
    known: RwLock<HashSet<u32, RandomState>>,
    /// Of the codes, this process's own.
    hasher: RandomState,
    /// Every row that stood when the table was opened was added.
    is_complete: AtomicBool,
}

impl Fingerprints {
    /// Adds about so many codes; to be called before their rows can be found nowhere but in the table.
    pub fn add<K: Borrow<CodeKey>>(&self, about: usize, keys: impl IntoIterator<Item = K>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.reserve(about);
        known.extend(keys.into_iter().map(|key| self.of(key.borrow())));
    }

    /// Every row that stood when the table was opened was added, and every one that was put since.
    pub fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// Whether the table may hold a row of a code: any may until all were added.
    pub fn may_hold(&self, key: &CodeKey) -> bool {
        let known = || self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&self.of(key));
        !self.is_complete.load(Ordering::Acquire) || known()
    }

    fn of(&self, key: &CodeKey) -> u32 {
        let [a, b, c, d, ..] = self.hasher.hash_one(key).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: u64) -> CodeKey {
        CodeKey::parse(&format!("8300385{number:013}")).unwrap()
    }

    #[test]
    fn any_code_may_have_a_row_until_all_were_added() {
        let known = Fingerprints::default();
        known.add(1, [&code(1)]);
        assert!((1..=100).all(|number| known.may_hold(&code(number))));
        known.complete();
        known.add(1, [&code(2)]);
        assert!(known.may_hold(&code(1)) && known.may_hold(&code(2)));
        let in_vain = (3..=1_000).filter(|number| known.may_hold(&code(*number))).count();
        assert!(in_vain <= 1, "{in_vain} of 998 codes share a fingerprint with one of two");
    }
}
