//! The histories of the codes that were claimed last: a concurrent map with the order in which they came, so that
//! the oldest go first. Histories are kept in their stored form, which is a third of the size.

use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::sync::{Mutex, PoisonError};
use dashmap::DashMap;
use foldhash::quality::RandomState;
use std::collections::VecDeque;

/// Shards of the map; its own default is too few for many readers.
const SHARDS: usize = 256;

struct Entry {
    history: Box<[u8]>,
    /// Which turn of the code this is: an older turn in the queue must not remove it.
    turn: u64,
}

pub(super) struct HotCodes {
    codes: DashMap<CodeKey, Entry, RandomState>,
    /// Turns in order; a code that was claimed twice stands here twice.
    order: Mutex<Order>,
    codes_max: usize,
}

#[derive(Default)]
struct Order {
    turns: VecDeque<(CodeKey, u64)>,
    next: u64,
}

impl HotCodes {
    pub fn new(codes_max: usize) -> Self {
        Self {
            codes: DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS),
            order: Mutex::new(Order::default()),
            codes_max,
        }
    }

    /// Keeps a history in the place of an older one. Claims of other gateways may come out of order: a newer version
    /// stays.
    pub fn put(&self, key: &CodeKey, history: &[u8]) {
        if self.codes_max == 0 {
            return;
        }
        let version = |stored: &[u8]| History::version_of_stored(stored);
        if self.codes.get(key).is_some_and(|known| version(&known.history) > version(history)) {
            return;
        }
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = order.next;
        order.next += 1;
        order.turns.push_back((key.clone(), turn));
        self.codes.insert(key.clone(), Entry { history: history.into(), turn });
        while order.turns.len() > self.codes_max {
            let Some((oldest, turn)) = order.turns.pop_front() else { break };
            self.codes.remove_if(&oldest, |_, entry| entry.turn == turn);
        }
    }

    /// The last history that was put.
    pub fn get(&self, key: &CodeKey) -> Option<History> {
        let entry = self.codes.get(key)?;
        History::from_stored(&entry.history).ok()
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }
}
