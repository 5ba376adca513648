//! Dossiers in an event: how they are written, and the rows that they are from then on.

use crate::domain::case::Dossier;
use crate::domain::code::CodeKey;
use crate::domain::stored::Appended;
use crate::store::DossierChange;
use bytes::Bytes;
use postcard::Serializer;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Bytes in which the length of most dossiers is written, and of any.
const USUAL_LENGTH_BYTES: usize = 2;
const LENGTH_BYTES_MAX: usize = 10;

/// A dossier as stores keep it: they compare versions and do not look inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DossierRow {
    /// The code.
    pub key: CodeKey,
    /// Its version.
    pub version: u32,
    /// The dossier in [stored form](crate::domain::case::Dossier::stored).
    #[serde(with = "in_one_piece")]
    pub bytes: Bytes,
    /// The version that must stand; `None` = nothing must. Not part of what is written.
    #[serde(skip)]
    pub expected: Option<u32>,
}

/// Bytes as serde's own list of them, which is the same in postcard, in one piece instead of one by one.
mod in_one_piece {
    use bytes::Bytes;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(Piece)
    }

    struct Piece;

    impl Visitor<'_> for Piece {
        type Value = Bytes;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the bytes of a dossier")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }
    }
}

/// A dossier that an event writes.
pub trait WrittenDossier {
    /// Bytes that it takes, about.
    fn room(&self) -> usize;

    /// Writes what a row says; gives where its bytes stand, which are the last of it.
    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error>;
}

impl WrittenDossier for DossierRow {
    fn room(&self) -> usize {
        self.bytes.len()
    }

    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error> {
        self.serialize(&mut *to)?;
        let end = to.output.0.len();
        Ok(end - self.bytes.len()..end)
    }
}

/// As a [`DossierRow`], straight from the dossier.
impl WrittenDossier for &DossierChange {
    fn room(&self) -> usize {
        Dossier::USUAL_BYTES
    }

    fn put(&self, to: &mut Serializer<Appended>) -> Result<Range<usize>, postcard::Error> {
        self.key.serialize(&mut *to)?;
        self.dossier.version.serialize(&mut *to)?;
        let to = &mut to.output.0;
        // How long it is stands before it, and is known behind it: nearly always in so many bytes.
        let length_at = to.len();
        let start = length_at + USUAL_LENGTH_BYTES;
        to.extend([0; USUAL_LENGTH_BYTES]);
        self.dossier.put_stored(to);
        let bytes = to.len() - start;
        let mut room = [0; LENGTH_BYTES_MAX];
        let length = &*postcard::to_slice(&bytes, &mut room)?;
        match to.get_mut(length_at..start) {
            Some(place) if place.len() == length.len() => place.copy_from_slice(length),
            _ => drop(to.splice(length_at..start, length.iter().copied())),
        }
        Ok(length_at + length.len()..to.len())
    }
}

/// Writes dossiers as their list is written; gives where the bytes of each stand.
pub(super) fn put_dossiers(
    to: &mut Serializer<Appended>,
    dossiers: &[impl WrittenDossier],
) -> Result<Vec<Range<usize>>, postcard::Error> {
    dossiers.len().serialize(&mut *to)?;
    let mut places = Vec::with_capacity(dossiers.len());
    for dossier in dossiers {
        places.push(dossier.put(to)?);
    }
    Ok(places)
}
