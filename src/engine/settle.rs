//! Confirm and void: what becomes of a document after its verdict.

use super::attempt::sold_by;
use super::cases::Asked;
use super::limits::check_money;
use super::reminders::{count_course, went_on};
use super::repeat::repeat;
use super::{ATTEMPTS_MAX, Ask, Engine, EngineError, Facts, Reply, request_key};
use crate::domain::document::Document;
use crate::domain::judge::{Judgement, Reading, judge_confirm, judge_void};
use crate::domain::outcome::{Answer, Outcome, OutcomeState, RequestBody, RequestKey};
use crate::domain::party::{Caller, InstitutionCode};
use crate::domain::tally::{Count, Course};
use crate::domain::verdict::Verdict;
use crate::store::{Change, CommitError, DossierChange, OutcomeChange};
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Most requests of one document that a void takes back at once.
const VOIDED_REQUESTS_MAX: usize = 100;

/// What a confirmation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The hold's request id.
    pub dispense_request_id: String,
    /// The settlement's id.
    pub settlement_id: String,
    /// Yuan that the fund paid.
    pub amount: Decimal,
    /// When it was settled; `None` = now.
    pub occurred_at: Option<Timestamp>,
}

/// What a void takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoidTarget {
    /// One request.
    Request(String),
    /// Every request of a document.
    Document(String),
}

