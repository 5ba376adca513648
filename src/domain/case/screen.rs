//! What follows for the cases of a code from what is known of it now. The same facts give the same dossier, so asking
//! twice changes nothing.

use super::dossier::make_room;
use super::workflow::CaseState;
use super::{
    Actor, Case, CaseClass, Conclusion, Details, Dossier, Ending, INVOLVED_MAX, Involved, Proposal,
    ProposalKind, Side, Step, StepKind,
};
use crate::domain::claim::{
    Collision, ConflictKind, Event, Fate, Folded, History, Lens, Picture, PicturedSale, SaleName,
};
use crate::domain::policy::{CaseRules, VersionText};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use std::borrow::Cow;

/// What is known now.
#[derive(Debug, Clone, Copy)]
pub struct Screening<'a> {
    /// The code's history.
    pub history: &'a History,
    /// How it is looked at.
    pub lens: Lens,
    /// Deadlines.
    pub rules: &'a CaseRules,
    /// The policy in force.
    pub policy_version: &'a VersionText,
    /// The notice by which the maker printed this code more than once.
    pub makers_error: Option<&'a str>,
    /// The drug, where the code's prefix is mapped.
    pub catalog_code: Option<&'a str>,
    /// Details of sales that the dossier does not know.
    pub details: &'a [(SaleName, Details)],
}

