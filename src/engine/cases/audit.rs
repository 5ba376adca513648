//! Judging days again with what is known now: late returns and purchases, corrected rules, new prefixes, white lists.
//! What changes becomes a correction of its request, or of its case. Running it twice changes nothing.

use super::super::dispense::{Request, judge_given};
use super::super::{ATTEMPTS_MAX, Ask, Engine, EngineError, Facts};
use crate::domain::access::Principal;
use crate::domain::case::{Action, Actor, CaseState, Deed};
use crate::domain::claim::{Event, History, Part};
use crate::domain::code::CodeKey;
use crate::domain::judge::{audited, product_of};
use crate::domain::outcome::{Outcome, Recorded, RequestBody, RequestKey};
use crate::domain::party::Caller;
use crate::domain::time::moment_of;
use crate::index::cases::{CaseFilter, Range};
use crate::store::{Change, DossierChange, OutcomeChange, StoreError};
use crate::trail::Act;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// Codes whose histories are read at once.
const CODES_AT_ONCE: usize = 500;
/// Cases that are pushed at once.
const PUSHED_AT_ONCE: usize = 500;

/// What an audit has looked at and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audited {
    /// Requests that were judged again.
    pub requests: u64,
    /// Codes that were looked at.
    pub codes: u64,
    /// Requests that were corrected.
    pub corrected: u64,
    /// Codes whose cases were opened, joined, re-classed or closed.
    pub cases_changed: u64,
    /// Cases that were pushed to their institutions.
    pub pushed: u64,
}

impl Audited {
    /// Whether anything was changed.
    pub const fn changed_anything(&self) -> bool {
        self.corrected + self.cases_changed + self.pushed > 0
    }
}

impl Engine {
    /// As [`audit`](Self::audit), for somebody who asked for it.
    pub async fn audit_for(
        &self,
        caller: &Principal,
        days: (Date, Date),
        everything: bool,
        told: impl FnMut(Audited) + Send,
    ) -> Result<Audited, EngineError> {
        let fact = self.fact(caller, Act::AuditRun, format!("{} to {}", days.0, days.1));
        self.announced(fact.with("everything", everything), self.audit(days, everything, told)).await
    }

    /// Audits what this gateway recorded from one day to another, both inclusive, in Asia/Shanghai. With `everything` also
    /// every code of the ledger, whenever and by whomever it was sold: what was imported without findings is looked at by
    /// nobody before. Tells how far it is. What was done stands, wherever it is interrupted; it may be run again.
    pub async fn audit(
        &self,
        (first, last): (Date, Date),
        everything: bool,
        mut told: impl FnMut(Audited) + Send,
    ) -> Result<Audited, EngineError> {
        let (from, to) = span_of(first, last)?;
        self.judge_awaited_again(None).await?;
        let mut audited = Audited::default();
        let mut logged = self.store.logged_between(from, to);
        while let Some(batch) = logged.recv().await {
            let batch = batch?;
            for request in &batch.requests {
                audited.requests += 1;
                audited.corrected += u64::from(self.judge_request_again(request).await?);
            }
            self.screen_codes(batch.codes, &mut audited).await?;
            told(audited);
        }
        if everything {
            let mut codes = self.store.all_codes();
            while let Some(batch) = codes.recv().await {
                self.screen_codes(batch?, &mut audited).await?;
                told(audited);
            }
        }
        audited.pushed = self.push_detected(to).await?;
        told(audited);
        Ok(audited)
    }

    /// Looks at the cases of codes again.
    async fn screen_codes(&self, codes: Vec<CodeKey>, audited: &mut Audited) -> Result<(), EngineError> {
        let codes: BTreeSet<CodeKey> = codes.into_iter().collect();
        let codes: Vec<CodeKey> = codes.into_iter().collect();
        for codes in codes.chunks(CODES_AT_ONCE) {
            audited.codes += codes.len() as u64;
            for key in self.worth_a_look(codes).await? {
                audited.cases_changed += u64::from(self.screen_again(&key).await?);
            }
        }
        Ok(())
    }

