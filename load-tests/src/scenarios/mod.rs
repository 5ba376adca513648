//! What is measured: each scenario sets its stage, runs its rounds, and reports. Must not know the command line.

pub mod cases;
mod check;
mod compare;
mod dispense;
pub mod engine;
mod ground;
mod hostile;
mod import;
mod inside;
mod overload;
mod patient;
pub mod redis;
pub mod scale;
mod scan;

pub use check::check;
pub use dispense::dispense;
pub use ground::Ground;
pub use hostile::hostile;
pub use import::{ImportSettings, import};
pub use overload::overload;
pub use scan::scan;

use crate::driver::Spacing;
use crate::gateway;
use crate::machine::Disk;
use crate::province::{Province, Shape};
use anyhow::Result;
use ground::room;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Whom a scenario is about, which gateway it measures, and where its data is kept.
#[derive(Debug, Clone, Default, Serialize)]
pub struct World {
    /// Size of the province.
    pub institutions: usize,
    /// Size of the province.
    pub drugs: usize,
    /// The gateway's program; `None` = beside this one. No matter where the engine runs in this process.
    #[serde(skip)]
    pub gateway: Option<PathBuf>,
    /// Where data goes for the time of the run; `None` = where the scenario likes it best.
    #[serde(skip)]
    pub data_dir: Option<PathBuf>,
}

impl World {
    /// The province.
    pub fn province(&self) -> Province {
        Province::new(self.institutions, self.drugs)
    }

    /// The gateway's program.
    pub fn program(&self) -> Result<PathBuf> {
        gateway::program(self.gateway.as_deref())
    }

    /// A folder for the time of a run, and the disk under it; an error where nothing is durable there and it must be.
    fn room(&self, durable: bool) -> Result<(TempDir, Disk)> {
        room(self.data_dir.as_deref(), durable)
    }
}

/// What every scenario with servers can be told.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Length of one measured phase.
    pub seconds: u64,
    /// Before each saturation counts.
    pub warm_up_seconds: u64,
    /// How often peer and gateway take turns.
    pub rounds: usize,
    /// TCP connections.
    pub connections: usize,
    /// Requests in flight on each connection at saturation.
    pub in_flight_per_connection: usize,
    /// Most requests of one phase.
    pub requests_max: u64,
    /// What a document looks like.
    pub shape: Shape,
    /// Requests per second of the open loop; `None` = a share of what the gateway does at saturation.
    pub rate: Option<f64>,
    /// That share.
    pub rate_share: f64,
    /// Seed of Poisson arrivals; `None` = the same gap between any two.
    pub poisson_seed: Option<u64>,
    /// How coarse the pacer is.
    pub pacer_tick_us: u64,
    /// Whom it is about, and where it is kept.
    #[serde(flatten)]
    pub world: World,
}

impl Settings {
    /// How arrivals of the open loop are spread.
    pub fn spacing(&self) -> Spacing {
        self.poisson_seed.map_or(Spacing::Even, |seed| Spacing::Poisson { seed })
    }

    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up_seconds)
    }
}

/// Hands out numbers, in blocks: what two phases send never meets.
#[derive(Debug, Default)]
pub struct Numbers(u64);

/// More than any phase sends.
const BLOCK: u64 = 1_000_000_000;

impl Numbers {
    /// The first number of a new block.
    pub fn block(&mut self) -> u64 {
        let first = self.0;
        self.0 += BLOCK;
        first
    }
}

/// A bar on standard error; silent where that is no terminal.
pub fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let template = "{spinner} [{bar:30}] {pos}/{len} {msg} ({elapsed} so far)";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
