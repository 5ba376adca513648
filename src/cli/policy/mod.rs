//! `policy`: rules for people. From files (`check`, `explain`), or of a running gateway (`show`, `explain --to`,
//! `reload`, `shadow`).

mod explain;
mod shadow;
mod show;
mod told;

use super::connect::DEFAULT_ADDRESS;
use super::credentials::Credentials;
use super::show::say;
use crate::app::load_policy;
use crate::grpc::pb;
use anyhow::{Result, anyhow};
use clap::Subcommand;
use std::path::PathBuf;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate policy check shijiazhuang.toml
  tracegate policy explain --kind pharmacy --division 130102
  tracegate policy explain --to 127.0.0.1:50051 --institution P13010200101 --drug XA01AA001A0010100000001
  tracegate policy reload
  tracegate policy shadow start shijiazhuang.toml
  tracegate policy shadow show")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check rule files as a whole, over the built-in rules; every mistake with file, line and reason.
    #[command(after_help = "Example:\n  tracegate policy check shijiazhuang.toml")]
    Check {
        /// Rule files (TOML), in order.
        files: Vec<PathBuf>,
    },
    /// Which rule applies to an institution, scene, payment, drug and day, and why.
    #[command(after_help = "Examples:
  tracegate policy explain --kind pharmacy --division 130102
  tracegate policy explain --kind hospital --division 130102 --reason NOT_PURCHASED --date 2025-09-04
  tracegate policy explain --to 127.0.0.1:50051 --institution P13010200101 --drug 8123456 --reason NO_CODE

Without --to the rules of this program and of --policy are asked. With --to a running gateway is asked by what it
has in force; it knows institutions and drugs by their codes.")]
    Explain(Box<explain::Args>),
    /// Every rule, exemption and setting that a gateway has in force, and where each was written.
    #[command(after_help = "Examples:
  tracegate policy show
  tracegate policy show --reason NOT_PURCHASED --to 127.0.0.1:50051
  tracegate policy show --json")]
    Show(show::Args),
    /// Let a gateway read its policy files again, without a stop; a bad file leaves the old policy in force.
    #[command(after_help = "Examples:
  tracegate policy reload
  tracegate policy reload --to 127.0.0.1:50051 --json")]
    Reload(Gateway),
    /// Judge a second policy beside the one in force, and see what it would change.
    #[command(subcommand)]
    Shadow(shadow::Command),
}

/// Which gateway, and how to print its answer.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    /// The gateway, on this machine: rules are changed by its operator.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    to: String,
    #[command(flatten)]
    credentials: Credentials,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Check { files } => {
            let policy = load_policy(&files).map_err(|e| anyhow!(e))?;
            let (rules, exemptions) = (policy.rules().len(), policy.exemptions().len());
            say(format!("valid: version {}, {rules} rules, {exemptions} exemptions", policy.version()))
        }
        Command::Explain(args) => explain::run(*args).await,
        Command::Show(args) => show::run(args).await,
        Command::Reload(gateway) => show::reload(gateway).await,
        Command::Shadow(command) => shadow::run(command).await,
    }
}

/// What a gateway refused, with every mistake on a line of its own.
fn refused(status: &Status) -> anyhow::Error {
    let mut lines = Vec::new();
    if let Some(in_files) = status.get_details_precondition_failure() {
        lines.extend(in_files.violations.iter().map(|v| format!("{}: {}", v.subject, v.description)));
    }
    if let Some(in_texts) = status.get_details_bad_request() {
        lines.extend(in_texts.field_violations.iter().map(|v| format!("{}: {}", v.field, v.description)));
    }
    if lines.is_empty() {
        return anyhow!("the gateway refused: {}", status.message());
    }
    let stays =
        if status.code() == Code::FailedPrecondition { ", the old policy stays in force" } else { "" };
    anyhow!("the gateway refused{stays}:\n  {}", lines.join("\n  "))
}

/// The name of an enum of the wire, as files and documents spell it.
fn name_of(wire: &'static str, prefix: &str) -> &'static str {
    wire.strip_prefix(prefix).filter(|name| *name != "UNSPECIFIED").unwrap_or_default()
}

fn reason(value: pb::Reason) -> &'static str {
    name_of(value.as_str_name(), "REASON_")
}

fn class(value: pb::DuplicateClass) -> &'static str {
    name_of(value.as_str_name(), "DUPLICATE_CLASS_")
}

fn verdict(value: pb::Verdict) -> &'static str {
    name_of(value.as_str_name(), "VERDICT_")
}

fn enforcement(value: pb::Enforcement) -> String {
    name_of(value.as_str_name(), "ENFORCEMENT_").to_ascii_lowercase()
}

/// `file:line`.
fn place(rule: &pb::PolicyRule) -> String {
    format!("{}:{}", rule.source_file, rule.source_line)
}
