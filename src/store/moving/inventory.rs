//! What a store holds, told in a few lines: how many rows of each kind, and a hash of them that does not depend on
//! their order.

use super::Piece;
use crate::domain::purchase::Position;
use crate::store::StoreError;
use serde::Serialize;
use std::fmt;

/// Rows of one kind: how many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many.
    pub rows: u64,
    sum: [u64; 4],
}

impl Digest {
    fn add(&mut self, row: &impl Serialize) -> Result<(), StoreError> {
        let bytes = postcard::to_stdvec(row)
            .map_err(|e| StoreError::Unreadable(format!("a row cannot be hashed: {e}")))?;
        self.rows += 1;
        let hash = blake3::hash(&bytes);
        for (sum, part) in self.sum.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            *sum = sum.wrapping_add(part.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)));
        }
        Ok(())
    }
}

/// The hash, in hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.iter().try_for_each(|part| write!(f, "{part:016x}"))
    }
}

/// Everything that a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    claims: Digest,
    outcomes: Digest,
    documents: Digest,
    dossiers: Digest,
    purchases: Digest,
    positions: Digest,
    tallies: Digest,
    awaited: Digest,
    registry: Digest,
    version: Digest,
    secret: Digest,
}

impl Inventory {
    /// Of a store with that secret, before its rows. The secret counts: with another one no document is found again.
    pub fn begin(secret: [u8; 16]) -> Result<Self, StoreError> {
        let mut empty = Self::default();
        empty.secret.add(&secret)?;
        Ok(empty)
    }

    /// Takes in the rows of a piece.
    pub fn add(&mut self, piece: &Piece) -> Result<(), StoreError> {
        let rows = &piece.rows;
        rows.claims.iter().try_for_each(|row| self.claims.add(row))?;
        rows.outcomes.iter().try_for_each(|row| self.outcomes.add(row))?;
        rows.documents.iter().try_for_each(|row| self.documents.add(row))?;
        rows.dossiers.iter().try_for_each(|row| self.dossiers.add(row))?;
        rows.purchases.iter().try_for_each(|row| self.purchases.add(row))?;
        rows.awaited.iter().try_for_each(|row| self.awaited.add(row))?;
        rows.registry.iter().try_for_each(|row| self.registry.add(row))?;
        for (pool, code, position) in &piece.positions {
            // A position that adds up to nothing is as good as none.
            if *position != Position::default() {
                self.positions.add(&(pool, code, plain(position)))?;
            }
        }
        let mut counted = piece.tallies.iter().filter(|(_, tally)| !tally.is_empty());
        counted.try_for_each(|row| self.tallies.add(row))?;
        if let Some(version) = &rows.registry_version {
            self.version = Digest::default();
            self.version.add(version)?;
        }
        Ok(())
    }

    /// All rows so far.
    pub fn rows(&self) -> u64 {
        self.kinds().iter().map(|(_, digest)| digest.rows).sum()
    }

    /// Every kind by its name. Version and secret are one row each, where there is one.
    pub const fn kinds(&self) -> [(&'static str, Digest); 11] {
        [
            ("claims", self.claims),
            ("outcomes", self.outcomes),
            ("documents", self.documents),
            ("dossiers of cases", self.dossiers),
            ("purchases", self.purchases),
            ("positions", self.positions),
            ("tallies", self.tallies),
            ("awaited questions", self.awaited),
            ("registry rows", self.registry),
            ("registry version", self.version),
            ("secret", self.secret),
        ]
    }
}

/// The same amounts, however many zeros they were written with.
fn plain(position: &Position) -> Position {
    Position {
        platform: position.platform.normalize(),
        filed: position.filed.normalize(),
        opening: position.opening.normalize(),
        sold: position.sold.normalize(),
        ..position.clone()
    }
}
