//! The state machine of one code: everything that was ever recorded of it, and what follows from that.
//!
//! A [`History`] is a set of events. Its state is never stored, it is folded from the events in the order
//! in which they happened (`fold`), so the order in which they arrived cannot matter. Conflicts between
//! sales (`conflict`) follow from the fold. Nothing here knows institutions' attributes, policy or a clock.

mod conflict;
mod fold;
mod past;
mod picture;
#[cfg(test)]
mod tests;

pub use conflict::{Conflict, ConflictKind, Counterpart, ReturnStanding, Standing};
pub use fold::{Ledgered, State};
pub use picture::{Collision, Fate, Folded, Picture, PicturedSale, SaleName};

use crate::domain::party::InstitutionCode;
use crate::domain::stored::appended;
use crate::domain::verdict::Role;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The most sales and returns of one institution that are kept of one code; a carton that serves 120 draws, each
/// over two messages, fits. It is counted by institution, so that nobody can fill up another's box.
pub const EVENTS_PER_INSTITUTION_MAX: usize = 300;
/// The most stock moves that are kept of one code; the oldest go first.
pub const MOVES_PER_CODE_MAX: usize = 16;

/// Most histories are shorter than this in stored form, in bytes.
const USUAL_BYTES: usize = 128;

/// A document or visit number, hashed with the deployment's secret so that nobody can make two collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaperKey(pub u64);

/// How much of the pack a sale took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The whole pack.
    Whole,
    /// A part of it: a split, or a share of a carton that carries the only code.
    Draw {
        /// Line of the document; tells two draws of one document apart.
        line: u32,
        /// Quantity of that line in smallest priced units; `None` where the message does not say.
        line_quantity: Option<Decimal>,
        /// Units taken from this very pack; `None` counts nothing.
        units: Option<Decimal>,
    },
}

impl Part {
    /// A part of which only the line is known, or that there is none.
    pub fn of_line(line: Option<u32>) -> Self {
        line.map_or(Self::Whole, |line| Self::Draw { line, line_quantity: None, units: None })
    }
}

/// What became of a recorded sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaleStatus {
    /// Handed over, or reported as handed over.
    Sold,
    /// Held for a settlement; frees itself at this moment.
    Held {
        /// When the hold lapses.
        #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
        expires_at: Timestamp,
    },
    /// Its document was cancelled.
    Voided,
}

/// A whole-pack sale or a draw from a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleEvent {
    /// Who sold.
    pub institution: InstitutionCode,
    /// The document (零售单据号), where the message had one.
    pub document: Option<PaperKey>,
    /// The visit (就医流水号), where the message had one.
    pub visit: Option<PaperKey>,
    /// When it happened, by the caller's word.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// The whole pack, or how much of it.
    pub part: Part,
    /// Sold, held or voided.
    pub status: SaleStatus,
    /// The conflicts that its first answer carried; a retry gets them again.
    pub first_findings: Vec<(ConflictKind, Role)>,
}

/// A patient brought the goods back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnEvent {
    /// Who took it back.
    pub institution: InstitutionCode,
    /// Document of the original sale, where the message had one.
    pub document: Option<PaperKey>,
    /// Visit of the original sale, where the message had one.
    pub visit: Option<PaperKey>,
    /// When it happened, by the caller's word.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// Units of a split pack that came back; `None` = all that this institution took.
    pub units: Option<Decimal>,
}

/// Goods moved between institutions or were counted: never a duplicate, but evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementEvent {
    /// Who reported it.
    pub institution: InstitutionCode,
    /// Where the goods went, for a move.
    pub destination: Option<InstitutionCode>,
    /// Stock count, stock move or stock-in.
    pub kind: MovementKind,
    /// When it happened, by the caller's word.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

crate::domain::verdict::named! {
    /// Why goods moved inside.
    pub enum MovementKind {
        /// Stock count (3501).
        StockCount = "stock_count",
        /// Stock move to another institution (3502).
        StockMove = "stock_move",
        /// Goods taken in.
        StockIn = "stock_in",
    }
}

/// One recorded event of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A sale, a hold, or a voided one.
    Sale(SaleEvent),
    /// A sale return.
    Return(ReturnEvent),
    /// A movement inside.
    Movement(MovementEvent),
    /// An event that a reviewer took out: it stays visible and counts no more.
    Annulled(Box<Event>),
}

impl Event {
    /// Whose event it is.
    pub fn institution(&self) -> InstitutionCode {
        match self {
            Self::Sale(sale) => sale.institution,
            Self::Return(back) => back.institution,
            Self::Movement(movement) => movement.institution,
            Self::Annulled(event) => event.institution(),
        }
    }

