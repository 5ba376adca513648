//! `join-keys`: under which persons are marked.

use super::cases::{Gateway, refused, rfc3339, when};
use super::show::{keep_whole, new_file, say, table};
use crate::engine::{SECRET_BYTES, random_text};
use crate::grpc::pb;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `join-keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a wrapping key, in a new file that only you can read (生成封装密钥).
    #[command(after_help = "Examples:
  tracegate join-keys new-wrapping-key /etc/tracegate/wrapping-2026.key

Name the file in privacy.wrapping_key_files of every gateway of the deployment, and keep a copy apart from data
directories and backups: whoever has both can look for persons.")]
    NewWrappingKey {
        /// Where it goes.
        file: PathBuf,
    },
    /// The join keys, destroyed ones too; never the keys themselves (查询).
    #[command(after_help = "Examples:
  tracegate join-keys list
  tracegate join-keys list --json")]
    List {
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Make a join key that is in force from now on: sales before and after it are joined no more (更换).
    #[command(after_help = "Examples:
  tracegate join-keys rotate")]
    Rotate {
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Destroy a join key that is not in force any more: its marks are of nobody. Cannot be undone (销毁).
    #[command(after_help = "Examples:
  tracegate join-keys destroy 1")]
    Destroy {
        /// Its version; `tracegate join-keys list` names it.
        version: u32,
        #[command(flatten)]
        gateway: Gateway,
    },
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::NewWrappingKey { file } => {
            let mut opened = new_file(&file)?;
            let written =
                writeln!(opened, "{}", random_text::<SECRET_BYTES>()?).and_then(|()| opened.sync_all());
            written.with_context(|| format!("{} cannot be written", file.display()))?;
            say(format!("{} holds a wrapping key; name it in privacy.wrapping_key_files", file.display()))
        }
        Command::List { gateway } => {
            let asked = gateway.request(pb::ListJoinKeysRequest {})?;
            let answer = gateway.connect().await?.admin.list_join_keys(asked).await;
            show_all(&answer.map_err(|status| refused(&status))?.into_inner().keys, &gateway)
        }
        Command::Rotate { gateway } => {
            let asked = gateway.request(pb::RotateJoinKeyRequest {})?;
            let answer = gateway.connect().await?.admin.rotate_join_key(asked).await;
            let key = answer.map_err(|status| refused(&status))?.into_inner().key.unwrap_or_default();
            show_one(&key, &gateway, "is in force from now on")
        }
        Command::Destroy { version, gateway } => {
            let asked = gateway.request(pb::DestroyJoinKeyRequest { version })?;
            let answer = gateway.connect().await?.admin.destroy_join_key(asked).await;
            let key = answer.map_err(|status| refused(&status))?.into_inner().key.unwrap_or_default();
            show_one(&key, &gateway, "was destroyed")
        }
    }
}

fn show_all(keys: &[pb::JoinKey], gateway: &Gateway) -> Result<()> {
    if gateway.json {
        return keys.iter().try_for_each(|key| say(json(key)));
    }
    let mut rows = table(["version", "sealed by", "made", "by", "destroyed"]);
    for key in keys {
        let made = [when(key.created_at), key.created_by.clone()];
        let known = [key.version.to_string(), key.sealed_by.clone()];
        rows.add_row(known.into_iter().chain(made).chain([when(key.destroyed_at)]));
    }
    keep_whole(&mut rows, 1);
    say(rows)?;
    say(format!("{} join keys", keys.len()))
}

fn show_one(key: &pb::JoinKey, gateway: &Gateway, what: &str) -> Result<()> {
    if gateway.json { say(json(key)) } else { say(format!("join key {} {what}", key.version)) }
}

fn json(key: &pb::JoinKey) -> serde_json::Value {
    let moment = |at| Some(rfc3339(at)).filter(|text| !text.is_empty());
    serde_json::json!({
        "version": key.version,
        "sealed_by": key.sealed_by,
        "created_at": moment(key.created_at),
        "created_by": key.created_by,
        "destroyed_at": moment(key.destroyed_at),
    })
}
