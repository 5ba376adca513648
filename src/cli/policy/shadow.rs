//! `policy shadow`: a second policy beside the one in force, and what it would change.

use super::show::{moment, when};
use super::{Gateway, class, enforcement, reason, refused, verdict};
use crate::cli::connect::Clients;
use crate::cli::show::{say, table};
use crate::grpc::pb;
use crate::policy_files::FILE_BYTES_MAX;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send rule files to a gateway, to be judged beside what is in force. They change no answer.
    #[command(after_help = "Examples:
  tracegate policy shadow start next-year.toml
  tracegate policy shadow start shijiazhuang.toml next-year.toml --to 127.0.0.1:50051

The files are put over the built-in rules, as policy.files are: name every file that the second policy consists
of. A shadow that runs already gives way, and its counts with it.")]
    Start {
        /// Rule files (TOML), in order.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// How many documents would change, in which direction, by which reasons, and the latest of them.
    #[command(after_help = "Examples:
  tracegate policy shadow show
  tracegate policy shadow show --json")]
    Show(Gateway),
    /// Judge by the policy in force alone again, and print what was counted.
    #[command(after_help = "Example:\n  tracegate policy shadow stop")]
    Stop(Gateway),
}

pub(super) async fn run(command: Command) -> Result<()> {
    let (report, json) = match command {
        Command::Start { files, gateway } => (start(&files, &gateway).await?, gateway.json),
        Command::Show(gateway) => {
            let mut clients = Clients::connect(&gateway.to, &gateway.credentials).await?;
            let answer = clients.policy.get_shadow(pb::GetShadowRequest {}).await;
            (answer.map_err(|status| refused(&status))?.into_inner().report, gateway.json)
        }
        Command::Stop(gateway) => {
            let mut clients = Clients::connect(&gateway.to, &gateway.credentials).await?;
            let answer = clients.policy.stop_shadow(pb::StopShadowRequest {}).await;
            (answer.map_err(|status| refused(&status))?.into_inner().report, gateway.json)
        }
    };
    let report = report.context("the gateway gave no report")?;
    if json { say(to_json(&report)) } else { print(&report) }
}

async fn start(files: &[PathBuf], gateway: &Gateway) -> Result<Option<pb::ShadowReport>> {
    let files = files.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let mut clients = Clients::connect(&gateway.to, &gateway.credentials).await?;
    let answer = clients.policy.start_shadow(pb::StartShadowRequest { files }).await;
    Ok(answer.map_err(|status| refused(&status))?.into_inner().report)
}

/// Reads no more than one byte over the limit.
fn read(path: &Path) -> Result<pb::PolicyFile> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    file.take(limit).read_to_end(&mut bytes).with_context(|| format!("{name} cannot be read"))?;
    if bytes.len() > FILE_BYTES_MAX {
        bail!("{name} is longer than {FILE_BYTES_MAX} bytes; split it into several files");
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8 text"))?;
    Ok(pb::PolicyFile { name, text })
}

fn print(report: &pb::ShadowReport) -> Result<()> {
    let r = report;
    let since = when(r.since);
    say(format!("shadow policy {} beside {}, since {since}", r.shadow_version, r.compared_with_version))?;
    say(format!("from {}", r.files.join(", ")))?;
    say(format!(
        "documents {}, changed {}: stricter {}, milder {}, same verdict {}; not judged {}",
        r.documents,
        r.changed,
        r.stricter,
        r.milder,
        r.changed.saturating_sub(r.stricter + r.milder),
        r.failed
    ))?;
    if r.documents == 0 {
        return Ok(());
    }
    let mut rows = table(["call", "in force", "would be", "documents"]);
    for count in &r.verdicts {
        let (was, would_be) = (verdict(count.was()), verdict(count.would_be()));
        rows.add_row([&count.call, was, would_be, &count.documents.to_string()]);
    }
    say(rows)?;
    let mut rows = table(["reason", "in force", "would be", "findings"]);
    for count in &r.reasons {
        let (was, would_be) = (enforcement(count.was()), enforcement(count.would_be()));
        rows.add_row([reason(count.reason()), &was, &would_be, &count.findings.to_string()]);
    }
    say(rows)?;
    let mut rows = table(["decided", "institution", "request", "in force", "would be", "what differs"]);
    for change in &r.changes {
        rows.add_row([
            when(change.decided_at),
            change.institution_code.clone(),
            change.request_id.clone(),
            verdict(change.was()).to_owned(),
            verdict(change.would_be()).to_owned(),
            differences(change),
        ]);
    }
    say(rows)
}

/// What differs in one request, a line each.
fn differences(change: &pb::ShadowChange) -> String {
    let side = |enforcement: String, class: &str| format!("{enforcement} {class}").trim().to_owned();
    let finding = |f: &pb::ShadowFinding| {
        let was = side(enforcement(f.was()), class(f.was_class()));
        let would_be = side(enforcement(f.would_be()), class(f.would_be_class()));
        let line = if f.line_no == 0 { String::new() } else { format!(" line {}", f.line_no) };
        format!("{}{line} {was} → {would_be} {}", reason(f.reason()), f.code).trim_end().to_owned()
    };
    let mut lines: Vec<String> = change.findings.iter().map(finding).collect();
    if change.findings_left_out > 0 {
        lines.push(format!("and {} more", change.findings_left_out));
    }
    if change.was_recorded != change.would_be_recorded {
        let would = if change.would_be_recorded { "would be recorded" } else { "would not be recorded" };
        lines.push(would.to_owned());
    }
    lines.join("\n")
}

fn to_json(r: &pb::ShadowReport) -> Value {
    let verdicts = r.verdicts.iter().map(|c| {
        json!({"call": c.call, "was": verdict(c.was()), "would_be": verdict(c.would_be()), "documents": c.documents})
    });
    let reasons = r.reasons.iter().map(|c| {
        let (was, would_be) = (enforcement(c.was()), enforcement(c.would_be()));
        json!({"reason": reason(c.reason()), "was": was, "would_be": would_be, "findings": c.findings})
    });
    let finding = |f: &pb::ShadowFinding| {
        json!({
            "reason": reason(f.reason()),
            "line": f.line_no,
            "code": f.code,
            "was": enforcement(f.was()),
            "would_be": enforcement(f.would_be()),
            "was_class": class(f.was_class()),
            "would_be_class": class(f.would_be_class()),
        })
    };
    let changes = r.changes.iter().map(|c| {
        json!({
            "institution": c.institution_code,
            "request_id": c.request_id,
            "call": c.call,
            "decided_at": moment(c.decided_at),
            "was": verdict(c.was()),
            "would_be": verdict(c.would_be()),
            "was_recorded": c.was_recorded,
            "would_be_recorded": c.would_be_recorded,
            "findings": c.findings.iter().map(finding).collect::<Vec<_>>(),
            "findings_left_out": c.findings_left_out,
        })
    });
    json!({
        "shadow_version": r.shadow_version,
        "compared_with_version": r.compared_with_version,
        "files": r.files,
        "since": moment(r.since),
        "documents": r.documents,
        "changed": r.changed,
        "stricter": r.stricter,
        "milder": r.milder,
        "failed": r.failed,
        "verdicts": verdicts.collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
    })
}
