//! The identity of a trace code in as few bytes as can be turned back into its text.
//!
//! A tag byte keeps the families apart, so that no two codes share a key: MSFX packs 20 digits into nine bytes
//! (10^20 < 2^72), GS1 a GTIN into six and adds the serial, an own scheme keeps its characters.
//! The form is stored for years: a tag, once given, never changes its meaning. Knows nothing of scanning noise.

use super::{element, own};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};

const MSFX: u8 = 1;
const GS1: u8 = 2;
const OWN: u8 = 3;
const MSFX_LEN: usize = 10;
const GTIN_LEN: usize = 6;
const GTIN_CHARS: usize = 14;
/// Digits of serial and check behind the seven of a prefix. They are cut off as 2^13 and 5^13: what the shift leaves fits
/// into 64 bits, which divide by a constant in a few instructions.
const MSFX_SERIAL_DIGITS: u32 = 13;
const MSFX_SERIALS_FIVES: u64 = 5_u64.pow(MSFX_SERIAL_DIGITS);
/// Longer than any key: a GTIN and 20 characters of serial, or 100 characters of an own scheme.
const KEY_BYTES_MAX: usize = 1 + own::TEXT_CHARS_MAX;
/// 8×10^19 to 9×10^19 - 1: twenty digits, the first an 8.
const MSFX_NUMBERS: std::ops::Range<u128> = 80_000_000_000_000_000_000..90_000_000_000_000_000_000;

/// The identity of a trace code: equal exactly where two scans name the same box.
/// Ordered by its bytes, so MSFX codes of one prefix lie together.
#[derive(Clone)]
pub struct CodeKey(Packed);

/// MSFX is nearly all traffic and never touches the heap. Each family has one representation only.
#[derive(Clone)]
enum Packed {
    Inline([u8; MSFX_LEN]),
    Heap(Box<[u8]>),
}

/// What the bytes of a key mean.
enum Meaning<'a> {
    Msfx(u128),
    Gs1 { gtin: u128, serial: &'a str },
    Own(&'a str),
}

impl CodeKey {
    /// `digits`: 20 digits, the first an 8.
    pub(super) fn msfx(digits: &str) -> Self {
        let tagged = number(digits.as_bytes(), 10, b'0') | (u128::from(MSFX) << (8 * (MSFX_LEN - 1)));
        let [_, _, _, _, _, _, packed @ ..] = tagged.to_be_bytes();
        Self(Packed::Inline(packed))
    }

    /// `gtin`: 14 digits.
    pub(super) fn gs1(gtin: &str, serial: &str) -> Self {
        let [_, _, _, _, _, _, _, _, _, _, gtin @ ..] = number(gtin.as_bytes(), 10, b'0').to_be_bytes();
        Self(Packed::Heap([&[GS1], gtin.as_slice(), serial.as_bytes()].concat().into()))
    }

    pub(super) fn own(text: &str) -> Self {
        Self(Packed::Heap([&[OWN], text.as_bytes()].concat().into()))
    }

    /// Reads the canonical text, which [`Display`](fmt::Display) writes; nothing else is understood.
    pub fn parse(text: &str) -> Option<Self> {
        let is_msfx = text.len() == 20 && text.starts_with('8') && text.bytes().all(|b| b.is_ascii_digit());
        if is_msfx {
            return Some(Self::msfx(text));
        }
        let gs1 = text.strip_prefix("(01)").and_then(|rest| rest.split_at_checked(GTIN_CHARS));
        if let Some((gtin, rest)) = gs1
            && let Some(serial) = rest.strip_prefix("(21)")
            && element::is_gtin(gtin)
            && element::is_serial(serial)
        {
            return Some(Self::gs1(gtin, serial));
        }
        own::is_printable(text).then(|| Self::own(text))
    }

    /// What the registry knows a product by: seven digits of an MSFX code, or a GTIN; `None` for an own scheme.
    pub fn prefix(&self) -> Option<String> {
        match meaning(self.as_bytes())? {
            Meaning::Msfx(number) => {
                let shifted = u64::try_from(number >> MSFX_SERIAL_DIGITS).ok()?;
                Some((shifted / MSFX_SERIALS_FIVES).to_string())
            }
            Meaning::Gs1 { gtin, .. } => Some(format!("{gtin:014}")),
            Meaning::Own(_) => None,
        }
    }

    /// Whether it is a number of twenty digits; such keys are in the order of their numbers.
    pub const fn is_msfx(&self) -> bool {
        matches!(self.0, Packed::Inline(_))
    }

    /// The stored form: ten bytes for MSFX, at most 27 for GS1 and 101 for an own scheme.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Packed::Inline(bytes) => bytes,
            Packed::Heap(bytes) => bytes,
        }
    }

    /// The key with that stored form; `None` where no code of any family has it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        meaning(bytes).map(|family| match (family, bytes.try_into()) {
            (Meaning::Msfx(_), Ok(packed)) => Self(Packed::Inline(packed)),
            (Meaning::Msfx(_) | Meaning::Gs1 { .. } | Meaning::Own(_), _) => Self(Packed::Heap(bytes.into())),
        })
    }
}

