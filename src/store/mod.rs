//! Where facts are kept. Stores are dumb: they read, put where nothing stands, compare and swap, add, scan.
//! The rules live in [`crate::domain`]; a store must not know them.
//!
//! [`log`] is the durable event log under every store; [`embedded`] keeps its tables beside it in one data
//! directory; [`redis`] shares one ledger among gateways; [`moving`] takes everything of a store over into another.
//! What a store cannot tell for certain is [`CommitError::Unknown`], never "duplicate", never "free".

mod codes;
mod derive;
mod directory;
pub mod embedded;
mod event;
mod fit;
mod forget;
pub mod log;
mod logged;
pub mod moving;
pub mod redis;

pub use directory::write_durably;
pub use event::{AwaitedKey, DossierRow, EncodedEvent, LogEvent, PositionDelta, Swap};
pub use forget::{Forgetting, Forgotten, Stays};
pub use logged::Logged;

use crate::domain::case::Dossier;
use crate::domain::claim::{History, PaperKey};
use crate::domain::code::CodeKey;
use crate::domain::judge::ClaimChange;
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::domain::registry::{Registry, RegistryRow};
use crate::domain::tally::{Month, Tally, TallyKey};
use crate::telemetry::StoreGauges;
use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::pin::Pin;

/// An answer that a store may have to wait for.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a store could not answer a read, or did not take a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is (nearly) full; nothing was accepted.
    #[error("the store takes no changes right now: {0}")]
    Full(String),
    /// A sync or a table write failed; nothing is accepted until the gateway is started again.
    #[error("the store has stopped after a failed write and needs a restart: {0}")]
    Stopped(String),
    /// Larger than a store can keep: a name, a number of units, or the change as a whole.
    #[error("this cannot be kept: {0}")]
    Unfit(String),
    /// A table could not be read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// It does not answer; nothing was begun.
    #[error("the store does not answer: {0}")]
    Away(String),
    /// Another document claims the same code and is not decided yet.
    #[error("a code of this document is claimed by another one that is not decided yet; ask again")]
    Undecided,
}

impl StoreError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Full(_) | Self::Away(_) | Self::Undecided => true,
            Self::Stopped(_) | Self::Unfit(_) | Self::Unreadable(_) => false,
        }
    }
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something it rests on has changed since it was read: read again, judge again.
    #[error("what the change rests on has changed")]
    Conflict,
    /// Refused for certain; nothing of it was kept.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// Another document claims the same code or request and is not decided yet; nothing was kept.
    #[error("another document that claims the same is not decided yet; ask again")]
    Undecided,
    /// Written or not, nobody knows until the store is open again: ask for the outcome.
    #[error("in doubt: {0}")]
    Unknown(String),
}

/// A change of one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeChange {
    /// Which request.
    pub key: RequestKey,
    /// The version that was read; `None` = put only where nothing stands.
    pub expected: Option<u32>,
    /// The outcome as it shall be.
    pub outcome: Outcome,
}

/// A change of one code's dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DossierChange {
    /// The code.
    pub key: CodeKey,
    /// The version that was read; `None` = put only where nothing stands.
    pub expected: Option<u32>,
    /// The dossier as it shall be.
    pub dossier: Dossier,
}

/// Everything that one decision changes: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Histories of codes.
    pub claims: Vec<ClaimChange>,
    /// Outcomes of requests.
    pub outcomes: Vec<OutcomeChange>,
    /// The document (hashed) of the request, so that it can be found by its number.
    pub document: Option<(RequestKey, PaperKey)>,
    /// Units by which sold balances grow, by pool and catalogue code.
    pub sold: Vec<(Pool, String, Decimal)>,
    /// Purchase questions that wait for data.
    pub awaited: Vec<AwaitedKey>,
    /// Purchase questions that are answered.
    pub settled: Vec<AwaitedKey>,
    /// Dossiers of codes.
    pub dossiers: Vec<DossierChange>,
    /// What is added to tallies; each key stands once.
    pub tallies: Vec<(TallyKey, Tally)>,
}

/// What happened to a loaded row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStatus {
    /// New.
    Added,
    /// Known with the same content.
    Unchanged,
    /// Known with other content, which was replaced.
    Replaced,
}

/// Whether a store takes changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// Yes.
    Ready,
    /// Not now, and why; it recovers by itself.
    Full(String),
    /// Not while the ledger's servers do not answer, and why; it recovers by itself.
    Away(String),
    /// Not until a restart, and why.
    Stopped(String),
}

