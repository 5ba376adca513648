//! `demo`: a morning at several counters, on an embedded gateway, with nothing else needed.

use super::cases;
use super::connect::{Clients, Embedded};
use super::credentials::Credentials;
use super::files::{Reject, Row, read_rows};
use super::play::{Played, Player};
use super::replay::{Folder, Rejects, load_registry};
use super::report::compliance;
use super::show::{Summary, say, table};
use crate::clock::Stopwatch;
use crate::domain::party::Institution;
use crate::domain::time::local_time;
use crate::grpc::{CALLER_KEY, pb};
use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use std::collections::HashMap;
use tonic::Request;
use tonic::metadata::MetadataValue;

/// A small province, shipped with the program.
const PROVINCE: &[(&str, &str)] = &[
    ("institutions.csv", include_str!("../../demo/institutions.csv")),
    ("drugs.csv", include_str!("../../demo/drugs.csv")),
    ("purchases.csv", include_str!("../../demo/purchases.csv")),
    ("purchase_feeds.csv", include_str!("../../demo/purchase_feeds.csv")),
    ("no_code_list.csv", include_str!("../../demo/no_code_list.csv")),
    ("own_schemes.csv", include_str!("../../demo/own_schemes.csv")),
];
/// Its morning.
const MORNING: &str = include_str!("../../demo/morning.jsonl");

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate demo
  tracegate demo --lang en
  tracegate demo --json | tail -n 1")]
pub(super) struct Args {
    /// Print one JSON object with the counts as the last line.
    #[arg(long)]
    json: bool,
    /// Language of the sentences to the cashier.
    #[arg(long, value_enum, default_value_t = Language::Both)]
    lang: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
    /// Both.
    Both,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let clock = Stopwatch::start();
    let embedded = Embedded::start(None, None, &[]).await?;
    say(format!("an embedded gateway listens on {}", embedded.address()))?;
    let mut clients = Clients::connect(&embedded.address(), &Credentials::default()).await?;
    for (file, loaded) in load_registry(&mut clients, &Folder::BuiltIn(PROVINCE), &mut NoRejects).await? {
        say(format!("{file}: {loaded}"))?;
    }
    let names = counter_names()?;
    let mut player = Player::new(embedded.address(), Credentials::default(), Some(embedded.clock()));
    let mut summary = Summary::default();
    let mut rows = table(["time", "counter", "message", "verdict", "findings and what to do"]);
    for (n, line) in (1..).zip(MORNING.lines()) {
        let played = player.play(n, line).await?;
        summary.add(&played);
        rows.add_row(row(&played, &names, args.lang));
    }
    say(format!("{rows}\n{summary}"))?;
    count_reminders(&mut clients).await?;
    let closed = walk_case(&mut clients).await?;
    embedded.stop().await;
    if args.json {
        say(format!("{}", json(&summary, closed, clock.elapsed().as_millis())))?;
    }
    Ok(())
}

/// Institution codes and the names of the counters behind them.
fn counter_names() -> Result<HashMap<String, String>> {
    let (_, content) =
        PROVINCE.iter().find(|(file, _)| *file == Institution::FILE_NAME).context("institutions")?;
    let rows = read_rows::<Institution>(content.as_bytes())?;
    Ok(rows.flatten().map(|row| (row.code.to_string(), row.name)).collect())
}

fn row(played: &Played, names: &HashMap<String, String>, language: Language) -> [String; 5] {
    let time = played.scene.clock.map(local_time).unwrap_or_default();
    let time = time.split_once(' ').map_or(time.clone(), |(_, hour)| hour.to_owned());
    let code = &played.scene.institution;
    let counter = names.get(code).map_or_else(|| code.clone(), |name| format!("{name}\n{code}"));
    let message = match played.scene.codes.as_slice() {
        [] => format!("{} (no code)", played.infno),
        [one] => format!("{} {}", played.infno, visible(one)),
        [first, rest @ ..] => format!("{} {} +{}", played.infno, visible(first), rest.len()),
    };
    let findings = played.findings.iter().map(|finding| {
        let class = finding.class.map(|c| format!(" {c}")).unwrap_or_default();
        let role = finding.role.map(|r| format!(" ({r})")).unwrap_or_default();
        let (zh, en) = &finding.sentences;
        let sentence = match language {
            Language::Zh => zh.clone(),
            Language::En => en.clone(),
            Language::Both => format!("{zh}\n{en}"),
        };
        format!("{}{class}{role}\n{sentence}", finding.reason)
    });
    let says: Vec<String> = findings.chain(played.error.clone()).collect();
    [time, counter, message, played.verdict.to_owned(), says.join("\n")]
}

