//! Cases: what the bureau keeps of a box that was sold, or was about to be sold, more than once.
//!
//! Everything about one code lies in its [`Dossier`]: the attempts that were blocked, and its cases, at most one of
//! them open. `screen` compares a dossier with the code's history and says what follows: a case opens, a third sale
//! joins it, a late return closes it. It gives the same for the same facts, whatever order they came in, so it may be
//! asked again at any time; an audit is nothing else. `workflow` holds who may do what in which state; `advance`
//! does it. No IO and no clock: the moment is part of what is given.

mod advance;
mod calendar;
mod dossier;
mod name;
mod screen;
mod stored;
#[cfg(test)]
mod tests;
mod workflow;

pub use advance::{Action, Deed, Refused};
pub use calendar::{BadDay, Calendar};
pub use dossier::{Attempt, Dossier};
pub use name::{BadCaseName, CaseName};
pub use screen::Screening;
pub use workflow::{ActionKind, ActorKind, CaseState, next_state};

use crate::domain::claim::{Fate, SaleName};
use crate::domain::event::{Payment, Scene};
use crate::domain::outcome::RequestKey;
use crate::domain::party::{Division, InstitutionCode};
use crate::domain::policy::VersionText;
use crate::domain::verdict::{DuplicateClass, Verdict, named};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The most blocked attempts that are kept of one code; further ones are counted.
pub const ATTEMPTS_MAX: usize = 64;
/// The most sales and attempts that one case lists; further ones are counted.
pub const INVOLVED_MAX: usize = 64;
/// The most steps of one case by people; a case that has so many can only be closed.
pub const STEPS_MAX: usize = 200;
/// The longest note, in characters.
pub const NOTE_CHARS_MAX: usize = 2000;
/// The most files that one step names.
pub const FILES_MAX: usize = 20;
named! {
    /// How the sales of a case stand to each other.
    pub enum CaseClass {
        /// One institution, two documents: suspected substitution (串换).
        SameInstitution = "SAME_INSTITUTION",
        /// Two institutions, close in time: suspected counterfeit.
        OtherInstitutionClose = "OTHER_INSTITUTION_CLOSE",
        /// Two institutions, long apart: suspected re-circulated drug (回流药) or card misuse.
        OtherInstitutionLongGap = "OTHER_INSTITUTION_LONG_GAP",
        /// More units than the pack holds.
        SplitOverdraw = "SPLIT_OVERDRAW",
        /// A whole-pack sale and a split sale of one box.
        WholeAndSplit = "WHOLE_AND_SPLIT",
        /// A carton and one of its small packs.
        PackOverlap = "PACK_OVERLAP",
        /// Split sales of one box at two institutions.
        SplitElsewhere = "SPLIT_ELSEWHERE",
    }
}

impl From<DuplicateClass> for CaseClass {
    fn from(class: DuplicateClass) -> Self {
        match class {
            DuplicateClass::SameInstitution => Self::SameInstitution,
            DuplicateClass::OtherInstitutionClose => Self::OtherInstitutionClose,
            DuplicateClass::OtherInstitutionLongGap => Self::OtherInstitutionLongGap,
            DuplicateClass::SplitOverdraw => Self::SplitOverdraw,
            DuplicateClass::WholeAndSplit => Self::WholeAndSplit,
            DuplicateClass::PackOverlap => Self::PackOverlap,
        }
    }
}

named! {
    /// Which side of a case a sale is on.
    pub enum Side {
        /// It came first.
        First = "FIRST",
        /// It is the duplicate.
        Duplicate = "DUPLICATE",
        /// It collides with nothing any more.
        Cleared = "CLEARED",
    }
}

named! {
    /// By what cases are counted.
    pub enum GroupBy {
        /// The division that handles them.
        Division = "division",
        /// The institutions whose sales are the duplicates.
        Institution = "institution",
        /// The drug.
        Drug = "drug",
        /// The class.
        Class = "class",
        /// The day on which they were opened, in Asia/Shanghai.
        Day = "day",
        /// The month.
        Month = "month",
    }
}

