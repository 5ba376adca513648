//! Answers one message of a `Scan` stream, whatever it is: with a verdict, an error, or a word that it failed.
//! Knows no stream.

use super::Incoming;
use crate::domain::access::Principal;
use crate::domain::party::Caller;
use crate::engine::{Engine, EngineError};
use crate::grpc::{dispensing, pb, status, watch};
use futures_util::FutureExt;
use pb::scan_request::Request;
use pb::scan_response::Answer;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// A document with more codes is judged on a task of its own: judging is work, not waiting, and all other messages
/// of a stream are judged on one task.
const CODES_JUDGED_IN_PLACE_MAX: usize = 64;

/// What the answers of one stream need.
pub(super) struct Desk {
    pub engine: Arc<Engine>,
    pub work: TaskTracker,
    pub caller: Principal,
}

/// An answer with what it leaves free.
pub(super) struct Answered {
    /// The size of its message on the wire.
    pub bytes: usize,
    pub response: pb::ScanResponse,
}

/// Answers a message.
pub(super) async fn answer(desk: Arc<Desk>, message_no: u64, incoming: Incoming) -> Answered {
    let Incoming { correlation_id, bytes, request } = incoming;
    let answer = match request {
        Ok(request) => decided(&desk, request).await,
        Err(error) => Answer::Error(status::scan_error(&error)),
    };
    Answered { bytes, response: pb::ScanResponse { correlation_id, message_no, answer: Some(answer) } }
}

/// Decides a request. A panic is its own answer and nobody else's.
async fn decided(desk: &Arc<Desk>, request: Request) -> Answer {
    let is_large = codes_in(&request) > CODES_JUDGED_IN_PLACE_MAX;
    let deciding = decide(Arc::clone(desk), request);
    let ended = if is_large {
        desk.work.spawn(deciding).await.map_err(|error| error.to_string())
    } else {
        // Nothing is left half done behind a panic: the future is gone, and the engine's locks mend themselves.
        AssertUnwindSafe(deciding).catch_unwind().await.map_err(|_| "a panic".to_owned())
    };
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "a scan ended in a panic");
        Answer::Error(status::scan_failed())
    })
}

async fn decide(desk: Arc<Desk>, request: Request) -> Answer {
    let Desk { engine, caller, .. } = &*desk;
    let request_id = match &request {
        Request::Check(_) => String::new(),
        Request::Dispense(request) => request.request_id.clone(),
    };
    let span = watch::event(&request_id);
    decide_one(engine, caller, request).instrument(span).await.unwrap_or_else(|error| {
        let _named = watch::named(&request_id).entered();
        Answer::Error(status::scan_error(&error))
    })
}

async fn decide_one(engine: &Engine, caller: &Caller, request: Request) -> Result<Answer, EngineError> {
    match request {
        Request::Check(request) => dispensing::check(engine, caller, request).await.map(Answer::Check),
        Request::Dispense(request) => {
            dispensing::dispense(engine, caller, request).await.map(Answer::Dispense)
        }
    }
}

fn codes_in(request: &Request) -> usize {
    let document = match request {
        Request::Check(request) => &request.document,
        Request::Dispense(request) => &request.document,
    };
    document.iter().flat_map(|document| &document.lines).map(|line| line.codes.len()).sum()
}
