//! Policy as data: which rule applies to a situation, with which enforcement, and the settings.
//!
//! Rules come from files (another room reads them); here they are plain values. This room says
//! *which* rule applies, never whether a request breaks it. It must not know TOML, paths, the
//! registry or the clock: the day is part of the [`Situation`].

mod contradiction;
mod rule;
mod scope;
mod select;
mod settings;
mod situation;
mod version;

#[cfg(test)]
mod tests;

pub use contradiction::{Contradiction, contradictions};
pub use rule::{Exemption, Mismatch, Rule, RuleSource};
pub use scope::{BadDivisionPrefix, DivisionPrefix, Scope, ScopeField};
pub use select::{Candidate, Ruling};
pub use settings::{CaseRules, Settings};
pub use situation::{AgreementStatus, DrugTraits, InstitutionTraits, Period, Situation};
pub use version::PolicyVersion;

use select::RuleIndex;
use std::sync::Arc;

/// All rules, exemptions and settings that are in force together, with the version that names them.
#[derive(Debug, Clone)]
pub struct Policy {
    version: PolicyVersion,
    rules: Vec<Rule>,
    exemptions: Vec<Exemption>,
    settings: Settings,
    index: RuleIndex,
}

/// The version of a policy as answers and cases name it: one text for all that name it.
pub type VersionText = Arc<str>;

impl Policy {
    /// Puts the rules in order of precedence and computes the version. The order of the arguments
    /// does not matter. Contradicting rules are not refused here (see [`contradictions`]): of two
    /// equally specific rules the stricter one wins.
    pub fn new(mut rules: Vec<Rule>, mut exemptions: Vec<Exemption>, settings: Settings) -> Self {
        select::sort_rules(&mut rules);
        select::sort_exemptions(&mut exemptions);
        let version = PolicyVersion::of(&rules, &exemptions, &settings);
        let index = RuleIndex::new(&rules);
        Self { version, rules, exemptions, settings, index }
    }

    /// Names this content; equal content has an equal version, wherever it was read from.
    pub const fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Every rule: by reason, then the more specific before the less specific.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Every exemption, the more specific before the less specific.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// Limits and lists that are not rules.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}
