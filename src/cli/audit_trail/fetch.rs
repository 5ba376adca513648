//! `audit-trail fetch`: the entries of a running gateway, for whoever must not come near its disk.

use crate::cli::cases::{Gateway, refused};
use crate::cli::show::{new_file, say};
use crate::grpc::pb;
use anyhow::Result;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Examples of `audit-trail fetch`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate audit-trail fetch --gateway 10.0.0.5:50051 --ca ca.pem --key-file auditor.key --out june.jsonl
  tracegate audit-trail fetch --from-number 1201

Lines come as they stand on the gateway's disk, each with its hash and that of the one before. The gateway tells them
itself: whoever doubts it checks its data directory with `audit-trail verify`.";

/// Arguments of `audit-trail fetch`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only entries from this number on.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    from_number: u64,
    /// Write them into a new file that only you can read, instead of showing them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let request = args.gateway.request(pb::ReadAuditTrailRequest { from_number: args.from_number })?;
    let answer = clients.admin.read_audit_trail(request).await;
    let mut entries = answer.map_err(|status| refused(&status))?.into_inner();
    let mut file = match &args.out {
        None => None,
        Some(path) => Some(BufWriter::new(new_file(path)?)),
    };
    let (mut count, mut last) = (0_u64, 0);
    while let Some(entry) = entries.message().await.map_err(|status| refused(&status))? {
        (count, last) = (count + 1, entry.number);
        match &mut file {
            Some(file) => writeln!(file, "{}", entry.line)?,
            None => say(entry.line)?,
        }
    }
    if let (Some(mut file), Some(path)) = (file, &args.out) {
        file.flush()?;
        say(format!("{count} entries up to number {last} are in {}", path.display()))?;
    }
    Ok(())
}
