//! `report duplicates`: cases counted by groups, beside what was sold there.

use super::{Written, count, number, percent};
use crate::cli::cases::{Asked, in_words, refused};
use crate::cli::show::{keep_whole, say, table};
use crate::grpc::pb;
use crate::sheets::Cell;
use anyhow::Result;
use clap::ValueEnum;

/// Examples of `report duplicates`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate report duplicates --by institution --from 2026-06-01 --to 2026-06-30
  tracegate report duplicates --by month --division 1301 --format csv > months.csv
  tracegate report duplicates --by drug --format xlsx --out drugs.xlsx

The share is that of cases in the codes that were sold on the same days; by drug and class, in all of them.";

/// By what cases are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The division that handles them (就医地).
    Division,
    /// The institutions whose sales are the duplicates.
    Institution,
    /// The drug.
    Drug,
    /// The class.
    Class,
    /// The day on which they were opened.
    Day,
    /// The month.
    Month,
}

/// Arguments of `report duplicates`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// By what.
    #[arg(long, value_enum, default_value_t = By::Division)]
    by: By,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    written: Written,
}

const COLUMNS: [&str; 13] = [
    "rank",
    "group",
    "name",
    "cases",
    "open",
    "violations",
    "dismissed",
    "amount",
    "recovered",
    "refunded",
    "amount_unknown",
    "sales",
    "share",
];

pub(super) async fn run(args: Args) -> Result<()> {
    let Args { by: _, asked: _, written } = &args;
    written.check()?;
    let by = match args.by {
        By::Division => pb::GroupBy::Division,
        By::Institution => pb::GroupBy::Institution,
        By::Drug => pb::GroupBy::Drug,
        By::Class => pb::GroupBy::Class,
        By::Day => pb::GroupBy::Day,
        By::Month => pb::GroupBy::Month,
    };
    let mut clients = written.gateway.connect().await?;
    let asked = pb::SummarizeDuplicatesRequest { filter: Some(args.asked.filter()?), by: by.into() };
    let answer = clients.bureau.summarize_duplicates(written.gateway.request(asked)?).await;
    let answer = answer.map_err(|status| refused(&status))?.into_inner();
    if answer.incomplete {
        eprintln!("the gateway still reads its cases: some may be missing; ask again in a moment");
    }
    if written.write(&COLUMNS, answer.groups.iter().map(cells))? {
        return Ok(());
    }
    let mut rows = table([
        "",
        "group",
        "cases",
        "open",
        "violations",
        "dismissed",
        "yuan",
        "recovered",
        "codes sold",
        "share",
    ]);
    keep_whole(&mut rows, 1);
    for group in &answer.groups {
        let name = format!("{} {}", in_words(&group.group), group.name);
        let unknown = group.amount_unknown;
        let amount =
            if unknown == 0 { group.amount.clone() } else { format!("{} + {unknown} ?", group.amount) };
        rows.add_row([
            group.rank.to_string(),
            name.trim().to_owned(),
            group.cases.to_string(),
            group.open.to_string(),
            group.violations.to_string(),
            group.dismissed.to_string(),
            amount,
            group.recovered.clone(),
            group.sales.to_string(),
            percent(&group.share, 4),
        ]);
    }
    if answer.groups.is_empty() { say("no such case") } else { say(rows) }
}

fn cells(group: &pb::DuplicateSummary) -> Vec<Cell> {
    vec![
        count(group.rank.into()),
        Cell::text(group.group.clone()),
        Cell::text(group.name.clone()),
        count(group.cases),
        count(group.open),
        count(group.violations),
        count(group.dismissed),
        number(&group.amount),
        number(&group.recovered),
        number(&group.refunded),
        count(group.amount_unknown),
        count(group.sales),
        number(&group.share),
    ]
}
