//! `import`: loads one CSV file into a running gateway.

use super::connect::{Clients, DEFAULT_ADDRESS};
use super::credentials::Credentials;
use super::files::{GoLiveRow, OpeningStockRow, OwnSchemeRow, Reject, RejectsWriter, Row};
use super::load::{Load, Loaded, load, open};
use super::sales;
use super::show::{self, say};
use crate::domain::drug::{Drug, NoCodeEntry};
use crate::domain::party::Institution;
use crate::domain::purchase::{PurchaseFeed, PurchaseRecord};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate import institutions institutions.csv
  tracegate import purchases purchases.csv --to 127.0.0.1:50051 --rejects bad-rows.csv
  tracegate import sales sales.csv --findings

`tracegate import KIND --help` says which columns the file has. Loading a file twice is harmless. A bad row never
stops the rest: it goes to the rejects file with its line, column and reason; mend it there and import that file.
docs/go-live.md tells the order in which a gateway is filled.")]
pub(super) struct Args {
    /// What the file holds.
    #[command(subcommand)]
    kind: Kind,
}

/// The arguments of every kind that is loaded as a whole.
#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The CSV file (UTF-8, with a header).
    file: PathBuf,
    /// The gateway, on this machine: loading is for its operator.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    to: String,
    #[command(flatten)]
    credentials: Credentials,
    /// Where refused rows go [default: FILE.rejects.csv].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Print one JSON object instead of a sentence.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// institutions.csv: who may dispense
    #[command(after_help = columns::<Institution>())]
    Institutions(FileArgs),
    /// drugs.csv: the prefix map
    #[command(after_help = columns::<Drug>())]
    Drugs(FileArgs),
    /// purchases.csv: what institutions bought, platform or filed
    #[command(after_help = columns::<PurchaseRecord>())]
    Purchases(FileArgs),
    /// purchase_feeds.csv: how far purchase data is complete
    #[command(after_help = columns::<PurchaseFeed>())]
    PurchaseFeeds(FileArgs),
    /// no_code_list.csv: stock that needs no code
    #[command(after_help = columns::<NoCodeEntry>())]
    NoCodeList(FileArgs),
    /// own_schemes.csv: manufacturers' own codes
    #[command(after_help = columns::<OwnSchemeRow>())]
    OwnSchemes(FileArgs),
    /// opening_stock.csv: what was counted at go-live; counting again replaces it
    #[command(after_help = columns::<OpeningStockRow>())]
    OpeningStock(FileArgs),
    /// go_live.csv: from which day purchase rules count, for institutions that are loaded
    #[command(after_help = columns::<GoLiveRow>())]
    GoLive(FileArgs),
    /// sales.csv: past sales and returns, millions of them; goes on where it was interrupted
    Sales(sales::Args),
}

/// The columns of a file, for its help.
fn columns<T: Row>() -> String {
    let mut text = format!("Columns, in any order (UTF-8, separated by commas): {}", T::REQUIRED.join(", "));
    if !T::OPTIONAL.is_empty() {
        text.push_str(&format!("; may be left out: {}", T::OPTIONAL.join(", ")));
    }
    text
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.kind {
        Kind::Institutions(args) => load_file::<Institution>(&args).await,
        Kind::Drugs(args) => load_file::<Drug>(&args).await,
        Kind::Purchases(args) => load_file::<PurchaseRecord>(&args).await,
        Kind::PurchaseFeeds(args) => load_file::<PurchaseFeed>(&args).await,
        Kind::NoCodeList(args) => load_file::<NoCodeEntry>(&args).await,
        Kind::OwnSchemes(args) => load_file::<OwnSchemeRow>(&args).await,
        Kind::OpeningStock(args) => load_file::<OpeningStockRow>(&args).await,
        Kind::GoLive(args) => load_file::<GoLiveRow>(&args).await,
        Kind::Sales(args) => sales::run(args).await,
    }
}

async fn load_file<T: Load>(args: &FileArgs) -> Result<()> {
    let mut clients = Clients::connect(&args.to, &args.credentials).await?;
    let loaded = import::<T>(&mut clients, args).await?;
    if args.json {
        let Loaded { added, unchanged, replaced, refused } = loaded;
        say(
            serde_json::json!({"added": added, "unchanged": unchanged, "replaced": replaced, "refused": refused}),
        )?;
    } else {
        say(format!("{}: {loaded}", args.file.display()))?;
    }
    if loaded.refused > 0 {
        bail!("{} row(s) were refused; see {}", loaded.refused, rejects_path(args).display());
    }
    Ok(())
}

fn rejects_path(args: &FileArgs) -> PathBuf {
    args.rejects.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".rejects.csv");
        name.into()
    })
}

async fn import<T: Load>(clients: &mut Clients, args: &FileArgs) -> Result<Loaded> {
    let file = File::open(&args.file).with_context(|| format!("{} cannot be opened", args.file.display()))?;
    let bytes = file.metadata().map(|m| m.len()).unwrap_or(0);
    let bar = show::progress(bytes, "importing");
    let rows = open::<T>(BufReader::new(bar.wrap_read(file)))?;
    let columns = rows.columns().to_vec();
    let mut rejects = LazyRejects { path: rejects_path(args), columns, writer: None };
    let loaded = load(clients, rows, || {}, |reject| rejects.write(reject)).await;
    rejects.finish()?;
    bar.finish_and_clear();
    loaded
}

/// A rejects file that is made with its first row.
struct LazyRejects {
    path: PathBuf,
    columns: Vec<String>,
    writer: Option<RejectsWriter<File>>,
}

impl LazyRejects {
    fn write(&mut self, reject: &Reject) -> Result<()> {
        let path: &Path = &self.path;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file =
                    File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
                self.writer.insert(RejectsWriter::new(file, &self.columns)?)
            }
        };
        writer.write(reject)?;
        if reject.ends_file {
            bail!("line {}: {}", reject.line, reject.reason);
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        Ok(())
    }
}
