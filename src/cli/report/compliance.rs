//! `report compliance`: reminders at the counter, and how many were followed.

use super::{Written, count, number, percent};
use crate::cli::cases::{in_words, refused};
use crate::cli::show::{keep_whole, say, table};
use crate::grpc::pb;
use crate::sheets::Cell;
use anyhow::{Result, bail};
use clap::ValueEnum;
use jiff::civil::Date;

/// Examples of `report compliance`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate report compliance --by rule --from 2026-06-01 --to 2026-06-30
  tracegate report compliance --by institution --division 1301 --from 2026-06-01 --to 2026-06-30
  tracegate report compliance --by day --rule PREFIX_UNMAPPED --from 2026-06-01 --to 2026-06-30
  tracegate report compliance --by month --format xlsx --out compliance.xlsx --from 2026-01-01 --to 2026-12-31

A reminder is followed where the sale did not go on: the document was voided, or its hold was never confirmed. A person
is a document; no patient is named. The rate is the amount followed by the amount reminded.";

/// By what reminders are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The division of the institution (统筹区).
    Division,
    /// The institution.
    Institution,
    /// The rule that reminded.
    Rule,
    /// The day.
    Day,
    /// The month.
    Month,
}

/// Arguments of `report compliance`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// By what.
    #[arg(long, value_enum, default_value_t = By::Division)]
    by: By,
    /// The first day.
    #[arg(long, value_name = "DAY")]
    from: Date,
    /// The last day.
    #[arg(long, value_name = "DAY")]
    to: Date,
    /// Institutions in divisions that begin with these digits.
    #[arg(long, value_name = "DIGITS", default_value = "")]
    division: String,
    /// This institution.
    #[arg(long, value_name = "CODE", default_value = "")]
    institution: String,
    /// Reminders of this rule, by its reason.
    #[arg(long, value_name = "REASON")]
    rule: Option<String>,
    #[command(flatten)]
    written: Written,
}

/// The columns of a file. In the words of the pilot regions: `persons` 提醒人次, `amount` 提醒金额, `followed_persons`
/// 遵从人次, `followed_amount` 遵从金额, `rate` 遵从率.
const COLUMNS: [&str; 12] = [
    "rank",
    "group",
    "name",
    "reminders",
    "persons",
    "amount",
    "followed_reminders",
    "followed_persons",
    "followed_amount",
    "explained_persons",
    "rate",
    "person_rate",
];

pub(super) async fn run(args: Args) -> Result<()> {
    args.written.check()?;
    let gateway = &args.written.gateway;
    let by = match args.by {
        By::Division => pb::ComplianceBy::Division,
        By::Institution => pb::ComplianceBy::Institution,
        By::Rule => pb::ComplianceBy::Rule,
        By::Day => pb::ComplianceBy::Day,
        By::Month => pb::ComplianceBy::Month,
    };
    let asked = pb::SummarizeComplianceRequest {
        first_day: args.from.to_string(),
        last_day: args.to.to_string(),
        division_prefix: args.division.clone(),
        institution_code: args.institution.clone(),
        rule: rule(args.rule.as_deref())?.into(),
        by: by.into(),
    };
    let mut clients = gateway.connect().await?;
    let answer = clients.bureau.summarize_compliance(gateway.request(asked)?).await;
    let answer = answer.map_err(|status| refused(&status))?.into_inner();
    if args.written.write(&COLUMNS, answer.groups.iter().map(cells))? {
        return Ok(());
    }
    print(&answer)
}

/// Reminders for eyes.
pub(in crate::cli) fn print(answer: &pb::SummarizeComplianceResponse) -> Result<()> {
    if answer.groups.is_empty() {
        return say("nobody was reminded of anything on these days");
    }
    let mut rows = table([
        "",
        "group",
        "reminders",
        "persons 人次",
        "yuan 提醒金额",
        "followed 遵从",
        "yuan 遵从金额",
        "with reason",
        "rate 遵从率",
    ]);
    keep_whole(&mut rows, 1);
    let sum = answer.sum.clone().map(|sum| pb::ComplianceSummary { group: "all 合计".to_owned(), ..sum });
    for one in answer.groups.iter().chain(&sum) {
        rows.add_row([
            if one.rank == 0 { String::new() } else { one.rank.to_string() },
            format!("{} {}", in_words(&one.group), one.name).trim().to_owned(),
            one.reminders.to_string(),
            one.persons.to_string(),
            one.amount.clone(),
            one.followed_persons.to_string(),
            one.followed_amount.clone(),
            one.explained_persons.to_string(),
            percent(if one.rate.is_empty() { &one.person_rate } else { &one.rate }, 2),
        ]);
    }
    say(rows)
}

fn rule(name: Option<&str>) -> Result<pb::Reason> {
    let Some(name) = name else { return Ok(pb::Reason::Unspecified) };
    let upper = name.to_ascii_uppercase().replace('-', "_");
    match pb::Reason::from_str_name(&format!("REASON_{upper}")) {
        Some(reason) if reason != pb::Reason::Unspecified => Ok(reason),
        Some(_) | None => bail!("--rule {name:?} is no reason; `tracegate policy show` lists them"),
    }
}

fn cells(one: &pb::ComplianceSummary) -> Vec<Cell> {
    vec![
        count(one.rank.into()),
        Cell::text(one.group.clone()),
        Cell::text(one.name.clone()),
        count(one.reminders),
        count(one.persons),
        number(&one.amount),
        count(one.followed_reminders),
        count(one.followed_persons),
        number(&one.followed_amount),
        count(one.explained_persons),
        number(&one.rate),
        number(&one.person_rate),
    ]
}
