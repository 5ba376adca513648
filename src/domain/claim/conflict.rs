//! How the sales of one code stand to each other: duplicates, over-draws, splits in two places.

use super::fold::{Events, Ledgered, State, fold};
use super::{Event, Folded, History, Lens, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{DuplicateClass, Role};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The other side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterpart {
    /// Who sold.
    pub institution: InstitutionCode,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    pub received_at: Timestamp,
}

/// What two sales of one code collide over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictKind {
    /// Already sold.
    Duplicate(DuplicateClass),
    /// Split sales of one box at two institutions, and no stock move links them.
    SplitElsewhere,
}

/// One conflict of a sale with what else is known of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What it is.
    pub kind: ConflictKind,
    /// Which side the judged sale is, by event time.
    pub role: Role,
    /// The sale claims to be the earlier one, but was heard of too late to settle that by itself.
    pub proposed: bool,
    /// The other side; the earliest, where there are several.
    pub other: Counterpart,
}

/// How a sale that is about to be recorded stands to the history of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Another message about a sale that is on record: same answer as the first time.
    Same {
        /// The conflicts of the first answer, each with its other side where it is still there.
        first_findings: Vec<(ConflictKind, Role, Option<Counterpart>)>,
        /// Whether this message adds something worth recording (document, quantity, the end of a hold).
        adds: bool,
        /// Units that only this message brings.
        new_units: Option<Decimal>,
    },
    /// A sale of its own.
    New {
        /// What it collides with; empty = lawful.
        conflicts: Vec<Conflict>,
        /// A hold that is not decided yet and stands in the way until this moment.
        undecided_until: Option<Timestamp>,
        /// What was folded to tell; `None` = nothing that could stand in the way is on record.
        folded: Option<Folded>,
    },
}

/// How a return that is about to be recorded stands to the history of its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnStanding {
    /// It frees a sale.
    Paired,
    /// This very return is on record.
    Same,
    /// No sale of this institution is on record yet.
    Unpaired,
    /// The institution's sale was already returned.
    AlreadyReturned,
}

impl History {
    /// The state of the code at `lens.now`; open holds count as sales if asked for.
    pub fn state(&self, lens: &Lens, with_holds: bool) -> State {
        fold(Events::of(self), lens, with_holds)
    }

    /// How a sale stands to this history.
    pub fn standing_of(&self, sale: &SaleEvent, lens: &Lens) -> Standing {
        // Nearly all traffic. A first draw may still be more than the pack holds.
        if self.events.is_empty() && sale.part == Part::Whole {
            return Standing::New { conflicts: Vec::new(), undecided_until: None, folded: None };
        }
        let index = self.events.len();
        let judged = Event::Sale(SaleEvent { status: SaleStatus::Sold, ..sale.clone() });
        let next = Events::with(self, &judged);
        let with_holds = fold(next, lens, true);
        let Some(target) = with_holds.sale_of(index) else {
            return Standing::New { conflicts: Vec::new(), undecided_until: None, folded: None };
        };
        if target.members.len() > 1 {
            return self.same_sale(sale, target, &with_holds, lens);
        }
        let firm = fold(next, lens, false);
        let conflicts = firm.sale_of(index).map(|t| firm.conflicts_of(t, lens)).unwrap_or_default();
        let undecided_until = if conflicts.is_empty() && !with_holds.conflicts_of(target, lens).is_empty() {
            with_holds.sales.iter().filter_map(|s| s.held_until).max()
        } else {
            None
        };
        Standing::New { conflicts, undecided_until, folded: Some(Folded::behind(self, firm, lens)) }
    }

