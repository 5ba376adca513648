//! Typed access to the fields of one JSON object, with the path of each field for error messages.
//!
//! Knows how clients write texts, numbers, flags and times; which field means what is the messages' business.

use super::json::Json;
use super::message::MessageError;
use super::time::read_time;
use crate::cli::files::decimal::exact_decimal;
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One object of a message and where it stands.
pub(super) struct Fields<'a> {
    members: &'a BTreeMap<String, Json>,
    path: &'a str,
    row: Option<u32>,
}

type Read<T> = Result<T, MessageError>;

impl<'a> Fields<'a> {
    /// The fields of `value`, which has to be an object.
    pub(super) fn of(value: &'a Json, path: &'a str, row: Option<u32>) -> Read<Self> {
        if let Json::Object(members) = value {
            return Ok(Self { members, path, row });
        }
        let what = format!("is {}, not an object", value.kind());
        Err(fault(path.to_owned(), row, what, "send it as an object with the fields of the interface"))
    }

    /// The first of these fields that is there and not blank, with its name.
    pub(super) fn find(&self, names: &[&'static str]) -> Option<(&'static str, &'a Json)> {
        let present = |name| self.members.get(name).map(|value| (name, value));
        names.iter().copied().filter_map(present).find(|(_, value)| !value.is_blank())
    }

    /// Whether the object has any field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether one of these fields is there, blank or not.
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.members.contains_key(*name))
    }

    /// The names of the fields that are there, for an error message.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.members.keys().map(String::as_str).take(12).collect();
        if names.is_empty() { "no field".to_owned() } else { names.join(", ").chars().take(300).collect() }
    }

    /// The path of a field of this object.
    pub(super) fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// An error about a field of this object.
    pub(super) fn fault(&self, name: &str, what: impl Into<String>, remedy: &str) -> MessageError {
        fault(self.path_to(name), self.row, what, remedy)
    }

    /// Text without blanks around it; a number or flag as it was written; `None` where absent or empty.
    pub(super) fn text(&self, name: &'static str) -> Read<Option<String>> {
        match self.find(&[name]).map(|(_, value)| value) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.trim().to_owned())),
            Some(Json::Number(literal)) => Ok(Some(literal.clone())),
            Some(Json::Bool(value)) => Ok(Some(value.to_string())),
            Some(other) => {
                Err(self.fault(name, format!("is {}, not text", other.kind()), "send it as one text"))
            }
        }
    }

    /// Text that has to be there.
    pub(super) fn required(&self, name: &'static str) -> Read<String> {
        self.text(name)?.ok_or_else(|| self.fault(name, "is missing or empty", "fill it in; it is required"))
    }

    /// An exact decimal number, from text or a JSON number.
    pub(super) fn decimal(&self, name: &'static str) -> Read<Option<Decimal>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        exact_decimal(&text).map(Some).map_err(|problem| {
            let problem = problem.to_string();
            let (what, remedy) = problem.split_once("; ").unwrap_or((&problem, "correct it"));
            self.fault(name, format!("{} {what}", shown(&text)), remedy)
        })
    }

    /// 0 or 1 as text, number or truth value; `None` where absent.
    pub(super) fn flag(&self, name: &'static str) -> Read<Option<bool>> {
        match self.one_of(
            name,
            &[
                ("0", false),
                ("1", true),
                ("false", false),
                ("true", true),
                ("n", false),
                ("y", true),
                ("否", false),
                ("是", true),
            ],
        )? {
            Ok(value) => Ok(value),
            Err(text) => Err(self.fault(name, format!("{} is not a flag", shown(&text)), "send 0 or 1")),
        }
    }

    /// The value whose name the field holds, or the text that is none of the names.
    ///
    /// Numbers are compared as numbers: clients pad them (`01`) or send them with decimals.
    pub(super) fn one_of<T: Copy>(
        &self,
        name: &'static str,
        values: &[(&str, T)],
    ) -> Read<Result<Option<T>, String>> {
        let Some(text) = self.text(name)? else {
            return Ok(Ok(None));
        };
        let plain =
            exact_decimal(&text).map_or(text.to_ascii_lowercase(), |value| value.normalize().to_string());
        let found = values.iter().find(|(written, _)| *written == plain);
        Ok(found.map(|(_, value)| Some(*value)).ok_or(text))
    }

    /// A moment; `None` where absent.
    pub(super) fn time(&self, name: &'static str) -> Read<Option<Timestamp>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        read_time(&text).map(Some).map_err(|problem| {
            self.fault(name, format!("{} {problem}", shown(&text)), "send it as yyyy-MM-dd HH:mm:ss")
        })
    }
}

/// An error at a place of the message.
pub(super) fn fault(path: String, row: Option<u32>, what: impl Into<String>, remedy: &str) -> MessageError {
    MessageError { path, row, what: what.into(), remedy: remedy.to_owned() }
}

/// The value itself, or what it holds where it is JSON written into a text.
///
/// Text that only begins like JSON is left as it is: a scanner may write a bracket for a control character.
/// With a quote mark in it, it can only be damaged JSON.
pub(super) fn opened<'a>(value: &'a Json, path: &str, row: Option<u32>) -> Read<Cow<'a, Json>> {
    let Json::Text(text) = value else {
        return Ok(Cow::Borrowed(value));
    };
    let text = text.trim();
    if text == "null" {
        return Ok(Cow::Owned(Json::Null));
    }
    if !text.starts_with(['{', '[']) {
        return Ok(Cow::Borrowed(value));
    }
    match Json::parse(text) {
        Ok(inner) => Ok(Cow::Owned(inner)),
        Err(_) if !text.contains('"') => Ok(Cow::Borrowed(value)),
        Err(problem) => {
            let what = format!("holds JSON text that cannot be read: {problem}");
            Err(fault(path.to_owned(), row, what, "send the node itself, not as text"))
        }
    }
}

/// The beginning of a value, quoted, for an error message.
fn shown(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
