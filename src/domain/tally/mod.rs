//! What is counted for the bureau: sales, and reminders with what became of them (遵从率), by institution and day.
//!
//! A tally is a sum: two of them add up in any order to the same one, so stores add what a change counts for and know
//! nothing of its meaning. [`Count`] counts what changes of histories sold, [`reminders`] what an answer reminded of.

mod count;
mod remind;
#[cfg(test)]
mod tests;

pub use count::{Count, is_held, is_on_record};
pub use remind::{Course, Earlier, Reminder, is_reminder, reminders};

use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{Reason, named};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A calendar month in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month(u32);

/// Bytes of a month in a key.
const MONTH_BYTES: usize = 4;
/// Bytes of a tally's key.
const TALLY_KEY_BYTES: usize = MONTH_BYTES + 8;
/// Months of a year.
const MONTHS: u32 = 12;

impl Month {
    /// The month of a day.
    pub fn of(day: Date) -> Self {
        let year = u32::try_from(day.year()).unwrap_or(0);
        Self(year * MONTHS + u32::from(day.month().unsigned_abs()).saturating_sub(1))
    }

    /// The month after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// A day of it; `None` where it has no such day.
    pub fn day(self, day: u8) -> Option<Date> {
        let year = i16::try_from(self.0 / MONTHS).ok()?;
        let month = i8::try_from(self.0 % MONTHS + 1).ok()?;
        Date::new(year, month, i8::try_from(day).ok()?).ok()
    }

    /// A number that stands for it and is larger for later months.
    pub const fn packed(self) -> u32 {
        self.0
    }

    /// The month of [`packed`](Self::packed).
    pub const fn unpack(packed: u32) -> Self {
        Self(packed)
    }
}

/// As `2026-06`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / MONTHS, self.0 % MONTHS + 1)
    }
}

/// Whose tally of which month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TallyKey {
    /// The month.
    pub month: Month,
    /// The institution.
    pub institution: InstitutionCode,
}

impl TallyKey {
    /// The key as stores keep it: sorts by month, then by institution.
    pub fn packed(&self) -> [u8; TALLY_KEY_BYTES] {
        let mut bytes = [0; TALLY_KEY_BYTES];
        let (month, institution) = bytes.split_at_mut(MONTH_BYTES);
        month.copy_from_slice(&self.month.packed().to_be_bytes());
        institution.copy_from_slice(&self.institution.packed().to_be_bytes());
        bytes
    }

    /// The key that [`packed`](Self::packed) made; `None` for anything else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (month, institution) = bytes.split_first_chunk::<MONTH_BYTES>()?;
        let institution = InstitutionCode::unpack(u64::from_be_bytes(institution.try_into().ok()?))?;
        Some(Self { month: Month::unpack(u32::from_be_bytes(*month)), institution })
    }
}

/// Reminders in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Findings that reminded; of all rules together the documents.
    pub reminders: i64,
    /// Documents with such findings (人次): each is one person's, and no patient is named.
    pub persons: i64,
    /// Fen of their lines, as far as quantity and price are known.
    pub amount_fen: i64,
}

impl Counted {
    fn add(&mut self, other: &Self, factor: i64) {
        let more = |sum: i64, n: i64| sum.saturating_add(n.saturating_mul(factor));
        self.reminders = more(self.reminders, other.reminders);
        self.persons = more(self.persons, other.persons);
        self.amount_fen = more(self.amount_fen, other.amount_fen);
    }

    /// What is left of it without `other`.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.add(other, -1);
        self
    }
}

/// Reminders of one rule on one day, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reminded {
    /// All of them.
    pub all: Counted,
    /// Those after which the sale went on: it stands, or its hold was confirmed. The others were followed.
    pub gone_on: Counted,
    /// Persons of those that went on with a reason.
    pub explained: i64,
}

impl Reminded {
    /// Reminders after which nothing was sold: the document was cancelled, or its hold was never confirmed.
    pub fn followed(&self) -> Counted {
        self.all.without(&self.gone_on)
    }

    /// Adds another one, or takes it out again: `factor` = 1 or -1.
    pub fn add(&mut self, other: &Self, factor: i64) {
        self.all.add(&other.all, factor);
        self.gone_on.add(&other.gone_on, factor);
        self.explained = self.explained.saturating_add(other.explained.saturating_mul(factor));
    }
}

/// The rule of a reminder, by its reason; `None` = all rules together, in which a document counts once.
pub type Rule = Option<Reason>;

named! {
    /// By what reminders are counted together.
    pub enum TallyBy {
        /// The division of the institution.
        Division = "division",
        /// The institution.
        Institution = "institution",
        /// The rule that reminded, by its reason.
        Rule = "rule",
        /// The day, in Asia/Shanghai.
        Day = "day",
        /// The month.
        Month = "month",
    }
}

/// What is counted of one day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DayTally {
    /// Codes sold: one for each code of each document, not those that were voided.
    pub sales: i64,
    /// In order of the rules.
    rules: Vec<(Rule, Reminded)>,
}

impl DayTally {
    /// Reminders by rule.
    pub fn rules(&self) -> &[(Rule, Reminded)] {
        &self.rules
    }

    /// Reminders of one rule, or of all together.
    pub fn of_rule(&self, rule: Rule) -> Option<&Reminded> {
        let at = self.rules.binary_search_by_key(&rule, |(rule, _)| *rule).ok()?;
        self.rules.get(at).map(|(_, reminded)| reminded)
    }

    fn add(&mut self, other: &Self, factor: i64) {
        self.sales = self.sales.saturating_add(other.sales.saturating_mul(factor));
        for (rule, reminded) in &other.rules {
            self.remind(*rule, reminded, factor);
        }
    }

    fn remind(&mut self, rule: Rule, reminded: &Reminded, factor: i64) {
        match self.rules.binary_search_by_key(&rule, |(rule, _)| *rule) {
            Ok(at) => {
                let Some((_, sum)) = self.rules.get_mut(at) else { return };
                sum.add(reminded, factor);
                if *sum == Reminded::default() {
                    self.rules.remove(at);
                }
            }
            Err(_) if *reminded == Reminded::default() => {}
            Err(at) => {
                let mut sum = Reminded::default();
                sum.add(reminded, factor);
                self.rules.insert(at, (rule, sum));
            }
        }
    }
}

/// What is counted of one institution in one month. What adds up to nothing leaves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Days of the month, in their order.
    days: Vec<(u8, DayTally)>,
}

impl Tally {
    /// Days of the month with what is counted of them, in their order.
    pub fn days(&self) -> &[(u8, DayTally)] {
        &self.days
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Counts sales of a day.
    pub fn count_sales(&mut self, day: u8, sales: i64) {
        self.change(day, |tally| tally.sales = tally.sales.saturating_add(sales));
    }

    /// Counts reminders of a day.
    pub fn count_reminders(&mut self, day: u8, rule: Rule, reminded: &Reminded) {
        self.change(day, |tally| tally.remind(rule, reminded, 1));
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (day, tally) in &other.days {
            self.change(*day, |sum| sum.add(tally, 1));
        }
    }

    /// What must be added to `other` to make it this one.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        for (day, tally) in &other.days {
            self.change(*day, |sum| sum.add(tally, -1));
        }
        self
    }

    fn change(&mut self, day: u8, change: impl FnOnce(&mut DayTally)) {
        let at = match self.days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(at) => at,
            Err(at) => {
                self.days.insert(at, (day, DayTally::default()));
                at
            }
        };
        let Some((_, tally)) = self.days.get_mut(at) else { return };
        change(tally);
        if *tally == DayTally::default() {
            self.days.remove(at);
        }
    }
}
