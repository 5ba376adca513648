//! The program from its command line: what it writes, and what it refuses.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_load-tests");

pub fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program starts")
}

#[track_caller]
pub fn written(out: &Path, output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = std::fs::read_to_string(out).expect("the JSON is written");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Every path must lead to a value that is not null.
#[track_caller]
pub fn check(json: &Value, paths: &[&str]) {
    for path in paths {
        let found = json.pointer(path);
        assert!(found.is_some_and(|value| !value.is_null()), "{path} is missing in {json:#}");
    }
}

/// What stands in every report.
pub const EVERY_REPORT: [&str; 13] = [
    "/scenario",
    "/finished_at",
    "/machine/cpu",
    "/machine/cores",
    "/machine/memory_mib",
    "/machine/kernel",
    "/machine/load_average",
    "/commit/id",
    "/commit/dirty",
    "/commit/build",
    "/command/0",
    "/goals/0/reached",
    "/faults/count",
];

/// The gateway's program lies beside this one, where the whole workspace was built.
pub fn gateway() -> PathBuf {
    let path = Path::new(PROGRAM).with_file_name("tracegate");
    assert!(path.is_file(), "{} is missing; test the whole workspace: scripts/test.sh", path.display());
    path
}

/// A small run of a scenario.
fn small(scenario: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("result.json");
    let gateway = gateway();
    let small = "--seconds 1 --warm-up-seconds 0 --rounds 1 --connections 2 --in-flight 4 --institutions 20 --drugs 10";
    let mut args: Vec<&str> = std::iter::once(scenario).chain(small.split(' ')).collect();
    args.extend(["--gateway", gateway.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let json = written(&out, &run(&args));
    check(&json, &EVERY_REPORT);
    json
}

#[test]
fn a_flood_is_counted_by_what_became_of_it() {
    let json = small("overload");
    check(&json, &["/result/kept/median", "/result/rounds/0/refused_mean_us"]);
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64).expect("a number");
    let (answered, refused) = (number("/result/rounds/0/answered"), number("/result/rounds/0/refused"));
    assert!(answered > 0, "{json:#}");
    assert_eq!(answered + refused, number("/result/rounds/0/flood/requests"), "{json:#}");
}

#[test]
fn hostile_callers_are_let_in_as_far_as_the_limits_say() {
    let json = small("hostile");
    check(&json, &["/result/kept/median", "/result/grown_mib/median"]);
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64).expect("a number");
    assert_eq!(number("/result/rounds/0/silent"), 500);
    assert!(number("/result/rounds/0/streams/0") <= 64, "{json:#}");
    assert!(number("/result/rounds/0/garbage/0") > 0, "{json:#}");
}

#[test]
fn a_run_against_a_gateway_is_written_with_all_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("dispense.json");
    let gateway = gateway();
    let small = "--seconds 1 --warm-up-seconds 0 --rounds 1 --connections 2 --in-flight 4 --institutions 20 --drugs 10";
    let mut args: Vec<&str> = std::iter::once("dispense").chain(small.split(' ')).collect();
    args.extend(["--rate", "50", "--poisson", "--seed", "3"]);
    args.extend(["--gateway", gateway.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let output = run(&args);
    let json = written(&out, &output);
    check(&json, &EVERY_REPORT);
    check(
        &json,
        &[
            "/settings/shape/codes",
            "/settings/seconds",
            "/settings/connections",
            "/settings/in_flight_per_connection",
            "/settings/poisson_seed",
            "/settings/disk/file_system",
            "/settings/disk/sync_us",
            "/result/answer_bytes",
            "/result/throughput_ratio/median",
            "/result/throughput_ratio/min",
            "/result/p99_difference_ms/max",
            "/result/saturation/0/peer/requests_per_second",
            "/result/saturation/0/gateway/server_cpu_us_per_request",
            "/result/saturation/0/gateway/driver_cpu_us_per_request",
            "/result/open_loop/0/peer/latency/p50_us",
            "/result/open_loop/0/gateway/latency/p90_us",
            "/result/open_loop/0/gateway/latency/p99_us",
            "/result/open_loop/0/gateway/latency/p999_us",
            "/result/open_loop/0/gateway/latency/max_us",
            "/result/open_loop/0/gateway/late",
        ],
    );
    assert_eq!(json["faults"]["count"], 0);
    assert_eq!(json["settings"]["poisson_seed"], 3);
    assert!(json["result"]["answer_bytes"].as_u64() > Some(50), "{json:#}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("saturation: gateway / peer"), "{table}");
    assert!(table.contains("throughput, gateway / empty server"), "{table}");
}

#[test]
fn the_engine_alone_is_measured_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("engine.json");
    let output = run(&[
        "engine",
        "--documents",
        "300",
        "--rounds",
        "2",
        "--institutions",
        "20",
        "--drugs",
        "10",
        "--json",
        "--out",
        out.to_str().unwrap(),
    ]);
    let json = written(&out, &output);
    check(&json, &EVERY_REPORT);
    check(
        &json,
        &[
            "/settings/shape/codes",
            "/result/rounds/1/cpu_us_per_document",
            "/result/cpu_us_per_document/median",
        ],
    );
    assert!(json["result"]["rounds"][0]["cpu_us_per_document"].as_f64() > Some(0.0), "{json:#}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("--json prints the JSON");
    assert_eq!(printed, json);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_word_on_what_to_do() {
    let refused = |args: &[&str], word: &str| {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert!(said.contains(word), "{args:?} says {said}");
    };
    refused(&["peer", "--listen", "0.0.0.0:0"], "loopback");
    refused(&["peer", "--listen", "192.168.1.7:50051"], "loopback");
    refused(&["dispense", "--gateway", "/nowhere/tracegate"], "cargo build --release --workspace");
    refused(&["dispense", "--codes", "2", "--lines", "3"], "--lines");
    refused(&["dispense", "--seconds", "0"], "1..=600");
    refused(&["all", "--out", "one.json"], "--out");
    refused(&["scale", "--small", "10", "--large", "10"], "--small 10 is not less than --large 10");
    refused(&["scale", "--gateway", "/nowhere/tracegate"], "cargo build --release --workspace");
    refused(&["import", "--codes", "0"], "1..=100000000");
    refused(&["redis", "--plan", "10", "--sold-before", "330"], "raise --plan");
    refused(&["redis", "--appendfsync", "no"], "everysec");
    refused(&["peer", "--redis", "10.0.0.7:6379"], "loopback");
    if Path::new("/dev/shm").is_dir() {
        let gateway = gateway();
        for command in ["scale", "import", "redis", "redis-memory"] {
            let args = [command, "--data-dir", "/dev/shm", "--gateway", gateway.to_str().unwrap()];
            refused(&args, "nothing is durable");
        }
    }
}
