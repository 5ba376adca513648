//! Releases requests when they are due, on a thread of its own: whatever keeps the senders busy does not delay it.

use super::arrivals::Arrivals;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The pacer looks this often at most, so that it does not take the processor from those it measures. What fell
/// due in between is released together: every latency of an open loop contains up to this wait, on average
/// half of it, the same for every server.
pub const TICK: Duration = Duration::from_micros(200);

/// Starts a pacer. It ends when everything is released, or the arrivals are ended; gives the most requests that
/// were due and waited because nobody was free to send them.
pub(super) fn start(arrivals: Arc<Arrivals>) -> io::Result<JoinHandle<usize>> {
    std::thread::Builder::new().name("pacer".to_owned()).spawn(move || pace(&arrivals))
}

fn pace(arrivals: &Arrivals) -> usize {
    let (mut count, mut waiting_most) = (0, 0);
    while !arrivals.is_ended() {
        let released = arrivals.release(count);
        count = released.count;
        waiting_most = waiting_most.max(released.waiting);
        let Some(due) = released.next_due else { break };
        let wait = due.saturating_sub(arrivals.now()).max(TICK);
        // signal: the schedule is the clock itself.
        std::thread::sleep(wait.min(Duration::from_millis(100)));
    }
    arrivals.release_takers();
    waiting_most
}
