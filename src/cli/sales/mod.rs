//! `import sales`: a history of past sales into a running gateway, batch by batch, several under way.
//!
//! Reading order: `batches` the file as batches; `sheets` what was refused and found; `progress` how far it is
//! durable, so that the same command goes on after whatever stopped it; `totals` what it comes to.

mod batches;
mod progress;
mod sheets;
mod totals;

use super::connect::{Clients, DEFAULT_ADDRESS};
use super::credentials::Credentials;
use super::show::{self, say};
use crate::clock::Stopwatch;
use crate::grpc::pb;
use anyhow::{Context, Result, anyhow, bail};
use batches::{Asked, Span};
use indicatif::ProgressBar;
use progress::{Options, Progress, Saved};
use sheets::Sheets;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Batches whose answers are waited for, at most; more than the gateway works on at the same time.
const BATCHES_WAITING_MAX: usize = 8;
/// Batches that were read and not sent yet, at most.
const BATCHES_READ_AHEAD_MAX: usize = 2;

/// Arguments of `import sales`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Columns, in any order (UTF-8, separated by commas); others are ignored:
  institution_code  required; who sold, H or P and 11 digits
  document_no       required; may be empty where visit_no is filled in
  occurred_at       required; 2026-03-10 09:00:00 in Asia/Shanghai, or with an offset
  code              required; what the scanner sent, one box a row
  kind              sale or return; empty = sale
  visit_no          visit number
  line_no           line on the document; tells two draws from one split box apart; empty = 1
  catalog_code      NHSA catalogue code; empty = it follows from the code
  quantity          smallest priced units of this box; empty = a whole box
  line_quantity     units of the line where it split several boxes; empty = as quantity
  split             true where a part of the pack was handed out; empty = false

Examples:
  tracegate import sales sales.csv
  tracegate import sales sales.csv --findings --to 127.0.0.1:50051

Stopped half way (Ctrl-C, a crash, a gateway that went away)? Run the same command again: it goes on where the
gateway had acknowledged, which stands in FILE.progress.json. Importing a history twice changes nothing.
See docs/go-live.md.")]
pub(super) struct Args {
    /// The CSV file (UTF-8, with a header).
    file: PathBuf,
    /// The gateway, on this machine: importing is for its operator.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    to: String,
    #[command(flatten)]
    credentials: Credentials,
    /// Look for duplicates; they go to FILE.findings.csv and are kept with the sale. The first import of a sale
    /// decides.
    #[arg(long)]
    findings: bool,
    /// Add the units to what was sold; only where the purchases of that time are loaded as well.
    #[arg(long)]
    count_sold: bool,
    /// Where refused rows go [default: FILE.rejects.csv].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Begin at the first row, whatever an interrupted import had reached.
    #[arg(long)]
    from_start: bool,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let rejects = args.rejects.clone().unwrap_or_else(|| beside(&args.file, ".rejects.csv"));
    let options = Options { findings: args.findings, count_sold: args.count_sold, rejects };
    let progress = Progress::open(&args.file, options, args.from_start)?;
    if let Some(saved) = progress.resumed() {
        let (file, line) = (args.file.display(), saved.place.line);
        eprintln!("{file}: going on at line {line}; everything before it is recorded");
    }
    let mut import = Import::begin(&args, progress).await?;
    let done = tokio::select! {
        done = import.run() => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    import.bar.finish_and_clear();
    if let Err(error) = done {
        let line = import.progress.saved().place.line;
        let advice = format!("recorded up to line {line}; run the same command again to go on from there");
        return Err(error.context(advice));
    }
    import.conclude(args.json)
}

/// A file beside the imported one.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// An import under way.
struct Import {
    file: PathBuf,
    asked: Asked,
    progress: Progress,
    sheets: Sheets,
    batches: mpsc::Sender<pb::ImportSalesRequest>,
    answers: Streaming<pb::ImportSalesResponse>,
    started: Stopwatch,
    /// Rows answered by this run alone.
    rows: u64,
    bar: ProgressBar,
}

impl Import {
    /// Opens the stream, and makes sure that behind it is the ledger that an interrupted import began with.
    async fn begin(args: &Args, mut progress: Progress) -> Result<Self> {
        let started = Stopwatch::start();
        let asked = Asked { find_conflicts: args.findings, count_sold: args.count_sold };
        let sheets = Sheets::open(&args.file, progress.saved())?;
        let mut clients = Clients::connect(&args.to, &args.credentials).await?;
        let (batches, stream) = mpsc::channel(BATCHES_READ_AHEAD_MAX);
        // A batch without rows: its answer names the ledger before anything is sent to it.
        batches.send(asked.request(0, Vec::new())).await.context("the stream has ended")?;
        let answers = clients.history.import_sales(ReceiverStream::new(stream)).await;
        let mut answers = answers.map_err(|status| refused(&status))?.into_inner();
        let first = next(&mut answers, 0).await?;
        progress.is_about(&first.ledger_name, &args.to)?;
        let bar = show::progress(progress.bytes_to_read(), "importing");
        let (file, rows) = (args.file.clone(), 0);
        Ok(Self { file, asked, progress, sheets, batches, answers, started, rows, bar })
    }