    fn same_sale(&self, sale: &SaleEvent, target: &Ledgered, after: &State, lens: &Lens) -> Standing {
        let before = fold(Events::of(self), lens, true);
        let known = before.sales.iter().find(|s| s.members.iter().any(|m| target.members.contains(m)));
        let new_units = match (known.map(|k| &k.part), &target.part) {
            (Some(Part::Draw { units: None, .. }), Part::Draw { units: Some(units), .. }) => Some(*units),
            (_, Part::Whole | Part::Draw { .. }) => None,
        };
        let adds = known.is_none_or(|known| {
            let ends_hold = known.held_until.is_some() && matches!(sale.status, SaleStatus::Sold);
            ends_hold || !known.tells_the_same_as(target)
        });
        let others = after.conflicts_of(target, lens);
        let other_side = |kind: ConflictKind| {
            let found = others.iter().find(|c| c.kind == kind).or(others.first());
            found.map(|c| c.other.clone())
        };
        let marks = known.map(|k| k.first_findings.as_slice()).unwrap_or_default();
        let first_findings = marks.iter().map(|(kind, role)| (*kind, *role, other_side(*kind))).collect();
        Standing::Same { first_findings, adds, new_units }
    }

    /// Whether this very return is on record.
    pub fn has_return(&self, back: &ReturnEvent) -> bool {
        self.events.iter().any(|e| {
            matches!(e, Event::Return(r) if r.institution == back.institution && r.occurred_at == back.occurred_at
                && r.document == back.document && r.visit == back.visit && r.units == back.units)
        })
    }

    /// How a return stands to this history.
    pub fn standing_of_return(&self, back: &ReturnEvent, lens: &Lens) -> ReturnStanding {
        if self.has_return(back) { ReturnStanding::Same } else { self.standing_of_new_return(back, lens) }
    }

    /// How a return that is none of those on record stands to this history.
    pub fn standing_of_new_return(&self, back: &ReturnEvent, lens: &Lens) -> ReturnStanding {
        let before = fold(Events::of(self), lens, false);
        let after = fold(Events::with(self, &Event::Return(back.clone())), lens, false);
        if after.paired_returns.len() > before.paired_returns.len() {
            return ReturnStanding::Paired;
        }
        let sold_before = before
            .sales
            .iter()
            .any(|s| s.institution == back.institution && s.occurred_at <= back.occurred_at);
        if sold_before { ReturnStanding::AlreadyReturned } else { ReturnStanding::Unpaired }
    }
}

impl Ledgered {
    /// Whether two foldings of one sale say the same, whatever came after it.
    fn tells_the_same_as(&self, other: &Self) -> bool {
        self.part == other.part && self.occurred_at == other.occurred_at && self.paper() == other.paper()
    }
}

impl State {
    pub(super) fn sale_of(&self, index: usize) -> Option<&Ledgered> {
        self.sales.iter().find(|s| s.members.contains(&index))
    }

    /// Units that are open now, over all institutions.
    pub fn units_open(&self) -> Decimal {
        self.sales.iter().map(|s| s.units_open_at(usize::MAX)).sum()
    }

    /// What an institution has open of a split pack; `None` where it has not split this pack.
    pub fn units_drawn_by(&self, institution: InstitutionCode) -> Option<Decimal> {
        let drawn = |s: &&Ledgered| s.institution == institution && !s.is_returned() && s.part != Part::Whole;
        let open: Vec<_> = self.sales.iter().filter(drawn).map(|s| s.units_open_at(usize::MAX)).collect();
        (!open.is_empty()).then(|| open.iter().sum())
    }

    /// Everything one sale collides with: at most one conflict of each kind of rule.
    pub fn conflicts_of(&self, target: &Ledgered, lens: &Lens) -> Vec<Conflict> {
        let mut found: Vec<Conflict> = Vec::new();
        for other in self.sales.iter().filter(|o| o.start != target.start && overlaps(o, target)) {
            let Some(kind) = self.collision(target, other, lens) else {
                continue;
            };
            if found.iter().all(|c| !same_rule(c.kind, kind)) {
                found.push(conflict(kind, target, other));
            }
        }
        found.extend(self.overdraw(target, lens));
        found
    }

    pub(super) fn collision(&self, target: &Ledgered, other: &Ledgered, lens: &Lens) -> Option<ConflictKind> {
        match (&target.part, &other.part) {
            (Part::Whole, Part::Whole) => Some(ConflictKind::Duplicate(whole_class(target, other, lens))),
            (Part::Whole, Part::Draw { .. }) | (Part::Draw { .. }, Part::Whole) => {
                Some(ConflictKind::Duplicate(DuplicateClass::WholeAndSplit))
            }
            (Part::Draw { .. }, Part::Draw { .. }) => {
                let (a, b) = (target.institution, other.institution);
                let linked = self.moves.iter().any(|&m| m == (a, b) || m == (b, a));
                (a != b && !linked).then_some(ConflictKind::SplitElsewhere)
            }
        }
    }

