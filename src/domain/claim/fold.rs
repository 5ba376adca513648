//! Folds the events of one code, in the order in which they happened, into its sales and what is open of them.

use super::{ConflictKind, Event, History, Lens, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::Role;
use jiff::Timestamp;
use rust_decimal::Decimal;

/// One sale as the ledger knows it: all messages that speak of it, folded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledgered {
    /// Who sold.
    pub institution: InstitutionCode,
    /// When it happened: the earliest of its messages in order of events.
    pub occurred_at: Timestamp,
    /// When the gateway first heard of it.
    pub received_at: Timestamp,
    /// How much of the pack it took.
    pub part: Part,
    /// Places of its events in the history.
    pub members: Vec<usize>,
    /// Only held so far.
    pub held_until: Option<Timestamp>,
    /// The conflicts of its first answer.
    pub first_findings: Vec<(ConflictKind, Role)>,
    document: Option<super::PaperKey>,
    visit: Option<super::PaperKey>,
    /// One of its messages had no document.
    heard_without_document: bool,
    /// Place in the order of events at which it opens.
    pub(super) start: usize,
    /// Place at which all of it had come back.
    pub(super) end: Option<usize>,
    /// When the last of it came back, by the caller's word.
    returned_at: Option<Timestamp>,
    /// Partial returns: place and units.
    reductions: Vec<(usize, Decimal)>,
}

/// The state of one code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Its sales in the order in which they happened, returned ones too.
    pub sales: Vec<Ledgered>,
    /// Places of returns that found a sale to pair with.
    pub paired_returns: Vec<usize>,
    /// Places of returns that wait for their sale.
    pub unpaired_returns: Vec<usize>,
    /// Moves of stock between two institutions.
    pub(super) moves: Vec<(InstitutionCode, InstitutionCode)>,
}

impl Ledgered {
    fn open(place: usize, index: usize, sale: &SaleEvent) -> Self {
        Self {
            institution: sale.institution,
            occurred_at: sale.occurred_at,
            received_at: sale.received_at,
            part: sale.part.clone(),
            members: vec![index],
            held_until: hold_end(sale),
            first_findings: sale.first_findings.clone(),
            document: sale.document,
            visit: sale.visit,
            heard_without_document: sale.document.is_none(),
            start: place,
            end: None,
            returned_at: None,
            reductions: Vec::new(),
        }
    }

    /// Whether all of it came back.
    pub fn is_returned(&self) -> bool {
        self.end.is_some()
    }

    /// Document and visit, as far as any of its messages named them.
    pub(super) fn paper(&self) -> (Option<super::PaperKey>, Option<super::PaperKey>) {
        (self.document, self.visit)
    }

    /// Whether a message about this sale, of that moment, still speaks of it and not of a resale.
    fn covers(&self, occurred_at: Timestamp) -> bool {
        self.returned_at.is_none_or(|at| occurred_at < at)
    }

    /// Whether a return can speak of this sale. One that was heard of too late stands behind sales that
    /// happened after it: it did not take those back.
    fn is_spoken_of(&self, back: &ReturnEvent) -> bool {
        self.institution == back.institution
            && self.occurred_at <= back.occurred_at
            && self.held_until.is_none()
    }

    /// A message without a document has no time of its own either: the settlement of a sale that is returned
    /// already, heard of once, is still that sale and no resale.
    fn awaits_settlement(&self, sale: &SaleEvent) -> bool {
        sale.document.is_none() && self.document.is_some() && !self.heard_without_document
    }

    fn close(&mut self, place: usize, at: Timestamp) {
        self.end = Some(place);
        self.returned_at = Some(at);
    }

    /// Units open at a place in the order of events; nothing for a whole pack or an unknown quantity.
    pub(super) fn units_open_at(&self, place: usize) -> Decimal {
        let Part::Draw { units: Some(units), .. } = &self.part else {
            return Decimal::ZERO;
        };
        if place < self.start || self.end.is_some_and(|end| end <= place) {
            return Decimal::ZERO;
        }
        let back: Decimal =
            self.reductions.iter().filter(|(at, _)| *at <= place).map(|(_, units)| *units).sum();
        (units - back).max(Decimal::ZERO)
    }

    /// Units that partial returns took off it.
    pub(super) fn units_back(&self) -> Decimal {
        self.reductions.iter().map(|(_, units)| *units).sum()
    }

    fn units_left(&self) -> Option<Decimal> {
        match &self.part {
            Part::Draw { units: Some(_), .. } => Some(self.units_open_at(usize::MAX)),
            Part::Draw { units: None, .. } | Part::Whole => None,
        }
    }

    /// The same sale: institution and document; the visit stands in where a message has no document;
    /// a draw adds line and quantity.
    fn is_same_sale(&self, sale: &SaleEvent) -> bool {
        if self.institution != sale.institution {
            return false;
        }
        let both_have_documents = self.document.is_some() && sale.document.is_some();
        let same_paper = if both_have_documents {
            self.document == sale.document
        } else {
            self.visit.is_some() && self.visit == sale.visit
        };
        same_paper && same_draw(&self.part, &sale.part, both_have_documents)
    }

