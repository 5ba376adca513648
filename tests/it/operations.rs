//! What an operator does: reads the policy again, checks settings, starts over a bad directory.

use crate::support::process::{GatewayProcess, PROGRAM, page};
use crate::support::world::{PHARMACY, code, connect, dispense, load_province};
use std::process::Command;
use tonic::transport::Channel;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

async fn policy_version(channel: &Channel, n: u64) -> String {
    let mut gate = DispensingServiceClient::new(channel.clone());
    let answer = gate.dispense(dispense(PHARMACY, &format!("p{n}"), &[code(n)])).await.expect("an answer");
    answer.into_inner().decision.expect("a decision").policy_version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_policy_file_leaves_the_old_policy_in_force() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("rules.toml");
    let rule = "[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '1201'\nkind = 'pharmacy'\n\
                payment = 'insured'\nenforcement = 'remind'\nnote = 'pilot'\n";
    std::fs::write(&file, rule).expect("the file can be written");
    let path = file.to_str().expect("UTF-8");
    let gateway = GatewayProcess::start(&dir.path().join("data"), &[("TRACEGATE_POLICY_FILES", path)]);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let first = policy_version(&channel, 1).await;
    let hang_up = async |n: u64, content: &str, changes: bool| {
        std::fs::write(&file, content).expect("the file can be written");
        gateway.signal("HUP");
        if !changes {
            return policy_version(&channel, n).await;
        }
        let mut at = n * 1_000;
        loop {
            at += 1;
            assert!(at < n * 1_000 + 900, "the policy was not read again");
            let version = policy_version(&channel, at).await;
            if version != first {
                return version;
            }
        }
    };
    let second = hang_up(2, &rule.replace("remind", "observe"), true).await;
    assert_ne!(first, second);
    let third = hang_up(3, "[[rule]]\nreason = 'NONSENSE'\n", false).await;
    assert_eq!(second, third, "the bad file changed nothing");
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{said}");
    assert!(said.contains("rules.toml:2") && said.contains("NONSENSE"), "file, line and reason: {said}");
    assert!(said.contains("the old policy stays in force"), "{said}");
}

