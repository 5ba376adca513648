//! What really happened to one box, and what follows from it. Times are minutes; no two events share one.

use super::super::{ConflictKind, Event, Lens, MovementEvent, MovementKind, PaperKey, Part, ReturnEvent};
use super::super::{SaleEvent, SaleStatus};
use super::{CLOSE_WINDOW_MINUTES, PACK, PROPOSAL_LIMIT_MINUTES};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{DuplicateClass, Role};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

/// One message that speaks of a sale.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub at: i64,
    pub delay: i64,
    pub names_document: bool,
    pub names_visit: bool,
    pub hold: bool,
    /// A split of the settlement message has no quantity.
    pub knows_units: bool,
}

/// Something that came back; no units = all of it.
#[derive(Debug, Clone)]
pub(super) struct Back {
    pub at: i64,
    pub delay: i64,
    pub units: Option<i64>,
    pub names_document: bool,
    pub names_visit: bool,
}

/// One sale as it was.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub who: u64,
    pub document: u64,
    pub visit: u64,
    /// Units of a split; none = the whole pack.
    pub draw: Option<i64>,
    pub voided: bool,
    /// Whether its holds have expired by now.
    pub expired: bool,
    pub messages: Vec<Message>,
    pub backs: Vec<Back>,
}

/// Everything that happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub sales: Vec<Sale>,
    /// Returns of institutions that had nothing open: who, when, delay, the document they name.
    pub strays: Vec<(u64, i64, i64, u64)>,
    /// Moves of stock: from, to, when, delay.
    pub moves: Vec<(u64, u64, i64, i64)>,
}

/// A sale as the ledger should know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub opened: Timestamp,
    pub who: InstitutionCode,
    pub whole: bool,
    pub returned: bool,
    pub held: bool,
    pub units_open: Decimal,
}

/// A conflict: what, which side, and when the other one was sold.
pub(super) type Clash = (ConflictKind, Role, Timestamp);

pub(super) fn institution(who: u64) -> InstitutionCode {
    InstitutionCode::parse(&format!("P{:011}", 13_010_200_000 + who)).unwrap()
}

/// 2026-01-01T00:00:00Z.
const START_SECOND: i64 = 1_767_225_600;

pub(super) fn moment(minute: i64) -> Timestamp {
    Timestamp::from_second(START_SECOND + minute * 60).unwrap()
}

pub(super) fn minute_of(moment: Timestamp) -> i64 {
    (moment.as_second() - START_SECOND) / 60
}

/// Later than everything that is made up here.
pub(super) const NOW: i64 = 1_000_000;

pub(super) fn lens() -> Lens {
    Lens {
        now: moment(NOW),
        units_per_pack: Some(u32::try_from(PACK).unwrap()),
        proposal_limit: SignedDuration::from_mins(PROPOSAL_LIMIT_MINUTES),
        close_window: SignedDuration::from_mins(CLOSE_WINDOW_MINUTES),
    }
}

impl Sale {
    pub fn event(&self, message: &Message) -> Event {
        let status = match (self.voided, message.hold, self.expired) {
            (true, ..) => SaleStatus::Voided,
            (false, false, _) => SaleStatus::Sold,
            (false, true, true) => SaleStatus::Held { expires_at: moment(NOW) },
            (false, true, false) => SaleStatus::Held { expires_at: moment(NOW + 1) },
        };
        let quantity = self.draw.filter(|_| message.knows_units).map(Decimal::from);
        Event::Sale(SaleEvent {
            institution: institution(self.who),
            document: message.names_document.then_some(PaperKey(self.document)),
            visit: message.names_visit.then_some(PaperKey(self.visit)),
            occurred_at: moment(message.at),
            received_at: moment(message.at + message.delay),
            part: match self.draw {
                None => Part::Whole,
                Some(_) => Part::Draw {
                    line: u32::from(message.knows_units),
                    line_quantity: quantity,
                    units: quantity,
                },
            },
            status,
            first_findings: Vec::new(),
        })
    }

