//! Names of outcomes.

use jiff::Timestamp;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes names up: UUIDs of version 7, so that they sort by time. Their random part is a counter under a hash that is
/// keyed at random when the engine starts: asking the system for each would cost more than judging a line.
#[derive(Debug, Default)]
pub(super) struct OutcomeNames {
    key: RandomState,
    next: AtomicU64,
}

impl OutcomeNames {
    /// A name that no other outcome has.
    pub fn next(&self, now: Timestamp) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let halves = [self.key.hash_one((number, 0_u8)), self.key.hash_one((number, 1_u8))];
        let mut random = [0; 10];
        random
            .iter_mut()
            .zip(halves.iter().flat_map(|half| half.to_be_bytes()))
            .for_each(|(to, from)| *to = from);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_uuids_that_sort_by_time_and_never_meet() {
        let engines = [OutcomeNames::default(), OutcomeNames::default()];
        let at = |second: i64| Timestamp::from_second(1_773_100_000 + second).unwrap();
        let all: Vec<String> = engines.iter().flat_map(|names| (0..500).map(|_| names.next(at(0)))).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1000);
        for name in &all {
            let uuid = uuid::Uuid::parse_str(name).unwrap();
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
            assert!(*name < engines[0].next(at(1)), "{name}");
        }
    }
}
