//! Was the drug bought: purchased, not purchased, not known yet; oversold; priced above the list.

use super::Awaited;
use super::bench::{Bench, LineView, Note};
use crate::domain::code::Scan;
use crate::domain::drug::Drug;
use crate::domain::party::Institution;
use crate::domain::purchase::Position;
use crate::domain::verdict::{Enforcement, Evidence, Reason};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeMap;

/// Prices in yuan are rounded to this many places at the coarsest.
const PRICE_SCALE_MIN: u32 = 2;

impl Bench<'_> {
    /// The purchase rules of one line. `counted` = units that earlier lines of the document add to what was
    /// sold, `units` = what this line adds. Gives the question that waits for data, if one does.
    pub fn judge_purchase(
        &mut self,
        view: &LineView<'_>,
        counted: &BTreeMap<String, Decimal>,
        units: Decimal,
    ) -> Option<Awaited> {
        let catalog_code = view.catalog_code.clone()?;
        let unknown = Position::default();
        let position = self.grounds.positions.get(&catalog_code).unwrap_or(&unknown);
        if !position.has_purchases() {
            return self.judge_not_bought(view, catalog_code);
        }
        let at_most = self.cap_before_go_live(view);
        let earlier = counted.get(&catalog_code).copied().unwrap_or_default();
        let sold = position.sold + earlier + units;
        if sold > position.bought() {
            let evidence = Evidence::Quantities { expected: position.bought(), found: sold };
            self.raise(view, Reason::Oversold, Note::new(evidence).at_most(at_most));
        }
        if position.is_filed_only() {
            self.judge_price(view, at_most);
        }
        None
    }

    /// No purchase on record: is the data old enough to say so?
    fn judge_not_bought(&mut self, view: &LineView<'_>, catalog_code: String) -> Option<Awaited> {
        if self.ruling(view, Reason::NotPurchased) == Enforcement::Off {
            return None;
        }
        let at_most = self.cap_before_go_live(view);
        let complete_up_to = self.institution.and_then(|i| self.grounds.registry.feed_of(i));
        let known = !self.grounds.provisional && !self.is_stale(complete_up_to);
        if at_most == Enforcement::Block && known {
            self.raise(view, Reason::NotPurchased, Note::bare());
            return None;
        }
        let age_seconds = complete_up_to.map_or(0, |at| self.grounds.now.duration_since(at).as_secs());
        let evidence = Evidence::Feed { complete_up_to, age_seconds };
        self.raise(view, Reason::PurchaseNotKnownYet, Note::new(evidence).at_most(at_most));
        Some(Awaited { line: view.line.number, catalog_code })
    }

    /// The pack that was scanned has the price; packs of one catalogue code may differ in size.
    fn priced_product<'b>(&'b self, view: &'b LineView<'_>) -> Option<&'b Drug> {
        let of_code = |scan: &Scan| match scan {
            Scan::Code(code) => self.grounds.registry.drug(code.prefix()?),
            Scan::NoSerial { gtin, .. } => self.grounds.registry.drug(gtin.as_deref()?),
            Scan::Placeholder { .. } | Scan::Refused { .. } => None,
        };
        let of_line = |drug: &&Drug| view.catalog_code.as_ref() == Some(&drug.catalog_code);
        view.codes.iter().filter_map(|c| of_code(c.scan)).find(of_line).or(view.product)
    }

    fn is_stale(&self, complete_up_to: Option<Timestamp>) -> bool {
        let lag =
            SignedDuration::from_hours(i64::from(self.grounds.policy.settings().purchase_feed_lag_hours));
        complete_up_to.is_some_and(|at| self.grounds.now.duration_since(at) > lag)
    }

    fn cap_before_go_live(&self, view: &LineView<'_>) -> Enforcement {
        cap_before_go_live(self.institution, view.situation.day)
    }

    /// Listed prices are per pack, sale prices per smallest priced unit, rounded somewhere on the way: the
    /// last place of the sale price is no finding.
    fn judge_price(&mut self, view: &LineView<'_>, at_most: Enforcement) {
        let (Some(price), Some(product)) = (view.line.unit_price, self.priced_product(view)) else {
            return;
        };
        let (Some(listed), Some(units)) = (product.listed_price, product.units_per_pack.filter(|u| *u > 0))
        else {
            return;
        };
        let scale = price.normalize().scale().max(PRICE_SCALE_MIN);
        let listed =
            (listed / Decimal::from(units)).round_dp_with_strategy(scale, RoundingStrategy::AwayFromZero);
        if price > listed {
            self.raise(
                view,
                Reason::PriceAboveListed,
                Note::new(Evidence::Price { unit_price: price, listed }).at_most(at_most),
            );
        }
    }
}

/// Before an institution's go-live day purchase rules only observe.
pub(super) fn cap_before_go_live(institution: Option<&Institution>, day: Date) -> Enforcement {
    let goes_live_on = institution.and_then(|i| i.goes_live_on);
    if goes_live_on.is_some_and(|live| day < live) { Enforcement::Observe } else { Enforcement::Block }
}