    /// Whether a caller may run an audit: it changes answers of everybody.
    pub fn authorize_audit(&self, caller: &Caller) -> Result<(), EngineError> {
        match caller {
            Caller::Operator => Ok(()),
            Caller::Bureau(_) | Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
                Err(EngineError::Denied("only the operator may run an audit".to_owned()))
            }
        }
    }

    /// Codes that may have a case: more than one thing happened to them, or more was drawn than the pack holds.
    async fn worth_a_look(&self, codes: &[CodeKey]) -> Result<Vec<CodeKey>, EngineError> {
        let knowledge = self.knowledge.get();
        let histories = self.store.histories(codes).await?;
        let draws_more = |key: &CodeKey, history: &History| {
            let drawn: Decimal = history.events.iter().filter_map(drawn_units).sum();
            let product = || product_of(key, &knowledge.scan_rules, &knowledge.registry).units_per_pack;
            !drawn.is_zero() && product().is_some_and(|pack| drawn > Decimal::from(pack))
        };
        let worth = |(key, history): (&CodeKey, Option<History>)| {
            let history = history.unwrap_or_default();
            let several = history.events.len() > 1 || self.case_index.may_have_open(key);
            (several || draws_more(key, &history)).then(|| key.clone())
        };
        Ok(codes.iter().zip(histories).filter_map(worth).collect())
    }

    /// Judges one request again; gives whether it was corrected.
    async fn judge_request_again(&self, key: &RequestKey) -> Result<bool, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(outcome) = self.store.outcome(key).await? else { return Ok(false) };
            let Some(change) = self.corrected_by_audit(key, &outcome).await? else { return Ok(false) };
            if self.committed(&change).await? {
                return Ok(true);
            }
        }
        Err(EngineError::Contended)
    }

    async fn corrected_by_audit(
        &self,
        key: &RequestKey,
        outcome: &Outcome,
    ) -> Result<Option<Change>, EngineError> {
        let Some(RequestBody::Recorded(body @ (Recorded::Dispense { .. } | Recorded::ReportedSale(_)))) =
            &outcome.body
        else {
            return Ok(None);
        };
        let Some(answer) = outcome.answer.as_ref().filter(|_| outcome.is_recorded()) else {
            return Ok(None);
        };
        let knowledge = self.knowledge.get();
        let mut request = Request::of(body, &knowledge.scan_rules, &knowledge.registry);
        let facts = match self.facts_of(Ask::Ledger, &knowledge, &mut request, &key.request_id).await {
            Ok(facts) => Facts { now: answer.decided_at, ..facts },
            // Somebody works with one of its codes right now: the next audit looks again.
            Err(EngineError::Store(StoreError::Undecided)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let judgement = judge_given(body, &request.reading, facts.grounds());
        let corrections = audited(answer, &outcome.corrections, &judgement, self.clock.now());
        if corrections.is_empty() {
            return Ok(None);
        }
        let mut next = outcome.next();
        next.corrections.extend(corrections);
        let change = OutcomeChange { key: key.clone(), expected: Some(outcome.version), outcome: next };
        Ok(Some(Change { outcomes: vec![change], ..Change::default() }))
    }

    /// Pushes what was found before a moment to the institutions; gives how many cases.
    async fn push_detected(&self, before: Timestamp) -> Result<u64, EngineError> {
        let filter = CaseFilter {
            states: vec![CaseState::Detected],
            opened: Range { from: None, to: Some(before.as_microsecond().saturating_sub(1)) },
            ..CaseFilter::default()
        };
        let (mut pushed, mut after) = (0, None);
        loop {
            let page = self.case_index.page(&filter, after, PUSHED_AT_ONCE);
            for name in &page.cases {
                pushed += u64::from(self.push(name.number, &name.key).await?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(pushed);
            }
        }
    }

    async fn push(&self, number: u32, key: &CodeKey) -> Result<bool, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let knowledge = self.knowledge.get();
            let Some(dossier) = self.dossier_of(key).await? else { return Ok(false) };
            let deed = Deed {
                action: Action::Push,
                actor: Actor::system(),
                at: self.clock.now(),
                note: String::new(),
                files: Vec::new(),
                policy_version: knowledge.policy_version.clone(),
            };
            // Whoever pushed or closed it meanwhile was faster.
            let Ok(next) = dossier.advanced(number, &deed, &knowledge.policy.settings().cases) else {
                return Ok(false);
            };
            let dossiers =
                vec![DossierChange { key: key.clone(), expected: Some(dossier.version), dossier: next }];
            if self.committed(&Change { dossiers, ..Change::default() }).await? {
                return Ok(true);
            }
        }
        Err(EngineError::Contended)
    }
}

fn drawn_units(event: &Event) -> Option<Decimal> {
    match event {
        Event::Sale(sale) => match &sale.part {
            Part::Draw { units, .. } => *units,
            Part::Whole => None,
        },
        Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => None,
    }
}

/// From the beginning of one day to the end of another.
fn span_of(first: Date, last: Date) -> Result<(Timestamp, Timestamp), EngineError> {
    let bad = || EngineError::invalid("day", "is none that a clock can show");
    let begin = |day: Date| moment_of(day.at(0, 0, 0, 0)).ok_or_else(bad);
    Ok((begin(first)?, begin(last.tomorrow().map_err(|_| bad())?)?))
}
