//! The name of every metric with what it means. Dashboards and alerts are compared with this list.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) const VERDICTS_TOTAL: &str = "tracegate_verdicts_total";
pub(super) const REPEATED: &str = "tracegate_repeated_total";
pub(super) const FINDINGS: &str = "tracegate_findings_total";
pub(super) const CALL_SECONDS: &str = "tracegate_call_seconds";
pub(super) const RPC_ANSWERS: &str = "tracegate_rpc_answers_total";
pub(super) const RPC_SECONDS: &str = "tracegate_rpc_seconds";
pub(super) const CONNECTIONS_REFUSED: &str = "tracegate_connections_refused_total";
pub(super) const RPC_IN_FLIGHT: &str = "tracegate_rpc_in_flight";
pub(super) const REFUSALS_TOTAL: &str = "tracegate_refusals_total";
pub(super) const GROUP_CHANGES: &str = "tracegate_group_changes";
pub(super) const GROUP_SECONDS: &str = "tracegate_group_seconds";
pub(super) const WAITING: &str = "tracegate_waiting_changes";
pub(super) const WAITING_MAX: &str = "tracegate_waiting_changes_max";
pub(super) const STORE_STATE: &str = "tracegate_store_state";
pub(super) const DISK_FREE: &str = "tracegate_disk_free_bytes";
pub(super) const DISK_FREE_MIN: &str = "tracegate_disk_free_bytes_min";
pub(super) const LOG_END: &str = "tracegate_log_end_bytes";
pub(super) const TABLES: &str = "tracegate_tables_bytes";
pub(super) const CLAIMS: &str = "tracegate_claims_bytes";
pub(super) const LEDGER_PLANNED: &str = "tracegate_ledger_codes_planned";
pub(super) const CASES_OPEN: &str = "tracegate_cases_open";
pub(super) const LOOK_UPS: &str = "tracegate_index_look_ups_total";
pub(super) const INDEX_CODES: &str = "tracegate_index_codes";
pub(super) const INDEX_PLANNED: &str = "tracegate_index_codes_planned";
pub(super) const INDEX_BYTES: &str = "tracegate_index_filter_bytes";
pub(super) const INDEX_HOT: &str = "tracegate_index_hot_codes";
pub(super) const INDEX_COMPLETE: &str = "tracegate_index_complete";
pub(super) const SHADOW_DOCUMENTS: &str = "tracegate_shadow_documents_total";
pub(super) const SHADOW_FAILED: &str = "tracegate_shadow_failed_total";
pub(super) const IMPORTED: &str = "tracegate_imported_total";
pub(super) const SCAN_STREAMS: &str = "tracegate_scan_streams";
pub(super) const SCANS_IN_FLIGHT: &str = "tracegate_scans_in_flight";
pub(super) const REGISTRY_ROWS: &str = "tracegate_registry_rows";
pub(super) const REGISTRY_VERSION: &str = "tracegate_registry_version";
pub(super) const FEED: &str = "tracegate_purchase_feed_complete_up_to_seconds";
pub(super) const FLEET_POLICIES: &str = "tracegate_fleet_policies";
pub(super) const POLICY: &str = "tracegate_policy_info";
pub(super) const PROVISIONAL_WAITING: &str = "tracegate_provisional_waiting";
pub(super) const PROVISIONAL: &str = "tracegate_provisional_total";
pub(super) const PERSONS_TOLD: &str = "tracegate_persons_total";
pub(super) const TRAIL_ENTRIES: &str = "tracegate_trail_entries_total";
pub(super) const TRAIL_STATE: &str = "tracegate_trail_state";
pub(super) const READY: &str = "tracegate_ready";
pub(super) const BUILD: &str = "tracegate_build_info";
pub(super) const PROCESS_START: &str = "process_start_time_seconds";
pub(super) const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
pub(super) const PROCESS_CPU: &str = "process_cpu_seconds_total";
pub(super) const PROCESS_FILES: &str = "process_open_fds";

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution: its page has `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

/// Every metric that a gateway shows.
pub const METRICS: [Metric; 48] = [
    counter(VERDICTS_TOTAL, &["call", "verdict"], "First answers by call and verdict"),
    counter(REPEATED, &["call"], "Requests that got the answer of the first time"),
    counter(FINDINGS, &["reason", "enforcement"], "Findings by reason and enforcement"),
    counter(
        SHADOW_DOCUMENTS,
        &["was", "would"],
        "Documents by verdict in force and verdict under the shadow policy",
    ),
    counter(IMPORTED, &["became"], "Rows of imported histories by what became of them"),
    counter(SHADOW_FAILED, &[], "Documents that the shadow policy could not judge"),
    histogram(CALL_SECONDS, &["call"], "Time from a request to its durable answer, inside of the gateway"),
    counter(RPC_ANSWERS, &["method", "code"], "Calls that ended, by gRPC method and status"),
    histogram(RPC_SECONDS, &["method"], "Time from a call's head to its answer; of a stream, to its end"),
    counter(CONNECTIONS_REFUSED, &["why"], "Connections that were closed before they began, by why"),
    gauge(RPC_IN_FLIGHT, &["method"], "Calls that are not answered yet"),
    gauge(SCAN_STREAMS, &[], "Open Scan streams"),
    gauge(SCANS_IN_FLIGHT, &[], "Messages of Scan streams that are being decided or wait for their reader"),
    counter(REFUSALS_TOTAL, &["kind"], "Requests without an answer, by why"),
    histogram(GROUP_CHANGES, &[], "Changes that shared one sync"),
    histogram(GROUP_SECONDS, &[], "Time to write, sync and apply one group"),
    gauge(WAITING, &[], "Changes that wait for the writer"),
    gauge(WAITING_MAX, &[], "Changes that may wait; beyond, callers wait"),
    gauge(STORE_STATE, &["state"], "1 for the state the store is in: ready, full, away or stopped"),
    gauge(DISK_FREE, &[], "Free disk under the data directory, in bytes"),
    gauge(DISK_FREE_MIN, &[], "Free disk below which no change is accepted, in bytes"),
    gauge(LOG_END, &[], "Bytes that the event log has taken in all"),
    gauge(TABLES, &[], "Disk that the tables take, in bytes"),
    gauge(CLAIMS, &[], "Disk that the table of claims takes of it, in bytes"),
    gauge(CASES_OPEN, &[], "Codes with an open case, as far as this gateway knows"),
    gauge(LEDGER_PLANNED, &[], "Codes that the deployment in Redis is planned for; 0 without Redis"),
    counter(
        LOOK_UPS,
        &["answer"],
        "Codes looked up, by who could answer: the index (never, recent) or the ledger",
    ),
    gauge(INDEX_CODES, &[], "Codes in the index"),
    gauge(INDEX_PLANNED, &[], "Codes that its filters are planned for; with more, they are built anew"),
    gauge(INDEX_BYTES, &[], "Memory of its filters, in bytes"),
    gauge(INDEX_HOT, &[], "Codes whose histories are kept in memory"),
    gauge(INDEX_COMPLETE, &[], "1 once the index holds every claim"),
    gauge(PROVISIONAL_WAITING, &[], "Answers given while the ledger was away that it does not have yet"),
    counter(PROVISIONAL, &["became"], "Answers given while the ledger was away, by what became of them"),
    counter(
        PERSONS_TOLD,
        &["became"],
        "Requests that named a person, by what was kept of them: a mark, or nothing",
    ),
    gauge(REGISTRY_ROWS, &["kind"], "Rows of the registry"),
    gauge(REGISTRY_VERSION, &[], "Version of the registry"),
    gauge(
        FEED,
        &["division"],
        "Up to when purchase data is complete, by province: its oldest feed, in seconds since 1970",
    ),
    gauge(POLICY, &["version"], "1 for the policy in force, 0 for those before it"),
    gauge(
        FLEET_POLICIES,
        &[],
        "Policies that living gateways of a fleet judge by; more than 1 = they differ",
    ),
    counter(TRAIL_ENTRIES, &[], "Entries written into the audit trail"),
    gauge(TRAIL_STATE, &["state"], "1 for the state the audit trail is in: ready, damaged or stopped"),
    gauge(READY, &["part"], "1 for each part of /ready that is ready"),
    gauge(BUILD, &["version"], "1, with the version of the program"),
    gauge(PROCESS_START, &[], "When the gateway started, in seconds since 1970"),
    gauge(PROCESS_MEMORY, &[], "Memory that the process holds, in bytes"),
    gauge(PROCESS_CPU, &[], "CPU time that the process has used, in seconds"),
    gauge(PROCESS_FILES, &[], "Files and connections that the process has open"),
];

/// Tells the recorder what each metric means.
pub(super) fn describe() {
    for Metric { name, kind, help, .. } in METRICS {
        let unit = if name.contains("_bytes") {
            Unit::Bytes
        } else if name.contains("_seconds") {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match kind {
            Kind::Counter => describe_counter!(name, unit, help),
            Kind::Gauge => describe_gauge!(name, unit, help),
            Kind::Histogram => describe_histogram!(name, unit, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_kind_and_unit() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in METRICS {
            let name = metric.name;
            assert!(seen.insert(name), "{name} stands twice");
            let ours = name.starts_with("tracegate_") || name.starts_with("process_");
            assert!(ours && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            // The CPU time is read from the system, and set: a counter by its name, a gauge to the recorder.
            let counts = metric.kind == Kind::Counter || name == PROCESS_CPU;
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            assert!(!metric.help.is_empty(), "{name}");
        }
    }
}
