//! The table of cases: rows, and for each thing that is looked for the set of rows that have it. Sets are bitmaps, so
//! that any combination is found in time that does not depend on how many cases each of them has alone.

use super::Page;
use super::filter::{CaseFilter, Cursor, Range, Sight};
use super::row::CaseRow;
use crate::domain::case::{CaseClass, CaseName, CaseState, Dossier};
use crate::domain::code::CodeKey;
use crate::domain::party::{Division, InstitutionCode};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// Up to so many candidates are put into order; of more, the first in order are looked for.
const SORTED_MAX: u64 = 100_000;
/// Microseconds of the spans by which moments are looked up: a day.
const SPAN: i64 = 24 * 3600 * 1_000_000;

/// What a set of rows has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trait {
    Division(Division),
    Institution(InstitutionCode),
    Class(CaseClass),
    State(CaseState),
    Drug(String),
    /// The span in which the first event happened.
    Occurred(i64),
    /// The span in which the case was opened.
    Opened(i64),
    /// Binary digits of the amount in fen.
    Amount(u32),
    Proposal,
}

/// All cases.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<CaseRow>,
    sets: BTreeMap<Trait, RoaringBitmap>,
    /// Rows by when they were opened, then by their names.
    order: BTreeSet<(i64, CaseName, u32)>,
    of_code: HashMap<CodeKey, Known>,
    /// Codes by the places of their last changes.
    changes: BTreeMap<u64, CodeKey>,
}

/// What is known of a code's dossier.
#[derive(Debug, Default)]
struct Known {
    place: u64,
    version: u32,
    /// Its rows, in the order of their numbers.
    rows: Vec<u32>,
}

fn traits_of(row: &CaseRow) -> BTreeSet<Trait> {
    let mut traits: BTreeSet<Trait> = row.divisions().map(Trait::Division).collect();
    traits.extend(row.parties.iter().map(|party| Trait::Institution(*party)));
    traits.extend([Trait::Class(row.class), Trait::State(row.state)]);
    traits.extend([
        Trait::Occurred(row.occurred_at.div_euclid(SPAN)),
        Trait::Opened(row.opened_at.div_euclid(SPAN)),
    ]);
    traits.extend(row.catalog_code.clone().map(Trait::Drug));
    traits.extend(row.amount_fen.map(|fen| Trait::Amount(digits(fen))));
    traits.extend(row.has_proposal.then_some(Trait::Proposal));
    traits
}

fn digits(fen: i64) -> u32 {
    i64::BITS - fen.max(0).leading_zeros()
}

impl Table {
    /// Takes in a dossier, unless a newer one is known.
    pub fn take(&mut self, place: u64, key: &CodeKey, dossier: &Dossier) {
        let mut known = self.of_code.remove(key).unwrap_or_default();
        if known.version > dossier.version || (known.version == dossier.version && known.place >= place) {
            self.of_code.insert(key.clone(), known);
            return;
        }
        for (at, case) in dossier.cases.iter().enumerate() {
            let row = CaseRow::of(key, dossier, case);
            match known.rows.get(at) {
                Some(number) => self.replace(*number, row),
                None => known.rows.push(self.add(row)),
            }
        }
        self.changes.remove(&known.place);
        self.changes.insert(place, key.clone());
        known.place = place;
        known.version = dossier.version;
        self.of_code.insert(key.clone(), known);
    }

    /// Adds or replaces the one case of a code.
    #[cfg(test)]
    pub fn put(&mut self, row: CaseRow) {
        let known = self.of_code.get(&row.name.key).and_then(|known| known.rows.first().copied());
        match known {
            Some(number) => self.replace(number, row),
            None => {
                let key = row.name.key.clone();
                let rows = vec![self.add(row)];
                self.of_code.insert(key, Known { rows, ..Known::default() });
            }
        }
    }

    fn add(&mut self, row: CaseRow) -> u32 {
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        for has in traits_of(&row) {
            self.sets.entry(has).or_default().insert(number);
        }
        self.order.insert((row.opened_at, row.name.clone(), number));
        self.rows.push(row);
        number
    }