impl AsRef<[u8]> for CodeKey {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Reads bytes as a number, each a digit of `base` above `zero`. The callers' lengths keep it below 2^128.
fn number(bytes: &[u8], base: u128, zero: u8) -> u128 {
    bytes
        .iter()
        .fold(0, |sum: u128, byte| sum.wrapping_mul(base).wrapping_add(u128::from(byte.wrapping_sub(zero))))
}

fn meaning(bytes: &[u8]) -> Option<Meaning<'_>> {
    let (tag, rest) = bytes.split_first()?;
    match *tag {
        MSFX if bytes.len() == MSFX_LEN => {
            Some(number(rest, 256, 0)).filter(|n| MSFX_NUMBERS.contains(n)).map(Meaning::Msfx)
        }
        GS1 => {
            let (gtin, serial) = rest.split_at_checked(GTIN_LEN)?;
            let (gtin, serial) = (number(gtin, 256, 0), std::str::from_utf8(serial).ok()?);
            let lawful = element::is_gtin(&format!("{gtin:014}")) && element::is_serial(serial);
            lawful.then_some(Meaning::Gs1 { gtin, serial })
        }
        OWN => std::str::from_utf8(rest).ok().filter(|text| own::is_printable(text)).map(Meaning::Own),
        _ => None,
    }
}

/// The canonical text of the code.
impl fmt::Display for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match meaning(self.as_bytes()) {
            Some(Meaning::Msfx(number)) => write!(f, "{number}"),
            Some(Meaning::Gs1 { gtin, serial }) => write!(f, "(01){gtin:014}(21){serial}"),
            Some(Meaning::Own(text)) => f.write_str(text),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeKey({self})")
    }
}

/// The numbers of an MSFX key, in the order of its bytes: compared and hashed in registers, as maps do all the time.
const fn ranked(bytes: [u8; MSFX_LEN]) -> (u64, u16) {
    let [a, b, c, d, e, f, g, h, i, j] = bytes;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u16::from_be_bytes([i, j]))
}

impl PartialEq for CodeKey {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Packed::Inline(one), Packed::Inline(other)) => one == other,
            (Packed::Heap(one), Packed::Heap(other)) => one == other,
            (Packed::Inline(_), Packed::Heap(_)) | (Packed::Heap(_), Packed::Inline(_)) => false,
        }
    }
}

impl Eq for CodeKey {}

impl PartialOrd for CodeKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CodeKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Packed::Inline(one), Packed::Inline(other)) => ranked(*one).cmp(&ranked(*other)),
            (Packed::Inline(_) | Packed::Heap(_), _) => self.as_bytes().cmp(other.as_bytes()),
        }
    }
}

impl Hash for CodeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Packed::Inline(bytes) => ranked(*bytes).hash(state),
            Packed::Heap(bytes) => bytes.hash(state),
        }
    }
}

impl Serialize for CodeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl<'de> Deserialize<'de> for CodeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = CodeKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a trace code's key")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<CodeKey, E> {
        CodeKey::from_bytes(bytes).ok_or_else(|| E::custom("these bytes are no trace code's key"))
    }

    /// Formats without a byte string, such as JSON, write a list of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<CodeKey, A::Error> {
        let mut bytes = Vec::with_capacity(MSFX_LEN);
        while let Some(byte) = numbers.next_element()? {
            if bytes.len() == KEY_BYTES_MAX {
                return Err(A::Error::custom("too many bytes for a trace code's key"));
            }
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
