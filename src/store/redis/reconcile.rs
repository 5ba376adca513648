//! Puts back what Redis lost: this gateway's log holds everything that it acknowledged. What another gateway sold
//! meanwhile stays, and is told as a double sale: only the trade's rules can say what follows from it.

use super::Shared;
use super::accounts::{Adds, Totals};
use super::cell::{Cell, Value};
use super::commands;
use super::decision::{DecisionId, Facts, State};
use super::dossiers;
use super::effects;
use super::head;
use super::lane::{self, Job};
use super::layout::{registry_head, registry_rows};
use super::ledger::{Decided, Place, Shown, history_of, shown, version_of};
use super::link::{Batch, Tag};
use super::marks::Lost;
use super::read::read_row;
use super::transaction::Documents;
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::{Outcome, OutcomeState};
use crate::store::{DoubleSale, LogEvent, StoreError};
use redis::Value as Reply;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that are read ahead.
const EVENTS_AHEAD: usize = 256;
/// How often one event is tried again because somebody else changed the same codes, or is not decided.
const ATTEMPTS_MAX: usize = 200;
/// Between two attempts.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Something of an event that must stand.
struct Kept {
    place: Place,
    value: Value,
    kind: Kind,
}

/// How two values of one place are told apart.
enum Kind {
    /// By the events of a code's history.
    Claim(CodeKey, History),
    /// By their versions.
    Outcome(Box<Outcome>),
    /// By which of a gateway's decisions came later.
    Purchase,
    /// By their versions.
    Dossier,
}

/// A logged event.
type Logged = (DecisionId, LogEvent);

impl Shared {
    /// Looks whether Redis lost anything of this gateway; puts it back.
    pub async fn reconcile(&self) -> Result<(), StoreError> {
        if self.restore_head().await? {
            tracing::error!("Redis is empty: what this gateway acknowledged is put back from its log");
        }
        let lost = self.find_lost().await?;
        if lost.is_empty() {
            return Ok(());
        }
        tracing::error!(partitions = lost.len(), "Redis lost writes; they are put back from the log");
        self.repairing.send_replace(true);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let repaired = self.put_back(&lost, true).await;
        if repaired.is_ok() {
            self.accounts.write_all();
            self.marks.touch(lost.keys().copied().map(Tag::Partition));
            self.write_marks().await?;
            self.repairing.send_replace(false);
            tracing::info!("what Redis had lost of this gateway is back");
        }
        repaired
    }

    /// At start: what was logged last may never have been looked at again.
    pub async fn reconcile_from(&self, position: u64) -> Result<(), StoreError> {
        let mut lost = self.find_lost().await?;
        let known = !lost.is_empty();
        self.repairing.send_replace(known);
        for number in 0..super::layout::PARTITIONS {
            let from = lost.entry(number).or_insert(position);
            *from = position.min(*from);
        }
        self.put_back(&lost, known).await?;
        self.repairing.send_replace(false);
        Ok(())
    }

    async fn restore_head(&self) -> Result<bool, StoreError> {
        head::put_again(&self.ledger.link, &self.head, self.gateway, &self.directory.id).await
    }

    /// Puts back everything that was logged since the positions of lost partitions.
    async fn put_back(&self, lost: &Lost, known: bool) -> Result<(), StoreError> {
        let Some(from) = lost.values().min().copied() else { return Ok(()) };
        let to = self.logged_up_to();
        let mut events = self.logged_between(from, to);
        // What an account adds up to is known only from the whole log.
        let mut totals = Totals::default();
        while let Some(event) = events.recv().await {
            let (id, event) = event?;
            if from == 0 {
                totals.add(Adds::of(&event), &self.ledger.layout, |tag| is_lost(tag, lost));
            }
            if self.partitions_of(id, &event).into_iter().any(|tag| is_lost(tag, lost)) {
                self.put_event_back(id, event, known).await?;
            }
        }
        self.ask_lane(|reply| Job::Totals(totals, to, reply)).await?
    }