    fn back_event(&self, back: &Back) -> Event {
        Event::Return(ReturnEvent {
            institution: institution(self.who),
            document: back.names_document.then_some(PaperKey(self.document)),
            visit: back.names_visit.then_some(PaperKey(self.visit)),
            occurred_at: moment(back.at),
            received_at: moment(back.at + back.delay),
            units: back.units.map(Decimal::from),
        })
    }

    /// The messages that count: nothing that was voided, no expired hold, open holds where asked for.
    fn counted(&self, with_holds: bool) -> impl Iterator<Item = &Message> {
        let counts = move |m: &&Message| !self.voided && (!m.hold || (with_holds && !self.expired));
        self.messages.iter().filter(counts)
    }

    fn opened(&self, with_holds: bool) -> Option<i64> {
        self.counted(with_holds).map(|m| m.at).min()
    }

    /// Units of the draw, where a message tells them.
    fn units(&self, with_holds: bool) -> Option<i64> {
        self.draw.filter(|_| self.counted(with_holds).any(|m| m.knows_units))
    }

    /// Whether all of it had come back by a minute.
    fn is_closed_by(&self, minute: i64) -> bool {
        let backs = || self.backs.iter().filter(|b| b.at <= minute);
        let came_back: i64 = backs().filter_map(|b| b.units).sum();
        backs().any(|b| b.units.is_none()) || self.draw.is_some_and(|units| came_back >= units)
    }

    pub fn is_open_at(&self, minute: i64, with_holds: bool) -> bool {
        self.opened(with_holds).is_some_and(|opened| opened <= minute) && !self.is_closed_by(minute)
    }

    pub fn units_open_at(&self, minute: i64, with_holds: bool) -> i64 {
        if !self.is_open_at(minute, with_holds) {
            return 0;
        }
        let came_back: i64 = self.backs.iter().filter(|b| b.at <= minute).filter_map(|b| b.units).sum();
        self.units(with_holds).map_or(0, |units| units - came_back)
    }
}

