//! A finding: one reason with its evidence, and who may see which part of it.

use super::{DuplicateClass, Enforcement, Reason, Role, Verdict};
use crate::domain::code::Refusal;
use crate::domain::party::{Caller, Institution, InstitutionCode};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Why.
    pub reason: Reason,
    /// How the two sales stand, for a duplicate.
    pub class: Option<DuplicateClass>,
    /// Which side this event is, for a duplicate.
    pub role: Option<Role>,
    /// What the rule does.
    pub enforcement: Enforcement,
    /// The line, from 1; `None` = the document as a whole.
    pub line: Option<u32>,
    /// The code in canonical form, or what was scanned.
    pub code: Option<String>,
    /// The facts behind it.
    pub evidence: Evidence,
}

/// The facts behind a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// The reason says it all.
    None,
    /// What is wrong with a scanned code.
    Scanned(Refusal),
    /// Another sale of the same code.
    OtherSale(OtherSale),
    /// Two numbers that should be equal or in order: what was expected and what was found.
    Quantities {
        /// Packs, units or what was bought.
        expected: Decimal,
        /// Codes, units or what was sold.
        found: Decimal,
    },
    /// A quantity and the units of a pack it should be a multiple of.
    Pack {
        /// Smallest priced units sold.
        quantity: Decimal,
        /// Smallest priced units in a pack.
        units_per_pack: Option<u32>,
    },
    /// The catalogue code a scanned code belongs to, and the drug's name.
    Drug {
        /// NHSA catalogue code.
        catalog_code: String,
        /// Product name.
        name: String,
    },
    /// Why no code is due.
    Exemption {
        /// In Chinese.
        sentence_zh: String,
        /// In English.
        sentence_en: String,
    },
    /// How old the purchase data is.
    Feed {
        /// Everything before this is known; `None` = nothing is.
        complete_up_to: Option<Timestamp>,
        /// Age in seconds at the decision.
        age_seconds: i64,
    },
    /// A price above the listed one, both in yuan per smallest priced unit.
    Price {
        /// Asked.
        unit_price: Decimal,
        /// Listed.
        listed: Decimal,
    },
    /// The event's time and the gateway's.
    Clock {
        /// By the caller's word.
        occurred_at: Timestamp,
        /// By the gateway's clock.
        received_at: Timestamp,
    },
    /// A hold that is not decided yet.
    HeldUntil(Timestamp),
}

/// Another sale of the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSale {
    /// Who sold; `None` where the caller may not know.
    pub institution: Option<InstitutionCode>,
    /// Whether it was the caller itself.
    pub same_institution: bool,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    pub received_at: Timestamp,
    /// This event claims to be earlier but was heard of too late: a reviewer decides.
    pub proposed: bool,
}

impl Finding {
    /// The finding as a caller may see it.
    #[must_use]
    pub fn visible_to(
        &self,
        caller: &Caller,
        other: impl Fn(InstitutionCode) -> Option<Institution>,
    ) -> Self {
        let mut shown = self.clone();
        if let Evidence::OtherSale(sale) = &mut shown.evidence
            && !sale.institution.is_some_and(|code| caller.may_know(code, other(code).as_ref()))
        {
            sale.institution = None;
        }
        shown
    }
}

impl Caller {
    /// Whether this caller may learn the name of an institution on the other side of a finding.
    pub fn may_know(&self, code: InstitutionCode, registered: Option<&Institution>) -> bool {
        match self {
            Self::Operator | Self::Bureau(_) => true,
            Self::Auditor => false,
            Self::Institution(own) => *own == code,
            Self::Chain(group) => registered.is_some_and(|i| i.chain_group.as_ref() == Some(group)),
        }
    }
}

/// The strictest of the findings.
pub fn strictest(findings: &[Finding]) -> Verdict {
    let of = |finding: &Finding| {
        if finding.reason == Reason::InDoubt { Verdict::Pending } else { finding.enforcement.into() }
    };
    findings.iter().map(of).max().unwrap_or(Verdict::Allow)
}

/// Puts findings in order of precedence, then line.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|f| (f.reason, f.line));
}
