//! One rule, one exemption, where they were written, and why one does not apply.

use super::scope::{Scope, ScopeField};
use super::settings::Settings;
use super::situation::Situation;
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason};
use jiff::civil::Date;
use std::fmt;

/// Where a rule was written; never part of what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleSource {
    /// The file's name, as given to the reader.
    pub file: String,
    /// Line number from 1.
    pub line: usize,
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is done about one reason, where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The reason it enforces.
    pub reason: Reason,
    /// Only this class of duplicate; `None` = every class.
    pub class: Option<DuplicateClass>,
    /// Which situations it speaks of.
    pub scope: Scope,
    /// First day it applies; `None` = always has.
    pub valid_from: Option<Date>,
    /// Last day it applies, inclusive; `None` = until further notice.
    pub valid_to: Option<Date>,
    /// What it does.
    pub enforcement: Enforcement,
    /// The notice it comes from, for people.
    pub note: String,
    /// Where it was written.
    pub source: RuleSource,
}

/// Why no code is due in some situations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// A short name, such as `tcm_pieces`.
    pub name: String,
    /// One sentence for the operator, in Chinese.
    pub sentence_zh: String,
    /// The same sentence in English.
    pub sentence_en: String,
    /// Which situations it speaks of.
    pub scope: Scope,
    /// First day it applies; `None` = always has.
    pub valid_from: Option<Date>,
    /// Last day it applies, inclusive; `None` = until further notice.
    pub valid_to: Option<Date>,
    /// Where it was written.
    pub source: RuleSource,
}

/// The first thing in which a rule and a situation differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The rule speaks of another class of duplicate.
    Class,
    /// A field of the scope asks for something else, or for something that is not known.
    Scope(ScopeField),
    /// The rule starts on a later day.
    ValidFrom,
    /// The rule ended on an earlier day.
    ValidTo,
}

impl Mismatch {
    /// The key of the rule that did not match, as files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Scope(field) => field.name(),
            Self::ValidFrom => "valid_from",
            Self::ValidTo => "valid_to",
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How specific a rule or exemption is; the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rank {
    prefix_digits: u8,
    other_fields: u8,
    names_class: bool,
    valid_from: Option<Date>,
}

impl Rule {
    /// The first thing that keeps this rule from applying; `None` = it applies.
    pub fn first_mismatch(
        &self,
        class: Option<DuplicateClass>,
        at: &Situation<'_>,
        settings: &Settings,
    ) -> Option<Mismatch> {
        if self.class.is_some() && self.class != class {
            return Some(Mismatch::Class);
        }
        mismatch(&self.scope, (self.valid_from, self.valid_to), at, settings)
    }

    pub(super) fn rank(&self) -> Rank {
        rank(&self.scope, self.class.is_some(), self.valid_from)
    }
}

impl Exemption {
    /// The first thing that keeps this exemption from applying; `None` = it applies.
    pub fn first_mismatch(&self, at: &Situation<'_>, settings: &Settings) -> Option<Mismatch> {
        mismatch(&self.scope, (self.valid_from, self.valid_to), at, settings)
    }

    pub(super) fn rank(&self) -> Rank {
        rank(&self.scope, false, self.valid_from)
    }
}

fn mismatch(
    scope: &Scope,
    (from, to): (Option<Date>, Option<Date>),
    at: &Situation<'_>,
    settings: &Settings,
) -> Option<Mismatch> {
    if let Some(field) = scope.first_mismatch(at, settings) {
        return Some(Mismatch::Scope(field));
    }
    if from.is_some_and(|from| at.day < from) {
        return Some(Mismatch::ValidFrom);
    }
    to.is_some_and(|to| at.day > to).then_some(Mismatch::ValidTo)
}

fn rank(scope: &Scope, names_class: bool, valid_from: Option<Date>) -> Rank {
    Rank {
        prefix_digits: scope.division_prefix.digits(),
        other_fields: scope.other_fields_set(),
        names_class,
        valid_from,
    }
}
