//! How often a log is synced while several callers sell at once.

use crate::clock::Stopwatch;
use std::time::Duration;

/// Between the beginnings of two syncs, while more than one change comes at a time.
pub(super) const SYNC_INTERVAL: Duration = Duration::from_millis(1);
/// A group of so many changes does not wait: of its sync each of them pays next to nothing.
const ENOUGH_CHANGES: usize = 16;

/// When the next group may be written.
///
/// A sync costs a core a tenth of a millisecond, for one change as for a hundred. A quick disk would be synced for every
/// second change, and the cores that should judge would be busy with syncing. So what comes within the interval after
/// the last group began is gathered for the next one. Who sells alone never waits: where one change follows another,
/// each is written as it comes.
pub(super) struct Pace {
    interval: Duration,
    last: Option<(Stopwatch, usize)>,
}

impl Pace {
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// A group of so many changes is written now.
    pub fn begins(&mut self, changes: usize) {
        self.last = Some((Stopwatch::start(), changes));
    }

    /// How long a group of so many changes waits for more; `None` = it is written at once.
    pub fn rest(&self, changes: usize) -> Option<Duration> {
        let (began, before) = self.last?;
        rest(self.interval, (began.elapsed(), before), changes)
    }
}

/// As [`Pace::rest`], where the last group began so long ago and had so many changes.
fn rest(interval: Duration, (ago, before): (Duration, usize), changes: usize) -> Option<Duration> {
    let alone = before.saturating_add(changes) <= 2;
    if alone || changes >= ENOUGH_CHANGES {
        return None;
    }
    interval.checked_sub(ago).filter(|rest| !rest.is_zero())
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH_CHANGES, rest};
    use std::time::Duration;

    #[test]
    fn a_group_waits_for_others_only_where_others_are() {
        let row = |ago, before, changes, waits: Option<u64>| {
            let micros = Duration::from_micros;
            let found = rest(micros(1000), (micros(ago), before), changes);
            assert_eq!(found, waits.map(micros), "{changes} after {before}, {ago} us ago");
        };
        row(100, 1, 1, None);
        row(100, 0, 1, None);
        row(100, 2, 1, Some(900));
        row(100, 1, 2, Some(900));
        row(100, 200, 1, Some(900));
        row(100, 200, ENOUGH_CHANGES, None);
        row(100, 200, ENOUGH_CHANGES - 1, Some(900));
        row(1000, 5, 5, None);
        row(5000, 5, 5, None);
    }
}
