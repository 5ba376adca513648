//! Moving everything from one store into another that is empty: rows come in pieces, are put where nothing stands, and
//! both sides are read back and compared. It knows rows, not where they lie, and nothing of what they mean.
//!
//! Reading order: this file (what a store that can be moved gives and takes), `note` (how far a move is, kept beside
//! the target), `carry` (the move itself), `inventory` (counts and hashes).

mod carry;
mod inventory;
mod note;

pub use carry::{Carried, Compared, Step, carry, compare};
pub use inventory::{Digest, Inventory};
pub use note::{Note, Stage};

use super::{Answering, CommitError, LogEvent, PositionDelta, Store, StoreError};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord, PurchaseSource};
use crate::domain::tally::{Tally, TallyKey};
use std::collections::HashSet;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Rows of a piece, about.
const PIECE_ROWS: usize = 1000;
/// Bytes of a piece, about; one row or one change of the source may be more.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that wait for whoever takes them.
pub(super) const PIECES_WAITING_MAX: usize = 4;
/// Between pool and catalogue code in the name of a position, for every store; no part may hold it.
const SEPARATOR: char = '\u{1f}';

/// Why a move does not go on. What was put stays; the same move can be tried again and goes on there.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The store that is read.
    #[error("the source cannot be read: {0}")]
    Source(StoreError),
    /// The store that is written could not be read.
    #[error("the target cannot be read: {0}")]
    Target(#[from] StoreError),
    /// The store that is written did not take a piece.
    #[error("the target did not take a piece: {0}. Run the same command again, it goes on there")]
    Put(#[from] CommitError),
    /// Something of the source is not decided.
    #[error(
        "a change in the source is not decided yet: a gateway still works with it, or was killed a moment ago. Stop all \
         gateways, wait fifteen seconds, and run the same command again"
    )]
    Undecided,
    /// A gateway works with the store.
    #[error(
        "gateway {0} works with this store, or was killed less than fifteen seconds ago; stop all gateways and run the \
         same command again"
    )]
    InUse(u16),
    /// Answers that the store does not have yet.
    #[error(
        "{0} answer(s) that were given while Redis was away wait in this data directory; start its gateway once, until          tracegate_provisional_waiting is 0, and run the same command again"
    )]
    Unclaimed(usize),
    /// Something else stands in the target.
    #[error(
        "{0} stands in the target with other content than in the source: they are not the same store, or the source was \
         changed after the move began. Begin again with a new, empty target"
    )]
    Different(String),
    /// The target belongs to something else.
    #[error(
        "{dir} holds {what}; a store is moved into a new directory only. Name one that does not exist, or the one in \
         which this very move was interrupted"
    )]
    Taken {
        /// The target's directory.
        dir: PathBuf,
        /// What it holds.
        what: String,
    },
    /// How far the move is cannot be kept.
    #[error("{path}: {why}")]
    Note {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl MoveError {
    /// What reading the source came to.
    pub(super) fn of_source(error: StoreError) -> Self {
        match error {
            StoreError::Undecided => Self::Undecided,
            StoreError::Full(_)
            | StoreError::Stopped(_)
            | StoreError::Unfit(_)
            | StoreError::Unreadable(_)
            | StoreError::Away(_) => Self::Source(error),
        }
    }
}

/// Some rows of a store, as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Everything but positions and tallies; nothing is added to any, nothing is settled.
    pub rows: LogEvent,
    /// Positions as they stand: they are not added up from the other rows again.
    pub positions: Vec<(Pool, String, Position)>,
    /// Tallies as they stand, each once.
    pub tallies: Vec<(TallyKey, Tally)>,
    /// How far the walk is with this piece; `None` = the walk is behind.
    pub walked: Option<u64>,
}

/// Pieces on their way; nothing follows an error.
pub type Pieces = mpsc::Receiver<Result<Piece, StoreError>>;

/// Why an export ends early.
pub(super) enum Ended {
    /// Nobody takes pieces any more.
    Unread,
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A store that can be moved, and into which another can be moved.
pub trait Movable: Store {
    /// The secret with which document numbers are hashed; it moves too, so that documents are found again.
    fn secret(&self) -> [u8; 16];

    /// Sees to it that nobody else works with the store and that everything in it is decided.
    fn quieten(&self) -> Answering<'_, Result<(), MoveError>>;

    /// Where the walk ends.
    fn walk_end(&self) -> u64;

    /// Everything, in an order that stays the same while nothing is changed. First what is walked over, from a place
    /// that an earlier piece gave; then the rest, from its beginning. `None` = the rest alone.
    fn pieces(&self, from: Option<u64>) -> Pieces;

