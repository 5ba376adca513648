//! One generation of Bloom filters: sharded by the upper bits of a code's fingerprint, each shard under a lock of
//! its own. It knows numbers only.

use crate::sync::{AtomicU64, Ordering, PoisonError, RwLock};
use bloomfilter::Bloom;

/// Shards of a generation; part of the saved form.
pub(super) const SHARDS: usize = 256;

/// Bits of the smallest filter.
const BITS_MIN: u64 = 8;
/// Far more hashes than any rate of false positives asks for.
const HASHES_MAX: u32 = 64;

/// How full a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Codes in it; the same code counts once.
    pub codes: u64,
    /// Codes that it was planned for; beyond, more and more codes are looked up in the ledger for nothing.
    pub planned: u64,
    /// Bytes of its filters.
    pub bytes: u64,
}

impl Fill {
    /// Whether it holds more than it was planned for.
    pub const fn is_overfull(&self) -> bool {
        self.codes > self.planned
    }
}

pub(super) struct Filter {
    shards: Vec<RwLock<Bloom<u64>>>,
    planned: u64,
    codes: AtomicU64,
}

impl Filter {
    /// An empty generation for `planned` codes.
    pub fn new(planned: u64, false_positives_per_mille: u32, seed: &[u8; 32]) -> Self {
        let per_shard = usize::try_from(planned.div_ceil(SHARDS as u64)).unwrap_or(usize::MAX).max(1);
        let rate = f64::from(false_positives_per_mille.clamp(1, 500)) / 1000.0;
        let bytes = Bloom::<u64>::compute_bitmap_size(per_shard, rate);
        // An error can only be a lack of random numbers, of which none are used here: a filter that says "maybe" to
        // everything takes its place.
        let shard = || Bloom::new_with_seed(bytes, per_shard, seed).ok();
        let shards = (0..SHARDS).filter_map(|_| shard()).map(RwLock::new).collect();
        Self { shards, planned, codes: AtomicU64::new(0) }
    }

    /// A generation that was saved; `None` = it cannot be looked into.
    pub fn restored(shards: Vec<Bloom<u64>>, planned: u64, codes: u64) -> Option<Self> {
        // A filter divides by the number of its bits, and looks at one for each of its hashes.
        let is_usable =
            |shard: &Bloom<u64>| shard.len() >= BITS_MIN && shard.number_of_hash_functions() <= HASHES_MAX;
        shards.iter().all(is_usable).then(|| Self {
            shards: shards.into_iter().map(RwLock::new).collect(),
            planned,
            codes: AtomicU64::new(codes),
        })
    }

    pub fn insert(&self, fingerprint: u64) {
        if let Some(shard) = self.shard(fingerprint) {
            let known = shard.write().unwrap_or_else(PoisonError::into_inner).check_and_set(&fingerprint);
            self.codes.fetch_add(u64::from(!known), Ordering::Relaxed);
        }
    }

    pub fn may_hold(&self, fingerprint: u64) -> bool {
        self.shard(fingerprint)
            .is_none_or(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).check(&fingerprint))
    }

    pub fn fill(&self) -> Fill {
        let bits = |shard: &RwLock<Bloom<u64>>| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        let bytes = self.shards.first().map_or(0, bits) / 8 * self.shards.len() as u64;
        Fill { codes: self.codes.load(Ordering::Relaxed), planned: self.planned, bytes }
    }

    /// The bytes of each shard in order, one copy at a time.
    pub fn shard_bytes(&self) -> impl Iterator<Item = Vec<u8>> {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).to_bytes())
    }

    fn shard(&self, fingerprint: u64) -> Option<&RwLock<Bloom<u64>>> {
        self.shards.get(usize::try_from(fingerprint >> 56).ok()?)
    }
}
