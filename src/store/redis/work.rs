//! One change on its way through Redis and the log. It runs as a task of its own to its end, whoever waits for it.

use super::accounts::Adds;
use super::commands;
use super::decision::{Decision, DecisionId, Facts, State};
use super::dossiers;
use super::effects;
use super::lane::{Entry, Job};
use super::layout::{Layout, registry_head, registry_rows};
use super::ledger::Place;
use super::link::{Batch, LinkError, Tag};
use super::purchases::intent_of;
use super::reply::is_one;
use super::transaction::{Intent, Transaction, Wanted, decide};
use super::{Shared, closed};
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::outcome::RequestKey;
use crate::store::fit::{check_bytes, check_change};
use crate::store::{Change, CommitError, DossierRow, EncodedEvent, LogEvent, StoreError, StoreState, Swap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

/// Between two attempts to finish what is decided.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Registry rows that are put while their version stands.
pub(super) struct RowsPut {
    /// The version that was read, and the one from now on.
    pub versions: (u64, u64),
    /// Microseconds since 1970 UTC.
    pub changed_at: i64,
    /// Identities and encoded rows.
    pub rows: Vec<(String, Vec<u8>)>,
}

/// A change, written down: what must stand where, and the event that the log gets.
pub(super) struct Work {
    pub intents: Vec<Intent>,
    pub rows: Option<RowsPut>,
    pub event: LogEvent<Swap, Swap>,
    pub encoded: EncodedEvent,
}

impl Work {
    /// A change of claims and outcomes.
    pub fn of_change(shared: &Shared, change: &Change) -> Result<Self, StoreError> {
        check_change(change)?;
        let event = LogEvent::of_change(change);
        let encoded = encode(event.encode())?;
        let claims = change.claims.iter().map(|claim| (&claim.key, &claim.history, claim.expected));
        let outcomes = change.outcomes.iter().map(|o| (&o.key, o.outcome.version, o.expected));
        let mut intents = intents_of(&shared.ledger.layout, &encoded, claims, outcomes);
        let event = event.written(&encoded);
        intents.extend(dossier_intents(&shared.ledger.layout, &event.dossiers));
        Ok(Self { intents, rows: None, event, encoded })
    }

    /// Rows of another store, each where nothing stands.
    pub fn of_rows(shared: &Shared, event: LogEvent, rows: Option<RowsPut>) -> Result<Self, StoreError> {
        let encoded = encode(event.encode())?;
        let layout = &shared.ledger.layout;
        let claims = event.claims.iter().map(|(key, history)| (key, history, None));
        let outcomes = event.outcomes.iter().map(|(key, outcome)| (key, outcome.version, None));
        let mut intents = intents_of(layout, &encoded, claims, outcomes);
        for record in &event.purchases {
            intents.push(intent_of(layout, record, None)?);
        }
        intents.extend(dossier_intents(layout, &event.dossiers));
        Ok(Self { intents, rows, event: event.entries(), encoded })
    }

    /// An event with what must stand for it.
    pub fn of_event(
        intents: Vec<Intent>,
        rows: Option<RowsPut>,
        event: LogEvent,
    ) -> Result<Self, StoreError> {
        let encoded = encode(event.encode())?;
        Ok(Self { intents, rows, event: event.entries(), encoded })
    }
}

/// What must stand for claims and outcomes, each with the version that must stand before. A history that is plain is
/// kept by its document's facts.
fn intents_of<'a>(
    layout: &Layout,
    encoded: &EncodedEvent,
    claims: impl Iterator<Item = (&'a CodeKey, &'a History, Option<u32>)>,
    outcomes: impl Iterator<Item = (&'a RequestKey, u32, Option<u32>)>,
) -> Vec<Intent> {
    let mut intents = Vec::with_capacity(encoded.claims.len() + encoded.outcomes.len());
    for ((key, history, expected), stored) in claims.zip(encoded.histories()) {
        let wanted = match Facts::of(history) {
            Some(facts) => Wanted::Facts(facts),
            None => Wanted::Stored { version: history.version, bytes: stored.to_vec() },
        };
        intents.push(Intent { place: Place::Claim(layout.claim(key)), expected, wanted });
    }
    for ((key, version, expected), place) in outcomes.zip(&encoded.outcomes) {
        let bytes = encoded.bytes.get(place.clone()).unwrap_or_default().to_vec();
        let (tag, key) = layout.outcome(key);
        let wanted = Wanted::Stored { version, bytes };
        intents.push(Intent { place: Place::Record(tag, key), expected, wanted });
    }
    intents
}

/// What must stand for dossiers.
fn dossier_intents(layout: &Layout, rows: &[DossierRow]) -> impl Iterator<Item = Intent> {
    rows.iter().map(|row| Intent {
        place: dossiers::place_of(layout, &row.key),
        expected: row.expected,
        wanted: Wanted::Stored { version: row.version, bytes: row.bytes.to_vec() },
    })
}

fn encode<E: std::fmt::Display>(encoded: Result<EncodedEvent, E>) -> Result<EncodedEvent, StoreError> {
    let encoded = encoded.map_err(|error| StoreError::Unreadable(error.to_string()))?;
    check_bytes(encoded.bytes.len())?;
    Ok(encoded)
}

impl Shared {
    /// Makes a change; gives up waiting, but not the change, after the time that callers are given.
    pub async fn make(self: &Arc<Self>, work: Work) -> Result<(), CommitError> {
        if work.event.is_empty() {
            return Ok(());
        }
        self.takes_changes()?;
        let permit = tokio::time::timeout(self.options.commit_max, Arc::clone(&self.room).acquire_owned())
            .await
            .map_err(|_| StoreError::Away("changes before this one wait for Redis".to_owned()))?
            .map_err(|_| closed())?;
        let (sender, answer) = oneshot::channel();
        let shared = Arc::clone(self);
        self.work.spawn(async move {
            let result = shared.carry_out(work).await;
            drop(sender.send(result));
            drop(permit);
        });
        match tokio::time::timeout(self.options.commit_max, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(CommitError::Unknown("a fault while the change was made".to_owned())),
            Err(_) => Err(CommitError::Unknown("Redis or the log did not answer in time".to_owned())),
        }
    }

    /// Whether anything may be begun.
    pub fn takes_changes(&self) -> Result<(), StoreError> {
        if self.closing.is_cancelled() {
            return Err(closed());
        }
        if *self.repairing.borrow() {
            let why = "Redis lost writes, which are being put back; ask again in a moment";
            return Err(StoreError::Away(why.to_owned()));
        }
        match self.health.now() {
            StoreState::Ready => Ok(()),
            StoreState::Full(why) => Err(StoreError::Full(why)),
            StoreState::Away(why) => Err(StoreError::Away(why)),
            StoreState::Stopped(why) => Err(StoreError::Stopped(why)),
        }
    }

    async fn carry_out(&self, work: Work) -> Result<(), CommitError> {
        let Work { intents, rows, event, encoded } = work;
        let is_new = |intent: &&Intent| intent.expected.is_none() && matches!(intent.place, Place::Claim(_));
        let new_codes = intents.iter().filter(is_new).count() as u64;
        let epoch = self.epoch.load(Ordering::Acquire);
        let _turn = self.turns.enter(intents.iter().map(|intent| &intent.place)).await;
        let mut transaction = Transaction::new(&self.ledger, intents, || self.next_id());
        let id = transaction.id();
        transaction.ids().into_iter().for_each(|id| self.ledger.opened(id));
        let mut first = Batch::default();
        effects::announce(&mut first, self.gateway, id, &encoded.bytes);
        transaction.prepare(&mut first);
        let claimed = match transaction.claim(&first).await {
            Ok(()) => self.put_rows(id, rows.as_ref()).await,
            refused => refused,
        };
        if let Err(error) = claimed {
            return Err(self.give_up(&transaction, error).await);
        }
        let decision = self.until_done(|| transaction.decide(State::Committed)).await?;
        if decision.state != State::Committed {
            // Somebody took this gateway for dead and settled it: nothing of it stands.
            return Err(self.give_up(&transaction, CommitError::Conflict).await);
        }
        self.codes.fetch_add(new_codes, Ordering::Relaxed);
        let done = self.finish(id, &event, &encoded).await;
        for (id, decision) in transaction.committed() {
            self.ledger.closed(id, Some(decision));
        }
        done?;
        self.look_again(epoch, id, &encoded).await
    }

    /// A change that was under way while servers changed may be half with one and half with another. The log holds it:
    /// what is missing is put again before anybody is answered.
    async fn look_again(
        &self,
        epoch: u64,
        id: DecisionId,
        encoded: &EncodedEvent,
    ) -> Result<(), CommitError> {
        if self.epoch.load(Ordering::Acquire) == epoch {
            return Ok(());
        }
        let unknown = |error: StoreError| CommitError::Unknown(error.to_string());
        let event =
            LogEvent::decode(&encoded.bytes).map_err(|error| CommitError::Unknown(error.to_string()))?;
        self.put_event_back(id, event, false).await.map_err(unknown)
    }

    /// Takes everything back. Gives the error that the caller gets.
    async fn give_up(&self, transaction: &Transaction<'_>, error: CommitError) -> CommitError {
        let unsure = matches!(error, CommitError::Refused(_));
        let mut settled = None;
        if unsure {
            match self.until_done(|| transaction.decide(State::Aborted)).await {
                Ok(decision) => settled = Some(decision),
                Err(unknown) => return unknown,
            }
        }
        let taken_back = self.until_done(|| async {
            transaction.release(unsure).await?;
            let mut batch = Batch::default();
            transaction.forget(&mut batch);
            effects::retire(&mut batch, self.gateway, &[transaction.id()]);
            self.ledger.link.run(batch).await
        });
        if let Err(unknown) = taken_back.await {
            return unknown;
        }
        transaction.ids().into_iter().for_each(|id| self.ledger.closed(id, settled));
        error
    }

    /// Tries until Redis answers. Gives up only where the store is closed: then whoever opens it again goes on.
    pub async fn until_done<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, CommitError>
    where
        F: Future<Output = Result<T, LinkError>>,
    {
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => tracing::warn!(%error, "what was begun is tried again"),
            }
            tokio::select! {
                // signal: a server that is away tells nobody that it is back.
                () = tokio::time::sleep(TRY_EVERY) => {}
                () = self.closing.cancelled() => {
                    return Err(CommitError::Unknown("the store was closed while Redis was away".to_owned()));
                }
            }
        }
    }

    async fn put_rows(&self, id: DecisionId, rows: Option<&RowsPut>) -> Result<(), CommitError> {
        let Some(put) = rows else { return Ok(()) };
        let reply = self.until_done(|| {
            let (head, rows) = (registry_head(), registry_rows());
            let cmd = commands::put_rows(&head, &rows, id, put.versions, put.changed_at, &put.rows);
            self.ledger.link.ask(Tag::Registry, cmd)
        });
        if is_one(&reply.await?) { Ok(()) } else { Err(CommitError::Conflict) }
    }

    /// A committed change goes on disk, and what rests on it is put. Safe to do twice.
    pub async fn finish(
        &self,
        id: DecisionId,
        event: &LogEvent<Swap, Swap>,
        encoded: &EncodedEvent,
    ) -> Result<(), CommitError> {
        let codes: Vec<CodeKey> = event.claims.iter().map(|(key, _)| key.clone()).collect();
        let entry = Entry { id, encoded: encoded.clone(), claims: codes, adds: Adds::of(event) };
        let unknown = |error: StoreError| CommitError::Unknown(error.to_string());
        let told = self.publish(event, encoded.clone()).await.map_err(unknown)?;
        let logged = self.ask_lane(|reply| Job::Append(Box::new(entry), reply)).await.map_err(unknown)?;
        let told = told.await;
        let place = logged?;
        told.map_err(|_| CommitError::Unknown("the store was closed while Redis was away".to_owned()))?;
        self.marks.touch(self.partitions_of(id, event).into_iter());
        self.retired.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, id));
        Ok(())
    }

    /// What rests on a committed change is put, and others are told; its entry is in a log already.
    pub async fn finish_again(
        &self,
        id: DecisionId,
        event: &LogEvent<Swap, Swap>,
        encoded: &EncodedEvent,
    ) -> Result<(), StoreError> {
        let told = self.publish(event, encoded.clone()).await?;
        told.await.map_err(|_| closed())?;
        self.marks.touch(self.partitions_of(id, event).into_iter());
        Ok(())
    }

    /// Settles a decision of anybody: aborted where none stands. Gives how it stands.
    pub async fn settle(&self, id: DecisionId) -> Result<Decision, LinkError> {
        decide(&self.ledger, id, &Decision::ABORTED).await
    }
}