    /// Takes in another message about this sale.
    fn absorb(&mut self, index: usize, sale: &SaleEvent) {
        match (self.document.is_some(), sale.document.is_some()) {
            (false, true) => self.part = richer(&sale.part, &self.part),
            (true, true) if self.part == Part::Whole || sale.part == Part::Whole => self.part = Part::Whole,
            (true | false, false) | (true, true) => self.part = richer(&self.part, &sale.part),
        }
        self.heard_without_document |= sale.document.is_none();
        self.document = self.document.or(sale.document);
        self.visit = self.visit.or(sale.visit);
        self.held_until = match (self.held_until, hold_end(sale)) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (None, _) | (_, None) => None,
        };
        if sale.received_at < self.received_at {
            self.received_at = sale.received_at;
            self.first_findings.clone_from(&sale.first_findings);
        }
        self.members.push(index);
    }
}

fn hold_end(sale: &SaleEvent) -> Option<Timestamp> {
    match sale.status {
        SaleStatus::Held { expires_at } => Some(expires_at),
        SaleStatus::Sold | SaleStatus::Voided => None,
    }
}

fn same_draw(a: &Part, b: &Part, both_have_documents: bool) -> bool {
    let (
        Part::Draw { line: line_a, line_quantity: quantity_a, units: units_a },
        Part::Draw { line: line_b, line_quantity: quantity_b, units: units_b },
    ) = (a, b)
    else {
        return true;
    };
    if !both_have_documents && (units_a.is_none() || units_b.is_none()) {
        return true;
    }
    line_a == line_b && quantity_a == quantity_b
}

/// `first` unless it is a draw of unknown units and `second` knows them.
fn richer(first: &Part, second: &Part) -> Part {
    match (first, second) {
        (Part::Draw { units: None, .. }, Part::Draw { units: Some(_), .. }) => second.clone(),
        (Part::Whole | Part::Draw { .. }, Part::Whole | Part::Draw { .. }) => first.clone(),
    }
}

/// The events of a history, and one that is looked at as if it were the last of them: nothing is copied for a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events<'a> {
    known: &'a [Event],
    beside: Option<&'a Event>,
}

impl<'a> Events<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        Self { known: &history.events, beside: None }
    }

    pub(super) fn with(history: &'a History, beside: &'a Event) -> Self {
        Self { known: &history.events, beside: Some(beside) }
    }

    fn get(&self, index: usize) -> Option<&'a Event> {
        self.known.get(index).or(self.beside.filter(|_| index == self.known.len()))
    }

    fn iter(&self) -> impl Iterator<Item = &'a Event> {
        self.known.iter().chain(self.beside)
    }
}

/// Folds a history. `with_holds` = whether holds that are still open count as sales.
pub(super) fn fold(events: Events<'_>, lens: &Lens, with_holds: bool) -> State {
    fold_in_order(events, order_of_events(events, lens), lens, with_holds)
}

/// The place of an event in the order of events: when it happened, when it was heard of, its index.
pub(super) type Place = (Timestamp, Timestamp, usize);

/// Folds a history whose [order](order_of_events) is known.
pub(super) fn fold_in_order(events: Events<'_>, order: Vec<Place>, lens: &Lens, with_holds: bool) -> State {
    // With room for one that is looked at behind the last, as the order has; a sale is long.
    let mut state = State { sales: Vec::with_capacity(order.capacity()), ..State::default() };
    for (place, (.., index)) in order.into_iter().enumerate() {
        let Some(event) = events.get(index) else {
            continue;
        };
        match event {
            Event::Sale(sale) if counts(sale, lens, with_holds) => {
                state.take_sale(place, index, sale, events)
            }
            Event::Sale(_) => {}
            Event::Return(back) => state.take_return(place, index, back, lens),
            Event::Movement(m) => state.moves.extend(m.destination.map(|to| (m.institution, to))),
            Event::Annulled(_) => {}
        }
    }
    state
}

/// The order in which events happened.
pub(super) fn order_of_events(events: Events<'_>, lens: &Lens) -> Vec<Place> {
    let mut order = Vec::with_capacity(events.known.len() + 1);
    order.extend(
        events
            .iter()
            .enumerate()
            .map(|(index, event)| (lens.effective_at(event), event.received_at(), index)),
    );
    order.sort_unstable();
    order
}

fn counts(sale: &SaleEvent, lens: &Lens, with_holds: bool) -> bool {
    match sale.status {
        SaleStatus::Sold => true,
        SaleStatus::Voided => false,
        SaleStatus::Held { expires_at } => with_holds && lens.now < expires_at,
    }
}

impl State {
    fn take_sale(&mut self, place: usize, index: usize, sale: &SaleEvent, events: Events<'_>) {
        if let Some(known) = self.spoken_of_by(sale).and_then(|at| self.sales.get_mut(at)) {
            known.absorb(index, sale);
            return;
        }
        let (opened, waiting) = self.opened((place, index), sale, events);
        if let Some(slot) = waiting {
            self.paired_returns.push(self.unpaired_returns.remove(slot));
        }
        self.sales.push(opened);
    }

