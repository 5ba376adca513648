//! The sharded in-memory index: has this code been sold, as far as this gateway knows, and as of when?
//!
//! It answers *reads* early, and never decides a claim: the ledger alone says who was first. Two parts:
//!
//! - `filter`: Bloom filters over every code that was ever claimed, in generations. "Not in the filter" is certain
//!   once the index is complete; "in the filter" is a question for the ledger.
//! - `hot`: the histories of the codes that were claimed last, bounded.
//!
//! Whoever feeds it must tell of a claim *before* anybody can learn that the claim stands, and in the order of the
//! ledger ([`Index::record`]). Then a code whose sale was acknowledged is never called [`Seen::Never`].
//!
//! - `cases`: the cases of the bureau, to find, order and count them.
//!
//! The room knows codes, histories and cases. It must not know stores, policies, wires or the clock.

pub mod cases;
mod filter;
mod hot;
mod saved;

pub use filter::Fill;
pub use saved::{Misfit, SavedIndex};

use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, PoisonError, RwLock};
use filter::Filter;
use hot::HotCodes;
use jiff::Timestamp;
use siphasher::sip::SipHasher13;

/// Settings of an index; see the configuration file for what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexOptions {
    /// Most codes whose histories are kept.
    pub hot_codes_max: usize,
    /// Codes that the first generation of filters is planned for.
    pub codes_planned_min: u64,
    /// Codes of a thousand that were never claimed and are looked up in the ledger all the same.
    pub false_positives_per_mille: u32,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { hot_codes_max: 100_000, codes_planned_min: 1_000_000, false_positives_per_mille: 10 }
    }
}

/// What the index knows of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// No claim of it was recorded up to `as_of`.
    Never,
    /// Its history as it stood at `as_of`.
    Recently(History),
    /// Only the ledger can tell.
    AskLedger,
}

/// The answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What is known.
    pub seen: Seen,
    /// Every claim that was acknowledged before this moment is part of the answer.
    pub as_of: Timestamp,
}

/// The filters that are in use, and those that are being filled to take their place.
struct Generations {
    current: Arc<Filter>,
    next: Option<Arc<Filter>>,
}

/// The index of one gateway.
pub struct Index {
    options: IndexOptions,
    seed: [u8; 32],
    generations: RwLock<Generations>,
    hot: HotCodes,
    /// The current filters hold every claim of the ledger.
    complete: AtomicBool,
    /// The ledger's position up to which claims were told.
    told_up_to: AtomicU64,
    /// Every claim that others acknowledged before this moment was told, in microseconds since 1970 UTC.
    covered_at: AtomicU64,
}