    /// More units open than the pack holds, at this draw or at a later one that it pushes over.
    fn overdraw(&self, target: &Ledgered, lens: &Lens) -> Option<Conflict> {
        let other = match self.overdrawn_by(target, lens) {
            Some(open) => open,
            None => {
                let pushed = |s: &&Ledgered| {
                    s.start > target.start
                        && target.units_open_at(s.start) > Decimal::ZERO
                        && self.is_over(s.start, lens)
                };
                self.counted_draws().find(|s| pushed(s)).filter(|_| is_counted_draw(target))?
            }
        };
        Some(conflict(ConflictKind::Duplicate(DuplicateClass::SplitOverdraw), target, other))
    }

    /// Where a draw takes more than the pack still holds: the first draw that is open before it. A draw of more units
    /// than any pack holds stands against nobody but itself.
    pub(super) fn overdrawn_by<'a>(&'a self, target: &'a Ledgered, lens: &Lens) -> Option<&'a Ledgered> {
        let is_over = is_counted_draw(target)
            && target.units_open_at(target.start) > Decimal::ZERO
            && self.is_over(target.start, lens);
        if !is_over {
            return None;
        }
        let still_open =
            |s: &&Ledgered| s.start < target.start && s.units_open_at(target.start) > Decimal::ZERO;
        Some(self.counted_draws().find(still_open).unwrap_or(target))
    }

    /// Whether more units are open at a place in the order of events than the pack holds.
    fn is_over(&self, place: usize, lens: &Lens) -> bool {
        let open = || self.sales.iter().map(|s| s.units_open_at(place)).sum::<Decimal>();
        lens.units_per_pack.is_some_and(|pack| open() > Decimal::from(pack))
    }

    fn counted_draws(&self) -> impl Iterator<Item = &Ledgered> {
        self.sales.iter().filter(|sale| is_counted_draw(sale))
    }
}

fn is_counted_draw(sale: &Ledgered) -> bool {
    matches!(sale.part, Part::Draw { units: Some(_), .. })
}

pub(super) fn same_rule(a: ConflictKind, b: ConflictKind) -> bool {
    match (a, b) {
        (ConflictKind::Duplicate(_), ConflictKind::Duplicate(_)) => true,
        (ConflictKind::SplitElsewhere, ConflictKind::SplitElsewhere) => true,
        (ConflictKind::Duplicate(_), ConflictKind::SplitElsewhere)
        | (ConflictKind::SplitElsewhere, ConflictKind::Duplicate(_)) => false,
    }
}

/// Whether two sales were open at one time. One that was heard of after its own return never was.
pub(super) fn overlaps(a: &Ledgered, b: &Ledgered) -> bool {
    if a.end == Some(a.start) || b.end == Some(b.start) {
        return false;
    }
    let opens_before_end = |x: &Ledgered, y: &Ledgered| y.end.is_none_or(|end| x.start < end);
    opens_before_end(a, b) && opens_before_end(b, a)
}

fn whole_class(a: &Ledgered, b: &Ledgered, lens: &Lens) -> DuplicateClass {
    let gap = a.occurred_at.duration_since(b.occurred_at).abs();
    if a.institution == b.institution {
        DuplicateClass::SameInstitution
    } else if gap <= lens.close_window {
        DuplicateClass::OtherInstitutionClose
    } else {
        DuplicateClass::OtherInstitutionLongGap
    }
}

fn conflict(kind: ConflictKind, target: &Ledgered, other: &Ledgered) -> Conflict {
    let first_in_order = target.start < other.start;
    let first_by_word = (target.occurred_at, target.start) < (other.occurred_at, other.start);
    Conflict {
        kind,
        role: if first_by_word { Role::Earlier } else { Role::Later },
        proposed: first_by_word && !first_in_order,
        other: Counterpart {
            institution: other.institution,
            occurred_at: other.occurred_at,
            received_at: other.received_at,
        },
    }
}
