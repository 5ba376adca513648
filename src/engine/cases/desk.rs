//! What bureaus and institutions ask and do.

use super::super::{ATTEMPTS_MAX, Engine, EngineError, Knowledge};
use super::sight::{CaseView, InvolvedView, acts_as, called, may_see, sight_of, view};
use crate::domain::access::Principal;
use crate::domain::case::{
    Action, Actor, ActorKind, CaseName, Deed, Details, Dossier, FileReference, GroupBy, Refused,
};
use crate::domain::claim::{History, Part};
use crate::domain::code::CodeKey;
use crate::domain::judge::ClaimChange;
use crate::domain::party::{Caller, InstitutionCode};
use crate::domain::tally::Count;
use crate::domain::time::day_of;
use crate::index::cases::{CaseFilter, Cursor, Summary};
use crate::store::{Change, DossierChange};
use crate::trail::Act;
use std::sync::Arc;
use tokio::sync::watch;

/// Cases of a page at most.
pub const PAGE_CASES_MAX: usize = 500;
/// Changed cases that are fetched at once for whoever watches.
const WATCHED_AT_ONCE: usize = 200;

/// A page of cases, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasesPage {
    /// The cases.
    pub cases: Vec<CaseView>,
    /// Where the next page begins; `None` = there is none.
    pub next: Option<Cursor>,
    /// Every case is known: `false` while the gateway still reads them.
    pub is_complete: bool,
}

/// What somebody does to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Which.
    pub name: CaseName,
    /// What.
    pub action: Action,
    /// The person.
    pub person: String,
    /// In their words.
    pub note: String,
    /// What they refer to.
    pub files: Vec<FileReference>,
    /// The version that they have seen; `None` = whatever stands.
    pub version: Option<u32>,
}

/// A case that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCase {
    /// Its place in the order of changes: watching goes on behind it.
    pub place: u64,
    /// The case as it stands now.
    pub case: CaseView,
}

