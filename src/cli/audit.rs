//! `audit`: judges a day or a month again with what is known now.

use super::cases::{Gateway, refused};
use super::show::{say, spinner};
use crate::grpc::pb;
use anyhow::{Context, Result};
use jiff::civil::Date;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate audit --day 2026-06-30
  tracegate audit --month 2026-06 --json

A running gateway audits the day before by itself at 00:00 (Asia/Shanghai). This does the same for any day, for what
the gateway that is asked recorded itself: late returns and purchases, changed rules, new prefixes and white lists become
corrections of requests and of cases; cases that are still DETECTED are pushed. Running it twice changes nothing.

--month also looks at every code of the ledger, whenever and at whichever gateway it was sold: duplicates in what was
imported without --findings become cases then.")]
#[group(id = "span", required = true, multiple = false)]
pub(super) struct Args {
    /// One day.
    #[arg(long, value_name = "YYYY-MM-DD", group = "span")]
    day: Option<Date>,
    /// A whole month, and every code of the ledger, whenever it was sold.
    #[arg(long, value_name = "YYYY-MM", group = "span")]
    month: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let (first, last) = days(&args)?;
    let mut clients = args.gateway.connect().await?;
    let asked = pb::RunAuditRequest {
        first_day: first.to_string(),
        last_day: last.to_string(),
        everything: args.month.is_some(),
    };
    let answer = clients.bureau.run_audit(args.gateway.request(asked)?).await;
    let mut steps = answer.map_err(|status| refused(&status))?.into_inner();
    let bar = spinner();
    let mut done = pb::RunAuditResponse::default();
    while let Some(step) = steps.message().await.map_err(|status| refused(&status))? {
        bar.set_message(format!("{} requests, {} codes", step.requests, step.codes));
        done = step;
    }
    bar.finish_and_clear();
    if args.gateway.json {
        return say(serde_json::json!({
            "first_day": first.to_string(),
            "last_day": last.to_string(),
            "requests": done.requests,
            "codes": done.codes,
            "corrected": done.corrected,
            "cases_changed": done.cases_changed,
            "pushed": done.pushed,
        }));
    }
    say(format!("{first} to {last}: {} requests and {} codes looked at", done.requests, done.codes))?;
    say(format!(
        "{} requests corrected, cases of {} codes changed, {} cases pushed",
        done.corrected, done.cases_changed, done.pushed
    ))
}

fn days(args: &Args) -> Result<(Date, Date)> {
    if let Some(day) = args.day {
        return Ok((day, day));
    }
    let month = args.month.as_deref().unwrap_or_default();
    let first: Date = format!("{month}-01")
        .parse()
        .with_context(|| format!("--month {month:?} is no month like 2026-06"))?;
    Ok((first, first.last_of_month()))
}