impl Engine {
    /// Turns a hold into a sale.
    pub async fn confirm(
        &self,
        caller: &Caller,
        institution: InstitutionCode,
        request_id: &str,
        settlement: Settlement,
    ) -> Result<Reply, EngineError> {
        self.authorize(caller, institution)?;
        let key = request_key(institution, request_id)?;
        self.charge_for(caller, &key).await?;
        let hold_key = request_key(institution, &settlement.dispense_request_id)?;
        self.limits.check_text("settlement_id", Some(&settlement.settlement_id))?;
        check_money("amount", Some(settlement.amount))?;
        if settlement.settlement_id.is_empty() {
            return Err(EngineError::invalid(
                "settlement_id",
                "is empty; a confirmation names its settlement",
            ));
        }
        let body = RequestBody::Confirm {
            dispense_request_id: settlement.dispense_request_id.clone(),
            settlement_id: settlement.settlement_id.clone(),
            amount: settlement.amount,
            occurred_at: settlement.occurred_at,
        };
        let _in_flight = self.in_flight.enter(&key);
        self.desk.is_settled_for(institution)?;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(outcome) = self.store.outcome(&key).await? {
                return repeat(&key, &outcome, &body);
            }
            let (answer, change) = self.confirmation(&key, &hold_key, &body, &settlement).await?;
            match self.store.commit(&change).await {
                Ok(()) => return Ok(Reply::first(answer)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    async fn confirmation(
        &self,
        key: &RequestKey,
        hold_key: &RequestKey,
        body: &RequestBody,
        settlement: &Settlement,
    ) -> Result<(Answer, Change), EngineError> {
        let hold = self.store.outcome(hold_key).await?;
        let hold = hold.ok_or_else(|| {
            EngineError::Precondition(format!(
                "no Dispense with request id {} is on record",
                hold_key.request_id
            ))
        })?;
        let document = confirmable(&hold, hold_key, settlement)?;
        let knowledge = self.knowledge.get();
        let reading = Reading::of(&document.lines, &knowledge.scan_rules);
        let paper =
            self.paper(document.document_no.as_deref(), document.visit_no.as_deref(), &hold_key.request_id);
        let facts =
            self.gather(Ask::Ledger, &knowledge, key.institution, paper, &reading, BTreeSet::new()).await?;
        let mut judgement = judge_confirm(facts.grounds(), document, &reading, settlement.occurred_at);
        let answer = self.answer(&judgement, &facts, key.institution);
        let sold = if hold.awaits_confirmation() {
            sold_by(key.institution, &knowledge, &hold.sold, Decimal::ONE)
        } else {
            Vec::new()
        };
        let dossiers =
            self.dossiers_of_confirmed(&hold, hold_key, settlement, &mut judgement, &facts).await?;
        let mut count = Count::default();
        self.count_claims(&judgement.claims, &facts, &mut count);
        let went_on = went_on(key.institution, &hold, &mut count);
        let confirmed = went_on.unwrap_or_else(|| hold.next());
        let confirmed = Outcome { settlement_id: Some(settlement.settlement_id.clone()), ..confirmed };
        let change = Change {
            claims: judgement.claims,
            outcomes: vec![
                OutcomeChange { key: hold_key.clone(), expected: Some(hold.version), outcome: confirmed },
                OutcomeChange {
                    key: key.clone(),
                    expected: None,
                    outcome: Outcome::decided(body.clone(), answer.clone(), Vec::new()),
                },
            ],
            sold,
            dossiers,
            tallies: count.tallies(),
            ..Change::default()
        };
        Ok((answer, change))
    }

    /// A hold that is confirmed too late may meet what was sold meanwhile.
    async fn dossiers_of_confirmed(
        &self,
        hold: &Outcome,
        key: &RequestKey,
        settlement: &Settlement,
        judgement: &mut Judgement,
        facts: &Facts,
    ) -> Result<Vec<DossierChange>, EngineError> {
        match (&hold.body, &hold.answer) {
            (Some(RequestBody::Recorded(body)), Some(answer)) => {
                let settlement_id = Some(settlement.settlement_id.as_str());
                let asked = Asked { key, body, answer, settlement_id };
                self.dossiers_after(asked, judgement, facts).await
            }
            (Some(_) | None, _) => Ok(Vec::new()),
        }
    }

    /// Cancels a document before hand-over. Gives the codes that were freed.
    pub async fn void(
        &self,
        caller: &Caller,
        institution: InstitutionCode,
        request_id: &str,
        target: VoidTarget,
    ) -> Result<(Reply, Vec<String>), EngineError> {
        self.authorize(caller, institution)?;
        let key = request_key(institution, request_id)?;
        self.charge_for(caller, &key).await?;
        let body = match &target {
            VoidTarget::Request(id) => {
                request_key(institution, id)?;
                RequestBody::Void { dispense_request_id: Some(id.clone()), document_no: None }
            }
            VoidTarget::Document(number) if number.is_empty() => {
                return Err(EngineError::invalid("document_no", "is empty; name the document"));
            }
            VoidTarget::Document(number) => {
                self.limits.check_text("document_no", Some(number))?;
                RequestBody::Void { dispense_request_id: None, document_no: Some(number.clone()) }
            }
        };
        let _in_flight = self.in_flight.enter(&key);
        self.desk.is_settled_for(institution)?;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(outcome) = self.store.outcome(&key).await? {
                return repeat(&key, &outcome, &body).map(|reply| (reply, outcome.freed.clone()));
            }
            let (answer, freed, change) = self.cancellation(&key, &body, &target).await?;
            match self.store.commit(&change).await {
                Ok(()) => return Ok((Reply::first(answer), freed)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    async fn cancellation(
        &self,
        key: &RequestKey,
        body: &RequestBody,
        target: &VoidTarget,
    ) -> Result<(Answer, Vec<String>, Change), EngineError> {
        let institution = key.institution;
        let requests = match target {
            VoidTarget::Request(id) => vec![id.clone()],
            VoidTarget::Document(number) => {
                let document = self.store.paper_key(number);
                self.store.requests_of(institution, document, VOIDED_REQUESTS_MAX).await?
            }
        };
        let mut undone = Undone::default();
        for request_id in requests {
            let key = RequestKey { institution, request_id };
            self.undo(key, &mut undone).await?;
        }
        let facts = self.no_facts();
        let answer = self.answer(&allowed(undone.found), &facts, institution);
        let mut outcome = Outcome::decided(body.clone(), answer.clone(), Vec::new());
        outcome.freed.clone_from(&undone.freed);
        undone.change.outcomes.push(OutcomeChange { key: key.clone(), expected: None, outcome });
        let freed = undone.change.claims.iter().filter(|change| self.case_index.may_have_open(&change.key));
        let touched = freed.map(|change| (&change.key, &change.history)).collect();
        undone.change.dossiers = self.screened(&facts.knowledge, facts.now, touched).await?;
        undone.change.tallies = undone.count.tallies();
        Ok((answer, undone.freed, undone.change))
    }

    /// Adds one request to what is taken back. An id that was never seen is closed.
    async fn undo(&self, key: RequestKey, undone: &mut Undone) -> Result<(), EngineError> {
        let Some(outcome) = self.store.outcome(&key).await? else {
            let outcome = Outcome::closed(OutcomeState::Voided);
            undone.change.outcomes.push(OutcomeChange { key, expected: None, outcome });
            return Ok(());
        };
        if matches!(outcome.state, OutcomeState::Voided | OutcomeState::Never) {
            return Ok(());
        }
        let Some((document, _)) = outcome.dispensed() else {
            return Err(EngineError::Precondition(format!(
                "request id {} is no Dispense; only that can be voided",
                key.request_id
            )));
        };
        let knowledge = self.knowledge.get();
        if outcome.is_recorded() {
            let reading = Reading::of(&document.lines, &knowledge.scan_rules);
            let paper =
                self.paper(document.document_no.as_deref(), document.visit_no.as_deref(), &key.request_id);
            let facts = self
                .gather(Ask::Ledger, &knowledge, key.institution, paper, &reading, BTreeSet::new())
                .await?;
            let fresh: BTreeMap<_, _> = facts
                .histories
                .iter()
                .filter(|(code, _)| undone.change.claims.iter().all(|c| c.key != **code))
                .collect();
            let (claims, freed) = judge_void(key.institution, paper, fresh);
            self.count_claims(&claims, &facts, &mut undone.count);
            undone.change.claims.extend(claims);
            undone.freed.extend(freed);
            if !outcome.awaits_confirmation() {
                undone.change.sold.extend(sold_by(key.institution, &knowledge, &outcome.sold, -Decimal::ONE));
            }
            if outcome.reminder.as_ref().is_some_and(|reminder| reminder.went_on) {
                count_course(key.institution, &outcome, Course::TakenBack, &mut undone.count);
            }
        }
        undone.found = true;
        let voided = Outcome { state: OutcomeState::Voided, ..outcome.next() };
        undone.change.outcomes.push(OutcomeChange { key, expected: Some(outcome.version), outcome: voided });
        Ok(())
    }

    /// The grounds of an answer that rests on no codes.
    pub(super) fn no_facts(&self) -> Facts {
        let now = self.clock.now();
        Facts {
            knowledge: self.knowledge.get(),
            now,
            ledger_as_of: now,
            paper: crate::domain::judge::Paper::default(),
            histories: BTreeMap::new(),
            positions: BTreeMap::new(),
            provisional: false,
        }
    }
}

/// What a void takes back, collected.
#[derive(Default)]
struct Undone {
    change: Change,
    count: Count,
    freed: Vec<String>,
    /// Whether anything stood that could be taken back.
    found: bool,
}

/// A judgement that finds nothing.
pub(super) fn allowed(recorded: bool) -> Judgement {
    Judgement {
        verdict: Verdict::Allow,
        findings: Vec::new(),
        claims: Vec::new(),
        sold: Vec::new(),
        awaited: Vec::new(),
        hold_expires_at: None,
        recorded,
        after_the_fact: false,
        collided: Vec::new(),
    }
}

/// The document of a hold that this settlement can confirm.
fn confirmable<'a>(
    hold: &'a Outcome,
    key: &RequestKey,
    settlement: &Settlement,
) -> Result<&'a Document, EngineError> {
    let document = match hold.dispensed() {
        Some((document, true)) if hold.is_recorded() => document,
        Some(_) | None => return Err(EngineError::Precondition(why_not_confirmable(hold, key))),
    };
    match &hold.settlement_id {
        Some(known) if *known != settlement.settlement_id => {
            Err(EngineError::Precondition(format!("the hold was confirmed before, with settlement {known}")))
        }
        Some(_) | None => Ok(document),
    }
}

fn why_not_confirmable(hold: &Outcome, key: &RequestKey) -> String {
    let id = &key.request_id;
    match hold.state {
        OutcomeState::Voided => format!("{id} was voided; dispense again with a new request id"),
        OutcomeState::Never => {
            format!("{id} was declared as never arrived; dispense again with a new request id")
        }
        OutcomeState::Decided if hold.dispensed().is_some_and(|(_, hold)| !hold) => {
            format!("{id} is a finished sale, not a hold; there is nothing to confirm")
        }
        OutcomeState::Undecided => format!("{id} is not decided yet; send it again first"),
        OutcomeState::Decided => format!("{id} holds nothing: it was blocked, or is no Dispense"),
    }
}
