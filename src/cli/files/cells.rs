//! The cells of one row, read by column name as texts, numbers, dates and choices.
//!
//! Knows the forms in which files write values; which column holds what is the row types' business.

use super::decimal::exact_decimal;
use super::error::BadCell;
use crate::domain::time::moment_of;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::fmt::Display;

/// One row and the way to find its columns.
pub struct Cells<'a> {
    places: &'a HashMap<&'static str, usize>,
    record: &'a [String],
}

type Read<T> = Result<T, BadCell>;

impl<'a> Cells<'a> {
    pub(super) fn new(places: &'a HashMap<&'static str, usize>, record: &'a [String]) -> Self {
        Self { places, record }
    }

    /// The cell without blanks around it; empty where the file does not have the column.
    ///
    /// A quote mark in front of `=`, `+`, `-` or `@` is dropped: the rejects file puts it there, and a row
    /// that was mended in that file comes back through here.
    pub(super) fn raw(&self, column: &'static str) -> &'a str {
        let place = self.places.get(column).copied();
        let cell = place.and_then(|place| self.record.get(place)).map_or("", |cell| cell.trim());
        match cell.strip_prefix('\'') {
            Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
            Some(_) | None => cell,
        }
    }

    /// An identifier: not empty, at most `chars_max` characters, no control characters.
    pub(super) fn key(&self, column: &'static str, chars_max: usize) -> Read<String> {
        self.optional_key(column, chars_max)?.ok_or_else(|| bad(column, "is empty; it has to be filled in"))
    }

    /// Like [`key`](Self::key), `None` where the cell is empty.
    pub(super) fn optional_key(&self, column: &'static str, chars_max: usize) -> Read<Option<String>> {
        let cell = self.raw(column);
        if cell.contains(char::is_control) {
            return Err(bad(column, "holds a line break or another control character; remove it"));
        }
        limited(column, cell, chars_max).map(|cell| (!cell.is_empty()).then(|| cell.to_owned()))
    }

    /// Text for people, possibly empty: at most `chars_max` characters, line breaks allowed.
    pub(super) fn text(&self, column: &'static str, chars_max: usize) -> Read<String> {
        let cell = self.raw(column);
        if cell.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(bad(column, "holds a control character; remove it"));
        }
        limited(column, cell, chars_max).map(str::to_owned)
    }

    /// One of a few names, in any case.
    pub(super) fn choice<T: Display>(
        &self,
        column: &'static str,
        all: &[T],
        from_name: fn(&str) -> Option<T>,
    ) -> Read<T> {
        let cell = self.raw(column);
        from_name(&cell.to_ascii_lowercase()).ok_or_else(|| {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            bad(column, &format!("is {}; write one of: {}", shown(cell), names.join(", ")))
        })
    }

    /// Units above zero, `None` where the cell is empty.
    pub(super) fn units(&self, column: &'static str) -> Read<Option<Decimal>> {
        if self.raw(column).is_empty() {
            return Ok(None);
        }
        match self.decimal(column)? {
            units if units > Decimal::ZERO => Ok(Some(units)),
            _ => Err(bad(column, "is not above zero; write smallest priced units")),
        }
    }

    /// `true` or `false`, in any case.
    pub(super) fn flag(&self, column: &'static str) -> Read<bool> {
        self.choice(column, &[true, false], |name| name.parse().ok())
    }

    /// A day as `yyyy-MM-dd`, `None` where the cell is empty.
    pub(super) fn date(&self, column: &'static str) -> Read<Option<Date>> {
        let cell = self.raw(column);
        if cell.is_empty() {
            return Ok(None);
        }
        let day = has_date_shape(cell).then(|| cell.parse().ok()).flatten();
        let wrong = || bad(column, &format!("is {}; write an existing day as yyyy-MM-dd", shown(cell)));
        day.map(Some).ok_or_else(wrong)
    }

    /// A moment as RFC 3339, with its offset.
    pub(super) fn moment(&self, column: &'static str) -> Read<Timestamp> {
        let cell = self.raw(column);
        cell.parse().map_err(|_| {
            let form = "write date, time and offset like 2026-03-10T09:00:00+08:00";
            bad(column, &format!("is {}; {form}", shown(cell)))
        })
    }

    /// A moment as RFC 3339, or without an offset in the trade's own time zone, as programs on site write it.
    pub(super) fn local_moment(&self, column: &'static str) -> Read<Timestamp> {
        let cell = self.raw(column);
        let local = || cell.parse().ok().and_then(moment_of);
        cell.parse().ok().or_else(local).ok_or_else(|| {
            let form = "write date and time like 2026-03-10 09:00:00 (Asia/Shanghai), or with an offset like \
                        2026-03-10T09:00:00+08:00";
            bad(column, &format!("is {}; {form}", shown(cell)))
        })
    }

    /// An exact decimal number.
    pub(super) fn decimal(&self, column: &'static str) -> Read<Decimal> {
        let cell = self.raw(column);
        exact_decimal(cell).map_err(|problem| bad(column, &format!("is {}: it {problem}", shown(cell))))
    }

    /// An amount of money that is not negative, `None` where the cell is empty.
    pub(super) fn price(&self, column: &'static str) -> Read<Option<Decimal>> {
        if self.raw(column).is_empty() {
            return Ok(None);
        }
        match self.decimal(column)? {
            price if price.is_sign_negative() => Err(bad(column, "is negative; a price is 0 or more")),
            price => Ok(Some(price)),
        }
    }

    /// A whole number from 1, `None` where the cell is empty.
    pub(super) fn count(&self, column: &'static str) -> Read<Option<u32>> {
        let cell = self.raw(column);
        if cell.is_empty() {
            return Ok(None);
        }
        let digits = cell.bytes().all(|byte| byte.is_ascii_digit());
        let count = digits.then(|| cell.parse().ok()).flatten().filter(|&count| count >= 1);
        let form = "write a whole number from 1, or leave it empty where it is not known";
        count.map(Some).ok_or_else(|| bad(column, &format!("is {}; {form}", shown(cell))))
    }
}

/// A bad cell with this reason.
pub(super) fn bad(column: &'static str, reason: &str) -> BadCell {
    BadCell { column, reason: reason.to_owned() }
}

/// The beginning of a cell, quoted, for a reason.
pub(super) fn shown(cell: &str) -> String {
    match cell.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", cell.get(..end).unwrap_or_default()),
        None if cell.is_empty() => "empty".to_owned(),
        None => format!("{cell:?}"),
    }
}

fn limited<'a>(column: &'static str, cell: &'a str, chars_max: usize) -> Read<&'a str> {
    match cell.chars().count() {
        count if count > chars_max => {
            Err(bad(column, &format!("has {count} characters; shorten it to at most {chars_max}")))
        }
        _ => Ok(cell),
    }
}

/// Four digits, hyphen, two digits, hyphen, two digits: the date parser alone would accept more forms.
fn has_date_shape(cell: &str) -> bool {
    cell.len() == 10
        && cell.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
