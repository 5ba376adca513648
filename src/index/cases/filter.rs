//! What somebody looks for among cases, and where they are on their way through them.

use super::row::CaseRow;
use crate::domain::case::{CaseClass, CaseName, CaseState};
use crate::domain::party::InstitutionCode;
use jiff::civil::Date;

/// From the first to the last, both inclusive; `None` = without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The least.
    pub from: Option<i64>,
    /// The most.
    pub to: Option<i64>,
}

impl Range {
    /// Whether a value lies in it.
    pub fn holds(&self, value: i64) -> bool {
        self.from.is_none_or(|from| from <= value) && self.to.is_none_or(|to| value <= to)
    }

    /// Whether every value does.
    pub const fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// Whose cases may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sight {
    /// Everybody's.
    #[default]
    All,
    /// Those in which a division takes part that begins with these digits.
    Division(String),
    /// Those in which one of these institutions takes part.
    Institutions(Vec<InstitutionCode>),
}

/// What is looked for; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseFilter {
    /// Whose cases may be seen.
    pub sight: Sight,
    /// A division takes part that begins with these digits.
    pub division_prefix: Option<String>,
    /// This institution takes part.
    pub institution: Option<InstitutionCode>,
    /// One of these classes; empty = any.
    pub classes: Vec<CaseClass>,
    /// One of these states; empty = any.
    pub states: Vec<CaseState>,
    /// This drug.
    pub catalog_code: Option<String>,
    /// The first event happened then, in microseconds since 1970 UTC.
    pub occurred: Range,
    /// The case was opened then.
    pub opened: Range,
    /// Fen at stake or recovered. A case whose amount is not known has none.
    pub amount_fen: Range,
    /// The step that is due should have been done before this day.
    pub overdue_on: Option<Date>,
    /// A late event proposes something.
    pub with_proposal: bool,
}

impl CaseFilter {
    /// Whether a case passes what is not looked up in a list of its own.
    pub(super) fn lets_pass(&self, row: &CaseRow) -> bool {
        let amount =
            self.amount_fen.is_open() || row.amount_fen.is_some_and(|fen| self.amount_fen.holds(fen));
        let overdue = self.overdue_on.is_none_or(|day| row.due_on.is_some_and(|due| due < day));
        amount
            && overdue
            && self.occurred.holds(row.occurred_at)
            && self.opened.holds(row.opened_at)
            && (!self.with_proposal || row.has_proposal)
    }
}

/// A place in the list of cases: behind this one. It stays right whatever is opened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When that case was opened, in microseconds since 1970 UTC.
    pub opened_at: i64,
    /// Its name.
    pub name: CaseName,
}
