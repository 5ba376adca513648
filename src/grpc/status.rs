//! The table of engine errors and gRPC statuses.

use crate::engine::EngineError;
use crate::store::StoreError;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// How long a caller should wait before it sends a retryable request again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The status of an error, with details that a program can read.
pub(super) fn of(error: &EngineError) -> Status {
    let (code, mut details) = match error {
        EngineError::Invalid { field, what } => {
            (Code::InvalidArgument, ErrorDetails::with_bad_request_violation(field, what))
        }
        EngineError::DifferentBody { .. } => (Code::AlreadyExists, ErrorDetails::new()),
        EngineError::Closed { .. } | EngineError::Precondition(_) => {
            (Code::FailedPrecondition, ErrorDetails::new())
        }
        EngineError::Denied(_) => (Code::PermissionDenied, ErrorDetails::new()),
        EngineError::NotFound(_) => (Code::NotFound, ErrorDetails::new()),
        EngineError::Store(StoreError::Unfit(_)) => (Code::InvalidArgument, ErrorDetails::new()),
        EngineError::Contended | EngineError::Store(_) | EngineError::InDoubt(_) => {
            (Code::Unavailable, ErrorDetails::new())
        }
    };
    if error.retryable() {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    if code == Code::Unavailable {
        tracing::warn!(%error, "a request could not be answered");
    }
    Status::with_error_details(code, error.to_string(), details)
}
