//! Door 3: the command line, for people and scripts. Everything that touches data goes through the gRPC
//! door; only the audit trail is read from the disk: whoever checks a gateway must not have to ask it.

mod audit;
mod audit_trail;
mod cases;
mod check;
mod connect;
mod credentials;
mod demo;
pub mod files;
mod history;
mod import;
mod join_keys;
mod keys;
mod load;
mod migrate;
pub mod nhsa;
pub mod play;
mod policy;
mod purge;
mod replay;
mod report;
mod sales;
mod serve;
pub mod show;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Verifies drug traceability codes at the moment of dispensing.
///
/// 药品追溯码校验网关：无码不付、不网采不结算、一码一销。
#[derive(Debug, Parser)]
#[command(name = "tracegate", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tracegate demo                                     a morning at several counters, nothing else needed
  tracegate serve --data-dir /var/lib/tracegate      run a gateway
  tracegate import drugs drugs.csv                   load the prefix map into it
  tracegate cases list --state detected              what the bureau has to look at
  tracegate check ']C183003850000000131888'          what is this code?
  tracegate replay --registry DIR messages.jsonl --out verdicts.jsonl";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a gateway until SIGTERM or Ctrl-C.
    Serve(serve::Args),
    /// Play a morning at several counters on an embedded gateway and show every verdict.
    Demo(demo::Args),
    /// Play messages of the national interface, one JSON object a line, and write a verdict for each.
    Replay(replay::Args),
    /// Load a CSV file into a running gateway.
    Import(import::Args),
    /// Say what codes are, and what a gateway would answer.
    Check(check::Args),
    /// Cases of duplicate codes: list, show, push, explain, review, close, watch (重复追溯码案件).
    Cases(cases::Args),
    /// Judge a day or a month again with what is known now (复核).
    Audit(audit::Args),
    /// Who changed rules, registry, keys and cases, and who looked at what: read, and checked (审计记录).
    AuditTrail(audit_trail::Args),
    /// Everything that is recorded of a code, whoever sold it; each look is recorded (追溯码流向).
    History(history::Args),
    /// What cases add up to: by division, institution, drug, class, day or month (统计报表).
    Report(report::Args),
    /// Move everything of a store into another: from a data directory to Redis, or back.
    Migrate(migrate::Args),
    /// Check rule files, explain which rule applies and why, change rules without a stop, try them in the shadow.
    Policy(policy::Args),
    /// Keys by which callers are known: make, list, replace, revoke (接入密钥).
    Keys(keys::Args),
    /// Keys under which persons are marked, so that two sales of one are seen to be that (关联密钥).
    JoinKeys(join_keys::Args),
    /// Remove what was kept long enough: requests with their answers, months of the audit trail (清除到期数据).
    Purge(purge::Args),
    /// Print the settings in force and every mistake at once.
    CheckConfig(CheckConfig),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate check-config
  TRACEGATE_LIMITS_TEXT_BYTES_MAX=64 tracegate check-config --config tracegate.toml")]
struct CheckConfig {
    /// Settings over the defaults (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs a command line.
pub async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Cases(args) => cases::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::AuditTrail(args) => audit_trail::run(args).await,
        Command::History(args) => history::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Policy(args) => policy::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::JoinKeys(args) => join_keys::run(args).await,
        Command::Purge(args) => purge::run(args).await,
        Command::CheckConfig(args) => serve::check_config(args.config.as_deref()),
    }
}