impl Truth {
    /// Every event, in the order in which they happened.
    pub fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for sale in &self.sales {
            events.extend(sale.messages.iter().map(|m| sale.event(m)));
            events.extend(sale.backs.iter().map(|b| sale.back_event(b)));
        }
        let stray = |&(who, at, delay, document): &(u64, i64, i64, u64)| {
            Event::Return(ReturnEvent {
                institution: institution(who),
                document: Some(PaperKey(document)),
                visit: None,
                occurred_at: moment(at),
                received_at: moment(at + delay),
                units: None,
            })
        };
        let movement = |&(from, to, at, delay): &(u64, u64, i64, i64)| {
            Event::Movement(MovementEvent {
                institution: institution(from),
                destination: Some(institution(to)),
                kind: MovementKind::StockMove,
                occurred_at: moment(at),
                received_at: moment(at + delay),
            })
        };
        events.extend(self.strays.iter().map(stray));
        events.extend(self.moves.iter().map(movement));
        events.sort_by_key(Event::occurred_at);
        events
    }

    /// What had happened before a minute.
    pub fn before(&self, minute: i64) -> Self {
        let mut past = self.clone();
        for sale in &mut past.sales {
            sale.messages.retain(|m| m.at < minute);
            sale.backs.retain(|b| b.at < minute);
        }
        past.strays.retain(|s| s.1 < minute);
        past.moves.retain(|m| m.2 < minute);
        past
    }

    /// The sales that count, in the order in which they happened.
    pub fn known(&self, with_holds: bool) -> Vec<Known> {
        let known = |sale: &Sale| {
            Some(Known {
                opened: moment(sale.opened(with_holds)?),
                who: institution(sale.who),
                whole: sale.draw.is_none(),
                returned: sale.is_closed_by(NOW),
                held: sale.counted(with_holds).all(|m| m.hold),
                units_open: Decimal::from(sale.units_open_at(NOW, with_holds)),
            })
        };
        let mut all: Vec<Known> = self.sales.iter().filter_map(known).collect();
        all.sort();
        all
    }

    /// Every minute at which something happened: states change only then.
    fn minutes(&self) -> Vec<i64> {
        let sales = self.sales.iter();
        sales.flat_map(|s| s.messages.iter().map(|m| m.at).chain(s.backs.iter().map(|b| b.at))).collect()
    }

    /// What a sale collides with: the earliest sale under each rule, and the over-draw.
    pub fn clashes(&self, target: &Sale, with_holds: bool) -> Vec<Clash> {
        let Some(opened) = target.opened(with_holds) else {
            return Vec::new();
        };
        let together = |other: &Sale| {
            self.minutes()
                .iter()
                .any(|&m| target.is_open_at(m, with_holds) && other.is_open_at(m, with_holds))
        };
        let mut others: Vec<(i64, ConflictKind)> = self
            .sales
            .iter()
            .filter(|other| other.document != target.document && together(other))
            .filter_map(|other| {
                Some((other.opened(with_holds)?, self.rule_between(target, other, with_holds)?))
            })
            .collect();
        others.sort_by_key(|(other_opened, _)| *other_opened);
        let mut clashes: Vec<Clash> = Vec::new();
        for is_split in [false, true] {
            let of_rule = |kind: &ConflictKind| (*kind == ConflictKind::SplitElsewhere) == is_split;
            if let Some((other, kind)) = others.iter().find(|(_, kind)| of_rule(kind)) {
                let role = if opened < *other { Role::Earlier } else { Role::Later };
                clashes.push((*kind, role, moment(*other)));
            }
        }
        clashes.extend(self.overdraw(target, opened, with_holds));
        clashes
    }

    fn rule_between(&self, a: &Sale, b: &Sale, with_holds: bool) -> Option<ConflictKind> {
        let gap = (a.opened(with_holds)? - b.opened(with_holds)?).abs();
        let moved = |m: &(u64, u64, i64, i64)| (m.0, m.1) == (a.who, b.who) || (m.1, m.0) == (a.who, b.who);
        match (a.draw, b.draw) {
            (None, None) if a.who == b.who => Some(DuplicateClass::SameInstitution),
            (None, None) if gap <= CLOSE_WINDOW_MINUTES => Some(DuplicateClass::OtherInstitutionClose),
            (None, None) => Some(DuplicateClass::OtherInstitutionLongGap),
            (None, Some(_)) | (Some(_), None) => Some(DuplicateClass::WholeAndSplit),
            (Some(_), Some(_)) if a.who == b.who || self.moves.iter().any(moved) => None,
            (Some(_), Some(_)) => return Some(ConflictKind::SplitElsewhere),
        }
        .map(ConflictKind::Duplicate)
    }

    /// More units open than the pack holds: at this draw, or at a later one while this one is still open.
    fn overdraw(&self, target: &Sale, opened: i64, with_holds: bool) -> Option<Clash> {
        target.units(with_holds)?;
        let kind = ConflictKind::Duplicate(DuplicateClass::SplitOverdraw);
        let is_over = |minute: i64| {
            let open: i64 = self.sales.iter().map(|s| s.units_open_at(minute, with_holds)).sum();
            target.units_open_at(minute, with_holds) > 0 && open > PACK
        };
        let draws = || self.sales.iter().filter(|s| s.units(with_holds).is_some());
        let mut openings: Vec<i64> = draws().filter_map(|s| s.opened(with_holds)).collect();
        openings.sort_unstable();
        if is_over(opened) {
            let before = draws()
                .filter(|s| s.document != target.document && s.units_open_at(opened, with_holds) > 0)
                .filter_map(|s| s.opened(with_holds))
                .min();
            return Some((kind, Role::Later, moment(before.unwrap_or(opened))));
        }
        let later = openings.into_iter().find(|&m| m > opened && is_over(m))?;
        Some((kind, Role::Earlier, moment(later)))
    }
}
