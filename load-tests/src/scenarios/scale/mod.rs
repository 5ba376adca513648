//! What sold codes cost by the million. The engine runs in the driver's own process, as in `engine`, but over a disk
//! and with every sync: past sales fill it, claims are measured at two sizes, it is closed as a gateway closes, and
//! the gateway's own program is started over what it left.

mod claims;
mod figures;
mod fill;
mod restart;

use super::inside::{Kept, load_purchases, load_registry, start};
use super::{World, progress};
use crate::machine::{Disk, disk_bytes, machine};
use crate::past::PastSales;
use crate::process::calm;
use crate::province::{Province, Shape};
use crate::report::Report;
use crate::scenarios::Numbers;
use anyhow::{Context, Result, bail};
use claims::Counter;
pub use claims::{ClaimPhase, Dispensed};
pub use figures::{DiskFigures, IndexFigures, ScaleFigures};
pub use fill::Filled;
use fill::fill;
use indicatif::ProgressBar;
pub use restart::Restart;
use restart::restart;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracegate::config::Config;
use tracegate::engine::{Engine, Keeping};
use tracegate::store::log::DiskFiles;

/// The tables are calm after two seconds without work: whoever looks after the index looks every second.
const CALM_LOOKS: usize = 10;
/// Ten minutes; tables of so many codes may have much to put in order.
const CALM_LOOKS_MAX: usize = 3000;

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleSettings {
    /// Past sales before the first measured phase.
    pub small: u64,
    /// Past sales before the second.
    pub large: u64,
    /// Length of a measured phase.
    pub seconds: u64,
    /// Before it counts.
    pub warm_up_seconds: u64,
    /// Documents that are under way together.
    pub in_flight: usize,
    /// What a document looks like.
    pub shape: Shape,
    /// Whom it is about, and where it is kept.
    #[serde(flatten)]
    pub world: World,
}

/// The settings, and the disk that makes it durable.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleReported {
    #[serde(flatten)]
    settings: ScaleSettings,
    disk: Disk,
}

/// An engine at work, with everything that the steps need.
struct Stage {
    engine: Arc<Engine>,
    kept: Kept,
    province: Arc<Province>,
    numbers: Numbers,
    bar: ProgressBar,
}

/// Measures it.
pub async fn scale(settings: ScaleSettings) -> Result<Report<ScaleReported, ScaleFigures>> {
    let (machine, program) = (machine(), settings.world.program()?);
    let (folder, disk) = settings.world.room(true)?;
    let mut stage = Stage::set(folder.path(), &settings).await?;
    let province = Arc::clone(&stage.province);
    let mut past = PastSales::new(&province, settings.large, 0);
    let (mut fills, mut phases) = (Vec::new(), Vec::new());
    for codes in [settings.small, settings.large - settings.small] {
        let filled = fill(&stage, &mut past, codes).await?;
        fills.push(filled);
        phases.push(stage.measure(&fills, &phases, &settings).await?);
    }
    let claims = claims_of(&fills, &phases);
    let (index, disk_figures) = stage.close(folder.path(), claims).await?;
    let restart = restart(&program, folder.path(), index.codes).await?;
    let figures = ScaleFigures::new(fills, phases, disk_figures, index, restart);
    let (goals, faults) = (figures.goals(), figures.faults());
    let report = Report::new("scale", machine, ScaleReported { settings, disk }, figures);
    Ok(Report { goals, faults, ..report })
}

/// Codes on record.
fn claims_of(fills: &[Filled], phases: &[ClaimPhase]) -> u64 {
    fills.iter().map(|fill| fill.codes).chain(phases.iter().map(ClaimPhase::claims)).sum()
}

impl Stage {
    /// An engine with an empty ledger, the registry and purchases loaded.
    async fn set(folder: &Path, settings: &ScaleSettings) -> Result<Self> {
        let province = Arc::new(settings.world.province());
        let bar = progress(usize::try_from(settings.large)?);
        bar.set_message("the province is loaded");
        let data = folder.join("data");
        let engine = start(&data, Box::new(DiskFiles)).await?;
        // Where and how often a gateway saves them.
        let file = Some(data.join("index").join("filters"));
        let save_every = Config::built_in()?.index_save_every;
        let kept = Kept::start(&engine, Keeping { file, save_every }).await?;
        province.write_to(folder)?;
        load_registry(&engine, folder).await?;
        load_purchases(&engine, folder).await?;
        let mut numbers = Numbers::default();
        // The first block is that of the past.
        numbers.block();
        Ok(Self { engine, kept, province, numbers, bar })
    }

    /// Claims per second with what is on record now.
    async fn measure(
        &mut self,
        fills: &[Filled],
        phases: &[ClaimPhase],
        settings: &ScaleSettings,
    ) -> Result<ClaimPhase> {
        let counter =
            Counter { engine: &self.engine, province: &self.province, in_flight: settings.in_flight };
        let [warm_up, seconds] = [settings.warm_up_seconds, settings.seconds].map(Duration::from_secs);
        self.calm().await?;
        let warm_up = counter.dispense(self.numbers.block(), settings.shape, warm_up).await?;
        // The warm-up may have taken the index past its plan: building it anew is not what is measured.
        self.calm().await?;
        let planned = self.kept.keeper.gauges().planned;
        self.bar.set_message(format!("documents are dispensed, {} past sales are in", self.bar.position()));
        let measured = counter.dispense(self.numbers.block(), settings.shape, seconds).await?;
        let codes = settings.shape.codes as u64;
        let index_built_anew = self.kept.keeper.gauges().planned != planned;
        let phase = ClaimPhase::new(claims_of(fills, phases), codes, &warm_up, &measured);
        Ok(ClaimPhase { index_built_anew, ..phase })
    }

    /// Waits until neither the tables nor the index have anything left to do.
    async fn calm(&self) -> Result<()> {
        self.bar.set_message("waiting until the tables are calm");
        if calm(std::process::id(), CALM_LOOKS, CALM_LOOKS_MAX).await? {
            return Ok(());
        }
        bail!("the tables are still being put in order after {} s", CALM_LOOKS_MAX / 5);
    }

    /// Closes everything as a gateway does, and looks at what is there.
    async fn close(self, folder: &Path, claims: u64) -> Result<(IndexFigures, DiskFigures)> {
        let Self { engine, kept, bar, .. } = self;
        bar.set_message("the store is closed");
        let index = IndexFigures::new(kept.keeper.gauges(), claims);
        kept.close(&engine).await?;
        // What was in memory has gone to the tables, which put it in order.
        if !calm(std::process::id(), CALM_LOOKS, CALM_LOOKS_MAX).await? {
            bail!("the tables are still being put in order at the end");
        }
        let gauges = engine.store().gauges();
        let engine = Arc::into_inner(engine).context("somebody still holds the engine")?;
        // Waits for threads of its own.
        tokio::task::spawn_blocking(move || drop(engine)).await?;
        bar.finish_and_clear();
        let data = folder.join("data");
        let [log, tables, saved] = ["log", "tables", "index"].map(|part| disk_bytes(&data.join(part)));
        let disk = DiskFigures::new(claims, gauges.claims_bytes, [log?, tables?, saved?]);
        Ok((index, disk))
    }
}
