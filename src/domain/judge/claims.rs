//! The codes of a line against what is on record: the same sale, lawful resale, duplicates, splits.

use super::bench::{Bench, LineView, Note};
use super::codes::{CodeDrug, Coded};
use super::quantity::is_drawn;
use super::sale::Mode;
use crate::domain::claim::{
    Conflict, ConflictKind, Counterpart, Event, Lens, Part, SaleEvent, SaleStatus, Standing,
};
use crate::domain::code::CodeKey;
use crate::domain::verdict::{Enforcement, Evidence, OtherSale, Reason, Role};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, HashSet};

/// The codes of a request that were claimed already, and whether as whole packs.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<CodeKey, bool>);

/// How much of a line is new to the ledger.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Fresh {
    /// Codes that could be judged.
    pub judged: u32,
    /// Those that are sales of their own.
    pub new: u32,
    /// Units of new draws, and units that a known draw learns.
    pub units: Decimal,
    /// Units of the packs behind new whole codes, where known.
    pub pack_units: Decimal,
}

impl Bench<'_> {
    /// Judges every code of a line and records what it claims.
    pub fn judge_claims(&mut self, view: &LineView<'_>, mode: Mode, seen: &mut Seen) -> Fresh {
        let mut fresh = Fresh::default();
        let mut left = view.line.quantity;
        let drawn = is_drawn(view);
        let packs = if drawn { first_places(&view.codes) } else { Vec::new() };
        for (at, code) in view.codes.iter().enumerate() {
            let Some(key) = &code.key else { continue };
            // One pack scanned twice for one draw is one pack.
            if drawn && packs.binary_search(&at).is_err() {
                continue;
            }
            if seen.is_repeated(key, !drawn) {
                self.raise(view, Reason::CodeRepeated, Note::bare().code(code.text.clone()));
                continue;
            }
            let lens = self.lens_of(code);
            let is_last = packs.last() == Some(&at);
            let part = if drawn { self.draw(view, key, &lens, &mut left, is_last) } else { Part::Whole };
            self.judge_claim(view, code, key, part, mode, &mut fresh);
        }
        fresh
    }

    fn lens_of(&self, code: &Coded<'_>) -> Lens {
        let units = code.drug.as_ref().and_then(|d: &CodeDrug<'_>| d.units_per_pack);
        super::lens(self.grounds.now, self.grounds.policy.settings(), units)
    }

    /// The share of a line's quantity that one pack gives: what is left in it, and the rest to the last pack.
    fn draw(
        &mut self,
        view: &LineView<'_>,
        key: &CodeKey,
        lens: &Lens,
        left: &mut Option<Decimal>,
        last: bool,
    ) -> Part {
        let open = self.history(key).state(lens, true).units_open();
        let room =
            lens.units_per_pack.map_or(Decimal::ZERO, |pack| (Decimal::from(pack) - open).max(Decimal::ZERO));
        let units = left.map(|rest| if last { rest } else { rest.min(room) });
        *left = left.zip(units).map(|(rest, taken)| rest - taken);
        Part::Draw { line: view.line.number, line_quantity: view.line.quantity, units }
    }

    fn judge_claim(
        &mut self,
        view: &LineView<'_>,
        code: &Coded<'_>,
        key: &CodeKey,
        part: Part,
        mode: Mode,
        fresh: &mut Fresh,
    ) {
        let lens = self.lens_of(code);
        let mut sale = self.sale_event(view, part, mode);
        fresh.judged += 1;
        match self.history(key).standing_of(&sale, &lens) {
            Standing::Same { first_findings, adds, new_units } => {
                fresh.units += new_units.unwrap_or_default();
                for (kind, role, other) in first_findings {
                    sale.first_findings.push((kind, role));
                    let evidence = other.map_or(Evidence::None, |other| self.other_sale(&other, false));
                    self.raise_collision(view, code, kind, role, evidence);
                }
                self.judge_unknown_units(view, code, key, Decimal::ZERO, &lens);
                if adds {
                    self.record(key, Event::Sale(sale));
                }
            }
            Standing::New { conflicts, undecided_until, folded } => {
                fresh.new += 1;
                fresh.units += drawn_units(&sale.part);
                fresh.pack_units += Decimal::from(lens.units_per_pack.unwrap_or_default());
                for conflict in &conflicts {
                    self.raise_conflict(view, code, conflict);
                }
                if let (Some(until), false) = (undecided_until, self.after_the_fact) {
                    let note = Note::new(Evidence::HeldUntil(until)).code(code.text.clone());
                    self.raise(view, Reason::InDoubt, note);
                }
                sale.first_findings = conflicts.iter().map(|c| (c.kind, c.role)).collect();
                self.judge_unknown_units(view, code, key, drawn_units(&sale.part), &lens);
                if !conflicts.is_empty() && !self.is_makers_error(code) {
                    self.collided.push(code.collided(view.line.number, key, &sale, folded));
                }
                self.record(key, Event::Sale(sale));
            }
        }
    }

    fn sale_event(&self, view: &LineView<'_>, part: Part, mode: Mode) -> SaleEvent {
        SaleEvent {
            institution: self.institution_code,
            document: self.grounds.paper.document,
            visit: self.grounds.paper.visit,
            occurred_at: view.occurred_at,
            received_at: self.grounds.now,
            part,
            status: match mode {
                Mode::Hold => SaleStatus::Held { expires_at: self.hold_end() },
                Mode::Sale | Mode::Report => SaleStatus::Sold,
            },
            first_findings: Vec::new(),
        }
    }

    /// When a hold that is taken now lapses.
    pub fn hold_end(&self) -> Timestamp {
        let minutes = i64::from(self.grounds.policy.settings().hold_minutes);
        self.grounds.now.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn raise_conflict(&mut self, view: &LineView<'_>, code: &Coded<'_>, conflict: &Conflict) {
        let evidence = self.other_sale(&conflict.other, conflict.proposed);
        self.raise_collision(view, code, conflict.kind, conflict.role, evidence);
    }

    fn raise_collision(
        &mut self,
        view: &LineView<'_>,
        code: &Coded<'_>,
        kind: ConflictKind,
        role: Role,
        evidence: Evidence,
    ) {
        let (reason, class) = match kind {
            ConflictKind::Duplicate(class) => (Reason::Duplicate, Some(class)),
            ConflictKind::SplitElsewhere => (Reason::SplitElsewhere, None),
        };
        let note = Note { class, role: Some(role), ..Note::new(evidence).code(code.text.clone()) };
        // Two boxes lawfully carry a code that their maker printed twice.
        let at_most = if self.is_makers_error(code) { Enforcement::Observe } else { Enforcement::Block };
        self.raise(view, reason, note.at_most(at_most));
    }

    fn is_makers_error(&self, code: &Coded<'_>) -> bool {
        code.key.as_ref().is_some_and(|key| self.grounds.registry.makers_error(key).is_some())
    }

    fn other_sale(&self, other: &Counterpart, proposed: bool) -> Evidence {
        Evidence::OtherSale(OtherSale {
            institution: Some(other.institution),
            same_institution: other.institution == self.institution_code,
            occurred_at: other.occurred_at,
            received_at: other.received_at,
            proposed,
        })
    }

    /// A draw from a pack of unknown size: noted, and a reminder once more is drawn than the policy's cap.
    fn judge_unknown_units(
        &mut self,
        view: &LineView<'_>,
        code: &Coded<'_>,
        key: &CodeKey,
        new_units: Decimal,
        lens: &Lens,
    ) {
        if lens.units_per_pack.is_some() || !is_drawn(view) || view.line.quantity.is_none() {
            return;
        }
        let open = self.history(key).state(lens, true).units_open() + new_units;
        let cap = Decimal::from(self.grounds.policy.settings().split_unknown_units_cap);
        let at_most = if open > cap { Enforcement::Block } else { Enforcement::Observe };
        let evidence = Evidence::Quantities { expected: cap, found: open };
        self.raise(
            view,
            Reason::SplitUnitsUnknown,
            Note::new(evidence).code(code.text.clone()).at_most(at_most),
        );
    }
}

/// Where each code of a line stands first.
fn first_places(codes: &[Coded<'_>]) -> Vec<usize> {
    let mut known = HashSet::new();
    let places =
        codes.iter().enumerate().filter(|(_, code)| code.key.as_ref().is_some_and(|k| known.insert(k)));
    places.map(|(at, _)| at).collect()
}

impl Seen {
    /// Whether a whole pack turns up a second time in one request; remembers the code.
    fn is_repeated(&mut self, key: &CodeKey, whole: bool) -> bool {
        match self.0.get_mut(key) {
            Some(before) => {
                let repeated = whole || *before;
                *before |= whole;
                repeated
            }
            None => {
                self.0.insert(key.clone(), whole);
                false
            }
        }
    }
}

fn drawn_units(part: &Part) -> Decimal {
    match part {
        Part::Draw { units, .. } => units.unwrap_or_default(),
        Part::Whole => Decimal::ZERO,
    }
}
