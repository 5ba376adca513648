//! Logs, traces and metrics for the whole process; the only global state. It knows no other room: whoever tells it
//! something brings plain numbers and names.
//!
//! `names` is the list of every metric, `meters` counts, `rpc` counts the calls of one method, `process` looks at
//! this process, `traces` sends spans elsewhere (feature `otlp`). Every label has a handful of values: never an
//! institution, a code or a request id.

mod meters;
mod names;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
mod rpc;
mod scans;
mod traces;

pub use meters::{
    CALLS, IMPORTED, IndexGauges, PERSONS, PROVISIONAL, READY_PARTS, REFUSALS, REFUSED_CONNECTIONS,
    StoreGauges, VERDICTS, answered, cases_are, connection_refused, feeds_complete_up_to, found,
    group_written, imported, index_is, looked_up, person_told, policies_in_fleet, policy_is,
    provisional_became, provisional_waiting, ready, refused, registry_is, repeated, shadow_failed, shadowed,
    store_is, store_measured, trail_is,
};
pub use names::{Kind, METRICS, Metric};
pub use process::process_measured;
pub use rpc::{CODES, OTHER_METHOD, RpcMeters};
pub use scans::ScanStream;
pub use traces::{CAN_TRACE, RPC_TARGET, TraceOptions, Traces, continue_trace};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Upper edges of the buckets of durations, in seconds.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// Upper edges of the buckets of group sizes, in changes.
const CHANGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to standard error, and sending spans where a collector is named. Texts for people stay on standard
/// output. `filter` is as `tracing` reads it; `json` = one object a line. Needs to be called inside of the runtime.
pub fn start_log(filter: &str, json: bool, traces: &TraceOptions) -> Result<Traces, String> {
    let filter: EnvFilter = filter.parse().map_err(|e| format!("log.level: {e}"))?;
    if let Some(endpoint) = &traces.endpoint {
        return traces::start(filter, json, endpoint, traces.sampled_per_mille);
    }
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if json { subscriber.json().try_init() } else { subscriber.try_init() };
    started.map_err(|e| e.to_string()).map(|()| Traces::off())
}

/// Starts counting, once for the process; gives what renders the page of metrics. What is counted before is lost.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    use metrics_exporter_prometheus::Matcher::{Full, Suffix};
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Full(names::GROUP_CHANGES.to_owned()), &CHANGES)?;
    let recorder = builder.build_recorder();
    let handle = HANDLE.get_or_init(|| recorder.handle()).clone();
    if metrics::set_global_recorder(recorder).is_ok() {
        names::describe();
        meters::start();
    }
    Ok(handle)
}
