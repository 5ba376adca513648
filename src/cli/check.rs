//! `check`: what are these codes, and what would a gateway answer?

use super::connect::Clients;
use super::credentials::Credentials;
use super::play::PlayedFinding;
use super::show::{say, table};
use crate::domain::code::{Scan, ScanRules, TraceCode, read};
use crate::grpc::pb;
use crate::policy_files;
use anyhow::{Context, Result};
use serde::Serialize;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate check 83003850000000131888 6901234567892
  tracegate check --json ']d2010690000000005621S917094855'
  tracegate check 83003850000000131888 --to 127.0.0.1:50051 --institution P13010200101

Without --to only the code itself is read: family, canonical form, what was scanned by mistake. With --to the
gateway judges each code as one box that the institution is about to dispense; nothing is recorded.")]
pub(super) struct Args {
    /// What the scanner sent, one argument a scan.
    #[arg(required = true)]
    codes: Vec<String>,
    /// A running gateway to ask.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS", requires = "institution")]
    to: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    /// The institution that would dispense.
    #[arg(long, value_name = "CODE", requires = "to")]
    institution: Option<String>,
    /// The drug on the line [default: it follows from the code].
    #[arg(long, value_name = "CODE", default_value = "")]
    catalog_code: String,
    /// A sale that the patient pays.
    #[arg(long)]
    self_paid: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

/// What is known of one scan.
#[derive(Debug, Serialize)]
struct Checked {
    scanned: String,
    family: &'static str,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<PlayedFinding>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let settings = policy_files::built_in().settings().clone();
    let rules = ScanRules::new(&settings.url_hosts, &settings.placeholder_patterns, &[])?;
    let mut rows: Vec<Checked> = args.codes.iter().map(|code| checked(code, &rules)).collect();
    if let (Some(address), Some(institution)) = (&args.to, &args.institution) {
        let mut clients = Clients::connect(address, &args.credentials).await?;
        for row in &mut rows {
            ask(&mut clients, institution, &args, row).await?;
        }
    }
    if args.json {
        for row in &rows {
            say(serde_json::to_string(row)?)?;
        }
        return Ok(());
    }
    let mut shown = table(["scanned", "family", "code", "verdict", "says"]);
    for row in rows {
        shown.add_row([
            row.scanned,
            row.family.to_owned(),
            row.code,
            row.verdict.unwrap_or_default(),
            row.says,
        ]);
    }
    say(shown)?;
    Ok(())
}

fn checked(scanned: &str, rules: &ScanRules) -> Checked {
    let scan = read(scanned, rules);
    let (family, code, says) = match &scan {
        Scan::Code(code @ TraceCode::Msfx(_)) => {
            ("MSFX", code.to_string(), "a trace code of 码上放心".to_owned())
        }
        Scan::Code(code @ TraceCode::Gs1(_)) => {
            ("GS1", code.to_string(), "a GS1 code with a serial".to_owned())
        }
        Scan::Code(code @ TraceCode::Own(_)) => {
            ("own", code.to_string(), "a manufacturer's own code".to_owned())
        }
        Scan::NoSerial { text, ambiguous: true, .. } => {
            ("GS1", text.clone(), "more than one way to read it: duplicates cannot be judged".to_owned())
        }
        Scan::NoSerial { text, .. } => {
            ("GS1", text.clone(), "no serial: duplicates cannot be judged".to_owned())
        }
        Scan::Placeholder { text } => ("placeholder", text.clone(), "stands for no code".to_owned()),
        Scan::Refused { reason, text, detail } => {
            (reason.name(), text.clone(), format!("{} {}", detail.text_zh(), detail.text()))
        }
    };
    let prefix = match &scan {
        Scan::Code(code) => code.prefix().map(str::to_owned),
        Scan::NoSerial { gtin, .. } => gtin.clone(),
        Scan::Placeholder { .. } | Scan::Refused { .. } => None,
    };
    let visible = scanned.chars().map(|c| if c.is_control() { '␣' } else { c }).collect();
    Checked { scanned: visible, family, code, prefix, says, verdict: None, findings: Vec::new() }
}

async fn ask(clients: &mut Clients, institution: &str, args: &Args, row: &mut Checked) -> Result<()> {
    let payment = if args.self_paid { pb::Payment::SelfPaid } else { pb::Payment::Insured };
    let line = pb::Line {
        catalog_code: args.catalog_code.clone(),
        codes: vec![row.code.clone()],
        ..pb::Line::default()
    };
    let document = pb::Document {
        institution_code: institution.to_owned(),
        payment: payment.into(),
        lines: vec![line],
        ..pb::Document::default()
    };
    let answer = clients.dispensing.check(pb::CheckRequest { document: Some(document) }).await;
    let decision =
        answer.context("the gateway refused the question")?.into_inner().decision.unwrap_or_default();
    let name = decision.verdict().as_str_name();
    row.verdict = Some(name.strip_prefix("VERDICT_").unwrap_or(name).to_owned());
    row.findings = decision.findings.into_iter().map(PlayedFinding::from).collect();
    let says: Vec<String> =
        row.findings.iter().map(|f| format!("{}: {} {}", f.reason, f.sentences.0, f.sentences.1)).collect();
    if !says.is_empty() {
        row.says = says.join("\n");
    }
    Ok(())
}
