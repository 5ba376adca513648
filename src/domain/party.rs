//! Institutions, divisions, chain groups, and who is calling.

use crate::domain::verdict::named;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A designated institution's code: `H` or `P` and 11 digits, the first six of them the division.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct InstitutionCode {
    kind: InstitutionKind,
    digits: u64,
}

/// An institution code that is not `H` or `P` and 11 digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an institution code (H or P and 11 digits): {0:?}")]
pub struct BadInstitutionCode(pub String);

impl InstitutionCode {
    /// Reads `H13010200123`; blanks around it are ignored.
    pub fn parse(text: &str) -> Result<Self, BadInstitutionCode> {
        let bad = || BadInstitutionCode(text.chars().take(40).collect());
        let (letter, digits) = text.trim().split_at_checked(1).ok_or_else(bad)?;
        let kind = match letter {
            "H" | "h" => InstitutionKind::Hospital,
            "P" | "p" => InstitutionKind::Pharmacy,
            _ => return Err(bad()),
        };
        if digits.len() != 11 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let digits = digits.parse().map_err(|_| bad())?;
        Ok(Self { kind, digits })
    }

    /// Whose requests are the bureau's own: no institution has this code.
    pub const NOBODY: Self = Self { kind: InstitutionKind::Hospital, digits: 0 };

    /// The kind that its first letter names.
    pub const fn kind(self) -> InstitutionKind {
        self.kind
    }

    /// The six-digit division code inside the institution code.
    pub fn division(self) -> Division {
        Division(u32::try_from(self.digits / 100_000).unwrap_or(0))
    }

    /// A number that stands for this code: the letter above 37 bits of digits.
    pub const fn packed(self) -> u64 {
        let letter = match self.kind {
            InstitutionKind::Hospital => 0,
            InstitutionKind::Pharmacy => 1 << 37,
        };
        letter | self.digits
    }

    /// The code that [`packed`](Self::packed) made; `None` for any other number.
    pub const fn unpack(packed: u64) -> Option<Self> {
        let kind = if packed >> 37 == 1 { InstitutionKind::Pharmacy } else { InstitutionKind::Hospital };
        let digits = packed & ((1 << 37) - 1);
        if packed >> 38 == 0 && digits < 100_000_000_000 { Some(Self { kind, digits }) } else { None }
    }
}

impl From<InstitutionCode> for u64 {
    fn from(code: InstitutionCode) -> Self {
        code.packed()
    }
}

impl TryFrom<u64> for InstitutionCode {
    type Error = BadInstitutionCode;

    fn try_from(packed: u64) -> Result<Self, BadInstitutionCode> {
        Self::unpack(packed).ok_or_else(|| BadInstitutionCode(packed.to_string()))
    }
}

impl fmt::Display for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            InstitutionKind::Hospital => 'H',
            InstitutionKind::Pharmacy => 'P',
        };
        write!(f, "{letter}{:011}", self.digits)
    }
}

impl fmt::Debug for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

named! {
    /// Hospital (定点医疗机构) or pharmacy (定点零售药店).
    pub enum InstitutionKind {
        /// 定点医疗机构.
        Hospital = "hospital",
        /// 定点零售药店.
        Pharmacy = "pharmacy",
    }
}

named! {
    /// Who owns an institution.
    pub enum Ownership {
        /// Publicly owned.
        Public = "public",
        /// Privately owned.
        Private = "private",
    }
}

named! {
    /// Whether an institution may settle today.
    pub enum InstitutionStatus {
        /// May dispense and settle.
        Active = "active",
        /// Its agreement is suspended.
        Suspended = "suspended",
    }
}

/// A division code (行政区划) of six digits; the leading digits name the larger area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Division(pub u32);

impl Division {
    /// Reads exactly six digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok().map(Self))?
    }

    /// Whether this division lies in the area that `prefix` (0 to 6 digits) names.
    pub fn is_within(self, prefix: &str) -> bool {
        self.to_string().starts_with(prefix)
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// One designated institution, as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Institution {
    /// Its code.
    pub code: InstitutionCode,
    /// Its name, for people.
    pub name: String,
    /// Hospital or pharmacy.
    pub kind: InstitutionKind,
    /// Where it lies; rules attach to any level above.
    pub division: Division,
    /// Who owns it.
    pub ownership: Ownership,
    /// The day its agreement was signed.
    pub agreement_signed_on: Option<Date>,
    /// The first day of the new regime for an existing agreement; `None` = it already applies.
    pub transition_ends_on: Option<Date>,
    /// Purchases and stock are pooled over this group.
    pub chain_group: Option<String>,
    /// Active or suspended.
    pub status: InstitutionStatus,
    /// Before this day purchase rules only observe; `None` = live.
    pub goes_live_on: Option<Date>,
}

/// Whose purchases and sales are pooled: a chain group, or an institution alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pool {
    /// An institution alone.
    Institution(InstitutionCode),
    /// Every institution of a chain.
    Chain(String),
}

impl Institution {
    /// Whose purchases count for this institution.
    pub fn pool(&self) -> Pool {
        match &self.chain_group {
            Some(group) => Pool::Chain(group.clone()),
            None => Pool::Institution(self.code),
        }
    }
}

/// Who is calling, as far as visibility is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// One institution: learns "you" or "another institution".
    Institution(InstitutionCode),
    /// A chain's head office: as each of its members.
    Chain(String),
    /// A bureau for the divisions under a prefix: sees both sides.
    Bureau(String),
    /// The operator of this gateway: sees everything.
    Operator,
    /// Whoever reads the audit trail: sees nothing else.
    Auditor,
}
