//! The index, and the layers and versions of the embedded store, among threads that take turns in every order a model
//! checker can think of: the rooms are compiled here with the checker's locks and atomics in the place of the standard
//! ones.
//!
//! The ledger beside it is a model with the order that the writer thread keeps: the log, then whoever follows, then
//! the tables, then the answers. A failing schedule is printed, and can be replayed from what is printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "../../src/index/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the room as a whole; these tests use the part that threads meet in"
)]
mod index;

#[path = "../../src/store/embedded/layers.rs"]
mod layers;

#[path = "../../src/store/embedded/versions.rs"]
#[allow(unreachable_pub, reason = "a room of the embedded store")]
mod stands;

/// Locks and atomics that the checker steers.
mod sync {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub use shuttle::sync::{Arc, Mutex, RwLock};
    pub use std::sync::PoisonError;
}

mod ledger;
mod memory;
mod versions;

use index::{Index, IndexOptions, Seen};
use jiff::Timestamp;
use ledger::{Ledger, code};
use shuttle::thread;
use std::sync::Arc;
use tracegate::domain;

const SCHEDULES: usize = 2_000;
const OPTIONS: IndexOptions =
    IndexOptions { hot_codes_max: 2, codes_planned_min: 64, false_positives_per_mille: 10 };

fn explore(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(test, SCHEDULES);
}

fn new_index() -> Arc<Index> {
    Arc::new(Index::new(OPTIONS, [7; 32]))
}

/// Fills the index as its keeper does.
fn warm(index: &Arc<Index>, ledger: &Ledger) {
    index.begin_generation(4);
    let from = ledger.follow(Arc::clone(index));
    index.add_old(&ledger.codes());
    index.finish_generation(from);
}

fn seen(index: &Index, n: u64) -> Seen {
    index.look_up(&code(n), Timestamp::UNIX_EPOCH).seen
}

/// Whoever was told of a sale, by the writer or by reading the ledger, never hears "never" of it afterwards.
#[track_caller]
fn check_not_never(index: &Index, n: u64, told_by: &str) {
    assert_ne!(seen(index, n), Seen::Never, "code {n}, told by {told_by}");
}

#[test]
fn a_sale_is_known_before_anybody_is_told() {
    explore(|| {
        let (index, ledger) = (new_index(), Ledger::new());
        warm(&index, &ledger);
        let writer = thread::spawn({
            let (index, ledger) = (Arc::clone(&index), ledger.clone());
            move || {
                for n in 0..3 {
                    ledger.commit(&[n], 1);
                    check_not_never(&index, n, "the answer");
                }
            }
        });
        for n in 0..3 {
            if ledger.version(n) > 0 {
                check_not_never(&index, n, "the ledger");
            }
        }
        writer.join().unwrap();
        assert_eq!(seen(&index, 9), Seen::Never, "the index does answer");
    });
}

#[test]
fn what_is_kept_of_a_code_never_falls_behind_what_was_told() {
    explore(|| {
        let (index, ledger) = (new_index(), Ledger::new());
        warm(&index, &ledger);
        let writer = thread::spawn({
            let ledger = ledger.clone();
            move || {
                ledger.commit(&[1], 1);
                ledger.commit(&[2], 1);
                ledger.commit(&[1], 2);
                // Two codes are kept: the first turn of code 1 must not throw out its second.
                ledger.commit(&[3], 1);
            }
        });
        let told = ledger.version(1);
        if let Seen::Recently(history) = seen(&index, 1) {
            assert!(history.version >= told, "version {} after {told}", history.version);
        }
        writer.join().unwrap();
        match seen(&index, 1) {
            Seen::Recently(history) => assert_eq!(history.version, 2),
            other => panic!("the last but one claim is kept: {other:?}"),
        }
        assert_eq!(seen(&index, 2), Seen::AskLedger, "the oldest is not");
    });
}

#[test]
fn no_claim_falls_between_the_generations() {
    explore(|| {
        let (index, ledger) = (new_index(), Ledger::new());
        ledger.commit(&[0], 1);
        let writer = thread::spawn({
            let (index, ledger) = (Arc::clone(&index), ledger.clone());
            move || {
                for n in 1..4 {
                    ledger.commit(&[n], 1);
                    check_not_never(&index, n, "the answer");
                }
            }
        });
        let reader = thread::spawn({
            let (index, ledger) = (Arc::clone(&index), ledger.clone());
            move || {
                for n in [0, 2, 3] {
                    if ledger.version(n) > 0 {
                        check_not_never(&index, n, "the ledger");
                    }
                }
            }
        });
        warm(&index, &ledger);
        check_not_never(&index, 0, "the first generation");
        // Grown past its plan: a second generation, with claims coming in all the while.
        warm(&index, &ledger);
        writer.join().unwrap();
        reader.join().unwrap();
        for n in 0..4 {
            check_not_never(&index, n, "the end");
        }
        assert!(index.is_complete());
    });
}
