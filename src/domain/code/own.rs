//! Own schemes of manufacturers: accepted only where a registered issuer's pattern matches the whole text.
//! Knows nothing of products beyond what the scheme's row says.

use super::rules::{BadPattern, whole_text};
use crate::domain::drug::PackLevel;
use serde::{Deserialize, Serialize};

/// The longest text of an own scheme, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 100;

/// A code of a manufacturer's own scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCode {
    /// Who registered the scheme.
    pub issuer: String,
    /// 1 to 100 printable ISO-646 characters; case, inner blanks and hyphens count.
    pub text: String,
    /// NHSA catalogue code; `None` = the scheme spans several drugs.
    pub catalog_code: Option<String>,
    /// Which pack the code stands for.
    pub pack_level: PackLevel,
    /// Smallest priced units in the pack; `None` = not known.
    pub units_per_pack: Option<u32>,
}

/// A registered scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnScheme {
    /// The manufacturer.
    pub issuer: String,
    /// Regular expression of the whole text; ASCII, anchored at both ends whether it says so or not.
    pub pattern: String,
    /// NHSA catalogue code; `None` = several drugs.
    pub catalog_code: Option<String>,
    /// Which pack its codes stand for.
    pub pack_level: PackLevel,
    /// Smallest priced units in the pack; `None` = not known.
    pub units_per_pack: Option<u32>,
}

impl OwnScheme {
    /// Whether the pattern can be used.
    ///
    /// # Errors
    /// [`BadPattern`] says what is wrong with it.
    pub fn check(&self) -> Result<(), BadPattern> {
        whole_text(&self.pattern).map(drop)
    }

    pub(super) fn code(&self, text: &str) -> OwnCode {
        OwnCode {
            issuer: self.issuer.clone(),
            text: text.to_owned(),
            catalog_code: self.catalog_code.clone(),
            pack_level: self.pack_level,
            units_per_pack: self.units_per_pack,
        }
    }
}

/// Whether a text is short enough and holds nothing but printable ISO-646 characters.
pub(super) fn is_printable(text: &str) -> bool {
    (1..=TEXT_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}
