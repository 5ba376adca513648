//! Quantities against packs and codes, and why no code may be due.

use super::bench::{Bench, LineView, Note};
use crate::domain::code::Scan;
use crate::domain::drug::PackLevel;
use crate::domain::verdict::{Evidence, Reason};
use rust_decimal::Decimal;

impl Bench<'_> {
    /// A line without any scan: is a code due?  Gives whether the line is exempt.
    pub fn judge_missing_code(&mut self, view: &LineView<'_>) -> bool {
        if !view.codes.is_empty() {
            return false;
        }
        if let Some(exemption) = self.grounds.policy.exemption(&view.situation) {
            let evidence = Evidence::Exemption {
                sentence_zh: exemption.sentence_zh.clone(),
                sentence_en: exemption.sentence_en.clone(),
            };
            self.raise(view, Reason::NoCodeExempt, Note::new(evidence));
            return true;
        }
        let reason = if self.is_listed_without_code(view) { Reason::NoCodeListed } else { Reason::NoCode };
        self.raise(view, reason, Note::bare());
        false
    }

    /// A region's own entries count until their own date, national ones until the policy's.
    fn is_listed_without_code(&self, view: &LineView<'_>) -> bool {
        let Some(catalog_code) = &view.catalog_code else {
            return false;
        };
        let day = view.situation.day;
        let national_until = self.grounds.policy.settings().no_code_list_until;
        let division = view.situation.institution.division;
        self.grounds.registry.no_code_entries(catalog_code).iter().any(|entry| {
            entry.is_valid_on(day)
                && division.is_within(&entry.division_prefix)
                && (!entry.division_prefix.is_empty() || day <= national_until)
        })
    }

    /// The quantity of a line against whole packs, and packs against codes.
    pub fn judge_quantity(&mut self, view: &LineView<'_>) {
        let Some(quantity) = view.line.quantity else {
            return;
        };
        let units = self.pack_units(view);
        if quantity <= Decimal::ZERO {
            self.raise_not_whole(view, quantity, units);
            return;
        }
        if is_drawn(view) || counts_as_coded(view, quantity) {
            return;
        }
        let Some(pack) = units.filter(|u| *u > 0) else {
            if !quantity.fract().is_zero() {
                self.raise_not_whole(view, quantity, units);
            }
            return;
        };
        let packs = quantity / Decimal::from(pack);
        if !packs.fract().is_zero() {
            self.raise_not_whole(view, quantity, units);
        } else if is_countable(view) && packs != Decimal::from(view.codes.len()) {
            let evidence = Evidence::Quantities { expected: packs, found: Decimal::from(view.codes.len()) };
            self.raise(view, Reason::CodeCountMismatch, Note::new(evidence));
        }
    }

    fn raise_not_whole(&mut self, view: &LineView<'_>, quantity: Decimal, units_per_pack: Option<u32>) {
        let evidence = Evidence::Pack { quantity, units_per_pack };
        self.raise(view, Reason::QuantityNotWhole, Note::new(evidence));
    }

    /// Units of the pack that the line sells: the catalogue code's, else the first mapped code's.
    fn pack_units(&self, view: &LineView<'_>) -> Option<u32> {
        let by_catalog = view.catalog_code.as_deref().and_then(|code| self.grounds.registry.units_of(code));
        by_catalog.or_else(|| view.codes.iter().find_map(|c| c.drug.as_ref()?.units_per_pack))
    }
}

/// Parts of packs are handed out: a split, or a product whose only code is on the carton.
pub(super) fn is_drawn(view: &LineView<'_>) -> bool {
    view.line.split
        || view.product.is_some_and(|p| p.carton_only)
        || view.codes.iter().any(|c| c.drug.as_ref().is_some_and(|d| d.carton_only))
}

/// Whether the packs behind the codes add up to the quantity, where each pack's units are known.
fn counts_as_coded(view: &LineView<'_>, quantity: Decimal) -> bool {
    let units: Option<Decimal> =
        view.codes.iter().map(|c| c.drug.as_ref()?.units_per_pack.map(Decimal::from)).sum();
    !view.codes.is_empty() && units == Some(quantity)
}

/// Counting codes says something only where each stands for one small pack.
fn is_countable(view: &LineView<'_>) -> bool {
    let stands_for_one_pack = |scan: &Scan, level: Option<PackLevel>| match scan {
        Scan::NoSerial { .. } => false,
        Scan::Code(_) => !matches!(level, Some(PackLevel::Middle | PackLevel::Large)),
        Scan::Placeholder { .. } | Scan::Refused { .. } => true,
    };
    !view.codes.is_empty()
        && view.codes.iter().all(|c| stands_for_one_pack(c.scan, c.drug.as_ref().and_then(|d| d.pack_level)))
}
