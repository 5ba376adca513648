//! The scenarios that begin with past sales, small and from the command line: what they report adds up.

use crate::program::{EVERY_REPORT, check, gateway, run, written};
use serde_json::Value;

/// Runs a scenario in a small province and reads what it wrote.
pub fn report(args: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let (out, gateway) = (folder.path().join("out.json"), gateway());
    let rest = ["--institutions", "20", "--drugs", "10", "--gateway", gateway.to_str().unwrap(), "--out"];
    let mut args = [args, &rest].concat();
    args.push(out.to_str().unwrap());
    let output = run(&args);
    let json = written(&out, &output);
    check(&json, &EVERY_REPORT);
    assert_eq!(json["faults"]["count"], 0, "{json:#}");
    (json, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[track_caller]
pub fn number(json: &Value, path: &str) -> f64 {
    json.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {json:#}"))
}

/// Whether two figures are the same but for what is lost in writing them.
#[track_caller]
pub fn same(json: &Value, path: &str, expected: f64) {
    let found = number(json, path);
    assert!((found - expected).abs() <= expected.abs() * 1e-9, "{path} is {found}, not {expected}");
}

#[test]
fn past_sales_are_imported_with_findings_and_without() {
    let args = ["import", "--codes", "3000", "--rounds", "2", "--returns-per-mille", "50"];
    let (json, table) = report(&args);
    let rows = number(&json, "/result/rows");
    assert!(rows > 3020.0 && rows < 3200.0, "sales, and some returns: {rows}");
    let runs = json["result"]["runs"].as_array().expect("runs");
    let kinds: Vec<_> = runs.iter().map(|run| (run["round"].as_u64(), run["findings"].as_bool())).collect();
    let kind = |round, findings| (Some(round), Some(findings));
    assert_eq!(kinds, [kind(1, false), kind(1, true), kind(2, false), kind(2, true)]);
    for at in 0..4 {
        let figure = |name: &str| number(&json, &format!("/result/runs/{at}/{name}"));
        assert!((figure("codes_per_second") * figure("seconds") - rows).abs() < 1e-3, "{json:#}");
        // An event names the institution, the document, the moment and the code: it has a lower bound.
        assert!((30.0..1000.0).contains(&figure("log_bytes_per_code")), "{json:#}");
        assert!((10.0..2000.0).contains(&figure("tables_bytes_per_code")), "{json:#}");
    }
    for (way, runs) in [("findings_off", [0, 2]), ("findings_on", [1, 3])] {
        let of = |at: usize| number(&json, &format!("/result/runs/{at}/codes_per_second"));
        let [one, other] = runs.map(of);
        same(&json, &format!("/result/{way}/codes_per_second/min"), one.min(other));
        same(&json, &format!("/result/{way}/codes_per_second/max"), one.max(other));
    }
    assert_eq!(json["goals"].as_array().map(Vec::len), Some(2));
    assert!(table.contains("codes per second, findings on"), "{table}");
}

#[test]
fn what_sold_codes_cost_adds_up() {
    let args = [
        "scale",
        "--small",
        "2000",
        "--large",
        "5001",
        "--seconds",
        "1",
        "--warm-up-seconds",
        "1",
        "--in-flight",
        "16",
    ];
    let (json, table) = report(&args);
    let phase = |at: usize, name: &str| number(&json, &format!("/result/phases/{at}/{name}"));
    let claimed = |at: usize| (phase(at, "warm_up_documents") + phase(at, "documents")) * 3.0;
    same(&json, "/result/fills/0/codes", 2000.0);
    same(&json, "/result/fills/1/codes", 3001.0);
    same(&json, "/result/phases/0/codes_before", 2000.0);
    same(&json, "/result/phases/1/codes_before", 5001.0 + claimed(0));
    let claims = 5001.0 + claimed(0) + claimed(1);
    same(&json, "/result/disk/claims", claims);
    // So few codes that the filters mistake none for another.
    same(&json, "/result/index/codes", claims);
    same(&json, "/result/restart/index_codes", claims);
    same(&json, "/result/throughput_ratio", phase(1, "claims_per_second") / phase(0, "claims_per_second"));
    for at in [0, 1] {
        let documents = phase(at, "claims_per_second") * phase(at, "seconds") / 3.0;
        assert!((documents - phase(at, "documents")).abs() < 1e-6, "{json:#}");
        assert!(phase(at, "seconds") >= 1.0 && phase(at, "cpu_us_per_document") > 0.0, "{json:#}");
    }
    let bytes = |what: &str| number(&json, &format!("/result/{what}"));
    same(&json, "/result/disk/claims_bytes_per_claim", bytes("disk/claims_bytes") / claims);
    same(&json, "/result/index/filter_bytes_per_code", bytes("index/filter_bytes") / claims);
    let each = bytes("disk/claims_bytes_per_claim");
    assert!((8.0..300.0).contains(&each), "a code and who sold it: {each}");
    let [imported, document] = [bytes("log_bytes_per_imported_code"), bytes("log_bytes_per_document")];
    assert!((30.0..1000.0).contains(&imported) && document > imported, "{json:#}");
    let of_claims = imported * 5001.0 + document * (phase(0, "documents") + phase(1, "documents"));
    assert!(bytes("disk/log_bytes") >= of_claims, "registry and purchases stand in it too: {json:#}");
    assert!(bytes("disk/saved_index_bytes") >= bytes("index/filter_bytes"), "{json:#}");
    let [listens, ready] = [bytes("restart/listens_seconds"), bytes("restart/ready_seconds")];
    assert!(0.0 < listens && listens <= ready, "{json:#}");
    assert_eq!(json["goals"].as_array().map(Vec::len), Some(4));
    assert!(table.contains("start to ready, s"), "{table}");
}
