//! The audit trail: read and checked with the commands, and written by real gateways.

mod broken;
mod commands;
mod kills;
mod recorded;

use crate::support::process::PROGRAM;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs `audit-trail` on a data directory; gives whether it succeeded, and what it said on both.
pub fn run(data_dir: &Path, args: &[&str]) -> (bool, String, String) {
    let (command, rest) = args.split_first().expect("a command");
    let output = Command::new(PROGRAM)
        .args(["audit-trail", command, "--data-dir"])
        .arg(data_dir)
        .args(rest)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// What `verify --json` says.
pub fn verified(data_dir: &Path) -> Value {
    let (ok, said, error) = run(data_dir, &["verify", "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said} {error}"));
    assert_eq!(report["whole"], ok, "{said} {error}");
    report
}

/// Every entry, as JSON.
pub fn listed(data_dir: &Path, args: &[&str]) -> Vec<Value> {
    let args: Vec<_> = ["list", "--format", "json"].iter().chain(args).copied().collect();
    let (ok, said, error) = run(data_dir, &args);
    assert!(ok, "{error}");
    said.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}
