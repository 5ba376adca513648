//! The arguments of the scenario about cases.

use super::{GatewayArgs, OutputArgs};
use crate::scenarios::cases::CasesSettings;
use anyhow::{Result, bail};
use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Two stores are filled over a disk, closed, opened again and asked; then duplicates are dispensed in
memory, with case keeping and without, by turns.

Examples:
  load-tests cases
  load-tests cases --small 10000 --large 100000 --events-per-case 4"
)]
pub(super) struct CasesArgs {
    /// Cases of the smaller store.
    #[arg(long, value_name = "CASES", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    small: u64,
    /// Cases of the larger one.
    #[arg(long, value_name = "CASES", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    large: u64,
    /// Events for each case, its own two included.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=1000))]
    events_per_case: u64,
    /// How often each question is asked.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Duplicates that are dispensed each way.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    duplicates: u64,
    /// How often both ways take turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl CasesArgs {
    pub(super) fn settings(&self) -> Result<CasesSettings> {
        if self.small >= self.large {
            bail!("--small {} is not less than --large {}", self.small, self.large);
        }
        Ok(CasesSettings {
            small: self.small,
            large: self.large,
            events_per_case: self.events_per_case,
            repeats: self.repeats,
            duplicates: self.duplicates,
            rounds: self.rounds.into(),
            world: self.gateway.world()?,
        })
    }
}
