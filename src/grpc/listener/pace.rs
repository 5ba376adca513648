//! How fast a connection is read. Where calls of it are refused because too many are worked on, it is read in small
//! pieces with rests between them: a refusal costs a fifth of a verdict, and who sends on regardless must not take from
//! the others what they are let in for. What is not read waits with its sender, as HTTP/2 and TCP mean it to.

use super::super::admission::{Counted, Load};
use super::super::status::RETRY_AFTER;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// So many bytes are read between two rests: some twenty sales of a few boxes each.
const PIECE_BYTES: usize = 8 << 10;
/// After a refusal so many pieces are read one by one: where answers come in groups all places are free for a moment, and
/// what would be read at once then is many times what there is room for.
const PIECES: u32 = 200;
/// The rest between two pieces while places are free.
const BREATH: Duration = Duration::from_millis(1);
/// The rest while no place is free: so long for each connection that rests, so that their number matters little, within
/// [`REST_MIN`] and [`REST_MAX`].
const REST_EACH: Duration = Duration::from_millis(3);
const REST_MIN: Duration = Duration::from_millis(50);
/// As long as who is refused is told to wait: who does so is not held up.
const REST_MAX: Duration = RETRY_AFTER;

/// Whether calls of a connection were refused since it was last asked.
#[derive(Debug, Clone, Default)]
pub(in crate::grpc) struct Refusals(Arc<AtomicBool>);

impl Refusals {
    /// One was.
    pub fn one(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn any(&self) -> bool {
        // Nearly always none: others read what nobody writes for nothing.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// How fast a connection is read.
#[derive(Debug)]
pub(super) struct Pace {
    load: Load,
    refusals: Refusals,
    /// Pieces that are still read one by one.
    pieces: u32,
    rest: Option<(Pin<Box<Sleep>>, Counted)>,
}

impl Pace {
    pub fn new(load: Load, refusals: Refusals) -> Self {
        Self { load, refusals, pieces: 0, rest: None }
    }

    /// Ready once the rest is over: so many bytes may be read; `None` = as many as there are.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if let Some((rest, _)) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
            self.rest = None;
        }
        if self.refusals.any() {
            self.pieces = PIECES;
        }
        Poll::Ready((self.pieces > 0).then_some(PIECE_BYTES))
    }

    /// Bytes were read.
    pub fn has_read(&mut self) {
        if self.pieces == 0 {
            return;
        }
        self.pieces -= 1;
        let rests = self.load.rests();
        // signal: the time itself is what is waited for.
        self.rest = Some((Box::pin(tokio::time::sleep(self.length())), rests));
    }

    /// How long the next rest is.
    fn length(&self) -> Duration {
        if self.load.is_full() { rest_of(self.load.resting()) } else { BREATH }
    }
}

/// How long a connection rests while no place is free, as one of so many.
fn rest_of(resting: usize) -> Duration {
    let each = REST_EACH.saturating_mul(u32::try_from(resting).unwrap_or(u32::MAX));
    each.clamp(REST_MIN, REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::super::admission::{Admission, AdmissionLimits};
    use super::*;
    use std::task::Waker;

    fn admission() -> Admission {
        let most = AdmissionLimits {
            requests_in_flight_max: 1,
            requests_per_caller_max: 1,
            streams_per_caller_max: 1,
        };
        Admission::new(most)
    }

    fn asked(pace: &mut Pace) -> Poll<Option<usize>> {
        pace.poll_ready(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_connection_is_read_slowly_after_a_refusal_and_freely_again() {
        let (admission, refusals) = (admission(), Refusals::default());
        let mut pace = Pace::new(admission.load(), refusals.clone());
        pace.has_read();
        assert_eq!(asked(&mut pace), Poll::Ready(None), "nothing was refused");
        refusals.one();
        for piece in 0..PIECES {
            let most = std::future::poll_fn(|context| pace.poll_ready(context)).await;
            assert_eq!(most, Some(PIECE_BYTES), "piece {piece}");
            pace.has_read();
            assert_eq!(asked(&mut pace), Poll::Pending, "it rests after piece {piece}");
        }
        let most = std::future::poll_fn(|context| pace.poll_ready(context)).await;
        assert_eq!(most, None, "the refusal is long past");
    }

    #[tokio::test]
    async fn it_rests_longer_while_no_place_is_free() {
        let (admission, refusals) = (admission(), Refusals::default());
        let mut pace = Pace::new(admission.load(), refusals.clone());
        assert_eq!(pace.length(), BREATH, "a place is free");
        let place = admission.call();
        assert_eq!(pace.length(), REST_MIN, "no place is free");
        drop(place);
        assert_eq!(pace.length(), BREATH, "it is free again");
        refusals.one();
        assert_eq!(asked(&mut pace), Poll::Ready(Some(PIECE_BYTES)));
        pace.has_read();
        assert_eq!(admission.load().resting(), 1);
        drop(pace);
        assert_eq!(admission.load().resting(), 0, "nobody rests any more");
    }

    #[test]
    fn a_rest_grows_with_those_who_rest_and_ends_when_a_caller_may_ask_again() {
        let rows = [(0, 50), (1, 50), (16, 50), (20, 60), (100, 300), (167, 500), (usize::MAX, 500)];
        for (resting, millis) in rows {
            assert_eq!(rest_of(resting), Duration::from_millis(millis), "{resting} connections rest");
        }
    }
}