    async fn run(&mut self) -> Result<()> {
        let (spans, mut waiting) = mpsc::channel(BATCHES_WAITING_MAX);
        let (plan, batches) = (self.progress.plan(&self.file, self.asked), self.batches.clone());
        let reading = tokio::task::spawn_blocking(move || {
            plan.read(|batch, span| {
                // Closed channels mean that nobody waits any more.
                spans.blocking_send(span).is_ok() && batches.blocking_send(batch).is_ok()
            })
        });
        while let Some(span) = waiting.recv().await {
            let answer = next(&mut self.answers, span.batch_no).await?;
            self.take(span, &answer)?;
        }
        reading.await.context("reading the file ended in a panic")?
    }

    /// Takes in the answer to a batch. Sheets are written before the progress that counts them.
    fn take(&mut self, span: Span, answer: &pb::ImportSalesResponse) -> Result<()> {
        self.rows += span.rows();
        let mut totals = self.progress.saved().totals.clone();
        totals.add(&span, answer);
        let end = span.end;
        let lengths = self.sheets.write(span, answer)?;
        self.progress.save(end, lengths, totals)?;
        self.bar.set_position(self.progress.bytes_read());
        self.bar.set_message(format!("importing, {} codes/s", self.codes_per_second()));
        Ok(())
    }

    fn codes_per_second(&self) -> u64 {
        let seconds = self.started.elapsed().as_secs_f64().max(f64::EPSILON);
        // A rate for people: whole codes are exact enough.
        (self.rows as f64 / seconds) as u64
    }

    fn conclude(self, json: bool) -> Result<()> {
        let (rate, seconds) = (self.codes_per_second(), self.started.elapsed().as_secs_f64());
        let Saved { totals, .. } = self.progress.saved().clone();
        if json {
            say(totals.json(self.rows, seconds, rate))?;
        } else {
            say(format!("{}: {totals}", self.file.display()))?;
            say(format!("{} rows in {seconds:.1} s, {rate} codes/s", self.rows))?;
            if totals.with_findings > 0 {
                say(format!("findings: {}", self.sheets.findings_path().display()))?;
            }
        }
        let rejects = self.progress.options().rejects.clone();
        self.progress.finish()?;
        if totals.refused > 0 {
            bail!("{} row(s) were refused; see {}", totals.refused, rejects.display());
        }
        Ok(())
    }
}

/// The answer to one batch; they come in the order in which the batches were sent.
async fn next(
    answers: &mut Streaming<pb::ImportSalesResponse>,
    batch_no: u64,
) -> Result<pb::ImportSalesResponse> {
    let answer = answers.message().await.map_err(|status| refused(&status))?;
    match answer {
        Some(answer) if answer.batch_no == batch_no => Ok(answer),
        Some(other) => bail!("the gateway answered batch {} where {batch_no} was due", other.batch_no),
        None => bail!("the gateway ended the import before it had answered everything"),
    }
}

fn refused(status: &Status) -> anyhow::Error {
    anyhow!("the gateway stopped the import: {} ({:?})", status.message(), status.code())
}
