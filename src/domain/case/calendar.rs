//! Working days: weekends, holidays, and weekends that are worked for a holiday (调休). Which days these are is data.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;

/// The longest run of days that one entry may name.
const RUN_DAYS_MAX: usize = 31;

/// Days that are not what their weekday says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    /// Weekdays on which nobody works.
    pub holidays: BTreeSet<Date>,
    /// Weekend days that are worked.
    pub working_weekends: BTreeSet<Date>,
}

/// A text that names no days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a day (2026-10-01) nor a run of at most {RUN_DAYS_MAX} days (2026-10-01..2026-10-07)"
)]
pub struct BadDay(pub String);

impl Calendar {
    /// Whether bureaus work on a day.
    pub fn is_working_day(&self, day: Date) -> bool {
        let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        (!is_weekend || self.working_weekends.contains(&day)) && !self.holidays.contains(&day)
    }

    /// The last of so many working days after a day; that day itself does not count.
    pub fn after(&self, day: Date, working_days: u32) -> Date {
        let mut day = day;
        let mut left = working_days;
        while left > 0 {
            let Ok(next) = day.tomorrow() else { return day };
            day = next;
            left -= u32::from(self.is_working_day(day));
        }
        day
    }

    /// The days that an entry names: one, or a run from the first to the last, both inclusive.
    pub fn days(text: &str) -> Result<Vec<Date>, BadDay> {
        let bad = || BadDay(text.chars().take(60).collect());
        let read = |text: &str| text.trim().parse::<Date>().map_err(|_| bad());
        let Some((first, last)) = text.split_once("..") else { return Ok(vec![read(text)?]) };
        let (first, last) = (read(first)?, read(last)?);
        let days: Vec<Date> =
            first.series(1.day()).take(RUN_DAYS_MAX + 1).take_while(|day| *day <= last).collect();
        if days.is_empty() || days.len() > RUN_DAYS_MAX { Err(bad()) } else { Ok(days) }
    }
}
