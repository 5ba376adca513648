//! `Scan` through real connections: the verdicts of calls, damage between good messages, back-pressure, and every
//! way a stream ends.

mod damage;
mod endings;
pub mod held;
mod pressure;
mod raw;
mod verdicts;

use crate::support::world::{PHARMACY, code, dispense, document};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::scan_request::Request;
use tracegate::grpc::pb::scan_response::Answer;

/// An open stream: dropping `messages` closes the sending side.
struct Open {
    messages: mpsc::Sender<pb::ScanRequest>,
    answers: Streaming<pb::ScanResponse>,
}

async fn open(channel: &Channel) -> Open {
    let (messages, sent) = mpsc::channel(1);
    let mut gate = DispensingServiceClient::new(channel.clone());
    let answers = gate.scan(ReceiverStream::new(sent)).await.expect("a stream").into_inner();
    Open { messages, answers }
}

impl Open {
    async fn send(&self, message: pb::ScanRequest) {
        self.messages.send(message).await.expect("the stream is open");
    }

    async fn answer(&mut self) -> pb::ScanResponse {
        within(self.answers.message()).await.expect("no error").expect("an answer")
    }

    /// Every answer that is still to come, and what the stream ends with.
    async fn rest(self) -> (Vec<pb::ScanResponse>, Option<Status>) {
        drop(self.messages);
        answers(self.answers).await
    }
}

/// Every answer of a stream, and what it ends with.
async fn answers(mut stream: Streaming<pb::ScanResponse>) -> (Vec<pb::ScanResponse>, Option<Status>) {
    let mut found = Vec::new();
    loop {
        match within(stream.message()).await {
            Ok(Some(answer)) => found.push(answer),
            Ok(None) => return (found, None),
            Err(status) => return (found, Some(status)),
        }
    }
}

/// Sends all messages while it reads the answers; gives these by correlation id.
async fn scanned(channel: &Channel, messages: Vec<pb::ScanRequest>) -> BTreeMap<String, pb::ScanResponse> {
    let sent = messages.len();
    let mut gate = DispensingServiceClient::new(channel.clone());
    let stream = gate.scan(tokio_stream::iter(messages)).await.expect("a stream").into_inner();
    let (found, end) = answers(stream).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(found.len(), sent, "one answer a message");
    let mut numbers: Vec<_> = found.iter().map(|answer| answer.message_no).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=sent as u64), "every message is answered once");
    found.into_iter().map(|answer| (answer.correlation_id.clone(), answer)).collect()
}

/// A wait that must end.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("within a minute")
}

fn message(correlation_id: &str, request: Request) -> pb::ScanRequest {
    pb::ScanRequest { correlation_id: correlation_id.into(), request: Some(request) }
}

/// A dispense whose request id is its correlation id.
fn sale(id: &str, codes: &[String]) -> pb::ScanRequest {
    message(id, Request::Dispense(dispense(PHARMACY, id, codes)))
}

/// A check of one code.
fn question(id: &str, n: u64) -> pb::ScanRequest {
    message(id, Request::Check(pb::CheckRequest { document: Some(document(PHARMACY, id, &[code(n)])) }))
}

/// The decision of an answer that must have one.
fn decision(answer: &pb::ScanResponse) -> &pb::Decision {
    let found = match &answer.answer {
        Some(Answer::Check(checked)) => checked.decision.as_ref(),
        Some(Answer::Dispense(dispensed)) => dispensed.decision.as_ref(),
        Some(Answer::Error(_)) | None => None,
    };
    found.unwrap_or_else(|| panic!("no decision: {answer:?}"))
}

/// The error of an answer that must have one.
fn error(answer: &pb::ScanResponse) -> &pb::ScanError {
    match &answer.answer {
        Some(Answer::Error(error)) => error,
        _ => panic!("no error: {answer:?}"),
    }
}
