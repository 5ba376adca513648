//! What is known of a code as a whole, for whoever must say who sold a box twice: its sales in the order in which they
//! happened, and which of them collide. Attempts that were blocked are put beside the sales one by one: they never
//! were sales, and stand against nobody but what was sold before them.

use super::conflict::{overlaps, same_rule};
use super::fold::{Events, Ledgered, Place, State, fold, fold_in_order, order_of_events};
use super::{ConflictKind, Event, History, Lens, PaperKey, Part, SaleEvent, SaleStatus};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::DuplicateClass;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names one sale of a code, whatever messages tell of it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleName {
    /// Who sold.
    pub institution: InstitutionCode,
    /// The document, as far as any message named it.
    pub document: Option<PaperKey>,
    /// The visit, as far as any message named it.
    pub visit: Option<PaperKey>,
    /// The line, for a draw from a split pack.
    pub line: Option<u32>,
}

impl SaleName {
    /// The name of a sale that is or was about to be recorded.
    pub fn of(sale: &SaleEvent) -> Self {
        let SaleEvent { institution, document, visit, part, .. } = sale;
        Self { institution: *institution, document: *document, visit: *visit, line: line_of(part) }
    }

    /// Whether two names are of one sale: institution and document, or the visit where one has no document; draws by
    /// their lines.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_paper = match (self.document, other.document) {
            (Some(a), Some(b)) => a == b,
            (Some(_) | None, _) => self.visit.is_some() && self.visit == other.visit,
        };
        let same_line = self.line.zip(other.line).is_none_or(|(a, b)| a == b);
        same_paper && same_line && self.institution == other.institution
    }
}

fn line_of(part: &Part) -> Option<u32> {
    match part {
        Part::Draw { line, .. } => Some(*line),
        Part::Whole => None,
    }
}

/// A sale or a blocked attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PicturedSale {
    /// Which.
    pub name: SaleName,
    /// When it happened, by the caller's word.
    pub occurred_at: Timestamp,
    /// When the gateway first heard of it.
    pub received_at: Timestamp,
    /// How much of the pack it took.
    pub part: Part,
    /// It was blocked: it never took anything.
    pub is_attempt: bool,
    /// All of it came back.
    pub is_returned: bool,
}

/// Two sales of one code that cannot both be lawful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collision {
    /// What they collide over.
    pub kind: ConflictKind,
    /// The one that came first in the order of events, by its place in [`Picture::sales`]. A draw of more units than
    /// any pack holds stands against itself.
    pub earlier: usize,
    /// The one that came later.
    pub later: usize,
}

/// The sales of a code together with one that was judged, folded: who pictures them next need not fold them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    state: State,
    /// How many events were folded, the judged sale as the last.
    events: usize,
    /// How they were looked at.
    lens: Lens,
}

/// All sales and attempts of a code with their collisions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// Sales in the order in which they happened, then attempts in order of arrival.
    pub sales: Vec<PicturedSale>,
    /// In the order of their later sides; at most one of each kind of rule for a sale.
    pub collisions: Vec<Collision>,
}

crate::domain::verdict::named! {
    /// What became of a sale.
    pub enum Fate {
        /// It stands, as a whole or in part.
        Stands = "STANDS",
        /// All of it came back.
        Returned = "RETURNED",
        /// Its document was cancelled.
        Voided = "VOIDED",
        /// A reviewer took it out.
        Annulled = "ANNULLED",
        /// It never became a sale.
        NeverSold = "NEVER_SOLD",
    }
}

impl History {
    /// The picture of this code. Holds accuse nobody and are no part of it.
    pub fn picture<'a>(&self, attempts: impl Iterator<Item = &'a SaleEvent>, lens: &Lens) -> Picture {
        let order = order_of_events(Events::of(self), lens);
        let last = order.last().copied();
        let mut state = fold_in_order(Events::of(self), order, lens, false);
        let mut picture = Picture::of_sales(&state.sales, &state, attempts.size_hint().0, lens);
        for attempt in attempts {
            // What its first answer found is no part of a picture.
            let (part, first_findings) = (attempt.part.clone(), Vec::new());
            let sold = SaleEvent { status: SaleStatus::Sold, part, first_findings, ..*attempt };
            let place: Place =
                (lens.effective(sold.occurred_at, sold.received_at), sold.received_at, self.events.len());
            if last.is_none_or(|last| last < place) {
                self.put_behind(&sold, &mut state, lens, &mut picture);
            } else {
                self.put_between(sold, &state, lens, &mut picture);
            }
        }
        picture
    }

    /// Adds an attempt that happened after everything on record, as nearly every one does, unless it became a sale
    /// since: nothing is folded once more for it.
    fn put_behind(&self, attempt: &SaleEvent, known: &mut State, lens: &Lens, picture: &mut Picture) {
        let Some(target) = known.opened_last(attempt, Events::of(self)) else { return };
        known.sales.push(target);
        picture.put_last(known, lens);
        known.sales.pop();
    }

    /// Adds an attempt that happened before some of what is on record, unless it became a sale since.
    fn put_between(&self, attempt: SaleEvent, known: &State, lens: &Lens, picture: &mut Picture) {
        let state = fold(Events::with(self, &Event::Sale(attempt)), lens, false);
        let target = state.sale_of(self.events.len()).filter(|target| target.members.len() == 1);
        let Some(target) = target else { return };
        picture.put_attempt(target, &state, lens, |at| {
            let same = |s: &Ledgered| state.sales.get(at).is_some_and(|met| met.members == s.members);
            known.sales.iter().position(same)
        });
    }

    /// What became of a sale.
    pub fn fate_of(&self, name: &SaleName, lens: &Lens) -> Fate {
        let state = fold(Events::of(self), lens, true);
        if let Some(sale) = state.sales.iter().find(|sale| name_of(sale).is_same(name)) {
            return if sale.is_returned() { Fate::Returned } else { Fate::Stands };
        }
        let mut fate = Fate::NeverSold;
        for event in &self.events {
            match event {
                Event::Annulled(annulled) if is_sale(annulled, name) => return Fate::Annulled,
                Event::Sale(sale) if SaleName::of(sale).is_same(name) => fate = Fate::Voided,
                Event::Sale(_) | Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => {}
            }
        }
        fate
    }
}

