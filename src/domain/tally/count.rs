//! Sales of codes, counted from what a change does to their histories: whatever the change is, a sale counts once for
//! each code of each document, on the day on which it happened, as long as it stands.

use super::{Month, Tally, TallyKey};
use crate::domain::claim::{Event, History, PaperKey, SaleEvent, SaleStatus};
use crate::domain::judge::Paper;
use crate::domain::party::InstitutionCode;
use crate::domain::time::day_of;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a change counts for, collected.
#[derive(Debug, Default)]
pub struct Count {
    /// The sales that were counted last: nearly all of a change are of one institution and moment.
    last: Option<Sales>,
    tallies: BTreeMap<TallyKey, Tally>,
}

/// Sales of an institution on the day of a moment.
#[derive(Debug)]
struct Sales {
    institution: InstitutionCode,
    at: Timestamp,
    count: i64,
}

impl Sales {
    fn tally(&self) -> (TallyKey, Tally) {
        let day = day_of(self.at);
        let mut tally = Tally::default();
        tally.count_sales(day.day().unsigned_abs(), self.count);
        (TallyKey { month: Month::of(day), institution: self.institution }, tally)
    }
}

impl Count {
    /// Adds by how much a change of a history makes sales more or fewer. `before` = `None` for a new code.
    pub fn change(&mut self, before: Option<&History>, after: &History) {
        let known = before.map_or(&[][..], |history| &history.events);
        if let Some((last, rest)) = after.events.split_last()
            && rest == known
        {
            // What nearly every change does: one event more.
            let sale = counted(last);
            let is_new =
                |sale: &&SaleEvent| !rest.iter().filter_map(counted).any(|other| is_one(other, sale));
            sale.filter(is_new).into_iter().for_each(|sale| self.add_sale(sale, 1));
            return;
        }
        for (events, count) in [(known, -1), (&after.events[..], 1)] {
            let all: Vec<&SaleEvent> = events.iter().filter_map(counted).collect();
            for (at, sale) in all.iter().enumerate() {
                if !all.iter().take(at).any(|other| is_one(other, sale)) {
                    self.add_sale(sale, count);
                }
            }
        }
    }

    fn add_sale(&mut self, sale: &SaleEvent, count: i64) {
        match &mut self.last {
            Some(last) if last.institution == sale.institution && last.at == sale.occurred_at => {
                last.count += count;
            }
            last => {
                let next = Sales { institution: sale.institution, at: sale.occurred_at, count };
                let before = last.replace(next);
                self.add(before.map(|before| before.tally()));
            }
        }
    }

    /// Adds a tally, such as what a reminder counts for.
    pub fn add(&mut self, tally: Option<(TallyKey, Tally)>) {
        let Some((key, tally)) = tally else { return };
        match self.tallies.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(tally)),
            Entry::Occupied(mut entry) => entry.get_mut().add(&tally),
        }
    }

    /// What is added to tallies, each named once.
    pub fn tallies(mut self) -> Vec<(TallyKey, Tally)> {
        let last = self.last.take().map(|last| last.tally());
        if self.tallies.is_empty() {
            return last.into_iter().filter(|(_, tally)| !tally.is_empty()).collect();
        }
        self.add(last);
        self.tallies.into_iter().filter(|(_, tally)| !tally.is_empty()).collect()
    }
}

/// Whether a sale of a document is on record and stands, held or sold.
pub fn is_on_record(history: &History, institution: InstitutionCode, paper: Paper) -> bool {
    has_sale(history, institution, paper, |status| status != SaleStatus::Voided)
}

/// Whether a document holds a code.
pub fn is_held(history: &History, institution: InstitutionCode, paper: Paper) -> bool {
    has_sale(history, institution, paper, |status| matches!(status, SaleStatus::Held { .. }))
}

fn has_sale(
    history: &History,
    institution: InstitutionCode,
    paper: Paper,
    fits: impl Fn(SaleStatus) -> bool,
) -> bool {
    history.events.iter().any(|event| match event {
        Event::Sale(sale) if fits(sale.status) => {
            sale.institution == institution
                && is_one_paper((sale.document, sale.visit), (paper.document, paper.visit))
        }
        Event::Sale(_) | Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => false,
    })
}

/// The sale of an event that stands.
fn counted(event: &Event) -> Option<&SaleEvent> {
    match event {
        Event::Sale(sale) if sale.status == SaleStatus::Sold => Some(sale),
        Event::Sale(_) | Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => None,
    }
}

/// Whether two events tell of one document's sale.
fn is_one(one: &SaleEvent, other: &SaleEvent) -> bool {
    one.institution == other.institution
        && is_one_paper((one.document, one.visit), (other.document, other.visit))
}

/// Document and visit of a sale.
type Numbers = (Option<PaperKey>, Option<PaperKey>);

/// Whether two sales of an institution are of one document; the visit stands in where one of them has none.
fn is_one_paper((document, visit): Numbers, (other_document, other_visit): Numbers) -> bool {
    match (document, other_document) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => visit.is_some() && visit == other_visit,
    }
}
