//! Spans as a collector gets them: one that is real to the gateway, and takes in what is sent to it.

use crate::support::process::GatewayProcess;
use crate::support::world::{PHARMACY, code, connect, dispense, document, load_province};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// The parts of OTLP's messages that are looked at, with the numbers of `opentelemetry/proto/trace/v1`.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Export {
        #[prost(message, repeated, tag = "1")]
        pub resources: Vec<ResourceSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Exported {}
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub scopes: Vec<ScopeSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ScopeSpans {
        #[prost(message, repeated, tag = "2")]
        pub spans: Vec<Span>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub span_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub parent_span_id: Vec<u8>,
        #[prost(string, tag = "5")]
        pub name: String,
        #[prost(message, repeated, tag = "9")]
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct KeyValue {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(message, optional, tag = "2")]
        pub value: Option<AnyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct AnyValue {
        #[prost(string, optional, tag = "1")]
        pub text: Option<String>,
    }
}

impl wire::Span {
    fn attribute(&self, key: &str) -> Option<&str> {
        text_of(&self.attributes, key)
    }
}

fn text_of<'a>(attributes: &'a [wire::KeyValue], key: &str) -> Option<&'a str> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.text.as_deref()
}

/// A collector that hands on what it gets.
#[derive(Clone)]
struct Collector(UnboundedSender<wire::Export>);

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl UnaryService<wire::Export> for Collector {
    type Response = wire::Exported;
    type Future = Answering<Result<Response<wire::Exported>, Status>>;

    fn call(&mut self, request: Request<wire::Export>) -> Self::Future {
        let taken = self.0.send(request.into_inner());
        Box::pin(async move {
            taken
                .map(|()| Response::new(wire::Exported {}))
                .map_err(|_| Status::unavailable("the test is over"))
        })
    }
}

impl Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<wire::Exported, wire::Export>::default();
            Ok(Grpc::new(codec).unary(method, request).await)
        })
    }
}

async fn collector() -> (String, UnboundedReceiver<wire::Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, exports) = unbounded_channel();
    let server = tonic::transport::Server::builder().add_service(Collector(sender));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (endpoint, exports)
}

/// Ends a gateway, and gives every span that it sent in its life.
async fn spans_of(gateway: GatewayProcess, mut exports: UnboundedReceiver<wire::Export>) -> Vec<wire::Span> {
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{said}");
    let mut spans = Vec::new();
    while let Ok(export) = exports.try_recv() {
        for resource in export.resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            assert_eq!(text_of(&attributes, "service.name"), Some("tracegate"));
            spans.extend(resource.scopes.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

fn traced<T>(message: T, sampled: bool) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE_ID}-{CALLERS_SPAN}-0{}", i32::from(sampled));
    let parent = MetadataValue::try_from(parent).expect("ASCII");
    request.metadata_mut().insert("traceparent", parent);
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispense_continues_the_trace_of_its_caller() {
    let (endpoint, exports) = collector().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Of itself the gateway samples nothing: what arrives, the caller asked for.
    let env =
        [("TRACEGATE_TELEMETRY_OTLP_ENDPOINT", &*endpoint), ("TRACEGATE_TELEMETRY_SAMPLED_PER_MILLE", "0")];
    let gateway = GatewayProcess::start(&dir.path().join("data"), &env);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let mut gate = DispensingServiceClient::new(channel);
    gate.dispense(traced(dispense(PHARMACY, "req-1", &[code(1)]), true)).await.expect("an answer");
    gate.dispense(traced(dispense(PHARMACY, "req-2", &[code(2)]), false)).await.expect("an answer");
    gate.dispense(dispense(PHARMACY, "req-3", &[code(3)])).await.expect("an answer");
    let spans = spans_of(gateway, exports).await;
    let [span] = spans.as_slice() else { panic!("one span, not {spans:#?}") };
    assert_eq!(hex(&span.trace_id), TRACE_ID);
    assert_eq!(hex(&span.parent_span_id), CALLERS_SPAN);
    assert_eq!(span.name, "DispensingService/Dispense");
    assert_eq!(span.attribute("request_id"), Some("req-1"));
    assert_eq!(span.attribute("verdict"), Some("ALLOW"));
    assert_eq!(span.attribute("code"), Some("OK"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_a_report_has_its_span_and_nobody_is_named() {
    let (endpoint, exports) = collector().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let env = [
        ("TRACEGATE_TELEMETRY_OTLP_ENDPOINT", &*endpoint),
        ("TRACEGATE_TELEMETRY_SAMPLED_PER_MILLE", "1000"),
    ];
    let gateway = GatewayProcess::start(&dir.path().join("data"), &env);
    super::load::varied(&gateway.address).await;
    let mut gate = DispensingServiceClient::new(connect(&gateway.address).await);
    let events = [("ev-1", 21), ("ev-2", 22)].map(|(id, n)| pb::ReportRequest {
        request_id: id.into(),
        event: Some(pb::report_request::Event::Sale(document(PHARMACY, id, &[code(n)]))),
    });
    gate.report(tokio_stream::iter(events)).await.expect("an answer");
    let spans = spans_of(gateway, exports).await;
    let about = |id: &str| {
        let found = spans.iter().find(|span| span.attribute("request_id") == Some(id));
        found.unwrap_or_else(|| panic!("a span about {id}"))
    };
    for id in ["ev-1", "ev-2"] {
        let event = about(id);
        let parent = spans.iter().find(|span| span.span_id == event.parent_span_id).expect("its call");
        assert_eq!((&*event.name, &*parent.name), ("event", "DispensingService/Report"));
        assert_eq!(event.attribute("verdict"), Some("ALLOW"));
    }
    let held = about("hold");
    assert_eq!(held.name, "DispensingService/Dispense");
    let all = format!("{spans:?}");
    for word in [super::load::VISIT, &code(1), &code(77), "D-a", "S-1"] {
        assert!(!all.contains(word), "{word} in a span");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_stops_nobody() {
    let (endpoint, exports) = collector().await;
    drop(exports);
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Port 1 refuses at once; a closed receiver answers every batch with an error.
    for endpoint in ["http://127.0.0.1:1", &endpoint] {
        let env = [
            ("TRACEGATE_TELEMETRY_OTLP_ENDPOINT", endpoint),
            ("TRACEGATE_TELEMETRY_SAMPLED_PER_MILLE", "1000"),
        ];
        let data = tempfile::tempdir_in(dir.path()).expect("a directory");
        let gateway = GatewayProcess::start(&data.path().join("data"), &env);
        super::load::varied(&gateway.address).await;
        gateway.signal("TERM");
        let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
        assert!(status.success() && said.contains("stopped"), "{said}");
    }
}
