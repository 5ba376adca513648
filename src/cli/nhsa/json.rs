//! A JSON value whose numbers are kept as they were written.
//!
//! Clients send 20-digit codes as bare numbers; any number type would lose digits, and a setting that changes
//! how the whole program reads numbers is not worth it. Knows nothing of the national interface.

use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// How deep values may nest; the interface needs seven.
const DEPTH_MAX: usize = 32;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// The literal as written, such as `83003850000000131888` or `8.3E+19`.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads one value; the error says what is wrong and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        build(raw, 0)
    }

    /// What this value is, for a message to people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Null, or text of nothing but blanks: both say that nothing is there.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => false,
        }
    }

    /// Appends the canonical form: keys sorted, no blanks, numbers and texts as they are.
    pub(super) fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(literal) => out.push_str(literal),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    separate(at, out);
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    separate(at, out);
                    write_text(key, out);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }
}

fn separate(at: usize, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Each level is scanned again by the level below it, so the depth limit also bounds the time.
fn build(raw: &RawValue, depth: usize) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err(format!("values nest deeper than {DEPTH_MAX} levels"));
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => build_object(text, depth),
        Some(b'[') => {
            let items: Vec<&RawValue> = read(text)?;
            items.into_iter().map(|item| build(item, depth + 1)).collect::<Result<_, _>>().map(Json::List)
        }
        Some(b'"') => read(text).map(Json::Text),
        Some(b'n') => Ok(Json::Null),
        Some(b't') => Ok(Json::Bool(true)),
        Some(b'f') => Ok(Json::Bool(false)),
        Some(_) | None => Ok(Json::Number(text.to_owned())),
    }
}

/// A key that comes twice with different values has no one meaning: taking the last would drop a sale.
fn build_object(text: &str, depth: usize) -> Result<Json, String> {
    let Members(pairs) = read(text)?;
    let mut members = BTreeMap::new();
    for (key, raw) in pairs {
        let value = build(raw, depth + 1)?;
        if members.get(&key).is_some_and(|earlier| *earlier != value) {
            let key: String = key.chars().take(40).collect();
            return Err(format!("key {key:?} comes twice in one object, with different values"));
        }
        members.insert(key, value);
    }
    Ok(Json::Object(members))
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The members of an object in their order, repeated keys included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Members(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Result<String, String> {
        let mut out = String::new();
        Json::parse(text).map(|value| value.write_canonical(&mut out))?;
        Ok(out)
    }

    #[test]
    fn keeps_numbers_as_written_and_sorts_keys() {
        let check =
            |text: &str, expected: &str| assert_eq!(canonical(text), Ok(expected.to_owned()), "{text}");
        check("[83003850000000131888, 8.3E+19, 1.0000, -0]", "[83003850000000131888,8.3E+19,1.0000,-0]");
        check(r#" {"b" : null, "a":[true , false]} "#, r#"{"a":[true,false],"b":null}"#);
        check(r#""\u836f\"\\\n\/""#, r#""药\"\\\u000a/""#);
        check(r#"{"a":1,"a":1}"#, r#"{"a":1}"#);
    }

    #[test]
    fn refuses_what_has_no_one_meaning() {
        let check = |text: &str, part: &str| {
            let error = canonical(text).expect_err(text);
            assert!(error.contains(part), "{error} lacks {part}");
        };
        check(r#"{"a":1,"a":2}"#, "comes twice");
        check(&("[".repeat(40) + &"]".repeat(40)), "deeper than 32");
        check(&"[".repeat(100_000), "EOF");
        check(r#""\ud800""#, "escape");
        check("{} {}", "trailing");
        check("01", "number");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The canonical form says the same as the text it was made of, and is its own canonical form.
        #[test]
        fn canonical_form_is_faithful(value in any_json()) {
            let out = canonical(&value.to_string()).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&out).expect("JSON"), &value);
            prop_assert_eq!(canonical(&out), Ok(out));
        }
    }
}
