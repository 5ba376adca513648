//! `purge`: removes what was kept long enough.

use super::cases::{Gateway, refused, rfc3339, when};
use super::show::{say, spinner};
use crate::grpc::pb;
use anyhow::Result;

/// Arguments of `purge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate purge --dry-run
  tracegate purge --gateway 10.0.0.7:50051 --key-file operator.key

How long what is kept stands in the settings of the gateway, section [retention]. Each gateway of a fleet removes what it
acknowledged itself: ask each, or let them do it by themselves, once a day. See docs/privacy.md.")]
pub(super) struct Args {
    /// Remove nothing: only say what would be.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let request = args.gateway.request(pb::PurgeRequest { dry_run: args.dry_run })?;
    let answer = clients.admin.purge(request).await.map_err(|status| refused(&status))?;
    let (mut told, mut purged) = (answer.into_inner(), pb::PurgeResponse::default());
    let bar = spinner();
    while let Some(now) = told.message().await.map_err(|status| refused(&status))? {
        bar.set_message(format!("{} requests, {} segments", now.requests, now.segments));
        purged = now;
    }
    bar.finish_and_clear();
    if args.gateway.json {
        return say(json(&purged, args.dry_run));
    }
    let done = if args.dry_run { "would be removed 将清除" } else { "were removed 已清除" };
    match purged.requests_before {
        None => say("requests are kept for ever 请求永久保存")?,
        before @ Some(_) => {
            say(format!("{} requests decided before {} {done}", purged.requests, when(before)))?;
            if purged.requests_stayed > 0 {
                say(format!(
                    "{} older ones stay: open cases rest on them, or purchase data may still correct them",
                    purged.requests_stayed
                ))?;
            }
        }
    }
    match purged.trail_before {
        None => say("the audit trail is kept for ever 审计记录永久保存"),
        before @ Some(_) => {
            let entries = purged.trail_entries;
            say(format!("{entries} entries of the audit trail in months before {} {done}", when(before)))
        }
    }
}

fn json(purged: &pb::PurgeResponse, dry_run: bool) -> serde_json::Value {
    let moment = |at| Some(rfc3339(at)).filter(|text| !text.is_empty());
    serde_json::json!({
        "dry_run": dry_run,
        "requests_before": moment(purged.requests_before),
        "requests": purged.requests,
        "requests_stayed": purged.requests_stayed,
        "segments": purged.segments,
        "trail_before": moment(purged.trail_before),
        "trail_entries": purged.trail_entries,
    })
}
