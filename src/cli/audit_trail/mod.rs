//! `audit-trail`: reads what people did to a gateway, and checks that nobody changed that record. Reads the data
//! directory itself, beside a gateway that writes it, because whoever checks a gateway must not have to ask it; `fetch`
//! asks, for whoever may not come near the disk.

mod fetch;
mod list;
mod verify;

use crate::config::Config;
use crate::trail::TRAIL_DIR;
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;

/// Arguments of `audit-trail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate audit-trail verify --data-dir /var/lib/tracegate
  tracegate audit-trail list --from 2026-06-01 --act code_history.look

It is read beside a running gateway. Each gateway of a fleet has a trail of its own: check every data directory.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every entry and that none is missing; names each that is not as it was written (校验审计记录).
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Args),
    /// Who did what, when (审计记录列表).
    #[command(after_help = list::EXAMPLES)]
    List(Box<list::Args>),
    /// The entries of a running gateway, as they stand on its disk (调取审计记录).
    #[command(after_help = fetch::EXAMPLES)]
    Fetch(Box<fetch::Args>),
}

/// Whose trail.
#[derive(Debug, clap::Args)]
struct Place {
    /// The gateway's data directory, instead of store.data_dir.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The gateway's settings, which say where its data directory is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The trail's directory.
    fn dir(&self) -> Result<PathBuf> {
        let data_dir = match &self.data_dir {
            Some(dir) => dir.clone(),
            None => Config::load(self.config.as_deref())?.data_dir,
        };
        Ok(data_dir.join(TRAIL_DIR))
    }
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Verify(args) => tokio::task::spawn_blocking(move || verify::run(&args)).await?,
        Command::List(args) => tokio::task::spawn_blocking(move || list::run(&args)).await?,
        Command::Fetch(args) => fetch::run(*args).await,
    }
}

/// A text for a terminal: whoever wrote it must not move the cursor of whoever reads it.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
