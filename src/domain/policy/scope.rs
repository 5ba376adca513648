//! Which situations a rule or an exemption speaks of.

use super::settings::Settings;
use super::situation::{AgreementStatus, Period, Situation};
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::verdict::named;
use std::fmt;

/// The leading 0 to 6 digits of a division code; no digits = the whole country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DivisionPrefix {
    digits: u8,
    value: u32,
}

/// A division prefix that is not 0 to 6 digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a division prefix (0 to 6 digits, such as \"13\" or \"130102\"): {0:?}")]
pub struct BadDivisionPrefix(pub String);

impl DivisionPrefix {
    /// Reads 0 to 6 digits, nothing else.
    pub fn parse(text: &str) -> Result<Self, BadDivisionPrefix> {
        let bad = || BadDivisionPrefix(text.chars().take(40).collect());
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let digits = u8::try_from(text.len()).map_err(|_| bad())?;
        let value = text.parse().map_err(|_| bad())?;
        Ok(Self { digits, value })
    }

    /// How many digits it has, 0 to 6.
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// The area of `division` that its first `digits` (0 to 6) digits name.
    pub(super) const fn of(division: Division, digits: u32) -> Self {
        let (digits, divisor) = match digits {
            0 => return Self { digits: 0, value: 0 },
            1 => (1, 100_000),
            2 => (2, 10_000),
            3 => (3, 1_000),
            4 => (4, 100),
            5 => (5, 10),
            _ => (6, 1),
        };
        let value = division.0 / divisor;
        Self { digits, value }
    }

    /// Whether `division` lies in this area.
    pub fn covers(self, division: Division) -> bool {
        Self::of(division, u32::from(self.digits)) == self
    }

    /// Whether some division lies in both areas.
    pub fn overlaps(self, other: Self) -> bool {
        let digits = self.digits.min(other.digits);
        self.shortened_to(digits) == other.shortened_to(digits)
    }

    fn shortened_to(self, digits: u8) -> u32 {
        self.value / 10_u32.pow(u32::from(self.digits.saturating_sub(digits)))
    }
}

impl fmt::Display for DivisionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::from(self.digits) {
            0 => Ok(()),
            width => write!(f, "{:0width$}", self.value),
        }
    }
}

named! {
    /// The fields of a scope; their names are the keys in policy files.
    pub enum ScopeField {
        /// Where the institution lies.
        DivisionPrefix = "division_prefix",
        /// Hospital or pharmacy.
        Kind = "kind",
        /// Who owns the institution.
        Ownership = "ownership",
        /// A new or an existing agreement.
        Agreement = "agreement",
        /// Whether the transition of its agreement has ended.
        Transition = "transition",
        /// Whether its coaching period has ended.
        Coaching = "coaching",
        /// Where the drug is handed out.
        Scene = "scene",
        /// Who pays.
        Payment = "payment",
        /// What kind of product the drug is.
        DrugClass = "drug_class",
        /// The drug's dosage form, as the registry spells it.
        DosageForm = "dosage_form",
        /// Whether the drug must be split to be dispensed.
        MustSplit = "must_split",
        /// Whether the line is split.
        Split = "split",
    }
}

/// Which situations a rule speaks of: every field that is set must match, and what is asked for
/// must be known. The default speaks of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The area; no digits = the whole country.
    pub division_prefix: DivisionPrefix,
    /// Hospital or pharmacy.
    pub kind: Option<InstitutionKind>,
    /// Who owns the institution; known only where it is in the registry.
    pub ownership: Option<Ownership>,
    /// New or existing agreement, by the day of signing.
    pub agreement: Option<AgreementStatus>,
    /// Whether the agreement's transition still runs on the day.
    pub transition: Option<Period>,
    /// Whether the coaching period after the signing still runs on the day.
    pub coaching: Option<Period>,
    /// Where the drug is handed out.
    pub scene: Option<Scene>,
    /// Who pays.
    pub payment: Option<Payment>,
    /// What kind of product the drug is; known only for a drug in the registry.
    pub drug_class: Option<DrugClass>,
    /// The drug's dosage form, compared letter by letter.
    pub dosage_form: Option<String>,
    /// Whether the drug must be split to be dispensed.
    pub must_split: Option<bool>,
    /// Whether the line is split.
    pub split: Option<bool>,
}

impl Scope {
    /// The first field that does not match, in declaration order; `None` = all match.
    pub fn first_mismatch(&self, at: &Situation<'_>, settings: &Settings) -> Option<ScopeField> {
        let party = &at.institution;
        // In the order of `ScopeField`. Answering all in a row measured twice as fast as a `match` on
        // each field in turn: most are not set, and what is not asked for is not computed.
        let answers = [
            self.division_prefix.covers(party.division),
            asks(self.kind, || Some(party.kind)),
            asks(self.ownership, || party.ownership),
            asks(self.agreement, || party.agreement(settings)),
            asks(self.transition, || party.transition(at.day, settings)),
            asks(self.coaching, || party.coaching(at.day, settings)),
            asks(self.scene, || Some(at.scene)),
            asks(self.payment, || Some(at.payment)),
            asks(self.drug_class, || at.drug.map(|drug| drug.drug_class)),
            asks(self.dosage_form.as_deref(), || at.drug.map(|drug| drug.dosage_form)),
            asks(self.must_split, || at.drug.map(|drug| drug.must_split)),
            asks(self.split, || Some(at.split)),
        ];
        ScopeField::ALL.iter().copied().zip(answers).find(|(_, matches)| !matches).map(|(field, _)| field)
    }

    /// How many fields besides the division prefix are set.
    pub fn other_fields_set(&self) -> u8 {
        let set = [
            self.kind.is_some(),
            self.ownership.is_some(),
            self.agreement.is_some(),
            self.transition.is_some(),
            self.coaching.is_some(),
            self.scene.is_some(),
            self.payment.is_some(),
            self.drug_class.is_some(),
            self.dosage_form.is_some(),
            self.must_split.is_some(),
            self.split.is_some(),
        ];
        set.into_iter().map(u8::from).sum()
    }

    /// Whether some situation could match both scopes, judged field by field.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.division_prefix.overlaps(other.division_prefix)
            && compatible(self.kind, other.kind)
            && compatible(self.ownership, other.ownership)
            && compatible(self.agreement, other.agreement)
            && compatible(self.transition, other.transition)
            && compatible(self.coaching, other.coaching)
            && compatible(self.scene, other.scene)
            && compatible(self.payment, other.payment)
            && compatible(self.drug_class, other.drug_class)
            && compatible(self.dosage_form.as_deref(), other.dosage_form.as_deref())
            && compatible(self.must_split, other.must_split)
            && compatible(self.split, other.split)
    }
}

/// A field that is not set asks nothing; one that is set does not match the unknown.
fn asks<T: PartialEq>(wanted: Option<T>, found: impl FnOnce() -> Option<T>) -> bool {
    wanted.is_none_or(|wanted| found() == Some(wanted))
}

fn compatible<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    }
}
