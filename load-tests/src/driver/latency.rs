//! Latencies of many requests, in microseconds, to three digits. Must not know where they come from.

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;
use std::time::Duration;

/// Longer ones count as this: two minutes.
const LATENCY_US_MAX: u64 = 120_000_000;
const DIGITS: u8 = 3;

/// A histogram of latencies.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// What a histogram says, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many latencies there are.
    pub count: u64,
    /// Their mean.
    pub mean_us: f64,
    /// Half of them were at most this.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Self, CreationError> {
        Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).map(Self)
    }

    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.0.saturating_record(us.clamp(1, LATENCY_US_MAX));
    }

    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that adding never fails; a failure would lose counts and is told.
        if let Err(error) = self.0.add(&other.0) {
            eprintln!("latencies were lost: {error}");
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// What they say.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile: f64| self.0.value_at_quantile(quantile);
        Percentiles {
            count: self.0.len(),
            mean_us: self.0.mean(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies_ms: impl IntoIterator<Item = u64>) -> Latencies {
        let mut all = Latencies::new().unwrap();
        for ms in latencies_ms {
            all.record(Duration::from_millis(ms));
        }
        all
    }

    /// Three digits: a part in a thousand.
    #[track_caller]
    fn check(us: u64, expected_ms: u64) {
        let expected = expected_ms * 1000;
        assert!(us.abs_diff(expected) * 1000 <= expected, "{us} µs, expected {expected}");
    }

    #[test]
    fn percentiles_are_what_they_say() {
        let said = of(1..=1000).percentiles();
        assert_eq!(said.count, 1000);
        check(said.p50_us, 500);
        check(said.p90_us, 900);
        check(said.p99_us, 990);
        check(said.p999_us, 999);
        check(said.max_us, 1000);
    }

    #[test]
    fn merged_histograms_say_what_one_histogram_would() {
        let mut merged = of((1..=1000).step_by(2));
        merged.add(&of((2..=1000).step_by(2)));
        assert_eq!(merged.percentiles(), of(1..=1000).percentiles());
        let mut skewed = of([1; 999]);
        skewed.add(&of([1000]));
        check(skewed.percentiles().p99_us, 1);
        check(skewed.percentiles().max_us, 1000);
    }

    #[test]
    fn what_is_out_of_bounds_counts_at_the_bound() {
        let mut all = of([]);
        all.record(Duration::ZERO);
        all.record(Duration::from_secs(3600));
        assert_eq!(all.percentiles().count, 2);
        check(all.percentiles().max_us, LATENCY_US_MAX / 1000);
    }
}
