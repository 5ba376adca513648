//! The settings of spans, and what can be wrong with them.

use crate::telemetry::{CAN_TRACE, TraceOptions};
use serde::Deserialize;

/// The settings as they stand in a file.
#[derive(Debug, Deserialize)]
pub(super) struct RawTelemetry {
    otlp_endpoint: String,
    pub sampled_per_mille: u32,
}

impl RawTelemetry {
    /// What is wrong with the collector's address.
    pub fn mistake(&self) -> Option<String> {
        let endpoint = &self.otlp_endpoint;
        if endpoint.is_empty() {
            return None;
        }
        if !CAN_TRACE {
            let advice = "leave it empty, or build with `cargo build --release --features otlp`";
            return Some(format!("telemetry.otlp_endpoint: this program was built without OTLP; {advice}"));
        }
        let address = endpoint.strip_prefix("http://").unwrap_or_default();
        let is_plain = !address.is_empty() && endpoint.parse::<tonic::transport::Uri>().is_ok();
        (!is_plain).then(|| {
            format!(
                "telemetry.otlp_endpoint: {endpoint:?} is no address of plain gRPC; write http://127.0.0.1:4317, and \
                 let a collector on this machine speak TLS to others"
            )
        })
    }

    pub fn into_options(self) -> TraceOptions {
        TraceOptions {
            endpoint: Some(self.otlp_endpoint).filter(|endpoint| !endpoint.is_empty()),
            sampled_per_mille: self.sampled_per_mille,
        }
    }
}