named! {
    /// How a case ended.
    pub enum Ending {
        /// A violation: what was paid for the duplicate is recovered, once.
        Violation = "VIOLATION",
        /// Lawful.
        Lawful = "LAWFUL",
        /// The maker printed the code twice.
        MakersError = "MAKERS_ERROR",
        /// What was reported is wrong.
        DataError = "DATA_ERROR",
    }
}

named! {
    /// What happened in a step.
    pub enum StepKind {
        /// The case was opened.
        Detected = "DETECTED",
        /// Another sale or attempt joined it.
        Joined = "JOINED",
        /// What is known by now puts its sales in another order or class.
        Reclassed = "RECLASSED",
        /// Pushed to the institution.
        Pushed = "PUSHED",
        /// The institution explained.
        Explained = "EXPLAINED",
        /// The institution appealed.
        Appealed = "APPEALED",
        /// The first review began.
        FirstReview = "FIRST_REVIEW",
        /// The second review began.
        SecondReview = "SECOND_REVIEW",
        /// Money was given back voluntarily.
        RefundMarked = "REFUND_MARKED",
        /// A wrong event was taken out.
        EventAnnulled = "EVENT_ANNULLED",
        /// An event that came too late to decide by itself proposes something.
        Proposed = "PROPOSED",
        /// The proposal was accepted.
        ProposalAccepted = "PROPOSAL_ACCEPTED",
        /// The proposal was rejected.
        ProposalRejected = "PROPOSAL_REJECTED",
        /// The case was closed.
        Closed = "CLOSED",
    }
}

named! {
    /// What a late event proposes.
    pub enum ProposalKind {
        /// To close the case as lawful.
        Close = "CLOSE",
        /// To take the other sale for the duplicate.
        Flip = "FLIP",
    }
}

/// What is known of a sale or attempt besides its place in the history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// The request that brought it.
    pub request_id: Option<String>,
    /// Its line there.
    pub line: Option<u32>,
    /// Document number (零售单据号).
    pub document_no: Option<String>,
    /// Who worked at the counter, as the caller named them.
    pub operator: Option<String>,
    /// Where it happened.
    pub scene: Option<Scene>,
    /// Who paid.
    pub payment: Option<Payment>,
    /// Smallest priced units of this very box; `None` = not known.
    pub quantity: Option<Decimal>,
    /// Yuan for this very box; `None` = not known, or never paid (an attempt).
    pub amount: Option<Decimal>,
    /// The settlement, where one is known.
    pub settlement_id: Option<String>,
    /// The policy under which it was answered.
    pub policy_version: Option<VersionText>,
    /// What was answered.
    pub verdict: Option<Verdict>,
}

impl Details {
    /// The request that brought it, of an institution.
    pub fn request_of(&self, institution: InstitutionCode) -> Option<RequestKey> {
        Some(RequestKey { institution, request_id: self.request_id.clone()? })
    }

    /// Whether nothing is known. What a request brought, it brought under its id: of most no more is looked at.
    pub fn is_empty(&self) -> bool {
        let Self {
            request_id,
            line,
            document_no,
            operator,
            scene,
            payment,
            quantity,
            amount,
            settlement_id,
            policy_version,
            verdict,
        } = self;
        let texts = [request_id, document_no, operator, settlement_id];
        texts.iter().all(|text| text.is_none())
            && (line.is_none() && scene.is_none() && payment.is_none() && quantity.is_none())
            && (amount.is_none() && policy_version.is_none() && verdict.is_none())
    }
}

/// A sale or attempt of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Involved {
    /// Which.
    pub name: SaleName,
    /// It was blocked: never a sale, never an amount.
    pub is_attempt: bool,
    /// Which side it is on.
    pub side: Side,
    /// How it collides, for a duplicate.
    pub class: Option<CaseClass>,
    /// When it happened, by the caller's word.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// What else is known of it.
    pub details: Details,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The gateway, an institution or a bureau.
    pub kind: ActorKind,
    /// The institution or the division prefix that acted; empty for the gateway.
    pub of: String,
    /// The person, as the caller names them.
    pub name: String,
}