    fn replace(&mut self, number: u32, row: CaseRow) {
        let Some(stands) = self.rows.get_mut(number as usize) else { return };
        let (before, after) = (traits_of(stands), traits_of(&row));
        let moved = stands.opened_at != row.opened_at;
        if moved {
            self.order.remove(&(stands.opened_at, stands.name.clone(), number));
            self.order.insert((row.opened_at, row.name.clone(), number));
        }
        *stands = row;
        for has in before.difference(&after) {
            if let Some(set) = self.sets.get_mut(has) {
                set.remove(number);
            }
        }
        for has in after.difference(&before) {
            self.sets.entry(has.clone()).or_default().insert(number);
        }
    }

    fn set(&self, of: &Trait) -> RoaringBitmap {
        self.sets.get(of).cloned().unwrap_or_default()
    }

    fn union<'a>(&self, of: impl IntoIterator<Item = &'a Trait>) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        of.into_iter().filter_map(|has| self.sets.get(has)).for_each(|set| all |= set);
        all
    }

    fn in_division(&self, prefix: &str) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        let Some((from, to)) = divisions_of(prefix) else { return all };
        let range = Trait::Division(Division(from))..=Trait::Division(Division(to));
        self.sets.range(range).for_each(|(_, set)| all |= set);
        all
    }

    fn in_spans(&self, range: &Range, of: fn(i64) -> Trait) -> Option<RoaringBitmap> {
        if range.is_open() {
            return None;
        }
        let span = |at: Option<i64>, open: i64| at.map_or(open, |at| at.div_euclid(SPAN));
        let (from, to) = (span(range.from, i64::MIN), span(range.to, i64::MAX));
        let mut all = RoaringBitmap::new();
        if from <= to {
            self.sets.range(of(from)..=of(to)).for_each(|(_, set)| all |= set);
        }
        Some(all)
    }

    fn in_amounts(&self, range: &Range) -> Option<RoaringBitmap> {
        if range.is_open() {
            return None;
        }
        let (from, to) = (digits(range.from.unwrap_or(0)), digits(range.to.unwrap_or(i64::MAX)));
        let mut all = RoaringBitmap::new();
        if from <= to {
            self.sets.range(Trait::Amount(from)..=Trait::Amount(to)).for_each(|(_, set)| all |= set);
        }
        Some(all)
    }

    /// Rows that may pass a filter; `None` = all of them.
    fn candidates(&self, filter: &CaseFilter) -> Option<RoaringBitmap> {
        let institutions = |codes: &[InstitutionCode]| {
            let traits: Vec<_> = codes.iter().map(|code| Trait::Institution(*code)).collect();
            self.union(&traits)
        };
        let sight = match &filter.sight {
            Sight::All => None,
            Sight::Division(prefix) => Some(self.in_division(prefix)),
            Sight::Institutions(codes) => Some(institutions(codes)),
        };
        let classes: Vec<_> = filter.classes.iter().map(|class| Trait::Class(*class)).collect();
        let states: Vec<_> = filter.states.iter().map(|state| Trait::State(*state)).collect();
        let sets = [
            sight,
            filter.division_prefix.as_ref().map(|prefix| self.in_division(prefix)),
            filter.institution.map(|code| institutions(&[code])),
            (!classes.is_empty()).then(|| self.union(&classes)),
            (!states.is_empty()).then(|| self.union(&states)),
            filter.catalog_code.as_ref().map(|code| self.set(&Trait::Drug(code.clone()))),
            self.in_spans(&filter.occurred, Trait::Occurred),
            self.in_spans(&filter.opened, Trait::Opened),
            self.in_amounts(&filter.amount_fen),
            filter.with_proposal.then(|| self.set(&Trait::Proposal)),
        ];
        sets.into_iter().flatten().reduce(|a, b| a & b)
    }

    /// The rows that pass a filter, in no order.
    pub fn matching<'a>(&'a self, filter: &'a CaseFilter) -> Box<dyn Iterator<Item = &'a CaseRow> + 'a> {
        let passes = |row: &&CaseRow| filter.lets_pass(row);
        match self.candidates(filter) {
            None => Box::new(self.rows.iter().filter(passes)),
            Some(set) => {
                let row = |number: u32| self.rows.get(number as usize);
                Box::new(set.into_iter().filter_map(row).filter(passes))
            }
        }
    }

    pub fn count(&self, filter: &CaseFilter) -> u64 {
        self.matching(filter).count() as u64
    }

    pub fn page(&self, filter: &CaseFilter, after: Option<&Cursor>, limit: usize) -> Page {
        self.page_sorted_up_to(SORTED_MAX, filter, after, limit)
    }

    /// As [`page`](Self::page); up to `sorted_max` candidates are put into order.
    pub(super) fn page_sorted_up_to(
        &self,
        sorted_max: u64,
        filter: &CaseFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Page {
        let set = self.candidates(filter);
        let found = match &set {
            Some(set) if set.len() <= sorted_max => self.sorted(filter, set, after, limit),
            Some(_) | None => self.in_order(filter, set.as_ref(), after, limit),
        };
        let more = found.len() > limit;
        let cases: Vec<CaseName> = found.iter().take(limit).map(|row| row.name.clone()).collect();
        let last = found.get(limit.wrapping_sub(1)).filter(|_| more);
        let next = last.map(|row| Cursor { opened_at: row.opened_at, name: row.name.clone() });
        Page { cases, next }
    }

    /// A few candidates, put into order.
    fn sorted(
        &self,
        filter: &CaseFilter,
        set: &RoaringBitmap,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Vec<&CaseRow> {
        let is_behind = |row: &&CaseRow| {
            after.is_none_or(|after| (row.opened_at, &row.name) < (after.opened_at, &after.name))
        };
        let rows = set.iter().filter_map(|number| self.rows.get(number as usize));
        let mut rows: Vec<_> = rows.filter(is_behind).filter(|row| filter.lets_pass(row)).collect();
        let newest_first = |a: &&CaseRow, b: &&CaseRow| (b.opened_at, &b.name).cmp(&(a.opened_at, &a.name));
        if rows.len() > limit + 1 {
            rows.select_nth_unstable_by(limit, newest_first);
            rows.truncate(limit + 1);
        }
        rows.sort_unstable_by(newest_first);
        rows
    }

    /// Many candidates: the first of them in order are not far.
    fn in_order(
        &self,
        filter: &CaseFilter,
        set: Option<&RoaringBitmap>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Vec<&CaseRow> {
        let end = match after {
            Some(after) => Bound::Excluded((after.opened_at, after.name.clone(), 0)),
            None => Bound::Unbounded,
        };
        let rows = self.order.range((Bound::Unbounded, end)).rev();
        let rows =
            rows.take_while(|(opened_at, ..)| filter.opened.from.is_none_or(|from| from <= *opened_at));
        let rows = rows.filter(|(_, _, number)| set.is_none_or(|set| set.contains(*number)));
        let rows = rows.filter_map(|(_, _, number)| self.rows.get(*number as usize));
        rows.filter(|row| filter.lets_pass(row)).take(limit + 1).collect()
    }

    pub fn changed_behind(&self, place: u64, limit: usize) -> Vec<(u64, CodeKey)> {
        let behind = self.changes.range((Bound::Excluded(place), Bound::Unbounded));
        behind.take(limit).map(|(at, key)| (*at, key.clone())).collect()
    }

    pub fn row(&self, name: &CaseName) -> Option<&CaseRow> {
        let known = self.of_code.get(&name.key)?;
        let rows = known.rows.iter().filter_map(|number| self.rows.get(*number as usize));
        rows.into_iter().find(|row| row.name.number == name.number)
    }
}

/// The first and the last division with a prefix of up to six digits; `None` where it is no prefix.
fn divisions_of(prefix: &str) -> Option<(u32, u32)> {
    let open = 6_u32.checked_sub(u32::try_from(prefix.len()).ok()?)?;
    let size = 10_u32.pow(open);
    let number = if prefix.is_empty() { 0 } else { prefix.parse::<u32>().ok()? };
    Some((number * size, number * size + (size - 1)))
}