impl Engine {
    /// Cases that a filter lets pass and the caller may see, newest first.
    pub async fn list_cases(
        &self,
        caller: &Caller,
        filter: CaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<CasesPage, EngineError> {
        let knowledge = self.knowledge.get();
        let filter = CaseFilter { sight: sight_of(caller, &knowledge), ..filter };
        let page = self.case_index.page(&filter, after, limit.clamp(1, PAGE_CASES_MAX));
        let keys: Vec<_> = page.cases.iter().map(|name| name.key.clone()).collect();
        let dossiers = self.store.dossiers(&keys).await?;
        let now = self.clock.now();
        let mut cases = Vec::with_capacity(dossiers.len());
        for (name, dossier) in page.cases.into_iter().zip(&dossiers) {
            let Some(dossier) = dossier else { continue };
            let Some(case) = dossier.case(name.number) else { continue };
            let shown = view(caller, &knowledge, name, dossier, case, now);
            cases.push(self.with_details(&knowledge, shown).await?);
        }
        let is_complete = self.case_index.is_complete();
        Ok(CasesPage { cases, next: page.next, is_complete })
    }

    /// One case. What the caller may not see is not there.
    pub async fn case(&self, caller: &Caller, name: &CaseName) -> Result<CaseView, EngineError> {
        let knowledge = self.knowledge.get();
        let dossier = self.dossier_seen_by(caller, name, &knowledge).await?;
        let case = dossier.case(name.number).ok_or_else(|| no_case(name))?;
        let shown = view(caller, &knowledge, name.clone(), &dossier, case, self.clock.now());
        self.in_full(caller, &knowledge, shown).await
    }

    /// A case with everything that requests say of its sales.
    async fn in_full(
        &self,
        caller: &Caller,
        knowledge: &Knowledge,
        shown: CaseView,
    ) -> Result<CaseView, EngineError> {
        let mut shown = self.with_details(knowledge, shown).await?;
        if acts_as(caller) == ActorKind::Bureau {
            let sales = shown.involved.iter();
            let requests = sales.map(|one| one.institution.and_then(|code| one.details.request_of(code)));
            let persons = self.persons_of(requests.collect()).await?;
            shown.involved.iter_mut().zip(persons).for_each(|(one, person)| one.person = person);
        }
        Ok(shown)
    }

    /// What the requests say of sales of which the dossier itself keeps nothing.
    async fn with_details(
        &self,
        knowledge: &Knowledge,
        mut shown: CaseView,
    ) -> Result<CaseView, EngineError> {
        let bare = |one: &InvolvedView| one.institution.is_some() && one.details == Details::default();
        for (one, kept) in shown.involved.iter_mut().zip(&shown.case.involved) {
            if bare(one) && !one.is_attempt {
                let part = Part::of_line(kept.name.line);
                one.details = self.details_on_record(knowledge, &shown.name.key, &kept.name, &part).await?;
            }
        }
        Ok(shown)
    }

    async fn dossier_seen_by(
        &self,
        caller: &Caller,
        name: &CaseName,
        knowledge: &Knowledge,
    ) -> Result<Dossier, EngineError> {
        let dossier = self.dossier_of(&name.key).await?.ok_or_else(|| no_case(name))?;
        match dossier.case(name.number) {
            Some(case) if may_see(caller, case, knowledge) => Ok(dossier),
            Some(_) | None => Err(no_case(name)),
        }
    }

    /// Does something to a case; gives it as it is then.
    pub async fn advance_case(&self, caller: &Principal, advance: Advance) -> Result<CaseView, EngineError> {
        self.limits.check_text("person", Some(&advance.person))?;
        // What is refused anyway is no entry.
        let (_, change) = self.next_of(caller, &advance).await?;
        let seen = change.dossiers.first().and_then(|change| change.expected);
        let fact = self.fact(caller, Act::CaseAdvance, advance.name.to_string());
        let fact = fact.with("action", advance.action.kind().name()).with("person", advance.person.as_str());
        self.announced(fact.with("version", seen), self.advance_in_turn(caller, &advance)).await
    }

    async fn advance_in_turn(&self, caller: &Caller, advance: &Advance) -> Result<CaseView, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let (knowledge, change) = self.next_of(caller, advance).await?;
            let next = change.dossiers.first().map(|change| change.dossier.clone()).unwrap_or_default();
            if self.committed(&change).await? {
                let case = next.case(advance.name.number).ok_or_else(|| no_case(&advance.name))?;
                let name = advance.name.clone();
                let shown = view(caller, &knowledge, name, &next, case, self.clock.now());
                return self.in_full(caller, &knowledge, shown).await;
            }
        }
        Err(EngineError::Contended)
    }

    /// What follows from doing something to a case as it stands now.
    async fn next_of(
        &self,
        caller: &Caller,
        advance: &Advance,
    ) -> Result<(Arc<Knowledge>, Change), EngineError> {
        let knowledge = self.knowledge.get();
        let dossier = self.dossier_seen_by(caller, &advance.name, &knowledge).await?;
        if advance.version.is_some_and(|seen| seen != dossier.version) {
            return Err(EngineError::Precondition(format!(
                "the case has changed since version {} was read, it is at {} now; read it again",
                advance.version.unwrap_or_default(),
                dossier.version
            )));
        }
        let change = self.advanced(caller, advance, &dossier, &knowledge).await?;
        Ok((knowledge, change))
    }

    async fn advanced(
        &self,
        caller: &Caller,
        advance: &Advance,
        dossier: &Dossier,
        knowledge: &Knowledge,
    ) -> Result<Change, EngineError> {
        let case = dossier.case(advance.name.number).ok_or_else(|| no_case(&advance.name))?;
        if let Caller::Bureau(prefix) = caller
            && let Some(place) = case.place_of_care().filter(|place| !place.is_within(prefix))
        {
            return Err(EngineError::Denied(format!(
                "this case is handled in division {place}, where the duplicate was dispensed; bureau {prefix} may see \
                 it and not change it"
            )));
        }
        let now = self.clock.now();
        let deed = Deed {
            action: advance.action.clone(),
            actor: Actor { kind: acts_as(caller), of: called(caller), name: advance.person.clone() },
            at: now,
            note: advance.note.clone(),
            files: advance.files.clone(),
            policy_version: knowledge.policy_version.clone(),
        };
        let rules = &knowledge.policy.settings().cases;
        let done = dossier.advanced(advance.name.number, &deed, rules).map_err(refused)?;
        let key = &advance.name.key;
        let stood = self.history_of(key).await?.unwrap_or_default();
        let (claims, history) = match advance.action {
            Action::AnnulEvent { number } => annulled(key, &stood, number)?,
            Action::Push
            | Action::Explain
            | Action::Appeal
            | Action::BeginReview
            | Action::BeginSecondReview
            | Action::Close { .. }
            | Action::MarkRefund { .. }
            | Action::AcceptProposal
            | Action::RejectProposal => (Vec::new(), stood.clone()),
        };
        let mut count = Count::default();
        claims.iter().for_each(|claim| count.change(Some(&stood), &claim.history));
        // What follows from it at once: an annulled event, a sale that is believed from now on.
        let screened = self.screen_dossier(knowledge, now, (key, &history), Some(done.clone())).await?;
        let mut next = screened.map_or(done, |change| change.dossier);
        next.version = dossier.version.saturating_add(1);
        let dossiers =
            vec![DossierChange { key: key.clone(), expected: Some(dossier.version), dossier: next }];
        Ok(Change { claims, dossiers, tallies: count.tallies(), ..Change::default() })
    }

    /// Cases counted by groups, of what the caller may see. Institutions count nothing but their own.
    pub fn summarize_cases(&self, caller: &Caller, filter: CaseFilter, by: GroupBy) -> Vec<Summary> {
        let knowledge = self.knowledge.get();
        let sight = sight_of(caller, &knowledge);
        let mut groups = self.case_index.summarize(&CaseFilter { sight, ..filter }, by);
        if acts_as(caller) == ActorKind::Institution && by == GroupBy::Institution {
            // The other side of a case must not be named by a count.
            let own = |group: &Summary| {
                InstitutionCode::parse(&group.group)
                    .is_ok_and(|code| caller.may_know(code, knowledge.registry.institution(code)))
            };
            groups.retain(own);
        }
        groups
    }

    /// Whether every case is known: not while the gateway still reads them.
    pub fn knows_all_cases(&self) -> bool {
        self.case_index.is_complete()
    }

    /// Codes with an open case, as far as this gateway knows.
    pub fn open_cases(&self) -> usize {
        self.case_index.open_count()
    }

    /// The day of now, in Asia/Shanghai.
    pub fn today(&self) -> jiff::civil::Date {
        day_of(self.clock.now())
    }

    /// Told of the last place in the order of changes of cases.
    pub fn case_changes(&self) -> watch::Receiver<u64> {
        self.case_index.last_place()
    }

    /// Cases that changed behind a place and that the caller may see, in the order of their changes; and the place up
    /// to which all were looked at.
    pub async fn changed_cases(
        &self,
        caller: &Caller,
        behind: u64,
    ) -> Result<(Vec<WatchedCase>, u64), EngineError> {
        let knowledge = self.knowledge.get();
        let changed = self.case_index.changed_behind(behind, WATCHED_AT_ONCE);
        let up_to = changed.last().map_or(behind, |(place, _)| *place);
        let keys: Vec<_> = changed.iter().map(|(_, key)| key.clone()).collect();
        let dossiers = self.store.dossiers(&keys).await?;
        let now = self.clock.now();
        let mut found = Vec::new();
        for ((place, key), dossier) in changed.into_iter().zip(dossiers) {
            let Some(dossier) = dossier else { continue };
            // The one that was changed last; an older one is closed and changes no more.
            let Some(case) = dossier.cases.iter().max_by_key(|case| (case.changed_at, case.number)) else {
                continue;
            };
            if may_see(caller, case, &knowledge) {
                let name = CaseName { key, number: case.number };
                let shown = view(caller, &knowledge, name, &dossier, case, now);
                found.push(WatchedCase { place, case: self.with_details(&knowledge, shown).await? });
            }
        }
        Ok((found, up_to))
    }
}

