//! The table of engine errors and gRPC statuses. A call ends with a status; a scan on a stream gets the same as a
//! message.

use super::pb;
use crate::engine::{EngineError, PolicyMistake};
use crate::store::StoreError;
use crate::telemetry;
use std::time::Duration;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Response};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// How long a caller should wait before it sends a retryable request again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What a caller is told of a request that ended in a panic.
pub(super) const FAILED: &str = "the gateway failed on this request; ask GetOutcome with the same request id";

/// The status of an error, with details that a program can read.
pub(super) fn of(error: &EngineError) -> Status {
    count(error);
    worded(error)
}

/// What a call is answered that comes when too many are worked on: made once, for a refusal must cost next to nothing.
pub(super) fn overload() -> HeaderMap {
    worded(&EngineError::Overloaded).into_http::<Body>().headers().clone()
}

/// The answer with these headers.
pub(super) fn overloaded(headers: &HeaderMap) -> Response<Body> {
    count(&EngineError::Overloaded);
    let mut refusal = Response::new(Body::empty());
    refusal.headers_mut().clone_from(headers);
    refusal
}

fn worded(error: &EngineError) -> Status {
    let mut details = match error {
        EngineError::Invalid { field, what } => ErrorDetails::with_bad_request_violation(field, what),
        EngineError::PolicyFiles(mistakes) => in_files(mistakes),
        EngineError::PolicyTexts(mistakes) => in_texts(mistakes),
        EngineError::DifferentBody { .. }
        | EngineError::Closed { .. }
        | EngineError::Precondition(_)
        | EngineError::Denied(_)
        | EngineError::NotFound(_)
        | EngineError::Contended
        | EngineError::Store(_)
        | EngineError::Overrun { .. }
        | EngineError::Overloaded
        | EngineError::InDoubt(_) => ErrorDetails::new(),
    };
    if error.retryable() {
        details.set_retry_info(Some(retry_after(error)));
    }
    Status::with_error_details(code_of(error), clipped(error.to_string()), details)
}

/// How long to wait before the same is sent again.
const fn retry_after(error: &EngineError) -> Duration {
    if let EngineError::Overrun { after, .. } = error { *after } else { RETRY_AFTER }
}

/// The same as a message of a stream.
pub(super) fn scan_error(error: &EngineError) -> pb::ScanError {
    count(error);
    let field = if let EngineError::Invalid { field, .. } = error { field.as_str() } else { "" };
    let retryable = error.retryable();
    pb::ScanError {
        code: code_of(error).into(),
        message: error.to_string(),
        field: field.to_owned(),
        retryable,
        retry_after: retryable
            .then(|| prost_types::Duration::try_from(retry_after(error)).unwrap_or_default()),
    }
}

/// A request of a stream that ended in a panic.
pub(super) fn scan_failed() -> pb::ScanError {
    pb::ScanError { code: Code::Internal.into(), message: FAILED.to_owned(), ..pb::ScanError::default() }
}

/// Counts an error, and says in the log which nobody can help who calls.
fn count(error: &EngineError) {
    telemetry::refused(error.kind());
    if code_of(error) == Code::Unavailable {
        tracing::warn!(%error, "a request could not be answered");
    }
}

const fn code_of(error: &EngineError) -> Code {
    match error {
        EngineError::Invalid { .. }
        | EngineError::PolicyTexts(_)
        | EngineError::Store(StoreError::Unfit(_)) => Code::InvalidArgument,
        EngineError::DifferentBody { .. } => Code::AlreadyExists,
        EngineError::Closed { .. } | EngineError::Precondition(_) | EngineError::PolicyFiles(_) => {
            Code::FailedPrecondition
        }
        EngineError::Denied(_) => Code::PermissionDenied,
        EngineError::NotFound(_) => Code::NotFound,
        EngineError::Contended | EngineError::Store(_) | EngineError::InDoubt(_) => Code::Unavailable,
        EngineError::Overrun { .. } | EngineError::Overloaded => Code::ResourceExhausted,
    }
}

/// Bytes of mistakes that a status carries: it travels in trailers, which some peers limit to 8 KiB.
/// What is not ASCII takes three times its size in a message.
const MISTAKE_BYTES_MAX: usize = 2_400;

/// Bytes of a status message.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// As many mistakes as fit, each with its place and what is wrong, and a last one that counts the others.
fn told(mistakes: &[PolicyMistake]) -> Vec<(String, String)> {
    let mut left = MISTAKE_BYTES_MAX;
    let mut told = Vec::new();
    for (at, mistake) in mistakes.iter().enumerate() {
        let (place, reason) = (mistake.place(), mistake.reason.clone());
        match left.checked_sub(place.len() + reason.len()) {
            Some(rest) => left = rest,
            None => {
                let more = mistakes.len() - at;
                let all = "`tracegate policy check` tells all";
                told.push(("…".to_owned(), format!("and {more} more; {all}")));
                break;
            }
        }
        told.push((place, reason));
    }
    told
}

fn in_files(mistakes: &[PolicyMistake]) -> ErrorDetails {
    let violation = |(place, reason)| PreconditionViolation::new("POLICY_FILE", place, reason);
    ErrorDetails::with_precondition_failure(told(mistakes).into_iter().map(violation).collect::<Vec<_>>())
}

fn in_texts(mistakes: &[PolicyMistake]) -> ErrorDetails {
    let violation = |(place, reason)| FieldViolation::new(place, reason);
    ErrorDetails::with_bad_request(told(mistakes).into_iter().map(violation).collect::<Vec<_>>())
}

fn clipped(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or_default());
        message.push('…');
    }
    message
}
