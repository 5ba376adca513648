//! The in-memory index: by itself against a plain set, saved and loaded, and in a gateway under fire.

mod fire;
mod saved;

use crate::acceptance::samples::{code, moment, next_claim, returned};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tracegate::domain::claim::History;
use tracegate::domain::code::CodeKey;
use tracegate::index::{Index, IndexOptions, Seen};

/// As random as a real one: a filter derives its two hashes from the two halves.
const SEED: [u8; 32] = *b"halves that differ in every byte";

fn options(planned: u64, hot: usize) -> IndexOptions {
    IndexOptions { hot_codes_max: hot, codes_planned_min: planned, false_positives_per_mille: 10 }
}

/// An index of an empty ledger.
fn complete(options: IndexOptions) -> Index {
    let index = Index::new(options, SEED);
    index.finish_generation(0);
    index
}

fn history(version: u32) -> History {
    let key = code(0);
    (0..version).fold(History::default(), |h, n| next_claim(&key, &h, returned(1, i64::from(n))).history)
}

fn record(index: &Index, up_to: u64, claims: &[(u64, u32)]) {
    let stored = |(n, v): &(u64, u32)| (code(*n), history(*v).stored().unwrap());
    let claims: Vec<(CodeKey, Vec<u8>)> = claims.iter().map(stored).collect();
    index.record(up_to, claims.iter().map(|(key, history)| (key, history.as_slice())));
}

fn seen(index: &Index, n: u64) -> Seen {
    index.look_up(&code(n), moment(5)).seen
}

#[test]
fn nothing_is_said_before_the_index_is_complete() {
    let index = Index::new(options(100, 10), SEED);
    record(&index, 1, &[(1, 1)]);
    assert_eq!([seen(&index, 1), seen(&index, 2)], [Seen::AskLedger, Seen::AskLedger]);
    index.finish_generation(1);
    assert_eq!([seen(&index, 1), seen(&index, 2)], [Seen::Recently(history(1)), Seen::Never]);
    assert_eq!(index.look_up(&code(2), moment(5)).as_of, moment(5));
}

#[test]
fn the_latest_codes_are_kept_and_the_oldest_go_first() {
    let index = complete(options(100, 3));
    for (turn, claim) in [(1, 1), (2, 1), (3, 1), (1, 2), (4, 1)].into_iter().enumerate() {
        record(&index, turn as u64, &[claim]);
    }
    // Code 1 came again after 3; 2 was the oldest.
    let expected = [
        (1, Seen::Recently(history(2))),
        (2, Seen::AskLedger),
        (3, Seen::Recently(history(1))),
        (4, Seen::Recently(history(1))),
        (5, Seen::Never),
    ];
    for (n, expected) in expected {
        assert_eq!(seen(&index, n), expected, "code {n}");
    }
    assert_eq!(index.hot_codes(), 3);
    let none = complete(options(100, 0));
    record(&none, 1, &[(1, 1)]);
    assert_eq!((seen(&none, 1), none.hot_codes()), (Seen::AskLedger, 0));
}

#[test]
fn false_positives_keep_to_their_rate_and_memory_to_its_plan() {
    const CODES: u64 = 20_000;
    let index = complete(options(CODES, 0));
    for n in 0..CODES {
        record(&index, n, &[(n, 1)]);
    }
    assert!((0..CODES).all(|n| seen(&index, n) == Seen::AskLedger), "what was claimed is never unknown");
    let fresh = CODES..2 * CODES;
    let wrong = fresh.filter(|n| seen(&index, *n) != Seen::Never).count();
    assert!((100..300).contains(&wrong), "{wrong} of 20,000, 200 are planned");
    let fill = index.fill();
    assert!(fill.codes > CODES * 98 / 100 && fill.codes <= CODES, "{fill:?}");
    assert!(!fill.is_overfull() && fill.bytes < CODES * 13 / 10, "{fill:?}");
    for n in CODES..CODES * 11 / 10 {
        record(&index, n, &[(n, 1)]);
    }
    assert!(index.fill().is_overfull());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Claims, repeated claims and new generations in any order: never is only said of what was never claimed, and
    /// a history that is given is the last one.
    #[test]
    fn the_index_agrees_with_a_plain_map(steps in prop::collection::vec((0_u64..20, 0_u8..10), 1..60)) {
        let index = complete(options(16, 8));
        let mut claims: BTreeMap<u64, u32> = BTreeMap::new();
        for (at, (n, kind)) in steps.into_iter().enumerate() {
            match kind {
                0 => {
                    index.begin_generation(index.fill().codes);
                    let keys: Vec<_> = claims.keys().map(|n| code(*n)).collect();
                    index.add_old(&keys);
                    index.finish_generation(at as u64);
                }
                1 => {
                    index.begin_generation(1);
                    index.abandon_generation();
                }
                _ => {
                    let version = claims.entry(n).or_default();
                    *version += 1;
                    record(&index, at as u64, &[(n, *version)]);
                }
            }
            for n in 0..20 {
                let known = claims.get(&n).copied();
                match seen(&index, n) {
                    Seen::Never => prop_assert_eq!(known, None),
                    Seen::Recently(kept) => prop_assert_eq!(Some(kept.version), known),
                    Seen::AskLedger => {}
                }
            }
        }
        prop_assert!(index.hot_codes() <= 8);
    }
}
