//! Plays messages of the national interface through a gateway's public API.

use super::connect::Clients;
use super::credentials::Credentials;
use super::load::moment;
use super::nhsa::{
    Body, Message, MessageError, ReturnDocument, ReturnLine, SaleDocument, SaleLine, read_message,
};
use crate::clock::ManualClock;
use crate::grpc::pb;
use anyhow::{Context, Result};
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tonic::{Code, Status};

/// One line of the output.
#[derive(Debug, Clone, Serialize)]
pub struct Played {
    /// Line number of the message, from 1.
    pub n: u64,
    /// Transaction number; empty where the message could not be read.
    pub infno: String,
    /// ALLOW, REMIND, PENDING, BLOCK, or ERROR.
    pub verdict: &'static str,
    /// All findings of all its documents.
    pub findings: Vec<PlayedFinding>,
    /// The events were stored as sales or returns.
    pub recorded: bool,
    /// What could not be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counts for summaries.
    #[serde(skip)]
    pub counts: Counts,
    /// What the table shows besides.
    #[serde(skip)]
    pub scene: Scene,
}

/// One finding of an output line.
#[derive(Debug, Clone, Serialize)]
pub struct PlayedFinding {
    /// Its reason.
    pub reason: &'static str,
    /// Its class, for a duplicate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// LATER or EARLIER, for a duplicate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The row of the message; absent = the document as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The code, canonical or as scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it says to the cashier: Chinese, English.
    #[serde(skip)]
    pub sentences: (String, String),
}

/// How much a message held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents that were sent.
    pub documents: u64,
    /// Scans on them.
    pub codes: u64,
}

/// Who did what, for the table.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Institution code.
    pub institution: String,
    /// The message's clock.
    pub clock: Option<jiff::Timestamp>,
    /// The codes as scanned.
    pub codes: Vec<String>,
}

/// Plays messages over connections, one for each counter.
pub struct Player {
    connect: Box<dyn Fn() -> Connecting + Send>,
    counters: BTreeMap<String, Clients>,
    clock: Option<Arc<ManualClock>>,
}

type Connecting = std::pin::Pin<Box<dyn Future<Output = Result<Clients>> + Send>>;

/// Connections are kept for this many counters at most; the rest share.
const COUNTERS_MAX: usize = 64;

impl Player {
    /// A player that opens connections to `address` and shows `credentials`. `clock` = the gateway's clock, where it is ours to set.
    pub fn new(address: String, credentials: Credentials, clock: Option<Arc<ManualClock>>) -> Self {
        let connect = move || -> Connecting {
            let (address, credentials) = (address.clone(), credentials.clone());
            Box::pin(async move { Clients::connect(&address, &credentials).await })
        };
        Self { connect: Box::new(connect), counters: BTreeMap::new(), clock }
    }

    /// Plays one line. An error = the gateway cannot be reached or does not take it; send the line again.
    pub async fn play(&mut self, n: u64, line: &str) -> Result<Played> {
        match read_message(line) {
            Ok(message) => {
                if let Some(clock) = &self.clock {
                    clock.set(message.clock);
                }
                self.play_message(n, message).await.with_context(|| format!("line {n}"))
            }
            Err(error) => Ok(Played::error(n, infno_of(line), error.to_string())),
        }
    }

    async fn clients(&mut self, institution: &str) -> Result<Clients> {
        let name = if self.counters.len() < COUNTERS_MAX { institution } else { "" };
        if let Some(known) = self.counters.get(institution).or_else(|| self.counters.get(name)) {
            return Ok(known.clone());
        }
        let clients = (self.connect)().await?;
        self.counters.insert(name.to_owned(), clients.clone());
        Ok(clients)
    }

