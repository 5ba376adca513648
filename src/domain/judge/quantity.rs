//! Quantities against packs and codes, and why no code may be due.

use super::Grounds;
use super::bench::{Bench, LineView, Note};
use super::codes::Coded;
use crate::domain::code::Scan;
use crate::domain::drug::PackLevel;
use crate::domain::policy::{Settings, Situation};
use crate::domain::registry::Registry;
use crate::domain::verdict::{Evidence, Reason};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Packs of several sizes are combined up to this many units; beyond, only fractions are found.
const COMBINED_UNITS_MAX: usize = 10_000;

/// Whether a code is due on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Yes.
    Yes,
    /// No: exempt.
    Exempt,
    /// Not on every pack: some of the stock may be older than its codes.
    Listed,
}

impl Bench<'_> {
    /// Whether a code is due on a line; noted where the line has none.
    pub fn judge_due(&mut self, view: &LineView<'_>) -> Due {
        let bare = view.codes.is_empty();
        if let Some(exemption) = self.grounds.policy.exemption(&view.situation) {
            if bare {
                let (sentence_zh, sentence_en) =
                    (exemption.sentence_zh.clone(), exemption.sentence_en.clone());
                let evidence = Evidence::Exemption { sentence_zh, sentence_en };
                self.raise(view, Reason::NoCodeExempt, Note::new(evidence));
            }
            return Due::Exempt;
        }
        let listed = self.is_listed_without_code(view);
        if bare {
            let reason = if listed { Reason::NoCodeListed } else { Reason::NoCode };
            self.raise(view, reason, Note::bare());
        }
        if listed { Due::Listed } else { Due::Yes }
    }

    fn is_listed_without_code(&self, view: &LineView<'_>) -> bool {
        let Grounds { registry, policy, .. } = self.grounds;
        view.catalog_code
            .as_deref()
            .is_some_and(|code| is_listed_without_code(registry, policy.settings(), code, &view.situation))
    }

    /// The quantity of a line against whole packs, and packs against codes.
    pub fn judge_quantity(&mut self, view: &LineView<'_>, due: Due) {
        let Some(quantity) = view.line.quantity else {
            return;
        };
        let sizes = self.pack_sizes(view);
        let units = sizes.first().copied().filter(|_| sizes.len() == 1);
        if quantity <= Decimal::ZERO {
            self.raise_not_whole(view, quantity, units);
            return;
        }
        if due == Due::Exempt || is_drawn(view) || counts_as_coded(view, quantity) {
            return;
        }
        match packs_in(quantity, &sizes) {
            Packs::Whole(packs) => self.judge_count(view, packs, due),
            Packs::NotWhole => self.raise_not_whole(view, quantity, units),
            Packs::Unknown => {}
        }
    }

    /// Packs against codes.
    fn judge_count(&mut self, view: &LineView<'_>, packs: Decimal, due: Due) {
        let found = Decimal::from(view.codes.len());
        if !is_countable(view) || packs == found {
            return;
        }
        if due == Due::Listed && found < packs {
            self.raise(view, Reason::NoCodeListed, Note::bare());
            return;
        }
        let evidence = Evidence::Quantities { expected: packs, found };
        self.raise(view, Reason::CodeCountMismatch, Note::new(evidence));
    }

    fn raise_not_whole(&mut self, view: &LineView<'_>, quantity: Decimal, units_per_pack: Option<u32>) {
        let evidence = Evidence::Pack { quantity, units_per_pack };
        self.raise(view, Reason::QuantityNotWhole, Note::new(evidence));
    }

    /// The sizes that the packs of a line may have, in smallest priced units; empty = not known. A code whose
    /// prefix is not mapped yet may stand for a size of its own.
    fn pack_sizes(&self, view: &LineView<'_>) -> Vec<u32> {
        let size_unknown = |c: &Coded<'_>| {
            matches!(c.scan, Scan::Code(_)) && c.drug.as_ref().is_none_or(|d| d.units_per_pack.is_none())
        };
        if view.codes.iter().any(size_unknown) {
            return Vec::new();
        }
        let of_line = view.catalog_code.as_deref().map(|code| self.grounds.registry.pack_sizes(code));
        let of_codes = || view.codes.iter().filter_map(|c| c.drug.as_ref()?.units_per_pack).collect();
        of_line.filter(|sizes| !sizes.is_empty()).unwrap_or_else(of_codes)
    }
}

/// Whether stock of a drug may lack codes there and then. A region's own entries of the no-code list count until
/// their own date, national ones until the policy's.
pub(super) fn is_listed_without_code(
    registry: &Registry,
    settings: &Settings,
    catalog_code: &str,
    at: &Situation<'_>,
) -> bool {
    registry.no_code_entries(catalog_code).iter().any(|entry| {
        entry.is_valid_on(at.day)
            && at.institution.division.is_within(&entry.division_prefix)
            && (!entry.division_prefix.is_empty() || at.day <= settings.no_code_list_until)
    })
}

/// How many packs a quantity is.
enum Packs {
    Whole(Decimal),
    NotWhole,
    Unknown,
}

/// The fewest packs of these sizes that make up a quantity.
fn packs_in(quantity: Decimal, sizes: &[u32]) -> Packs {
    if !quantity.fract().is_zero() {
        return Packs::NotWhole;
    }
    match sizes {
        [] => Packs::Unknown,
        [0] => Packs::Unknown,
        [one] => {
            let packs = quantity / Decimal::from(*one);
            if packs.fract().is_zero() { Packs::Whole(packs) } else { Packs::NotWhole }
        }
        several => match quantity.to_usize().filter(|units| *units <= COMBINED_UNITS_MAX) {
            Some(units) => fewest_packs(units, several),
            None => Packs::Unknown,
        },
    }
}

/// Counts up: the fewest packs for each number of units follow from those for fewer units.
fn fewest_packs(units: usize, sizes: &[u32]) -> Packs {
    let sizes: Vec<usize> =
        sizes.iter().filter_map(|s| usize::try_from(*s).ok()).filter(|s| *s > 0).collect();
    let mut fewest: Vec<Option<u32>> = vec![Some(0)];
    for total in 1..=units {
        let before = sizes.iter().filter_map(|size| *fewest.get(total.checked_sub(*size)?)?);
        let packs = before.min().map(|packs| packs + 1);
        fewest.push(packs);
    }
    fewest.last().copied().flatten().map_or(Packs::NotWhole, |packs| Packs::Whole(Decimal::from(packs)))
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
