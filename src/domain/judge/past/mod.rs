//! An imported history, row by row: what is new is recorded, what is known stays as it is, what cannot be true is
//! refused. Nobody waits for an answer here, so no rule of the counter is asked; only the codes count.
//!
//! A history is trusted: it is taken as heard of at the moment at which it happened (`received_at` =
//! `occurred_at`). Else every row would lie far beyond the limits for late messages, would be ordered by its
//! import instead of its day, and could only propose who was first.

mod answer;

pub use answer::{PastAnswer, PastFinding, PastRefusal, PastStanding};

use super::codes::{CodeDrug, drug_of};
use super::{ClaimChange, Paper};
use crate::domain::claim::{
    ConflictKind, Counterpart, Event, History, Lens, Part, ReturnEvent, ReturnStanding, SaleEvent,
    SaleStatus, Standing,
};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::document::PastEvent;
use crate::domain::party::InstitutionCode;
use crate::domain::policy::Policy;
use crate::domain::registry::Registry;
use crate::domain::time::day_of;
use crate::domain::verdict::{Reason, Role};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, HashMap};

/// No box carried a trace code before this day: an earlier moment is an empty date of some program.
const HISTORY_BEGINS_ON: Date = Date::constant(2000, 1, 1);

/// What an import asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastOptions {
    /// Look for duplicates, answer them row by row and keep them with the sale.
    pub find_conflicts: bool,
    /// Add the units to what was sold; right only where the purchases of that time are loaded too.
    pub count_sold: bool,
}

/// What the judgement of a history rests on.
#[derive(Debug, Clone, Copy)]
pub struct PastGrounds<'a> {
    /// The gateway's clock.
    pub now: Timestamp,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The registry's snapshot.
    pub registry: &'a Registry,
    /// What the import asks for.
    pub options: PastOptions,
}

/// A row, and what was read of it.
#[derive(Debug, Clone)]
pub struct PastRow {
    /// The row.
    pub event: PastEvent,
    /// Its document and visit, hashed.
    pub paper: Paper,
    scan: Scan,
    key: Option<CodeKey>,
}

impl PastRow {
    /// Reads the scan of a row.
    pub fn new(event: PastEvent, paper: Paper, rules: &ScanRules) -> Self {
        let scan = read(&event.scanned, rules);
        Self { key: super::key_of(&scan), event, paper, scan }
    }

    /// The code whose history is needed, where the scan is one.
    pub const fn key(&self) -> Option<&CodeKey> {
        self.key.as_ref()
    }
}

/// What follows from a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastJudgement {
    /// One answer a row, in their order.
    pub answers: Vec<PastAnswer>,
    /// Changes of the ledger, in order of their codes.
    pub claims: Vec<ClaimChange>,
    /// Units by which sold balances grow, by institution and catalogue code.
    pub sold: Vec<(InstitutionCode, String, Decimal)>,
}

/// Judges a batch. `histories` = what is recorded of the codes that the rows name. Rows are taken in order of
/// their moments, those of one moment as they stand: a return that stands behind its resale still counts first.
pub fn judge_past(
    grounds: PastGrounds<'_>,
    rows: &[PastRow],
    histories: HashMap<CodeKey, History>,
) -> PastJudgement {
    let working = histories.into_iter().map(|(key, history)| (key, Working::known(history))).collect();
    let mut shelf = Shelf { grounds, working, sold: BTreeMap::new() };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| rows.get(*at).map(|row| row.event.occurred_at));
    let mut answers = vec![PastAnswer::bare(PastStanding::Known); rows.len()];
    for at in order {
        if let (Some(row), Some(answer)) = (rows.get(at), answers.get_mut(at)) {
            *answer = shelf.judge(row).unwrap_or_else(|no| PastAnswer::bare(PastStanding::Refused(no)));
        }
    }
    let changed = shelf.working.into_iter().filter(|(_, w)| w.changed);
    let mut claims: Vec<_> =
        changed.map(|(key, w)| ClaimChange { key, expected: w.expected, history: w.history }).collect();
    claims.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let sold = shelf.sold.into_iter().filter(|(_, units)| !units.is_zero());
    PastJudgement { answers, claims, sold: sold.map(|((who, what), units)| (who, what, units)).collect() }
}

/// The history of one code as the batch leaves it so far.
#[derive(Default)]
struct Working {
    expected: Option<u32>,
    history: History,
    changed: bool,
}

impl Working {
    fn known(history: History) -> Self {
        Self { expected: Some(history.version), history, changed: false }
    }

