//! Calls of every kind, so that every metric moves.

use crate::support::world::{
    DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, code, connect, dispense, document, load_province,
};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::purchase_service_client::PurchaseServiceClient;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;

/// The word that must not leave the gateway: it stands in for a patient's visit.
pub const VISIT: &str = "VISIT-20260310-0007";

/// Sells, sells again, holds, confirms, voids, returns, reports, asks, is refused.
pub async fn varied(address: &str) {
    let channel = connect(address).await;
    load_province(&channel).await;
    let mut gate = DispensingServiceClient::new(channel.clone());
    for request in [
        dispense(PHARMACY, "a", &[code(1), code(2)]),
        dispense(PHARMACY, "b", &[code(1)]),
        dispense(OTHER_PHARMACY, "c", &[code(2)]),
        dispense(HOSPITAL, "d", &["83003850000000131888".to_owned()]),
        dispense(PHARMACY, "e", &["6901234567892".to_owned()]),
        pb::DispenseRequest { hold: true, ..dispense(PHARMACY, "hold", &[code(3)]) },
    ] {
        let request = with_visit(request);
        gate.dispense(request.clone()).await.expect("an answer");
        gate.dispense(request).await.expect("the same answer");
    }
    let check = pb::CheckRequest { document: Some(document(PHARMACY, "D9", &[code(1), code(77)])) };
    gate.check(check).await.expect("an answer");
    settle(&mut gate).await;
    report(&mut gate).await;
    refusals(&channel).await;
    purchases(&channel).await;
}

fn with_visit(mut request: pb::DispenseRequest) -> pb::DispenseRequest {
    if let Some(document) = &mut request.document {
        document.visit_no = format!("{VISIT}-{}", request.request_id);
    }
    request
}

async fn settle(gate: &mut DispensingServiceClient<Channel>) {
    let confirm = pb::ConfirmRequest {
        request_id: "confirm".into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: "hold".into(),
        settlement_id: "S-1".into(),
        amount: "12.50".into(),
        occurred_at: None,
    };
    gate.confirm(confirm).await.expect("an answer");
    let void = pb::VoidRequest {
        request_id: "void".into(),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DispenseRequestId("a".into())),
    };
    gate.void(void).await.expect("an answer");
    let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "hold".into() };
    gate.get_outcome(asked).await.expect("an answer");
    let taken_back = pb::ReturnRequest { request_id: "return".into(), document: Some(returned(3)) };
    gate.r#return(taken_back).await.expect("an answer");
}

fn returned(n: u64) -> pb::ReturnDocument {
    let sale = document(PHARMACY, "x", &[code(n)]);
    pb::ReturnDocument {
        institution_code: PHARMACY.into(),
        document_no: format!("R{n}"),
        lines: sale.lines,
        ..pb::ReturnDocument::default()
    }
}

async fn report(gate: &mut DispensingServiceClient<Channel>) {
    use pb::report_request::Event;
    let movement = pb::Movement {
        institution_code: PHARMACY.into(),
        kind: pb::MovementKind::StockCount.into(),
        codes: vec![code(8)],
        ..pb::Movement::default()
    };
    let sale = document(PHARMACY, "D-report", &[code(9)]);
    let events = [Event::Sale(sale), Event::SaleReturn(returned(9)), Event::Movement(movement)];
    let events = events
        .into_iter()
        .enumerate()
        .map(|(n, event)| pb::ReportRequest { request_id: format!("report-{n}"), event: Some(event) });
    let answer = gate.report(tokio_stream::iter(events.collect::<Vec<_>>())).await.expect("an answer");
    let refusals: Vec<_> = answer.into_inner().results.into_iter().map(|r| r.refusal).collect();
    assert!(refusals.iter().all(String::is_empty), "{refusals:?}");
}

async fn refusals(channel: &Channel) {
    let mut gate = DispensingServiceClient::new(channel.clone());
    let mut refused = async |request: Request<pb::DispenseRequest>, code: tonic::Code| {
        let status = gate.dispense(request).await.expect_err("refused");
        assert_eq!(status.code(), code, "{status}");
    };
    let as_caller = |request, caller| {
        let mut request = Request::new(request);
        request.metadata_mut().insert("tracegate-caller", MetadataValue::from_static(caller));
        request
    };
    let one = || dispense(PHARMACY, "z", &[code(50)]);
    refused(Request::new(dispense(PHARMACY, "", &[code(50)])), tonic::Code::InvalidArgument).await;
    refused(Request::new(dispense(PHARMACY, "b", &[code(51)])), tonic::Code::AlreadyExists).await;
    refused(
        Request::new(with_visit(dispense(PHARMACY, "a", &[code(1), code(2)]))),
        tonic::Code::FailedPrecondition,
    )
    .await;
    refused(as_caller(one(), "institution P12010100002"), tonic::Code::PermissionDenied).await;
    refused(as_caller(one(), "whoever"), tonic::Code::Unauthenticated).await;
    let mut registry = RegistryServiceClient::new(channel.clone());
    let missing = pb::GetDrugRequest { code_prefix: "nothing".into() };
    assert_eq!(registry.get_drug(missing).await.expect_err("missing").code(), tonic::Code::NotFound);
}

async fn purchases(channel: &Channel) {
    let mut book = PurchaseServiceClient::new(channel.clone());
    let at = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 };
    let feed = pb::SubmitPurchaseFeedsRequest { scope: "12*".into(), complete_up_to: Some(at) };
    let loaded =
        book.submit_purchase_feeds(tokio_stream::iter([feed])).await.expect("an answer").into_inner();
    assert!(loaded.results.iter().all(|r| r.refusal.is_empty()), "{loaded:?}");
    let asked = pb::GetPurchaseRequest { institution_code: PHARMACY.into(), catalog_code: DRUG.into() };
    book.get_purchase(asked).await.expect("an answer");
}
