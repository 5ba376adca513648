//! Everything rules ask about one line of a document, and the regimes that follow from dates.
//!
//! The first day of a new regime belongs to the new regime: on the last day of a period the
//! period has ended.

use super::settings::Settings;
use crate::domain::drug::{Drug, DrugClass};
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, Institution, InstitutionCode, InstitutionKind, Ownership};
use crate::domain::verdict::named;
use jiff::Span;
use jiff::civil::Date;

named! {
    /// Whether an agreement was signed under the new regime.
    pub enum AgreementStatus {
        /// Signed on or after the setting `new_agreement_from`.
        New = "new",
        /// Signed before.
        Existing = "existing",
    }
}

named! {
    /// Whether a period still runs on the day of the event.
    pub enum Period {
        /// The old regime still applies.
        Running = "running",
        /// The new regime applies, from the end day on.
        Ended = "ended",
    }
}

impl Period {
    fn until(end: Date, day: Date) -> Self {
        if day < end { Self::Running } else { Self::Ended }
    }
}

/// What rules ask about an institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstitutionTraits {
    /// Hospital or pharmacy.
    pub kind: InstitutionKind,
    /// Where it lies.
    pub division: Division,
    /// Who owns it; `None` = the institution is not in the registry.
    pub ownership: Option<Ownership>,
    /// The day its agreement was signed; `None` = not known.
    pub agreement_signed_on: Option<Date>,
    /// The first day of the new regime; `None` in the registry = it already applies.
    pub transition_ends_on: Option<Date>,
}

impl From<&Institution> for InstitutionTraits {
    fn from(institution: &Institution) -> Self {
        Self {
            kind: institution.kind,
            division: institution.division,
            ownership: Some(institution.ownership),
            agreement_signed_on: institution.agreement_signed_on,
            transition_ends_on: institution.transition_ends_on,
        }
    }
}

impl From<InstitutionCode> for InstitutionTraits {
    /// An institution that is not in the registry: its code gives kind and division, nothing more.
    fn from(code: InstitutionCode) -> Self {
        Self {
            kind: code.kind(),
            division: code.division(),
            ownership: None,
            agreement_signed_on: None,
            transition_ends_on: None,
        }
    }
}

impl InstitutionTraits {
    /// New or existing agreement; `None` where the day of signing is not known.
    pub fn agreement(&self, settings: &Settings) -> Option<AgreementStatus> {
        let signed_on = self.agreement_signed_on?;
        let is_new = signed_on >= settings.new_agreement_from;
        Some(if is_new { AgreementStatus::New } else { AgreementStatus::Existing })
    }

    /// Whether the transition runs on `day`; `None` for an institution that is not in the registry.
    /// A new agreement has no transition: its regime begins on the day of signing.
    pub fn transition(&self, day: Date, settings: &Settings) -> Option<Period> {
        self.ownership?;
        let end = match self.agreement(settings) {
            Some(AgreementStatus::New) => self.agreement_signed_on,
            Some(AgreementStatus::Existing) | None => self.transition_ends_on,
        };
        Some(end.map_or(Period::Ended, |end| Period::until(end, day)))
    }

    /// Whether the coaching period runs on `day`; `None` where the day of signing is not known.
    /// It ends as many months after the signing as the setting `coaching_months` says (in a
    /// shorter month on its last day).
    pub fn coaching(&self, day: Date, settings: &Settings) -> Option<Period> {
        let months = Span::new().try_months(settings.coaching_months).ok()?;
        let end = self.agreement_signed_on?.checked_add(months).ok()?;
        Some(Period::until(end, day))
    }
}

/// What rules ask about a drug in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrugTraits<'a> {
    /// What kind of product it is.
    pub drug_class: DrugClass,
    /// Its dosage form, as the registry spells it.
    pub dosage_form: &'a str,
    /// A hospital must split it to dispense it.
    pub must_split: bool,
}

impl<'a> From<&'a Drug> for DrugTraits<'a> {
    fn from(drug: &'a Drug) -> Self {
        Self { drug_class: drug.drug_class, dosage_form: &drug.dosage_form, must_split: drug.must_split }
    }
}

/// Everything rules ask about one line of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation<'a> {
    /// Who dispenses.
    pub institution: InstitutionTraits,
    /// Where the drug is handed out.
    pub scene: Scene,
    /// Who pays.
    pub payment: Payment,
    /// The line's drug; `None` = not known, so that no rule about drugs matches.
    pub drug: Option<DrugTraits<'a>>,
    /// The line is split (拆零).
    pub split: bool,
    /// The day of the event in Asia/Shanghai.
    pub day: Date,
}