impl Actor {
    /// The gateway itself.
    pub const fn system() -> Self {
        Self { kind: ActorKind::System, of: String::new(), name: String::new() }
    }
}

/// A file that somebody keeps elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReference {
    /// Its name.
    pub name: String,
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

/// One step of a case; never changed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// The state after it.
    pub state: CaseState,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// In their words.
    pub note: String,
    /// What they refer to.
    pub files: Vec<FileReference>,
    /// Yuan, where the step names an amount.
    pub amount: Option<Decimal>,
    /// The policy in force.
    pub policy_version: VersionText,
}

/// What a late event proposes, and what a reviewer said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What.
    pub kind: ProposalKind,
    /// The history from which it follows.
    pub history_version: u32,
    /// It was rejected: the same is not proposed again.
    pub is_rejected: bool,
}

/// How a case was concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// How it ended.
    pub ending: Ending,
    /// Yuan to be recovered; zero unless it is a violation.
    pub recovered: Decimal,
    /// The sales whose money is recovered: never again by any case.
    pub recovered_from: Vec<SaleName>,
}

/// One chain of sales of one box that cannot all be lawful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its number among the cases of its code, from 1.
    pub number: u32,
    /// The class of its first duplicate.
    pub class: CaseClass,
    /// Where it stands.
    pub state: CaseState,
    /// When it was opened.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub opened_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub changed_at: Timestamp,
    /// The policy under which it was opened.
    pub policy_version: VersionText,
    /// The drug, where the code's prefix is mapped.
    pub catalog_code: Option<String>,
    /// Its sales and attempts, in the order in which they joined.
    pub involved: Vec<Involved>,
    /// Sales and attempts beyond [`INVOLVED_MAX`].
    pub further: u32,
    /// Event times alone decide about this case, however late they came: a reviewer said so.
    pub by_word: bool,
    /// The last day of the step that is due now.
    pub due_on: Option<Date>,
    /// What a late event proposes.
    pub proposal: Option<Proposal>,
    /// Yuan that were given back voluntarily.
    pub refunded: Decimal,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Everything that happened, in order.
    pub steps: Vec<Step>,
}

impl Case {
    /// Whether nothing may be done to it any more.
    pub fn is_closed(&self) -> bool {
        self.state == CaseState::Closed
    }

    /// The sale or attempt of that name.
    pub fn involved(&self, name: &SaleName) -> Option<&Involved> {
        self.involved.iter().find(|involved| involved.name.is_same(name))
    }

    /// Its duplicates.
    pub fn duplicates(&self) -> impl Iterator<Item = &Involved> {
        self.involved.iter().filter(|involved| involved.side == Side::Duplicate)
    }

    /// The division that handles it: where the first duplicate was dispensed (参保人就医地).
    pub fn place_of_care(&self) -> Option<Division> {
        let first = self.duplicates().next().or(self.involved.first());
        first.map(|involved| involved.name.institution.division())
    }

    /// Whether an institution takes part.
    pub fn involves(&self, institution: InstitutionCode) -> bool {
        self.involved.iter().any(|involved| involved.name.institution == institution)
    }

    /// When its first event happened.
    pub fn occurred_at(&self) -> Timestamp {
        self.involved.iter().map(|involved| involved.occurred_at).min().unwrap_or(self.opened_at)
    }
}

impl Involved {
    /// Yuan of the fund that stand to be recovered: never for an attempt, for what the patient paid alone, or for what
    /// never happened.
    pub fn recoverable(&self) -> Option<Decimal> {
        let counts = self.side == Side::Duplicate && !self.is_attempt && self.fate != Fate::Annulled;
        let insured = self.details.payment != Some(Payment::SelfPaid);
        self.details.amount.filter(|_| counts && insured)
    }
}
