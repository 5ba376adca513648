//! Everything that is recorded of a code, for a bureau; each look is recorded before it is answered.

use super::super::{Engine, EngineError, Knowledge};
use super::keep::details_in;
use super::sight::called;
use crate::domain::access::Principal;
use crate::domain::case::{Attempt, CaseName, Details, Dossier};
use crate::domain::claim::{Event, Fate, History, PaperKey, Part, SaleName, SaleStatus};
use crate::domain::code::CodeKey;
use crate::domain::judge::{lens, product_of};
use crate::domain::outcome::{Outcome, OutcomeState, RequestBody, RequestKey};
use crate::domain::party::{Caller, InstitutionCode};
use crate::domain::person::{PersonMark, numbered};
use crate::store::{Change, OutcomeChange};
use crate::trail::Act;
use jiff::Timestamp;

/// Requests of one document that are looked through.
const REQUESTS_LOOKED_AT_MAX: usize = 8;
/// Earlier looks that are shown.
const LOOKS_SHOWN_MAX: usize = 100;
/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// One event of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Its number, from 1, in order of arrival.
    pub number: u32,
    /// The event as it is on record.
    pub event: Event,
    /// It was annulled by a reviewer.
    pub is_annulled: bool,
    /// What became of a sale.
    pub fate: Option<Fate>,
    /// What its request says, for a sale.
    pub details: Details,
    /// To whom, as a number among the sales of the code; 0 = not known.
    pub person: u32,
}

/// A blocked attempt of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryAttempt {
    /// The sale that it would have been.
    pub name: SaleName,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What its request says.
    pub details: Details,
    /// To whom, as of events.
    pub person: u32,
}

/// Somebody looked at a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Whose: a division prefix, or `operator`.
    pub of: String,
    /// The person.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Everything that is recorded of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeHistory {
    /// The code.
    pub key: CodeKey,
    /// The drug, where the code's prefix is mapped.
    pub catalog_code: Option<String>,
    /// Its name.
    pub drug_name: String,
    /// Smallest priced units in the pack.
    pub units_per_pack: Option<u32>,
    /// The notice by which its maker printed it more than once.
    pub makers_error: Option<String>,
    /// What happened, in order of arrival.
    pub events: Vec<HistoryEvent>,
    /// Blocked attempts that are kept, and how many more there were.
    pub attempts: Vec<HistoryAttempt>,
    /// Attempts that are not kept.
    pub further_attempts: u32,
    /// Its cases.
    pub cases: Vec<CaseName>,
    /// Who looked at it, this look included, the latest first.
    pub looks: Vec<Look>,
}

impl Engine {
    /// Everything that is recorded of a code, whoever sold it. The look itself is recorded first.
    pub async fn code_history(
        &self,
        caller: &Principal,
        key: &CodeKey,
        person: &str,
        reason: &str,
    ) -> Result<CodeHistory, EngineError> {
        let knowledge = self.knowledge.get();
        if !matches!(&**caller, Caller::Bureau(_) | Caller::Operator) {
            let why = "the history of a code names whoever sold it; only a bureau may look at it";
            return Err(EngineError::Denied(why.to_owned()));
        }
        if person.trim().is_empty() {
            return Err(EngineError::invalid("person", "is empty; each look is recorded with who looked"));
        }
        self.limits.check_text("person", Some(person))?;
        if reason.chars().count() > REASON_CHARS_MAX {
            let what = format!("has more than {REASON_CHARS_MAX} characters");
            return Err(EngineError::invalid("reason", what));
        }
        let history = self.history_of(key).await?.unwrap_or_default();
        let dossier = self.dossier_of(key).await?.unwrap_or_default();
        if let Caller::Bureau(prefix) = &**caller
            && !takes_part(prefix, &history, &dossier)
        {
            return Err(EngineError::NotFound(format!(
                "nothing is on record of this code in divisions {prefix}; look at codes of your own divisions"
            )));
        }
        let fact = self.fact(caller, Act::HistoryLook, key.to_string());
        let fact = fact.with("person", person).with("reason", reason);
        self.announced(fact, self.record_look(caller, key, person, reason)).await?;
        let product = product_of(key, &knowledge.scan_rules, &knowledge.registry);
        let mut events = self.events_of(&knowledge, key, &history, product.units_per_pack).await?;
        let mut attempts: Vec<_> = dossier.attempts.iter().map(attempted).collect();
        self.number_persons(&mut events, &mut attempts).await?;
        Ok(CodeHistory {
            events,
            key: key.clone(),
            catalog_code: product.catalog_code,
            drug_name: product.name,
            units_per_pack: product.units_per_pack,
            makers_error: knowledge.registry.makers_error(key).map(|entry| entry.notice_no.clone()),
            attempts,
            further_attempts: dossier.further_attempts,
            cases: dossier.cases.iter().map(|c| CaseName { key: key.clone(), number: c.number }).collect(),
            looks: self.looks_at(key).await?,
        })
    }

    /// Under which number looks at a code are found.
    fn look_paper(&self, key: &CodeKey) -> PaperKey {
        self.store.paper_key(&format!("look at {key}"))
    }

    /// A look is a request like any other: durable before it is answered, and kept for ever.
    async fn record_look(
        &self,
        caller: &Caller,
        key: &CodeKey,
        person: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let judgement = super::super::settle::allowed(true);
        let answer = self.answer(&judgement, &self.no_facts(), InstitutionCode::NOBODY);
        let request =
            RequestKey { institution: InstitutionCode::NOBODY, request_id: answer.outcome_id.clone() };
        let body = RequestBody::Look {
            code: key.to_string(),
            of: called(caller),
            name: person.to_owned(),
            reason: reason.to_owned(),
        };
        let outcome = Outcome::decided(body, answer, Vec::new());
        let outcomes = vec![OutcomeChange { key: request.clone(), expected: None, outcome }];
        let document = Some((request, self.look_paper(key)));
        Ok(self.store.commit(&Change { outcomes, document, ..Change::default() }).await?)
    }

