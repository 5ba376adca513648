//! What is often scanned by mistake, and the most helpful word on a text that is no code at all.
//! Knows the look of other codes, not their meaning.

use super::element::{self, has_check_digit};
use super::msfx::{self, MsfxCode};
use super::noise::{self, Layout};
use super::own;
use super::refusal::{Refusal, UrlFault};
use crate::domain::verdict::Reason;

/// Why a scan is no trace code.
#[derive(Debug)]
pub(super) struct Wrong {
    pub reason: Reason,
    pub detail: Refusal,
}

impl Wrong {
    pub fn malformed(detail: Refusal) -> Self {
        Self { reason: Reason::CodeMalformed, detail }
    }

    pub fn foreign_url(fault: UrlFault) -> Self {
        Self { reason: Reason::ForeignUrl, detail: Refusal::Url(fault) }
    }
}

/// A number as a spreadsheet rewrites it: `8.3E+19`, `8,3e+19`, `8E+19`, `83003850000000100000.0`.
/// Digits are lost, so nothing can be repaired. A lawful GS1 text may look much like it, with a serial such as `1E+5` or `,0`
/// behind its digits: those are more than a number has before its mark, or begin with a zero.
pub(super) fn refuse_spreadsheet_damage(text: &str) -> Result<(), Wrong> {
    // Every damage has a mark; nearly all scans are bare digits.
    let damaged = !element::all_digits(text) && (is_scientific(text) || is_decimal(text));
    if damaged {
        return Err(Wrong { reason: Reason::CodeCorrupted, detail: Refusal::SpreadsheetDamage });
    }
    Ok(())
}

fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let (whole, fraction) = mantissa.split_once(['.', ',']).map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let power = exponent.trim_start_matches(['+', '-']);
    // One digit stands before the mark, or up to three where powers go by thousands.
    let is_short = (1..=3).contains(&whole.len());
    // Without a decimal mark or a sign, `12E5` may as well be a lawful own scheme.
    let marked = fraction.is_some() || power.len() < exponent.len();
    marked
        && is_short
        && element::all_digits(whole)
        && fraction.is_none_or(element::all_digits)
        && element::all_digits(power)
}

fn is_decimal(text: &str) -> bool {
    // Fifteen digits are what a spreadsheet keeps; shorter numbers are prices, not codes. Longer ones than a code has are
    // none, and no number begins with a zero.
    let is_zeros = |fraction: &str| !fraction.is_empty() && fraction.bytes().all(|b| b == b'0');
    text.split_once(['.', ',']).is_some_and(|(whole, fraction)| {
        (16..=20).contains(&whole.len())
            && !whole.starts_with('0')
            && element::all_digits(whole)
            && is_zeros(fraction)
    })
}

/// Names what was scanned instead of a code, or says what is wrong with it.
pub(super) fn explain(layout: &Layout<'_>) -> Wrong {
    match &layout.digits {
        Some(digits) => of_digits(digits),
        None => of_text(layout.core.trim_matches(noise::is_quote)),
    }
}

fn of_digits(digits: &str) -> Wrong {
    let length = digits.len();
    match length {
        8 | 12 | 13 if has_check_digit(digits) => {
            Wrong { reason: Reason::ProductBarcode, detail: Refusal::ProductBarcode(length) }
        }
        13 => Wrong::malformed(Refusal::BarcodeCheckDigit),
        14 if digits.starts_with("86") => {
            Wrong { reason: Reason::NationalDrugCode, detail: Refusal::NationalDrugCode }
        }
        14 => Wrong::malformed(Refusal::GtinCheckDigit(digits.to_owned())),
        msfx::DIGITS => Wrong::malformed(Refusal::FirstDigit),
        _ if is_several(digits) => Wrong::malformed(Refusal::SeveralCodes(length / msfx::DIGITS)),
        _ => Wrong::malformed(Refusal::WrongLength(length)),
    }
}

/// Two or more boxes scanned into one field.
fn is_several(digits: &str) -> bool {
    let mut parts = digits.as_bytes().chunks(msfx::DIGITS);
    digits.len() > msfx::DIGITS
        && parts.all(|part| std::str::from_utf8(part).is_ok_and(|text| MsfxCode::parse(text).is_some()))
}

fn of_text(text: &str) -> Wrong {
    let squeezed = noise::squeezed(text);
    let alphanumeric = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.len() == 23 && alphanumeric(text) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Wrong { reason: Reason::CatalogCode, detail: Refusal::CatalogCode };
    }
    if text.len() == 20 && alphanumeric(text) && text.starts_with(['C', 'c']) {
        return Wrong { reason: Reason::ConsumableCode, detail: Refusal::ConsumableCode };
    }
    if squeezed.len() == msfx::DIGITS
        && alphanumeric(&squeezed)
        && squeezed.starts_with(|c: char| c.is_ascii_digit())
    {
        return Wrong::malformed(letter_among_digits(&squeezed));
    }
    if let Some(character) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        return Wrong::malformed(Refusal::Character(character));
    }
    if text.len() > own::TEXT_CHARS_MAX {
        return Wrong::malformed(Refusal::TextTooLong(text.len()));
    }
    Wrong::malformed(Refusal::NoFamily)
}

/// Says which character of a 20-character text is no digit, where nearly all are.
fn letter_among_digits(text: &str) -> Refusal {
    let letters = || text.char_indices().filter(|(_, c)| !c.is_ascii_digit());
    match letters().next() {
        Some((at, letter)) if letters().count() <= text.len() / 4 => {
            Refusal::LetterAmongDigits { letter, position: at + 1 }
        }
        _ => Refusal::NoFamily,
    }
}
