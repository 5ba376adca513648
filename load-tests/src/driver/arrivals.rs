//! The source of requests: whoever is free takes the next. At once, or on a schedule.

use super::schedule::Schedule;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tracegate::clock::Stopwatch;

/// More than there are takers: each finds one and sees that it is over.
const ALL_TAKERS: usize = 1 << 40;

/// A request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number; no two requests of a run have the same.
    pub number: u64,
    /// Its latency counts from here: when it was due, or, without a schedule, when it was taken.
    pub since: Duration,
    /// When it was taken.
    pub taken: Duration,
}

/// Requests to send, in order.
#[derive(Debug)]
pub struct Arrivals {
    first: u64,
    next: AtomicU64,
    watch: Stopwatch,
    ended: AtomicBool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    AtOnce { requests_max: u64 },
    Scheduled { schedule: Schedule, released: Semaphore },
}

impl Arrivals {
    /// Always one more, `requests_max` in all; their numbers begin at `first`.
    pub fn at_once(first: u64, requests_max: u64) -> Self {
        Self::new(first, Kind::AtOnce { requests_max })
    }

    /// Those of a schedule, as they are released. The clock runs from now.
    pub fn scheduled(first: u64, schedule: Schedule) -> Self {
        Self::new(first, Kind::Scheduled { schedule, released: Semaphore::new(0) })
    }

    fn new(first: u64, kind: Kind) -> Self {
        let (next, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { first, next, watch: Stopwatch::start(), ended, kind }
    }

    /// The next one; waits until it is released. `None` = there are no more.
    pub async fn next(&self) -> Option<Arrival> {
        if let Kind::Scheduled { released, .. } = &self.kind {
            released.acquire().await.ok()?.forget();
        }
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        let taken = self.now();
        let since = match &self.kind {
            Kind::AtOnce { requests_max } => (place < *requests_max).then_some(taken)?,
            Kind::Scheduled { schedule, .. } => schedule.due(place)?,
        };
        Some(Arrival { number: self.first + place, since, taken })
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        let taken = self.next.load(Ordering::Relaxed);
        match &self.kind {
            Kind::AtOnce { requests_max } => taken.min(*requests_max),
            Kind::Scheduled { schedule, .. } => taken.min(schedule.len() as u64),
        }
    }

    /// No more from now on.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.release_takers();
    }

    /// Whether it was ended.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Releases what is due now beyond the `before` first. Gives how many are released then, when the next is due,
    /// and how many of those before still wait for somebody free.
    pub(super) fn release(&self, before: usize) -> Released {
        let Kind::Scheduled { schedule, released } = &self.kind else {
            return Released { count: before, next_due: None, waiting: 0 };
        };
        let waiting = released.available_permits();
        let count = schedule.due_by(self.now()).max(before);
        released.add_permits(count - before);
        Released { count, next_due: schedule.due(count as u64), waiting }
    }

    /// Lets everybody who waits see that there is nothing more.
    pub(super) fn release_takers(&self) {
        if let Kind::Scheduled { released, .. } = &self.kind {
            released.add_permits(ALL_TAKERS);
        }
    }
}

/// What the pacer learns from a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Released {
    pub count: usize,
    pub next_due: Option<Duration>,
    pub waiting: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Spacing;

    #[tokio::test]
    async fn a_backlog_keeps_the_times_it_was_due() {
        let schedule = Schedule::new(1000.0, Duration::from_millis(5), Spacing::Even).unwrap();
        let arrivals = Arrivals::scheduled(70, schedule);
        while arrivals.now() < Duration::from_millis(6) {
            tokio::task::yield_now().await;
        }
        // Everything is released late, in one batch.
        assert_eq!(arrivals.release(0), Released { count: 5, next_due: None, waiting: 0 });
        assert_eq!(arrivals.release(5).waiting, 5);
        arrivals.release_takers();
        for n in 0..5 {
            let arrival = arrivals.next().await.unwrap();
            assert_eq!((arrival.number, arrival.since), (70 + n, Duration::from_millis(n)));
            assert!(arrival.taken >= Duration::from_millis(6));
        }
        assert_eq!(arrivals.next().await, None);
        assert_eq!(arrivals.taken(), 5);
    }

    #[tokio::test]
    async fn a_count_or_an_end_stops_them() {
        let counted = Arrivals::at_once(0, 2);
        assert!(counted.next().await.is_some() && counted.next().await.is_some());
        assert_eq!(counted.next().await, None);
        assert_eq!(counted.taken(), 2);
        let ended = Arrivals::at_once(0, 2);
        ended.end();
        assert_eq!(ended.next().await, None);
    }
}
