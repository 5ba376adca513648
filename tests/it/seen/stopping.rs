//! A gateway that stops says so while it finishes what is in flight.

use crate::support::eventually;
use crate::support::process::{GatewayProcess, page};
use crate::support::world::{PHARMACY, code, connect, document, load_province};
use tokio_stream::wrappers::ReceiverStream;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_taken_back_while_the_last_calls_are_finished() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start_with_http(&dir.path().join("data"), "127.0.0.1:0", &[]);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let (events, stream) = tokio::sync::mpsc::channel(1);
    let mut gate = DispensingServiceClient::new(channel);
    let reporting = tokio::spawn(async move { gate.report(ReceiverStream::new(stream)).await });
    let in_flight = "tracegate_rpc_in_flight{method=\"DispensingService/Report\"} 1";
    eventually("the call is under way", || async {
        page(&gateway.pages, "/metrics").1.contains(in_flight).then_some(())
    })
    .await;
    gateway.signal("TERM");
    eventually("not ready", || async {
        let (status, text) = page(&gateway.pages, "/ready");
        let told = status.contains("503") && text.contains("\"listener\":\"stopping\"");
        told.then_some(())
    })
    .await;
    assert_eq!(page(&gateway.pages, "/live").0, "HTTP/1.1 200 OK");
    let metrics = page(&gateway.pages, "/metrics").1;
    assert!(
        metrics.contains(in_flight) && metrics.contains("tracegate_ready{part=\"listener\"} 0"),
        "{metrics}"
    );
    let sale = pb::report_request::Event::Sale(document(PHARMACY, "D1", &[code(1)]));
    let event = pb::ReportRequest { request_id: "late".into(), event: Some(sale) };
    events.send(event).await.expect("the stream is open");
    drop(events);
    let answer = reporting.await.expect("the call ends").expect("an answer").into_inner();
    assert_eq!(answer.results.len(), 1);
    assert!(answer.results[0].refusal.is_empty(), "{answer:?}");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{said}");
}
