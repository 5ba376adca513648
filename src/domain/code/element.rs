//! The elements of a GS1 text: which application identifiers (AI) are known, how long their values are, and what
//! a value may hold. Source: GS1 General Specifications, section 3. Knows nothing of how elements are separated.

use super::refusal::{ElementFault, Refusal};

/// Longest lot and longest serial, in characters.
const SERIAL_CHARS_MAX: usize = 20;
const GTIN_DIGITS: usize = 14;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Exactly so many digits: needs no separator behind it.
    Digits(usize),
    /// Up to so many digits.
    Count(usize),
    /// Up to so many characters of set 82.
    Text(usize),
}

/// The form of an element's value; `None` for an AI that no drug or consumable is known to carry.
pub(super) fn shape(ai: &str) -> Option<Shape> {
    Some(match ai {
        "01" => Shape::Digits(GTIN_DIGITS),
        "11" | "12" | "13" | "15" | "16" | "17" => Shape::Digits(6),
        "20" => Shape::Digits(2),
        "7003" => Shape::Digits(10),
        "10" | "21" | "22" => Shape::Text(SERIAL_CHARS_MAX),
        "30" | "37" => Shape::Count(8),
        "90" | "240" | "241" | "250" | "251" | "400" => Shape::Text(30),
        "91" | "92" | "93" | "94" | "95" | "96" | "97" | "98" | "99" => Shape::Text(90),
        "710" | "711" | "712" | "713" | "714" | "715" | "716" | "717" | "718" | "719" => Shape::Text(20),
        _ => return None,
    })
}

/// The AI at the start of a text, its shape, and what follows. No known AI is the beginning of another.
pub(super) fn leading(text: &str) -> Option<(&str, Shape, &str)> {
    (2..=4).find_map(|length| {
        let (ai, after) = text.split_at_checked(length)?;
        Some((ai, shape(ai)?, after))
    })
}

/// An AI in brackets at the start of a text, known or not, and what follows.
pub(super) fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (ai, after) = text.strip_prefix('(')?.split_once(')')?;
    ((2..=4).contains(&ai.len()) && all_digits(ai)).then_some((ai, after))
}

/// Where the next AI in brackets begins.
pub(super) fn next_bracketed(text: &str) -> Option<usize> {
    text.match_indices('(')
        .map(|(at, _)| at)
        .find(|at| text.get(*at..).is_some_and(|t| bracketed(t).is_some()))
}

/// The elements that make an identity and its attributes; all others are checked and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Elements<'a> {
    pub gtin: Option<&'a str>,
    pub serial: Option<&'a str>,
    pub lot: Option<&'a str>,
    /// YYMMDD, DD may be 00.
    pub expires: Option<&'a str>,
}

impl<'a> Elements<'a> {
    /// Checks a value and keeps it. The same element twice must have the same value.
    pub fn put(&mut self, ai: &'a str, shape: Shape, value: &'a str) -> Result<(), Refusal> {
        check(ai, shape, value)?;
        let place = match ai {
            "01" => &mut self.gtin,
            "21" => &mut self.serial,
            "10" => &mut self.lot,
            "17" => &mut self.expires,
            _ => return Ok(()),
        };
        if place.is_some_and(|known| known != value) {
            return Err(Refusal::Element { element: ai.to_owned(), fault: ElementFault::Repeated });
        }
        *place = Some(value);
        Ok(())
    }
}

fn check(ai: &str, shape: Shape, value: &str) -> Result<(), Refusal> {
    if let Some(fault) = fault(ai, shape, value) {
        return Err(Refusal::Element { element: ai.to_owned(), fault });
    }
    if ai == "01" && !has_check_digit(value) {
        return Err(Refusal::GtinCheckDigit(value.to_owned()));
    }
    Ok(())
}

fn fault(ai: &str, shape: Shape, value: &str) -> Option<ElementFault> {
    let found = value.chars().count();
    let (digits_only, limit) = match shape {
        Shape::Digits(limit) | Shape::Count(limit) => (true, limit),
        Shape::Text(limit) => (false, limit),
    };
    let is_foreign = |c: &char| {
        if digits_only { !c.is_ascii_digit() } else { !is_set_82(*c) }
    };
    if let Some(character) = value.chars().find(is_foreign) {
        return Some(ElementFault::Character(character));
    }
    if found > limit {
        return Some(ElementFault::TooLong { limit, found });
    }
    if found == 0 || (found < limit && matches!(shape, Shape::Digits(_))) {
        return Some(ElementFault::TooShort(found));
    }
    let is_date = matches!(ai, "11" | "12" | "13" | "15" | "16" | "17");
    (is_date && date(value).is_none()).then(|| ElementFault::ImpossibleDate(value.to_owned()))
}

/// The 82 characters that lots and serials may hold.
fn is_set_82(c: char) -> bool {
    matches!(c, '!' | '"' | '%'..='?' | 'A'..='Z' | '_' | 'a'..='z')
}

pub(super) fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is a GTIN-14 with a right check digit.
pub(super) fn is_gtin(text: &str) -> bool {
    check("01", Shape::Digits(GTIN_DIGITS), text).is_ok()
}

/// Whether a text is a serial that can be shown in brackets and read back.
pub(super) fn is_serial(text: &str) -> bool {
    check("21", Shape::Text(SERIAL_CHARS_MAX), text).is_ok() && next_bracketed(text).is_none()
}

/// The check digit of every GS1 number (EAN-8, UPC-12, EAN-13, GTIN-14): weights 3 and 1 from the right.
pub(super) fn has_check_digit(digits: &str) -> bool {
    let weighted = digits.bytes().rev().zip([1, 3].into_iter().cycle());
    let sum: u32 = weighted.map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    all_digits(digits) && sum.is_multiple_of(10)
}

/// Year, month and day of a YYMMDD; day 0 stands for the end of the month and is lawful.
/// The century is fixed (1951-2050) because the room has no clock.
pub(super) fn date(text: &str) -> Option<(u16, u8, u8)> {
    let part = |range| text.get(range).filter(|t| all_digits(t))?.parse::<u8>().ok();
    let (year, month, day) = (part(0..2)?, part(2..4)?, part(4..6)?);
    let century = if year > 50 { 1900 } else { 2000 };
    let days = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (day <= days).then_some((century + u16::from(year), month, day))
}
