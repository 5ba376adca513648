//! Spans that leave the process for an OTLP collector, where the program was built for it (feature `otlp`).

use tracing::Span;
use tracing_subscriber::EnvFilter;

/// The target of the spans that say which call and which request a line belongs to. They are on level `debug`: with
/// `log.level = "info,tracegate::rpc=debug"` every line inside of a request carries them.
pub const RPC_TARGET: &str = "tracegate::rpc";

/// Whether this build can send spans to a collector.
pub const CAN_TRACE: bool = cfg!(feature = "otlp");

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceOptions {
    /// An OTLP collector's gRPC address, `http://127.0.0.1:4317`; `None` = nowhere.
    pub endpoint: Option<String>,
    /// Requests of a thousand whose spans are sent. What a caller's own trace says comes first.
    pub sampled_per_mille: u32,
}

/// The way to the collector, open until it is flushed.
#[derive(Debug)]
#[must_use = "spans that wait are lost without a flush"]
pub struct Traces {
    #[cfg(feature = "otlp")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

#[cfg(not(feature = "otlp"))]
mod without {
    use super::{EnvFilter, Span, Traces};

    impl Traces {
        /// No spans leave.
        pub const fn off() -> Self {
            Self {}
        }

        /// Sends what waits.
        pub async fn flush(self) {}
    }

    pub(in super::super) fn start(_: EnvFilter, _: bool, endpoint: &str, _: u32) -> Result<Traces, String> {
        Err(format!(
            "telemetry.otlp_endpoint: spans cannot be sent to {endpoint} by this build; build with --features otlp"
        ))
    }

    /// Puts a span into the trace that a caller's headers name. This build sends no spans.
    pub fn continue_trace<'a>(_: &Span, _: impl Fn(&str) -> Option<&'a str>) {}
}

#[cfg(feature = "otlp")]
mod with {
    use super::{EnvFilter, Span, Traces};
    use crate::telemetry::otlp;

    impl Traces {
        /// No spans leave.
        pub const fn off() -> Self {
            Self { provider: None }
        }

        /// Sends what waits, and ends.
        pub async fn flush(self) {
            let Some(provider) = self.provider else { return };
            match tokio::task::spawn_blocking(move || otlp::end(&provider)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the last spans did not reach the collector"),
                Err(error) => tracing::warn!(%error, "the last spans did not reach the collector"),
            }
        }
    }

    pub(in super::super) fn start(
        filter: EnvFilter,
        json: bool,
        endpoint: &str,
        sampled_per_mille: u32,
    ) -> Result<Traces, String> {
        otlp::start(filter, json, endpoint, sampled_per_mille)
            .map(|provider| Traces { provider: Some(provider) })
    }

    /// Puts a span into the trace that a caller's headers name (W3C `traceparent`), if any.
    pub fn continue_trace<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
        otlp::continue_trace(span, header);
    }
}

#[cfg(feature = "otlp")]
pub use with::continue_trace;
#[cfg(feature = "otlp")]
pub(super) use with::start;
#[cfg(not(feature = "otlp"))]
pub use without::continue_trace;
#[cfg(not(feature = "otlp"))]
pub(super) use without::start;
