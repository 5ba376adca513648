//! What is done every now and then, until the store is closed.

use super::Shared;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Ticks, the first one at once. One that was missed is not made up for.
pub(super) struct Ticks {
    ticks: Interval,
    closing: CancellationToken,
}

impl Shared {
    /// Ticks until the store is closed.
    pub fn every(&self, period: Duration) -> Ticks {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ticks { ticks, closing: self.closing.clone() }
    }
}

impl Ticks {
    /// Waits for the next one; gives whether the store is still open.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.ticks.tick() => true,
            () = self.closing.cancelled() => false,
        }
    }
}
