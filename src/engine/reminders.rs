//! What an answer is counted for, and what becomes of a reminder: part of the same change as the answer itself.

use super::persons::Beside;
use super::{ATTEMPTS_MAX, Engine, EngineError, Facts, request_key};
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::domain::judge::{ClaimChange, Judgement, Paper};
use crate::domain::outcome::{Answer, Outcome, OutcomeState, Recorded, RequestKey};
use crate::domain::party::InstitutionCode;
use crate::domain::person::PersonMark;
use crate::domain::tally::{Count, Course, Earlier, Reminder, is_held, is_on_record, is_reminder, reminders};
use crate::store::{Change, DossierChange, OutcomeChange};

/// Requests of one document that are looked at for what it was reminded of before.
const EARLIER_REQUESTS_MAX: usize = 100;

/// What follows from an answer besides its claims.
#[derive(Default)]
pub(super) struct Follows {
    /// The dossiers that change.
    pub dossiers: Vec<DossierChange>,
    /// What it reminded of.
    pub reminder: Option<Reminder>,
    /// To whom the boxes were handed.
    pub person: Option<PersonMark>,
    /// What it counts for.
    pub count: Count,
    /// Earlier requests of the same document whose reminders went on with this sale.
    pub settled: Vec<OutcomeChange>,
    /// Earlier requests of the same document that were reminded and not explained: the reason is theirs too.
    pub unexplained: Vec<RequestKey>,
}

impl Follows {
    /// Another message of the same sale stands: what was asked before it, as a hold, went on.
    fn settle(&mut self, earlier: &[(RequestKey, Outcome)]) {
        for (key, outcome) in earlier {
            if let Some(next) = went_on(key.institution, outcome, &mut self.count) {
                let (key, expected) = (key.clone(), Some(outcome.version));
                self.settled.push(OutcomeChange { key, expected, outcome: next });
            }
        }
    }
}

/// The outcome of a reminded request whose sale goes on now; `None` = it did before, or reminded of nothing.
pub(super) fn went_on(institution: InstitutionCode, outcome: &Outcome, count: &mut Count) -> Option<Outcome> {
    let reminder = outcome.reminder.as_ref().filter(|reminder| !reminder.went_on)?;
    count_course(institution, outcome, Course::Sold, count);
    let reminder = Reminder { went_on: true, ..reminder.clone() };
    Some(Outcome { reminder: Some(reminder), ..outcome.next() })
}

/// Counts what becomes of the reminder of a recorded request.
pub(super) fn count_course(
    institution: InstitutionCode,
    outcome: &Outcome,
    course: Course,
    count: &mut Count,
) {
    if let (Some(reminder), Some(answer)) = (&outcome.reminder, &outcome.answer) {
        count.add(reminder.tally(institution, answer.decided_at, course));
    }
}

impl Engine {
    /// What follows from an answer that is recorded, and from what was said beside it.
    pub(super) async fn what_follows(
        &self,
        (key, body): (&RequestKey, &Recorded),
        answer: &Answer,
        judgement: &mut Judgement,
        facts: &Facts,
        beside: Beside<'_>,
    ) -> Result<Follows, EngineError> {
        let dossiers = self.cases_of(key, body, answer, judgement, facts).await?;
        let mut follows = Follows { dossiers, person: beside.person, ..Follows::default() };
        if !self.keeps_books {
            return Ok(follows);
        }
        self.count_claims(&judgement.claims, facts, &mut follows.count);
        let (document, hold) = match body {
            Recorded::Dispense { document, hold } => (document, *hold),
            Recorded::ReportedSale(document) => (document, false),
            Recorded::Return { .. } | Recorded::Movement(_) => return Ok(follows),
        };
        let of_this = |key: &CodeKey, is: fn(&History, InstitutionCode, Paper) -> bool| {
            facts.histories.get(key).is_some_and(|history| is(history, document.institution, facts.paper))
        };
        let reminds = is_reminder(answer);
        let settles = answer.recorded && !hold && facts.histories.keys().any(|key| of_this(key, is_held));
        if !reminds && !settles {
            return Ok(follows);
        }
        let earlier = self.earlier_requests(key, facts).await?;
        if answer.recorded && !hold {
            follows.settle(&earlier);
        }
        if reminds {
            let told = facts.histories.keys().filter(|key| of_this(key, is_on_record));
            let told = Earlier {
                answers: earlier.iter().filter_map(|(_, outcome)| outcome.answer.as_ref()).collect(),
                codes: told.map(ToString::to_string).collect(),
            };
            let counts = reminders(document, answer, &told);
            let reminder = Reminder { counts, reason: beside.reason.map(str::to_owned), went_on: !hold };
            let course = if hold { Course::Asked } else { Course::AskedAndSold };
            follows.count.add(reminder.tally(document.institution, answer.decided_at, course));
            follows.reminder = Some(reminder);
            follows.unexplained = earlier.into_iter().map(|(key, _)| key).collect();
        }
        Ok(follows)
    }

    /// Other requests of the same document that are recorded.
    async fn earlier_requests(
        &self,
        key: &RequestKey,
        facts: &Facts,
    ) -> Result<Vec<(RequestKey, Outcome)>, EngineError> {
        let Some(document) = facts.paper.document else { return Ok(Vec::new()) };
        let ids = self.store.requests_of(key.institution, document, EARLIER_REQUESTS_MAX).await?;
        let mut earlier = Vec::new();
        for id in ids.into_iter().filter(|id| *id != key.request_id) {
            let key = request_key(key.institution, &id)?;
            if let Some(outcome) = self.store.outcome(&key).await?.filter(Outcome::is_recorded) {
                earlier.push((key, outcome));
            }
        }
        Ok(earlier)
    }

    /// Counts what claims change of the histories in `facts`.
    pub(super) fn count_claims(&self, claims: &[ClaimChange], facts: &Facts, count: &mut Count) {
        for claim in claims.iter().filter(|_| self.keeps_books) {
            count.change(facts.histories.get(&claim.key), &claim.history);
        }
    }

    /// Keeps a reason that came after the answers to these requests; the first reason of each stays.
    pub(super) async fn keep_reason(
        &self,
        requests: &[RequestKey],
        reason: Option<&str>,
    ) -> Result<(), EngineError> {
        let Some(reason) = reason else { return Ok(()) };
        for key in requests {
            self.keep_reason_of(key, reason).await?;
        }
        Ok(())
    }

    async fn keep_reason_of(&self, key: &RequestKey, reason: &str) -> Result<(), EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(outcome) = self.store.outcome(key).await? else { return Ok(()) };
            let Some(change) = explained(key, &outcome, reason) else { return Ok(()) };
            if self.committed(&change).await? {
                return Ok(());
            }
        }
        Err(EngineError::Contended)
    }
}

/// The change that keeps a reason; `None` = the request was not reminded, was cancelled, or has a reason.
fn explained(key: &RequestKey, outcome: &Outcome, reason: &str) -> Option<Change> {
    let reminder = outcome.reminder.as_ref().filter(|reminder| reminder.reason.is_none())?;
    if outcome.state != OutcomeState::Decided {
        return None;
    }
    let mut count = Count::default();
    if reminder.went_on {
        count_course(key.institution, outcome, Course::Explained, &mut count);
    }
    let reminder = Reminder { reason: Some(reason.to_owned()), ..reminder.clone() };
    let next = Outcome { reminder: Some(reminder), ..outcome.next() };
    let outcomes = vec![OutcomeChange { key: key.clone(), expected: Some(outcome.version), outcome: next }];
    Some(Change { outcomes, tallies: count.tallies(), ..Change::default() })
}
