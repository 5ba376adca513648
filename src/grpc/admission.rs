//! How much is worked on at the same time, in all and by caller: what is too much is refused at once, before anything of
//! it is read, so that the rest is answered in time.

use crate::domain::party::Caller;
use crate::engine::EngineError;
use http_body::{Frame, SizeHint};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

/// How long a caller should wait for one of its streams to end.
const STREAM_AFTER: Duration = Duration::from_secs(1);

/// What is worked on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Calls of one message with one answer, of all callers.
    pub requests_in_flight_max: usize,
    /// Open streams of one caller.
    pub streams_per_caller_max: usize,
}

/// What is being worked on.
#[derive(Debug)]
pub(super) struct Admission {
    limits: AdmissionLimits,
    in_flight: Arc<AtomicUsize>,
    streams: Arc<Mutex<HashMap<Caller, usize>>>,
}

/// A place among the calls in flight, or among the streams of a caller; free again when this is dropped.
#[derive(Debug)]
pub(super) enum Place {
    Call(Arc<AtomicUsize>),
    Stream(Arc<Mutex<HashMap<Caller, usize>>>, Caller),
}

impl Admission {
    pub fn new(limits: AdmissionLimits) -> Self {
        Self { limits, in_flight: Arc::default(), streams: Arc::default() }
    }

    /// A place for a call of one message with one answer.
    pub fn call(&self) -> Result<Place, EngineError> {
        let place = Place::Call(Arc::clone(&self.in_flight));
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < self.limits.requests_in_flight_max {
            return Ok(place);
        }
        Err(EngineError::Overloaded)
    }

    /// A place for a stream of a caller. The operator has as many as it needs.
    pub fn stream(&self, caller: &Caller) -> Result<Place, EngineError> {
        let mut open = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.entry(caller.clone()).or_default();
        if *own >= self.limits.streams_per_caller_max && *caller != Caller::Operator {
            return Err(EngineError::Overrun { of: "open streams", after: STREAM_AFTER });
        }
        *own += 1;
        drop(open);
        Ok(Place::Stream(Arc::clone(&self.streams), caller.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self {
            Self::Call(in_flight) => {
                in_flight.fetch_sub(1, Ordering::Relaxed);
            }
            Self::Stream(streams, caller) => {
                let mut open = streams.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(own) = open.get_mut(caller) {
                    *own = own.saturating_sub(1);
                    if *own == 0 {
                        open.remove(caller);
                    }
                }
            }
        }
    }
}

/// An answer that keeps its place until it has ended.
pub(super) struct Kept {
    body: Body,
    _place: Place,
}

impl Kept {
    pub const fn new(body: Body, place: Place) -> Self {
        Self { body, _place: place }
    }
}

impl http_body::Body for Kept {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
