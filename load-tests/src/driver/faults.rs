//! Requests that went wrong: all are counted, the first are kept word for word.

use serde::Serialize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many are kept word for word.
const KEPT_MAX: usize = 5;
/// A run with more than this is ended: it measures nothing any more.
const FAULTS_MAX: u64 = 1000;

/// What was wrong with one request or its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

impl From<tonic::Status> for Fault {
    fn from(status: tonic::Status) -> Self {
        Self(format!("{:?}: {}", status.code(), status.message()))
    }
}

/// The faults of a phase while it runs.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: AtomicU64,
    first: Mutex<Vec<String>>,
}

/// The faults of a phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FaultsSeen {
    /// How many requests went wrong.
    pub count: u64,
    /// Their share of all.
    pub share: f64,
    /// The first ones, word for word.
    pub first: Vec<String>,
}

impl Faults {
    /// Counts one. True where there are too many to go on.
    pub(super) fn add(&self, fault: Fault) -> bool {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if first.len() < KEPT_MAX {
            first.push(fault.0);
        }
        before >= FAULTS_MAX
    }

    /// What was seen among `requests`, and `more` that never got an answer.
    pub(super) fn seen(&self, requests: u64, more: u64) -> FaultsSeen {
        let mut first = self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if more > 0 {
            first.push(format!("{more} requests had no answer at the end"));
        }
        let count = self.count.load(Ordering::Relaxed) + more;
        FaultsSeen { count, share: if requests == 0 { 0.0 } else { count as f64 / requests as f64 }, first }
    }
}
