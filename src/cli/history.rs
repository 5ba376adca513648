//! `history CODE`: everything that is recorded of a code, whoever sold it. Each look is recorded.

use super::cases::{Gateway, details_in_words, in_words, refused, when};
use super::show::{say, table};
use crate::grpc::pb;
use anyhow::Result;

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate history 83003850000000131888 --person 李明 --reason 投诉核查
  tracegate history ']C183003850000000131888' --as 'bureau 1301' --person 李明 --json

For bureaus and the operator. The look itself is recorded, with who looked and why, and is shown to whoever looks next.")]
pub(super) struct Args {
    /// The code, or what the scanner sent.
    code: String,
    /// Who looks: the person's name.
    #[arg(long, value_name = "NAME")]
    person: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let asked = pb::GetCodeHistoryRequest { code: args.code, person: args.person, reason: args.reason };
    let request = args.gateway.request(asked)?;
    let answer = clients.bureau.get_code_history(request).await.map_err(|status| refused(&status))?;
    let history = answer.into_inner();
    if args.gateway.json { say(json(&history)) } else { print(&history) }
}

fn kind(event: &pb::CodeEvent) -> &'static str {
    event.kind().as_str_name().strip_prefix("CODE_EVENT_KIND_").unwrap_or_default()
}

fn fate(event: &pb::CodeEvent) -> &'static str {
    let name = event.fate().as_str_name().strip_prefix("SALE_FATE_");
    name.filter(|name| *name != "UNSPECIFIED").unwrap_or_default()
}

fn json(history: &pb::GetCodeHistoryResponse) -> serde_json::Value {
    let event = |event: &pb::CodeEvent| {
        let details = event.details.clone().unwrap_or_default();
        serde_json::json!({
            "number": event.number,
            "kind": kind(event),
            "institution_code": event.institution_code,
            "institution_name": event.institution_name,
            "occurred_at": when(event.occurred_at),
            "received_at": when(event.received_at),
            "units": event.units,
            "fate": fate(event),
            "annulled": event.annulled,
            "destination": event.destination,
            "request_id": details.request_id,
            "document_no": details.document_no,
            "operator": details.operator,
            "amount": details.amount,
            "settlement_id": details.settlement_id,
            "person": details.person,
        })
    };
    let look = |look: &pb::CodeLook| serde_json::json!({ "at": when(look.at), "of": look.of, "person": look.person, "reason": look.reason });
    serde_json::json!({
        "code": history.code,
        "catalog_code": history.catalog_code,
        "drug_name": history.drug_name,
        "units_per_pack": history.units_per_pack,
        "makers_error_notice_no": history.makers_error_notice_no,
        "events": history.events.iter().map(event).collect::<Vec<_>>(),
        "further_attempts": history.further_attempts,
        "case_ids": history.case_ids,
        "looks": history.looks.iter().map(look).collect::<Vec<_>>(),
    })
}

fn print(history: &pb::GetCodeHistoryResponse) -> Result<()> {
    let drug = format!("{} {}", history.catalog_code, history.drug_name);
    say(format!("code {}; drug {}", history.code, drug.trim()))?;
    if !history.makers_error_notice_no.is_empty() {
        let notice = &history.makers_error_notice_no;
        say(format!("its maker printed it more than once 厂家错码: {notice}"))?;
    }
    let mut rows = table(["no.", "what", "institution", "happened", "heard of", "fate", "document"]);
    for event in &history.events {
        let units = if event.units.is_empty() { String::new() } else { format!("\n{} units", event.units) };
        let place = format!("{}\n{}", event.institution_name, event.institution_code);
        let to =
            if event.destination.is_empty() { String::new() } else { format!("to {}", event.destination) };
        let details = details_in_words(&event.details.clone().unwrap_or_default());
        rows.add_row([
            if event.number == 0 { String::new() } else { event.number.to_string() },
            format!("{}{units}", in_words(kind(event))),
            place.trim().to_owned(),
            when(event.occurred_at),
            when(event.received_at),
            in_words(fate(event)),
            format!("{details}{to}"),
        ]);
    }
    if history.events.is_empty() {
        say("nothing is recorded of it")?;
    } else {
        say(rows)?;
    }
    if history.further_attempts > 0 {
        say(format!("{} more blocked attempts are counted, not kept", history.further_attempts))?;
    }
    for id in &history.case_ids {
        say(format!("case {id}: tracegate cases show {id}"))?;
    }
    let mut rows = table(["looked at", "of", "by", "why"]);
    for look in &history.looks {
        rows.add_row([when(look.at), look.of.clone(), look.person.clone(), look.reason.clone()]);
    }
    say(rows)
}
