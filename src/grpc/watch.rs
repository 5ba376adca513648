//! Watches every call from its head to its end: counts it, times it, and gives it a span. Knows methods and statuses,
//! no message.
//!
//! The span is on level `debug`, so that a gateway that sends no spans and logs on `info` pays next to nothing for it.
//! Lines that must name their request all the same are written inside of [`named`].

use super::pb;
use crate::clock::Stopwatch;
use crate::telemetry::{self, OTHER_METHOD, RPC_TARGET, RpcMeters};
use http_body::{Frame, SizeHint};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{Bytes, Service};
use tower_layer::Layer;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// What a log line says of a request id, at most, in characters: nobody has checked it yet.
const LOGGED_ID_CHARS_MAX: usize = 128;

/// A span for log lines about one request. Only for lines that are rare: it costs microseconds.
pub(super) fn named(request_id: &str) -> Span {
    if request_id.is_empty() {
        return Span::none();
    }
    tracing::error_span!("request", request_id = clipped(request_id))
}

/// A span for one of the requests of a stream.
pub(super) fn event(request_id: &str) -> Span {
    let id = clipped(request_id);
    tracing::debug_span!(target: RPC_TARGET, "event", request_id = id, verdict = Empty)
}

/// Tells the current span which request it is about.
pub(super) fn is_about(request_id: &str) {
    Span::current().record("request_id", clipped(request_id));
}

/// Tells the current span what the request was answered.
pub(super) fn is_answered(verdict: &'static str) {
    Span::current().record("verdict", verdict);
}

fn clipped(text: &str) -> &str {
    text.char_indices().nth(LOGGED_ID_CHARS_MAX).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A method of one of the gateway's services.
#[derive(Debug)]
struct Method {
    meters: RpcMeters,
    /// Whether its answer is a stream: it ends with its body.
    streams: bool,
}

/// Puts the watch around all services.
#[derive(Debug, Clone)]
pub struct Watch {
    methods: Arc<HashMap<String, Arc<Method>>>,
    other: Arc<Method>,
}

impl Watch {
    /// A watch over the methods of the protos. Metrics must have been started.
    pub fn new() -> Self {
        let files = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap_or_default().file;
        let mut methods = HashMap::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let short = format!("{}/{}", service.name(), method.name());
                    let of = Method { meters: RpcMeters::of(&short), streams: method.server_streaming() };
                    methods.insert(format!("/{}.{short}", file.package()), Arc::new(of));
                }
            }
        }
        let other = Method { meters: RpcMeters::of(OTHER_METHOD), streams: false };
        Self { methods: Arc::new(methods), other: Arc::new(other) }
    }

    fn method(&self, path: &str) -> &Arc<Method> {
        self.methods.get(path).unwrap_or(&self.other)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for Watch {
    type Service = Watching<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Watching { watch: self.clone(), inner }
    }
}

/// A service under watch.
#[derive(Debug, Clone)]
pub struct Watching<S> {
    watch: Watch,
    inner: S,
}

impl<S> Service<Request<Body>> for Watching<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = Arc::clone(self.watch.method(request.uri().path()));
        let span = span_of(&method, request.headers());
        let seen = Seen::begin(method, span.clone());
        let answering = self.inner.call(request);
        let answered = async move {
            // Dropped before it is answered (the client went away, or it took too long): CANCELLED.
            let response = answering.await?;
            Ok(seen.answered(response))
        };
        Box::pin(answered.instrument(span))
    }
}

fn span_of(method: &Method, headers: &HeaderMap) -> Span {
    let name = method.meters.method();
    let span = tracing::debug_span!(
        target: RPC_TARGET, "rpc", method = name, otel.name = name, otel.kind = "server",
        request_id = Empty, verdict = Empty, code = Empty
    );
    if !span.is_disabled() {
        telemetry::continue_trace(&span, |header| headers.get(header)?.to_str().ok());
    }
    span
}

/// One call, until it has ended.
struct Seen {
    method: Arc<Method>,
    started: Stopwatch,
    span: Span,
    code: Code,
}

impl Seen {
    fn begin(method: Arc<Method>, span: Span) -> Self {
        method.meters.begun();
        Self { method, started: Stopwatch::start(), span, code: Code::Cancelled }
    }

    /// The answer's head is there. A status among the headers ends the call; else it comes behind the body, and is
    /// waited for where the body is a stream.
    fn answered(mut self, response: Response<Body>) -> Response<Body> {
        match code_in(response.headers()) {
            Some(code) => self.code = code,
            None if self.method.streams => {
                return response.map(|body| Body::new(Streamed { body, seen: Some(self) }));
            }
            None => self.code = Code::Ok,
        }
        response
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let code = usize::try_from(i32::from(self.code)).unwrap_or(usize::MAX);
        let name = self.method.meters.ended(code, self.started.elapsed());
        self.span.record("code", name);
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// A stream of answers, watched to its end.
struct Streamed {
    body: Body,
    seen: Option<Seen>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let _inside = self.seen.as_ref().map(|seen| seen.span.clone().entered());
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let code = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().and_then(code_in),
            Poll::Ready(Some(Err(status))) => Some(status.code()),
            Poll::Ready(None) => Some(Code::Ok),
            Poll::Pending => None,
        };
        if let Some(code) = code
            && let Some(mut seen) = self.seen.take()
        {
            seen.code = code;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
