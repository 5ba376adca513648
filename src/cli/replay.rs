//! `replay`: plays a file of messages and writes a verdict for each.

use super::connect::{Clients, Embedded};
use super::credentials::Credentials;
use super::files::{OwnSchemeRow, Reject, RejectsWriter, Row};
use super::load::{Load, Loaded, load, open};
use super::nhsa::LINE_BYTES_MAX;
use super::play::Player;
use super::show::{self, Summary};
use crate::domain::drug::{Drug, NoCodeEntry};
use crate::domain::party::Institution;
use crate::domain::purchase::{PurchaseFeed, PurchaseRecord};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate replay --registry day/ day/messages.jsonl --out verdicts.jsonl
  tracegate replay --registry day/ day/messages.jsonl --out - --data-dir kept/
  tracegate replay --registry day/ day/messages.jsonl --out verdicts.jsonl --to 127.0.0.1:50051

The registry folder holds institutions.csv and drugs.csv, and may hold purchases.csv, purchase_feeds.csv,
no_code_list.csv and own_schemes.csv. Bad rows go to drugs.csv.rejects.csv and the like beside the output.
Without --to an embedded gateway is started; its clock is each message's inf_time. With --to the server's
clock rules: events that lie further back than its lateness limit are reports.")]
pub(super) struct Args {
    /// Messages of the national interface, one JSON object a line.
    messages: PathBuf,
    /// Folder of registry and purchase files, loaded first.
    #[arg(long, value_name = "DIR")]
    registry: PathBuf,
    /// Where the verdicts go, one JSON object a line; `-` = standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A running gateway, instead of an embedded one.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS", conflicts_with_all = ["data_dir", "policy"])]
    to: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    /// Where the embedded gateway keeps its data [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A Redis for the embedded gateway's ledger, such as redis://127.0.0.1:6379; an empty one, for a trial.
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    store: Option<String>,
    /// Rule files over the built-in ones, for the embedded gateway.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    // Both files are opened before anything is loaded: a typo must not change a running gateway.
    let messages = File::open(&args.messages)
        .with_context(|| format!("{} cannot be opened", args.messages.display()))?;
    refuse_same_file(&args)?;
    let out = output(&args.out)?;
    let embedded = match &args.to {
        Some(_) => None,
        None => Some(Embedded::start(args.data_dir.as_deref(), args.store.as_deref(), &args.policy).await?),
    };
    let address = match (&args.to, &embedded) {
        (Some(address), _) => address.clone(),
        (None, Some(embedded)) => embedded.address(),
        (None, None) => return Ok(()),
    };
    let mut clients = Clients::connect(&address, &args.credentials).await?;
    let mut rejects = RejectsDir { out: args.out.clone() };
    for (file, loaded) in
        load_registry(&mut clients, &Folder::Disk(args.registry.clone()), &mut rejects).await?
    {
        eprintln!("{file}: {loaded}");
    }
    let player = Player::new(address, args.credentials.clone(), embedded.as_ref().map(Embedded::clock));
    let summary = play(&args, messages, out, player).await?;
    eprintln!("{summary}");
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    Ok(())
}

async fn play(args: &Args, messages: File, mut out: Box<dyn Write>, mut player: Player) -> Result<Summary> {
    let bar = show::progress(messages.metadata().map(|m| m.len()).unwrap_or(0), "replaying");
    let mut reader = BufReader::new(bar.wrap_read(messages));
    let mut line = Vec::new();
    let mut summary = Summary::default();
    for n in 1.. {
        let more = next_line(&mut reader, &mut line);
        if !more.with_context(|| format!("{} line {n}", args.messages.display()))? {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let played = player.play(n, text.trim()).await?;
        summary.add(&played);
        serde_json::to_writer(&mut out, &played)?;
        out.write_all(b"\n")?;
    }
    out.flush().with_context(|| format!("{} cannot be written", args.out.display()))?;
    bar.finish_and_clear();
    Ok(summary)
}

/// Reads one line, of an overlong one only as much as shows that it is too long. `false` at the end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let most = LINE_BYTES_MAX as u64 + 1;
    let mut read = reader.take(most).read_until(b'\n', line)?;
    let mut rest = Vec::new();
    while read as u64 == most && !rest.ends_with(b"\n") && !line.ends_with(b"\n") {
        rest.clear();
        read = reader.take(most).read_until(b'\n', &mut rest)?;
    }
    Ok(!line.is_empty())
}