fn is_sale(event: &Event, name: &SaleName) -> bool {
    matches!(event, Event::Sale(sale) if SaleName::of(sale).is_same(name))
}

fn name_of(sale: &Ledgered) -> SaleName {
    let (document, visit) = sale.paper();
    SaleName { institution: sale.institution, document, visit, line: line_of(&sale.part) }
}

fn pictured(sale: &Ledgered, is_attempt: bool) -> PicturedSale {
    PicturedSale {
        name: name_of(sale),
        occurred_at: sale.occurred_at,
        received_at: sale.received_at,
        part: sale.part.clone(),
        is_attempt,
        is_returned: !is_attempt && sale.is_returned(),
    }
}

impl Folded {
    /// What was folded of a history and of one more sale, as if it were the last of its events.
    pub(super) fn behind(history: &History, state: State, lens: &Lens) -> Self {
        Self { state, events: history.events.len() + 1, lens: *lens }
    }

    /// The [picture](History::picture) of a history that holds the judged sale, without attempts; `None` = something
    /// else was folded.
    pub fn recorded(&self, history: &History, lens: &Lens) -> Option<Picture> {
        let all = self.lens == *lens && self.events == history.events.len();
        let is_judged = |event: &Event| matches!(event, Event::Sale(sale) if sale.status == SaleStatus::Sold);
        let all = all && history.events.last().is_some_and(is_judged);
        all.then(|| Picture::of_sales(&self.state.sales, &self.state, 0, lens))
    }

    /// The [picture](History::picture) of a history with the judged sale as its only attempt; `None` = something else
    /// was folded, or something on record happened after it.
    pub fn attempted(&self, history: &History, attempt: &SaleEvent, lens: &Lens) -> Option<Picture> {
        let last = history.events.len();
        let (target, sales) = self.state.sales.split_last()?;
        let is_last = self.events == last + 1 && target.start == last && target.members == [last];
        let moments = (attempt.occurred_at, attempt.received_at);
        let is_it = (target.occurred_at, target.received_at) == moments
            && target.part == attempt.part
            && name_of(target) == SaleName::of(attempt);
        if self.lens != *lens || !is_last || !is_it {
            return None;
        }
        let mut picture = Picture::of_sales(sales, &self.state, 1, lens);
        picture.put_last(&self.state, lens);
        Some(picture)
    }
}

impl Picture {
    /// Sales of a state that lie before any others of it, with room for attempts.
    fn of_sales(sales: &[Ledgered], state: &State, attempts: usize, lens: &Lens) -> Self {
        let room = Vec::with_capacity(sales.len() + attempts);
        let mut picture = Self { sales: room, ..Self::default() };
        for (at, sale) in sales.iter().enumerate() {
            picture.sales.push(pictured(sale, false));
            state.meet(sale, at, lens, &mut picture.collisions);
        }
        picture
    }

    /// Adds the last sale of a state as an attempt.
    fn put_last(&mut self, state: &State, lens: &Lens) {
        let Some((target, sold)) = state.sales.split_last() else { return };
        self.put_attempt(target, state, lens, |at| Some(at).filter(|at| *at < sold.len()));
    }

    /// Adds an attempt with what it meets. `known` says which of the sales on record one of the state is.
    fn put_attempt(
        &mut self,
        target: &Ledgered,
        state: &State,
        lens: &Lens,
        known: impl Fn(usize) -> Option<usize>,
    ) {
        let (later, first) = (self.sales.len(), self.collisions.len());
        self.sales.push(pictured(target, true));
        state.meet(target, later, lens, &mut self.collisions);
        for collision in self.collisions.iter_mut().skip(first) {
            collision.earlier = known(collision.earlier).unwrap_or(later);
        }
    }
}

impl State {
    /// Adds what a sale meets that came before it: at most one of each kind of rule, the earliest. `later` = how the sale
    /// itself is named there.
    fn meet(&self, target: &Ledgered, later: usize, lens: &Lens, met: &mut Vec<Collision>) {
        let first = met.len();
        let mut meets = |kind: ConflictKind, earlier: usize| {
            let is_new = met.iter().skip(first).all(|known| !same_rule(known.kind, kind));
            if is_new {
                met.push(Collision { kind, earlier, later });
            }
        };
        for (at, other) in self.sales.iter().enumerate() {
            if other.start < target.start
                && overlaps(other, target)
                && let Some(kind) = self.collision(target, other, lens)
            {
                meets(kind, at);
            }
        }
        let drawn = self.overdrawn_by(target, lens);
        if let Some(at) = drawn.and_then(|other| self.sales.iter().position(|s| s.start == other.start)) {
            meets(ConflictKind::Duplicate(DuplicateClass::SplitOverdraw), at);
        }
    }
}
