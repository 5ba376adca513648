//! A document at the gate, or reported after the fact.

use super::bench::{Bench, Judged, LineView, Note};
use super::claims::{Fresh, Seen};
use super::quantity::is_drawn;
use super::{Awaited, Grounds, Judgement, Reading};
use crate::domain::document::{Document, Line};
use crate::domain::party::InstitutionStatus;
use crate::domain::verdict::{Enforcement, Evidence, Reason, Verdict};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What the caller wants of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Handed over and settled now.
    Sale,
    /// To be settled: a hold.
    Hold,
    /// Already happened: recorded whatever the verdict says.
    Report,
}

/// A document and what was read of it.
#[derive(Debug, Clone, Copy)]
pub struct SaleFacts<'a> {
    /// What every judgement rests on.
    pub grounds: Grounds<'a>,
    /// The document.
    pub document: &'a Document,
    /// Its scans.
    pub reading: &'a Reading,
    /// What the caller wants.
    pub mode: Mode,
    /// It was let through before, when the ledger could not be asked: recorded whatever the verdict says now.
    pub given: bool,
}

/// Judges a document. A sale that comes later than the lateness limit is judged as a report.
pub fn judge_sale(facts: SaleFacts<'_>) -> Judgement {
    let SaleFacts { grounds, document, reading, mode, given } = facts;
    let mode = if is_late(&grounds, &document.lines) { Mode::Report } else { mode };
    let after_the_fact = mode == Mode::Report;
    let mut bench = Bench::new(grounds, document.institution, document.scene, after_the_fact || given);
    let usable = bench.judge_clock(&moments(&document.lines)) && bench.judge_institution();
    if grounds.provisional {
        bench.raise_for_document(Reason::Provisional, Note::bare());
    }
    let mut tally = Tally::default();
    if usable {
        let mut seen = Seen::default();
        for (line, scans) in document.lines.iter().zip(&reading.lines) {
            let view = bench.view(line, scans, line.payment);
            bench.judge_line(&view, mode, &mut seen, &mut tally);
        }
    }
    let hold_end = bench.hold_end();
    let Judged { verdict, findings, claims, collided } = bench.close();
    let passes = matches!(verdict, Verdict::Allow | Verdict::Remind);
    let recorded = usable && (after_the_fact || given || passes);
    let hold_expires_at = (recorded && mode == Mode::Hold).then_some(hold_end);
    let judgement = Judgement {
        verdict,
        findings,
        claims: Vec::new(),
        sold: Vec::new(),
        awaited: Vec::new(),
        hold_expires_at,
        recorded,
        after_the_fact,
        collided,
    };
    if recorded {
        Judgement { claims, sold: tally.sold(), awaited: tally.awaited, ..judgement }
    } else {
        judgement
    }
}

/// What a document adds to balances, line by line.
#[derive(Default)]
struct Tally {
    counted: BTreeMap<String, Decimal>,
    awaited: Vec<Awaited>,
}

impl Tally {
    fn sold(&self) -> Vec<(String, Decimal)> {
        let mut sold: Vec<_> = self.counted.iter().map(|(code, units)| (code.clone(), *units)).collect();
        sold.retain(|(_, units)| !units.is_zero());
        sold.sort();
        sold
    }
}

/// Whether one of the events happened longer ago than the lateness limit.
pub(super) fn is_late(grounds: &Grounds<'_>, lines: &[Line]) -> bool {
    let limit = SignedDuration::from_mins(i64::from(grounds.policy.settings().lateness_minutes));
    moments(lines).iter().any(|at| grounds.now.duration_since(*at) > limit)
}

/// The event times that the caller gave.
pub(super) fn moments(lines: &[Line]) -> Vec<Timestamp> {
    lines.iter().filter_map(|line| line.occurred_at).collect()
}

impl Bench<'_> {
    /// Whether every event lies within the allowed skew; those in it are noted.
    pub fn judge_clock(&mut self, moments: &[Timestamp]) -> bool {
        let now = self.grounds.now;
        let skew = SignedDuration::from_secs(i64::from(self.grounds.policy.settings().future_skew_seconds));
        let Some(latest) = moments.iter().copied().max().filter(|at| *at > now) else {
            return true;
        };
        let evidence = Evidence::Clock { occurred_at: latest, received_at: now };
        let beyond = latest.duration_since(now) > skew;
        let reason = if beyond { Reason::EventTimeInFuture } else { Reason::EventTimeClamped };
        let ruled = self.raise_for_document(reason, Note::new(evidence));
        !beyond || ruled != Enforcement::Block
    }

    /// Whether the institution may dispense. What already happened is recorded all the same.
    pub fn judge_institution(&mut self) -> bool {
        let reason = match self.institution.map(|i| i.status) {
            Some(InstitutionStatus::Active) => return true,
            Some(InstitutionStatus::Suspended) => Reason::InstitutionSuspended,
            None => Reason::InstitutionUnknown,
        };
        self.raise_for_document(reason, Note::bare()) != Enforcement::Block || self.after_the_fact
    }

    fn judge_line(&mut self, view: &LineView<'_>, mode: Mode, seen: &mut Seen, tally: &mut Tally) {
        let due = self.judge_due(view);
        self.judge_scans(view, due);
        self.judge_quantity(view, due);
        let fresh = self.judge_claims(view, mode, seen);
        let units = units_sold(view, &fresh);
        tally.awaited.extend(self.judge_purchase(view, &tally.counted, units));
        if let Some(catalog_code) = &view.catalog_code {
            *tally.counted.entry(catalog_code.clone()).or_default() += units;
        }
    }
}

/// Units by which a line raises what was sold: a code that is already on record adds nothing.
fn units_sold(view: &LineView<'_>, fresh: &Fresh) -> Decimal {
    if view.line.quantity.is_some_and(|quantity| quantity <= Decimal::ZERO) {
        return Decimal::ZERO;
    }
    if fresh.judged == 0 {
        return view.line.quantity.unwrap_or_default();
    }
    if is_drawn(view) {
        return fresh.units;
    }
    match view.line.quantity {
        Some(quantity) => quantity * Decimal::from(fresh.new) / Decimal::from(fresh.judged),
        None => fresh.pack_units,
    }
}