impl Dossier {
    /// The duplicates of a picture whose details a screening needs and the dossier does not have: what they brought is at
    /// stake.
    pub fn unknown_duplicates<'a>(
        &'a self,
        picture: &'a Picture,
    ) -> impl Iterator<Item = &'a PicturedSale> + 'a {
        let unknown = |sale: &&PicturedSale| {
            let known = |case: &Case| {
                case.involved(&sale.name)
                    .is_some_and(|involved| !involved.is_attempt && !involved.details.is_empty())
            };
            !sale.is_attempt && !self.cases.iter().any(known)
        };
        let unsettled = picture.collisions.iter().filter(|collision| !self.has_settled(collision, picture));
        unsettled.filter_map(|collision| picture.sales.get(collision.later)).filter(unknown)
    }

    /// The dossier as it shall be; `None` = it is right already.
    pub fn screened(&self, screening: &Screening<'_>) -> Option<Self> {
        let mut next = self.clone();
        next.screen(&self.picture(screening.history, &screening.lens), screening).then_some(next)
    }

    /// Brings it up to date on the [`picture`](Self::picture) of that history; gives whether anything changed. Of what it
    /// holds only its open case can change.
    pub fn screen(&mut self, picture: &Picture, screening: &Screening<'_>) -> bool {
        let open = self.cases.iter().position(|case| !case.is_closed());
        let changed = match (open, screening.makers_error) {
            (Some(at), notice) => {
                // Aside meanwhile: what is settled follows from the closed ones alone.
                let mut case = self.cases.remove(at);
                let before = case.clone();
                match notice {
                    Some(notice) => {
                        case.close_by_itself(Ending::MakersError, notice.to_owned(), screening);
                    }
                    None => self.screen_open(&mut case, picture, screening),
                }
                let changed = case != before;
                self.cases.insert(at, case);
                changed
            }
            (None, Some(_)) => false,
            (None, None) => {
                let case = self.new_case(picture, screening);
                let opens = case.is_some();
                make_room(&mut self.cases, usize::from(opens));
                self.cases.extend(case);
                opens
            }
        };
        self.version = self.version.saturating_add(u32::from(changed));
        changed
    }

    /// The case that opens; `None` where nothing collides that is not settled.
    fn new_case(&self, picture: &Picture, screening: &Screening<'_>) -> Option<Case> {
        let number = u32::try_from(self.cases.len()).unwrap_or(u32::MAX).saturating_add(1);
        let unsettled = self.unsettled(picture);
        let mut case = Self::opened(number, picture, &unsettled, screening)?;
        self.propose_by_word(&mut case, picture, &unsettled, screening);
        Some(case)
    }

    /// The sales of a history and the attempts at it.
    pub fn picture(&self, history: &History, lens: &Lens) -> Picture {
        history.picture(self.attempts.iter().map(|attempt| &attempt.sale), lens)
    }

    /// As [`picture`](Self::picture), from what the judgement of the last sale or attempt folded; `None` = that is not all
    /// that is known.
    pub fn picture_from(&self, folded: &Folded, history: &History, lens: &Lens) -> Option<Picture> {
        match self.attempts.as_slice() {
            [] => folded.recorded(history, lens),
            [only] => folded.attempted(history, &only.sale, lens),
            _ => None,
        }
    }

    /// The collisions that no closed case has settled: nearly always all of them.
    fn unsettled<'a>(&self, picture: &'a Picture) -> Cow<'a, [Collision]> {
        if !self.cases.iter().any(Case::is_closed) {
            return Cow::Borrowed(&picture.collisions);
        }
        let unsettled = picture.collisions.iter().filter(|collision| !self.has_settled(collision, picture));
        unsettled.copied().collect()
    }

    /// Whether a closed case has settled a collision.
    fn has_settled(&self, collision: &Collision, picture: &Picture) -> bool {
        let knows = |case: &Case| {
            let sides = [collision.earlier, collision.later].map(|at| picture.sales.get(at));
            sides.iter().flatten().all(|sale| case.involved(&sale.name).is_some())
        };
        self.cases.iter().filter(|case| case.is_closed()).any(knows)
    }

    /// A new case over collisions; `None` where there are none.
    fn opened(
        number: u32,
        picture: &Picture,
        collisions: &[Collision],
        screening: &Screening<'_>,
    ) -> Option<Case> {
        let class = class_of(collisions.first()?.kind);
        let mut case = Case {
            number,
            class,
            state: CaseState::Detected,
            opened_at: screening.lens.now,
            changed_at: screening.lens.now,
            policy_version: screening.policy_version.clone(),
            catalog_code: screening.catalog_code.map(str::to_owned),
            involved: Vec::new(),
            further: 0,
            by_word: false,
            due_on: None,
            proposal: None,
            refunded: Decimal::ZERO,
            conclusion: None,
            steps: Vec::with_capacity(1),
        };
        case.take(picture, collisions, screening);
        case.enter(CaseState::Detected, screening.lens.now, screening.rules);
        case.note(StepKind::Detected, String::new(), screening);
        Some(case)
    }

    /// Brings an open case up to date.
    fn screen_open(&self, case: &mut Case, picture: &Picture, screening: &Screening<'_>) {
        let believed;
        let picture = if case.by_word {
            believed = self.picture(screening.history, &by_word(&screening.lens));
            &believed
        } else {
            picture
        };
        let unsettled = self.unsettled(picture);
        if unsettled.is_empty() {
            return self.end(case, screening);
        }
        let before = (case.involved.len(), case.further, case.sides());
        case.take(picture, &unsettled, screening);
        let after = (case.involved.len(), case.further, case.sides());
        if (after.0, after.1) != (before.0, before.1) {
            case.note(StepKind::Joined, String::new(), screening);
        } else if after.2 != before.2 {
            case.note(StepKind::Reclassed, String::new(), screening);
        }
        self.propose_by_word(case, picture, &unsettled, screening);
    }

    /// Proposes what would follow if every word were believed, however late it came.
    fn propose_by_word(
        &self,
        case: &mut Case,
        picture: &Picture,
        unsettled: &[Collision],
        screening: &Screening<'_>,
    ) {
        let is_late = |event: &Event| screening.lens.is_proposal(event);
        if case.by_word || !screening.history.events.iter().any(is_late) {
            return case.propose(None, screening);
        }
        let believed = self.picture(screening.history, &by_word(&screening.lens));
        let collisions = self.unsettled(&believed);
        let proposal = if collisions.is_empty() {
            Some(ProposalKind::Close)
        } else if later_of(&believed, &collisions) != later_of(picture, unsettled) {
            Some(ProposalKind::Flip)
        } else {
            None
        };
        case.propose(proposal, screening);
    }

    /// Nothing collides any more: the case closes by itself, unless that rests on a word that came too late.
    fn end(&self, case: &mut Case, screening: &Screening<'_>) {
        let fate = |involved: &Involved| screening.history.fate_of(&involved.name, &screening.lens);
        let fates: Vec<Fate> = case.involved.iter().map(fate).collect();
        let late = |(involved, fate): (&Involved, &Fate)| {
            let age = screening.lens.now.duration_since(involved.occurred_at);
            *fate == Fate::Voided && involved.fate != Fate::Voided && age > screening.lens.proposal_limit
        };
        if !case.by_word && case.involved.iter().zip(&fates).any(late) {
            return case.propose(Some(ProposalKind::Close), screening);
        }
        for (involved, fate) in case.involved.iter_mut().zip(&fates) {
            involved.side = Side::Cleared;
            if !involved.is_attempt {
                involved.fate = *fate;
            }
        }
        let (ending, why) = if fates.contains(&Fate::Annulled) {
            (Ending::DataError, "a wrong event was taken out")
        } else if fates.contains(&Fate::Voided) {
            (Ending::Lawful, "a document of it was cancelled in time")
        } else if fates.contains(&Fate::Returned) {
            (Ending::Lawful, "the earlier sale was returned before the later one")
        } else {
            (Ending::Lawful, "what is known by now leaves no duplicate")
        };
        case.close_by_itself(ending, why.to_owned(), screening);
    }
}

/// A lens that believes every word, however late it came.
const fn by_word(lens: &Lens) -> Lens {
    Lens { proposal_limit: SignedDuration::MAX, ..*lens }
}

/// Names of the later sides.
fn later_of(picture: &Picture, collisions: &[Collision]) -> Vec<SaleName> {
    let mut names: Vec<SaleName> = Vec::new();
    for sale in collisions.iter().filter_map(|c| picture.sales.get(c.later)) {
        if !names.contains(&sale.name) {
            names.push(sale.name.clone());
        }
    }
    names.sort_by_key(|name| (name.institution, name.document, name.visit, name.line));
    names
}

