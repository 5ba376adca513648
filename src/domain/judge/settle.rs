//! What becomes of a document after its verdict: confirmed, voided; and goods that only moved.

use super::bench::{Bench, Judged, LineView};
use super::codes::Coded;
use super::{ClaimChange, Grounds, Judgement, Paper, Reading};
use crate::domain::claim::{Event, History, MovementEvent, SaleEvent, SaleStatus, Standing};
use crate::domain::code::CodeKey;
use crate::domain::document::{Document, Movement};
use crate::domain::party::InstitutionCode;
use jiff::Timestamp;

/// Confirms a hold: its codes are sold. A hold that had lapsed sells them if they are still free; else the
/// finding names both sides. The settlement has happened: it is recorded whatever the verdict says.
pub fn judge_confirm(
    grounds: Grounds<'_>,
    document: &Document,
    reading: &Reading,
    settled_at: Option<Timestamp>,
) -> Judgement {
    let settled_at = settled_at.map_or(grounds.now, |at| at.min(grounds.now));
    let mut bench = Bench::new(grounds, document.institution, document.scene, true);
    for (line, scans) in document.lines.iter().zip(&reading.lines) {
        let view = bench.view(line, scans, line.payment);
        for code in &view.codes {
            if let Some(key) = &code.key {
                bench.confirm_code(&view, code, key, settled_at);
            }
        }
    }
    let Judged { verdict, findings, claims, collided } = bench.close();
    Judgement {
        verdict,
        findings,
        claims,
        sold: Vec::new(),
        awaited: Vec::new(),
        hold_expires_at: None,
        recorded: true,
        after_the_fact: false,
        collided,
    }
}

impl Bench<'_> {
    /// Turns the document's holds of a code into sales.
    fn confirm_code(&mut self, view: &LineView<'_>, code: &Coded<'_>, key: &CodeKey, settled_at: Timestamp) {
        let units = code.drug.as_ref().and_then(|d| d.units_per_pack);
        let lens = super::lens(self.grounds.now, self.grounds.policy.settings(), units);
        let (institution, paper) = (self.institution_code, self.grounds.paper);
        let mut history = self.history(key).clone();
        let held =
            |e: &Event| matches!(e, Event::Sale(s) if is_of(s, institution, paper) && hold_end(s).is_some());
        while let Some(at) = history.events.iter().position(held) {
            let Event::Sale(hold) = history.events.remove(at) else {
                break;
            };
            let sale = confirmed(&hold, settled_at, self.grounds.now);
            if let Standing::New { conflicts, .. } = history.standing_of(&sale, &lens) {
                for conflict in &conflicts {
                    self.raise_conflict(view, code, conflict);
                }
                if !conflicts.is_empty() {
                    self.collided.push(code.collided(view.line.number, key, &sale, None));
                }
            }
            history.events.insert(at, Event::Sale(sale));
        }
        if history.events != self.history(key).events {
            self.rewrite(key, history.events);
        }
    }
}

fn hold_end(sale: &SaleEvent) -> Option<Timestamp> {
    match sale.status {
        SaleStatus::Held { expires_at } => Some(expires_at),
        SaleStatus::Sold | SaleStatus::Voided => None,
    }
}

/// A hold that was settled in time stands where it was taken, a lapsed one where it was settled.
fn confirmed(hold: &SaleEvent, settled_at: Timestamp, now: Timestamp) -> SaleEvent {
    let sold = SaleEvent { status: SaleStatus::Sold, ..hold.clone() };
    match hold_end(hold) {
        Some(end) if settled_at >= end => SaleEvent { occurred_at: settled_at, received_at: now, ..sold },
        Some(_) | None => sold,
    }
}

/// Whether a sale is of this document; of this visit, where the document has no number.
fn is_of(sale: &SaleEvent, institution: InstitutionCode, paper: Paper) -> bool {
    let same = match paper.document {
        Some(document) => sale.document == Some(document),
        None => sale.document.is_none() && sale.visit == paper.visit,
    };
    same && sale.institution == institution
}

/// Voids what a document took. Gives the changed histories and the codes that were freed.
pub fn judge_void<'a>(
    institution: InstitutionCode,
    paper: Paper,
    histories: impl IntoIterator<Item = (&'a CodeKey, &'a History)>,
) -> (Vec<ClaimChange>, Vec<String>) {
    let mut changes = Vec::new();
    let mut freed = Vec::new();
    for (key, history) in histories {
        let mut next = history.clone();
        for event in &mut next.events {
            if let Event::Sale(sale) = event
                && is_of(sale, institution, paper)
            {
                sale.status = SaleStatus::Voided;
            }
        }
        if next != *history {
            next.version = next.version.saturating_add(1);
            freed.push(key.to_string());
            changes.push(ClaimChange { key: key.clone(), expected: Some(history.version), history: next });
        }
    }
    (changes, freed)
}

/// Records a movement: history, never a claim, never a duplicate. Only a move to another institution says
/// anything about a code's later sales; counts and stock-in stay in the record of the request.
pub fn judge_movement(grounds: Grounds<'_>, movement: &Movement, reading: &Reading) -> Judgement {
    let scene = super::returns::scene_of(movement.institution);
    let mut bench = Bench::new(grounds, movement.institution, scene, true);
    let occurred_at = movement.occurred_at.unwrap_or(grounds.now);
    let usable = bench.judge_clock(&[occurred_at]) && bench.judge_institution();
    for key in reading.keys().iter().filter(|_| usable && movement.destination.is_some()) {
        let event = MovementEvent {
            institution: movement.institution,
            destination: movement.destination,
            kind: movement.kind,
            occurred_at: occurred_at.min(grounds.now),
            received_at: grounds.now,
        };
        bench.record_move(key, event);
    }
    let Judged { verdict, findings, claims, collided } = bench.close();
    Judgement {
        verdict,
        findings,
        claims,
        sold: Vec::new(),
        awaited: Vec::new(),
        hold_expires_at: None,
        recorded: usable,
        after_the_fact: true,
        collided,
    }
}
