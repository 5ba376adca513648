//! Rules that contradict each other: a set of rules that has any is refused as a whole.

use super::rule::{Rank, Rule};
use super::scope::DivisionPrefix;
use crate::domain::verdict::{DuplicateClass, Reason};
use std::collections::HashMap;

/// Two rules that could both decide one situation, differently, with neither more specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction<'r> {
    /// The rule that came first in the set.
    pub first: &'r Rule,
    /// The rule that contradicts it.
    pub second: &'r Rule,
}

/// Only rules with an equal key can contradict each other. The rank holds the first day of
/// validity, and two rules that start on one day always share that day, so dates need no further
/// look. Of prefixes with equally many digits only equal ones overlap.
type Key = (Reason, Option<DuplicateClass>, Rank, DivisionPrefix);

/// The contradictions among `rules`, at most one for each rule, in the order of the rules.
pub fn contradictions<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Vec<Contradiction<'r>> {
    let mut groups: HashMap<Key, Vec<&Rule>> = HashMap::new();
    let mut found = Vec::new();
    for second in rules {
        let key = (second.reason, second.class, second.rank(), second.scope.division_prefix);
        let group = groups.entry(key).or_default();
        if let Some(first) = group.iter().find(|first| contradict(first, second)) {
            found.push(Contradiction { first, second });
        }
        group.push(second);
    }
    found
}

fn contradict(first: &Rule, second: &Rule) -> bool {
    first.enforcement != second.enforcement && first.scope.overlaps(&second.scope)
}
