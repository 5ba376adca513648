//! `audit-trail list`: who did what, when.

use super::{Place, shown};
use crate::cli::report::{Format, output, sheet_format};
use crate::cli::show::{say, table};
use crate::domain::time::{day_of, local_time};
use crate::sheets::{Cell, SheetFormat, write_rows};
use crate::trail::{Act, Entry, ReadError, entries};
use anyhow::{Result, bail};
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

/// Examples of `audit-trail list`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate audit-trail list
  tracegate audit-trail list --act code_history.look --about 83003850000000131888
  tracegate audit-trail list --who 'bureau 1301' --from 2026-06-01 --to 2026-06-30 --format csv --out june.csv
  tracegate audit-trail list --format json | jq 'select(.act == \"policy.reload\") | .detail'

A table shows the latest 100 entries, a file has all of them; --limit changes both. JSON lines are the entries as they
stand on the disk, hash and all. Reading is no check: `tracegate audit-trail verify` is.";

const TABLE_ENTRIES: usize = 100;
const COLUMNS: [&str; 8] = ["number", "at", "who", "act", "about", "detail", "before", "hash"];

/// Arguments of `audit-trail list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// On this day or later (Asia/Shanghai).
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// On this day or earlier.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// One of these acts; may be given several times.
    #[arg(long, value_name = "ACT")]
    act: Vec<String>,
    /// Whoever did it is called something with this text in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    who: String,
    /// It is about something with this text in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    about: String,
    /// The latest so many; 0 = all.
    #[arg(long, value_name = "ENTRIES")]
    limit: Option<usize>,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Into this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    fn check(&self) -> Result<()> {
        for act in &self.act {
            if !Act::ALL.iter().any(|known| known.name() == act) {
                let known: Vec<_> = Act::ALL.iter().map(|act| act.name()).collect();
                bail!("--act {act:?} is none of {}", known.join(", "));
            }
        }
        Ok(())
    }

    fn wants(&self, entry: &Entry) -> bool {
        let day = entry.moment().map(day_of);
        self.from.is_none_or(|from| day >= Some(from))
            && self.to.is_none_or(|to| day <= Some(to))
            && (self.act.is_empty() || self.act.contains(&entry.act))
            && entry.who.contains(&self.who)
            && entry.about.contains(&self.about)
    }
}

/// An entry with its line.
type Found = (Entry, Vec<u8>);

pub(super) fn run(args: &Args) -> Result<()> {
    args.check()?;
    let sheet = sheet_format(args.format, args.out.as_ref())?;
    let mut read = entries(&args.place.dir()?)?;
    let mut failed = None;
    let mut wanted = read.by_ref().map_while(|found| found.map_err(|error| failed = Some(error)).ok());
    let mut wanted = wanted.by_ref().filter(|(entry, _)| args.wants(entry));
    let limit = args.limit.unwrap_or(if sheet.is_some() { 0 } else { TABLE_ENTRIES });
    let left_out = if limit == 0 {
        write(args, sheet, &mut wanted)?;
        0
    } else {
        let (latest, left_out) = latest(&mut wanted, limit);
        write(args, sheet, &mut latest.into_iter())?;
        left_out
    };
    if left_out > 0 {
        eprintln!("{left_out} earlier entries are not shown: --limit 0 shows all, --from and --to some");
    }
    if read.unreadable_lines > 0 {
        eprintln!(
            "{} line(s) are no entries, or changed ones; ask `tracegate audit-trail verify`",
            read.unreadable_lines
        );
    }
    failed.map_or(Ok(()), |error: ReadError| Err(error.into()))
}

/// The last so many, and how many stood before them.
fn latest(found: impl Iterator<Item = Found>, limit: usize) -> (VecDeque<Found>, u64) {
    let (mut latest, mut left_out) = (VecDeque::new(), 0);
    for one in found {
        if latest.len() == limit {
            latest.pop_front();
            left_out += 1;
        }
        latest.push_back(one);
    }
    (latest, left_out)
}

fn write(args: &Args, sheet: Option<SheetFormat>, found: &mut dyn Iterator<Item = Found>) -> Result<()> {
    match sheet {
        None => write_table(found),
        Some(SheetFormat::JsonLines) => {
            let mut out = output(args.out.as_ref())?;
            for (_, line) in found {
                out.write_all(&line)?;
                out.write_all(b"\n")?;
            }
            Ok(out.flush()?)
        }
        Some(format @ (SheetFormat::Csv | SheetFormat::Xlsx)) => {
            let mut out = output(args.out.as_ref())?;
            write_rows(format, &COLUMNS, found.map(|(entry, _)| cells(entry)), &mut out)?;
            Ok(())
        }
    }
}

fn cells(entry: Entry) -> Vec<Cell> {
    let detail = serde_json::Value::Object(entry.detail).to_string();
    let texts = [entry.at, entry.who, entry.act, entry.about, detail, entry.before, entry.hash];
    let number = Cell::Number(Some(Decimal::from(entry.number)));
    std::iter::once(number).chain(texts.into_iter().map(Cell::Text)).collect()
}

fn write_table(found: &mut dyn Iterator<Item = Found>) -> Result<()> {
    let mut rows = table(["no.", "at", "who", "act", "about", "detail"]);
    let mut count = 0;
    for (entry, _) in found {
        count += 1;
        let detail = entry.detail.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} {value}"),
        });
        let detail: Vec<_> = detail.collect();
        rows.add_row([
            entry.number.to_string(),
            entry.moment().map(local_time).unwrap_or_default(),
            shown(&entry.who),
            shown(&entry.act),
            shown(&entry.about),
            shown(&detail.join(", ")),
        ]);
    }
    if count == 0 { say("no entry is like that") } else { say(rows) }
}
