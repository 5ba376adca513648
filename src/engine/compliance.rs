//! Reminders and sales, added up for those who may see them.

use super::{Engine, EngineError};
use crate::domain::case::GroupBy;
use crate::domain::party::{Caller, Division, InstitutionCode};
use crate::domain::tally::{DayTally, Month, Reminded, Rule, TallyBy};
use crate::domain::time::day_of;
use crate::domain::verdict::Reason;
use crate::index::cases::{CaseFilter, Summary};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::collections::HashMap;

/// Months of one question at most.
const MONTHS_MAX: u32 = 120;
/// Bits of a day in the number of a group.
const DAY_BITS: u32 = 8;

/// Which tallies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyFilter {
    /// The first day.
    pub first: Date,
    /// The last day, inclusive.
    pub last: Date,
    /// Institutions in divisions that begin with these digits.
    pub division_prefix: Option<String>,
    /// This institution.
    pub institution: Option<InstitutionCode>,
    /// Reminders of this rule.
    pub rule: Rule,
}

/// Reminders of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compliance {
    /// The division, institution, reason, day or month.
    pub group: String,
    /// Its reminders, and what became of them.
    pub reminded: Reminded,
}

/// Cases of one group, beside what was sold there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// The cases.
    pub summary: Summary,
    /// Codes sold in the group and the days that are looked at; where cases are counted by drug or class, in all of them.
    pub sales: i64,
}

impl Engine {
    /// Reminders of those whom the caller may see, by groups; the largest amount first. With them their sum.
    pub async fn summarize_compliance(
        &self,
        caller: &Caller,
        filter: &TallyFilter,
        by: TallyBy,
    ) -> Result<(Vec<Compliance>, Reminded), EngineError> {
        let mut groups: HashMap<u64, Reminded> = HashMap::new();
        let mut sum = Reminded::default();
        self.each_day(caller, filter, |institution, month, day, tally| {
            let of_filter = tally.of_rule(filter.rule).copied().unwrap_or_default();
            sum.add(&of_filter, 1);
            if by != TallyBy::Rule {
                let group = group_of(by, institution, month, day);
                groups.entry(group).or_default().add(&of_filter, 1);
                return;
            }
            for (rule, reminded) in tally.rules() {
                if let Some(reason) = rule.filter(|reason| filter.rule.is_none_or(|asked| asked == *reason)) {
                    groups.entry(reason as u64).or_default().add(reminded, 1);
                }
            }
        })
        .await?;
        groups.retain(|_, reminded| *reminded != Reminded::default());
        let named =
            groups.into_iter().map(|(group, reminded)| Compliance { group: name_of(by, group), reminded });
        let mut named: Vec<_> = named.collect();
        let weight = |one: &Compliance| (one.reminded.all.amount_fen, one.reminded.all.persons);
        named.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.group.cmp(&b.group)));
        Ok((named, sum))
    }

    /// Cases counted by groups, of what the caller may see, each beside what was sold there.
    pub async fn summarize_duplicates(
        &self,
        caller: &Caller,
        filter: CaseFilter,
        by: GroupBy,
    ) -> Result<Vec<Duplicates>, EngineError> {
        let tally_by = match by {
            GroupBy::Division => Some(TallyBy::Division),
            GroupBy::Institution => Some(TallyBy::Institution),
            GroupBy::Day => Some(TallyBy::Day),
            GroupBy::Month => Some(TallyBy::Month),
            GroupBy::Drug | GroupBy::Class => None,
        };
        let of_tallies = self.days_of(&filter)?;
        let mut groups: HashMap<u64, i64> = HashMap::new();
        let mut all = 0_i64;
        self.each_day(caller, &of_tallies, |institution, month, day, tally| {
            all = all.saturating_add(tally.sales);
            if let Some(by) = tally_by {
                let group = groups.entry(group_of(by, institution, month, day)).or_default();
                *group = group.saturating_add(tally.sales);
            }
        })
        .await?;
        let named: Option<HashMap<String, i64>> =
            tally_by.map(|by| groups.into_iter().map(|(group, sales)| (name_of(by, group), sales)).collect());
        let sales_of =
            |group: &str| named.as_ref().map_or(all, |named| named.get(group).copied().unwrap_or(0));
        let summaries = self.summarize_cases(caller, filter, by).into_iter();
        Ok(summaries.map(|summary| Duplicates { sales: sales_of(&summary.group), summary }).collect())
    }

    /// The days in which cases were opened that a filter looks for.
    fn days_of(&self, filter: &CaseFilter) -> Result<TallyFilter, EngineError> {
        let today = self.today();
        let day = |micros: i64| Timestamp::from_microsecond(micros).map_or(today, day_of);
        let last = filter.opened.to.map_or(today, day).min(today);
        let months = i64::from(MONTHS_MAX).saturating_sub(1);
        let earliest = last.checked_sub(months.months()).unwrap_or(last);
        let first = filter.opened.from.map_or(earliest, day).max(earliest);
        Ok(TallyFilter {
            first,
            last,
            division_prefix: filter.division_prefix.clone(),
            institution: filter.institution,
            rule: None,
        })
    }

    /// Looks at every day of every institution that the caller may see and a filter lets pass.
    async fn each_day(
        &self,
        caller: &Caller,
        filter: &TallyFilter,
        mut look: impl FnMut(InstitutionCode, Month, u8, &DayTally) + Send,
    ) -> Result<(), EngineError> {
        let (first, last) = (Month::of(filter.first), Month::of(filter.last));
        if last.packed().saturating_sub(first.packed()) >= MONTHS_MAX {
            let what = format!("one question covers at most {MONTHS_MAX} months");
            return Err(EngineError::invalid("first_day", what));
        }
        let knowledge = self.knowledge.get();
        let mut tallies = self.store.tallies(first, last, filter.institution);
        while let Some(batch) = tallies.recv().await {
            for (key, tally) in batch? {
                let institution = key.institution;
                let wanted = filter.division_prefix.as_ref();
                let wanted = wanted.is_none_or(|prefix| institution.division().is_within(prefix));
                if !wanted || !knowledge.lets_see(caller, institution) {
                    continue;
                }
                for (day, tally) in tally.days() {
                    let date = key.month.day(*day);
                    if date.is_some_and(|date| filter.first <= date && date <= filter.last) {
                        look(institution, key.month, *day, tally);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The number of the group in which a day of an institution counts.
fn group_of(by: TallyBy, institution: InstitutionCode, month: Month, day: u8) -> u64 {
    match by {
        TallyBy::Division => institution.division().0.into(),
        TallyBy::Institution => institution.packed(),
        TallyBy::Day => (u64::from(month.packed()) << DAY_BITS) | u64::from(day),
        TallyBy::Month | TallyBy::Rule => month.packed().into(),
    }
}

fn name_of(by: TallyBy, group: u64) -> String {
    let month = |packed: u64| Month::unpack(u32::try_from(packed).unwrap_or(0));
    let named = match by {
        TallyBy::Division => u32::try_from(group).ok().map(|code| Division(code).to_string()),
        TallyBy::Institution => InstitutionCode::unpack(group).map(|code| code.to_string()),
        TallyBy::Rule => {
            let reason = usize::try_from(group).ok().and_then(|at| Reason::ALL.get(at));
            reason.map(|reason| reason.name().to_owned())
        }
        TallyBy::Month => Some(month(group).to_string()),
        TallyBy::Day => {
            let day = u8::try_from(group & ((1 << DAY_BITS) - 1)).unwrap_or(0);
            month(group >> DAY_BITS).day(day).map(|day| day.to_string())
        }
    };
    named.unwrap_or_default()
}
