//! From the start of the gateway's program to its being ready, over a directory that holds everything.

use crate::gateway::{self, Ledger};
use anyhow::{Result, bail};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// How often its figures are asked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Its figures follow once a second.
const FIGURES_SECONDS_MAX: u64 = 10;

/// A gateway that was started again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Restart {
    /// Until it took calls; whoever asks gets answers, from the ledger.
    pub listens_seconds: f64,
    /// Until every part of `/ready` was ready, the index with every claim among them.
    pub ready_seconds: f64,
    /// Codes in its index.
    pub index_codes: u64,
    /// Memory that the process held then.
    pub resident_bytes: u64,
}

/// Starts one over the data in `folder`, waits until it is ready, and ends it. `index_codes`: codes that its index
/// must have.
pub(super) async fn restart(program: &Path, folder: &Path, index_codes: u64) -> Result<Restart> {
    let watch = Stopwatch::start();
    let (mut server, pages) = gateway::start_watched(program, folder, Ledger::Embedded).await?;
    let listens_seconds = watch.elapsed().as_secs_f64();
    gateway::ready(&mut server, pages).await?;
    let ready_seconds = watch.elapsed().as_secs_f64();
    let watch = Stopwatch::start();
    loop {
        let (_, metrics) = gateway::page(pages, "/metrics").await?;
        let figure = |name: &str| gateway::metric(&metrics, name).map(|value| value as u64);
        let codes = figure("tracegate_index_codes").unwrap_or_default();
        // Each figure is told by somebody else, in no order.
        let resident = figure("process_resident_memory_bytes");
        if let Some(resident_bytes) = resident.filter(|_| codes == index_codes) {
            server.stop().await?;
            return Ok(Restart { listens_seconds, ready_seconds, index_codes: codes, resident_bytes });
        }
        if watch.elapsed() > Duration::from_secs(FIGURES_SECONDS_MAX) {
            bail!("the gateway is ready with {codes} codes in its index, where {index_codes} are on record");
        }
        // signal: /metrics is only a page; it tells nobody who does not ask.
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
