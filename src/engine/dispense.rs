//! Check, dispense, return, report: documents that are judged and recorded.

use super::attempt::Attempt;
use super::persons::{Beside, Said};
use super::repeat::{difference, repeat};
use super::{ATTEMPTS_MAX, Ask, Engine, EngineError, Facts, Knowledge, Reply, request_key};
use crate::clock::Stopwatch;
use crate::domain::claim::{EVENTS_PER_INSTITUTION_MAX, History};
use crate::domain::code::{CodeKey, ScanRules};
use crate::domain::document::{Document, Movement, ReturnDocument};
use crate::domain::judge::{
    ClaimChange, Grounds, Judgement, Mode, Reading, SaleFacts, judge_movement, judge_return, judge_sale,
};
use crate::domain::outcome::{Answer, Outcome, OutcomeState, Recorded, RequestBody, RequestKey};
use crate::domain::party::{Caller, InstitutionCode};
use crate::domain::registry::Registry;
use crate::domain::verdict::Verdict;
use crate::store::{CommitError, StoreError};
use crate::telemetry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Engine {
    /// What the verdict of a document would be. Changes nothing.
    pub async fn check(&self, caller: &Caller, document: Document) -> Result<Reply, EngineError> {
        self.authorize(caller, document.institution)?;
        self.charge(caller)?;
        self.limits.check_document(&document)?;
        let (institution, codes) =
            (document.institution, document.lines.iter().map(|line| line.scanned.len()).sum());
        let body = Recorded::Dispense { document, hold: false };
        let (answer, _, facts) = self.judge(Ask::Index, &body, "").await?;
        self.charge_looks(caller, institution, codes, &facts).await?;
        Ok(Reply::first(Answer { outcome_id: String::new(), recorded: false, ..answer }))
    }

    /// The gate: judges a document and claims its codes, as a sale or as a hold. What is said beside it is no part of what
    /// is asked; a reason may follow with the same request sent again.
    pub async fn dispense(
        &self,
        caller: &Caller,
        request_id: &str,
        document: Document,
        hold: bool,
        said: Said<'_>,
    ) -> Result<Reply, EngineError> {
        self.limits.check_document(&document)?;
        let asked = Recorded::Dispense { document, hold };
        self.decide(caller, request_id, asked, said).await
    }

    /// Takes goods back.
    pub async fn take_back(
        &self,
        caller: &Caller,
        request_id: &str,
        document: ReturnDocument,
    ) -> Result<Reply, EngineError> {
        self.limits.check_return(&document)?;
        self.decide(caller, request_id, Recorded::Return { document, reported: false }, Said::default()).await
    }

    /// Records a sale that already happened, with findings.
    pub async fn report_sale(
        &self,
        caller: &Caller,
        request_id: &str,
        document: Document,
        said: Said<'_>,
    ) -> Result<Reply, EngineError> {
        self.limits.check_document(&document)?;
        self.decide(caller, request_id, Recorded::ReportedSale(document), said).await
    }

    /// Records a return that already happened.
    pub async fn report_return(
        &self,
        caller: &Caller,
        request_id: &str,
        document: ReturnDocument,
    ) -> Result<Reply, EngineError> {
        self.limits.check_return(&document)?;
        self.decide(caller, request_id, Recorded::Return { document, reported: true }, Said::default()).await
    }

    /// Records a movement inside.
    pub async fn report_movement(
        &self,
        caller: &Caller,
        request_id: &str,
        movement: Movement,
    ) -> Result<Reply, EngineError> {
        self.limits.check_scans("movement.codes", &movement.scanned)?;
        self.decide(caller, request_id, Recorded::Movement(movement), Said::default()).await
    }

    /// Answers a request the first time, and every time after the same way.
    async fn decide(
        &self,
        caller: &Caller,
        request_id: &str,
        mut body: Recorded,
        said: Said<'_>,
    ) -> Result<Reply, EngineError> {
        let institution = body.institution();
        self.authorize(caller, institution)?;
        let beside = self.kept_beside(said)?;
        let key = request_key(institution, request_id)?;
        self.charge_for(caller, &key).await?;
        let _in_flight = self.in_flight.enter(&key);
        let (call, started) = (call_of(&body), Stopwatch::start());
        let asks = std::iter::once(Ask::Index).chain(std::iter::repeat(Ask::Ledger));
        if let Some(reply) = self.beside_ledger(call, &key, &body, beside, started).await {
            return reply;
        }
        for ask in asks.take(ATTEMPTS_MAX) {
            // Nearly every request is new, and where it is not, its outcome stands in the way of the commit.
            let guessed = ask == Ask::Index && self.store.is_far();
            let known = if guessed { None } else { self.store.outcome(&key).await? };
            if let Some(outcome) = known.as_ref().filter(|o| !may_be_judged(o, &body)) {
                return self.answer_again(call, &key, outcome, body, beside.reason).await;
            }
            let judged = self.judge(ask, &body, request_id).await;
            let decides = |(answer, ..): &(Answer, _, _)| answer.verdict != Verdict::Pending;
            if guessed && !judged.as_ref().is_ok_and(decides) {
                continue;
            }
            if let Err(EngineError::Store(StoreError::Undecided)) = judged {
                return self.leave_undecided(call, &key, body, known.as_ref(), started).await;
            }
            let (answer, judgement, facts) = judged?;
            let judged = (answer, judgement, &facts);
            let (attempt, unexplained) = self.attempt((&key, body), judged, known.as_ref(), beside).await?;
            let committed = self.store.commit(&attempt.change).await;
            let answer;
            (body, answer) = attempt.given_back()?;
            match committed {
                Ok(()) => {
                    count(call, &answer, started);
                    self.keep_reason(&unexplained, beside.reason).await?;
                    self.judge_beside(call, &key, &body, &answer, &facts).await;
                    return Ok(Reply::first(answer));
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Undecided) if guessed => {}
                Err(CommitError::Undecided) => {
                    return self.leave_undecided(call, &key, body, known.as_ref(), started).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    /// What a judgement wants to record, and the earlier requests that a reason is for too.
    async fn attempt(
        &self,
        (key, body): (&RequestKey, Recorded),
        (answer, mut judgement, facts): (Answer, Judgement, &Facts),
        known: Option<&Outcome>,
        beside: Beside<'_>,
    ) -> Result<(Attempt, Vec<RequestKey>), EngineError> {
        if judgement.verdict == Verdict::Pending {
            return Ok((Attempt::undecided(key, body, answer, known), Vec::new()));
        }
        let mut follows = self.what_follows((key, &body), &answer, &mut judgement, facts, beside).await?;
        let unexplained = std::mem::take(&mut follows.unexplained);
        Ok((Attempt::decided(key, body, answer, judgement, facts, known, follows), unexplained))
    }

    /// The first answer to a request once more, or why there is none.
    async fn answer_again(
        &self,
        call: &'static str,
        key: &RequestKey,
        outcome: &Outcome,
        body: Recorded,
        reason: Option<&str>,
    ) -> Result<Reply, EngineError> {
        let again = repeat(key, outcome, &RequestBody::Recorded(body))?;
        telemetry::repeated(call);
        self.keep_reason(std::slice::from_ref(key), reason).await?;
        Ok(again)
    }

    /// Gathers the facts of a request and judges them.
    async fn judge(
        &self,
        ask: Ask,
        body: &Recorded,
        request_id: &str,
    ) -> Result<(Answer, Judgement, Facts), EngineError> {
        let knowledge = self.knowledge.get();
        let mut request = Request::of(body, &knowledge.scan_rules, &knowledge.registry);
        self.desk.are_settled(&request.reading)?;
        let facts = self.facts_of(ask, &knowledge, &mut request, request_id).await?;
        let judgement = judge_body(body, &request.reading, facts.grounds());
        let institution = request.institution;
        if let Some(code) = facts.overfull(&judgement, institution) {
            return Err(EngineError::Precondition(format!(
                "{institution} has {EVENTS_PER_INSTITUTION_MAX} sales and returns of {code} on record, the most that \
                 are kept; ask the operator to look at this code"
            )));
        }
        let answer = self.answer(&judgement, &facts, request.institution);
        Ok((answer, judgement, facts))
    }

    /// Fetches what a judgement of a request needs.
    pub(super) async fn facts_of(
        &self,
        ask: Ask,
        knowledge: &Arc<Knowledge>,
        request: &mut Request<'_>,
        request_id: &str,
    ) -> Result<Facts, EngineError> {
        let paper = self.paper(request.document_no, request.visit_no, request_id);
        let codes = std::mem::take(&mut request.catalog_codes);
        self.gather(ask, knowledge, request.institution, paper, &request.reading, codes).await
    }
}

/// The name of a call, as metrics know it.
const fn call_of(body: &Recorded) -> &'static str {
    match body {
        Recorded::Dispense { hold: false, .. } => "dispense",
        Recorded::Dispense { hold: true, .. } => "hold",
        Recorded::ReportedSale(_) => "report_sale",
        Recorded::Return { reported: false, .. } => "return",
        Recorded::Return { reported: true, .. } => "report_return",
        Recorded::Movement(_) => "report_movement",
    }
}

pub(super) fn count(call: &'static str, answer: &Answer, started: Stopwatch) {
    telemetry::answered(call, answer.verdict.name(), started.elapsed());
    for finding in &answer.findings {
        telemetry::found(finding.reason.name(), finding.enforcement.name());
    }
}

/// The parts of a request that facts are gathered for.
pub(super) struct Request<'a> {
    pub institution: InstitutionCode,
    pub document_no: Option<&'a str>,
    pub visit_no: Option<&'a str>,
    pub reading: Reading,
    pub catalog_codes: BTreeSet<String>,
}

impl<'a> Request<'a> {
    pub fn of(body: &'a Recorded, rules: &ScanRules, registry: &Registry) -> Self {
        match body {
            Recorded::Dispense { document, .. } | Recorded::ReportedSale(document) => {
                let reading = Reading::of(&document.lines, rules);
                Self {
                    institution: document.institution,
                    document_no: document.document_no.as_deref(),
                    visit_no: document.visit_no.as_deref(),
                    catalog_codes: reading.catalog_codes(&document.lines, registry),
                    reading,
                }
            }
            Recorded::Return { document, .. } => {
                let reading = Reading::of(&document.lines, rules);
                Self {
                    institution: document.institution,
                    document_no: document.document_no.as_deref(),
                    visit_no: document.visit_no.as_deref(),
                    catalog_codes: reading.catalog_codes(&document.lines, registry),
                    reading,
                }
            }
            Recorded::Movement(movement) => Self {
                institution: movement.institution,
                document_no: None,
                visit_no: None,
                reading: Reading::of_scans(&movement.scanned, rules),
                catalog_codes: BTreeSet::new(),
            },
        }
    }
}

pub(super) fn is_overfull(
    histories: &BTreeMap<CodeKey, History>,
    change: &ClaimChange,
    institution: InstitutionCode,
) -> bool {
    histories.get(&change.key).is_some_and(|history| history.is_full_for(institution))
}

pub(super) fn judge_body(body: &Recorded, reading: &Reading, grounds: Grounds<'_>) -> Judgement {
    judge_recorded(body, reading, grounds, false)
}

/// As [`judge_body`], for a document that was let through before.
pub(super) fn judge_given(body: &Recorded, reading: &Reading, grounds: Grounds<'_>) -> Judgement {
    judge_recorded(body, reading, grounds, true)
}

fn judge_recorded(body: &Recorded, reading: &Reading, grounds: Grounds<'_>, given: bool) -> Judgement {
    let sale = |document, mode| judge_sale(SaleFacts { grounds, document, reading, mode, given });
    match body {
        Recorded::Dispense { document, hold: true } => sale(document, Mode::Hold),
        Recorded::Dispense { document, hold: false } => sale(document, Mode::Sale),
        Recorded::ReportedSale(document) => sale(document, Mode::Report),
        Recorded::Return { document, reported } => judge_return(grounds, document, reading, *reported),
        Recorded::Movement(movement) => judge_movement(grounds, movement, reading),
    }
}

/// Whether a known request is one that was answered PENDING, with the same body.
fn may_be_judged(known: &Outcome, body: &Recorded) -> bool {
    known.state == OutcomeState::Undecided
        && known
            .body
            .as_ref()
            .is_some_and(|before| difference(before, &RequestBody::Recorded(body.clone())).is_none())
}
