//! The dashboard, the alerts and the compose file speak of what the gateway shows: metrics, labels, ports.

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tracegate::telemetry::{Kind, METRICS, Metric};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("deploy").join(path)).expect("a file of deploy/")
}

/// What Prometheus adds to every series.
const ADDED: [&str; 2] = ["instance", "job"];

/// The metric of a name in a query, which asks for one line of a histogram.
fn asked(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        Kind::Counter | Kind::Gauge => metric.name == name,
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name))
        }
    })
}

/// What is wrong with a query: metrics that are not shown, labels that they do not have.
fn mistakes(query: &str) -> Vec<String> {
    let selector = Regex::new(r"\b((?:tracegate|process)_\w+)\b(?:\{([^}]*)\})?").expect("a pattern");
    let matcher = Regex::new(r#"(\w+)\s*(?:=|!=|=~|!~)\s*""#).expect("a pattern");
    let grouping = Regex::new(r"\bby \(([^)]*)\)").expect("a pattern");
    let mut found = Vec::new();
    let mut labels: BTreeSet<&str> = BTreeSet::from(ADDED);
    for part in selector.captures_iter(query) {
        let name = part.get(1).expect("a name").as_str();
        let Some(metric) = asked(name) else {
            found.push(format!("{name} is not shown"));
            continue;
        };
        labels.extend(metric.labels);
        labels.extend((metric.kind == Kind::Histogram).then_some("le"));
        for label in matcher.captures_iter(part.get(2).map_or("", |m| m.as_str())) {
            let label = label.get(1).expect("a label").as_str();
            if !metric.labels.contains(&label) && !ADDED.contains(&label) {
                found.push(format!("{name} has no label {label}"));
            }
        }
    }
    for group in grouping.captures_iter(query) {
        let unknown = group[1].split(',').map(str::trim).filter(|label| !labels.contains(label));
        found.extend(unknown.map(|label| format!("nothing in it has a label {label}")));
    }
    found
}

/// Every string under a key, anywhere in a document.
fn under<'a>(document: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match document {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Value::String(text)) = (name == key, value) {
                    found.push(text);
                }
                under(value, key, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

#[test]
fn a_query_for_what_is_not_shown_is_noticed() {
    let check = |query: &str, wrong: bool| assert_eq!(!mistakes(query).is_empty(), wrong, "{query}");
    check("sum by (call) (rate(tracegate_verdicts_total{call=\"hold\"}[5m]))", false);
    check("histogram_quantile(0.9, sum by (le, call) (rate(tracegate_call_seconds_bucket[5m])))", false);
    check("tracegate_nonsense_total", true);
    check("tracegate_call_seconds", true);
    check("tracegate_verdicts_total{institution=\"x\"}", true);
    check("sum by (method) (tracegate_verdicts_total)", true);
}

#[test]
fn the_dashboard_asks_for_what_is_shown() {
    let dashboard: Value = serde_json::from_str(&read("grafana/tracegate.json")).expect("JSON");
    let mut queries = Vec::new();
    under(&dashboard, "expr", &mut queries);
    under(&dashboard, "query", &mut queries);
    assert!(queries.len() > 30, "the dashboard asks for something: {}", queries.len());
    for query in &queries {
        assert_eq!(mistakes(query), Vec::<String>::new(), "{query}");
    }
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let rows =
        panels.iter().filter(|panel| panel["type"] == "row").filter_map(|panel| panel["title"].as_str());
    for row in ["Verdicts and reasons", "Latencies", "Group commit", "Index", "Store and disk", "Refusals"] {
        assert!(rows.clone().any(|title| title == row), "a row {row}");
    }
    // Whatever is shown can be looked at.
    let all = queries.join("\n");
    let unseen: Vec<_> = METRICS.iter().map(|m| m.name).filter(|name| !all.contains(name)).collect();
    assert_eq!(unseen, Vec::<&str>::new(), "metrics on no panel");
}

#[test]
fn the_alerts_ask_for_what_is_shown_and_say_what_to_do() {
    let text = read("prometheus/alerts.yml");
    assert!(read("prometheus/prometheus.yml").contains("- alerts.yml"), "the rules are loaded");
    let alerts: Vec<_> = text.split("- alert: ").skip(1).collect();
    for alert in &alerts {
        for part in ["expr: ", "severity: ", "summary: ", "action: "] {
            assert!(alert.contains(part), "{part}in {alert}");
        }
        assert_eq!(mistakes(alert), Vec::<String>::new(), "{alert}");
    }
    let names: BTreeSet<_> = alerts.iter().filter_map(|alert| alert.lines().next()).collect();
    assert_eq!(names.len(), alerts.len(), "every alert has a name of its own");
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observing.md"))
        .expect("the document");
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "docs/observing.md says what {name} means");
    }
    for metric in METRICS {
        assert!(
            documented.contains(&format!("`{}`", metric.name)),
            "docs/observing.md explains {}",
            metric.name
        );
    }
}

#[test]
fn the_compose_file_listens_on_loopback_and_pins_what_it_runs() {
    let text = read("compose/monitoring.yml");
    let port = Regex::new(r#"(?m)^\s+- "([^"]+:\d+)"$"#).expect("a pattern");
    let ports: Vec<_> = port.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    assert!(ports.len() >= 4 && ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{ports:?}");
    let image = Regex::new(r"(?m)^\s+image: (\S+)$").expect("a pattern");
    let images: Vec<_> = image.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    let is_pinned =
        |image: &String| image.rsplit_once(':').is_some_and(|(_, tag)| tag.matches('.').count() == 2);
    assert!(images.len() == 2 && images.iter().all(is_pinned), "{images:?}");
    // The three speak of the same ports and names.
    assert!(read("prometheus/prometheus.yml").contains("\"gateway:50052\"") && text.contains("  gateway:\n"));
    assert!(read("compose/Dockerfile").contains("\"--http\", \"0.0.0.0:50052\""));
    let source = read("grafana/provisioning/datasources/prometheus.yml");
    assert!(source.contains("http://prometheus:9090") && text.contains("  prometheus:\n"));
}
