//! `migrate`: moves everything of a store into another, and shows that both hold the same.

use super::show::{say, table};
use crate::app::migrate::{Moved, Plan, Side, Step, migrate};
use crate::config::Config;
use crate::store::moving::Compared;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Digits of a hash that people compare.
const HASH_SHOWN: usize = 16;
/// How often a bar without a length moves.
const TICK_EVERY: Duration = Duration::from_millis(120);

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate migrate --from /var/lib/tracegate --to redis://127.0.0.1:6379 --data-dir /var/lib/tracegate-redis \\
      --init-codes 50000000
  tracegate migrate --from redis://127.0.0.1:6379 --data-dir /var/lib/tracegate-redis --to /var/lib/tracegate-new

Stop every gateway of the source first. The target must be empty. A move that was interrupted goes on with the same
command; until it is finished no gateway starts on the target. At the end both sides are read back and compared; where
they differ the command fails. The source is not changed: keep it until the target has been backed up, and start no
gateway on it any more. docs/moving.md tells the order of things.")]
pub(super) struct Args {
    /// The store that is moved: a data directory, or an address of Redis (redis://, redis-sentinel://, redis-cluster://).
    #[arg(long, value_name = "STORE")]
    from: String,
    /// Where it is moved: an address of an empty Redis, or a new data directory.
    #[arg(long, value_name = "STORE")]
    to: String,
    /// The directory of the gateway through which Redis is reached: a new one where Redis is the target, that of a
    /// stopped gateway (or a new one) where it is the source.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Codes that a Redis which is the target shall have room for; cannot be changed later.
    #[arg(long, value_name = "N")]
    init_codes: Option<u64>,
    /// Settings over the defaults (TOML); those of [store] count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let config = Config::load(args.config.as_deref())?;
    let side =
        |name: &str, text: &str| Side::parse(text).map_err(|error| anyhow!("{name} {text:?}: {error}"));
    let (from, to) = (side("--from", &args.from)?, side("--to", &args.to)?);
    if matches!(to, Side::Redis(_)) && args.init_codes.is_none() {
        bail!("--init-codes is missing: say how many codes the new deployment shall have room for");
    }
    let plan = Plan { from, to, data_dir: args.data_dir, init_codes: args.init_codes, pieces_max: None };
    let mut bar = Bar::new();
    let moved = migrate(&plan, &config, &mut |step| bar.show(step)).await;
    bar.bar.finish_and_clear();
    let what = || match &plan.from {
        Side::Directory(dir) => format!("{} was not moved", dir.display()),
        Side::Redis(_) => "the deployment in Redis was not moved".to_owned(),
    };
    match moved.with_context(what)? {
        Moved::Stopped => bail!("the move was stopped; run the same command again"),
        Moved::Concluded if args.json => say(json!({"same": true, "kinds": []})),
        Moved::Concluded => say("both sides were found the same before the interruption; gateways may start"),
        Moved::Whole(compared) => conclude(&compared, args.json),
    }
}

/// Shows what both sides hold; fails where it is not the same.
fn conclude(compared: &Compared, as_json: bool) -> Result<()> {
    let kinds = compared.source.kinds().into_iter().zip(compared.target.kinds());
    let rows: Vec<_> = kinds.map(|((kind, source), (_, target))| (kind, source, target)).collect();
    if as_json {
        let kinds: Vec<_> = rows
            .iter()
            .map(|(kind, source, target)| {
                json!({
                    "kind": kind,
                    "same": source == target,
                    "source": {"rows": source.rows, "hash": source.to_string()},
                    "target": {"rows": target.rows, "hash": target.to_string()},
                })
            })
            .collect();
        say(json!({"same": compared.is_same(), "kinds": kinds}))?;
    } else {
        let mut shown = table(["kind", "rows of the source", "rows of the target", "hash", "same"]);
        for (kind, source, target) in rows {
            let short = |hash: String| hash.chars().take(HASH_SHOWN).collect::<String>();
            let same = source == target;
            let hash = if same {
                short(source.to_string())
            } else {
                format!("{} / {}", short(source.to_string()), short(target.to_string()))
            };
            let said = if same { "yes" } else { "NO" };
            shown.add_row([
                kind.to_owned(),
                source.rows.to_string(),
                target.rows.to_string(),
                hash,
                said.to_owned(),
            ]);
        }
        say(shown)?;
    }
    if compared.is_same() {
        return Ok(());
    }
    bail!(
        "source and target differ: no gateway starts on the target. Was a gateway working with the source? Stop all of \
         them, empty the target (Redis and its --data-dir, or the new directory), and move again"
    )
}

/// A bar for the walk, a count for what has no known end; silent where standard error is no terminal.
struct Bar {
    bar: ProgressBar,
    template: &'static str,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length().with_message("opening");
        bar.enable_steady_tick(TICK_EVERY);
        Self { bar, template: "" }
    }

    fn show(&mut self, step: Step) {
        match step {
            Step::Walked(at, end) => {
                self.dress("{msg} [{bar:40}] {percent}% eta {eta}", "moving");
                self.bar.set_length(end);
                self.bar.set_position(at);
            }
            Step::SourceRead(rows) => self.count("reading back the source", rows),
            Step::TargetRead(rows) => self.count("reading back the target", rows),
        }
    }

    fn count(&mut self, what: &'static str, rows: u64) {
        self.dress("{msg}: {pos} rows", what);
        self.bar.set_position(rows);
    }

    fn dress(&mut self, template: &'static str, message: &'static str) {
        if self.template != template
            && let Ok(style) = ProgressStyle::with_template(template)
        {
            self.template = template;
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(message);
    }
}