impl StoreState {
    /// The state as metrics name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Full(_) => "full",
            Self::Away(_) => "away",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// Claims and outcomes: who sold which code, and what was answered.
pub trait ClaimLedger: Send + Sync {
    /// The histories of codes, in the order of the keys; `None` = nothing recorded.
    fn histories<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<History>>, StoreError>>;

    /// What became of a request; `None` = nothing recorded.
    fn outcome<'a>(&'a self, key: &'a RequestKey) -> Answering<'a, Result<Option<Outcome>, StoreError>>;

    /// The request ids that dispensed a document, at most `limit`.
    fn requests_of<'a>(
        &'a self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Answering<'a, Result<Vec<String>, StoreError>>;

    /// Makes a change, or nothing of it. `Ok` = durable.
    fn commit<'a>(&'a self, change: &'a Change) -> Answering<'a, Result<(), CommitError>>;

    /// Histories in order of their keys, from behind `after` on, at most `limit`.
    fn scan<'a>(
        &'a self,
        after: Option<&'a CodeKey>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<(CodeKey, History)>, StoreError>>;

    /// Hashes a document or visit number with the deployment's secret.
    fn paper_key(&self, number: &str) -> PaperKey;
}

/// Told of claims by the ledger: in its order, and before anybody can learn that they stand. Must not block for long.
pub trait ClaimFollower: Send + Sync {
    /// Claims with their histories as they are from now on, in [stored form](History::stored); `up_to` = the ledger's
    /// position after them.
    fn claimed<'a>(&self, up_to: u64, claims: &mut dyn Iterator<Item = (&'a CodeKey, &'a [u8])>);

    /// Dossiers with their places in the order of changes; what was told before may be told again.
    fn dossiers_changed(&self, changed: &mut dyn Iterator<Item = DossierTold<'_>>) {
        changed.for_each(drop);
    }

    /// Every claim that another gateway acknowledged longer ago than `age` was told. Never called where there are no
    /// others.
    fn covered(&self, age: std::time::Duration) {
        let _ = age;
    }

    /// Some claims of other gateways can never be told: whoever keeps a copy must read the ledger anew.
    fn lost(&self) {}
}

/// A dossier as whoever follows is told of it.
#[derive(Debug, Clone, Copy)]
pub struct DossierTold<'a> {
    /// Its place in the order in which dossiers change: it grows, and each change has its own.
    pub place: u64,
    /// The code.
    pub key: &'a CodeKey,
    /// The dossier in [stored form](Dossier::stored).
    pub bytes: &'a Bytes,
}

/// Batches of dossiers with their places in the order of changes, in no order.
pub type Dossiers = tokio::sync::mpsc::Receiver<Result<Vec<(u64, DossierRow)>, StoreError>>;

/// A part of what was logged in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoggedBatch {
    /// Requests whose outcomes were put or changed; some more than once.
    pub requests: Vec<RequestKey>,
    /// Codes whose histories or dossiers were changed; some more than once.
    pub codes: Vec<CodeKey>,
}

/// What the bureau keeps of codes. Dossiers are changed by [`ClaimLedger::commit`], with the event that caused it.
pub trait CaseBook: Send + Sync {
    /// The dossiers of codes, in the order of the keys; `None` = nothing is kept.
    fn dossiers<'a>(&'a self, keys: &'a [CodeKey])
    -> Answering<'a, Result<Vec<Option<Dossier>>, StoreError>>;

    /// What this gateway itself logged with outcomes that were decided at or after a moment and before another one, in
    /// the order of its log.
    fn logged_between(&self, from: Timestamp, to: Timestamp) -> Logged;

    /// Every dossier. Whoever follows the ledger before it asks misses none.
    fn all_dossiers(&self) -> Dossiers;
}

/// Batches of tallies of one month after the other, those of a month in no order.
pub type Tallies = tokio::sync::mpsc::Receiver<Result<Vec<(TallyKey, Tally)>, StoreError>>;

/// What is counted of institutions by month. It is added to by [`ClaimLedger::commit`], with the event that counts.
pub trait TallyBook: Send + Sync {
    /// Tallies of the months from `first` to `last`: of one institution, or of all.
    fn tallies(&self, first: Month, last: Month, of: Option<InstitutionCode>) -> Tallies;
}

/// Batches of codes, in no order, some of them more than once.
pub type Codes = tokio::sync::mpsc::Receiver<Result<Vec<CodeKey>, StoreError>>;

/// The ledger's claims for those who keep a copy of what it knows.
pub trait ClaimFeed: Send + Sync {
    /// Whether each look costs a way there and back, so that it pays to guess first that a request is new.
    fn is_far(&self) -> bool;

