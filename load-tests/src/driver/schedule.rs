//! When each request is due, fixed before the first is sent. Must not know how the server is doing.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Most arrivals of one schedule.
pub const ARRIVALS_MAX: usize = 10_000_000;
const NANOS: f64 = 1e9;

/// How arrivals are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// The same gap between any two.
    Even,
    /// Independent callers: exponential gaps, the same for the same seed.
    Poisson {
        /// Of the gaps.
        seed: u64,
    },
}

/// Why there is no such schedule.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BadSchedule {
    /// No number, nothing, or less than nothing.
    #[error("a rate of {0} per second cannot be offered; it must be over 0")]
    Rate(f64),
    /// Too many arrivals.
    #[error(
        "{0} arrivals are more than {ARRIVALS_MAX}, the most of one schedule; lower the rate or the seconds"
    )]
    TooMany(f64),
}

/// The moments at which requests are due, in nanoseconds since the start, rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    due: Vec<u64>,
}

impl Schedule {
    /// Arrivals at `per_second` for `length`.
    pub fn new(per_second: f64, length: Duration, spacing: Spacing) -> Result<Self, BadSchedule> {
        if !per_second.is_finite() || per_second <= 0.0 {
            return Err(BadSchedule::Rate(per_second));
        }
        let expected = per_second * length.as_secs_f64();
        if expected > ARRIVALS_MAX as f64 {
            return Err(BadSchedule::TooMany(expected.round()));
        }
        let gap = NANOS / per_second;
        let end = length.as_nanos() as f64;
        let mut due = Vec::with_capacity(expected as usize + 1);
        match spacing {
            // Multiplied, not added up: a thousand small errors would shift the end.
            Spacing::Even => {
                due.extend((0..).map(|n| f64::from(n) * gap).take_while(|at| *at < end).map(|at| at as u64));
            }
            Spacing::Poisson { seed } => {
                let mut random = SmallRng::seed_from_u64(seed);
                let mut at = 0.0;
                while at < end && due.len() < ARRIVALS_MAX {
                    due.push(at as u64);
                    // The logarithm of a number over 0 and up to 1.
                    at -= (1.0 - random.random::<f64>()).ln() * gap;
                }
            }
        }
        Ok(Self { due })
    }

    /// How many arrivals there are.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// When an arrival is due, from 0; `None` behind the last.
    pub fn due(&self, arrival: u64) -> Option<Duration> {
        let at = usize::try_from(arrival).ok()?;
        self.due.get(at).copied().map(Duration::from_nanos)
    }

    /// How many are due by now.
    pub fn due_by(&self, now: Duration) -> usize {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.due.partition_point(|at| *at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(per_second: f64, ms: u64) -> Schedule {
        Schedule::new(per_second, Duration::from_millis(ms), Spacing::Even).unwrap()
    }

    #[test]
    fn even_arrivals_keep_their_distance_to_the_end() {
        let check = |per_second: f64, ms: u64, arrivals: usize, last_us: u128| {
            let schedule = even(per_second, ms);
            assert_eq!(schedule.len(), arrivals, "{per_second}/s for {ms} ms");
            let last = schedule.due(arrivals as u64 - 1).unwrap();
            assert_eq!(last.as_micros(), last_us, "{per_second}/s for {ms} ms");
            assert_eq!(schedule.due(arrivals as u64), None);
        };
        check(1000.0, 1000, 1000, 999_000);
        check(3.0, 1000, 3, 666_666);
        check(0.5, 4000, 2, 2_000_000);
        check(250_000.0, 2000, 500_000, 1_999_996);
    }

    #[test]
    fn what_is_due_grows_with_the_time() {
        let schedule = even(1000.0, 10);
        let check = |us: u64, due: usize| {
            assert_eq!(schedule.due_by(Duration::from_micros(us)), due, "after {us} µs");
        };
        check(0, 1);
        check(999, 1);
        check(1000, 2);
        check(4500, 5);
        check(1_000_000, 10);
    }

    #[test]
    fn poisson_arrivals_repeat_with_their_seed_and_keep_the_rate() {
        let of = |seed| Schedule::new(2000.0, Duration::from_secs(20), Spacing::Poisson { seed }).unwrap();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        // Forty thousand expected; the standard deviation is their root, 200.
        let arrivals = of(7).len();
        assert!((39_000..=41_000).contains(&arrivals), "{arrivals}");
        let schedule = of(7);
        let gap = |n: u64| schedule.due(n).unwrap() - schedule.due(n - 1).unwrap();
        let short = (1..arrivals as u64).filter(|n| gap(*n) < Duration::from_micros(50)).count();
        // One gap in ten is shorter than a tenth of the mean gap.
        let share = short as f64 / arrivals as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    }

    #[test]
    fn a_schedule_that_cannot_be_kept_is_refused() {
        let check = |per_second: f64, seconds: u64| {
            let made = Schedule::new(per_second, Duration::from_secs(seconds), Spacing::Even);
            assert!(made.is_err(), "{per_second}/s for {seconds} s");
        };
        check(0.0, 1);
        check(-1.0, 1);
        check(f64::NAN, 1);
        check(f64::INFINITY, 1);
        check(1_000_000.0, 11);
    }
}
