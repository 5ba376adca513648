//! One change of this gateway at a time for each place: whoever wants the same place waits here, and not in Redis.

use super::ledger::Place;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Places share turns; a few changes wait that need not.
const TURNS: usize = 1 << 14;

/// Turns at places.
pub(super) struct Turns {
    turns: Vec<Arc<Mutex<()>>>,
    hasher: foldhash::quality::RandomState,
}

impl Turns {
    pub fn new() -> Self {
        let turns = (0..TURNS).map(|_| Arc::default()).collect();
        Self { turns, hasher: foldhash::quality::RandomState::default() }
    }

    /// Waits until nobody else is at any of these places; they are free again when what it gives is dropped.
    pub async fn enter(&self, places: impl Iterator<Item = &Place> + Send) -> Vec<OwnedMutexGuard<()>> {
        let numbers: BTreeSet<usize> =
            places.map(|place| self.hasher.hash_one(place) as usize % TURNS).collect();
        let mut held = Vec::with_capacity(numbers.len());
        // In one order for everybody, so that nobody waits in a circle.
        for number in numbers {
            if let Some(turn) = self.turns.get(number) {
                held.push(Arc::clone(turn).lock_owned().await);
            }
        }
        held
    }
}
