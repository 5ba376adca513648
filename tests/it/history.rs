//! Histories through real connections: what `ImportSales` records and answers, go-live days, and the command with
//! its kills.

mod command;
mod door;
mod go_live;
mod resume;

use crate::support::world::code;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tracegate::grpc::pb;
use tracegate::grpc::pb::history_service_client::HistoryServiceClient;

/// A whole box, sold at a moment of 2026 like `2026-02-01T09:00:00+08:00`.
fn sold(institution: &str, document_no: &str, at: &str, n: u64) -> pb::PastSale {
    let at: jiff::Timestamp = at.parse().expect("a moment");
    pb::PastSale {
        institution_code: institution.into(),
        document_no: document_no.into(),
        occurred_at: Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }),
        code: code(n),
        ..pb::PastSale::default()
    }
}

fn back(institution: &str, document_no: &str, at: &str, n: u64) -> pb::PastSale {
    pb::PastSale { kind: pb::PastKind::Return.into(), ..sold(institution, document_no, at, n) }
}

fn batch(batch_no: u64, rows: Vec<pb::PastSale>) -> pb::ImportSalesRequest {
    pb::ImportSalesRequest { batch_no, find_conflicts: true, count_sold: false, rows }
}

/// Sends batches, and gives their answers, or the error that ended the stream behind those that came before.
async fn import(
    channel: &Channel,
    batches: Vec<pb::ImportSalesRequest>,
) -> (Vec<pb::ImportSalesResponse>, Option<Status>) {
    import_as(channel, Request::new(tokio_stream::iter(batches))).await
}

async fn import_as(
    channel: &Channel,
    request: Request<impl tokio_stream::Stream<Item = pb::ImportSalesRequest> + Send + 'static>,
) -> (Vec<pb::ImportSalesResponse>, Option<Status>) {
    let mut history = HistoryServiceClient::new(channel.clone());
    let mut answers = match history.import_sales(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut told = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => told.push(answer),
            Ok(None) => return (told, None),
            Err(status) => return (told, Some(status)),
        }
    }
}

/// Added, known, added to known, refused, with findings.
fn counts(answers: &[pb::ImportSalesResponse]) -> [u32; 5] {
    answers.iter().fold([0; 5], |[a, b, c, d, e], answer| {
        [
            a + answer.added,
            b + answer.already_known,
            c + answer.added_to_known,
            d + answer.refused,
            e + answer.with_findings,
        ]
    })
}
