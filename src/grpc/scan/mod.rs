//! `Scan`: one stream of checks and dispenses. One task reads a stream, keeps its messages in flight and hands over
//! the answers; the writer meets documents that arrive together in one group. What is in flight is bounded, and
//! what was read is decided to its end, whether or not the client stays.

mod desk;
mod incoming;

pub use incoming::Incoming;

use super::{Door, caller, pb};
use crate::domain::access::Principal;
use crate::telemetry::ScanStream;
use desk::{Answered, Desk};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

/// Answers that wait for the connection to take them.
const ANSWERS_UNDER_WAY_MAX: usize = 64;

/// What one stream may hold, and how long it may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Messages that were read and whose answers did not leave yet.
    pub in_flight_max: usize,
    /// Bytes of these on the wire; with as many in flight no further one is read.
    pub in_flight_bytes_max: usize,
    /// Age at which the stream is ended.
    pub age_max: Duration,
}

/// The answers of a stream.
pub(super) type Answers = ReceiverStream<Result<pb::ScanResponse, Status>>;

/// Reads a stream and answers it, on a task of its own.
pub(super) fn open(
    door: &Door,
    limits: ScanLimits,
    caller: Principal,
    messages: Streaming<Incoming>,
) -> Answers {
    let (answers, under_way) = mpsc::channel(ANSWERS_UNDER_WAY_MAX);
    let desk = Desk { engine: Arc::clone(&door.engine), work: door.work.clone(), caller };
    let driver = Driver {
        desk: Arc::new(desk),
        messages,
        limits,
        stop: door.stop.clone(),
        decided: VecDeque::new(),
        read: 0,
        bytes: 0,
        count: ScanStream::open(),
    };
    door.work.spawn(async move {
        let ended = AssertUnwindSafe(driver.run(&answers)).catch_unwind().await;
        let status = ended.unwrap_or_else(|_| {
            tracing::error!("a stream of scans ended in a panic");
            Err(Status::internal("the gateway failed on this stream; send what has no answer again"))
        });
        if let Err(status) = status {
            // Where nobody is there to be told, nobody is told.
            drop(answers.send(Err(status)).await);
        }
    });
    ReceiverStream::new(under_way)
}

/// One open stream.
struct Driver {
    desk: Arc<Desk>,
    messages: Streaming<Incoming>,
    limits: ScanLimits,
    stop: CancellationToken,
    /// Answers that wait for their way out.
    decided: VecDeque<Answered>,
    /// Messages that were read so far.
    read: u64,
    /// Bytes of the messages in flight.
    bytes: usize,
    count: ScanStream,
}

impl Driver {
    /// Answers every message that is read; gives what the stream ends with.
    async fn run(mut self, answers: &mpsc::Sender<Result<pb::ScanResponse, Status>>) -> Result<(), Status> {
        let mut deciding = FuturesUnordered::new();
        let mut told_to_end = pin!(told_to_end(self.stop.clone(), self.limits.age_max));
        // Set once nothing more is read.
        let mut end = None;
        loop {
            let is_idle = deciding.is_empty() && self.decided.is_empty();
            if is_idle && let Some(end) = end.take() {
                return end;
            }
            let may_read = end.is_none() && self.has_room();
            // In this order: what is decided leaves before more is judged, and both before more is read.
            tokio::select! {
                biased;
                why = &mut told_to_end, if end.is_none() => end = Some(Err(why)),
                place = answers.reserve(), if !self.decided.is_empty() => match place {
                    Ok(place) => self.hand_over(place),
                    // The client is gone. What was read is decided all the same.
                    Err(_) => {
                        self.decided.clear();
                        end = Some(Ok(()));
                    }
                },
                Some(answered) = deciding.next(), if !deciding.is_empty() => self.decided.push_back(answered),
                message = self.messages.message(), if may_read => match message {
                    // A key may have ended meanwhile: then nothing more is looked at.
                    Ok(Some(incoming)) => match caller::still(&self.desk.engine, &self.desk.caller) {
                        Ok(()) => deciding.push(self.take(incoming)),
                        Err(status) => end = Some(Err(status)),
                    },
                    Ok(None) => end = Some(Ok(())),
                    Err(status) => end = Some(Err(self.unreadable(status))),
                },
            }
        }
    }

    fn has_room(&self) -> bool {
        let held = usize::try_from(self.count.held()).unwrap_or(usize::MAX);
        held < self.limits.in_flight_max && self.bytes < self.limits.in_flight_bytes_max
    }

    /// Starts on a message.
    fn take(&mut self, incoming: Incoming) -> impl Future<Output = Answered> + use<> {
        self.read += 1;
        self.bytes += incoming.bytes;
        self.count.read();
        desk::answer(Arc::clone(&self.desk), self.read, incoming)
    }

    /// Lets one answer go.
    fn hand_over(&mut self, place: mpsc::Permit<'_, Result<pb::ScanResponse, Status>>) {
        if let Some(answered) = self.decided.pop_front() {
            self.bytes -= answered.bytes;
            self.count.left();
            place.send(Ok(answered.response));
        }
    }

    /// Why no further message can be read.
    fn unreadable(&self, status: Status) -> Status {
        if status.code() != Code::OutOfRange {
            return status;
        }
        let (at, why) = (self.read + 1, status.message());
        Status::out_of_range(format!(
            "message {at} is over grpc.message_bytes_max and was not read, nor what came behind it: {why}. Split its \
             document and send on in another stream"
        ))
    }
}

/// Waits until the stream must end although its client would send on; gives the reason.
async fn told_to_end(stop: CancellationToken, age_max: Duration) -> Status {
    let why = tokio::select! {
        () = stop.cancelled() => "the gateway stops".to_owned(),
        // signal: an age is reached by waiting.
        () = tokio::time::sleep(age_max) => {
            format!("the stream is older than {} s (grpc.connection_age_seconds_max)", age_max.as_secs())
        }
    };
    Status::unavailable(format!(
        "{why}; messages without an answer were not looked at: open another stream and send them again, unchanged"
    ))
}
