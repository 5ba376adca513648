//! Cases counted by groups.

use super::filter::CaseFilter;
use super::row::CaseRow;
use super::table::Table;
use crate::domain::case::{Ending, GroupBy};
use crate::domain::time::day_of;
use jiff::Timestamp;
use std::collections::HashMap;

/// The cases of one group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The division, institution, catalogue code, class, day or month; empty = not known.
    pub group: String,
    /// How many.
    pub cases: u64,
    /// Those that are not closed.
    pub open: u64,
    /// Those that were closed as violations.
    pub violations: u64,
    /// Those that were closed as anything else.
    pub dismissed: u64,
    /// Fen at stake or recovered.
    pub amount_fen: i64,
    /// Fen to be recovered, of violations.
    pub recovered_fen: i64,
    /// Fen that were given back voluntarily.
    pub refunded_fen: i64,
    /// Cases of which the amount is not known.
    pub amount_unknown: u64,
}

impl Summary {
    fn add(&mut self, row: &CaseRow) {
        self.cases += 1;
        match row.ended {
            None => self.open += 1,
            Some(ended) if ended.ending == Ending::Violation => {
                self.violations += 1;
                self.recovered_fen = self.recovered_fen.saturating_add(ended.recovered_fen);
            }
            Some(_) => self.dismissed += 1,
        }
        match row.amount_fen {
            Some(fen) => self.amount_fen = self.amount_fen.saturating_add(fen),
            None => self.amount_unknown += 1,
        }
        self.refunded_fen = self.refunded_fen.saturating_add(row.refunded_fen);
    }
}

/// Counts what a filter lets pass; the most cases first, then by name.
pub(super) fn summarize(table: &Table, filter: &CaseFilter, by: GroupBy) -> Vec<Summary> {
    let mut groups: HashMap<Group<'_>, Summary> = HashMap::new();
    for row in table.matching(filter) {
        match by {
            // A case of two institutions counts for both.
            GroupBy::Institution => {
                for code in &row.accused {
                    groups.entry(Group::Number(code.packed())).or_default().add(row);
                }
            }
            GroupBy::Division => {
                let division = row.place_of_care.map_or(u64::MAX, |division| division.0.into());
                groups.entry(Group::Number(division)).or_default().add(row);
            }
            GroupBy::Drug => {
                let code = row.catalog_code.as_deref().unwrap_or_default();
                groups.entry(Group::Text(code)).or_default().add(row);
            }
            GroupBy::Class => groups.entry(Group::Text(row.class.name())).or_default().add(row),
            GroupBy::Day | GroupBy::Month => {
                groups.entry(Group::Day(shanghai_day(row.opened_at))).or_default().add(row);
            }
        }
    }
    let mut merged: HashMap<String, Summary> = HashMap::with_capacity(groups.len());
    for (group, summary) in groups {
        let name = group.name(by);
        let sum = merged.entry(name.clone()).or_insert_with(|| Summary { group: name, ..Summary::default() });
        sum.merge(&summary);
    }
    let mut all: Vec<Summary> = merged.into_values().collect();
    all.sort_unstable_by(|a, b| b.cases.cmp(&a.cases).then_with(|| a.group.cmp(&b.group)));
    all
}

impl Summary {
    fn merge(&mut self, other: &Self) {
        self.cases += other.cases;
        self.open += other.open;
        self.violations += other.violations;
        self.dismissed += other.dismissed;
        self.amount_fen = self.amount_fen.saturating_add(other.amount_fen);
        self.recovered_fen = self.recovered_fen.saturating_add(other.recovered_fen);
        self.refunded_fen = self.refunded_fen.saturating_add(other.refunded_fen);
        self.amount_unknown += other.amount_unknown;
    }
}

/// A group that costs nothing to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group<'a> {
    Number(u64),
    Text(&'a str),
    /// Days since 1970 in Asia/Shanghai.
    Day(i64),
}

impl Group<'_> {
    fn name(self, by: GroupBy) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Number(u64::MAX) => String::new(),
            Self::Number(number) if by == GroupBy::Institution => {
                crate::domain::party::InstitutionCode::unpack(number)
                    .map(|c| c.to_string())
                    .unwrap_or_default()
            }
            Self::Number(number) => format!("{number:06}"),
            Self::Day(day) => {
                let date = Timestamp::from_second(day * DAY_SECONDS).ok().map(day_of);
                let date = date.map(|date| date.to_string()).unwrap_or_default();
                if by == GroupBy::Month { date.get(..7).unwrap_or_default().to_owned() } else { date }
            }
        }
    }
}

const DAY_SECONDS: i64 = 86_400;
/// Asia/Shanghai is eight hours ahead all year.
const SHANGHAI_AHEAD_SECONDS: i64 = 8 * 3600;

fn shanghai_day(microseconds: i64) -> i64 {
    (microseconds.div_euclid(1_000_000) + SHANGHAI_AHEAD_SECONDS).div_euclid(DAY_SECONDS)
}