    /// Names this ledger for its life, and no other.
    fn identity(&self) -> &str;

    /// From now on tells `follower`, and nobody else, of every claim. Gives the position up to which claims were
    /// made before that: they can be read.
    fn follow(&self, follower: std::sync::Arc<dyn ClaimFollower>) -> Answering<'_, Result<u64, StoreError>>;

    /// The codes that were claimed between two positions.
    fn codes_between(&self, from: u64, to: u64) -> Codes;

    /// Every code that was ever claimed.
    fn all_codes(&self) -> Codes;

    /// Whether other gateways claim too: what they claim is told a moment later, see [`ClaimFollower::covered`].
    fn has_others(&self) -> bool;

    /// About how many codes were claimed.
    fn codes_about(&self) -> u64;
}

/// Purchases, balances, and questions that wait for purchase data.
pub trait PurchaseBook: Send + Sync {
    /// Positions, in the order asked.
    fn positions<'a>(
        &'a self,
        asked: &'a [(Pool, String)],
    ) -> Answering<'a, Result<Vec<Position>, StoreError>>;

    /// Adds records; each names the chain whose pool it counts for, if any.
    fn add_purchases(
        &self,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Answering<'_, Result<Vec<LoadStatus>, CommitError>>;

    /// Waiting questions of a pool and catalogue code, or of everybody; at most `limit`.
    fn awaited<'a>(
        &'a self,
        of: Option<(&'a Pool, &'a str)>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<AwaitedKey>, StoreError>>;
}

/// The registry's rows.
pub trait RegistryStore: Send + Sync {
    /// Everything that is loaded.
    fn load_registry(&self) -> Answering<'_, Result<Registry, StoreError>>;

    /// The version of what other gateways loaded, told of every change; `0` where there are no others.
    fn loaded_elsewhere(&self) -> tokio::sync::watch::Receiver<u64>;

    /// Adds or replaces rows; gives what happened to each and the version after it.
    fn put_rows(
        &self,
        rows: Vec<RegistryRow>,
        at: Timestamp,
    ) -> Answering<'_, Result<(Vec<LoadStatus>, u64), CommitError>>;
}

/// A box that was sold again while the ledger had lost its first sale. Both sales were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubleSale {
    /// The code.
    pub key: CodeKey,
    /// What this gateway recorded of it; the ledger holds something that does not know of it.
    pub ours: History,
    /// The request that recorded it.
    pub request: Option<RequestKey>,
}

/// An answer that was given while the ledger was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisional {
    /// Whose.
    pub key: RequestKey,
    /// What was asked and answered.
    pub outcome: Outcome,
}

/// Answers that were given while the ledger was away, kept on disk until it has what follows from them.
pub trait ProvisionalBook: Send + Sync {
    /// What earlier lives kept and the ledger may not have, in the order in which it was kept, and the position after
    /// the last; given once.
    fn kept(&self) -> (Vec<Provisional>, u64);

    /// Keeps an answer; gives the position after it. `Ok` = durable.
    fn keep<'a>(
        &'a self,
        key: &'a RequestKey,
        outcome: &'a Outcome,
    ) -> Answering<'a, Result<u64, CommitError>>;

    /// The ledger has everything that was kept before a position.
    fn all_claimed(&self, up_to: u64);
}

/// A whole store.
pub trait Store: ClaimLedger + ClaimFeed + CaseBook + TallyBook + PurchaseBook + RegistryStore {
    /// Whether it takes changes; a receiver that is told of every change of state.
    fn state(&self) -> tokio::sync::watch::Receiver<StoreState>;

    /// Double sales as they are found; given once, to whoever judges them. `None` = the ledger loses nothing, or the
    /// receiver was given before.
    fn double_sales(&self) -> Option<tokio::sync::mpsc::Receiver<DoubleSale>>;

    /// Where answers are kept that are given while the ledger is away; `None` = it cannot be away without this gateway.
    fn provisional(&self) -> Option<&dyn ProvisionalBook>;

    /// The version of the policy that is in force here from now on: gateways of a fleet compare.
    fn share_policy(&self, version: String);

    /// How full it is, for those who watch; may block for a moment.
    fn gauges(&self) -> StoreGauges;

    /// Forgets requests that this gateway logged long ago, and their answers, in its tables and in its log. One call at a
    /// time.
    fn forget<'a>(&'a self, forgetting: &'a Forgetting) -> Answering<'a, Result<Forgotten, StoreError>>;

    /// Stops taking changes, finishes what was accepted and closes.
    fn close(&self) -> Answering<'_, ()>;
}
