//! `report`: what cases and reminders add up to, for people and for spreadsheets.

pub(super) mod compliance;
mod duplicates;

use super::cases::Gateway;
use crate::sheets::{Cell, SheetFormat, write_rows};
use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use rust_decimal::Decimal;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tracegate report duplicates --by institution --from 2026-06-01 --to 2026-06-30
  tracegate report compliance --by rule --from 2026-06-01 --to 2026-06-30
  tracegate report compliance --by month --format xlsx --out compliance.xlsx --from 2026-01-01 --to 2026-12-31";

#[derive(Debug, Subcommand)]
enum Command {
    /// Cases of duplicate codes, counted by division, institution, drug, class, day or month (重复追溯码统计).
    #[command(after_help = duplicates::EXAMPLES)]
    Duplicates(Box<duplicates::Args>),
    /// Reminders at the counter and how many were followed, by division, institution, rule, day or month (遵从率统计).
    #[command(after_help = compliance::EXAMPLES)]
    Compliance(Box<compliance::Args>),
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For eyes.
    Table,
    /// Comma-separated values.
    Csv,
    /// An Excel workbook; needs --out.
    Xlsx,
    /// One JSON object a line.
    Json,
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Duplicates(args) => duplicates::run(*args).await,
        Command::Compliance(args) => compliance::run(*args).await,
    }
}

/// The form of a file, where it is one; a workbook goes into a file.
pub(super) fn sheet_format(format: Format, out: Option<&PathBuf>) -> Result<Option<SheetFormat>> {
    Ok(match format {
        Format::Table => None,
        Format::Csv => Some(SheetFormat::Csv),
        Format::Json => Some(SheetFormat::JsonLines),
        Format::Xlsx if out.is_none() => bail!("a workbook goes into a file: name it with --out FILE.xlsx"),
        Format::Xlsx => Some(SheetFormat::Xlsx),
    })
}

/// Where rows go: a file, or standard output.
pub(super) fn output(out: Option<&PathBuf>) -> Result<Box<dyn Write>> {
    match out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(Box::new(BufWriter::new(file)))
        }
        None => Ok(Box::new(std::io::stdout().lock())),
    }
}

/// How a report is written.
#[derive(Debug, clap::Args)]
struct Written {
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Into this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    gateway: Gateway,
}

impl Written {
    /// Refuses what cannot be written, before anybody is asked.
    fn check(&self) -> Result<()> {
        sheet_format(self.format, self.out.as_ref()).map(drop)
    }

    /// Writes the rows as a file, where one is wanted; `false` = a table for eyes is.
    fn write(&self, columns: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Result<bool> {
        let sheet = sheet_format(self.format, self.out.as_ref())?;
        let sheet = if self.gateway.json { Some(SheetFormat::JsonLines) } else { sheet };
        let Some(format) = sheet else { return Ok(false) };
        let mut out = output(self.out.as_ref())?;
        write_rows(format, columns, rows, &mut out)?;
        Ok(true)
    }
}

/// An exact decimal as a number; nothing where it is not known.
fn number(text: &str) -> Cell {
    Cell::Number(text.parse().ok())
}

/// A count.
fn count(count: u64) -> Cell {
    Cell::Number(Some(Decimal::from(count)))
}

/// A share for eyes, as `33.3 %`; nothing where there is none.
fn percent(share: &str, digits: u32) -> String {
    let share: Option<Decimal> = share.parse().ok();
    share.map_or_else(String::new, |share| {
        format!("{} %", (share * Decimal::ONE_HUNDRED).round_dp(digits).normalize())
    })
}
