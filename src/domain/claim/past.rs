//! What an imported history needs to know of a code: whether this very event is on record, what was found of it
//! then, and how much of it is still out. Knows no files and no batches.

use super::{ConflictKind, Counterpart, Event, History, Lens, SaleEvent, SaleStatus};
use crate::domain::verdict::Role;
use rust_decimal::Decimal;

impl History {
    /// Where this very sale is on record: same institution, paper, moment and part. One that was voided since
    /// stays voided: an older list does not bring it back. A hold is none yet.
    ///
    /// It is asked before the fold: where sale and return carry one moment (lists often know only the day), the
    /// fold would take the repetition for a resale after the return.
    pub fn place_of_sale(&self, sale: &SaleEvent) -> Option<usize> {
        self.events.iter().position(|event| {
            matches!(event, Event::Sale(known) if known.institution == sale.institution
                && known.document == sale.document && known.visit == sale.visit
                && known.occurred_at == sale.occurred_at && known.part == sale.part
                && !matches!(known.status, SaleStatus::Held { .. }))
        })
    }

    /// What was found of a recorded sale when it was first heard of, each with its other side where that is
    /// still there.
    pub fn first_findings_at(
        &self,
        place: usize,
        lens: &Lens,
    ) -> Vec<(ConflictKind, Role, Option<Counterpart>)> {
        let Some(Event::Sale(sale)) = self.events.get(place) else {
            return Vec::new();
        };
        if sale.first_findings.is_empty() {
            return Vec::new();
        }
        let state = self.state(lens, false);
        let others = state.sale_of(place).map(|target| state.conflicts_of(target, lens)).unwrap_or_default();
        let other_side = |kind: ConflictKind| {
            let found = others.iter().find(|c| c.kind == kind).or(others.first());
            found.map(|c| c.other.clone())
        };
        sale.first_findings.iter().map(|(kind, role)| (*kind, *role, other_side(*kind))).collect()
    }

    /// How many of the units that a recorded sale took are still out: its return may be on record before it.
    pub fn units_out(&self, place: usize, taken: Decimal, lens: &Lens) -> Decimal {
        if self.events.len() == 1 {
            return taken;
        }
        let state = self.state(lens, false);
        match state.sale_of(place) {
            Some(sale) if sale.is_returned() => Decimal::ZERO,
            Some(sale) => (taken - sale.units_back()).max(Decimal::ZERO),
            None => taken,
        }
    }
}
