//! One change, decided once: its claims are put with the name of a decision that is not made yet, then the decision
//! is put, then what rests on it. Whoever dies in between leaves claims that are neither free nor sales until anybody
//! settles the decision; see `settle`.
//!
//! Nothing here gives up half-way because an answer was lost: every command may be sent again, and is, until its
//! answer is known. A caller that does not wait so long is told "unknown".

use super::cell::{Cell, Value};
use super::commands;
use super::decision::{Decision, DecisionId, Facts, State};
use super::ledger::{Ledger, Place, Shown, shown, version_of};
use super::link::{Batch, LinkError};
use super::reply::{begins_with, bytes_of, garbled, is_one};
use crate::clock::Stopwatch;
use crate::store::{CommitError, StoreError};
use redis::Value as Reply;
use std::collections::HashMap;
use std::time::Duration;

/// How long a document waits for another one's decision.
pub(super) const DECISION_WAIT_MAX: Duration = Duration::from_millis(50);
/// How often it looks.
pub(super) const DECISION_LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long claims are tried while Redis does not answer, before they are given up.
const CLAIM_TRY_MAX: Duration = Duration::from_millis(1500);
/// Between two attempts to reach Redis.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// What a change wants to stand somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Facts(Facts),
    Stored { version: u32, bytes: Vec<u8> },
}

/// One place that a change writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    pub place: Place,
    /// The version that must stand; `None` = nothing.
    pub expected: Option<u32>,
    pub wanted: Wanted,
}

/// How far one place is.
enum Step {
    /// Nothing is known of it: put it where nothing stands, or look what stands.
    First,
    /// Something stands, perhaps its own: look.
    Look,
    /// A cell stands there that may be swapped.
    Swap { expected: DecisionId, before: Option<Value> },
    /// It holds what this change wants.
    Mine { before: Option<Value> },
}

/// A place with how far it is.
struct Claiming {
    place: Place,
    expected: Option<u32>,
    writer: DecisionId,
    value: Value,
    step: Step,
}

/// The claims of one change, on their way.
pub(super) struct Transaction<'a> {
    ledger: &'a Ledger,
    documents: Documents,
    claims: Vec<Claiming>,
}

/// The documents of one change: the facts of the first stand in the change's own decision, those of every other in a
/// record of its own that is decided as the change is.
pub(super) struct Documents {
    id: DecisionId,
    facts: Option<Facts>,
    others: Vec<(DecisionId, Facts)>,
    named: HashMap<Facts, DecisionId>,
}

impl Documents {
    /// None yet.
    pub fn of(id: DecisionId) -> Self {
        Self { id, facts: None, others: Vec::new(), named: HashMap::new() }
    }

    /// The decision whose record holds these facts.
    pub fn name(&mut self, facts: Facts, next_id: impl FnOnce() -> DecisionId) -> DecisionId {
        let Self { id, facts: first, others, named } = self;
        *named.entry(facts).or_insert_with(|| {
            if first.is_none() {
                *first = Some(facts);
                return *id;
            }
            let other = next_id();
            others.push((other, facts));
            other
        })
    }

    /// The change's own decision.
    pub fn decision(&self, state: State) -> Decision {
        Decision { state, facts: self.facts.filter(|_| state == State::Committed) }
    }

    /// The records of the others.
    pub fn others(&self) -> impl Iterator<Item = (DecisionId, Decision)> + '_ {
        let state = State::As(self.id);
        self.others.iter().map(move |(id, facts)| (*id, Decision { state, facts: Some(*facts) }))
    }
}

impl<'a> Transaction<'a> {
    /// `next_id` names a decision for each document in the change; the first is that of the change.
    pub fn new(ledger: &'a Ledger, intents: Vec<Intent>, mut next_id: impl FnMut() -> DecisionId) -> Self {
        let id = next_id();
        let mut documents = Documents::of(id);
        let mut claims = Vec::with_capacity(intents.len());
        for Intent { place, expected, wanted } in intents {
            let value = match wanted {
                Wanted::Stored { version, bytes } => Value::Stored { by: id, version, bytes },
                Wanted::Facts(facts) => Value::Facts(documents.name(facts, &mut next_id)),
            };
            claims.push(Claiming { place, expected, writer: value.by(), value, step: Step::First });
        }
        // In one order for everybody: whoever is blocked holds only what lies before, so nobody waits in a circle.
        claims.sort_by(|a, b| a.place.cmp(&b.place));
        Self { ledger, documents, claims }
    }

    pub const fn id(&self) -> DecisionId {
        self.documents.id
    }

    /// Every decision that it names.
    pub fn ids(&self) -> Vec<DecisionId> {
        std::iter::once(self.id()).chain(self.documents.others().map(|(id, _)| id)).collect()
    }

