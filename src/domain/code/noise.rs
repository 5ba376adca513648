//! What scanners and people add around a code, and how it is taken off. Layout only: full width becomes half
//! width, outer noise goes, separators get one form. It never changes case, letters or digits, and knows no family.

use std::borrow::Cow;

/// The separator of GS1 elements as scanners send it.
pub(super) const FNC1: char = '\u{1d}';
/// How much of a scan is kept to be shown, in characters.
const SHOWN_CHARS_MAX: usize = 100;
/// What scanners, drivers and people write where FNC1 stood. ASCII letters in any case.
const FNC1_SUBSTITUTES: [&str; 11] =
    ["<GS>", "{GS}", "[GS]", "<FNC1>", "{FNC1}", "[FNC1]", r"\x1d", r"\u001d", r"\F", "^]", "\u{241d}"];
/// Single characters that drivers put in the place of FNC1. None of them may stand in a GS1 value, so they are
/// believed in a text that begins as a GS1 symbol does.
const FNC1_MARKS: [char; 4] = ['|', '~', '^', '#'];
const QUOTE_PAIRS: [(char, char); 5] =
    [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}'), ('`', '`')];

/// One scan in the forms the families are read from.
pub(super) struct Layout<'a> {
    /// Outer noise removed; inner blanks and hyphens kept.
    pub core: Cow<'a, str>,
    /// As `core`, every FNC1 in one form and a trailing one kept: it shows that the scanner sends them.
    pub elements: Cow<'a, str>,
    /// The digits alone, where there is nothing but digits, blanks, hyphens and quotes.
    pub digits: Option<Cow<'a, str>>,
}

impl<'a> Layout<'a> {
    pub fn of(scanned: &'a str) -> Self {
        // Nearly all traffic: bare digits are in every form already.
        if !scanned.is_empty() && scanned.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = Cow::Borrowed(scanned);
            return Self { core: digits.clone(), elements: digits.clone(), digits: Some(digits) };
        }
        let half_width: String = scanned.chars().map(half_width).collect();
        let core = bare(&half_width, is_outer_noise).to_owned();
        let separated = marks_as_fnc1(one_fnc1(bare(&half_width, is_blank)));
        let elements = bare(&separated, is_blank).trim_start_matches(is_quote).to_owned();
        let digits = digits_of(bare(&separated, is_outer_noise));
        Self { core: core.into(), elements: elements.into(), digits: digits.map(Cow::Owned) }
    }
}

/// U+FF01-FF5E are the printable ASCII characters at a fixed distance; U+3000 is the full-width blank.
fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Blanks, line ends, byte order marks, zero-width marks, and the control characters that frame a scan (STX, ETX).
fn is_blank(c: char) -> bool {
    c.is_whitespace() || (c.is_control() && c != FNC1) || is_invisible(c)
}

/// Format characters that show nothing, among them those that would turn the direction of a shown text.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_outer_noise(c: char) -> bool {
    is_blank(c) || is_fnc1(c)
}

fn is_fnc1(c: char) -> bool {
    matches!(c, FNC1 | '\u{241d}')
}

/// Hyphens of every kind; the full-width one is half width by now.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

pub(super) fn is_quote(c: char) -> bool {
    QUOTE_PAIRS.iter().any(|(open, close)| c == *open || c == *close)
}

/// Takes off outer noise until there is none, so that the result, scanned again, stays as it is.
fn bare(text: &str, is_trailing_noise: fn(char) -> bool) -> &str {
    let mut inner = text;
    loop {
        let trimmed = inner.trim_start_matches(is_outer_noise).trim_end_matches(is_trailing_noise);
        let next = unquoted(after_symbology(trimmed));
        if next.len() == inner.len() {
            return next;
        }
        inner = next;
    }
}

/// The symbology prefix that some scanners send: `]`, a letter, a digit.
fn after_symbology(text: &str) -> &str {
    let mut chars = text.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(']'), Some(letter), Some(digit)) if letter.is_ascii_alphabetic() && digit.is_ascii_digit() => {
            chars.as_str()
        }
        _ => text,
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |(open, close): &(char, char)| text.strip_prefix(*open)?.strip_suffix(*close);
    QUOTE_PAIRS.iter().find_map(inside).unwrap_or(text)
}

/// Every form of FNC1 as 0x1D.
fn one_fnc1(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = FNC1_SUBSTITUTES.iter().find_map(|substitute| after_substitute(rest, substitute))
        {
            folded.push(FNC1);
            rest = after;
        } else {
            folded.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    folded
}

/// Single marks as 0x1D, in a text that begins with a GTIN, a date, a lot or a serial of fixed form.
fn marks_as_fnc1(text: String) -> String {
    let begins_as_gs1 =
        text.get(..16).is_some_and(|head| head.bytes().all(|b| b.is_ascii_digit()) && head.starts_with("01"))
            || text.contains(|c| FNC1_MARKS.contains(&c)) && text.split(FNC1_MARKS).any(is_gtin_element);
    if begins_as_gs1 { text.replace(FNC1_MARKS, "\u{1d}") } else { text }
}

fn is_gtin_element(part: &str) -> bool {
    part.len() >= 16 && part.starts_with("01") && part.bytes().take(16).all(|b| b.is_ascii_digit())
}

fn after_substitute<'a>(text: &'a str, substitute: &str) -> Option<&'a str> {
    let (head, after) = text.split_at_checked(substitute.len())?;
    head.eq_ignore_ascii_case(substitute).then_some(after)
}

/// The text without blanks and hyphens.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !is_blank(*c) && !is_hyphen(*c)).collect()
}

fn digits_of(text: &str) -> Option<String> {
    let digits = squeezed(text.trim_matches(is_quote));
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// A copy to be shown: at most 100 characters, nothing that moves a cursor or hides.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        FNC1 => '\u{241d}',
        _ if c.is_control() || is_invisible(c) => '\u{b7}',
        _ => c,
    };
    let text = text.trim_matches(is_blank);
    if text.chars().nth(SHOWN_CHARS_MAX).is_none() {
        return text.chars().map(shown).collect();
    }
    text.chars().take(SHOWN_CHARS_MAX - 1).map(shown).chain(['…']).collect()
}