fn class_of(kind: ConflictKind) -> CaseClass {
    match kind {
        ConflictKind::Duplicate(class) => class.into(),
        ConflictKind::SplitElsewhere => CaseClass::SplitElsewhere,
    }
}

impl Case {
    fn sides(&self) -> Vec<(Side, Option<CaseClass>)> {
        self.involved.iter().map(|involved| (involved.side, involved.class)).collect()
    }

    /// Takes in what collides, and says of everything which side it is on.
    fn take(&mut self, picture: &Picture, collisions: &[Collision], screening: &Screening<'_>) {
        let sides = || {
            picture.sales.iter().enumerate().filter_map(|(at, sale)| {
                let (side, class) = side_of(at, collisions)?;
                Some((sale, side, class))
            })
        };
        let before = self.involved.len();
        make_room(&mut self.involved, picture.sales.len().saturating_sub(before).min(INVOLVED_MAX));
        let mut further = 0;
        for (sale, side, class) in sides() {
            let known = self.involved.iter_mut().find(|involved| involved.name.is_same(&sale.name));
            let fate = if sale.is_returned { Fate::Returned } else { Fate::Stands };
            let fate = if sale.is_attempt { Fate::NeverSold } else { fate };
            if let Some(known) = known {
                if known.details.is_empty() && !sale.is_attempt {
                    known.details = details_of(&sale.name, screening);
                }
                known.see(sale, side, class, fate);
            } else if self.involved.len() < INVOLVED_MAX {
                // Those of an attempt stand with it.
                let details =
                    if sale.is_attempt { Details::default() } else { details_of(&sale.name, screening) };
                self.involved.push(involve(sale, side, class, fate, details));
            } else {
                further += 1;
            }
        }
        self.further = further;
        // Those that were added just now are on a side.
        for involved in self.involved.iter_mut().take(before) {
            if sides().all(|(sale, ..)| !sale.name.is_same(&involved.name)) {
                involved.side = Side::Cleared;
                involved.class = None;
                if !involved.is_attempt {
                    involved.fate = screening.history.fate_of(&involved.name, &screening.lens);
                }
            }
        }
        if let Some(class) = collisions.first().map(|collision| class_of(collision.kind)) {
            self.class = class;
        }
    }

    fn propose(&mut self, kind: Option<ProposalKind>, screening: &Screening<'_>) {
        let history_version = screening.history.version;
        let Some(kind) = kind else {
            self.proposal = self.proposal.take().filter(|proposal| proposal.is_rejected);
            return;
        };
        let known = |proposal: &Proposal| {
            proposal.kind == kind && (!proposal.is_rejected || proposal.history_version == history_version)
        };
        if self.proposal.as_ref().is_some_and(known) {
            return;
        }
        self.proposal = Some(Proposal { kind, history_version, is_rejected: false });
        self.note(StepKind::Proposed, kind.name().to_owned(), screening);
    }

    fn close_by_itself(&mut self, ending: Ending, why: String, screening: &Screening<'_>) {
        self.conclusion = Some(Conclusion::without(ending));
        self.proposal = None;
        self.enter(CaseState::Closed, screening.lens.now, screening.rules);
        self.note(StepKind::Closed, why, screening);
    }

    /// Adds a step of the gateway.
    fn note(&mut self, kind: StepKind, note: String, screening: &Screening<'_>) {
        self.changed_at = screening.lens.now;
        self.steps.push(Step {
            kind,
            state: self.state,
            at: screening.lens.now,
            actor: Actor::system(),
            note,
            files: Vec::new(),
            amount: None,
            policy_version: screening.policy_version.clone(),
        });
    }
}

/// On which side of collisions a sale of their picture is, and what it is a duplicate of; `None` = on none.
fn side_of(at: usize, collisions: &[Collision]) -> Option<(Side, Option<CaseClass>)> {
    if let Some(collision) = collisions.iter().find(|collision| collision.later == at) {
        return Some((Side::Duplicate, Some(class_of(collision.kind))));
    }
    collisions.iter().any(|collision| collision.earlier == at).then_some((Side::First, None))
}

fn details_of(name: &SaleName, screening: &Screening<'_>) -> Details {
    let found = screening.details.iter().find(|(known, _)| known.is_same(name));
    found.map(|(_, details)| details.clone()).unwrap_or_default()
}

fn involve(
    sale: &PicturedSale,
    side: Side,
    class: Option<CaseClass>,
    fate: Fate,
    details: Details,
) -> Involved {
    Involved {
        name: sale.name.clone(),
        is_attempt: sale.is_attempt,
        side,
        class,
        occurred_at: sale.occurred_at,
        received_at: sale.received_at,
        fate,
        details,
    }
}

impl Involved {
    /// What is known of it now.
    fn see(&mut self, sale: &PicturedSale, side: Side, class: Option<CaseClass>, fate: Fate) {
        self.name = sale.name.clone();
        self.side = side;
        self.class = class;
        self.is_attempt = sale.is_attempt;
        self.occurred_at = sale.occurred_at;
        self.received_at = sale.received_at;
        self.fate = fate;
    }
}