    /// Adds what others must know before the first claim can be seen.
    pub fn prepare(&self, batch: &mut Batch) {
        for (id, decision) in self.documents.others() {
            let place = self.ledger.layout.decision(id);
            batch.put(place.tag, commands::put_field_once(&place, &decision.encode()));
        }
    }

    /// Puts every claim; `first` goes out before them.
    pub async fn claim(&mut self, first: &Batch) -> Result<(), CommitError> {
        let (started, mut announced, mut blocked_since) = (Stopwatch::start(), false, None::<Stopwatch>);
        // Nothing behind a place that is blocked is claimed: somebody else may need it to get on.
        let mut up_to = self.claims.len();
        loop {
            let batch = if announced { Batch::default() } else { first.clone() };
            let blocked = match self.round(batch, up_to).await {
                Ok(blocked) => blocked,
                Err(StoreError::Away(why)) if started.elapsed() < CLAIM_TRY_MAX => {
                    tracing::debug!(%why, "claims are tried again");
                    // signal: a server that is away tells nobody that it is back.
                    tokio::time::sleep(TRY_EVERY).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            announced = true;
            match blocked {
                Round::Done if up_to == self.claims.len() => return Ok(()),
                Round::Done => up_to = self.claims.len(),
                Round::Again => {}
                Round::Conflict => return Err(CommitError::Conflict),
                Round::Blocked(at) => {
                    let since = *blocked_since.get_or_insert_with(Stopwatch::start);
                    if since.elapsed() >= DECISION_WAIT_MAX {
                        return Err(CommitError::Undecided);
                    }
                    self.release_from(at).await?;
                    up_to = at + 1;
                    // signal: Redis tells nobody when a decision is made.
                    tokio::time::sleep(DECISION_LOOK_EVERY).await;
                }
            }
        }
    }

    /// Sends what is still to be sent of the first places, and looks what came of it.
    async fn round(&mut self, mut batch: Batch, up_to: usize) -> Result<Round, StoreError> {
        let before = batch.len();
        let mut asked = Vec::new();
        for (at, claim) in self.claims.iter().enumerate().take(up_to) {
            if claim.send(&mut batch) {
                asked.push(at);
            }
        }
        let replies = self.ledger.link.run(batch).await?.into_iter().skip(before);
        let (mut found, mut look) = (Vec::new(), false);
        for (at, reply) in asked.into_iter().zip(replies) {
            let Some(claim) = self.claims.get_mut(at) else { continue };
            match claim.weigh(&reply)? {
                Weight::Mine => claim.settle(),
                Weight::Else => found.push((at, reply)),
                Weight::Look => {
                    claim.step = Step::Look;
                    look = true;
                }
            }
        }
        match (found.is_empty(), look) {
            (true, false) => Ok(Round::Done),
            (true, true) => Ok(Round::Again),
            (false, _) => self.weigh(found).await,
        }
    }

    /// Decides what to do about places where something else stands.
    async fn weigh(&mut self, found: Vec<(usize, Reply)>) -> Result<Round, StoreError> {
        let (places, replies): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let standing: Vec<_> =
            places.iter().filter_map(|at| self.claims.get(*at)).map(|claim| &claim.place).collect();
        let cells = self.ledger.cells_of(&standing, replies).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut blocked = None;
        for (at, cell) in places.into_iter().zip(cells) {
            let Some(claim) = self.claims.get_mut(at) else { continue };
            let value = match shown(cell.as_ref(), &decided) {
                Shown::Undecided(by) => {
                    self.ledger.suspect(by);
                    blocked = blocked.or(Some(at));
                    claim.step = Step::First;
                    continue;
                }
                Shown::Nothing => None,
                Shown::This(value) => Some(value),
            };
            let version = value.as_ref().map(|value| version_of(value, &decided)).transpose()?;
            if version != claim.expected {
                return Ok(Round::Conflict);
            }
            claim.step = match &cell {
                None => Step::First,
                Some(cell) => Step::Swap { expected: cell.now.by(), before: value },
            };
        }
        Ok(blocked.map_or(Round::Again, Round::Blocked))
    }

    /// Takes back the claims behind a place; others may need them to get on.
    async fn release_from(&mut self, from: usize) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for claim in self.claims.iter_mut().skip(from) {
            if let Step::Mine { before } = &claim.step {
                claim.restore(&mut batch, before.clone());
                claim.step = Step::First;
            }
        }
        self.ledger.link.run(batch).await?;
        Ok(())
    }

    /// Takes everything back, `unsure` = also what may have arrived without an answer. The decision must stand as
    /// aborted first in that case: what arrives still later is then nobody's.
    pub async fn release(&self, unsure: bool) -> Result<(), LinkError> {
        let mut batch = Batch::default();
        for claim in &self.claims {
            match &claim.step {
                Step::Mine { before } => claim.restore(&mut batch, before.clone()),
                Step::Swap { before, .. } if unsure => claim.restore(&mut batch, before.clone()),
                Step::First | Step::Look if unsure => claim.restore(&mut batch, None),
                Step::First | Step::Look | Step::Swap { .. } => {}
            }
        }
        self.ledger.link.run(batch).await.map(drop)
    }

    /// Puts the decision where none stands; gives the one that stands from now on.
    pub async fn decide(&self, state: State) -> Result<Decision, LinkError> {
        decide(self.ledger, self.id(), &self.documents.decision(state)).await
    }

    /// Takes away what [`prepare`](Self::prepare) put, once nothing names it any more.
    pub fn forget(&self, batch: &mut Batch) {
        for (id, _) in self.documents.others() {
            let place = self.ledger.layout.decision(id);
            batch.put(place.tag, commands::remove_field(&place.key, &place.field));
        }
    }

    /// The decisions of all its documents, once it is committed.
    pub fn committed(&self) -> impl Iterator<Item = (DecisionId, Decision)> + '_ {
        let committed = |decision: Decision| Decision { state: State::Committed, ..decision };
        let others = self.documents.others().map(move |(id, decision)| (id, committed(decision)));
        std::iter::once((self.id(), self.documents.decision(State::Committed))).chain(others)
    }
}

