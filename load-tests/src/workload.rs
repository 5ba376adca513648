//! The calls that are measured, and what a right answer is. Must not know when they are sent.

use crate::driver::{Answered, Conversation, Fault, Unary};
use crate::province::{Province, Sale, Shape};
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tracegate::clock::{Clock, SystemClock};
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::scan_request::Request;
use tracegate::grpc::pb::scan_response::Answer;

/// A sale on the wire.
pub fn document(sale: Sale) -> pb::Document {
    let now = SystemClock.now();
    let lines = sale.lines.into_iter().map(|line| pb::Line {
        catalog_code: line.catalog_code,
        quantity: line.units.to_string(),
        unit_price: line.unit_price.to_owned(),
        codes: line.codes,
        ..pb::Line::default()
    });
    pb::Document {
        institution_code: sale.institution,
        document_no: sale.document_no,
        payment: pb::Payment::Insured.into(),
        operator: "001".to_owned(),
        occurred_at: Some(prost_types::Timestamp {
            seconds: now.as_second(),
            nanos: now.subsec_nanosecond(),
        }),
        lines: lines.collect(),
        ..pb::Document::default()
    }
}

/// What every answer must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A sale, recorded now.
    Sold,
    /// It would be allowed.
    Free,
    /// A duplicate: a pharmacy would be blocked, a hospital reminded.
    Duplicate,
}

impl Expected {
    /// What is wrong with an answer, if anything is.
    pub fn of(self, decision: Option<&pb::Decision>) -> Result<(), Fault> {
        let Some(decision) = decision else { return Err(Fault("an answer without a decision".to_owned())) };
        let verdict = decision.verdict();
        let reasons = || decision.findings.iter().map(pb::Finding::reason);
        let right = match self {
            Self::Sold => verdict == pb::Verdict::Allow && decision.recorded && !decision.replayed,
            Self::Free => verdict == pb::Verdict::Allow && !decision.recorded,
            Self::Duplicate => {
                let stopped = matches!(verdict, pb::Verdict::Block | pb::Verdict::Remind);
                stopped && !decision.recorded && reasons().next() == Some(pb::Reason::Duplicate)
            }
        };
        if right {
            return Ok(());
        }
        let (recorded, replayed) = (decision.recorded, decision.replayed);
        let found: Vec<_> = reasons().map(|reason| reason.as_str_name()).collect();
        Err(Fault(format!(
            "expected {self:?}, got {} (recorded {recorded}, replayed {replayed}) with findings {found:?}",
            verdict.as_str_name()
        )))
    }
}

/// `Dispense` of a document with fresh codes.
#[derive(Debug, Clone)]
pub struct Dispense {
    client: DispensingServiceClient<Channel>,
    province: Arc<Province>,
    shape: Shape,
}

impl Dispense {
    /// Over one connection.
    pub fn new(channel: Channel, province: Arc<Province>, shape: Shape) -> Self {
        Self { client: DispensingServiceClient::new(channel), province, shape }
    }

    /// The answer to one of them.
    pub async fn ask(&mut self, number: u64) -> Result<Option<pb::Decision>, Fault> {
        let request = dispense_request(self.province.sale(number, self.shape));
        Ok(self.client.dispense(request).await?.into_inner().decision)
    }
}

impl Unary for Dispense {
    async fn call(&mut self, number: u64) -> Result<(), Fault> {
        Expected::Sold.of(self.ask(number).await?.as_ref())
    }
}

fn dispense_request(sale: Sale) -> pb::DispenseRequest {
    let request_id = sale.request_id.clone();
    pb::DispenseRequest { request_id, document: Some(document(sale)), ..Default::default() }
}

/// `Dispense` of documents with fresh codes over a `Scan` stream; the correlation id is the number.
#[derive(Debug, Clone)]
pub struct Scan {
    client: DispensingServiceClient<Channel>,
    province: Arc<Province>,
    shape: Shape,
}

impl Scan {
    /// Over one connection.
    pub fn new(channel: Channel, province: Arc<Province>, shape: Shape) -> Self {
        Self { client: DispensingServiceClient::new(channel), province, shape }
    }
}

impl Conversation for Scan {
    type Ask = pb::ScanRequest;
    type Answer = pb::ScanResponse;

    fn ask(&self, number: u64) -> pb::ScanRequest {
        let request = dispense_request(self.province.sale(number, self.shape));
        pb::ScanRequest { correlation_id: number.to_string(), request: Some(Request::Dispense(request)) }
    }

    async fn open(
        &mut self,
        asks: ReceiverStream<pb::ScanRequest>,
    ) -> Result<Streaming<pb::ScanResponse>, Status> {
        Ok(self.client.scan(asks).await?.into_inner())
    }

    fn read(&self, answer: pb::ScanResponse) -> Answered {
        let outcome = match answer.answer {
            Some(Answer::Dispense(dispensed)) => Expected::Sold.of(dispensed.decision.as_ref()),
            Some(Answer::Error(error)) => Err(Fault(format!("status {}: {}", error.code, error.message))),
            Some(Answer::Check(_)) | None => Err(Fault("an answer to something else".to_owned())),
        };
        Answered { number: answer.correlation_id.parse().ok(), outcome }
    }
}

/// Which sales are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// New ones each time.
    Fresh,
    /// Those that were dispensed before, again and again.
    Sold {
        /// Number of the first.
        first: u64,
        /// How many.
        count: u64,
    },
}

impl Checked {
    /// The right answer.
    pub const fn expected(self) -> Expected {
        match self {
            Self::Fresh => Expected::Free,
            Self::Sold { .. } => Expected::Duplicate,
        }
    }
}

/// `Check` of a document.
#[derive(Debug, Clone)]
pub struct Check {
    client: DispensingServiceClient<Channel>,
    province: Arc<Province>,
    shape: Shape,
    checked: Checked,
}

impl Check {
    /// Over one connection.
    pub fn new(channel: Channel, province: Arc<Province>, shape: Shape, checked: Checked) -> Self {
        Self { client: DispensingServiceClient::new(channel), province, shape, checked }
    }

    /// The answer to one of them.
    pub async fn ask(&mut self, number: u64) -> Result<Option<pb::Decision>, Fault> {
        let sale = match self.checked {
            Checked::Fresh => self.province.sale(number, self.shape),
            Checked::Sold { first, count } => {
                let sold = self.province.sale(first + number % count.max(1), self.shape);
                // Another document: the same one would be the same sale.
                Sale { document_no: format!("CK{number:014}"), ..sold }
            }
        };
        let request = pb::CheckRequest { document: Some(document(sale)) };
        Ok(self.client.check(request).await?.into_inner().decision)
    }
}

impl Unary for Check {
    async fn call(&mut self, number: u64) -> Result<(), Fault> {
        self.checked.expected().of(self.ask(number).await?.as_ref())
    }
}