    fn record(&mut self, event: Event) {
        self.history.record(event);
        self.changed = true;
    }
}

/// Everything a batch touches.
struct Shelf<'a> {
    grounds: PastGrounds<'a>,
    working: HashMap<CodeKey, Working>,
    sold: BTreeMap<(InstitutionCode, String), Decimal>,
}

/// A row that may be recorded, with what is known of its box.
struct View<'r> {
    event: &'r PastEvent,
    paper: Paper,
    drug: Option<CodeDrug<'r>>,
    /// A part of the pack was handed out.
    drawn: bool,
    /// A moment slightly ahead of the gateway's clock is set to now.
    occurred_at: Timestamp,
    lens: Lens,
}

impl<'a> Shelf<'a> {
    fn judge(&mut self, row: &PastRow) -> Result<PastAnswer, PastRefusal> {
        let key = code_of(row)?;
        self.check(row)?;
        let view = self.view(row);
        let answer = if view.event.came_back {
            PastAnswer::bare(self.take_back(&view, key)?)
        } else {
            self.sell(&view, key)?
        };
        let institution = view.event.institution;
        Ok(PastAnswer { is_registered: self.grounds.registry.institution(institution).is_some(), ..answer })
    }

    fn check(&self, row: &PastRow) -> Result<(), PastRefusal> {
        let (event, now) = (&row.event, self.grounds.now);
        let skew = SignedDuration::from_secs(self.grounds.policy.settings().future_skew_seconds.into());
        if row.paper == Paper::default() {
            return Err(PastRefusal::NoPaper);
        }
        if [event.quantity, event.line_quantity].into_iter().flatten().any(|units| units <= Decimal::ZERO) {
            return Err(PastRefusal::Quantity);
        }
        if event.occurred_at.duration_since(now) > skew {
            return Err(PastRefusal::InFuture(event.occurred_at));
        }
        if day_of(event.occurred_at) < HISTORY_BEGINS_ON {
            return Err(PastRefusal::BeforeHistory(event.occurred_at));
        }
        Ok(())
    }

    fn view<'r>(&self, row: &'r PastRow) -> View<'r>
    where
        'a: 'r,
    {
        let PastGrounds { now, policy, registry, .. } = self.grounds;
        let drug = drug_of(&row.scan, registry);
        let product = row.event.catalog_code.as_deref().and_then(|code| registry.product(code));
        let carton_only =
            product.is_some_and(|p| p.carton_only) || drug.as_ref().is_some_and(|d| d.carton_only);
        View {
            event: &row.event,
            paper: row.paper,
            drawn: row.event.split || carton_only,
            occurred_at: row.event.occurred_at.min(now),
            lens: super::lens(now, policy.settings(), drug.as_ref().and_then(|d| d.units_per_pack)),
            drug,
        }
    }

    fn sell(&mut self, view: &View<'_>, key: &CodeKey) -> Result<PastAnswer, PastRefusal> {
        let find = self.grounds.options.find_conflicts;
        let mut sale = view.sale();
        let working = entry(&mut self.working, key);
        if let Some(place) = working.history.place_of_sale(&sale) {
            let marks = if find { working.history.first_findings_at(place, &view.lens) } else { Vec::new() };
            return Ok(found(PastStanding::Known, marks));
        }
        match working.history.standing_of(&sale, &view.lens) {
            Standing::Same { adds: false, first_findings, .. } => {
                let marks = if find { first_findings } else { Vec::new() };
                Ok(found(PastStanding::Known, marks))
            }
            Standing::Same { adds: true, first_findings, new_units } => {
                // The earlier of two messages speaks for the sale: it must not wipe out what was found before.
                sale.first_findings = first_findings.iter().map(|(kind, role, _)| (*kind, *role)).collect();
                record(working, view, Event::Sale(sale))?;
                self.count(view, new_units.unwrap_or_default());
                let marks = if find { first_findings } else { Vec::new() };
                Ok(found(PastStanding::AddedToKnown, marks))
            }
            Standing::New { conflicts, .. } => {
                let conflicts = if find { conflicts } else { Vec::new() };
                sale.first_findings = conflicts.iter().map(|c| (c.kind, c.role)).collect();
                let place = working.history.events.len();
                record(working, view, Event::Sale(sale))?;
                if self.grounds.options.count_sold {
                    let units = working.history.units_out(place, view.units(), &view.lens);
                    self.count(view, units);
                }
                let marks = conflicts.into_iter().map(|c| (c.kind, c.role, Some(c.other))).collect();
                Ok(found(PastStanding::Added, marks))
            }
        }
    }

    /// A return without a sale on record is kept: lists are not always in order, and its sale may come later.
    fn take_back(&mut self, view: &View<'_>, key: &CodeKey) -> Result<PastStanding, PastRefusal> {
        let institution = view.event.institution;
        let working = entry(&mut self.working, key);
        // What is on record counts, not the flag of the return: some clients always send "whole".
        let drawn = working.history.state(&view.lens, false).units_drawn_by(institution);
        let whole = view.return_of(None);
        let back =
            if view.drawn || drawn.is_some() { view.return_of(view.event.quantity) } else { whole.clone() };
        // It may have been recorded as a whole before its sale told that the pack was split.
        if working.history.has_return(&back) || (!view.drawn && working.history.has_return(&whole)) {
            return Ok(PastStanding::Known);
        }
        match working.history.standing_of_new_return(&back, &view.lens) {
            ReturnStanding::Same => return Ok(PastStanding::Known),
            ReturnStanding::AlreadyReturned => return Err(PastRefusal::AlreadyReturned(institution)),
            ReturnStanding::Unpaired => record(working, view, Event::Return(back))?,
            ReturnStanding::Paired => {
                record(working, view, Event::Return(back))?;
                let units = view.event.quantity.or(drawn).unwrap_or_else(|| view.units());
                self.count(view, -units);
            }
        }
        Ok(PastStanding::Added)
    }

    /// Adds to what the institution sold, where that was asked for.
    fn count(&mut self, view: &View<'_>, units: Decimal) {
        let code_says = || view.drug.as_ref().and_then(|d| d.catalog_code).map(str::to_owned);
        if self.grounds.options.count_sold
            && let Some(catalog_code) = view.event.catalog_code.clone().or_else(code_says)
        {
            *self.sold.entry((view.event.institution, catalog_code)).or_default() += units;
        }
    }
}

