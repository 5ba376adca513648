//! The arguments of the scenarios that begin with past sales.

use super::{GatewayArgs, OutputArgs};
use crate::province::Shape;
use crate::scenarios::ImportSettings;
use crate::scenarios::scale::ScaleSettings;
use anyhow::{Result, bail};
use clap::Args;

/// The document that the goal speaks of: three codes of two drugs.
const SHAPE: Shape = Shape { codes: 3, lines: 2 };

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Each round imports one file twice, each time into a fresh gateway: findings off, then on.
A row that was not recorded, or with which something was found, fails the run.

Examples:
  load-tests import
  load-tests import --codes 200000 --rounds 5 --returns-per-mille 0"
)]
pub(super) struct ImportArgs {
    /// Sold codes in the file.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    codes: u64,
    /// Of a thousand documents, those of which a box came back later; with findings a file with returns is read twice.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=1000))]
    returns_per_mille: u64,
    /// How often both ways take turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The engine runs in this process over a disk, and syncs. Past sales fill it to --small codes,
documents of three fresh codes are dispensed, past sales fill it to --large, documents are
dispensed again. Then it is closed, and the gateway's program is started over what it left.

Examples:
  load-tests scale
  load-tests scale --small 100000 --large 1000000 --seconds 5"
)]
pub(super) struct ScaleArgs {
    /// Past sales before the first measured phase.
    #[arg(long, value_name = "CODES", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    small: u64,
    /// Past sales before the second.
    #[arg(long, value_name = "CODES", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(2..=500_000_000))]
    large: u64,
    /// Length of each measured phase.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Before each of them counts.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=60))]
    warm_up_seconds: u64,
    /// Documents that are under way together.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl ImportArgs {
    pub(super) fn settings(&self) -> Result<ImportSettings> {
        Ok(ImportSettings {
            codes: self.codes,
            returns_per_mille: self.returns_per_mille,
            rounds: self.rounds.into(),
            world: self.gateway.world()?,
        })
    }
}

impl ScaleArgs {
    pub(super) fn settings(&self) -> Result<ScaleSettings> {
        if self.small >= self.large {
            bail!("--small {} is not less than --large {}", self.small, self.large);
        }
        Ok(ScaleSettings {
            small: self.small,
            large: self.large,
            seconds: self.seconds,
            warm_up_seconds: self.warm_up_seconds,
            in_flight: self.in_flight.into(),
            shape: SHAPE,
            world: self.gateway.world()?,
        })
    }
}
