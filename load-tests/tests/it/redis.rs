//! The scenarios over Redis, small, with a real server and from the command line: what they report adds up.

use crate::past::{number, report, same};
use crate::program::{PROGRAM, gateway};
use crate::servers::serve;
use load_tests::bare::{BareHandlers, DATABASE};
use load_tests::driver::Unary;
use load_tests::province::{Province, Shape};
use load_tests::redis_server::{AppendFsync, RedisServer, connect};
use load_tests::workload::Dispense;
use serde_json::Value;
use std::process::Command;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bare_handler_puts_each_code_once() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(folder.path(), AppendFsync::Everysec).await.unwrap();
    let handlers = BareHandlers::over(redis.address()).await.unwrap();
    let channel = serve(handlers, 1).await.remove(0);
    let (province, shape) = (Arc::new(Province::new(20, 10)), Shape { codes: 3, lines: 2 });
    let mut dispense = Dispense::new(channel, Arc::clone(&province), shape);
    for sale in 0..3 {
        dispense.call(sale).await.unwrap();
    }
    let again = dispense.call(1).await.unwrap_err().0;
    assert!(again.contains("was sold before"), "{again}");
    let mut connection = connect(redis.address(), DATABASE).await.unwrap();
    for sale in (0..3).map(|number| province.sale(number, shape)) {
        for code in sale.lines.iter().flat_map(|line| &line.codes) {
            let token: Option<String> =
                redis::cmd("GET").arg(code).query_async(&mut connection).await.unwrap();
            assert_eq!(token.as_ref(), Some(&sale.request_id), "{code}");
        }
    }
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert_eq!(keys, 9);
}

#[test]
fn a_gateway_over_redis_is_measured_beside_the_bare_handler_and_in_a_fleet() {
    let small = "redis --seconds 1 --warm-up-seconds 0 --rounds 2 --connections 2 --in-flight 4 --rate 50 \
                 --plan 100000 --sold-before 2000";
    let (json, table) = report(&small.split_whitespace().collect::<Vec<_>>());
    assert_eq!(json["settings"]["appendfsync"], "everysec");
    assert_eq!(json["settings"]["sold_before"], 2000);
    assert_eq!(json["settings"]["institutions"], 20);
    assert!(
        json["settings"]["redis_version"].as_str().is_some_and(|version| version.contains('.')),
        "{json:#}"
    );
    let per_second = |round: usize, phase: &str| {
        number(&json, &format!("/result/rounds/{round}/{phase}/requests_per_second"))
    };
    let ratio = |figure: &str, one: &str, other: &str| {
        let ratios = [0, 1].map(|round| per_second(round, one) / per_second(round, other));
        same(&json, &format!("/result/{figure}/min"), ratios[0].min(ratios[1]));
        same(&json, &format!("/result/{figure}/max"), ratios[0].max(ratios[1]));
    };
    ratio("unary_over_bare", "unary", "bare");
    ratio("scan_over_bare", "scan", "bare");
    ratio("always_over_everysec", "unary_other_fsync", "unary");
    let fleet = &json["result"]["fleet"];
    assert_eq!(fleet["offered_per_second"], 50.0);
    let looked_for = |round: usize| number(&json, &format!("/result/fleet/rounds/{round}/visible/count"));
    for round in [0, 1] {
        same(&json, &format!("/result/fleet/rounds/{round}/load/due"), 50.0);
        // Twenty in a second, unless the machine stood still.
        assert!((2.0..=21.0).contains(&looked_for(round)), "{fleet:#}");
        let asked = number(&json, &format!("/result/fleet/rounds/{round}/asked_ledger_share"));
        assert!((0.0..=1.0).contains(&asked), "{fleet:#}");
    }
    same(&json, "/result/fleet/visible/count", looked_for(0) + looked_for(1));
    assert!(fleet["visible"]["p99_us"].as_u64() > Some(0), "{fleet:#}");
    let goals: Vec<_> =
        json["goals"].as_array().expect("goals").iter().map(|goal| &goal["measured"]).collect();
    assert_eq!(goals.len(), 4);
    assert_eq!(*goals[0], json["result"]["unary_over_bare"]["median"]);
    same(&json, "/goals/3/measured", number(&json, "/result/fleet/visible/p99_us") / 1000.0);
    assert!(table.contains("throughput, gateway / bare handler"), "{table}");
}

#[test]
fn with_always_the_other_phase_is_synced_once_a_second() {
    let small = "redis --appendfsync always --seconds 1 --warm-up-seconds 0 --rounds 1 --connections 1 --in-flight 2 \
                 --rate 20";
    let (json, _) = report(&small.split_whitespace().collect::<Vec<_>>());
    assert_eq!(json["settings"]["appendfsync"], "always");
    let per_second = |phase: &str| number(&json, &format!("/result/rounds/0/{phase}/requests_per_second"));
    same(&json, "/result/always_over_everysec/median", per_second("unary") / per_second("unary_other_fsync"));
}

#[test]
fn memory_of_sold_codes_adds_up() {
    let (json, table) = report(&["redis-memory", "--codes", "20000", "--plan", "20000"]);
    let result = |path: &str| number(&json, &format!("/result/{path}"));
    assert_eq!((result("codes"), result("claims")), (20_000.0, 20_000.0));
    let parts = json["result"]["parts"].as_array().expect("parts");
    let part = |name: &str| {
        parts.iter().find(|part| part["part"] == name).unwrap_or_else(|| panic!("{name} in {json:#}"))
    };
    let of = |part: &Value, figure: &str| part[figure].as_f64().expect("a figure");
    let (claims, decisions) = (part("claims"), part("decisions"));
    // One bucket of each in every partition, but for those that got nothing.
    assert!((900.0..=1024.0).contains(&of(claims, "keys")), "{claims}");
    // A document is one decision, or two where a batch ends within it.
    assert!((6667.0..6700.0).contains(&of(decisions, "entries")), "{decisions}");
    for bucket in [claims, decisions] {
        assert_eq!(bucket["unpacked"], 0, "{bucket}");
        same(&json, "/result/codes", of(bucket, "bytes") / of(bucket, "bytes_per_code"));
    }
    let both = of(claims, "bytes_per_code") + of(decisions, "bytes_per_code");
    same(&json, "/result/bytes_per_code", both);
    // A code and its decision's name take 16 bytes; half-empty buckets take more than full ones.
    assert!((16.0..120.0).contains(&both), "{json:#}");
    let grown = result("used_memory_after") - result("used_memory_before");
    same(&json, "/result/used_memory_per_code", grown / 20_000.0);
    assert!(result("used_memory_per_code") > both, "claims and decisions are a part of it: {json:#}");
    for figure in ["used_memory_per_key", "memory_usage_per_key"] {
        let each = result(&format!("plain_keys/{figure}"));
        assert!((80.0..200.0).contains(&each), "{figure} {each}");
    }
    assert!(parts.iter().all(|part| part["part"] != "other"), "every key has a name: {json:#}");
    assert!(table.contains("Redis memory of a sold code, bytes"), "{table}");
}

#[test]
fn where_redis_is_missing_a_run_says_how_to_get_it() {
    let gateway = gateway();
    for command in ["redis", "redis-memory"] {
        let args = [command, "--gateway", gateway.to_str().unwrap()];
        let output = Command::new(PROGRAM).args(args).env("PATH", "").output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command}");
        assert!(said.contains("apt-get install redis-server"), "{command} says {said}");
    }
}
