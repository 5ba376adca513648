//! `cases export`: cases as a file, a row for each sale or attempt.

use super::list::Asked;
use super::{Gateway, refused};
use crate::cli::report::{Format, output, sheet_format};
use crate::grpc::pb;
use crate::sheets::SheetFormat;
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Examples of `cases export`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate cases export --format xlsx --out june.xlsx --from 2026-06-01 --to 2026-06-30
  tracegate cases export --format csv --division 1301 > cases.csv
  tracegate cases export --format json --state closed | head -n 1

One row for each sale or blocked attempt. Codes are texts; open a CSV in a spreadsheet by importing its columns as
texts, or take a workbook.";

/// Arguments of `cases export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Into this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let format = match sheet_format(args.format, args.out.as_ref())? {
        Some(SheetFormat::Csv) => pb::FileFormat::Csv,
        Some(SheetFormat::Xlsx) => pb::FileFormat::Xlsx,
        Some(SheetFormat::JsonLines) => pb::FileFormat::JsonLines,
        None => bail!("--format csv, xlsx or json; `tracegate cases list` shows a table"),
    };
    let mut clients = args.gateway.connect().await?;
    let asked = pb::ExportDuplicatesRequest { filter: Some(args.asked.filter()?), format: format.into() };
    let answer = clients.bureau.export_duplicates(args.gateway.request(asked)?).await;
    let mut chunks = answer.map_err(|status| refused(&status))?.into_inner();
    let bar = ProgressBar::new_spinner().with_message("exported");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bytes} {bytes_per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut out = output(args.out.as_ref())?;
    while let Some(answer) = chunks.message().await.map_err(|status| refused(&status))? {
        bar.inc(answer.chunk.len() as u64);
        out.write_all(&answer.chunk)?;
    }
    out.flush()?;
    bar.finish_and_clear();
    if let Some(path) = &args.out {
        eprintln!("{} bytes in {}", bar.position(), path.display());
    }
    Ok(())
}
