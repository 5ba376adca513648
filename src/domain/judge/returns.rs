//! Goods that come back.

use super::bench::{Bench, Judged, LineView, Note};
use super::codes::{CodeDrug, Coded};
use super::quantity::is_drawn;
use super::{Grounds, Judgement, Reading};
use crate::domain::claim::{Event, ReturnEvent, ReturnStanding};
use crate::domain::code::{CodeKey, Scan};
use crate::domain::document::ReturnDocument;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{Evidence, Reason, Verdict};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Judges a return. `reported` = it already happened and is recorded whatever the verdict says, except where
/// the goods were returned before: then the first return stays.
pub fn judge_return(
    grounds: Grounds<'_>,
    document: &ReturnDocument,
    reading: &Reading,
    reported: bool,
) -> Judgement {
    let scene = scene_of(document.institution);
    let after_the_fact = reported || super::sale::is_late(&grounds, &document.lines);
    let mut bench = Bench::new(grounds, document.institution, scene, after_the_fact);
    let usable = bench.judge_clock(&super::sale::moments(&document.lines)) && bench.judge_institution();
    let mut sold: BTreeMap<String, Decimal> = BTreeMap::new();
    if usable {
        for (line, scans) in document.lines.iter().zip(&reading.lines) {
            let view = bench.view(line, scans, Payment::Insured);
            let back = bench.judge_return_line(&view);
            if let Some(catalog_code) = &view.catalog_code {
                *sold.entry(catalog_code.clone()).or_default() -= back;
            }
        }
    }
    let Judged { verdict, findings, claims, collided } = bench.close();
    let kept = after_the_fact && !claims.is_empty();
    let recorded = usable && (kept || matches!(verdict, Verdict::Allow | Verdict::Remind));
    // What came back cannot be more than what went out.
    let capped = |(code, back): (String, Decimal)| {
        let most = grounds.positions.get(&code).map_or(Decimal::ZERO, |p| p.sold.max(Decimal::ZERO));
        (code, back.max(-most))
    };
    let mut sold: Vec<_> =
        sold.into_iter().map(capped).filter(|(_, back)| recorded && !back.is_zero()).collect();
    sold.sort();
    Judgement {
        verdict,
        findings,
        claims: if recorded { claims } else { Vec::new() },
        sold,
        awaited: Vec::new(),
        hold_expires_at: None,
        recorded,
        after_the_fact,
        collided,
    }
}

/// Where an institution hands out goods, where nobody says it.
pub fn scene_of(institution: InstitutionCode) -> Scene {
    super::usual_scene(institution.kind())
}

impl Bench<'_> {
    /// Judges one line; gives the units that came back.
    fn judge_return_line(&mut self, view: &LineView<'_>) -> Decimal {
        if let Some(quantity) = view.line.quantity.filter(|quantity| *quantity <= Decimal::ZERO) {
            let evidence = Evidence::Pack { quantity, units_per_pack: None };
            self.raise(view, Reason::QuantityNotWhole, Note::new(evidence));
            return Decimal::ZERO;
        }
        if view.codes.is_empty() {
            return view.line.quantity.unwrap_or_default();
        }
        let (mut freed, mut judged) = (0_u32, 0_u32);
        let mut pack_units = Decimal::ZERO;
        let mut left = view.line.quantity;
        let last = view.codes.iter().rposition(|c| c.key.is_some());
        for (at, code) in view.codes.iter().enumerate() {
            match (code.scan, &code.key) {
                (Scan::Refused { reason, detail, .. }, _) => {
                    let note = Note::new(Evidence::Scanned(detail.clone())).code(code.text.clone());
                    self.raise(view, *reason, note);
                }
                (_, Some(key)) => {
                    judged += 1;
                    if self.judge_returned_code(view, code, key, &mut left, Some(at) == last) {
                        freed += 1;
                        let units = code.drug.as_ref().and_then(|d: &CodeDrug<'_>| d.units_per_pack);
                        pack_units += Decimal::from(units.unwrap_or_default());
                    }
                }
                (_, None) => {}
            }
        }
        match view.line.quantity {
            Some(_) if judged == 0 => Decimal::ZERO,
            Some(quantity) => quantity * Decimal::from(freed) / Decimal::from(judged),
            None => pack_units,
        }
    }

    /// Whether the return of this code is recorded. `left` = units of the line that are not given to a code yet.
    fn judge_returned_code(
        &mut self,
        view: &LineView<'_>,
        code: &Coded<'_>,
        key: &CodeKey,
        left: &mut Option<Decimal>,
        last: bool,
    ) -> bool {
        let units_per_pack = code.drug.as_ref().and_then(|d| d.units_per_pack);
        let lens = super::lens(self.grounds.now, self.grounds.policy.settings(), units_per_pack);
        let institution = self.institution_code;
        // What is on record counts, not the flag of the return: some clients always send "whole".
        let drawn = self.history(key).state(&lens, false).units_drawn_by(institution);
        let units = match (is_drawn(view), drawn) {
            (false, None) => None,
            (_, open) => left.map(|rest| if last { rest } else { rest.min(open.unwrap_or_default()) }),
        };
        *left = left.map(|rest| rest - units.unwrap_or_default());
        let back = ReturnEvent {
            institution,
            document: self.grounds.paper.document,
            visit: self.grounds.paper.visit,
            occurred_at: view.occurred_at,
            received_at: self.grounds.now,
            units,
        };
        // Two rows of one return are two returns, however alike; only what was read is a repetition.
        let standing = if self.grounds.histories.get(key).is_some_and(|h| h.has_return(&back)) {
            ReturnStanding::Same
        } else {
            self.history(key).standing_of_new_return(&back, &lens)
        };
        match standing {
            ReturnStanding::Same => return false,
            ReturnStanding::AlreadyReturned => {
                self.raise(view, Reason::AlreadyReturned, Note::bare().code(code.text.clone()));
                return false;
            }
            ReturnStanding::Unpaired => {
                self.raise(view, Reason::ReturnUnpaired, Note::bare().code(code.text.clone()));
            }
            ReturnStanding::Paired => {}
        }
        self.record(key, Event::Return(back));
        true
    }
}
