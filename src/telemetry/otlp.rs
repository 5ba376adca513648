//! Spans to an OTLP collector over gRPC. Only the spans of calls and requests go out, with the warnings inside of
//! them; the exporter's own troubles go to the log.

use super::traces::RPC_TARGET;
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::IsTerminal;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// How long the collector may take for one batch.
const EXPORT_SECONDS_MAX: u64 = 5;
/// How long the last batch may take at shutdown.
const END_SECONDS_MAX: u64 = 5;

/// Starts log lines and spans. Spans wait in a bounded queue and are sent in batches by a thread of their own; where
/// the collector is slow or away they are dropped, and no request waits.
pub(super) fn start(
    filter: EnvFilter,
    json: bool,
    endpoint: &str,
    sampled_per_mille: u32,
) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_secs(EXPORT_SECONDS_MAX))
        .build()
        .map_err(|e| format!("telemetry.otlp_endpoint: {e}"))?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let of_a_thousand = Sampler::TraceIdRatioBased(f64::from(sampled_per_mille) / 1000.0);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(of_a_thousand)))
        .with_resource(Resource::builder().with_service_name("tracegate").with_attribute(version).build())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tracegate"))
        .with_location(false)
        .with_threads(false)
        .with_filter(FilterFn::new(is_traced).with_max_level_hint(LevelFilter::DEBUG));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans);
    subscriber.try_init().map_err(|e| e.to_string())?;
    Ok(provider)
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    let warning = metadata.is_event() && *metadata.level() <= Level::WARN;
    metadata.target() == RPC_TARGET || (warning && metadata.target().starts_with("tracegate"))
}

/// Sends what waits, and ends. Blocks.
pub(super) fn end(provider: &SdkTracerProvider) -> Result<(), String> {
    provider.shutdown_with_timeout(Duration::from_secs(END_SECONDS_MAX)).map_err(|e| e.to_string())
}

/// The headers of a call that name a trace.
struct Headers<'a>([(&'static str, Option<&'a str>); 2]);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key)?.1
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect()
    }
}

pub(super) fn continue_trace<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
    let headers = Headers(["traceparent", "tracestate"].map(|name| (name, header(name))));
    if headers.get("traceparent").is_some() {
        let parent = TraceContextPropagator::new().extract(&headers);
        // Refused where no layer collects spans: then there is nothing to continue.
        drop(span.set_parent(parent));
    }
}
