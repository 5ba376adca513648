//! A gateway over a Redis of the run's own: how much of what a bare handler reaches it reaches, what syncing always
//! costs, how soon another gateway sees a sale ([`redis_speed`]), and what a sold code takes of Redis' memory
//! ([`redis_memory`]).

mod fleet;
mod memory;
mod parts;
mod speed;

pub use fleet::{FleetFigures, FleetRound};
pub use memory::{MemoryFigures, MemoryReported, MemorySettings, redis_memory};
pub use parts::{Part, PlainKeys};
pub use speed::{SpeedFigures, SpeedReported, SpeedRound, SpeedSettings, redis_speed};

use super::import::faults;
use crate::gateway;
use crate::past::{self, Manner, PastSales};
use crate::process::Server;
use crate::province::Province;
use anyhow::{Result, bail};
use std::path::Path;
use tracegate::clock::Stopwatch;

/// Has past sales of so many codes imported, in documents of three with a visit; gives the seconds that it took. A
/// row that is not recorded as a new one is an error.
async fn import_past(
    program: &Path,
    gateway: &Server,
    folder: &Path,
    province: &Province,
    codes: u64,
) -> Result<f64> {
    let file = folder.join("sales.csv");
    let (to, province) = (file.clone(), province.clone());
    let write = move || past::write(&to, PastSales::in_manner(&province, codes, Manner::Visits));
    let rows = tokio::task::spawn_blocking(write).await??;
    let watch = Stopwatch::start();
    let answer = gateway::import_sales(program, gateway, &file, false).await?;
    let seconds = watch.elapsed().as_secs_f64();
    let wrong = faults(&answer, rows);
    if wrong.count > 0 {
        bail!("past sales were not all recorded:\n  {}", wrong.first.join("\n  "));
    }
    std::fs::remove_file(&file)?;
    Ok(seconds)
}
