//! While the ledger is away: answers from what this gateway knows, where the policy lets it (`PROVISIONAL`). Each is on
//! disk before it is given and says what it is. Once the ledger is back it gets what follows from them, whatever it says
//! of it; what the answer did not know becomes a correction of its request.
//!
//! Until then a code of such an answer is neither free nor sold: whoever asks for it is told PENDING.

use super::attempt::Attempt;
use super::dispense::{Request, count, judge_body, judge_given};
use super::persons::Beside;
use super::repeat::repeat;
use super::{ATTEMPTS_MAX, Ask, Engine, EngineError, Facts, Reply};
use crate::clock::Stopwatch;
use crate::domain::judge::{Judgement, corrections, may_be_given, passes_marked};
use crate::domain::outcome::{Answer, Outcome, OutcomeState, Recorded, RequestBody, RequestKey};
use crate::domain::policy::Rule;
use crate::domain::tally::{Reminder, is_reminder};
use crate::domain::verdict::{Enforcement, Reason};
use crate::store::{
    Change, CommitError, OutcomeChange, Provisional, ProvisionalBook, StoreError, StoreState,
};
use crate::telemetry;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Answers that are taken to the ledger at the same time.
const CLAIMED_AT_ONCE: usize = 64;
/// Answers that are looked at before it is looked again what waits.
const CLAIMED_IN_A_ROUND: usize = 1024;
/// How soon what could not be claimed is tried again.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// What became of a provisional answer.
enum Became {
    Claimed,
    /// The ledger knew what the answer did not.
    Corrected,
    /// It was answered or cancelled elsewhere too.
    Dropped,
}

impl Became {
    /// The name, as metrics know it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Corrected => "corrected",
            Self::Dropped => "dropped",
        }
    }
}

impl Engine {
    /// Reads what earlier lives answered provisionally and the ledger may not have.
    pub(super) fn recall_provisional(&self) {
        let Some(book) = self.store.provisional() else { return };
        let (kept, up_to) = book.kept();
        let knowledge = self.knowledge.get();
        for Provisional { key, outcome } in kept {
            let Some(RequestBody::Recorded(body)) = &outcome.body else { continue };
            let codes = Request::of(body, &knowledge.scan_rules, &knowledge.registry).reading.keys();
            let recorded = outcome.is_recorded();
            let sold = codes.into_iter().filter(|_| recorded).map(|code| (code, None));
            self.desk.add(&mut self.desk.lock(), key.clone(), Arc::new(outcome), sold.collect());
            self.desk.kept(&key, up_to);
        }
    }

    /// Whether anybody is answered while the ledger is away: some rule lets `PROVISIONAL` pass.
    pub fn may_answer_provisionally(&self) -> bool {
        let passes = |rule: &Rule| rule.reason == Reason::Provisional && passes_marked(rule.enforcement);
        self.store.provisional().is_some() && self.knowledge.get().policy.rules().iter().any(passes)
    }

    /// Why the ledger cannot be asked, where it cannot.
    fn ledger_is_away(&self) -> Option<String> {
        match &*self.state.borrow() {
            StoreState::Away(why) => Some(why.clone()),
            StoreState::Ready | StoreState::Full(_) | StoreState::Stopped(_) => None,
        }
    }

