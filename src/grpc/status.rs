//! The table of engine errors and gRPC statuses. A call ends with a status; a scan on a stream gets the same as a
//! message.

use super::pb;
use crate::engine::EngineError;
use crate::store::StoreError;
use crate::telemetry;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// How long a caller should wait before it sends a retryable request again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What a caller is told of a request that ended in a panic.
pub(super) const FAILED: &str = "the gateway failed on this request; ask GetOutcome with the same request id";

/// The status of an error, with details that a program can read.
pub(super) fn of(error: &EngineError) -> Status {
    let mut details = match error {
        EngineError::Invalid { field, what } => ErrorDetails::with_bad_request_violation(field, what),
        EngineError::DifferentBody { .. }
        | EngineError::Closed { .. }
        | EngineError::Precondition(_)
        | EngineError::Denied(_)
        | EngineError::NotFound(_)
        | EngineError::Contended
        | EngineError::Store(_)
        | EngineError::InDoubt(_) => ErrorDetails::new(),
    };
    if error.retryable() {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code_of(error), error.to_string(), details)
}

/// The same as a message of a stream.
pub(super) fn scan_error(error: &EngineError) -> pb::ScanError {
    let field = if let EngineError::Invalid { field, .. } = error { field.as_str() } else { "" };
    let retryable = error.retryable();
    pb::ScanError {
        code: code_of(error).into(),
        message: error.to_string(),
        field: field.to_owned(),
        retryable,
        retry_after: retryable
            .then(|| prost_types::Duration { seconds: 0, nanos: RETRY_AFTER.subsec_nanos().cast_signed() }),
    }
}

/// A request of a stream that ended in a panic.
pub(super) fn scan_failed() -> pb::ScanError {
    pb::ScanError { code: Code::Internal.into(), message: FAILED.to_owned(), ..pb::ScanError::default() }
}

fn code_of(error: &EngineError) -> Code {
    let code = match error {
        EngineError::Invalid { .. } | EngineError::Store(StoreError::Unfit(_)) => Code::InvalidArgument,
        EngineError::DifferentBody { .. } => Code::AlreadyExists,
        EngineError::Closed { .. } | EngineError::Precondition(_) => Code::FailedPrecondition,
        EngineError::Denied(_) => Code::PermissionDenied,
        EngineError::NotFound(_) => Code::NotFound,
        EngineError::Contended | EngineError::Store(_) | EngineError::InDoubt(_) => Code::Unavailable,
    };
    telemetry::refused(error.kind());
    if code == Code::Unavailable {
        tracing::warn!(%error, "a request could not be answered");
    }
    code
}
