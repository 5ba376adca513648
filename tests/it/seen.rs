//! What is seen from outside: metrics, readiness, log lines, spans, and what `deploy/` makes of them.

mod deploy;
mod load;
mod logs;
mod metrics;
mod stopping;
#[cfg(feature = "otlp")]
mod traces;

use std::collections::BTreeMap;

/// One line of a page of metrics.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Every line of a page that is no comment.
fn samples(page: &str) -> Vec<Sample> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (what, value) = line.rsplit_once(' ').expect("a name and a value");
            let (name, labels) = what.split_once('{').unwrap_or((what, "}"));
            let labels = labels.strip_suffix('}').expect("labels end");
            let labels = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
                let (key, value) = pair.split_once("=\"").expect("a label and its value");
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            let value = value.parse().expect("a number");
            Sample { name: name.to_owned(), labels: labels.collect(), value }
        })
        .collect()
}

/// The metric that a name on the page belongs to: without the ending of a histogram's line.
fn metric_of(name: &str) -> &str {
    let histograms = tracegate::telemetry::METRICS
        .iter()
        .filter(|metric| metric.kind == tracegate::telemetry::Kind::Histogram);
    histograms
        .map(|metric| metric.name)
        .find(|metric| {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(*metric))
        })
        .unwrap_or(name)
}
