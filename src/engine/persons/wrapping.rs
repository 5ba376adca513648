//! Wrapping keys: they seal join keys, and stand in files beside the gateway, never in a store.

use crate::domain::person::Sealed;
use crate::engine::EngineError;
use crate::engine::access::random_bytes;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

/// Bytes of a wrapping key and of a join key.
pub const SECRET_BYTES: usize = 32;
/// Characters of a wrapping key's id.
const ID_CHARS: usize = 12;

/// A key that marks are made with. Never shown.
pub(super) type JoinSecret = [u8; SECRET_BYTES];

/// Why a sealed key cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Sealed by a wrapping key that is not here.
    #[error("it is sealed by wrapping key {0}, which is none of privacy.wrapping_key_files; add its file")]
    Foreign(String),
    /// It does not fit its proof.
    #[error("what is stored of it does not fit wrapping key {0}: it was changed")]
    Changed(String),
}

/// A key that seals join keys.
pub struct WrappingKey {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappingKey({})", self.id)
    }
}

impl WrappingKey {
    /// A key from its bytes; its id follows from them and does not tell them.
    pub fn new(bytes: &[u8; SECRET_BYTES]) -> Result<Self, EngineError> {
        let hash = blake3::Hash::from(blake3::derive_key("tracegate 2026 id of a wrapping key", bytes));
        let id = hash.to_hex().chars().take(ID_CHARS).collect();
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes);
        let key = key.map_err(|_| EngineError::invalid("wrapping key", "is no key of 32 bytes"))?;
        Ok(Self { id, key: LessSafeKey::new(key) })
    }

    /// Names it; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a join key. Its version is part of the proof: no two can be put in each other's place.
    pub(super) fn seal(&self, version: u32, secret: &JoinSecret) -> Result<Sealed, EngineError> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut bytes = secret.to_vec();
        let proof = Aad::from(purpose(version));
        let sealed =
            self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), proof, &mut bytes);
        sealed.map_err(|_| EngineError::Precondition("a join key cannot be sealed".to_owned()))?;
        Ok(Sealed { by: self.id.clone(), nonce, bytes })
    }

    fn open(&self, version: u32, sealed: &Sealed) -> Option<JoinSecret> {
        let (nonce, proof) = (Nonce::assume_unique_for_key(sealed.nonce), Aad::from(purpose(version)));
        let mut bytes = sealed.bytes.clone();
        let opened = self.key.open_in_place(nonce, proof, &mut bytes).ok()?;
        JoinSecret::try_from(&*opened).ok()
    }
}

/// The wrapping keys of a gateway; the first one seals, all of them open. None = marks of persons are not made.
#[derive(Debug, Default)]
pub struct WrappingKeys(pub Vec<WrappingKey>);

impl WrappingKeys {
    /// The one that seals.
    pub(super) fn first(&self) -> Option<&WrappingKey> {
        self.0.first()
    }

    /// Opens a join key.
    pub(super) fn open(&self, version: u32, sealed: &Sealed) -> Result<JoinSecret, NotOpened> {
        let mut keys = self.0.iter();
        let key =
            keys.find(|key| key.id == sealed.by).ok_or_else(|| NotOpened::Foreign(sealed.by.clone()))?;
        key.open(version, sealed).ok_or_else(|| NotOpened::Changed(sealed.by.clone()))
    }
}

fn purpose(version: u32) -> String {
    format!("tracegate 2026 join key {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> WrappingKey {
        WrappingKey::new(&[byte; SECRET_BYTES]).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_with_its_own_wrapping_key_alone() {
        let secret = random_bytes().unwrap();
        let sealed = key(1).seal(3, &secret).unwrap();
        let all = WrappingKeys(vec![key(2), key(1)]);
        assert_eq!(all.open(3, &sealed), Ok(secret));
        assert!(!sealed.bytes.windows(8).any(|part| secret.starts_with(part)), "nothing of it is to be seen");
        let id = key(1).id().to_owned();
        assert_eq!(WrappingKeys(vec![key(2)]).open(3, &sealed), Err(NotOpened::Foreign(id.clone())));
        // Under another version, with another byte, or with another key that says it is this one.
        assert_eq!(all.open(4, &sealed), Err(NotOpened::Changed(id.clone())));
        let mut touched = sealed.clone();
        touched.bytes[0] ^= 1;
        assert_eq!(all.open(3, &touched), Err(NotOpened::Changed(id)));
        let other = key(2).id().to_owned();
        let lying = Sealed { by: other.clone(), ..sealed.clone() };
        assert_eq!(all.open(3, &lying), Err(NotOpened::Changed(other)));
        // Never the same twice.
        assert_ne!(key(1).seal(3, &secret).unwrap(), sealed);
    }
}