    async fn play_message(&mut self, n: u64, message: Message) -> Result<Played> {
        let mut clients = self.clients(&message.institution_code).await?;
        let Message { infno, institution_code, clock, operator, body, rejected } = message;
        let mut played = Played::error(n, infno.clone(), String::new());
        played.scene.institution.clone_from(&institution_code);
        played.scene.clock = Some(clock);
        let mut errors: Vec<String> = rejected.iter().map(MessageError::to_string).collect();
        match body {
            Body::Sales(documents) => {
                for document in documents {
                    played.count(document.lines.iter().map(|l| &l.codes));
                    let numbers = LineNumbers::of(&document.lines);
                    let request =
                        dispense_request(&institution_code, operator.as_deref(), document, &numbers);
                    let answer = clients.dispensing.dispense(request).await;
                    played.take(answer.map(|a| a.into_inner().decision), &numbers, &mut errors)?;
                }
            }
            Body::Returns(documents) => {
                for document in documents {
                    played.count(document.lines.iter().map(|l| &l.codes));
                    let request = return_request(&institution_code, operator.as_deref(), document);
                    let answer = clients.dispensing.r#return(request).await;
                    let numbers = LineNumbers::default();
                    played.take(answer.map(|a| a.into_inner().decision), &numbers, &mut errors)?;
                }
            }
            Body::NotSupported(why) => errors.push(format!("{infno} is not supported: {why}")),
        }
        played.error = (!errors.is_empty()).then(|| errors.join("; "));
        Ok(played)
    }
}

impl Played {
    fn error(n: u64, infno: String, error: String) -> Self {
        Self {
            n,
            infno,
            verdict: ERROR,
            findings: Vec::new(),
            recorded: false,
            error: Some(error),
            counts: Counts::default(),
            scene: Scene::default(),
        }
    }

    fn count<'a>(&mut self, lines: impl Iterator<Item = &'a Vec<String>>) {
        self.counts.documents += 1;
        for codes in lines {
            self.counts.codes += codes.len() as u64;
            self.scene.codes.extend_from_slice(codes);
        }
    }

    /// Takes in the answer to one document. A refusal belongs to the document; an outage ends the play.
    fn take(
        &mut self,
        answer: Result<Option<pb::Decision>, Status>,
        numbers: &LineNumbers,
        errors: &mut Vec<String>,
    ) -> Result<()> {
        let decision = match answer {
            Ok(decision) => decision.unwrap_or_default(),
            Err(status) if is_refusal(status.code()) => {
                errors.push(status.message().to_owned());
                return Ok(());
            }
            Err(status) => anyhow::bail!("the gateway does not answer: {}", status.message()),
        };
        self.recorded |= decision.recorded;
        let verdict = short(decision.verdict().as_str_name(), "VERDICT_");
        if strictness(verdict) > strictness(self.verdict) {
            self.verdict = verdict;
        }
        let of_row =
            |finding: pb::Finding| pb::Finding { line_no: numbers.row_of(finding.line_no), ..finding };
        self.findings.extend(decision.findings.into_iter().map(of_row).map(PlayedFinding::from));
        Ok(())
    }
}

const ERROR: &str = "ERROR";

/// From mildest to strictest; an answer of any kind beats none.
fn strictness(verdict: &str) -> usize {
    [ERROR, "ALLOW", "REMIND", "PENDING", "BLOCK"].iter().position(|v| *v == verdict).unwrap_or(0)
}

/// Statuses that speak of the request, not of the gateway.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::ResourceExhausted
    )
}