/// Nobody else claims: nothing can be missing.
const NO_OTHERS: u64 = u64::MAX;
/// An index that does not know what others claimed for longer than this says nothing, in microseconds.
const COVERAGE_AGE_MAX: u64 = 2_000_000;

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Index {
    /// An empty index, not complete. `seed` is fixed for the life of a ledger: whoever cannot guess it cannot make
    /// up codes that collide.
    pub fn new(options: IndexOptions, seed: [u8; 32]) -> Self {
        let current =
            Arc::new(Filter::new(options.codes_planned_min, options.false_positives_per_mille, &seed));
        Self {
            options,
            seed,
            generations: RwLock::new(Generations { current, next: None }),
            hot: HotCodes::new(options.hot_codes_max),
            complete: AtomicBool::new(false),
            told_up_to: AtomicU64::new(0),
            covered_at: AtomicU64::new(NO_OTHERS),
        }
    }

    /// What is known of a code at `now`.
    pub fn look_up(&self, key: &CodeKey, now: Timestamp) -> Sighting {
        // Every claim that this gateway acknowledged was told before: of its own, nothing older than now is missing.
        let covered = self.covered_at.load(Ordering::Acquire);
        let asked = u64::try_from(now.as_microsecond()).unwrap_or(0);
        if covered >= asked {
            return Sighting { seen: self.seen(key), as_of: now };
        }
        let known = i64::try_from(covered).ok().and_then(|at| Timestamp::from_microsecond(at).ok());
        match known.filter(|_| asked - covered <= COVERAGE_AGE_MAX) {
            Some(as_of) => Sighting { seen: self.seen(key), as_of },
            None => Sighting { seen: Seen::AskLedger, as_of: now },
        }
    }

    /// What was last heard of a code, however long ago that was: for whoever can ask nobody. Still exact about what
    /// this gateway itself knows.
    pub fn last_heard(&self, key: &CodeKey, now: Timestamp) -> Sighting {
        let covered = i64::try_from(self.covered_at.load(Ordering::Acquire));
        let as_of = covered.ok().and_then(|at| Timestamp::from_microsecond(at).ok());
        Sighting { seen: self.seen(key), as_of: as_of.map_or(now, |at| at.min(now)) }
    }

    /// Others claim too. Until they are [covered](Self::covered), nothing is said.
    pub fn expect_others(&self) {
        self.covered_at.store(0, Ordering::Release);
    }

    /// Every claim that others acknowledged before this moment was told.
    pub fn covered(&self, at: Timestamp) {
        self.covered_at.fetch_max(u64::try_from(at.as_microsecond()).unwrap_or(0), Ordering::AcqRel);
    }

    fn seen(&self, key: &CodeKey) -> Seen {
        if !self.is_complete() {
            return Seen::AskLedger;
        }
        if !self.current().may_hold(self.fingerprint(key)) {
            return Seen::Never;
        }
        self.hot.get(key).map_or(Seen::AskLedger, Seen::Recently)
    }

    /// Takes in claims with their histories in stored form, in the order of the ledger; `up_to` = the ledger's position after them.
    /// Returns before anybody can learn that they stand.
    pub fn record<'a>(&self, up_to: u64, claims: impl IntoIterator<Item = (&'a CodeKey, &'a [u8])>) {
        {
            // Held throughout: no generation may take over between the two inserts of a code.
            let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
            for (key, history) in claims {
                let fingerprint = self.fingerprint(key);
                generations.current.insert(fingerprint);
                if let Some(next) = &generations.next {
                    next.insert(fingerprint);
                }
                self.hot.put(key, history);
            }
        }
        self.told_up_to.fetch_max(up_to, Ordering::AcqRel);
    }

    /// Takes in codes that were claimed before the index began to listen.
    pub fn add_old<'a>(&self, keys: impl IntoIterator<Item = &'a CodeKey>) {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let filter = generations.next.as_ref().unwrap_or(&generations.current);
        keys.into_iter().for_each(|key| filter.insert(self.fingerprint(key)));
    }

    /// Begins a generation for `codes` claims and as many again. From now on claims that are told go into both. Then
    /// the ledger must be asked from where on it tells, what it holds before that added with
    /// [`add_old`](Self::add_old), and the generation finished.
    pub fn begin_generation(&self, codes: u64) {
        let planned = self.options.codes_planned_min.max(codes.saturating_mul(2));
        let next = Filter::new(planned, self.options.false_positives_per_mille, &self.seed);
        self.generations.write().unwrap_or_else(PoisonError::into_inner).next = Some(Arc::new(next));
    }

    /// The new generation holds every claim: it takes over, and the index is complete. `up_to` = the ledger's
    /// position from which on claims were told.
    pub fn finish_generation(&self, up_to: u64) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = generations.next.take() {
            generations.current = next;
        }
        drop(generations);
        self.told_up_to.fetch_max(up_to, Ordering::AcqRel);
        self.complete.store(true, Ordering::Release);
    }

    /// Gives up a generation that could not be filled; the current one stays in use.
    pub fn abandon_generation(&self) {
        self.generations.write().unwrap_or_else(PoisonError::into_inner).next = None;
    }

    /// Claims were missed: nothing is said any more until a generation was filled anew.
    pub fn forget(&self) {
        self.complete.store(false, Ordering::Release);
    }

    /// Whether "never" can be said.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// How full the current generation is.
    pub fn fill(&self) -> Fill {
        self.current().fill()
    }

    /// Codes whose histories are kept.
    pub fn hot_codes(&self) -> usize {
        self.hot.len()
    }

    /// Bytes of all filters that are held now.
    pub fn filter_bytes(&self) -> u64 {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let filters = [Some(&generations.current), generations.next.as_ref()];
        filters.into_iter().flatten().map(|filter| filter.fill().bytes).sum()
    }

    fn current(&self) -> Arc<Filter> {
        Arc::clone(&self.generations.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// One number for a code: it chooses the shard and stands for the code in the filter. The bytes of a key are
    /// fixed for ever, and so is this hash; a saved filter of another build stays readable.
    fn fingerprint(&self, key: &CodeKey) -> u64 {
        let mut half = [0; 16];
        half.copy_from_slice(self.seed.first_chunk::<16>().unwrap_or(&[0; 16]));
        SipHasher13::new_with_key(&half).hash(key.as_bytes())
    }
}
