//! What is counted of one gRPC method: handles that are made once, so that a call costs a few atomic additions.

use super::names;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::sync::OnceLock;
use std::time::Duration;

/// The names of gRPC statuses, by number.
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The method of everything that is no method of the gateway's own services.
pub const OTHER_METHOD: &str = "other";

/// The meters of one method.
pub struct RpcMeters {
    method: String,
    in_flight: Gauge,
    seconds: Histogram,
    /// By status; made when it first occurs.
    answers: [OnceLock<Counter>; CODES.len()],
}

impl std::fmt::Debug for RpcMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcMeters").field("method", &self.method).finish_non_exhaustive()
    }
}

impl RpcMeters {
    /// Meters of a method, `DispensingService/Dispense` or the like. Metrics must have been started.
    pub fn of(method: &str) -> Self {
        let name = method.to_owned();
        Self {
            in_flight: gauge!(names::RPC_IN_FLIGHT, "method" => name.clone()),
            seconds: histogram!(names::RPC_SECONDS, "method" => name.clone()),
            answers: std::array::from_fn(|_| OnceLock::new()),
            method: name,
        }
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// A call has begun.
    pub fn begun(&self) {
        self.in_flight.increment(1.0);
    }

    /// A call has ended with a status; gives the status' name. A number that is no status is UNKNOWN.
    pub fn ended(&self, code: usize, took: Duration) -> &'static str {
        self.in_flight.decrement(1.0);
        self.seconds.record(took.as_secs_f64());
        const UNKNOWN: usize = 2;
        let code = if code < CODES.len() { code } else { UNKNOWN };
        let name = CODES.get(code).copied().unwrap_or_default();
        if let Some(answers) = self.answers.get(code) {
            let made = || counter!(names::RPC_ANSWERS, "method" => self.method.clone(), "code" => name);
            answers.get_or_init(made).increment(1);
        }
        name
    }
}
