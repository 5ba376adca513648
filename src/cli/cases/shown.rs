//! A case as people read it, and as programs do.

use super::words::{in_words, name_of};
use crate::cli::show::{say, table};
use crate::domain::time::local_time;
use crate::grpc::pb;
use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

/// A moment for people, to the minute.
pub(in crate::cli) fn when(at: Option<prost_types::Timestamp>) -> String {
    moment(at).map(local_time).unwrap_or_default()
}

fn moment(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

pub(in crate::cli) fn rfc3339(at: Option<prost_types::Timestamp>) -> String {
    moment(at).map(|at| at.to_string()).unwrap_or_default()
}

/// A case for programs. Names are those of the wire; amounts and codes are texts.
#[derive(Debug, Serialize)]
pub(super) struct CaseJson<'a> {
    case_id: &'a str,
    code: &'a str,
    version: u32,
    pub class: &'static str,
    pub state: &'static str,
    ending: &'static str,
    opened_at: String,
    changed_at: String,
    place_of_care: &'a str,
    catalog_code: &'a str,
    drug_name: &'a str,
    at_stake: &'a str,
    recovered: &'a str,
    refunded: &'a str,
    due_on: &'a str,
    overdue: bool,
    proposal: &'static str,
    sales: Vec<SaleJson<'a>>,
    further_sales: u32,
    steps: Vec<StepJson<'a>>,
    possible_actions: Vec<&'static str>,
    policy_version: &'a str,
}

#[derive(Debug, Serialize)]
struct SaleJson<'a> {
    institution_code: &'a str,
    institution_name: &'a str,
    own: bool,
    attempt: bool,
    side: &'static str,
    class: &'static str,
    occurred_at: String,
    received_at: String,
    fate: &'static str,
    recovered: bool,
    #[serde(flatten)]
    details: DetailsJson<'a>,
}

#[derive(Debug, Serialize)]
struct DetailsJson<'a> {
    request_id: &'a str,
    line_no: u32,
    document_no: &'a str,
    operator: &'a str,
    scene: &'static str,
    payment: &'static str,
    quantity: &'a str,
    amount: &'a str,
    settlement_id: &'a str,
    verdict: &'static str,
    person: u32,
}

#[derive(Debug, Serialize)]
struct StepJson<'a> {
    kind: &'static str,
    state: &'static str,
    at: String,
    actor: &'static str,
    actor_of: &'a str,
    actor_name: &'a str,
    note: &'a str,
    amount: &'a str,
    files: Vec<serde_json::Value>,
    policy_version: &'a str,
}

pub(super) fn class(value: pb::CaseClass) -> &'static str {
    name_of(value.as_str_name(), "CASE_CLASS_")
}

pub(super) fn state(value: pb::CaseState) -> &'static str {
    name_of(value.as_str_name(), "CASE_STATE_")
}

pub(super) fn ending(value: pb::CaseEnding) -> &'static str {
    name_of(value.as_str_name(), "CASE_ENDING_")
}

fn action(value: pb::CaseAction) -> &'static str {
    name_of(value.as_str_name(), "CASE_ACTION_")
}

impl<'a> CaseJson<'a> {
    pub fn of(case: &'a pb::Case) -> Self {
        Self {
            case_id: &case.case_id,
            code: &case.code,
            version: case.version,
            class: class(case.class()),
            state: state(case.state()),
            ending: ending(case.ending()),
            opened_at: rfc3339(case.opened_at),
            changed_at: rfc3339(case.changed_at),
            place_of_care: &case.place_of_care,
            catalog_code: &case.catalog_code,
            drug_name: &case.drug_name,
            at_stake: &case.at_stake,
            recovered: &case.recovered,
            refunded: &case.refunded,
            due_on: &case.due_on,
            overdue: case.overdue,
            proposal: name_of(case.proposal().as_str_name(), "CASE_PROPOSAL_"),
            sales: case.sales.iter().map(sale_json).collect(),
            further_sales: case.further_sales,
            steps: case.steps.iter().map(step_json).collect(),
            possible_actions: case.possible_actions().map(action).collect(),
            policy_version: &case.policy_version,
        }
    }
}

fn sale_json(sale: &pb::InvolvedSale) -> SaleJson<'_> {
    static NOTHING: std::sync::LazyLock<pb::SaleDetails> = std::sync::LazyLock::new(pb::SaleDetails::default);
    let details = sale.details.as_ref().unwrap_or(&NOTHING);
    SaleJson {
        institution_code: &sale.institution_code,
        institution_name: &sale.institution_name,
        own: sale.own,
        attempt: sale.attempt,
        side: name_of(sale.side().as_str_name(), "CASE_SIDE_"),
        class: class(sale.class()),
        occurred_at: rfc3339(sale.occurred_at),
        received_at: rfc3339(sale.received_at),
        fate: name_of(sale.fate().as_str_name(), "SALE_FATE_"),
        recovered: sale.recovered,
        details: DetailsJson {
            request_id: &details.request_id,
            line_no: details.line_no,
            document_no: &details.document_no,
            operator: &details.operator,
            scene: name_of(details.scene().as_str_name(), "SCENE_"),
            payment: name_of(details.payment().as_str_name(), "PAYMENT_"),
            quantity: &details.quantity,
            amount: &details.amount,
            settlement_id: &details.settlement_id,
            verdict: name_of(details.verdict().as_str_name(), "VERDICT_"),
            person: details.person,
        },
    }
}

