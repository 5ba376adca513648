//! The command line against a running gateway: show, explain, reload, shadow; and the metrics of a shadow.

use super::{bare, rule};
use crate::support::process::{GatewayProcess, run, says};
use crate::support::world::{DRUG, PHARMACY, connect, load_province};
use std::io::{Read, Write};
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

fn metrics(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("the port answers");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_shows_explains_reloads_and_tries_rules() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (own, beside) = (dir.path().join("own.toml"), dir.path().join("beside.toml"));
    std::fs::write(&own, rule("NO_CODE", "block")).expect("written");
    std::fs::write(&beside, rule("NO_CODE", "remind")).expect("written");
    let (own_path, beside_path) = (own.to_str().expect("UTF-8"), beside.to_str().expect("UTF-8"));
    let env = [("TRACEGATE_POLICY_FILES", own_path)];
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &env);
    let to = gateway.address.as_str();
    let channel = connect(to).await;
    load_province(&channel).await;

    says(&["policy", "show"], to, &["no shadow policy runs", "own.toml:1", "tcm_pieces", "hold_minutes"])
        .await;
    let only = says(&["policy", "show", "--reason", "NO_CODE"], to, &["own.toml:1"]).await;
    assert!(!only.contains("DUPLICATE"), "{only}");
    let json = says(&["policy", "show", "--json"], to, &[]).await;
    let shown: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert!(shown["rules"].as_array().is_some_and(|rules| rules.len() > 50), "{json}");

    let about = ["policy", "explain", "--institution", PHARMACY, "--drug", DRUG];
    says(&about, to, &["NO_CODE", "block", "own.toml:1", "registered true", "drug_class western"]).await;
    let asked = [&about[..], &["--reason", "NO_CODE"]].concat();
    says(&asked, to, &["yes, and decides", "no: kind", "yes, but a more specific rule"]).await;
    let described = ["policy", "explain", "--kind", "hospital", "--division", "130102", "--json"];
    let told = says(&described, to, &[]).await;
    let told: serde_json::Value = serde_json::from_str(&told).expect("one JSON object");
    assert_eq!(told["understood"]["kind"], "hospital");

    let (ok, said) = run(&["policy", "shadow", "start", own_path, beside_path], to).await;
    assert!(!ok && said.contains("beside.toml:1: contradicts"), "{said}");
    says(&["policy", "shadow", "start", beside_path], to, &["documents 0, changed 0"]).await;
    let mut gate = DispensingServiceClient::new(channel.clone());
    gate.dispense(bare(PHARMACY, "bare")).await.expect("an answer");
    let parts = [
        "documents 1, changed 1: stricter 0, milder 1",
        "BLOCK",
        "REMIND",
        "NO_CODE line 1 block → remind",
        "bare",
    ];
    says(&["policy", "shadow", "show"], to, &parts).await;
    let json = says(&["policy", "shadow", "show", "--json"], to, &[]).await;
    let shown: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!((&shown["changed"], &shown["milder"]), (&1.into(), &1.into()), "{json}");
    assert_eq!(shown["changes"][0]["request_id"], "bare");
    let page = metrics(&gateway.pages);
    let line = "tracegate_shadow_documents_total{was=\"BLOCK\",would=\"REMIND\"} 1";
    assert!(page.contains(line), "{line} in\n{page}");
    says(&["policy", "shadow", "stop"], to, &["documents 1, changed 1"]).await;
    let (ok, said) = run(&["policy", "shadow", "show"], to).await;
    assert!(!ok && said.contains("no shadow policy runs"), "{said}");

    says(&["policy", "reload"], to, &["nothing changed"]).await;
    std::fs::write(&own, rule("NO_CODE", "observe")).expect("written");
    says(&["policy", "reload"], to, &["is in force, it was"]).await;
    std::fs::write(&own, "[[rule]]\nreason = 'NONSENSE'\nenforcement = 'perhaps'\nnote = ''\n")
        .expect("written");
    let (ok, said) = run(&["policy", "reload"], to).await;
    assert!(!ok && said.contains("own.toml:2") && said.contains("own.toml:3"), "{said}");
    assert!(said.contains("the old policy stays in force"), "{said}");
}
