//! `cases list`, and the filter that reports share with it.

use super::shown::{self, CaseJson};
use super::words::in_words;
use super::{Gateway, refused};
use crate::cli::show::{keep_whole, say, table};
use crate::domain::time::moment_of;
use crate::grpc::pb;
use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Date;

/// Examples of `cases list`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate cases list --state detected --division 1301
  tracegate cases list --class other_institution_long_gap --from 2026-06-01 --to 2026-06-30
  tracegate cases list --as 'institution P13010200101' --overdue
  tracegate cases list --amount-min 500 --json";

/// What is looked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct Asked {
    /// A division takes part that begins with these digits.
    #[arg(long, value_name = "DIGITS", default_value = "")]
    pub division: String,
    /// This institution takes part.
    #[arg(long, value_name = "CODE", default_value = "")]
    pub institution: String,
    /// One of these classes; may be given several times.
    #[arg(long, value_name = "CLASS")]
    pub class: Vec<String>,
    /// One of these states; may be given several times.
    #[arg(long, value_name = "STATE")]
    pub state: Vec<String>,
    /// This drug (catalogue code).
    #[arg(long, value_name = "CODE", default_value = "")]
    pub drug: String,
    /// Opened on this day or later.
    #[arg(long, value_name = "DAY")]
    pub from: Option<Date>,
    /// Opened on this day or earlier.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Date>,
    /// The first event happened on this day or later.
    #[arg(long, value_name = "DAY")]
    pub happened_from: Option<Date>,
    /// The first event happened on this day or earlier.
    #[arg(long, value_name = "DAY")]
    pub happened_to: Option<Date>,
    /// At least so many yuan at stake or recovered.
    #[arg(long, value_name = "YUAN", default_value = "")]
    pub amount_min: String,
    /// At most so many yuan.
    #[arg(long, value_name = "YUAN", default_value = "")]
    pub amount_max: String,
    /// The step that is due should have been done by now.
    #[arg(long)]
    pub overdue: bool,
    /// A late event proposes something.
    #[arg(long)]
    pub proposed: bool,
}

/// Arguments of `cases list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// At most so many cases; 0 = all of them.
    #[arg(long, value_name = "CASES", default_value_t = 50)]
    limit: u64,
    #[command(flatten)]
    gateway: Gateway,
}

/// Cases of one page.
const PAGE_CASES: u32 = 500;

impl Asked {
    /// The filter as the wire has it.
    pub fn filter(&self) -> Result<pb::CaseFilter> {
        let classes = self.class.iter().map(|name| class(name)).collect::<Result<_>>()?;
        let states = self.state.iter().map(|name| state(name)).collect::<Result<_>>()?;
        Ok(pb::CaseFilter {
            division_prefix: self.division.clone(),
            institution_code: self.institution.clone(),
            classes,
            states,
            catalog_code: self.drug.clone(),
            occurred_from: begin_of(self.happened_from)?,
            occurred_to: end_of(self.happened_to)?,
            opened_from: begin_of(self.from)?,
            opened_to: end_of(self.to)?,
            amount_min: self.amount_min.clone(),
            amount_max: self.amount_max.clone(),
            overdue: self.overdue,
            with_proposal: self.proposed,
        })
    }
}

fn class(name: &str) -> Result<i32> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    match pb::CaseClass::from_str_name(&format!("CASE_CLASS_{upper}")) {
        Some(class) if class != pb::CaseClass::Unspecified => Ok(class.into()),
        Some(_) | None => bail!(
            "--class {name:?} is none of same_institution, other_institution_close, other_institution_long_gap, \
             split_overdraw, whole_and_split, pack_overlap, split_elsewhere"
        ),
    }
}

fn state(name: &str) -> Result<i32> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    match pb::CaseState::from_str_name(&format!("CASE_STATE_{upper}")) {
        Some(state) if state != pb::CaseState::Unspecified => Ok(state.into()),
        Some(_) | None => bail!(
            "--state {name:?} is none of detected, pushed, explained, appealed, first_review, second_review, closed"
        ),
    }
}

/// The moment at which a day begins in Asia/Shanghai.
fn begin_of(day: Option<Date>) -> Result<Option<prost_types::Timestamp>> {
    let Some(day) = day else { return Ok(None) };
    let at = moment_of(day.at(0, 0, 0, 0)).ok_or_else(|| anyhow!("{day} is no day that a clock can show"))?;
    Ok(Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }))
}

/// The moment at which a day has ended.
fn end_of(day: Option<Date>) -> Result<Option<prost_types::Timestamp>> {
    let next = day.map(|day| day.tomorrow().context("a day after the last one")).transpose()?;
    begin_of(next)
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let mut list = pb::ListCasesRequest {
        filter: Some(args.asked.filter()?),
        page_size: PAGE_CASES,
        page_token: String::new(),
    };
    let (mut left, mut found) = (if args.limit == 0 { u64::MAX } else { args.limit }, 0_u64);
    let mut rows = table(["case", "class", "state", "due", "yuan", "opened", "where", "drug"]);
    let (mut more, mut incomplete) = (false, false);
    loop {
        list.page_size = u32::try_from(left).unwrap_or(PAGE_CASES).min(PAGE_CASES);
        let request = args.gateway.request(list.clone())?;
        let page = clients.bureau.list_cases(request).await.map_err(|status| refused(&status))?.into_inner();
        incomplete |= page.incomplete;
        for case in &page.cases {
            if args.gateway.json {
                say(serde_json::to_string(&CaseJson::of(case))?)?;
            } else {
                rows.add_row(row(case));
            }
        }
        found += page.cases.len() as u64;
        left = left.saturating_sub(page.cases.len() as u64);
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
        if left == 0 {
            more = true;
            break;
        }
    }
    if incomplete {
        eprintln!("the gateway still reads its cases: some may be missing; ask again in a moment");
    }
    if args.gateway.json {
        return Ok(());
    }
    if found == 0 {
        return say("no such case");
    }
    keep_whole(&mut rows, 0);
    say(rows)?;
    if more { say(format!("{found} cases; there are more: --limit 0 shows all")) } else { Ok(()) }
}

fn row(case: &pb::Case) -> [String; 8] {
    let due = if case.overdue { format!("{} overdue 已逾期", case.due_on) } else { case.due_on.clone() };
    let amount =
        if case.recovered.is_empty() || case.recovered == "0" { &case.at_stake } else { &case.recovered };
    [
        case.case_id.clone(),
        in_words(shown::class(case.class())),
        shown::standing(case),
        due,
        amount.clone(),
        shown::when(case.opened_at),
        case.place_of_care.clone(),
        case.drug_name.clone(),
    ]
}

/// A case in one line.
pub(super) fn line(case: &pb::Case) -> String {
    row(case).into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ")
}