/// A history without the effect of one event.
fn annulled(
    key: &CodeKey,
    history: &History,
    number: u32,
) -> Result<(Vec<ClaimChange>, History), EngineError> {
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let next = place.and_then(|place| history.annulled(place)).ok_or_else(|| {
        let what =
            format!("{number} is no event of this code that counts; the code's history numbers them from 1");
        EngineError::invalid("event_number", what)
    })?;
    let change = ClaimChange { key: key.clone(), expected: Some(history.version), history: next.clone() };
    Ok((vec![change], next))
}

fn no_case(name: &CaseName) -> EngineError {
    EngineError::NotFound(format!("no case {name} is on record that this caller may see"))
}

fn refused(why: Refused) -> EngineError {
    match why {
        Refused::NoSuchCase => EngineError::NotFound(why.to_string()),
        Refused::NoName => EngineError::invalid("person", why.to_string()),
        Refused::NoNote(_) | Refused::TooLong => EngineError::invalid("note", why.to_string()),
        Refused::TooMuch { .. } | Refused::NoAmount | Refused::AmountNeeded | Refused::AmountUnexpected => {
            EngineError::invalid("amount", why.to_string())
        }
        Refused::NotNow { .. }
        | Refused::NotOverdue(_)
        | Refused::SameReviewer(_)
        | Refused::TooManySteps
        | Refused::NoProposal
        | Refused::NothingToRecover => EngineError::Precondition(why.to_string()),
    }
}