/// Puts a decision where none stands; gives the one that stands from now on.
pub(super) async fn decide(
    ledger: &Ledger,
    id: DecisionId,
    decision: &Decision,
) -> Result<Decision, LinkError> {
    let place = ledger.layout.decision(id);
    if is_one(&ledger.link.ask(place.tag, commands::put_field_once(&place, &decision.encode())).await?) {
        return Ok(*decision);
    }
    let reply = ledger.link.ask(place.tag, commands::get_field(&place.key, &place.field)).await?;
    bytes_of(reply)?.as_deref().and_then(Decision::decode).ok_or_else(garbled)
}

/// How a round ended.
enum Round {
    Done,
    Again,
    Conflict,
    /// By a document that is not decided, at this place.
    Blocked(usize),
}

/// What a reply says of a place.
enum Weight {
    /// Its own value stands.
    Mine,
    /// Something else stood.
    Else,
    /// Something stands; what, is not said.
    Look,
}

impl Claiming {
    /// Adds its command, where one is due.
    fn send(&self, batch: &mut Batch) -> bool {
        let (tag, cmd) = match (&self.step, &self.place, self.expected) {
            (Step::Mine { .. }, ..) => return false,
            (Step::Look, place, _) => place.look(),
            (Step::Swap { expected, before }, place, _) => {
                place.swap(self.writer, Some(*expected), Some(&self.cell(before.clone())))
            }
            (Step::First, place, Some(_)) => place.look(),
            (Step::First, Place::Record(tag, key), None) => {
                (*tag, commands::put_record_once(key, &self.cell(None).long()))
            }
            (Step::First, place @ Place::Claim(claim), None) => {
                let cell = self.cell(None);
                match cell.short() {
                    Some(short) => (claim.tag, commands::put_claim_once(claim, &short)),
                    None => place.swap(self.writer, None, Some(&cell)),
                }
            }
        };
        batch.put(tag, cmd);
        true
    }

    fn cell(&self, before: Option<Value>) -> Cell {
        Cell { now: self.value.clone(), before }
    }

    /// What a reply says. A first record answers with nothing where it was put, a first claim with whether it was.
    fn weigh(&self, reply: &Reply) -> Result<Weight, LinkError> {
        if let Reply::Int(put) = reply {
            return Ok(if *put == 1 { Weight::Mine } else { Weight::Look });
        }
        let put_once =
            matches!((&self.step, &self.place, self.expected), (Step::First, Place::Record(..), None));
        let mine = begins_with(reply, &self.writer.bytes())?.unwrap_or(put_once);
        Ok(if mine { Weight::Mine } else { Weight::Else })
    }

    fn settle(&mut self) {
        let before = match &self.step {
            Step::First | Step::Look => None,
            Step::Swap { before, .. } | Step::Mine { before } => before.clone(),
        };
        self.step = Step::Mine { before };
    }

    /// Puts back what stood before, where its own value stands.
    fn restore(&self, batch: &mut Batch, before: Option<Value>) {
        let (tag, cmd) = self.place.restore(self.writer, before);
        batch.put(tag, cmd);
    }
}
