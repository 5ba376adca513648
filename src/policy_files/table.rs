//! Reads values out of one TOML table and notes everything that is wrong, with its line.

use super::error::PolicyError;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// One file while it is read: its name, where its lines start, and what is wrong in it.
pub(super) struct FileReader {
    name: String,
    line_starts: Vec<usize>,
    broken_lines: BTreeSet<usize>,
    errors: Vec<PolicyError>,
}

impl FileReader {
    /// Notes the syntax errors. The rest of the file is still checked, except for what may only
    /// be a consequence: other mistakes on a broken line, and missing keys.
    pub(super) fn new(name: &str, text: &str, syntax_errors: &[Error]) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(ends).collect();
        let mut file =
            Self { name: name.to_owned(), line_starts, broken_lines: BTreeSet::new(), errors: Vec::new() };
        for error in syntax_errors {
            let line = file.line_at(error.span().map_or(0, |span| span.start));
            file.refuse(line, format!("not valid TOML: {}", error.message().replace('\n', "; ")));
            file.broken_lines.insert(line);
        }
        file
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(super) fn line_of<T>(&self, value: &Spanned<T>) -> usize {
        self.line_at(value.span().start)
    }

    pub(super) fn refuse(&mut self, line: usize, reason: impl Into<String>) {
        if !self.broken_lines.contains(&line) {
            self.errors.push(PolicyError::new(&self.name, line, reason));
        }
    }

    fn refuse_missing(&mut self, line: usize, reason: String) {
        if self.broken_lines.is_empty() {
            self.refuse(line, reason);
        }
    }

    /// Whether syntax errors may have swallowed parts of what is read.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    pub(super) fn errors_so_far(&self) -> usize {
        self.errors.len()
    }

    /// All mistakes, by line.
    pub(super) fn into_errors(mut self) -> Vec<PolicyError> {
        self.errors.sort_by_key(|error| error.line);
        self.errors
    }
}

/// One table of a file. Every reading method returns `None` for a key that is not there, and for
/// one that is wrong after noting why.
pub(super) struct Table<'f, 'v, 'i> {
    file: &'f mut FileReader,
    what: &'static str,
    entries: &'v DeTable<'i>,
    line: usize,
}

impl<'f, 'v, 'i> Table<'f, 'v, 'i> {
    /// `what` names the table in errors; `line` is where it begins.
    pub(super) fn new(
        file: &'f mut FileReader,
        what: &'static str,
        entries: &'v DeTable<'i>,
        line: usize,
    ) -> Self {
        Self { file, what, entries, line }
    }

    pub(super) fn refuse(&mut self, line: usize, reason: impl Into<String>) {
        self.file.refuse(line, reason);
    }

    pub(super) fn refuse_unknown_keys(&mut self, known: &[&[&str]]) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if !known.iter().any(|names| names.contains(&name)) {
                let line = self.file.line_of(key);
                let known = known.concat().join(", ");
                self.file.refuse(line, format!("unknown key {name:?} in {}; known are: {known}", self.what));
            }
        }
    }

    fn read<T>(
        &mut self,
        key: &str,
        expected: &str,
        pick: impl FnOnce(&'v DeValue<'i>) -> Option<T>,
    ) -> Option<(T, usize)> {
        let value = self.entries.get(key)?;
        let line = self.file.line_of(value);
        let picked = pick(value.get_ref());
        if picked.is_none() {
            self.file.refuse(line, format!("{key} must be {expected}, not {}", value.get_ref().type_str()));
        }
        picked.map(|picked| (picked, line))
    }

    pub(super) fn text(&mut self, key: &str) -> Option<(&'v str, usize)> {
        self.read(key, "a text in quotes", DeValue::as_str)
    }

    /// A text that has to be there and to say something.
    pub(super) fn required_text(&mut self, key: &str) -> Option<(&'v str, usize)> {
        if !self.entries.contains_key(key) {
            self.file.refuse_missing(self.line, format!("{} has no {key}; add {key} = \"…\"", self.what));
        }
        self.filled_text(key)
    }

    /// A text that has to say something where it is there.
    pub(super) fn filled_text(&mut self, key: &str) -> Option<(&'v str, usize)> {
        let (text, line) = self.text(key)?;
        if text.trim().is_empty() {
            self.file.refuse(line, format!("{key} is empty"));
            return None;
        }
        Some((text, line))
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", DeValue::as_bool).map(|(flag, _)| flag)
    }

    pub(super) fn table(&mut self, key: &str) -> Option<(&'v DeTable<'i>, usize)> {
        self.read(key, "a table", DeValue::as_table)
    }

    pub(super) fn array(&mut self, key: &str) -> Option<(&'v [Spanned<DeValue<'i>>], usize)> {
        self.read(key, "a list", |value| value.as_array().map(|array| &array[..]))
    }

    /// The value among `all` that has the text as its name.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<(T, usize)> {
        let (text, line) = self.text(key)?;
        let found = all.iter().copied().find(|value| name(*value) == text);
        if found.is_none() {
            let names: Vec<_> = all.iter().map(|value| name(*value)).collect();
            self.file.refuse(line, format!("unknown {key} {text:?}; write one of: {}", names.join(", ")));
        }
        found.map(|value| (value, line))
    }

    /// As [`choice`](Self::choice), for a key that has to be there.
    pub(super) fn required_choice<T: Copy>(
        &mut self,
        key: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<(T, usize)> {
        self.required_text(key)?;
        self.choice(key, all, name)
    }

    /// A whole number within `range`.
    pub(super) fn number(&mut self, key: &str, range: &RangeInclusive<u32>) -> Option<u32> {
        let (integer, line) = self.read(key, "a whole number", DeValue::as_integer)?;
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let within = number.filter(|number| range.contains(number));
        if within.is_none() {
            let (low, high) = (range.start(), range.end());
            self.file.refuse(line, format!("{key} must be from {low} to {high}, not {integer}"));
        }
        within
    }

    /// A date without time, such as `2025-07-01` without quotes.
    pub(super) fn date(&mut self, key: &str) -> Option<(Date, usize)> {
        self.read(key, "a date without time and quotes, such as 2025-07-01", |value| {
            let datetime = value.as_datetime()?;
            let date = datetime.date.filter(|_| datetime.time.is_none() && datetime.offset.is_none())?;
            let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
            Date::new(i16::try_from(date.year).ok()?, month, day).ok()
        })
    }

    /// A list of texts, each with its line.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<(&'v str, usize)>> {
        let (values, _) = self.array(key)?;
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let line = self.file.line_of(value);
            match value.get_ref().as_str() {
                Some(text) => texts.push((text, line)),
                None => self.file.refuse(line, format!("{key} must hold texts in quotes only")),
            }
        }
        Some(texts)
    }
}
