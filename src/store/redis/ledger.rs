//! What stands in Redis: cells are read, decisions looked up, and what nobody has decided yet is told as that.

use super::cell::{Cell, ELSEWHERE, Value};
use super::commands;
use super::decision::{Decision, DecisionId, State};
use super::layout::{ClaimPlace, Layout};
use super::link::{Batch, Link, LinkError, Tag};
use super::reply::{bytes_of, garbled};
use crate::clock::Stopwatch;
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::store::StoreError;
use dashmap::{DashMap, DashSet};
use redis::{Cmd, Value as Reply};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Decisions that are remembered, at most; a decision never changes.
const REMEMBERED_MAX: usize = 1 << 18;

/// Decisions that are suspected at a time, at most.
const SUSPECTS_MAX: usize = 1 << 16;

/// Where a cell stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Claim(ClaimPlace),
    Record(Tag, Vec<u8>),
}

impl Place {
    /// Looks what stands there.
    pub fn look(&self) -> (Tag, Cmd) {
        match self {
            Self::Claim(claim) => (claim.tag, commands::get_field(&claim.bucket, &claim.field)),
            Self::Record(tag, key) => (*tag, commands::get(key)),
        }
    }

    /// Puts a cell in the place of one that `expected` wrote; `None` for either = nothing. `writer` = who wrote what
    /// shall stand: where it stands already, that is told as done.
    pub fn swap(&self, writer: DecisionId, expected: Option<DecisionId>, cell: Option<&Cell>) -> (Tag, Cmd) {
        match self {
            Self::Claim(claim) => (claim.tag, commands::swap_claim(claim, writer, expected, cell)),
            Self::Record(tag, key) => (*tag, commands::swap_record(key, writer, expected, cell)),
        }
    }

    /// Puts back what stood before, where what `writer` put still stands.
    pub fn restore(&self, writer: DecisionId, before: Option<Value>) -> (Tag, Cmd) {
        let cell = before.map(|now| Cell { now, before: None });
        self.swap(cell.as_ref().map_or(writer, |cell| cell.now.by()), Some(writer), cell.as_ref())
    }
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    This(Value),
    /// Its writer's decision is not known.
    Undecided(DecisionId),
}

/// Reads the ledger; cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    pub link: Arc<Link>,
    pub layout: Arc<Layout>,
    known: Arc<DashMap<DecisionId, Decision>>,
    open: Arc<DashSet<DecisionId>>,
    /// Decisions that were looked for and did not stand, and since when.
    suspects: Arc<DashMap<DecisionId, Stopwatch>>,
}

/// What was read, where everything about it is decided.
pub(super) enum Read<T> {
    Known(T),
    /// Somebody's decision is not known yet.
    Undecided(DecisionId),
}

/// Decisions as they stand; one that is missing is not known.
pub(super) type Decided = HashMap<DecisionId, Decision>;

impl Ledger {
    pub fn new(link: Arc<Link>, layout: Layout) -> Self {
        Self {
            link,
            layout: Arc::new(layout),
            known: Arc::default(),
            open: Arc::default(),
            suspects: Arc::default(),
        }
    }

    /// From now on a decision of this gateway is not known, whatever Redis says: it is not on disk yet.
    pub fn opened(&self, id: DecisionId) {
        self.open.insert(id);
    }

    /// The decision can be known from now on.
    pub fn closed(&self, id: DecisionId, decision: Option<Decision>) {
        if let Some(decision) = decision {
            self.remember(id, decision);
        }
        self.open.remove(&id);
    }

    /// An aborted one may be put right by its gateway's log, where Redis had lost that it was committed.
    fn remember(&self, id: DecisionId, decision: Decision) {
        if decision.state != State::Committed {
            return;
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(id, decision);
    }

    /// The cells at places, in their order.
    pub async fn cells(&self, places: &[&Place]) -> Result<Vec<Option<Cell>>, LinkError> {
        let mut batch = Batch::default();
        for place in places {
            let (tag, cmd) = place.look();
            batch.put(tag, cmd);
        }
        let replies = self.link.run(batch).await?;
        self.cells_of(places, replies).await
    }

    /// The cells that replies hold; claims that are too long for a bucket are fetched.
    pub async fn cells_of(
        &self,
        places: &[&Place],
        replies: Vec<Reply>,
    ) -> Result<Vec<Option<Cell>>, LinkError> {
        let mut cells = Vec::with_capacity(places.len());
        let mut elsewhere = Vec::new();
        let mut batch = Batch::default();
        for (at, (place, reply)) in places.iter().zip(replies).enumerate() {
            let bytes = bytes_of(reply)?;
            let cell = match (place, bytes) {
                (_, None) => None,
                (Place::Claim(claim), Some(bytes)) if bytes == ELSEWHERE => {
                    elsewhere.push(at);
                    batch.put(claim.tag, commands::get(&claim.own));
                    None
                }
                (Place::Claim(_), Some(bytes)) => {
                    Some(Cell::read_short(&bytes).or_else(|| Cell::read_long(&bytes)).ok_or_else(garbled)?)
                }
                (Place::Record(..), Some(bytes)) => Some(Cell::read_long(&bytes).ok_or_else(garbled)?),
            };
            cells.push(cell);
        }
        for (at, reply) in elsewhere.into_iter().zip(self.link.run(batch).await?) {
            if let (Some(cell), Some(bytes)) = (cells.get_mut(at), bytes_of(reply)?) {
                *cell = Some(Cell::read_long(&bytes).ok_or_else(garbled)?);
            }
        }
        Ok(cells)
    }

    /// The decisions that these cells rest on.
    pub async fn decided<'a>(
        &self,
        cells: impl Iterator<Item = &'a Cell> + Send,
    ) -> Result<Decided, LinkError> {
        let mut asked = BTreeSet::new();
        for cell in cells {
            asked.insert(cell.now.by());
            if let Some(Value::Facts(before)) = &cell.before {
                asked.insert(*before);
            }
        }
        let mut decided = self.look_up(&asked).await?;
        let others = |decided: &Decided| -> BTreeSet<DecisionId> {
            let with = decided.values().filter_map(|decision| match decision.state {
                State::As(other) => Some(other),
                State::Aborted | State::Committed => None,
            });
            with.collect()
        };
        let others = self.look_up(&others(&decided)).await?;
        decided.retain(|_, decision| match decision.state {
            State::As(other) => others.get(&other).is_some_and(|settled| {
                decision.state = settled.state;
                true
            }),
            State::Aborted | State::Committed => true,
        });
        for (id, decision) in &decided {
            self.remember(*id, *decision);
        }
        Ok(decided)
    }

