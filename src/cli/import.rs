//! `import`: loads one CSV file into a running gateway.

use super::connect::{Clients, DEFAULT_ADDRESS};
use super::files::{OwnSchemeRow, Reject, RejectsWriter};
use super::load::{Load, Loaded, load, open};
use super::show::{self, say};
use crate::domain::drug::{Drug, NoCodeEntry};
use crate::domain::party::Institution;
use crate::domain::purchase::{PurchaseFeed, PurchaseRecord};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate import institutions institutions.csv
  tracegate import purchases purchases.csv --to 127.0.0.1:50051 --rejects bad-rows.csv

Loading a file twice is harmless. A bad row never stops the rest: it goes to the rejects file with its line,
column and reason; mend it there and import that file.")]
pub(super) struct Args {
    /// What the file holds.
    kind: Kind,
    /// The CSV file (UTF-8, with a header).
    file: PathBuf,
    /// The gateway, on this machine: loading is for its operator.
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    to: String,
    /// Where refused rows go [default: FILE.rejects.csv].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Print one JSON object instead of a sentence.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// institutions.csv
    Institutions,
    /// drugs.csv: the prefix map
    Drugs,
    /// purchases.csv
    Purchases,
    /// purchase_feeds.csv: how far purchase data is complete
    PurchaseFeeds,
    /// no_code_list.csv
    NoCodeList,
    /// own_schemes.csv
    OwnSchemes,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut clients = Clients::connect(&args.to).await?;
    let loaded = match args.kind {
        Kind::Institutions => import::<Institution>(&mut clients, &args).await,
        Kind::Drugs => import::<Drug>(&mut clients, &args).await,
        Kind::Purchases => import::<PurchaseRecord>(&mut clients, &args).await,
        Kind::PurchaseFeeds => import::<PurchaseFeed>(&mut clients, &args).await,
        Kind::NoCodeList => import::<NoCodeEntry>(&mut clients, &args).await,
        Kind::OwnSchemes => import::<OwnSchemeRow>(&mut clients, &args).await,
    }?;
    if args.json {
        let Loaded { added, unchanged, replaced, refused } = loaded;
        say(format!(
            "{}",
            serde_json::json!({"added": added, "unchanged": unchanged, "replaced": replaced, "refused": refused})
        ))?;
    } else {
        say(format!("{}: {loaded}", args.file.display()))?;
    }
    if loaded.refused > 0 {
        bail!("{} row(s) were refused; see {}", loaded.refused, rejects_path(&args).display());
    }
    Ok(())
}

fn rejects_path(args: &Args) -> PathBuf {
    args.rejects.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".rejects.csv");
        name.into()
    })
}

async fn import<T: Load>(clients: &mut Clients, args: &Args) -> Result<Loaded> {
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
