//! Why a use case gives no answer. A duplicate is not among these: it is an answer.

use super::policy::PolicyMistake;
use crate::store::{CommitError, StoreError};
use std::time::Duration;

/// Why a call was refused. Texts are for the caller: they say what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Bad input.
    #[error("{field}: {what}")]
    Invalid {
        /// The field, as the proto names it.
        field: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The request id was used for something else.
    #[error(
        "request id {request_id} was used before with a different body: {difference}. Use a new request id"
    )]
    DifferentBody {
        /// The id.
        request_id: String,
        /// The first field that differs, with both values.
        difference: String,
    },
    /// The request id was closed.
    #[error("request id {request_id} is closed ({state}): {advice}")]
    Closed {
        /// The id.
        request_id: String,
        /// VOIDED or NEVER.
        state: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The call does not fit what stands.
    #[error("{0}")]
    Precondition(String),
    /// The policy files of this gateway have mistakes; what was in force stays in force.
    #[error(
        "the policy files have {} mistake(s), the old policy stays in force: {}",
        .0.len(),
        listed(.0)
    )]
    PolicyFiles(Vec<PolicyMistake>),
    /// The policy texts of a request have mistakes; nothing was started.
    #[error("the policy texts have {} mistake(s), nothing was started: {}", .0.len(), listed(.0))]
    PolicyTexts(Vec<PolicyMistake>),
    /// Not this caller's business.
    #[error("{0}")]
    Denied(String),
    /// Nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// The same codes or requests change faster than they can be judged.
    #[error("too many changes of the same codes at once; send the request again with the same request id")]
    Contended,
    /// The store does not take it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The caller takes more than it may.
    #[error("too many {of} by this caller; wait {} ms and send it again", .after.as_millis().max(1))]
    Overrun {
        /// Of what.
        of: &'static str,
        /// How long to wait.
        after: Duration,
    },
    /// All callers together ask for more than the gateway can work on.
    #[error(
        "the gateway has as many requests as it can work on; send this one again, with the same request id"
    )]
    Overloaded,
    /// Nobody knows whether it was recorded.
    #[error("in doubt whether it was recorded: {0}. Ask GetOutcome with the same request id")]
    InDoubt(String),
}

/// Every mistake, one after the other.
fn listed(mistakes: &[PolicyMistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl EngineError {
    /// Bad input in a field.
    pub fn invalid(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), what: what.into() }
    }

    /// The kind, as metrics name it (`telemetry::REFUSALS`).
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::DifferentBody { .. } => "different_body",
            Self::Closed { .. } => "closed",
            Self::Precondition(_) => "precondition",
            Self::Denied(_) => "denied",
            Self::NotFound(_) => "not_found",
            Self::PolicyFiles(_) | Self::PolicyTexts(_) => "policy",
            Self::Contended => "contended",
            Self::Store(StoreError::Full(_)) => "store_full",
            Self::Store(StoreError::Stopped(_)) => "store_stopped",
            Self::Store(StoreError::Unreadable(_)) => "store_unreadable",
            Self::Store(StoreError::Unfit(_)) => "unfit",
            Self::Store(StoreError::Away(_)) => "store_away",
            Self::Store(StoreError::Undecided) => "undecided",
            Self::InDoubt(_) => "in_doubt",
            Self::Overrun { .. } => "overrun",
            Self::Overloaded => "overload",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Contended | Self::InDoubt(_) | Self::Overrun { .. } | Self::Overloaded => true,
            Self::Store(error) => error.retryable(),
            Self::Invalid { .. }
            | Self::DifferentBody { .. }
            | Self::Closed { .. }
            | Self::Precondition(_)
            | Self::PolicyFiles(_)
            | Self::PolicyTexts(_)
            | Self::Denied(_)
            | Self::NotFound(_) => false,
        }
    }
}

impl From<CommitError> for EngineError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Contended,
            CommitError::Undecided => Self::Store(StoreError::Undecided),
            CommitError::Refused(error) => Self::Store(error),
            CommitError::Unknown(why) => Self::InDoubt(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::REFUSALS;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_one_that_metrics_know() {
        let why = || "x".to_owned();
        let errors = [
            EngineError::invalid("field", "is wrong"),
            EngineError::DifferentBody { request_id: why(), difference: why() },
            EngineError::Closed { request_id: why(), state: "NEVER", advice: "x" },
            EngineError::Precondition(why()),
            EngineError::Denied(why()),
            EngineError::NotFound(why()),
            EngineError::PolicyFiles(Vec::new()),
            EngineError::PolicyTexts(Vec::new()),
            EngineError::Contended,
            EngineError::Store(StoreError::Full(why())),
            EngineError::Store(StoreError::Stopped(why())),
            EngineError::Store(StoreError::Unfit(why())),
            EngineError::Store(StoreError::Unreadable(why())),
            EngineError::Store(StoreError::Away(why())),
            EngineError::Store(StoreError::Undecided),
            EngineError::InDoubt(why()),
            EngineError::Overloaded,
            EngineError::Overrun { of: "requests", after: Duration::ZERO },
        ];
        let kinds: BTreeSet<_> = errors.iter().map(EngineError::kind).collect();
        assert_eq!(kinds, BTreeSet::from(REFUSALS));
    }
}