    fn logged_between(&self, from: u64, to: u64) -> mpsc::Receiver<Result<Logged, StoreError>> {
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
        let dir = self.log_dir.clone();
        tokio::task::spawn_blocking(move || {
            let read = || -> Result<(), StoreError> {
                for logged in lane::events(&dir, from, to)? {
                    if sender.blocking_send(Ok(logged?)).is_err() {
                        return Ok(());
                    }
                }
                Ok(())
            };
            if let Err(error) = read() {
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }

    /// Everything that one event says stands again, or something newer that rests on it.
    ///
    /// `lost` = it is known that something of it is lost. Else what rests on it is put again only where something was:
    /// a question that was settled meanwhile must not wait once more.
    pub async fn put_event_back(
        &self,
        id: DecisionId,
        event: LogEvent,
        lost: bool,
    ) -> Result<(), StoreError> {
        let kept = self.kept_of(id, &event).await?;
        let mut left: Vec<&Kept> = kept.iter().collect();
        let mut restored = lost;
        let mut doubles = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            if left.is_empty() {
                break;
            }
            let put;
            (left, put) = self.put_values(&left, &mut doubles).await?;
            restored |= put;
            if !left.is_empty() {
                // signal: Redis tells nobody when a decision is made.
                tokio::time::sleep(TRY_EVERY).await;
            }
        }
        if !left.is_empty() {
            return Err(StoreError::Undecided);
        }
        let mut batch = Batch::default();
        if restored {
            effects::put(&mut batch, &self.ledger.layout, &event)?;
        }
        self.put_registry_back(&mut batch, &event)?;
        self.ledger.link.run(batch).await?;
        // Not before its outcome stands: that is where the finding goes.
        for double in doubles {
            self.tell_double(double, &event).await;
        }
        Ok(())
    }

    /// The values of an event, under its own decision; it stands from now on, whatever stood: the log is right.
    async fn kept_of(&self, id: DecisionId, event: &LogEvent) -> Result<Vec<Kept>, StoreError> {
        let layout = &self.ledger.layout;
        let mut documents = Documents::of(id);
        let mut kept = Vec::new();
        for (key, history) in &event.claims {
            let value = match Facts::of(history) {
                Some(facts) => Value::Facts(documents.name(facts, || self.next_id())),
                None => stored(id, history.version, history)?,
            };
            let place = Place::Claim(layout.claim(key));
            kept.push(Kept { place, value, kind: Kind::Claim(key.clone(), history.clone()) });
        }
        for (key, outcome) in &event.outcomes {
            let (tag, key) = layout.outcome(key);
            let value = stored(id, outcome.version, outcome)?;
            kept.push(Kept {
                place: Place::Record(tag, key),
                value,
                kind: Kind::Outcome(Box::new(outcome.clone())),
            });
        }
        // A load may name a record twice: the last one stands.
        let purchases: HashMap<_, _> =
            event.purchases.iter().map(|record| (record.identity(), record)).collect();
        for (identity, record) in purchases {
            let (tag, key) = layout.purchase(&identity);
            let value = stored(id, 1, record)?;
            kept.push(Kept { place: Place::Record(tag, key), value, kind: Kind::Purchase });
        }
        for row in &event.dossiers {
            let value = Value::Stored { by: id, version: row.version, bytes: row.bytes.to_vec() };
            kept.push(Kept { place: dossiers::place_of(layout, &row.key), value, kind: Kind::Dossier });
        }
        let mut batch = Batch::default();
        let own = (id, documents.decision(State::Committed));
        for (id, decision) in documents.others().chain([own]) {
            let place = layout.decision(id);
            let mut cmd = redis::cmd("HSET");
            cmd.arg(&place.key).arg(&place.field).arg(decision.encode());
            batch.put(place.tag, cmd);
        }
        self.ledger.link.run(batch).await?;
        Ok(kept)
    }

    /// Puts values where something older or nothing stands; gives those that must be looked at again, and whether
    /// anything was put. Adds what was sold twice to `doubles`.
    async fn put_values<'a>(
        &self,
        kept: &[&'a Kept],
        doubles: &mut Vec<(CodeKey, History)>,
    ) -> Result<(Vec<&'a Kept>, bool), StoreError> {
        let places: Vec<_> = kept.iter().map(|kept| &kept.place).collect();
        let cells = self.ledger.cells(&places).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut left = Vec::new();
        let mut put = Vec::new();
        let mut batch = Batch::default();
        for (kept, cell) in kept.iter().zip(&cells) {
            match standing(kept, cell.as_ref(), &decided)? {
                Standing::There => {}
                Standing::NotDecided => left.push(*kept),
                Standing::Double(ours) => doubles.push(ours),
                Standing::Missing(before) => {
                    let now = value_over(kept, before.as_ref())?;
                    let expected = cell.as_ref().map(|cell| cell.now.by());
                    let (tag, cmd) = kept.place.swap(now.by(), expected, Some(&Cell { now, before }));
                    batch.put(tag, cmd);
                    put.push(*kept);
                }
            }
        }
        let any = !put.is_empty();
        for (kept, reply) in put.into_iter().zip(self.ledger.link.run(batch).await?) {
            if reply != Reply::BulkString(kept.value.by().bytes().to_vec()) {
                left.push(kept);
            }
        }
        Ok((left, any))
    }

    async fn tell_double(&self, (key, ours): (CodeKey, History), event: &LogEvent) {
        let request = event.outcomes.first().map(|(key, _)| key.clone());
        tracing::error!("a box was sold twice while Redis had lost its first sale");
        if self.doubles.send(DoubleSale { key, ours, request }).await.is_err() {
            tracing::error!("nobody judges double sales; they are found again at the next start");
        }
    }

    fn put_registry_back(&self, batch: &mut Batch, event: &LogEvent) -> Result<(), StoreError> {
        if let Some((version, moment)) = &event.registry_version {
            let rows = super::registry::encoded_rows(event)?;
            let (head, key) = (registry_head(), registry_rows());
            let cmd = commands::restore_rows(&head, &key, *version, moment.0.as_microsecond(), &rows);
            batch.put(Tag::Registry, cmd);
        }
        Ok(())
    }
}

/// How a value that must stand stands.
enum Standing {
    There,
    NotDecided,
    /// It is missing; what stands is older, and it rests on that.
    Missing(Option<Value>),
    /// Something else stands that does not know of it.
    Double((CodeKey, History)),
}

fn standing(kept: &Kept, cell: Option<&Cell>, decided: &Decided) -> Result<Standing, StoreError> {
    let value = match shown(cell, decided) {
        Shown::Undecided(_) => return Ok(Standing::NotDecided),
        Shown::Nothing => return Ok(Standing::Missing(None)),
        Shown::This(value) => value,
    };
    let version = version_of(&value, decided)?;
    let (key, ours) = match &kept.kind {
        Kind::Claim(key, ours) => (key, ours),
        Kind::Outcome(ours) => {
            // Whoever was asked while it was lost had to say that it never arrived; it had been acknowledged before.
            let denied = ours.state != OutcomeState::Never && is_denial(&value)?;
            let older = version < ours.version || denied;
            return Ok(if older { Standing::Missing(Some(value)) } else { Standing::There });
        }
        Kind::Dossier => {
            let older = version < version_of(&kept.value, decided)?;
            return Ok(if older { Standing::Missing(Some(value)) } else { Standing::There });
        }
        Kind::Purchase => {
            let (by, ours) = (value.by(), kept.value.by());
            let older = by.gateway() == ours.gateway() && by.count() < ours.count();
            return Ok(if older { Standing::Missing(Some(value)) } else { Standing::There });
        }
    };
    let theirs = history_of(&value, decided)?;
    // A sale may have been confirmed or voided since: it is the same one with another status.
    let knows = |history: &History, other: &History| {
        other.events.iter().all(|event| history.events.iter().any(|known| known.is_same(event)))
    };
    Ok(match (knows(&theirs, ours), knows(ours, &theirs)) {
        (true, true) if theirs.version < ours.version => Standing::Missing(Some(value)),
        (true, _) => Standing::There,
        (false, true) => Standing::Missing(Some(value)),
        (false, false) => Standing::Double((key.clone(), ours.clone())),
    })
}

/// Whether a stored outcome says that its request never arrived.
fn is_denial(value: &Value) -> Result<bool, StoreError> {
    match value {
        Value::Facts(_) => Ok(false),
        Value::Stored { bytes, .. } => Ok(read_row::<Outcome>(bytes)?.state == OutcomeState::Never),
    }
}

/// The value that takes the place of another one, which has a version of its own.
fn value_over(kept: &Kept, before: Option<&Value>) -> Result<Value, StoreError> {
    let Some(Value::Stored { version: was, .. }) = before else { return Ok(kept.value.clone()) };
    let next = was.saturating_add(1);
    match (&kept.kind, &kept.value) {
        (Kind::Purchase, Value::Stored { by, bytes, .. }) => {
            Ok(Value::Stored { by: *by, version: next, bytes: bytes.clone() })
        }
        (Kind::Outcome(ours), value) => {
            let ours = Outcome { version: ours.version.max(next), ..Outcome::clone(ours) };
            stored(value.by(), ours.version, &ours)
        }
        (Kind::Claim(..) | Kind::Dossier, value) | (Kind::Purchase, value @ Value::Facts(_)) => {
            Ok(value.clone())
        }
    }
}

fn stored<T: serde::Serialize>(by: DecisionId, version: u32, value: &T) -> Result<Value, StoreError> {
    let bytes = postcard::to_stdvec(value).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    Ok(Value::Stored { by, version, bytes })
}

fn is_lost(tag: Tag, lost: &Lost) -> bool {
    matches!(tag, Tag::Partition(number) if lost.contains_key(&number))
}