/// The verdicts must not be written over the messages.
fn refuse_same_file(args: &Args) -> Result<()> {
    let is_same = match (args.messages.canonicalize(), args.out.canonicalize()) {
        (Ok(messages), Ok(out)) => messages == out,
        (Err(_), _) | (_, Err(_)) => false,
    };
    anyhow::ensure!(
        !is_same,
        "--out {} is the messages file itself; write the verdicts elsewhere",
        args.out.display()
    );
    Ok(())
}

fn output(path: &Path) -> Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Where registry files come from.
pub(super) enum Folder {
    /// A folder on disk.
    Disk(PathBuf),
    /// Files baked into the program: name and content.
    BuiltIn(&'static [(&'static str, &'static str)]),
}

impl Folder {
    fn open(&self, name: &str) -> Result<Option<Box<dyn std::io::Read + Send>>> {
        match self {
            Self::Disk(dir) => {
                let path = dir.join(name);
                match File::open(&path) {
                    Ok(file) => Ok(Some(Box::new(BufReader::new(file)))),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(e).with_context(|| format!("{} cannot be opened", path.display())),
                }
            }
            Self::BuiltIn(files) => {
                let content =
                    files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.as_bytes());
                Ok(content.map(|bytes| Box::new(bytes) as Box<dyn std::io::Read + Send>))
            }
        }
    }
}

/// Where the refused rows of each registry file go.
pub(super) trait Rejects {
    /// Takes one refused row of a file with these columns.
    fn take(&mut self, file: &'static str, columns: &[String], reject: &Reject) -> Result<()>;
}

/// Rejects beside the output: `drugs.csv.rejects.csv`.
struct RejectsDir {
    out: PathBuf,
}

impl Rejects for RejectsDir {
    fn take(&mut self, file: &'static str, columns: &[String], reject: &Reject) -> Result<()> {
        eprintln!("{file} line {}: {} {}", reject.line, reject.column, reject.reason);
        let dir = self.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = dir.join(format!("{file}.rejects.csv"));
        let exists = path.exists();
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        let mut writer =
            if exists { RejectsWriter::append(file) } else { RejectsWriter::new(file, columns)? };
        writer.write(reject)?;
        Ok(writer.finish()?)
    }
}

/// Loads what a registry folder holds, in the order in which the files need each other.
pub(super) async fn load_registry(
    clients: &mut Clients,
    folder: &Folder,
    rejects: &mut (dyn Rejects + Send),
) -> Result<Vec<(&'static str, Loaded)>> {
    let mut done = Vec::new();
    load_file::<Institution>(clients, folder, rejects, true, &mut done).await?;
    load_file::<Drug>(clients, folder, rejects, true, &mut done).await?;
    load_file::<OwnSchemeRow>(clients, folder, rejects, false, &mut done).await?;
    load_file::<NoCodeEntry>(clients, folder, rejects, false, &mut done).await?;
    load_file::<PurchaseFeed>(clients, folder, rejects, false, &mut done).await?;
    load_file::<PurchaseRecord>(clients, folder, rejects, false, &mut done).await?;
    Ok(done)
}

async fn load_file<T: Load>(
    clients: &mut Clients,
    folder: &Folder,
    rejects: &mut (dyn Rejects + Send),
    required: bool,
    done: &mut Vec<(&'static str, Loaded)>,
) -> Result<()> {
    let name = <T as Row>::FILE_NAME;
    let Some(reader) = folder.open(name)? else {
        anyhow::ensure!(!required, "the registry folder has no {name}; it is needed");
        return Ok(());
    };
    let rows = open::<T>(reader)?;
    let columns = rows.columns().to_vec();
    let loaded = load(clients, rows, || {}, |reject| rejects.take(name, &columns, reject)).await?;
    done.push((name, loaded));
    Ok(())
}
