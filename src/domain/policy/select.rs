//! Which rule wins: the hot path. Rules lie sorted so that the first one that matches is the most
//! specific, and no look-up allocates.

use super::rule::{Exemption, Mismatch, Rule};
use super::scope::DivisionPrefix;
use super::situation::Situation;
use super::{Policy, version};
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason};
use std::cmp::Reverse;
use std::ops::Range;

/// What the policy does about one reason in one situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling<'p> {
    /// What is done; [`Enforcement::Off`] where no rule applies.
    pub enforcement: Enforcement,
    /// The rule that says so; `None` = no rule applies.
    pub rule: Option<&'p Rule>,
}

/// One rule that was looked at, and how it fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// The first thing that did not match; `None` = the rule applies.
    pub mismatch: Option<Mismatch>,
    /// Of those that apply, this one decides.
    pub wins: bool,
}

impl Policy {
    /// What is done about `reason` (and `class`, for a duplicate) in a situation. The most specific
    /// rule wins: the longest division prefix, then more other scope fields, then a rule that names
    /// the class, then the later first day.
    pub fn ruling(&self, reason: Reason, class: Option<DuplicateClass>, at: &Situation<'_>) -> Ruling<'_> {
        let blocks = self.index.blocks_of(reason);
        let mut lengths = blocks.map_or(0, |blocks| blocks.lengths);
        let mut rule = None;
        // The set bits from the highest down are the lengths of prefixes from the longest down.
        while let (None, Some(digits)) = (rule, lengths.checked_ilog2()) {
            lengths &= !(1 << digits);
            let prefix = DivisionPrefix::of(at.institution.division, digits);
            let range = blocks.and_then(|blocks| blocks.find(prefix));
            let rules = range.and_then(|range| self.rules.get(range)).unwrap_or_default();
            rule = rules.iter().find(|rule| rule.first_mismatch(class, at, &self.settings).is_none());
        }
        Ruling { enforcement: rule.map_or(Enforcement::Off, |rule| rule.enforcement), rule }
    }

    /// Every rule of a reason in order of precedence, with what kept it from applying, for people.
    pub fn explain(
        &self,
        reason: Reason,
        class: Option<DuplicateClass>,
        at: &Situation<'_>,
    ) -> Vec<Candidate<'_>> {
        let winner = self.ruling(reason, class, at).rule;
        let candidate = |rule| Candidate {
            rule,
            mismatch: rule.first_mismatch(class, at, &self.settings),
            wins: winner.is_some_and(|winner| std::ptr::eq(winner, rule)),
        };
        self.rules.iter().filter(|rule| rule.reason == reason).map(candidate).collect()
    }

    /// Why no code is due in a situation; the most specific exemption. `None` = a code is due.
    pub fn exemption(&self, at: &Situation<'_>) -> Option<&Exemption> {
        self.exemptions.iter().find(|exemption| exemption.first_mismatch(at, &self.settings).is_none())
    }
}

/// Sorts into the order that selection and version rest on. The trailing keys only make the order,
/// and so the winner, independent of the order of files.
pub(super) fn sort_rules(rules: &mut [Rule]) {
    rules.sort_by_cached_key(|rule| {
        let prefix = rule.scope.division_prefix;
        let tie = (Reverse(rule.enforcement), version::canonical_rule(rule), rule.source.clone());
        (rule.reason, Reverse(prefix.digits()), prefix, Reverse(rule.rank()), tie)
    });
}

/// As [`sort_rules`], for exemptions.
pub(super) fn sort_exemptions(exemptions: &mut [Exemption]) {
    exemptions.sort_by_cached_key(|exemption| {
        let text = version::canonical_exemption(exemption);
        (Reverse(exemption.rank()), text, exemption.source.clone())
    });
}

/// Neighbouring rules with the same reason and the same division prefix.
#[derive(Debug, Clone)]
struct Block {
    prefix: DivisionPrefix,
    rules: Range<usize>,
}

/// All blocks of one reason.
#[derive(Debug, Clone)]
struct Blocks {
    /// Bit n is set where some prefix has n digits, so that no other length is searched for.
    lengths: u8,
    /// The shorter prefix first, then by value.
    sorted: Vec<Block>,
}

/// Finds the rules of a reason and a division without walking over those of other divisions: a
/// policy may hold rules for each of some 3,000 counties.
#[derive(Debug, Clone)]
pub(super) struct RuleIndex {
    by_reason: [Blocks; Reason::ALL.len()],
}

impl RuleIndex {
    /// Expects the order of [`sort_rules`].
    pub(super) fn new(rules: &[Rule]) -> Self {
        const EMPTY: Blocks = Blocks { lengths: 0, sorted: Vec::new() };
        let mut by_reason = [EMPTY; Reason::ALL.len()];
        let mut start = 0;
        for group in rules.chunk_by(same_block) {
            let rules = start..start + group.len();
            start = rules.end;
            let Some(rule) = group.first() else { continue };
            if let Some(blocks) = by_reason.get_mut(rule.reason as usize) {
                let prefix = rule.scope.division_prefix;
                blocks.lengths |= 1 << prefix.digits();
                blocks.sorted.push(Block { prefix, rules });
            }
        }
        for blocks in &mut by_reason {
            blocks.sorted.sort_by_key(|block| block.prefix);
        }
        Self { by_reason }
    }

    fn blocks_of(&self, reason: Reason) -> Option<&Blocks> {
        self.by_reason.get(reason as usize)
    }
}

impl Blocks {
    fn find(&self, prefix: DivisionPrefix) -> Option<Range<usize>> {
        let at = self.sorted.binary_search_by_key(&prefix, |block| block.prefix).ok()?;
        self.sorted.get(at).map(|block| block.rules.clone())
    }
}

fn same_block(one: &Rule, other: &Rule) -> bool {
    one.reason == other.reason && one.scope.division_prefix == other.scope.division_prefix
}
