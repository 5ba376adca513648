//! An export of everything by the gateway's own program: rows a second, and the memory that it takes.

use crate::driver::resident_of;
use crate::gateway::{self, Ledger};
use anyhow::{Result, bail};
use std::path::Path;
use std::time::Duration;
use tracegate::clock::Stopwatch;
use tracegate::config::Config;
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;

/// How often the gateway's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often it is asked whether it has read its cases.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What an export took.
pub(super) struct Exported {
    pub rows: u64,
    pub seconds: f64,
    /// The most memory above what the gateway had before.
    pub mib: f64,
    /// Memory of the gateway before.
    pub resident_mib: f64,
    /// From the start of the program to a complete list of cases.
    pub complete_seconds: f64,
}

/// Starts the program over the data in `folder` and exports every case, as JSON lines and as a workbook.
pub(super) async fn export(program: &Path, folder: &Path) -> Result<Exported> {
    let watch = Stopwatch::start();
    let (mut server, pages) = gateway::start_watched(program, folder, Ledger::Embedded).await?;
    gateway::ready(&mut server, pages).await?;
    let channels = server.address().connect(1, &Config::built_in()?.grpc).await?;
    let Some(channel) = channels.into_iter().next() else { bail!("no connection") };
    let mut bureau = BureauServiceClient::new(channel);
    while bureau.list_cases(pb::ListCasesRequest::default()).await?.into_inner().incomplete {
        // signal: the list of cases is read by a task of the gateway that tells nobody when it is done.
        tokio::time::sleep(ASK_EVERY).await;
    }
    let complete_seconds = watch.elapsed().as_secs_f64();
    let pid = server.pid();
    let resident = resident_of(pid)?;
    // The tables' cache is bounded by a setting and fills with the first of them.
    let warm = pb::ExportDuplicatesRequest { filter: None, format: pb::FileFormat::JsonLines.into() };
    let mut chunks = bureau.export_duplicates(warm).await?.into_inner();
    while chunks.message().await?.is_some() {}
    let before = resident_of(pid)?;
    let (watch, mut lines, mut most, mut looked) = (Stopwatch::start(), 0, 0, Stopwatch::start());
    for format in [pb::FileFormat::JsonLines, pb::FileFormat::Xlsx] {
        let asked = pb::ExportDuplicatesRequest { filter: None, format: format.into() };
        let mut chunks = bureau.export_duplicates(asked).await?.into_inner();
        while let Some(answer) = chunks.message().await? {
            if format == pb::FileFormat::JsonLines {
                lines += answer.chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            if looked.elapsed() >= LOOK_EVERY {
                most = most.max(resident_of(pid)?);
                looked = Stopwatch::start();
            }
        }
    }
    let seconds = watch.elapsed().as_secs_f64();
    server.stop().await?;
    let in_mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (mib, resident_mib) = (in_mib(most.saturating_sub(before)), in_mib(resident));
    // Both forms have every row.
    Ok(Exported { rows: 2 * lines, seconds, mib, resident_mib, complete_seconds })
}
