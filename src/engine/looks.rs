//! Work that the gateway does by itself once a day: it looks at the clock again and again, until the gateway stops.

use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the clock.
pub(super) struct Looks<'a> {
    ticks: Interval,
    stop: &'a CancellationToken,
}

impl<'a> Looks<'a> {
    pub fn until(stop: &'a CancellationToken) -> Self {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stop }
    }

    /// Waits for the next look; `false` = the gateway stops.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.ticks.tick() => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Does some work, which is dropped where the gateway stops: `None`.
    pub async fn work<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.stop.cancelled() => None,
        }
    }

    /// Waits before failed work is tried again, or until the gateway stops.
    pub async fn pause(&self, pause: Duration) {
        // signal: what is away tells nobody that it is back.
        self.work(tokio::time::sleep(pause)).await;
    }
}
