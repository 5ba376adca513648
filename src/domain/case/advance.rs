//! What people do to a case. Each deed is a step that stays in the record; nothing is recovered twice.

use super::workflow::{ActionKind, ActorKind, CaseState, allowed, next_state};
use super::{
    Actor, Case, Conclusion, Dossier, Ending, FILES_MAX, FileReference, NOTE_CHARS_MAX, ProposalKind,
    STEPS_MAX, Step, StepKind,
};
use crate::domain::claim::SaleName;
use crate::domain::policy::{CaseRules, VersionText};
use crate::domain::time::day_of;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

/// What shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send it to the institution.
    Push,
    /// Explain it.
    Explain,
    /// Appeal against it.
    Appeal,
    /// Begin the first review.
    BeginReview,
    /// Hand it to a second reviewer.
    BeginSecondReview,
    /// Close it.
    Close {
        /// How it ends.
        ending: Ending,
        /// Yuan to be recovered, for a violation; `None` = all that is at stake.
        amount: Option<Decimal>,
    },
    /// Mark money that was given back voluntarily.
    MarkRefund {
        /// Yuan.
        amount: Decimal,
    },
    /// Take an event out of the code's history, which is done beside it.
    AnnulEvent {
        /// Its number in the history, from 1.
        number: u32,
    },
    /// Accept what a late event proposes.
    AcceptProposal,
    /// Reject what a late event proposes.
    RejectProposal,
}

impl Action {
    /// Its row in the table of the workflow.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Push => ActionKind::Push,
            Self::Explain => ActionKind::Explain,
            Self::Appeal => ActionKind::Appeal,
            Self::BeginReview => ActionKind::BeginReview,
            Self::BeginSecondReview => ActionKind::BeginSecondReview,
            Self::Close { .. } => ActionKind::Close,
            Self::MarkRefund { .. } => ActionKind::MarkRefund,
            Self::AnnulEvent { .. } => ActionKind::AnnulEvent,
            Self::AcceptProposal => ActionKind::AcceptProposal,
            Self::RejectProposal => ActionKind::RejectProposal,
        }
    }

    /// Whether whoever does it must say why.
    const fn needs_note(&self) -> bool {
        match self {
            Self::Explain
            | Self::Appeal
            | Self::BeginSecondReview
            | Self::Close { .. }
            | Self::AnnulEvent { .. }
            | Self::AcceptProposal
            | Self::RejectProposal => true,
            Self::Push | Self::BeginReview | Self::MarkRefund { .. } => false,
        }
    }

    const fn step(&self) -> StepKind {
        match self {
            Self::Push => StepKind::Pushed,
            Self::Explain => StepKind::Explained,
            Self::Appeal => StepKind::Appealed,
            Self::BeginReview => StepKind::FirstReview,
            Self::BeginSecondReview => StepKind::SecondReview,
            Self::Close { .. } => StepKind::Closed,
            Self::MarkRefund { .. } => StepKind::RefundMarked,
            Self::AnnulEvent { .. } => StepKind::EventAnnulled,
            Self::AcceptProposal => StepKind::ProposalAccepted,
            Self::RejectProposal => StepKind::ProposalRejected,
        }
    }
}

/// An action with who does it, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub action: Action,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub note: String,
    /// What they refer to.
    pub files: Vec<FileReference>,
    /// The policy in force.
    pub policy_version: VersionText,
}