    async fn looks_at(&self, key: &CodeKey) -> Result<Vec<Look>, EngineError> {
        let institution = InstitutionCode::NOBODY;
        let requests = self.store.requests_of(institution, self.look_paper(key), LOOKS_SHOWN_MAX).await?;
        let mut looks = Vec::with_capacity(requests.len());
        for request_id in requests {
            let outcome = self.store.outcome(&RequestKey { institution, request_id }).await?;
            let Some(Outcome { body: Some(RequestBody::Look { of, name, reason, .. }), answer, .. }) =
                outcome
            else {
                continue;
            };
            let at = answer.map_or(Timestamp::UNIX_EPOCH, |answer| answer.decided_at);
            looks.push(Look { at, of, name, reason });
        }
        looks.sort_by_key(|look| std::cmp::Reverse(look.at));
        Ok(looks)
    }

    async fn events_of(
        &self,
        knowledge: &Knowledge,
        key: &CodeKey,
        history: &History,
        units_per_pack: Option<u32>,
    ) -> Result<Vec<HistoryEvent>, EngineError> {
        let lens = lens(self.clock.now(), knowledge.policy.settings(), units_per_pack);
        let mut events = Vec::with_capacity(history.events.len());
        for (number, event) in (1_u32..).zip(&history.events) {
            let is_annulled = matches!(event, Event::Annulled(_));
            let told = event.told();
            let (fate, details) = match told {
                Event::Sale(sale) => {
                    let name = SaleName::of(sale);
                    let fate = if is_annulled { Fate::Annulled } else { history.fate_of(&name, &lens) };
                    let fate = if sale.status == SaleStatus::Voided { Fate::Voided } else { fate };
                    (Some(fate), self.details_on_record(knowledge, key, &name, &sale.part).await?)
                }
                Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => (None, Details::default()),
            };
            events.push(HistoryEvent { number, event: told.clone(), is_annulled, fate, details, person: 0 });
        }
        Ok(events)
    }

    /// Says which sales and attempts were handed to the same person.
    async fn number_persons(
        &self,
        events: &mut [HistoryEvent],
        attempts: &mut [HistoryAttempt],
    ) -> Result<(), EngineError> {
        let sold = events.iter().map(|one| match &one.event {
            Event::Sale(sale) => one.details.request_of(sale.institution),
            Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => None,
        });
        let tried = attempts.iter().map(|one| one.details.request_of(one.name.institution));
        let persons = self.persons_of(sold.chain(tried).collect()).await?;
        let places = events.iter_mut().map(|one| &mut one.person);
        let places = places.chain(attempts.iter_mut().map(|one| &mut one.person));
        places.zip(persons).for_each(|(place, person)| *place = person);
        Ok(())
    }

    /// Numbers the persons of requests, see [`numbered`].
    pub(super) async fn persons_of(
        &self,
        requests: Vec<Option<RequestKey>>,
    ) -> Result<Vec<u32>, EngineError> {
        let knowledge = self.knowledge.get();
        // Whose join key was destroyed is nobody.
        let stands = |mark: &PersonMark| {
            knowledge.registry.join_keys().any(|key| key.version == mark.key_version && key.sealed.is_some())
        };
        let mut marks = Vec::with_capacity(requests.len());
        for request in requests {
            let outcome = match &request {
                Some(key) => self.store.outcome(key).await?,
                None => None,
            };
            marks.push(outcome.and_then(|outcome| outcome.person).filter(stands));
        }
        Ok(numbered(&marks))
    }

    /// What the request that brought a sale says of it; nothing where it cannot be found.
    pub(super) async fn details_on_record(
        &self,
        knowledge: &Knowledge,
        key: &CodeKey,
        name: &SaleName,
        part: &Part,
    ) -> Result<Details, EngineError> {
        let Some(document) = name.document else { return Ok(Details::default()) };
        let institution = name.institution;
        let requests = self.store.requests_of(institution, document, REQUESTS_LOOKED_AT_MAX).await?;
        for request_id in requests {
            let request = RequestKey { institution, request_id };
            let Some(outcome) = self.store.outcome(&request).await? else { continue };
            if outcome.state == OutcomeState::Never {
                continue;
            }
            if let Some(details) = details_in(&request.request_id, &outcome, knowledge, key, part) {
                return Ok(details);
            }
        }
        Ok(Details::default())
    }
}

fn attempted(attempt: &Attempt) -> HistoryAttempt {
    let Attempt { sale, details } = attempt;
    let (name, occurred_at) = (SaleName::of(sale), sale.occurred_at);
    HistoryAttempt { name, occurred_at, details: details.clone(), person: 0 }
}

/// Whether anything of a code happened in an area.
fn takes_part(prefix: &str, history: &History, dossier: &Dossier) -> bool {
    let within = |code: InstitutionCode| code.division().is_within(prefix);
    let by = |event: &Event| match event.told() {
        Event::Sale(sale) => within(sale.institution),
        Event::Return(back) => within(back.institution),
        Event::Movement(moved) => within(moved.institution) || moved.destination.is_some_and(within),
        Event::Annulled(_) => false,
    };
    history.events.iter().any(by) || dossier.attempts.iter().any(|a| within(a.sale.institution))
}
