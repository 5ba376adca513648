//! The use cases: what a door asks for, in terms of the trade. Knows domain, store traits and clock; no wire.
//!
//! Every change goes the same way: look up the outcome of the request id, gather facts, judge (pure), commit
//! with the versions that were read, and judge again where somebody else was faster. Whoever calls must let
//! the future run to its end: a claim must not be dropped between judgement and record.

mod access;
mod allowance;
mod attempt;
mod cases;
mod compliance;
mod desk;
mod dispense;
mod doubles;
mod error;
mod explain;
mod gauges;
mod history;
mod in_doubt;
mod keeper;
mod knowledge;
mod limits;
mod looks;
mod names;
mod outcome;
mod persons;
mod policy;
mod provisional;
mod purchase;
mod registry;
mod reminders;
mod repeat;
mod retention;
mod settle;
mod shadow;
mod single;
mod tally;
mod trail;

pub use crate::index::cases::{CaseFilter, Cursor, Range, Summary};
pub use access::{KeysPage, NewKey, NotLetIn, hash_of_secret, random_text};
pub use allowance::CallerLimits;
pub use cases::{
    Advance, Audited, CaseView, CasesPage, CodeHistory, HistoryAttempt, HistoryEvent, InvolvedView, Look,
    Money, WatchedCase,
};
pub use compliance::{Compliance, Duplicates, TallyFilter};
pub use error::EngineError;
pub use explain::{AskedDrug, AskedInstitution, Explanation, PolicyQuestion, Understood, UnderstoodDrug};
pub use gauges::Gauges;
pub use keeper::{IndexKeeper, IndexState, Keeping};
pub use knowledge::Knowledge;
pub use limits::Limits;
pub use outcome::OutcomeReply;
pub use persons::{NotOpened, SECRET_BYTES, Said, WrappingKey, WrappingKeys};
pub use policy::{
    InForce, LoadedPolicy, Policies, PolicyMistake, PolicySet, PolicySource, PolicyText, Reloaded,
};
pub use purchase::PurchaseView;
pub use retention::{Purged, Retention};
pub use settle::{Settlement, VoidTarget};
pub use shadow::{ShadowReport, ShadowRun};
pub use tally::{Change as ShadowChange, Tally};

use crate::clock::Clock;
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::judge::{Grounds, Judgement, Paper, Reading};
use crate::domain::outcome::{Answer, Correction, Outcome, RequestKey};
use crate::domain::party::{Caller, InstitutionCode, Pool};
use crate::domain::purchase::Position;
use crate::index::cases::CaseIndex;
use crate::index::{Index, IndexOptions, Seen, Sighting};
use crate::store::{Store, StoreState};
use crate::telemetry;
use crate::trail::Trail;
use allowance::Allowance;
use desk::Desk;
use dispense::is_overfull;
use jiff::Timestamp;
use knowledge::KnowledgeCell;
use names::OutcomeNames;
use outcome::InFlight;
use policy::PolicyDesk;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// How often a judgement is made again because somebody else was faster.
const ATTEMPTS_MAX: usize = 32;

/// The use cases over one store.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    knowledge: KnowledgeCell,
    limits: Limits,
    allowance: Allowance,
    index: Arc<Index>,
    case_index: Arc<CaseIndex>,
    /// Cases and tallies follow from what is recorded; only a measurement of what that costs turns it off.
    keeps_books: bool,
    in_flight: InFlight,
    policies: PolicyDesk,
    names: OutcomeNames,
    /// Whether the ledger is there.
    state: watch::Receiver<StoreState>,
    desk: Desk,
    /// Who changes and looks at what; nowhere, until somebody says where.
    trail: Trail,
    /// What opens join keys; nothing, until somebody says what.
    wrapping: WrappingKeys,
    retention: Retention,
    /// One purge at a time.
    purging: tokio::sync::Mutex<()>,
}

/// Whom a judgement asks about codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// The index, and the ledger where the index cannot tell.
    Index,
    /// The ledger alone: what the index said was overtaken.
    Ledger,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An answer, fresh or given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// It was given before to the same request id.
    pub replayed: bool,
    /// What changed since.
    pub corrections: Vec<Correction>,
    /// Why the operator went on after a reminder, as far as it was given before.
    pub go_on_reason: Option<String>,
}

/// The facts that one judgement rests on, fetched.
struct Facts {
    knowledge: Arc<Knowledge>,
    now: Timestamp,
    paper: Paper,
    histories: BTreeMap<CodeKey, History>,
    /// Every claim that was acknowledged before this moment is part of the histories.
    ledger_as_of: Timestamp,
    positions: BTreeMap<String, Position>,
    /// The ledger was not asked.
    provisional: bool,
}

impl Facts {
    fn grounds(&self) -> Grounds<'_> {
        Grounds {
            now: self.now,
            policy: &self.knowledge.policy,
            registry: &self.knowledge.registry,
            paper: self.paper,
            histories: &self.histories,
            positions: &self.positions,
            provisional: self.provisional,
        }
    }

    /// A code that has no room for what a judgement adds to it.
    fn overfull<'a>(&self, judgement: &'a Judgement, institution: InstitutionCode) -> Option<&'a CodeKey> {
        let mut changes = judgement.claims.iter();
        changes.find(|change| is_overfull(&self.histories, change, institution)).map(|change| &change.key)
    }
}