fn run(args: &[&str], env: &[(&str, &str)]) -> (bool, String) {
    let run = Command::new(PROGRAM).args(args).envs(env.iter().copied()).output().expect("the program runs");
    let text = [run.stdout, run.stderr].concat();
    (run.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Arguments, environment, and what the message must say.
type Mistake<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn mistakes_are_told_before_anything_is_served() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "[[rule]]\nreason = 'NO_CODE'\nenforcement = 'perhaps'\nnote = 'x'\n")
        .expect("written");
    let bad = bad.to_str().expect("UTF-8");
    let data = dir.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let rows: [Mistake; 6] = [
        (&["check-config"], &[("TRACEGATE_GRPC_LISTEN", "nowhere")], "grpc.listen"),
        (
            &["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir", data],
            &[("TRACEGATE_POLICY_FILES", bad)],
            "bad.toml:3",
        ),
        (
            &["serve", "--data-dir", "/dev/null/x", "--listen", "127.0.0.1:0", "--http", "off"],
            &[],
            "/dev/null/x",
        ),
        (&["policy", "check", bad], &[], "perhaps"),
        (
            &["check", "83003850000000131888", "--to", "127.0.0.1:1", "--institution", PHARMACY],
            &[],
            "tracegate serve",
        ),
        (&["replay", "--registry", data, "none.jsonl", "--out", "-"], &[], "none.jsonl"),
    ];
    for (args, env, part) in rows {
        let (ok, said) = run(args, env);
        assert!(!ok && said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn codes_and_rules_are_explained() {
    let rows: [(&[&str], &[&str]); 5] = [
        (&["check", "]C183003850000000131888"], &["MSFX", "83003850000000131888"]),
        (&["check", "--json", "6901234567892"], &["\"family\":\"PRODUCT_BARCODE\""]),
        (&["policy", "check"], &["valid: version "]),
        (&["policy", "explain", "--kind", "pharmacy", "--division", "130102"], &["NOT_PURCHASED", "block"]),
        (
            &[
                "policy",
                "explain",
                "--kind",
                "pharmacy",
                "--division",
                "130102",
                "--reason",
                "NOT_PURCHASED",
                "--date",
                "2025-09-04",
            ],
            &["no: valid_from"],
        ),
    ];
    for (args, parts) in rows {
        let (ok, said) = run(args, &[]);
        assert!(ok, "{args:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part} in {args:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_keeps_good_rows_and_writes_the_bad_ones_to_a_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start(&dir.path().join("data"), &[]);
    let file = dir.path().join("own_schemes.csv");
    let content = "issuer,pattern,catalog_code,pack_level,units_per_pack\n药企,AB[0-9]{8},XA1,small,10\n药企,(,XA1,small,10\n药企,CD[0-9]{8},XA1,huge,10\n";
    std::fs::write(&file, content).expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    let address = gateway.address.clone();
    let args = ["import".to_owned(), "own-schemes".to_owned(), path, "--to".to_owned(), address];
    let import = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let (ok, said) = tokio::task::spawn_blocking(import).await.expect("the run ends");
    assert!(!ok && said.contains("1 added, 0 unchanged, 0 replaced, 2 refused"), "{said}");
    let rejects =
        std::fs::read_to_string(dir.path().join("own_schemes.csv.rejects.csv")).expect("a rejects file");
    let lines: Vec<_> =
        rejects.lines().skip(1).map(|l| l.split(',').next().expect("a line number")).collect();
    assert_eq!(lines, ["4", "3"], "the reader's rejects first, then the gateway's: {rejects}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics_are_seen_from_outside() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &[]);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let mut gate = DispensingServiceClient::new(channel.clone());
    for request in [dispense(PHARMACY, "a", &[code(1)]), dispense(PHARMACY, "b", &[code(1)])] {
        gate.dispense(request.clone()).await.expect("an answer");
        gate.dispense(request).await.expect("the same answer");
    }
    assert_eq!(page(&gateway.pages, "/live").0, "HTTP/1.1 200 OK");
    let (status, ready) = page(&gateway.pages, "/ready");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(ready.contains("\"store\":\"ready\""), "{ready}");
    let (_, metrics) = page(&gateway.pages, "/metrics");
    for line in [
        "tracegate_verdicts_total{call=\"dispense\",verdict=\"ALLOW\"} 1",
        "tracegate_verdicts_total{call=\"dispense\",verdict=\"BLOCK\"} 1",
        "tracegate_findings_total{reason=\"DUPLICATE\",enforcement=\"block\"} 1",
        "tracegate_repeated_total{call=\"dispense\"} 2",
        "tracegate_store_state{state=\"ready\"} 1",
        "tracegate_group_changes_count",
        "tracegate_disk_free_bytes",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(
        !metrics.contains(PHARMACY) && !metrics.contains(&code(1)),
        "no institution, no code:\n{metrics}"
    );
    assert_eq!(page(&gateway.pages, "/nothing").0, "HTTP/1.1 404 Not Found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_below_its_reserve_is_seen_in_readiness_and_metrics() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // No disk is that large: the reserve is missed from the first change on.
    let reserve = [("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "9000000000000000000")];
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &reserve);
    let mut gate = DispensingServiceClient::new(connect(&gateway.address).await);
    let refused = gate.dispense(dispense(PHARMACY, "a", &[code(1)])).await.expect_err("refused");
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("the disk is full"), "{refused}");
    let (status, ready) = page(&gateway.pages, "/ready");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(ready.contains("the disk is full"), "{ready}");
    let (_, metrics) = page(&gateway.pages, "/metrics");
    assert!(metrics.contains("tracegate_store_state{state=\"full\"} 1"), "{metrics}");
}
