//! The form in which rows are kept: postcard, and for dossiers a packed one.

pub(in crate::domain) mod packed;

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Takes encoded bytes in piece by piece; postcard's own takes them byte by byte.
#[derive(Debug)]
pub struct Appended(pub Vec<u8>);

impl Flavor for Appended {
    type Output = Vec<u8>;

    // Called for each field: a call would cost more than what it does.
    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Writes a value behind some bytes.
pub fn appended<T: Serialize + ?Sized>(value: &T, to: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
    postcard::serialize_with_flavor(value, Appended(to))
}
