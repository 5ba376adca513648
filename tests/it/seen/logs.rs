//! Log lines name the request they are about, and never a patient, a document or a code.

use super::load::{VISIT, varied};
use crate::support::process::GatewayProcess;
use crate::support::world::{PHARMACY, code, connect, dispense};
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// No disk is that large: nothing is accepted.
const FULL: (&str, &str) = ("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "9000000000000000000");

async fn said(gateway: GatewayProcess) -> String {
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_about_a_request_says_which() {
    let check = async |env: &[(&str, &str)], request_id: &str, parts: &[&str], absent: &[&str]| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = [&[FULL], env].concat();
        let gateway = GatewayProcess::start(&dir.path().join("data"), &env);
        let mut gate = DispensingServiceClient::new(connect(&gateway.address).await);
        let status = gate.dispense(dispense(PHARMACY, request_id, &[code(1)])).await.expect_err("refused");
        assert_eq!(status.code(), tonic::Code::Unavailable);
        let said = said(gateway).await;
        let line = said.lines().find(|line| line.contains("a request could not be answered"));
        let line = line.unwrap_or_else(|| panic!("no such line in\n{said}"));
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
        for part in absent {
            assert!(!line.contains(part), "{part} in {line}");
        }
    };
    check(&[], "req-7", &["request_id=\"req-7\"", "the disk is full"], &["rpc{"]).await;
    let json = [("TRACEGATE_LOG_FORMAT", "json")];
    check(&json, "req-8", &["\"request_id\":\"req-8\""], &[]).await;
    // With spans switched on, every line says its call too.
    let spans = [("TRACEGATE_LOG_LEVEL", "info,tracegate::rpc=debug")];
    check(&spans, "req-9", &["rpc{method=\"DispensingService/Dispense\"", "request_id=\"req-9\""], &[]).await;
    // A request id comes from outside, and ends where it ends.
    check(&[], "x\" ERROR forged", &["request_id=\"x\\\" ERROR forged\""], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_names_a_patient_a_document_or_a_code() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let level = [("TRACEGATE_LOG_LEVEL", "info,tracegate=debug")];
    let gateway = GatewayProcess::start(&dir.path().join("data"), &level);
    varied(&gateway.address).await;
    let said = said(gateway).await;
    assert!(said.contains("stopped"), "it logs: {said}");
    for word in [VISIT, &code(1), &code(77), "D-a", "D-report", "S-1", "83003850000000131888"] {
        assert!(!said.contains(word), "{word} in\n{said}");
    }
}