/// What was scanned, with control characters made visible.
fn visible(scanned: &str) -> String {
    scanned.chars().map(|c| if c.is_control() { '␣' } else { c }).collect()
}

/// The day of the morning.
const DAY: &str = "2026-03-18";

/// What the counters were reminded of.
async fn count_reminders(clients: &mut Clients) -> Result<()> {
    say("\nWhat the counters were reminded of, by rule; none of these sales was taken back:")?;
    let asked = pb::SummarizeComplianceRequest {
        first_day: DAY.to_owned(),
        last_day: DAY.to_owned(),
        by: pb::ComplianceBy::Rule.into(),
        ..pb::SummarizeComplianceRequest::default()
    };
    compliance::print(&clients.bureau.summarize_compliance(asked).await?.into_inner())
}

/// What is done to the case, by whom, with which words.
const WALK: [(pb::CaseAction, Who, &str, &str); 4] = [
    (pb::CaseAction::Push, Who::Bureau, "李明", ""),
    (pb::CaseAction::Explain, Who::Institution, "王芳", "进货单已核对，可能扫错了货架上的样品"),
    (pb::CaseAction::BeginReview, Who::Bureau, "李明", ""),
    (pb::CaseAction::Close, Who::Bureau, "李明", "经核实该追溯码重复结算，追回"),
];

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bureau,
    Institution,
}

/// Walks the dearest case of the morning from detection to closure; gives how many cases there are.
async fn walk_case(clients: &mut Clients) -> Result<u64> {
    let listed = clients.bureau.list_cases(pb::ListCasesRequest::default()).await?.into_inner().cases;
    let yuan = |case: &pb::Case| case.at_stake.parse::<Decimal>().unwrap_or_default();
    let mut case = listed.iter().max_by_key(|case| yuan(case)).context("no case was opened")?.clone();
    let duplicate = case.sales.iter().find(|sale| sale.side() == pb::CaseSide::Duplicate);
    let institution = duplicate.context("no duplicate")?.institution_code.clone();
    say(format!(
        "\nThe morning left {} cases of duplicate codes. One of them, from detection to closure:",
        listed.len()
    ))?;
    for (action, who, person, note) in WALK {
        let mut request = Request::new(pb::AdvanceCaseRequest {
            case_id: case.case_id.clone(),
            action: action.into(),
            person: person.to_owned(),
            note: note.to_owned(),
            ending: pb::CaseEnding::Violation.into(),
            ..pb::AdvanceCaseRequest::default()
        });
        let caller = match who {
            Who::Bureau => format!("bureau {}", case.place_of_care.get(..4).unwrap_or_default()),
            Who::Institution => format!("institution {institution}"),
        };
        request.metadata_mut().insert(CALLER_KEY, MetadataValue::try_from(caller)?);
        clients.bureau.advance_case(request).await?;
    }
    let asked = pb::GetCaseRequest { case_id: case.case_id.clone() };
    case = clients.bureau.get_case(asked).await?.into_inner().case.context("the case")?;
    cases::print(&case, false)?;
    Ok(listed.len() as u64)
}

fn json(summary: &Summary, cases: u64, elapsed_ms: u128) -> serde_json::Value {
    serde_json::json!({
        "documents": summary.documents,
        "codes": summary.codes,
        "allow": summary.verdict("ALLOW"),
        "remind": summary.verdict("REMIND"),
        "block": summary.verdict("BLOCK"),
        "findings": summary.findings,
        "duplicates": summary.duplicates,
        "cases": cases,
        "elapsed_ms": u64::try_from(elapsed_ms).unwrap_or(u64::MAX),
    })
}

/// The shipped province has no bad rows.
struct NoRejects;

impl Rejects for NoRejects {
    fn take(&mut self, file: &'static str, _: &[String], reject: &Reject) -> Result<()> {
        bail!("{file} line {}: {} {}", reject.line, reject.column, reject.reason)
    }
}
