//! The page of metrics after a load of every kind: every metric is there, and no label names anybody.

use super::load::{VISIT, varied};
use super::{Sample, metric_of, samples};
use crate::support::eventually;
use crate::support::process::{GatewayProcess, page};
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, PREFIX};
use std::collections::BTreeSet;
use tracegate::domain::verdict::{Enforcement, Reason, Verdict};
use tracegate::telemetry::{
    CALLS, CODES, IMPORTED, METRICS, OTHER_METHOD, PERSONS, PROVISIONAL, READY_PARTS, REFUSALS,
    REFUSED_CONNECTIONS, VERDICTS,
};

/// A page on which what is told once a second has arrived too.
async fn page_after_load(gateway: &GatewayProcess) -> String {
    varied(&gateway.address).await;
    eventually("the feed and the store show", || async {
        let (_, text) = page(&gateway.pages, "/metrics");
        // Both are looked at once a second, the store after the feeds.
        let feed =
            text.contains("tracegate_purchase_feed_complete_up_to_seconds{division=\"12\"} 1700000000");
        let store = !text.contains("tracegate_log_end_bytes 0\n");
        (feed && store).then_some(text)
    })
    .await
}

/// Whether a value is one of the few that its label may have.
fn is_closed(sample: &Sample, label: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match label {
        "call" => CALLS.contains(&value),
        "verdict" | "was" | "would" => VERDICTS.contains(&value),
        "reason" => Reason::ALL.iter().any(|r| r.name() == value),
        "enforcement" => Enforcement::ALL.iter().any(|e| e.name() == value),
        "method" => value == OTHER_METHOD || is_method(value),
        "code" => CODES.contains(&value),
        "kind" if sample.name == "tracegate_refusals_total" => REFUSALS.contains(&value),
        "kind" => ["institutions", "drugs", "no_code_entries", "own_schemes"].contains(&value),
        "why" => REFUSED_CONNECTIONS.contains(&value),
        "state" if sample.name == "tracegate_trail_state" => ["ready", "damaged", "stopped"].contains(&value),
        "state" => ["ready", "full", "away", "stopped"].contains(&value),
        "answer" => ["never", "recent", "ledger"].contains(&value),
        "became" if sample.name == "tracegate_provisional_total" => PROVISIONAL.contains(&value),
        "became" if sample.name == "tracegate_persons_total" => PERSONS.contains(&value),
        "became" => IMPORTED.contains(&value),
        "part" => READY_PARTS.contains(&value),
        "division" => value == "all" || (value.len() == 2 && digits(value)),
        // One value more a change of policy, or a release.
        "version" if sample.name == "tracegate_policy_info" => {
            value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "version" => value == env!("CARGO_PKG_VERSION"),
        "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
        _ => false,
    }
}

fn is_method(value: &str) -> bool {
    use prost::Message;
    let files =
        prost_types::FileDescriptorSet::decode(tracegate::grpc::pb::DESCRIPTORS).expect("descriptors");
    files.file.iter().flat_map(|file| &file.service).any(|service| {
        service.method.iter().any(|method| value == format!("{}/{}", service.name(), method.name()))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_shows_and_no_label_names_anybody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &[]);
    let text = page_after_load(&gateway).await;
    let found = samples(&text);
    for sample in &found {
        for (label, value) in &sample.labels {
            assert!(is_closed(sample, label, value), "{label}={value:?} of {}", sample.name);
        }
    }
    for word in [PHARMACY, OTHER_PHARMACY, HOSPITAL, PREFIX, DRUG, VISIT, "D-a", "report-0", "S-1"] {
        assert!(!text.contains(word), "{word} in\n{text}");
    }
    let shown: BTreeSet<_> = found.iter().map(|sample| metric_of(&sample.name)).collect();
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, known, "the page and the list of metrics");
    for metric in METRICS {
        let labels: BTreeSet<&str> = metric.labels.iter().copied().collect();
        let of_it = found.iter().filter(|sample| metric_of(&sample.name) == metric.name);
        for sample in of_it {
            let keys: BTreeSet<&str> =
                sample.labels.keys().map(String::as_str).filter(|k| *k != "le").collect();
            assert_eq!(keys, labels, "labels of {}", sample.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_are_those_of_the_load() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &[]);
    let text = page_after_load(&gateway).await;
    for line in [
        "tracegate_rpc_answers_total{method=\"DispensingService/Dispense\",code=\"OK\"} 12",
        "tracegate_rpc_answers_total{method=\"DispensingService/Dispense\",code=\"INVALID_ARGUMENT\"} 1",
        "tracegate_rpc_answers_total{method=\"DispensingService/Dispense\",code=\"UNAUTHENTICATED\"} 1",
        "tracegate_rpc_answers_total{method=\"DispensingService/Report\",code=\"OK\"} 1",
        "tracegate_rpc_seconds_count{method=\"DispensingService/Dispense\"} 17",
        "tracegate_rpc_in_flight{method=\"DispensingService/Dispense\"} 0",
        "tracegate_verdicts_total{call=\"report_sale\",verdict=\"ALLOW\"} 1",
        "tracegate_verdicts_total{call=\"dispense\",verdict=\"PENDING\"} 0",
        "tracegate_repeated_total{call=\"dispense\"} 5",
        "tracegate_refusals_total{kind=\"different_body\"} 1",
        "tracegate_refusals_total{kind=\"closed\"} 1",
        "tracegate_refusals_total{kind=\"denied\"} 1",
        "tracegate_refusals_total{kind=\"not_found\"} 1",
        "tracegate_refusals_total{kind=\"store_full\"} 0",
        "tracegate_registry_rows{kind=\"institutions\"} 3",
        "tracegate_registry_rows{kind=\"drugs\"} 1",
        "tracegate_disk_free_bytes_min 1",
        "tracegate_waiting_changes_max 4096",
        "tracegate_ready{part=\"store\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let value = |name: &str| {
        let found = samples(&text).into_iter().find(|sample| sample.name == name);
        found.unwrap_or_else(|| panic!("{name} in\n{text}")).value
    };
    for name in ["tracegate_log_end_bytes", "tracegate_tables_bytes", "tracegate_disk_free_bytes"] {
        assert!(value(name) > 0.0, "{name}");
    }
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 3.0, "{text}");
    let now = jiff::Timestamp::from_second(1_735_689_600).expect("2025 began").as_second() as f64;
    assert!(value("process_start_time_seconds") > now, "a gateway of these days");
}

#[test]
fn the_closed_sets_are_those_of_the_trade() {
    let verdicts: BTreeSet<_> = Verdict::ALL.iter().map(|v| v.name()).collect();
    assert_eq!(verdicts, BTreeSet::from(VERDICTS));
}