/// The transaction number of a message that cannot be read otherwise.
fn infno_of(line: &str) -> String {
    let message: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let infno = message.as_ref().and_then(|m| m.get("infno")?.as_str()).unwrap_or_default();
    infno.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

/// The name of a wire value without its prefix.
fn short(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

impl From<pb::Finding> for PlayedFinding {
    fn from(finding: pb::Finding) -> Self {
        let class = Some(finding.class()).filter(|c| *c != pb::DuplicateClass::Unspecified);
        let role = Some(finding.role()).filter(|r| *r != pb::Role::Unspecified);
        Self {
            reason: short(finding.reason().as_str_name(), "REASON_"),
            class: class.map(|c| short(c.as_str_name(), "DUPLICATE_CLASS_")),
            role: role.map(|r| short(r.as_str_name(), "ROLE_")),
            line: Some(finding.line_no).filter(|n| *n > 0),
            code: Some(finding.code).filter(|c| !c.is_empty()),
            sentences: (finding.sentence_zh, finding.sentence_en),
        }
    }
}

/// Numbers for the lines of a document. The messages have none: a row's place changes with the order and the
/// batch it is sent in, so a number is made from what the line says. The same line keeps its number in every
/// message about it.
#[derive(Debug, Default)]
struct LineNumbers {
    numbers: Vec<u32>,
    rows: HashMap<u32, u32>,
}

impl LineNumbers {
    fn of(lines: &[SaleLine]) -> Self {
        let mut all = Self::default();
        for line in lines {
            let mut number = line_number(line);
            // Lines that say the same are counted up from the first.
            while number == 0 || all.rows.contains_key(&number) {
                number = number.wrapping_add(1);
            }
            all.rows.insert(number, line.row);
            all.numbers.push(number);
        }
        all
    }

    /// The row of the message that a line number stands for; a number that is not ours stays as it is.
    fn row_of(&self, number: u32) -> u32 {
        self.rows.get(&number).copied().unwrap_or(number)
    }
}

/// A number made from drug, codes, quantity and split flag.
fn line_number(line: &SaleLine) -> u32 {
    let mut codes: Vec<&str> = line.codes.iter().map(|code| code.trim()).collect();
    codes.sort_unstable();
    let quantity = line.quantity.map(|q| q.normalize().to_string());
    let content = (&line.catalog_code, codes, quantity, line.split);
    let hash = blake3::hash(format!("{content:?}").as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn dispense_request(
    institution: &str,
    operator: Option<&str>,
    document: SaleDocument,
    numbers: &LineNumbers,
) -> pb::DispenseRequest {
    let wire = pb::Document {
        institution_code: institution.to_owned(),
        document_no: document.document_no.unwrap_or_default(),
        visit_no: document.visit_no.unwrap_or_default(),
        settlement_id: document.settlement_id.unwrap_or_default(),
        scene: pb::Scene::Unspecified.into(),
        payment: pb::Payment::Unspecified.into(),
        operator: operator.unwrap_or_default().to_owned(),
        occurred_at: None,
        person: Some(pb::Person {
            certificate_no: document.person.certificate_no.unwrap_or_default(),
            insured_no: document.person.insured_no.unwrap_or_default(),
        }),
        lines: document.lines.into_iter().zip(&numbers.numbers).map(sale_line).collect(),
    };
    pb::DispenseRequest {
        request_id: document.request_id,
        document: Some(wire),
        ..pb::DispenseRequest::default()
    }
}

fn sale_line((line, number): (SaleLine, &u32)) -> pb::Line {
    let payment = if line.insured { pb::Payment::Insured } else { pb::Payment::SelfPaid };
    pb::Line {
        line_no: *number,
        catalog_code: line.catalog_code.unwrap_or_default(),
        quantity: text_of(line.quantity),
        split: line.split,
        unit_price: text_of(line.unit_price),
        payment: payment.into(),
        occurred_at: line.occurred_at.map(moment),
        codes: line.codes,
    }
}

fn return_request(institution: &str, operator: Option<&str>, document: ReturnDocument) -> pb::ReturnRequest {
    let wire = pb::ReturnDocument {
        institution_code: institution.to_owned(),
        document_no: document.document_no.unwrap_or_default(),
        visit_no: document.visit_no.unwrap_or_default(),
        original_sale_no: document.original_sale_no.unwrap_or_default(),
        settlement_id: document.settlement_id.unwrap_or_default(),
        operator: operator.unwrap_or_default().to_owned(),
        occurred_at: None,
        lines: document.lines.into_iter().map(return_line).collect(),
    };
    pb::ReturnRequest { request_id: document.request_id, document: Some(wire) }
}

fn return_line(line: ReturnLine) -> pb::Line {
    pb::Line {
        line_no: line.row,
        catalog_code: line.catalog_code.unwrap_or_default(),
        quantity: text_of(line.quantity),
        split: line.split,
        unit_price: String::new(),
        payment: pb::Payment::Unspecified.into(),
        occurred_at: line.occurred_at.map(moment),
        codes: line.codes,
    }
}

fn text_of(number: Option<Decimal>) -> String {
    number.map(|n| n.to_string()).unwrap_or_default()
}
