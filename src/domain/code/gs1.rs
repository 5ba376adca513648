//! The GS1 family: brackets, separators, or neither; any order of elements. One text has one reading where brackets
//! or FNC1 say where a value ends; where all were lost, every reading is looked at and only agreement counts.

use super::element::{self, Elements, Shape};
use super::noise::{self, FNC1};
use super::refusal::Refusal;
use super::split;

/// A GS1 code: its identity is GTIN and serial; lot and expiry are attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gs1Code {
    gtin: String,
    serial: String,
    lot: Option<String>,
    expires: Option<Gs1Date>,
}

impl Gs1Code {
    /// GTIN-14.
    pub fn gtin(&self) -> &str {
        &self.gtin
    }

    /// 1 to 20 characters; the case counts.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// 批号, 1 to 20 characters; `None` = not in the code, or not to be told from its neighbours.
    pub fn lot(&self) -> Option<&str> {
        self.lot.as_deref()
    }

    /// 有效期; `None` as for the lot.
    pub fn expires(&self) -> Option<Gs1Date> {
        self.expires
    }
}

/// A date of a GS1 code, which may name a month only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gs1Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Gs1Date {
    fn parse(text: &str) -> Option<Self> {
        element::date(text).map(|(year, month, day)| Self { year, month, day })
    }

    /// 1951 to 2050.
    pub fn year(self) -> u16 {
        self.year
    }

    /// 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// 1 to 31; `None` = the code names the month only (day 00).
    pub fn day(self) -> Option<u8> {
        (self.day > 0).then_some(self.day)
    }
}

/// `2027-11-30`, or `2027-11` without a day.
impl std::fmt::Display for Gs1Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        self.day().map_or(Ok(()), |day| write!(f, "-{day:02}"))
    }
}

/// What a lawful GS1 text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gs1Reading {
    Code(Gs1Code),
    NoSerial { gtin: Option<String>, ambiguous: bool },
}

/// Reads a text whose FNC1 all have one form. `None` = not meant as GS1.
pub(super) fn read(text: &str) -> Option<Result<Gs1Reading, Refusal>> {
    if element::is_gtin(text) {
        // The national drug code has 14 digits too, and one in ten passes the check digit by chance.
        return (!text.starts_with("86")).then(|| Ok(no_serial(text)));
    }
    if element::bracketed(text).is_some() {
        return Some(in_brackets(text).and_then(reading_of));
    }
    // A leading FNC1 was taken off as noise: only one behind a value shows that values are ended.
    if text.contains(FNC1) {
        return element::leading(text).map(|_| in_sequence(text).and_then(reading_of));
    }
    unseparated(text)
}

fn unseparated(text: &str) -> Option<Result<Gs1Reading, Refusal>> {
    if let Some(agreed) = split::agreed(text) {
        return Some(Ok(match agreed.elements {
            Some(elements) => reading_of(elements).unwrap_or_else(|_| no_serial_in_doubt(None)),
            None => no_serial_in_doubt(agreed.gtin),
        }));
    }
    let names_gtin = text.strip_prefix("01")?.get(..14).is_some_and(element::all_digits);
    // A text that can be read in sequence but was not agreed on repeats elements, or has too many readings.
    names_gtin.then(|| in_sequence(text).map(|elements| no_serial_in_doubt(elements.gtin)))
}

fn no_serial(gtin: &str) -> Gs1Reading {
    Gs1Reading::NoSerial { gtin: Some(gtin.to_owned()), ambiguous: false }
}

fn no_serial_in_doubt(gtin: Option<&str>) -> Gs1Reading {
    Gs1Reading::NoSerial { gtin: gtin.map(str::to_owned), ambiguous: true }
}

fn in_brackets(text: &str) -> Result<Elements<'_>, Refusal> {
    let mut elements = Elements::default();
    let mut rest = text;
    while let Some((ai, after)) = element::bracketed(rest) {
        let shape = element::shape(ai).ok_or_else(|| unknown(ai))?;
        let end = element::next_bracketed(after).unwrap_or(after.len());
        let (value, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        elements.put(ai, shape, value.trim_matches([' ', FNC1]))?;
        rest = tail;
    }
    Ok(elements)
}

fn in_sequence(text: &str) -> Result<Elements<'_>, Refusal> {
    let mut elements = Elements::default();
    let mut rest = text.trim_start_matches(FNC1);
    while !rest.is_empty() {
        let (ai, shape, after) = element::leading(rest).ok_or_else(|| unknown(rest))?;
        let (value, tail) = cut(shape, after);
        elements.put(ai, shape, value)?;
        rest = tail.trim_start_matches(FNC1);
    }
    Ok(elements)
}

/// The value at the start of a text: so many digits, or up to FNC1.
fn cut(shape: Shape, text: &str) -> (&str, &str) {
    let separated = text.find(FNC1).unwrap_or(text.len());
    let end = match shape {
        Shape::Digits(count) => count.min(separated),
        Shape::Count(_) | Shape::Text(_) => separated,
    };
    // A character of several bytes across the end is refused with the whole rest.
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn unknown(text: &str) -> Refusal {
    Refusal::ElementUnknown(noise::printable(&text.chars().take(4).collect::<String>()))
}

fn reading_of(elements: Elements<'_>) -> Result<Gs1Reading, Refusal> {
    let gtin = elements.gtin.ok_or(Refusal::GtinMissing)?;
    let Some(serial) = elements.serial else {
        return Ok(no_serial(gtin));
    };
    if !element::is_serial(serial) {
        // An AI in brackets inside a value: with and without brackets it reads differently.
        return Ok(no_serial_in_doubt(Some(gtin)));
    }
    Ok(Gs1Reading::Code(Gs1Code {
        gtin: gtin.to_owned(),
        serial: serial.to_owned(),
        lot: elements.lot.map(str::to_owned),
        expires: elements.expires.and_then(Gs1Date::parse),
    }))
}