impl View<'_> {
    fn sale(&self) -> SaleEvent {
        let PastEvent { line, quantity, line_quantity, .. } = *self.event;
        let draw = Part::Draw { line, line_quantity: line_quantity.or(quantity), units: quantity };
        SaleEvent {
            institution: self.event.institution,
            document: self.paper.document,
            visit: self.paper.visit,
            occurred_at: self.occurred_at,
            received_at: self.occurred_at,
            part: if self.drawn { draw } else { Part::Whole },
            status: SaleStatus::Sold,
            first_findings: Vec::new(),
        }
    }

    fn return_of(&self, units: Option<Decimal>) -> ReturnEvent {
        ReturnEvent {
            institution: self.event.institution,
            document: self.paper.document,
            visit: self.paper.visit,
            occurred_at: self.occurred_at,
            received_at: self.occurred_at,
            units,
        }
    }

    /// Units of the row: as it says, else those of a whole pack.
    fn units(&self) -> Decimal {
        let pack = self.lens.units_per_pack.filter(|_| !self.drawn).map(Decimal::from);
        self.event.quantity.or(pack).unwrap_or_default()
    }
}

fn code_of(row: &PastRow) -> Result<&CodeKey, PastRefusal> {
    match (&row.scan, &row.key) {
        (Scan::Refused { reason, detail, .. }, _) => {
            Err(PastRefusal::Scan { reason: *reason, detail: detail.clone() })
        }
        (Scan::Placeholder { .. }, _) => Err(PastRefusal::Placeholder),
        (Scan::Code(_), Some(key)) => Ok(key),
        (Scan::NoSerial { .. } | Scan::Code(_), _) => Err(PastRefusal::NoSerial),
    }
}

fn entry<'w>(working: &'w mut HashMap<CodeKey, Working>, key: &CodeKey) -> &'w mut Working {
    working.entry(key.clone()).or_default()
}

fn record(working: &mut Working, view: &View<'_>, event: Event) -> Result<(), PastRefusal> {
    if working.history.is_full_for(view.event.institution) {
        return Err(PastRefusal::Full(view.event.institution));
    }
    working.record(event);
    Ok(())
}

/// The answer to a sale, with what is told of it.
fn found(standing: PastStanding, marks: Vec<(ConflictKind, Role, Option<Counterpart>)>) -> PastAnswer {
    let finding = |(kind, role, other)| {
        let (reason, class) = match kind {
            ConflictKind::Duplicate(class) => (Reason::Duplicate, Some(class)),
            ConflictKind::SplitElsewhere => (Reason::SplitElsewhere, None),
        };
        PastFinding { reason, class, role, other }
    };
    PastAnswer { findings: marks.into_iter().map(finding).collect(), ..PastAnswer::bare(standing) }
}
