//! The move: pieces of the source are put into the target, one after the other, and how far it is is kept.

use super::inventory::Inventory;
use super::note::{Note, Stage};
use super::{Movable, MoveError, Pieces};
use crate::clock::Stopwatch;
use crate::store::StoreError;
use std::time::Duration;

/// How often is kept how far the walk is; what was put since is looked at again after a kill.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// What is told of a move while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So far on the walk, of so much.
    Walked(u64, u64),
    /// Rows that were read back of the source.
    SourceRead(u64),
    /// Rows that were read back of the target.
    TargetRead(u64),
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Everything stands in the target.
    Whole,
    /// It was told to stop; the same move goes on there.
    Stopped,
}

/// Puts everything of one store into another, from where `note` stands on. `pieces_max` = stop after so many pieces.
pub async fn carry(
    source: &dyn Movable,
    target: &dyn Movable,
    note: &mut Note,
    pieces_max: Option<u64>,
    told: &mut (dyn FnMut(Step) + Send),
) -> Result<Carried, MoveError> {
    let from = match note.stage() {
        Stage::Walk { at } => Some(at),
        Stage::Rest | Stage::Verified => None,
    };
    let mut pieces = source.pieces(from);
    let puts = Puts { target, note, end: source.walk_end(), pieces_max, told };
    let carried = puts.all(&mut pieces).await;
    let_go(&mut pieces).await;
    carried
}

/// Waits until nobody reads a store for these pieces any more: its directory may be opened again.
async fn let_go(pieces: &mut Pieces) {
    pieces.close();
    while pieces.recv().await.is_some() {}
}

/// The writing side of a move.
struct Puts<'a> {
    target: &'a dyn Movable,
    note: &'a mut Note,
    end: u64,
    pieces_max: Option<u64>,
    told: &'a mut (dyn FnMut(Step) + Send),
}

impl Puts<'_> {
    async fn all(self, pieces: &mut Pieces) -> Result<Carried, MoveError> {
        let Self { target, note, end, pieces_max, told } = self;
        let (mut saved, mut count) = (Stopwatch::start(), 0);
        while let Some(piece) = pieces.recv().await {
            let piece = piece.map_err(MoveError::of_source)?;
            let walked = piece.walked;
            if walked.is_none() && note.stage() != Stage::Rest {
                // Before the first of it: nothing of the walk is left.
                note.save(Stage::Rest)?;
            }
            target.put_piece(piece).await?;
            count += 1;
            let stops = pieces_max.is_some_and(|most| count >= most);
            if let Some(at) = walked {
                told(Step::Walked(at, end));
                if stops || saved.elapsed() >= SAVE_EVERY {
                    note.save(Stage::Walk { at })?;
                    saved = Stopwatch::start();
                }
            }
            if stops {
                return Ok(Carried::Stopped);
            }
        }
        note.save(Stage::Rest)?;
        Ok(Carried::Whole)
    }
}

/// What two stores hold, read back from both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Of the one that was moved.
    pub source: Inventory,
    /// Of the one into which it was moved.
    pub target: Inventory,
}

impl Compared {
    /// Whether they hold the same.
    pub fn is_same(&self) -> bool {
        self.source == self.target
    }
}

/// Reads both stores and compares. Both must have been opened and not changed since.
pub async fn compare(
    source: &dyn Movable,
    target: &dyn Movable,
    told: &mut (dyn FnMut(Step) + Send),
) -> Result<Compared, MoveError> {
    let of_source = take_stock(source, |rows| told(Step::SourceRead(rows))).await;
    let of_source = of_source.map_err(MoveError::of_source)?;
    let of_target = take_stock(target, |rows| told(Step::TargetRead(rows))).await?;
    Ok(Compared { source: of_source, target: of_target })
}

async fn take_stock(store: &dyn Movable, mut told: impl FnMut(u64) + Send) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::begin(store.secret())?;
    let mut pieces = store.rows();
    let mut taken = Ok(());
    while let Some(piece) = pieces.recv().await {
        taken = piece.and_then(|piece| inventory.add(&piece));
        if taken.is_err() {
            break;
        }
        told(inventory.rows());
    }
    let_go(&mut pieces).await;
    taken.map(|()| inventory)
}
