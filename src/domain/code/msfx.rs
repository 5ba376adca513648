//! The MSFX family (码上放心): 20 digits, the first an 8. Knows nothing of products: the prefix is only cut out.

/// How many digits an MSFX code has.
pub(super) const DIGITS: usize = 20;
const PREFIX_DIGITS: usize = 7;

/// An MSFX code. Its last four digits are a check of unpublished rule and are never verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsfxCode([u8; DIGITS]);

impl MsfxCode {
    /// Takes exactly 20 ASCII digits that begin with 8.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let bytes: [u8; DIGITS] = digits.as_bytes().try_into().ok()?;
        (digits.starts_with('8') && bytes.iter().all(u8::is_ascii_digit)).then_some(Self(bytes))
    }

    /// The 20 digits.
    pub fn as_str(&self) -> &str {
        // Always ASCII by construction; the default is never seen.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The drug identification prefix: seven digits that stand for product and pack level.
    pub fn prefix(&self) -> &str {
        self.as_str().get(..PREFIX_DIGITS).unwrap_or_default()
    }
}