    /// Answers without the ledger, or says that it is away.
    async fn without_ledger(
        &self,
        why: String,
        call: &'static str,
        key: &RequestKey,
        (body, beside): (Recorded, Beside<'_>),
        started: Stopwatch,
    ) -> Result<Reply, EngineError> {
        let away = || EngineError::from(StoreError::Away(why.clone()));
        let book = self.store.provisional().ok_or_else(away)?;
        if !matches!(body, Recorded::Dispense { .. })
            || self.desk.waiting() >= self.limits.provisional_answers_max
        {
            return Err(away());
        }
        let outcome = self.answer_from_memory(key, body, beside)?.ok_or_else(away)?;
        match book.keep(key, &outcome).await {
            Ok(up_to) => self.desk.kept(key, up_to),
            Err(error) => {
                self.desk.remove(key);
                return Err(error.into());
            }
        }
        let answer = outcome.answer.clone().ok_or_else(away)?;
        count(call, &answer, started);
        Ok(Reply::first(answer))
    }

    /// Judges on what this gateway knows; `None` = that may not be told. What is judged is on the desk when this
    /// returns: nobody else can be told that the same codes are free.
    fn answer_from_memory(
        &self,
        key: &RequestKey,
        body: Recorded,
        beside: Beside<'_>,
    ) -> Result<Option<Arc<Outcome>>, EngineError> {
        let knowledge = self.knowledge.get();
        let request = Request::of(&body, &knowledge.scan_rules, &knowledge.registry);
        let paper = self.paper(request.document_no, request.visit_no, &key.request_id);
        let mut desk = self.desk.lock();
        if desk.holds(key) {
            return Err(StoreError::Undecided.into());
        }
        let now = self.clock.now();
        let Some((histories, as_of)) = desk.histories(&self.index, request.reading.keys(), now) else {
            return Ok(None);
        };
        let facts = Facts {
            knowledge: Arc::clone(&knowledge),
            now,
            paper,
            histories,
            ledger_as_of: as_of,
            positions: BTreeMap::new(),
            provisional: true,
        };
        let judgement = judge_body(&body, &request.reading, facts.grounds());
        if !may_be_given(&judgement) || facts.overfull(&judgement, key.institution).is_some() {
            return Ok(None);
        }
        let answer = self.answer(&judgement, &facts, key.institution);
        // What it counts for is counted once the ledger has it.
        let reason = beside.reason.filter(|_| is_reminder(&answer)).map(str::to_owned);
        let reminder = reason.map(|reason| Reminder { reason: Some(reason), ..Reminder::default() });
        let decided = Outcome::decided(RequestBody::Recorded(body), answer, judgement.sold);
        let outcome = Arc::new(Outcome { reminder, person: beside.person, ..decided });
        let sold = judgement.claims.into_iter().map(|claim| (claim.key, Some(claim.history)));
        self.desk.add(&mut desk, key.clone(), Arc::clone(&outcome), sold.collect());
        Ok(Some(outcome))
    }

    /// The answer to a request that is not asked of the ledger: one that was given provisionally and is not in it yet,
    /// or one for which it is away.
    pub(super) async fn beside_ledger(
        &self,
        call: &'static str,
        key: &RequestKey,
        body: &Recorded,
        beside: Beside<'_>,
        started: Stopwatch,
    ) -> Option<Result<Reply, EngineError>> {
        match self.desk.given(key) {
            Ok(None) => {}
            Ok(Some(outcome)) => {
                telemetry::repeated(call);
                return Some(repeat(key, &outcome, &RequestBody::Recorded(body.clone())));
            }
            Err(undecided) => return Some(Err(undecided.into())),
        }
        let why = self.ledger_is_away()?;
        Some(self.without_ledger(why, call, key, (body.clone(), beside), started).await)
    }

    /// Takes provisional answers to the ledger whenever it is there, until `stop`.
    pub async fn claim_provisional(&self, stop: CancellationToken) {
        let Some(book) = self.store.provisional() else { return stop.cancelled().await };
        let mut state = self.store.state();
        loop {
            let is_there = matches!(*state.borrow_and_update(), StoreState::Ready);
            while is_there && self.claim_waiting(book).await > 0 && !stop.is_cancelled() {}
            let again = is_there && !self.desk.is_empty();
            tokio::select! {
                () = stop.cancelled() => return,
                changed = state.changed() => if changed.is_err() { return stop.cancelled().await },
                () = self.desk.more.notified() => {}
                // signal: a code that is not decided elsewhere tells nobody when it is.
                () = tokio::time::sleep(TRY_EVERY), if again => {}
            }
        }
    }

    /// Takes some of them to the ledger; gives how many are there now.
    async fn claim_waiting(&self, book: &dyn ProvisionalBook) -> usize {
        let before = self.desk.waiting();
        let waiting = self.desk.durable(CLAIMED_IN_A_ROUND);
        let claims =
            futures_util::stream::iter(waiting).for_each_concurrent(CLAIMED_AT_ONCE, |given| async move {
                match self.claim_given(&given).await {
                    Ok(became) => {
                        telemetry::provisional_became(became.name());
                        if let Some(up_to) = self.desk.remove(&given.key) {
                            book.all_claimed(up_to);
                            tracing::info!("the ledger has every provisional answer");
                        }
                    }
                    Err(error) => tracing::debug!(%error, "a provisional answer waits for the ledger"),
                }
            });
        claims.await;
        before.saturating_sub(self.desk.waiting())
    }

    /// Takes one answer to the ledger.
    async fn claim_given(&self, given: &Provisional) -> Result<Became, EngineError> {
        let answer = given.outcome.answer.as_ref();
        let (Some(answer), Some(RequestBody::Recorded(body))) = (answer, &given.outcome.body) else {
            return Ok(Became::Dropped);
        };
        for _ in 0..ATTEMPTS_MAX {
            let known = self.store.outcome(&given.key).await?;
            if known.as_ref().is_some_and(|known| is_settled(known, answer)) {
                return Ok(Became::Dropped);
            }
            let (change, became) = self.claim_of(given, answer, body, known.as_ref()).await?;
            match self.store.commit(&change).await {
                Ok(()) => {
                    for found in change.outcomes.last().iter().flat_map(|own| &own.outcome.corrections) {
                        // What a correction finds was not enforced when it mattered.
                        let (found, observed) = (found.now.map(Reason::name), Enforcement::Observe.name());
                        found.into_iter().for_each(|reason| telemetry::found(reason, observed));
                    }
                    return Ok(became);
                }
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    /// What the ledger gets for an answer, whatever it says of it.
    async fn claim_of(
        &self,
        given: &Provisional,
        answer: &Answer,
        body: &Recorded,
        known: Option<&Outcome>,
    ) -> Result<(Change, Became), EngineError> {
        let (key, expected) = (&given.key, known.map(|known| known.version));
        let version = known.map_or(given.outcome.version, Outcome::next_version);
        if !answer.recorded {
            let outcome = Outcome { version, ..given.outcome.clone() };
            let outcomes = vec![OutcomeChange { key: key.clone(), expected, outcome }];
            return Ok((Change { outcomes, ..Change::default() }, Became::Claimed));
        }
        let (facts, mut judgement) = self.judge_again(key, answer, body).await?;
        let lines: Vec<u32> = given
            .outcome
            .dispensed()
            .map_or_else(Vec::new, |(document, _)| document.lines.iter().map(|line| line.number).collect());
        let corrected = corrections(&answer.findings, &judgement.findings, &lines, self.clock.now());
        let is_new = corrected.iter().any(|correction| correction.now.is_some());
        let reason = given.outcome.reminder.as_ref().and_then(|reminder| reminder.reason.as_deref());
        let beside = Beside { reason, person: given.outcome.person };
        let follows = self.what_follows((key, body), answer, &mut judgement, &facts, beside).await?;
        let (body, answer) = (body.clone(), answer.clone());
        let mut change = Attempt::decided(key, body, answer, judgement, &facts, known, follows).change;
        if let Some(own) = change.outcomes.last_mut() {
            own.outcome.corrections = corrected;
        }
        Ok((change, if is_new { Became::Corrected } else { Became::Claimed }))
    }

    /// Judges a document once more, on what the ledger knows, as of the moment at which it was answered.
    async fn judge_again(
        &self,
        key: &RequestKey,
        answer: &Answer,
        body: &Recorded,
    ) -> Result<(Facts, Judgement), EngineError> {
        let knowledge = self.knowledge.get();
        let mut request = Request::of(body, &knowledge.scan_rules, &knowledge.registry);
        let facts = self.facts_of(Ask::Ledger, &knowledge, &mut request, &key.request_id).await?;
        let facts = Facts { now: answer.decided_at, ..facts };
        let judgement = judge_given(body, &request.reading, facts.grounds());
        Ok((facts, judgement))
    }
}

/// Whether an outcome needs nothing more: the same answer, another one that sold the same, or a void.
fn is_settled(known: &Outcome, answer: &Answer) -> bool {
    match known.state {
        OutcomeState::Voided => true,
        OutcomeState::Decided => {
            known.is_recorded()
                || !answer.recorded
                || known.answer.as_ref().is_some_and(|first| first.outcome_id == answer.outcome_id)
        }
        OutcomeState::Undecided | OutcomeState::Never => false,
    }
}