/// Why something cannot be done to a case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such case.
    #[error("no such case is on record")]
    NoSuchCase,
    /// Not by them, or not now.
    #[error("{action} is not possible for {by} while the case is {state}{}", list_of(.possible))]
    NotNow {
        /// What was asked.
        action: ActionKind,
        /// By whom.
        by: ActorKind,
        /// Where the case stands.
        state: CaseState,
        /// What they may do instead.
        possible: Vec<ActionKind>,
    },
    /// The institution still has time to answer.
    #[error("the institution may answer until {0}; begin the review after that day, or once it has answered")]
    NotOverdue(Date),
    /// Four eyes.
    #[error("the second review is closed by somebody else than whoever began the first one ({0})")]
    SameReviewer(String),
    /// No name was given.
    #[error("name the person who acts")]
    NoName,
    /// No reason was given.
    #[error("{0} needs a note that says why")]
    NoNote(ActionKind),
    /// Longer than is kept.
    #[error("a note has at most {NOTE_CHARS_MAX} characters and a step at most {FILES_MAX} files")]
    TooLong,
    /// The case has too many steps.
    #[error("the case has {STEPS_MAX} steps, the most that are kept; it can only be closed")]
    TooManySteps,
    /// Nothing is proposed.
    #[error("nothing is proposed that could be accepted or rejected")]
    NoProposal,
    /// Nothing was sold, or it was recovered before.
    #[error(
        "nothing can be recovered: no duplicate of this case is a sale that the fund paid and nobody recovered yet"
    )]
    NothingToRecover,
    /// More than what is at stake.
    #[error("at most {most} yuan can be recovered or refunded here")]
    TooMuch {
        /// Yuan.
        most: Decimal,
    },
    /// An amount that is no amount.
    #[error("an amount is above zero")]
    NoAmount,
    /// The amount is needed.
    #[error("the amount of a duplicate is not known; name the amount to recover")]
    AmountNeeded,
    /// Only a violation has an amount.
    #[error("only a violation is closed with an amount")]
    AmountUnexpected,
}

fn list_of(actions: &[ActionKind]) -> String {
    if actions.is_empty() {
        return "; nothing more is".to_owned();
    }
    let names: Vec<_> = actions.iter().map(|action| action.name()).collect();
    format!("; possible: {}", names.join(", "))
}

impl Dossier {
    /// The dossier after a deed, or why it cannot be done.
    pub fn advanced(&self, number: u32, deed: &Deed, rules: &CaseRules) -> Result<Self, Refused> {
        let case = self.case(number).ok_or(Refused::NoSuchCase)?;
        let state = check(case, deed)?;
        let at_stake = self.at_stake(case);
        let mut changed = case.clone();
        let mut amount = None;
        match &deed.action {
            Action::Close { ending: Ending::Violation, amount: asked } => {
                let (recovered, recovered_from) = self.recovery(case, *asked)?;
                amount = Some(recovered);
                changed.conclusion =
                    Some(Conclusion { ending: Ending::Violation, recovered, recovered_from });
            }
            Action::Close { amount: Some(_), .. } => return Err(Refused::AmountUnexpected),
            Action::Close { ending, amount: None } => changed.conclusion = Some(Conclusion::without(*ending)),
            Action::MarkRefund { amount: refund } => {
                check_amount(*refund, at_stake.map(|most| most - case.refunded))?;
                changed.refunded += refund;
                amount = Some(*refund);
            }
            Action::AcceptProposal | Action::RejectProposal => settle(&mut changed, &deed.action)?,
            Action::Push
            | Action::Explain
            | Action::Appeal
            | Action::BeginReview
            | Action::BeginSecondReview
            | Action::AnnulEvent { .. } => {}
        }
        // A proposal to close that is accepted closes the case whatever stood in the table.
        let state = if changed.conclusion.is_some() { CaseState::Closed } else { state };
        changed.enter(state, deed.at, rules);
        changed.steps.push(Step {
            kind: deed.action.step(),
            state,
            at: deed.at,
            actor: deed.actor.clone(),
            note: deed.note.clone(),
            files: deed.files.clone(),
            amount,
            policy_version: deed.policy_version.clone(),
        });
        let mut next = self.clone();
        next.version = next.version.saturating_add(1);
        next.cases.iter_mut().filter(|case| case.number == number).for_each(|case| *case = changed.clone());
        Ok(next)
    }