    async fn look_up(&self, ids: &BTreeSet<DecisionId>) -> Result<Decided, LinkError> {
        let mut decided = Decided::with_capacity(ids.len());
        let mut asked = Vec::new();
        let mut batch = Batch::default();
        for id in ids {
            if self.open.contains(id) {
                continue;
            }
            if let Some(known) = self.known.get(id) {
                decided.insert(*id, *known);
                continue;
            }
            let place = self.layout.decision(*id);
            batch.put(place.tag, commands::get_field(&place.key, &place.field));
            asked.push(*id);
        }
        for (id, reply) in asked.into_iter().zip(self.link.run(batch).await?) {
            // Asked again: it may have been opened and closed while Redis was asked, but never the other way round.
            let Some(bytes) = bytes_of(reply)?.filter(|_| !self.open.contains(&id)) else { continue };
            decided.insert(id, Decision::decode(&bytes).ok_or_else(garbled)?);
        }
        Ok(decided)
    }

    /// A decision was looked for and does not stand. Usually it will in a moment; where nobody is left to make it,
    /// it must be settled.
    pub fn suspect(&self, id: DecisionId) {
        if !self.is_open(id) && self.suspects.len() < SUSPECTS_MAX {
            self.suspects.entry(id).or_insert_with(Stopwatch::start);
        }
    }

    /// The decisions that did not stand for so long, taken off the list.
    pub fn suspects_since(&self, age: Duration) -> Vec<DecisionId> {
        let old: Vec<_> = self
            .suspects
            .iter()
            .filter(|suspect| suspect.value().elapsed() >= age)
            .map(|suspect| *suspect.key())
            .collect();
        for id in &old {
            self.suspects.remove(id);
        }
        old
    }

    /// Whether a decision is one that this gateway is about to make known.
    pub fn is_open(&self, id: DecisionId) -> bool {
        self.open.contains(&id)
    }

    /// The histories that stand at codes.
    pub async fn histories(&self, keys: &[CodeKey]) -> Result<Read<Vec<Option<History>>>, StoreError> {
        let places: Vec<_> = keys.iter().map(|key| Place::Claim(self.layout.claim(key))).collect();
        let places: Vec<_> = places.iter().collect();
        let cells = self.cells(&places).await?;
        let decided = self.decided(cells.iter().flatten()).await?;
        let mut histories = Vec::with_capacity(keys.len());
        for cell in &cells {
            match shown(cell.as_ref(), &decided) {
                Shown::Undecided(id) => return Ok(Read::Undecided(id)),
                Shown::Nothing => histories.push(None),
                Shown::This(value) => histories.push(Some(history_of(&value, &decided)?)),
            }
        }
        Ok(Read::Known(histories))
    }
}

/// What a cell shows, the decisions known.
pub(super) fn shown(cell: Option<&Cell>, decided: &Decided) -> Shown {
    let Some(cell) = cell else { return Shown::Nothing };
    match decided.get(&cell.now.by()).map(|decision| decision.state) {
        Some(State::Committed) => Shown::This(cell.now.clone()),
        Some(State::Aborted) => cell.before.clone().map_or(Shown::Nothing, Shown::This),
        Some(State::As(_)) | None => Shown::Undecided(cell.now.by()),
    }
}

/// The version of a value.
pub(super) fn version_of(value: &Value, decided: &Decided) -> Result<u32, StoreError> {
    match value {
        Value::Stored { version, .. } => Ok(*version),
        Value::Facts(_) => Ok(history_of(value, decided)?.version),
    }
}

/// The history that a value says.
pub(super) fn history_of(value: &Value, decided: &Decided) -> Result<History, StoreError> {
    let unreadable = || StoreError::Unreadable("a claim in Redis says nothing that is a history".to_owned());
    match value {
        Value::Stored { bytes, .. } => History::from_stored(bytes).map_err(|_| unreadable()),
        Value::Facts(by) => {
            let facts = decided.get(by).and_then(|decision| decision.facts);
            facts.and_then(|facts| facts.history()).ok_or_else(unreadable)
        }
    }
}

impl From<LinkError> for StoreError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Away(_) | LinkError::NotNow(_) => Self::Away(error.to_string()),
            LinkError::Refused(_) => Self::Unreadable(error.to_string()),
        }
    }
}
