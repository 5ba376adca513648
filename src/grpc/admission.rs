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

/// How long a caller should wait for one of its own places.
const OWN_AFTER: Duration = Duration::from_secs(1);

/// What is worked on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Calls of one message with one answer, of all callers.
    pub requests_in_flight_max: usize,
    /// The same of one caller: who sends slowly must not take the places of all others.
    pub requests_per_caller_max: usize,
    /// Open streams of one caller.
    pub streams_per_caller_max: usize,
}

/// What is being worked on.
#[derive(Debug)]
pub(super) struct Admission {
    limits: AdmissionLimits,
    load: Load,
    calls: Arc<ByCaller>,
    streams: Arc<ByCaller>,
}

/// How much is worked on of all callers, as the connections see it.
#[derive(Debug, Clone, Default)]
pub struct Load {
    in_flight: Arc<AtomicUsize>,
    in_flight_max: usize,
    resting: Arc<AtomicUsize>,
}

type ByCaller = Mutex<HashMap<Caller, usize>>;

/// One more, of calls in flight or of connections that rest, until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

/// A place among those of one caller; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Own {
    all: Arc<ByCaller>,
    caller: Caller,
}

impl Admission {
    pub fn new(limits: AdmissionLimits) -> Self {
        let in_flight_max = limits.requests_in_flight_max;
        let load = Load { in_flight_max, ..Load::default() };
        Self { limits, load, calls: Arc::default(), streams: Arc::default() }
    }

    /// What the connections are told.
    pub fn load(&self) -> Load {
        self.load.clone()
    }

    /// A place for a call of one message with one answer, whosever it is; `None` = too many are worked on.
    pub fn call(&self) -> Option<Counted> {
        let (place, before) = Counted::one_more(&self.load.in_flight);
        (before < self.load.in_flight_max).then_some(place)
    }

    /// A place for it among its caller's.
    pub fn own_call(&self, caller: &Caller) -> Result<Own, EngineError> {
        Own::take(&self.calls, caller, self.limits.requests_per_caller_max, "requests in flight")
    }

    /// A place for a stream among its caller's.
    pub fn own_stream(&self, caller: &Caller) -> Result<Own, EngineError> {
        Own::take(&self.streams, caller, self.limits.streams_per_caller_max, "open streams")
    }
}

impl Load {
    /// Whether one more call would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) >= self.in_flight_max
    }

    /// A connection rests until what it gets is dropped.
    pub(super) fn rests(&self) -> Counted {
        Counted::one_more(&self.resting).0
    }

    /// Connections that rest.
    pub(super) fn resting(&self) -> usize {
        self.resting.load(Ordering::Relaxed)
    }
}

impl Counted {
    /// Gives also how many there were before.
    fn one_more(of: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = of.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(of)), before)
    }
}

impl Own {
    /// The operator has as many as it needs.
    fn take(
        all: &Arc<ByCaller>,
        caller: &Caller,
        most: usize,
        of: &'static str,
    ) -> Result<Self, EngineError> {
        let mut taken = all.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(caller.clone()).or_default();
        if *own >= most && *caller != Caller::Operator {
            return Err(EngineError::Overrun { of, after: OWN_AFTER });
        }
        *own += 1;
        drop(taken);
        Ok(Self { all: Arc::clone(all), caller: caller.clone() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut taken = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.caller) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

/// An answer that keeps its place until it has ended.
pub(super) struct Kept {
    body: Body,
    _place: Own,
}

impl Kept {
    pub const fn new(body: Body, place: Own) -> Self {
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
