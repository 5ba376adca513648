//! Logging and metrics for the whole process; the only global state. Every metric's name stands here, and every
//! label has a handful of values: never an institution, a code or a request id.

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

const VERDICTS: &str = "tracegate_verdicts_total";
const REPEATED: &str = "tracegate_repeated_total";
const FINDINGS: &str = "tracegate_findings_total";
const CALL_SECONDS: &str = "tracegate_call_seconds";
const GROUP_CHANGES: &str = "tracegate_group_changes";
const GROUP_SECONDS: &str = "tracegate_group_seconds";
const STORE_STATE: &str = "tracegate_store_state";
const DISK_FREE: &str = "tracegate_disk_free_bytes";
const LOOK_UPS: &str = "tracegate_index_look_ups_total";
const INDEX_CODES: &str = "tracegate_index_codes";
const INDEX_PLANNED: &str = "tracegate_index_codes_planned";
const INDEX_BYTES: &str = "tracegate_index_filter_bytes";
const INDEX_HOT: &str = "tracegate_index_hot_codes";
const INDEX_COMPLETE: &str = "tracegate_index_complete";
const SCAN_STREAMS: &str = "tracegate_scan_streams";
const SCANS_IN_FLIGHT: &str = "tracegate_scans_in_flight";

/// Upper edges of the buckets of durations, in seconds.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// Upper edges of the buckets of group sizes, in changes.
const CHANGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to standard error. Texts for people stay on standard output.
/// `filter` is as `tracing` reads it; `json` = one object a line.
pub fn start_log(filter: &str, json: bool) -> Result<(), String> {
    let filter: EnvFilter = filter.parse().map_err(|e| format!("log.level: {e}"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if json { subscriber.json().try_init() } else { subscriber.try_init() };
    started.map_err(|e| e.to_string())
}

/// Starts counting, once for the process; gives what renders the page of metrics.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = METRICS.get() {
        return Ok(handle.clone());
    }
    use metrics_exporter_prometheus::Matcher::{Full, Suffix};
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Full(GROUP_CHANGES.to_owned()), &CHANGES)?;
    let recorder = builder.build_recorder();
    let handle = METRICS.get_or_init(|| recorder.handle()).clone();
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
    }
    Ok(handle)
}

fn describe() {
    describe_counter!(VERDICTS, "Answers by call and verdict; repetitions are counted apart");
    describe_counter!(REPEATED, "Requests that got the answer of the first time");
    describe_counter!(FINDINGS, "Findings by reason and enforcement");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "Time from a request to its durable answer");
    describe_histogram!(GROUP_CHANGES, "Changes that shared one sync");
    describe_histogram!(GROUP_SECONDS, Unit::Seconds, "Time to write, sync and apply one group");
    describe_gauge!(STORE_STATE, "1 for the state the store is in: ready, full or stopped");
    describe_gauge!(DISK_FREE, Unit::Bytes, "Free disk under the data directory");
    describe_counter!(
        LOOK_UPS,
        "Codes looked up, by who could answer: the index (never, recent) or the ledger"
    );
    describe_gauge!(INDEX_CODES, "Codes in the index");
    describe_gauge!(INDEX_PLANNED, "Codes that its filters are planned for; with more, they are built anew");
    describe_gauge!(INDEX_BYTES, Unit::Bytes, "Memory of its filters");
    describe_gauge!(INDEX_HOT, "Codes whose histories are kept in memory");
    describe_gauge!(INDEX_COMPLETE, "1 once the index holds every claim");
    describe_gauge!(SCAN_STREAMS, "Open Scan streams");
    describe_gauge!(
        SCANS_IN_FLIGHT,
        "Messages of Scan streams that are being decided or wait for their reader"
    );
}

/// An answer was given for the first time.
pub fn answered(call: &'static str, verdict: &'static str, took: Duration) {
    counter!(VERDICTS, "call" => call, "verdict" => verdict).increment(1);
    histogram!(CALL_SECONDS, "call" => call).record(took.as_secs_f64());
}

/// A finding was part of it.
pub fn found(reason: &'static str, enforcement: &'static str) {
    counter!(FINDINGS, "reason" => reason, "enforcement" => enforcement).increment(1);
}

/// A request got its first answer again.
pub fn repeated(call: &'static str) {
    counter!(REPEATED, "call" => call).increment(1);
}

/// A group was made durable and applied.
pub fn group_written(changes: usize, took: Duration) {
    histogram!(GROUP_CHANGES).record(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
    histogram!(GROUP_SECONDS).record(took.as_secs_f64());
}

/// The store is in one of its states.
pub fn store_is(state: &'static str) {
    for known in ["ready", "full", "stopped"] {
        gauge!(STORE_STATE, "state" => known).set(if known == state { 1.0 } else { 0.0 });
    }
}

/// How much disk is free.
pub fn disk_free(bytes: u64) {
    gauge!(DISK_FREE).set(bytes as f64);
}

/// Codes were looked up: never claimed and known histories, both by the index, and those that the ledger was asked for.
pub fn looked_up(never: usize, recent: usize, ledger: usize) {
    for (codes, by) in [(never, "never"), (recent, "recent"), (ledger, "ledger")] {
        if codes > 0 {
            counter!(LOOK_UPS, "answer" => by).increment(codes as u64);
        }
    }
}

/// What the index is like.
#[derive(Debug, Clone, Copy)]
pub struct IndexGauges {
    /// Codes in it.
    pub codes: u64,
    /// Codes that it is planned for.
    pub planned: u64,
    /// Bytes of its filters.
    pub filter_bytes: u64,
    /// Codes whose histories are kept.
    pub hot_codes: usize,
    /// Whether it holds every claim.
    pub complete: bool,
}

/// The index was looked after.
pub fn index_is(gauges: IndexGauges) {
    gauge!(INDEX_CODES).set(gauges.codes as f64);
    gauge!(INDEX_PLANNED).set(gauges.planned as f64);
    gauge!(INDEX_BYTES).set(gauges.filter_bytes as f64);
    gauge!(INDEX_HOT).set(gauges.hot_codes as f64);
    gauge!(INDEX_COMPLETE).set(if gauges.complete { 1.0 } else { 0.0 });
}

/// A `Scan` stream, counted as open until it is dropped.
#[derive(Debug)]
pub struct ScanStream {
    streams: Gauge,
    in_flight: Gauge,
    held: u32,
}

impl ScanStream {
    /// A stream was opened.
    pub fn open() -> Self {
        let (streams, in_flight) = (gauge!(SCAN_STREAMS), gauge!(SCANS_IN_FLIGHT));
        streams.increment(1.0);
        Self { streams, in_flight, held: 0 }
    }

    /// A message was read.
    pub fn read(&mut self) {
        self.held += 1;
        self.in_flight.increment(1.0);
    }

    /// A message has left: its answer is under way, or nobody is there to take it.
    pub fn left(&mut self) {
        self.held -= 1;
        self.in_flight.decrement(1.0);
    }

    /// Messages that were read and have not left.
    pub const fn held(&self) -> u32 {
        self.held
    }
}

impl Drop for ScanStream {
    fn drop(&mut self) {
        self.in_flight.decrement(self.held);
        self.streams.decrement(1.0);
    }
}
