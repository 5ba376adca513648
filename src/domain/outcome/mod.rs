//! What became of a request: kept for ever under institution and request id, answered one way.

mod stored;

use crate::domain::document::{Document, Movement, ReturnDocument};
use crate::domain::party::InstitutionCode;
use crate::domain::person::PersonMark;
use crate::domain::policy::VersionText;
use crate::domain::tally::Reminder;
use crate::domain::verdict::{Finding, Reason, Verdict};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The longest request id, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Names a request: the caller's id, unique in its institution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// Whose request it is.
    pub institution: InstitutionCode,
    /// The caller's id.
    pub request_id: String,
}

/// Something that happened or is about to: judged, and recorded on the codes it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recorded {
    /// `Dispense`, as a sale or as a hold.
    Dispense {
        /// The document.
        document: Document,
        /// Held for a settlement.
        hold: bool,
    },
    /// A sale that was reported after the fact.
    ReportedSale(Document),
    /// `Return`, at the counter or reported.
    Return {
        /// What came back.
        document: ReturnDocument,
        /// Reported after the fact.
        reported: bool,
    },
    /// A movement inside.
    Movement(Movement),
}

impl Recorded {
    /// Whose it is.
    pub const fn institution(&self) -> InstitutionCode {
        match self {
            Self::Dispense { document, .. } | Self::ReportedSale(document) => document.institution,
            Self::Return { document, .. } => document.institution,
            Self::Movement(movement) => movement.institution,
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    /// A sale, a return or a movement.
    Recorded(Recorded),
    /// `Confirm`.
    Confirm {
        /// The hold's request id.
        dispense_request_id: String,
        /// The settlement.
        settlement_id: String,
        /// Yuan that the fund paid.
        amount: Decimal,
        /// When it was settled; `None` = when the gateway heard of it.
        #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
        occurred_at: Option<Timestamp>,
    },
    /// `Void`.
    Void {
        /// One request, or `None` where a document is named.
        dispense_request_id: Option<String>,
        /// Every request of this document.
        document_no: Option<String>,
    },
    /// A bureau looked at everything that is recorded of a code.
    Look {
        /// The code.
        code: String,
        /// Whose: a division prefix, or `operator`.
        of: String,
        /// The person.
        name: String,
        /// Why.
        reason: String,
    },
}

impl RequestBody {
    /// The same request without who sent it: another cashier may send it again.
    #[must_use]
    pub fn without_operator(&self) -> Self {
        let mut body = self.clone();
        match &mut body {
            Self::Recorded(Recorded::Dispense { document, .. } | Recorded::ReportedSale(document)) => {
                document.operator = None;
            }
            Self::Recorded(Recorded::Return { document, .. }) => document.operator = None,
            Self::Recorded(Recorded::Movement(_))
            | Self::Confirm { .. }
            | Self::Void { .. }
            | Self::Look { .. } => {}
        }
        body
    }
}

/// The answer that was given, and is given again to every repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Names the outcome for ever.
    pub outcome_id: String,
    /// The strictest enforcement among the findings.
    pub verdict: Verdict,
    /// In order of precedence.
    pub findings: Vec<Finding>,
    /// Content hash of the policy that was in force.
    pub policy_version: VersionText,
    /// When it was decided.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub decided_at: Timestamp,
    /// Up to when the ledger's sales were known.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub ledger_as_of: Timestamp,
    /// Up to when purchases were known; `None` = none was looked up.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    pub purchases_as_of: Option<Timestamp>,
    /// Stored as sales or returns.
    pub recorded: bool,
    /// Came after the lateness limit, or as a report.
    pub after_the_fact: bool,
    /// When the hold lapses.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    pub hold_expires_at: Option<Timestamp>,
}

/// A later correction: purchase data that was not known yet has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// When it was judged again.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub corrected_at: Timestamp,
    /// Line of the document.
    pub line: u32,
    /// The reason that stood.
    pub was: Reason,
    /// The reason that stands now; `None` = settled in the institution's favour.
    pub now: Option<Reason>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeState {
    /// Answered.
    Decided,
    /// Answered PENDING: the same request, sent again, is judged again.
    Undecided,
    /// Answered and cancelled since, or cancelled before it arrived.
    Voided,
    /// Declared as never seen; a late arrival is refused.
    Never,
}

/// Everything kept of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Grows by one with every change.
    pub version: u32,
    /// Where it stands.
    pub state: OutcomeState,
    /// What was asked; `None` for an id that was closed before it arrived.
    pub body: Option<RequestBody>,
    /// What was answered.
    pub answer: Option<Answer>,
    /// What changed since.
    pub corrections: Vec<Correction>,
    /// Units by which the sold balance of a catalogue code grew, or will grow when a hold is confirmed; a void
    /// takes them back.
    pub sold: Vec<(String, Decimal)>,
    /// The codes that were freed, for a void.
    pub freed: Vec<String>,
    /// The settlement, once a hold is confirmed.
    pub settlement_id: Option<String>,
    /// What a reminder counts for, and what the operator said to it; `None` = it reminded of nothing.
    pub reminder: Option<Reminder>,
    /// To whom the boxes were handed; `None` = nobody said, or marks were not made.
    pub person: Option<PersonMark>,
}

impl Outcome {
    /// An id that is closed without ever having been answered.
    pub fn closed(state: OutcomeState) -> Self {
        Self {
            version: 1,
            state,
            body: None,
            answer: None,
            corrections: Vec::new(),
            sold: Vec::new(),
            freed: Vec::new(),
            settlement_id: None,
            reminder: None,
            person: None,
        }
    }

    /// A request with its answer.
    pub fn decided(body: RequestBody, answer: Answer, sold: Vec<(String, Decimal)>) -> Self {
        Self { body: Some(body), answer: Some(answer), sold, ..Self::closed(OutcomeState::Decided) }
    }

    /// A request that could not be decided yet.
    pub fn undecided(body: RequestBody) -> Self {
        Self { body: Some(body), ..Self::closed(OutcomeState::Undecided) }
    }

    /// The same outcome, one version later.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { version: self.next_version(), ..self.clone() }
    }

    /// The version after this one.
    pub const fn next_version(&self) -> u32 {
        self.version.saturating_add(1)
    }

    /// The dispensed document and whether it was a hold, where this outcome is one.
    pub fn dispensed(&self) -> Option<(&Document, bool)> {
        match self.body.as_ref()? {
            RequestBody::Recorded(Recorded::Dispense { document, hold }) => Some((document, *hold)),
            RequestBody::Recorded(Recorded::ReportedSale(document)) => Some((document, false)),
            RequestBody::Recorded(Recorded::Return { .. } | Recorded::Movement(_))
            | RequestBody::Confirm { .. }
            | RequestBody::Void { .. }
            | RequestBody::Look { .. } => None,
        }
    }

    /// Whether its units count as sold only once it is confirmed. A hold that came after the fact took none: it
    /// was recorded, and counted, as a finished sale.
    pub fn awaits_confirmation(&self) -> bool {
        self.settlement_id.is_none() && self.answer.as_ref().is_some_and(|a| a.hold_expires_at.is_some())
    }

    /// Whether it claimed codes that still stand.
    pub fn is_recorded(&self) -> bool {
        self.state == OutcomeState::Decided && self.answer.as_ref().is_some_and(|a| a.recorded)
    }
}