fn step_json(step: &pb::CaseStep) -> StepJson<'_> {
    let file = |file: &pb::FileReference| serde_json::json!({ "name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes });
    StepJson {
        kind: name_of(step.kind().as_str_name(), "CASE_STEP_KIND_"),
        state: state(step.state()),
        at: rfc3339(step.at),
        actor: name_of(step.actor().as_str_name(), "ACTOR_KIND_"),
        actor_of: &step.actor_of,
        actor_name: &step.actor_name,
        note: &step.note,
        amount: &step.amount,
        files: step.files.iter().map(file).collect(),
        policy_version: &step.policy_version,
    }
}

/// Where a case stands, in words.
pub(super) fn standing(case: &pb::Case) -> String {
    let (state, ending) = (in_words(state(case.state())), ending(case.ending()));
    if ending.is_empty() { state } else { format!("{state}, {}", in_words(ending)) }
}

pub(super) fn print(case: &pb::Case) -> Result<()> {
    say(format!("case {}, version {}", case.case_id, case.version))?;
    say(format!("{}: {}", in_words(class(case.class())), standing(case)))?;
    let drug = format!("{} {}", case.catalog_code, case.drug_name);
    say(format!("drug {}; opened {}", drug.trim(), when(case.opened_at)))?;
    let known = |text: &str| if text.is_empty() { "not known".to_owned() } else { format!("{text} yuan") };
    let mut money = format!("at stake {}", known(&case.at_stake));
    if !case.recovered.is_empty() {
        money = format!("recovered {} yuan", case.recovered);
    }
    if !matches!(case.refunded.as_str(), "" | "0") {
        money = format!("{money}; given back {} yuan", case.refunded);
    }
    say(money)?;
    if !case.due_on.is_empty() {
        let overdue = if case.overdue { " (overdue 已逾期)" } else { "" };
        say(format!("the next step is due on {}{overdue}", case.due_on))?;
    }
    let proposal = name_of(case.proposal().as_str_name(), "CASE_PROPOSAL_");
    if !proposal.is_empty() {
        say(format!("a late event proposes: {}", in_words(proposal)))?;
    }
    let mut rows = table(["side", "institution", "happened", "heard of", "document", "amount", "fate"]);
    for sale in &case.sales {
        rows.add_row(sale_row(sale));
    }
    say(rows)?;
    if case.further_sales > 0 {
        say(format!("{} more sales and attempts are counted, not kept", case.further_sales))?;
    }
    let mut rows = table(["when", "step", "who", "note"]);
    for step in &case.steps {
        rows.add_row(step_row(step));
    }
    say(rows)?;
    let possible: Vec<_> =
        case.possible_actions().map(|a| action(a).to_ascii_lowercase().replace('_', "-")).collect();
    if possible.is_empty() { Ok(()) } else { say(format!("possible now: {}", possible.join(", "))) }
}

fn sale_row(sale: &pb::InvolvedSale) -> [String; 7] {
    let details = sale.details.clone().unwrap_or_default();
    let whose = match (sale.own, sale.institution_code.as_str()) {
        (_, "") => "another institution 另一机构".to_owned(),
        (true, code) => format!("you 本机构\n{code}"),
        (false, code) => format!("{}\n{code}", sale.institution_name).trim().to_owned(),
    };
    let side = in_words(name_of(sale.side().as_str_name(), "CASE_SIDE_"));
    let class = in_words(class(sale.class()));
    let person = person_in_words(&details);
    let document = [details.document_no.as_str(), details.operator.as_str(), &person];
    let document: Vec<_> = document.into_iter().filter(|word| !word.is_empty()).collect();
    let recovered = if sale.recovered { "\nrecovered 已追回" } else { "" };
    [
        format!("{side}\n{class}").trim().to_owned(),
        whose,
        when(sale.occurred_at),
        when(sale.received_at),
        document.join("\n"),
        details.amount,
        format!("{}{recovered}", in_words(name_of(sale.fate().as_str_name(), "SALE_FATE_"))),
    ]
}

fn step_row(step: &pb::CaseStep) -> [String; 4] {
    let actor = in_words(name_of(step.actor().as_str_name(), "ACTOR_KIND_"));
    let who = format!("{actor} {} {}", step.actor_of, step.actor_name);
    let mut note = step.note.clone();
    if !step.amount.is_empty() {
        note = format!("{note}\n{} yuan", step.amount);
    }
    for file in &step.files {
        note = format!("{note}\n{} ({} bytes)", file.name, file.size_bytes);
    }
    let kind = in_words(name_of(step.kind().as_str_name(), "CASE_STEP_KIND_"));
    [when(step.at), kind, who.trim().to_owned(), note.trim().to_owned()]
}

/// To whom, as a letter among the sales shown; nothing where it is not known.
fn person_in_words(details: &pb::SaleDetails) -> String {
    let letter = |number: u32| {
        u8::try_from(number).ok().filter(|n| (1..=26).contains(n)).map(|n| char::from(b'A' + n - 1))
    };
    match details.person {
        0 => String::new(),
        number => match letter(number) {
            Some(letter) => format!("person {letter} 患者{letter}"),
            None => format!("person {number} 患者{number}"),
        },
    }
}

/// What a request says of a sale, in a few words.
pub(in crate::cli) fn details_in_words(details: &pb::SaleDetails) -> String {
    let amount = if details.amount.is_empty() { String::new() } else { format!("{} yuan", details.amount) };
    let person = person_in_words(details);
    let words =
        [details.document_no.as_str(), details.operator.as_str(), &amount, &details.settlement_id, &person];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}
