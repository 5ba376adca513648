//! The same request again: its first answer, or why there is none.

use super::{EngineError, Reply};
use crate::domain::outcome::{Outcome, OutcomeState, RequestBody, RequestKey};
use serde_json::Value;

/// The first answer once more, or why there is none.
pub(super) fn repeat(key: &RequestKey, outcome: &Outcome, body: &RequestBody) -> Result<Reply, EngineError> {
    let closed =
        |state, advice| Err(EngineError::Closed { request_id: key.request_id.clone(), state, advice });
    match outcome.state {
        OutcomeState::Voided => {
            return closed("VOIDED", "the document was cancelled; only a new request id sells again");
        }
        OutcomeState::Never => {
            return closed(
                "NEVER",
                "it was declared as never arrived; send the document with a new request id",
            );
        }
        OutcomeState::Decided | OutcomeState::Undecided => {}
    }
    if let Some(difference) = outcome.body.as_ref().and_then(|known| difference(known, body)) {
        return Err(EngineError::DifferentBody { request_id: key.request_id.clone(), difference });
    }
    match &outcome.answer {
        Some(answer) => Ok(Reply::again(answer.clone(), outcome)),
        None => closed("VOIDED", "it was cancelled before it arrived; only a new request id sells again"),
    }
}

/// The first field in which two requests differ, with both values.
pub(super) fn difference(first: &RequestBody, now: &RequestBody) -> Option<String> {
    if first == now {
        return None;
    }
    let (first, now) = (first.without_operator(), now.without_operator());
    let (first, now) = (serde_json::to_value(&first).ok()?, serde_json::to_value(&now).ok()?);
    difference_at("body", &first, &now)
}

fn difference_at(path: &str, first: &Value, now: &Value) -> Option<String> {
    match (first, now) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .find_map(|(key, value)| {
                difference_at(&format!("{path}.{key}"), value, b.get(key).unwrap_or(&Value::Null))
            })
            .or_else(|| b.keys().find(|key| !a.contains_key(*key)).map(|key| format!("{path}.{key} is new"))),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(at, (a, b))| difference_at(&format!("{path}[{at}]"), a, b))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path} was {}, is {}", clipped(a), clipped(b))),
    }
}

fn clipped(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { text.chars().take(60).chain("…".chars()).collect() } else { text }
}
