//! What one lane has done. A lane has its own, so that lanes do not wait for each other; they are added up at the end.

use super::arrivals::{Arrival, Arrivals};
use super::faults::{Fault, Faults};
use super::latency::Latencies;
use hdrhistogram::CreationError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A request that is sent this long after it was due is late: the driver, not the server, was too slow, or
/// everybody who could send it waited for an answer.
const LATE: Duration = Duration::from_millis(5);

/// What one lane has sent and got.
#[derive(Debug)]
pub struct Tally {
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) faults: Arc<Faults>,
    completed: AtomicU64,
    late: AtomicU64,
    latencies: Mutex<Latencies>,
    delays: Mutex<Latencies>,
}

impl Tally {
    pub(super) fn new(arrivals: Arc<Arrivals>, faults: Arc<Faults>) -> Result<Self, CreationError> {
        Ok(Self {
            arrivals,
            faults,
            completed: AtomicU64::new(0),
            late: AtomicU64::new(0),
            latencies: Mutex::new(Latencies::new()?),
            delays: Mutex::new(Latencies::new()?),
        })
    }

    /// The next request to send; `None` = there are no more.
    pub async fn next(&self) -> Option<Arrival> {
        let arrival = self.arrivals.next().await?;
        let delay = arrival.taken.saturating_sub(arrival.since);
        if delay > LATE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        locked(&self.delays).record(delay);
        Some(arrival)
    }

    /// A request was answered, rightly or wrongly. After too many faults nothing more arrives.
    pub fn answered(&self, arrival: &Arrival, outcome: Result<(), Fault>) {
        let latency = self.arrivals.now().saturating_sub(arrival.since);
        locked(&self.latencies).record(latency);
        self.completed.fetch_add(1, Ordering::Relaxed);
        if let Err(fault) = outcome {
            self.fault(fault);
        }
    }

    /// Something went wrong that belongs to no single request.
    pub fn fault(&self, fault: Fault) {
        if self.faults.add(fault) {
            self.arrivals.end();
        }
    }

    pub(super) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Forgets the latencies so far.
    pub(super) fn clear(&self) {
        locked(&self.latencies).clear();
    }

    /// Adds its latencies and delays to others.
    pub(super) fn add_to(&self, latencies: &mut Latencies, delays: &mut Latencies) {
        latencies.add(&locked(&self.latencies));
        delays.add(&locked(&self.delays));
    }
}

fn locked(latencies: &Mutex<Latencies>) -> MutexGuard<'_, Latencies> {
    latencies.lock().unwrap_or_else(PoisonError::into_inner)
}
