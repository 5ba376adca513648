//! `keys`: by which callers are known.

use super::cases::{Gateway, refused, rfc3339, when};
use super::show::{keep_whole, new_file, say, table};
use crate::grpc::pb;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::PathBuf;

/// Keys asked for at a time.
const PAGE: u32 = 1000;

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key; it is shown once (发放).
    #[command(after_help = "Examples:
  tracegate keys create --for 'institution P13010200101' --label 'HIS, main server'
  tracegate keys create --for 'terminal P13010200101' --label 'counter 3' --days 90 --out counter-3.key
  tracegate keys create --for 'bureau 1301' --label 'case desk' --key-file /var/lib/tracegate/operator.key

For whom: 'institution CODE', 'terminal CODE' (one of its counters), 'chain GROUP', 'bureau DIVISION' (decides and
loads), 'reader DIVISION' (looks), 'operator', 'auditor'. The operator makes keys for everybody, a bureau for
institutions in its divisions, an institution and a chain for their counters. The gateways keep a hash: who has lost
a key needs a new one.")]
    Create(CreateArgs),
    /// Keys, ended ones too; never their secrets (查询).
    #[command(after_help = "Examples:
  tracegate keys list
  tracegate keys list --valid --json")]
    List(ListArgs),
    /// Make a key in place of another one, which stays good for a while (轮换).
    #[command(after_help = "Examples:
  tracegate keys replace 5f0c1d2e3a4b --overlap-hours 24 --out counter-3.key")]
    Replace(ReplaceArgs),
    /// End a key at once, at every gateway of the fleet (吊销).
    #[command(after_help = "Examples:
  tracegate keys revoke 5f0c1d2e3a4b")]
    Revoke(RevokeArgs),
}

/// How long a key is good, and where it goes.
#[derive(Debug, clap::Args)]
struct Made {
    /// Days until it expires, 1 to 1100.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
    /// Write the key into a new file that only you can read, instead of showing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Who will show it.
    #[arg(long = "for", value_name = "CALLER")]
    identity: String,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    label: String,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those that are good now.
    #[arg(long)]
    valid: bool,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
struct ReplaceArgs {
    /// The id of the old one.
    id: String,
    /// What the new one is for [default: as the old one].
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// How long the old one stays good, at most 720; 0 = it ends at once.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    overlap_hours: u32,
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// Its id; `tracegate keys list` names it.
    id: String,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Create(args) => {
            let asked = pb::CreateKeyRequest {
                identity: args.identity,
                label: args.label,
                ..pb::CreateKeyRequest::default()
            };
            create(asked, args.made).await
        }
        Command::List(args) => list(args).await,
        Command::Replace(args) => replace(args).await,
        Command::Revoke(args) => revoke(args).await,
    }
}

async fn create(mut asked: pb::CreateKeyRequest, made: Made) -> Result<()> {
    let mut clients = made.gateway.connect().await?;
    asked.valid_days = Some(made.days);
    // Before the key is made: nobody could tell it again.
    let file = made.out.as_deref().map(new_file).transpose()?;
    let answer = clients.admin.create_key(made.gateway.request(asked)?).await;
    let answer = match (answer, &made.out) {
        (Ok(answer), _) => answer.into_inner(),
        (Err(status), out) => {
            out.as_deref().map(std::fs::remove_file).transpose().context("an empty file stays behind")?;
            return Err(refused(&status));
        }
    };
    let key = answer.key.unwrap_or_default();
    if let Some(mut file) = file {
        writeln!(file, "{}", answer.secret)
            .context("the key cannot be written; revoke it and make another one")?;
        file.sync_all().context("the key cannot be written; revoke it and make another one")?;
    }
    let shown = made.out.is_none().then_some(answer.secret.as_str());
    if made.gateway.json {
        return say(serde_json::json!({ "key": json(&key), "secret": shown }));
    }
    say(format!("key {} for {} ({}), good until {}", key.id, key.identity, key.label, when(key.expires_at)))?;
    match (&made.out, shown) {
        (Some(file), _) => say(format!("it is in {}; it cannot be shown again", file.display())),
        (None, Some(secret)) => say(format!("{secret}\nKeep it: it cannot be shown again.")),
        (None, None) => Ok(()),
    }
}

async fn all(gateway: &Gateway, only_valid: bool) -> Result<Vec<pb::AccessKey>> {
    let mut clients = gateway.connect().await?;
    let (mut keys, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = pb::ListKeysRequest { page_size: PAGE, page_token, only_valid };
        let answer = clients.admin.list_keys(gateway.request(asked)?).await;
        let page = answer.map_err(|status| refused(&status))?.into_inner();
        keys.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(keys);
        }
    }
}

async fn list(args: ListArgs) -> Result<()> {
    let keys = all(&args.gateway, args.valid).await?;
    if args.gateway.json {
        return keys.iter().try_for_each(|key| say(json(key)));
    }
    let mut rows = table(["id", "caller", "label", "made", "by", "good until", "revoked"]);
    for key in &keys {
        let ends = [when(key.expires_at), when(key.revoked_at)];
        let made = [when(key.created_at), key.created_by.clone()];
        rows.add_row(
            [key.id.clone(), key.identity.clone(), key.label.clone()].into_iter().chain(made).chain(ends),
        );
    }
    keep_whole(&mut rows, 0);
    say(rows)?;
    say(format!("{} keys", keys.len()))
}

async fn replace(args: ReplaceArgs) -> Result<()> {
    let label = match args.label {
        Some(label) => label,
        None => {
            let keys = all(&args.made.gateway, false).await?;
            let old = keys.into_iter().find(|key| key.id == args.id);
            old.with_context(|| format!("no key {}; `tracegate keys list` names them", args.id))?.label
        }
    };
    let asked = pb::CreateKeyRequest {
        label,
        replaces_id: args.id,
        overlap_hours: args.overlap_hours,
        ..pb::CreateKeyRequest::default()
    };
    create(asked, args.made).await
}

async fn revoke(args: RevokeArgs) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let request = args.gateway.request(pb::RevokeKeyRequest { id: args.id })?;
    let answer = clients.admin.revoke_key(request).await.map_err(|status| refused(&status))?;
    let key = answer.into_inner().key.unwrap_or_default();
    if args.gateway.json {
        return say(json(&key));
    }
    say(format!("key {} of {} was revoked at {}", key.id, key.identity, when(key.revoked_at)))
}

fn json(key: &pb::AccessKey) -> serde_json::Value {
    let moment = |at| Some(rfc3339(at)).filter(|text| !text.is_empty());
    serde_json::json!({
        "id": key.id,
        "identity": key.identity,
        "label": key.label,
        "created_at": moment(key.created_at),
        "created_by": key.created_by,
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
    })
}