    /// Whether two records are of one event: what became of it since, and what was found about it, may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sale(a), Self::Sale(b)) => {
                let facts = |sale: &SaleEvent| {
                    let papers = (sale.institution, sale.document, sale.visit);
                    (papers, sale.occurred_at, sale.received_at)
                };
                facts(a) == facts(b) && a.part == b.part
            }
            (Self::Return(a), Self::Return(b)) => a == b,
            (Self::Movement(a), Self::Movement(b)) => a == b,
            (Self::Annulled(a), b) => a.is_same(b),
            (a, Self::Annulled(b)) => a.is_same(b),
            (Self::Sale(_) | Self::Return(_) | Self::Movement(_), _) => false,
        }
    }

    /// What was told, annulled or not.
    pub fn told(&self) -> &Self {
        match self {
            Self::Annulled(told) => told.told(),
            Self::Sale(_) | Self::Return(_) | Self::Movement(_) => self,
        }
    }

    /// When it happened, by the caller's word.
    pub fn occurred_at(&self) -> Timestamp {
        match self {
            Self::Sale(e) => e.occurred_at,
            Self::Return(e) => e.occurred_at,
            Self::Movement(e) => e.occurred_at,
            Self::Annulled(e) => e.occurred_at(),
        }
    }

    /// When the gateway heard of it.
    pub fn received_at(&self) -> Timestamp {
        match self {
            Self::Sale(e) => e.received_at,
            Self::Return(e) => e.received_at,
            Self::Movement(e) => e.received_at,
            Self::Annulled(e) => e.received_at(),
        }
    }
}

/// Everything recorded of one code, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// Grows by one with every change; a writer names the version it has read.
    pub version: u32,
    /// The events, in order of arrival.
    pub events: Vec<Event>,
}

/// What a fold needs to know besides the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lens {
    /// The moment at which holds are looked at.
    pub now: Timestamp,
    /// Smallest priced units in the pack; `None` = not known.
    pub units_per_pack: Option<u32>,
    /// An event that is heard of later than this after it happened is ordered by its arrival: the caller's
    /// word alone shifts no blame.
    pub proposal_limit: SignedDuration,
    /// Two sales at two institutions at most this far apart are "close".
    pub close_window: SignedDuration,
}

impl Lens {
    /// The moment by which an event is put in order.
    pub fn effective_at(&self, event: &Event) -> Timestamp {
        self.effective(event.occurred_at(), event.received_at())
    }

    fn effective(&self, occurred_at: Timestamp, received_at: Timestamp) -> Timestamp {
        if self.is_late(occurred_at, received_at) { received_at } else { occurred_at }
    }

    /// Whether an event came so late that it can only propose.
    pub fn is_proposal(&self, event: &Event) -> bool {
        self.is_late(event.occurred_at(), event.received_at())
    }

    fn is_late(&self, occurred_at: Timestamp, received_at: Timestamp) -> bool {
        received_at.duration_since(occurred_at) > self.proposal_limit
    }
}

impl History {
    /// The form in which stores and memories keep it: postcard.
    pub fn stored(&self) -> Result<Vec<u8>, postcard::Error> {
        appended(self, Vec::with_capacity(USUAL_BYTES))
    }

    /// The history that [`stored`](Self::stored) wrote.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }

    /// The version of a history in stored form, without reading its events.
    pub fn version_of_stored(bytes: &[u8]) -> Option<u32> {
        postcard::take_from_bytes(bytes).ok().map(|(version, _)| version)
    }

    /// The same history with one more event.
    #[must_use]
    pub fn with(&self, event: Event) -> Self {
        let mut next = self.clone();
        next.record(event);
        next
    }

    /// The same history without the effect of one event, which stays visible; `None` where no such event stands that
    /// counts.
    #[must_use]
    pub fn annulled(&self, place: usize) -> Option<Self> {
        let mut next = self.clone();
        let event = next.events.get_mut(place).filter(|event| !matches!(event, Event::Annulled(_)))?;
        *event = Event::Annulled(Box::new(event.clone()));
        next.version = next.version.saturating_add(1);
        Some(next)
    }

    /// Adds an event in place.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
        self.version = self.version.saturating_add(1);
    }

    /// Whether no further sale or return of an institution fits.
    pub fn is_full_for(&self, institution: InstitutionCode) -> bool {
        let is_its_own = |event: &&Event| match event {
            Event::Sale(sale) => sale.institution == institution,
            Event::Return(back) => back.institution == institution,
            Event::Movement(_) | Event::Annulled(_) => false,
        };
        self.events.iter().filter(is_its_own).count() >= EVENTS_PER_INSTITUTION_MAX
    }

    /// The same history with a stock move, and without the oldest where there are too many.
    #[must_use]
    pub fn with_move(&self, moved: MovementEvent) -> Self {
        let mut next = self.with(Event::Movement(moved));
        let is_move = |event: &Event| matches!(event, Event::Movement(_));
        if next.events.iter().filter(|e| is_move(e)).count() > MOVES_PER_CODE_MAX
            && let Some(oldest) = next.events.iter().position(is_move)
        {
            next.events.remove(oldest);
        }
        next
    }
}