impl Engine {
    /// An engine over a store; reads the registry from it.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        policies: Policies,
        limits: Limits,
        index: IndexOptions,
    ) -> Result<Self, EngineError> {
        let seed = blake3::derive_key("tracegate 2026 index of codes", store.identity().as_bytes());
        let index = Arc::new(Index::new(index, seed));
        if store.has_others() {
            index.expect_others();
        }
        let registry = store.load_registry().await?;
        let (first, policies) = policies.opened(registry, clock.now())?;
        let knowledge = KnowledgeCell::new(first);
        let state = store.state();
        let engine = Self {
            store,
            clock,
            knowledge,
            limits,
            allowance: Allowance::new(limits.callers),
            index,
            case_index: Arc::default(),
            keeps_books: true,
            in_flight: InFlight::default(),
            policies,
            names: OutcomeNames::default(),
            state,
            desk: Desk::default(),
            trail: Trail::nowhere(),
            wrapping: WrappingKeys::default(),
            retention: Retention::default(),
            purging: tokio::sync::Mutex::default(),
        };
        engine.recall_provisional();
        Ok(engine)
    }

    /// The same engine, which keeps no cases and no tallies: for measuring what they cost, never for a gateway.
    #[must_use]
    pub fn without_books(self) -> Self {
        Self { keeps_books: false, ..self }
    }

    /// Registry and policy as they are now.
    pub fn knowledge(&self) -> Arc<Knowledge> {
        self.knowledge.get()
    }

    /// The limits that requests must keep.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Fetches what a judgement of these scans needs.
    async fn gather(
        &self,
        ask: Ask,
        knowledge: &Arc<Knowledge>,
        institution: InstitutionCode,
        paper: Paper,
        reading: &Reading,
        catalog_codes: BTreeSet<String>,
    ) -> Result<Facts, EngineError> {
        let (histories, ledger_as_of) = self.histories(ask, reading.keys()).await?;
        let pool = knowledge.pool_of(institution);
        let asked: Vec<(Pool, String)> = catalog_codes.into_iter().map(|code| (pool.clone(), code)).collect();
        let found = self.store.positions(&asked).await?;
        let positions = asked.into_iter().map(|(_, code)| code).zip(found).collect();
        let (knowledge, now) = (Arc::clone(knowledge), self.clock.now());
        let ledger_as_of = ledger_as_of.min(now);
        Ok(Facts { knowledge, now, paper, histories, ledger_as_of, positions, provisional: false })
    }

    /// What is recorded of codes: from the index where it can tell, else from the ledger. Whatever the index says,
    /// a claim rests on the ledger's own comparison of versions.
    async fn histories(
        &self,
        ask: Ask,
        keys: BTreeSet<CodeKey>,
    ) -> Result<(BTreeMap<CodeKey, History>, Timestamp), EngineError> {
        let mut as_of = self.clock.now();
        let mut known = BTreeMap::new();
        let mut asked = Vec::new();
        let all = keys.len();
        for key in keys {
            let sighting = match ask {
                Ask::Index => self.index.look_up(&key, as_of),
                Ask::Ledger => Sighting { seen: Seen::AskLedger, as_of },
            };
            as_of = as_of.min(sighting.as_of);
            match sighting.seen {
                Seen::Never => {}
                Seen::Recently(history) => drop(known.insert(key, history)),
                Seen::AskLedger => asked.push(key),
            }
        }
        telemetry::looked_up(all - known.len() - asked.len(), known.len(), asked.len());
        if !asked.is_empty() {
            let found = self.store.histories(&asked).await?;
            known.extend(asked.into_iter().zip(found).filter_map(|(key, history)| Some((key, history?))));
        }
        Ok((known, as_of))
    }

    /// Hashes document and visit. A request that has neither stands for itself.
    fn paper(&self, document_no: Option<&str>, visit_no: Option<&str>, request_id: &str) -> Paper {
        let key = |number: &str| self.store.paper_key(number);
        let document = match (document_no, visit_no) {
            (None, None) => Some(key(request_id)),
            (document, _) => document.map(key),
        };
        Paper { document, visit: visit_no.map(key) }
    }

    /// The answer to a judgement.
    fn answer(&self, judgement: &Judgement, facts: &Facts, institution: InstitutionCode) -> Answer {
        let registry = &facts.knowledge.registry;
        let looked_up = !facts.positions.is_empty();
        let feed = registry.institution(institution).and_then(|i| registry.feed_of(i));
        Answer {
            outcome_id: self.names.next(facts.now),
            verdict: judgement.verdict,
            findings: judgement.findings.clone(),
            policy_version: facts.knowledge.policy_version.clone(),
            decided_at: facts.now,
            ledger_as_of: facts.ledger_as_of,
            purchases_as_of: looked_up.then(|| feed.unwrap_or(facts.now)),
            recorded: judgement.recorded,
            after_the_fact: judgement.after_the_fact,
            hold_expires_at: judgement.hold_expires_at,
        }
    }

    /// Whether the caller may act for an institution.
    pub fn authorize(&self, caller: &Caller, institution: InstitutionCode) -> Result<(), EngineError> {
        if self.knowledge.get().lets_see(caller, institution) {
            Ok(())
        } else {
            Err(EngineError::Denied(format!("this caller may not act for or ask about {institution}")))
        }
    }
}

impl Reply {
    fn first(answer: Answer) -> Self {
        Self { answer, replayed: false, corrections: Vec::new(), go_on_reason: None }
    }

    fn again(answer: Answer, outcome: &Outcome) -> Self {
        let go_on_reason = outcome.reminder.as_ref().and_then(|reminder| reminder.reason.clone());
        Self { answer, replayed: true, corrections: outcome.corrections.clone(), go_on_reason }
    }
}

/// The key of a request, its id checked.
fn request_key(institution: InstitutionCode, request_id: &str) -> Result<RequestKey, EngineError> {
    limits::check_request_id(request_id)?;
    Ok(RequestKey { institution, request_id: request_id.to_owned() })
}
