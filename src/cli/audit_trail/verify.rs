//! `audit-trail verify`: is the trail whole?

use super::{Place, shown};
use crate::cli::show::say;
use crate::trail::{Fault, Head, Report, verify};
use anyhow::{Result, anyhow, bail};
use serde_json::json;

/// Examples of `audit-trail verify`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate audit-trail verify
  tracegate audit-trail verify --data-dir /var/lib/tracegate --since 1204:9f2c...e1 --json

Reads all of it and prints the head as NUMBER:HASH. Keep that line where nobody who can write the gateway's disk can reach
it, and give it back with --since the next time: a trail that was written anew as a whole is whole by itself, and only what
was kept elsewhere tells. Ends with exit code 0 where nothing is wrong, else with 1 and every fault with entry, file and
line. The help of each fault: docs/audit-trail.md.";

/// Arguments of `audit-trail verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The head that an earlier run printed: that entry must still be there.
    #[arg(long, value_name = "NUMBER:HASH")]
    since: Option<Head>,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let report = verify(&args.place.dir()?, args.since.clone())?;
    if args.json {
        say(as_json(&report))?;
    } else {
        tell(&report)?;
    }
    if !report.is_whole() {
        bail!(
            "the audit trail is not whole: {} fault(s). Keep a copy of the directory as evidence before anything is \
             changed",
            report.faults.len() as u64 + report.faults_not_told
        );
    }
    Ok(())
}

fn as_json(report: &Report) -> serde_json::Value {
    let fault = |fault: &Fault| {
        json!({
            "kind": fault.kind.name(),
            "number": fault.number,
            "up_to": fault.up_to,
            "file": fault.file,
            "line": fault.line,
            "what": fault.what,
        })
    };
    json!({
        "whole": report.is_whole(),
        "entries": report.entries,
        "first_at": report.first_at.map(|at| at.to_string()),
        "last_at": report.last_at.map(|at| at.to_string()),
        "head": report.head.as_ref().map(ToString::to_string),
        "unfinished_bytes": report.unfinished_bytes,
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "faults_not_told": report.faults_not_told,
    })
}

fn tell(report: &Report) -> Result<()> {
    for fault in &report.faults {
        say(shown(&fault.to_string()))?;
    }
    if report.faults_not_told > 0 {
        say(format!("and {} more", report.faults_not_told))?;
    }
    let span = report.first_at.zip(report.last_at);
    let span = span.map_or_else(String::new, |(first, last)| format!(", from {first} to {last}"));
    say(format!("{} entries are as they were written{span}", report.entries))?;
    if report.unfinished_bytes > 0 {
        say("one more is being written, or was never finished; nobody was told of it")?;
    }
    let head = report.head.as_ref().ok_or_else(|| anyhow!("there is no entry"))?;
    say(format!("head {head}"))
}