    /// What is recovered, and from which sales.
    fn recovery(&self, case: &Case, asked: Option<Decimal>) -> Result<(Decimal, Vec<SaleName>), Refused> {
        let from: Vec<_> = case.duplicates().filter(|i| self.may_be_recovered(i)).collect();
        let names = from.iter().map(|involved| involved.name.clone()).collect();
        let most = self.at_stake(case).map(|most| (most - case.refunded).max(Decimal::ZERO));
        match (asked, most) {
            // Also what was only attempted: a violation of which nothing is recovered.
            (None, Some(most)) => Ok((most, names)),
            (None, None) => Err(Refused::AmountNeeded),
            (Some(amount), _) if amount.is_zero() => Ok((amount, Vec::new())),
            (Some(_), _) if from.is_empty() => Err(Refused::NothingToRecover),
            (Some(amount), most) => {
                check_amount(amount, most)?;
                Ok((amount, names))
            }
        }
    }
}

/// Whether the deed may be done now; gives the state after it.
fn check(case: &Case, deed: &Deed) -> Result<CaseState, Refused> {
    let (action, by) = (deed.action.kind(), deed.actor.kind);
    let Some(next) = next_state(case.state, action, by) else {
        let possible = allowed(case.state, by);
        return Err(Refused::NotNow { action, by, state: case.state, possible });
    };
    if deed.note.chars().count() > NOTE_CHARS_MAX || deed.files.len() > FILES_MAX {
        return Err(Refused::TooLong);
    }
    if by != ActorKind::System && deed.actor.name.trim().is_empty() {
        return Err(Refused::NoName);
    }
    if deed.action.needs_note() && deed.note.trim().is_empty() {
        return Err(Refused::NoNote(action));
    }
    if case.steps.len() >= STEPS_MAX && next != CaseState::Closed && next == case.state {
        return Err(Refused::TooManySteps);
    }
    if action == ActionKind::BeginReview && case.state == CaseState::Pushed {
        match case.due_on {
            Some(due) if day_of(deed.at) <= due => return Err(Refused::NotOverdue(due)),
            Some(_) | None => {}
        }
    }
    if action == ActionKind::Close && case.state == CaseState::SecondReview {
        let first = case.steps.iter().rev().find(|step| step.kind == StepKind::FirstReview);
        if let Some(first) = first.filter(|first| first.actor.name == deed.actor.name) {
            return Err(Refused::SameReviewer(first.actor.name.clone()));
        }
    }
    Ok(next)
}

fn check_amount(amount: Decimal, most: Option<Decimal>) -> Result<(), Refused> {
    if amount <= Decimal::ZERO {
        return Err(Refused::NoAmount);
    }
    match most {
        Some(most) if amount > most => Err(Refused::TooMuch { most: most.max(Decimal::ZERO) }),
        Some(_) | None => Ok(()),
    }
}

/// Does what a late event proposes, or says for ever that it is not done.
fn settle(case: &mut Case, action: &Action) -> Result<(), Refused> {
    let open = case.proposal.as_mut().filter(|proposal| !proposal.is_rejected);
    let proposal = open.ok_or(Refused::NoProposal)?;
    if *action == Action::RejectProposal {
        proposal.is_rejected = true;
        return Ok(());
    }
    match proposal.kind {
        ProposalKind::Close => case.conclusion = Some(Conclusion::without(Ending::Lawful)),
        ProposalKind::Flip => case.by_word = true,
    }
    case.proposal = None;
    Ok(())
}

impl Conclusion {
    /// An ending of which nothing is recovered.
    pub(super) const fn without(ending: Ending) -> Self {
        Self { ending, recovered: Decimal::ZERO, recovered_from: Vec::new() }
    }
}

impl Case {
    /// Puts the case into a state, with the deadline of its next step.
    pub(super) fn enter(&mut self, state: CaseState, at: Timestamp, rules: &CaseRules) {
        if state != self.state || self.due_on.is_none() {
            let days = rules.working_days(state);
            self.due_on = days.map(|days| rules.calendar.after(day_of(at), days));
        }
        self.state = state;
        self.changed_at = at;
    }
}