    /// The sale that a message would open behind all that was folded; `None` = it speaks of one that is known.
    pub(super) fn opened_last(&self, sale: &SaleEvent, events: Events<'_>) -> Option<Ledgered> {
        // All of them have a place, those that are no sales too.
        let last = events.known.len();
        self.spoken_of_by(sale).is_none().then(|| self.opened((last, last), sale, events).0)
    }

    /// The place of the sale that a message speaks of.
    fn spoken_of_by(&self, sale: &SaleEvent) -> Option<usize> {
        let covers = |s: &Ledgered| s.covers(sale.occurred_at) && s.is_same_sale(sale);
        let settles = |s: &Ledgered| s.awaits_settlement(sale) && s.is_same_sale(sale);
        self.sales.iter().position(covers).or_else(|| self.sales.iter().position(settles))
    }

    /// A sale of its own, and which of the returns that wait took it back.
    fn opened(&self, at: (usize, usize), sale: &SaleEvent, all: Events<'_>) -> (Ledgered, Option<usize>) {
        let (place, index) = at;
        // A sale that was reported beyond the limit stands after its own return in the order of events.
        let waiting = self.unpaired_returns.iter().enumerate().find_map(|(slot, &at)| match all.get(at) {
            Some(Event::Return(back))
                if back.institution == sale.institution && sale.occurred_at <= back.occurred_at =>
            {
                Some((slot, back.occurred_at))
            }
            Some(Event::Return(_) | Event::Sale(_) | Event::Movement(_) | Event::Annulled(_)) | None => None,
        });
        let mut opened = Ledgered::open(place, index, sale);
        if let Some((_, returned_at)) = waiting {
            opened.close(place, returned_at);
        }
        (opened, waiting.map(|(slot, _)| slot))
    }

    fn take_return(&mut self, place: usize, index: usize, back: &ReturnEvent, lens: &Lens) {
        if self.give_back(place, back, lens) {
            self.paired_returns.push(index);
        } else {
            self.unpaired_returns.push(index);
        }
    }

    /// Frees what came back; `false` where nothing of this institution was open.
    fn give_back(&mut self, place: usize, back: &ReturnEvent, lens: &Lens) -> bool {
        let mut units_back = back.units;
        let mut found = false;
        for at in self.open_sales_for(back) {
            let Some(sale) = self.sales.get_mut(at) else {
                continue;
            };
            found = true;
            match units_back {
                None => {
                    sale.close(place, back.occurred_at);
                    if sale.part == Part::Whole {
                        return true;
                    }
                }
                Some(units) => {
                    let taken = reduce(sale, place, units, back.occurred_at, lens);
                    let left = units - taken;
                    if left <= Decimal::ZERO {
                        return true;
                    }
                    units_back = Some(left);
                }
            }
        }
        found
    }

    /// The institution's open sales, the best match first: same document, same visit, then the latest.
    /// A return that names the document of a sale, or else its visit, frees only such sales, and nothing where
    /// they have come back already.
    fn open_sales_for(&self, back: &ReturnEvent) -> Vec<usize> {
        let mut spoken_of: Vec<(u8, usize)> = self
            .sales
            .iter()
            .enumerate()
            .filter(|(_, s)| s.is_spoken_of(back))
            .map(|(at, s)| (closeness(s, back), at))
            .collect();
        spoken_of.sort_unstable_by(|a, b| b.cmp(a));
        // A document says more than the visit that it shares with others.
        let least = spoken_of.first().map_or(0, |(best, _)| (*best).min(SAME_DOCUMENT));
        let is_open = |at: &usize| self.sales.get(*at).is_some_and(|s| !s.is_returned());
        let close = spoken_of.into_iter().filter(|(closeness, _)| *closeness >= least);
        close.map(|(_, at)| at).filter(is_open).collect()
    }
}

/// How close a sale is whose document the return names; a visit adds one.
const SAME_DOCUMENT: u8 = 2;

fn closeness(sale: &Ledgered, back: &ReturnEvent) -> u8 {
    let document = back.document.is_some() && back.document == sale.document;
    let visit = back.visit.is_some() && back.visit == sale.visit;
    u8::from(document) * SAME_DOCUMENT + u8::from(visit)
}

/// Takes units off a sale; gives how many it took.
fn reduce(sale: &mut Ledgered, place: usize, units: Decimal, at: Timestamp, lens: &Lens) -> Decimal {
    let left = match (sale.units_left(), lens.units_per_pack) {
        (Some(left), _) => left,
        (None, Some(pack)) if sale.part == Part::Whole => Decimal::from(pack) - sale.units_back(),
        (None, _) => units,
    };
    let taken = units.min(left);
    sale.reductions.push((place, taken));
    if taken >= left {
        sale.close(place, at);
    }
    taken
}