    /// Every row once, as it is read by whoever asks for it. The store must have been opened and not changed since.
    fn rows(&self) -> Pieces;

    /// Puts what does not stand yet of a piece. What stands with other content is refused.
    fn put_piece(&self, piece: Piece) -> Answering<'_, Result<(), MoveError>>;

    /// The move into this store is complete: whoever comes may work with it.
    fn moved_in(&self) -> Answering<'_, Result<(), StoreError>>;
}

/// A piece that is being filled.
#[derive(Default)]
pub(super) struct Filling {
    pub piece: Piece,
    bytes: usize,
    identities: HashSet<String>,
}

impl Filling {
    /// Counts what was put in, or will be.
    pub fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// A record must not stand twice in one piece.
    pub fn put_purchase(&mut self, record: PurchaseRecord) {
        if self.identities.insert(record.identity()) {
            self.piece.rows.purchases.push(record);
        }
    }

    /// Whether nothing more of that size belongs into it.
    pub fn is_full_for(&self, bytes: usize) -> bool {
        let rows = &self.piece.rows;
        let count = rows.claims.len() + rows.outcomes.len() + rows.documents.len() + rows.purchases.len();
        let count = count + rows.awaited.len() + rows.registry.len() + rows.dossiers.len();
        let count = count + self.piece.positions.len() + self.piece.tallies.len();
        count >= PIECE_ROWS || (self.bytes > 0 && self.bytes + bytes > PIECE_BYTES)
    }

    /// The piece so far; the next begins.
    pub fn take(&mut self, walked: Option<u64>) -> Piece {
        let piece = std::mem::take(self).piece;
        Piece { walked, ..piece }
    }
}

/// Whether a row is missing; it is an error where another one stands in its place.
pub(super) fn is_missing<T: PartialEq>(
    wanted: &T,
    stands: Option<&T>,
    what: impl FnOnce() -> String,
) -> Result<bool, MoveError> {
    match stands {
        None => Ok(true),
        Some(stands) if stands == wanted => Ok(false),
        Some(_) => Err(MoveError::Different(what())),
    }
}

/// What makes positions that stand those that are wanted.
pub(super) fn adds_for(
    wanted: Vec<(Pool, String, Position)>,
    stand: &[Position],
) -> Vec<(Pool, String, PositionDelta)> {
    let mut adds = Vec::new();
    for ((pool, code, wanted), stands) in wanted.into_iter().zip(stand) {
        let records = |place: usize| {
            let of =
                |position: &Position| i64::from(position.records.get(place).copied().unwrap_or_default());
            i32::try_from(of(&wanted) - of(stands)).unwrap_or(i32::MAX)
        };
        let sold = wanted.sold - stands.sold;
        if !sold.is_zero() {
            adds.push((pool.clone(), code.clone(), PositionDelta::Sold(sold)));
        }
        let bought = [
            (PurchaseSource::Platform, wanted.platform - stands.platform, records(0)),
            (PurchaseSource::Filed, wanted.filed - stands.filed, records(1)),
            (PurchaseSource::OpeningStock, wanted.opening - stands.opening, records(2)),
        ];
        for (source, units, records) in bought {
            if !units.is_zero() || records != 0 {
                adds.push((pool.clone(), code.clone(), PositionDelta::Bought(source, units, records)));
            }
        }
    }
    adds
}

/// What makes tallies that stand those that are wanted.
pub(super) fn missing_of_tallies(wanted: Vec<(TallyKey, Tally)>, stand: &[Tally]) -> Vec<(TallyKey, Tally)> {
    let missing = wanted.into_iter().zip(stand).map(|((key, tally), stands)| (key, tally.without(stands)));
    missing.filter(|(_, tally)| !tally.is_empty()).collect()
}

/// Pool and catalogue code out of the name under which every store keeps a position; `None` where it is none.
pub(super) fn read_position_name(name: &[u8]) -> Option<(Pool, String)> {
    let (pool, code) = std::str::from_utf8(name).ok()?.split_once(SEPARATOR)?;
    let pool = match pool.split_at_checked(1)? {
        ("i", institution) => Pool::Institution(InstitutionCode::parse(institution).ok()?),
        ("c", group) => Pool::Chain(group.to_owned()),
        _ => return None,
    };
    Some((pool, code.to_owned()))
}

/// Institution and what follows it, out of a key that begins with one.
pub(super) fn read_institution(key: &[u8]) -> Option<(InstitutionCode, &[u8])> {
    let (packed, rest) = key.split_first_chunk::<8>()?;
    Some((InstitutionCode::unpack(u64::from_be_bytes(*packed))?, rest))
}

#[cfg(test)]
mod tests;
