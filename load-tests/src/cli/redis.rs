//! The arguments of the scenarios over Redis.

use super::{GatewayArgs, LoadArgs, OutputArgs};
use crate::redis_server::AppendFsync;
use crate::scenarios::redis::{MemorySettings, SpeedSettings};
use anyhow::{Result, bail};
use clap::Args;

/// What `redis --help` says last.
pub(super) const SPEED_HELP: &str =
    "Starts a redis-server of its own on a free port, and kills it at the end. In each round, one after the
other: the bare handler, the gateway unary, the gateway over Scan, the gateway unary with the other
appendfsync. Then two gateways over that Redis, saturated once, and in each round met by half of that
while sales of the first are looked for at the second.

Examples:
  load-tests redis
  load-tests redis --seconds 5 --rounds 5
  load-tests redis --appendfsync always
  load-tests redis --plan 1000000 --sold-before 800000    with buckets that are nearly full";

/// What `redis-memory --help` says last.
pub(super) const MEMORY_HELP: &str =
    "Starts a redis-server of its own. Past sales in documents of three boxes, with document and visit, are
imported into a gateway over it; every key is then asked for its MEMORY USAGE; at last plain keys are
put beside them for comparison.

Examples:
  load-tests redis-memory
  load-tests redis-memory --codes 500000 --plan 500000";

#[derive(Debug, Clone, Args)]
pub(super) struct RedisArgs {
    /// When Redis syncs what was written, but for the phases that do it the other way.
    #[arg(long, value_enum, default_value_t = AppendFsync::Everysec)]
    appendfsync: AppendFsync,
    /// Codes that the deployment has room for; buckets that hold less are quicker.
    #[arg(long, value_name = "CODES", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..=500_000_000))]
    plan: u64,
    /// Past sales that are imported before anything is measured.
    #[arg(long, value_name = "CODES", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    sold_before: u64,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RedisMemoryArgs {
    /// Sold codes.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    codes: u64,
    /// Codes that the deployment has room for.
    #[arg(long, value_name = "CODES", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..=500_000_000))]
    plan: u64,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// As many times the plan may be sold before.
const CROWDED_MAX: u64 = 30;

impl RedisArgs {
    pub(super) fn settings(&self) -> Result<SpeedSettings> {
        // Buckets are planned for 96 codes, and the server keeps them packed up to 4,096.
        if self.sold_before / CROWDED_MAX > self.plan {
            bail!(
                "--sold-before {} is more than {CROWDED_MAX} times the plan: raise --plan",
                self.sold_before
            );
        }
        Ok(SpeedSettings {
            settings: self.load.settings()?,
            appendfsync: self.appendfsync,
            plan: self.plan,
            sold_before: self.sold_before,
        })
    }

    pub(super) const fn output(&self) -> &OutputArgs {
        &self.load.output
    }
}

impl RedisMemoryArgs {
    pub(super) fn settings(&self) -> Result<MemorySettings> {
        Ok(MemorySettings { codes: self.codes, plan: self.plan, world: self.gateway.world()? })
    }
}
