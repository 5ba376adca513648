//! The engine's own work: documents with fresh codes are parsed, judged, claimed and logged in this process, with
//! everything but gRPC and the sync of the disk. What is measured is processor time of all threads, so that the
//! writer and the maintenance of the tables count.

mod requests;
mod unsynced;

use super::inside::{self, Kept, load_purchases, load_registry};
use crate::driver::cpu_of;
use crate::machine::machine;
use crate::province::{Province, Shape};
use crate::report::{Goal, Report, Spread, Tables, table};
use crate::scenarios::{World, progress};
use anyhow::{Context, Result};
use requests::{Pair, prepare};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracegate::clock::Stopwatch;
use tracegate::engine::{Engine, Keeping};
pub(super) use unsynced::Unsynced;

/// Goal: processor time for one document of three codes.
const CPU_US_MAX: f64 = 40.0;
/// The index is not saved, so this is never reached.
const INDEX_SAVE_EVERY: Duration = Duration::from_secs(3600);
/// A file system in memory, where there is one: what is written is not what is measured.
const MEMORY: &str = "/dev/shm";

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct EngineSettings {
    /// Documents in one round.
    pub documents: u64,
    /// Documents that are made before each round; the same number in two runs makes their difference the work of
    /// the engine alone.
    pub prepared: u64,
    /// Rounds, each with a new engine over a new directory.
    pub rounds: usize,
    /// Documents that are under way together.
    pub in_flight: usize,
    /// Each document's boxes once more, under another document.
    pub again: bool,
    /// Without cases and tallies, for what they add.
    pub without_books: bool,
    /// What a document looks like.
    pub shape: Shape,
    /// Whom it is about; where no folder is named, the data goes to memory, or to the temporary directory.
    #[serde(flatten)]
    pub world: World,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineRound {
    /// From 1.
    pub round: usize,
    /// Documents that were dispensed.
    pub documents: u64,
    /// Processor time of all threads for one document.
    pub cpu_us_per_document: f64,
    /// Documents per second of wall time.
    pub documents_per_second: f64,
}

/// All rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineFigures {
    /// Round by round.
    pub rounds: Vec<EngineRound>,
    /// Processor time for one document.
    pub cpu_us_per_document: Spread,
}

impl Tables for EngineFigures {
    fn tables(&self) -> String {
        let mut rows = table(["round", "documents", "CPU µs / document", "documents/s"]);
        for EngineRound { round, documents, cpu_us_per_document, documents_per_second } in &self.rounds {
            rows.add_row([
                round.to_string(),
                documents.to_string(),
                format!("{cpu_us_per_document:.1}"),
                format!("{documents_per_second:.0}"),
            ]);
        }
        format!("processor time for one document, all threads: {} µs\n{rows}", self.cpu_us_per_document)
    }
}

/// Measures it.
pub async fn engine(settings: EngineSettings) -> Result<Report<EngineSettings, EngineFigures>> {
    let machine = machine();
    let province = settings.world.province();
    let (mut rounds, bar) = (Vec::new(), progress(settings.rounds));
    for round in 1..=settings.rounds {
        bar.set_message(format!("round {round}"));
        rounds.push(measure(round, &province, &settings).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let cpu_us_per_document = Spread::of(rounds.iter().map(|r| r.cpu_us_per_document));
    // The goal speaks of three codes.
    let goals = if settings.shape.codes == 3 {
        vec![Goal::at_most("processor time for one document, µs", CPU_US_MAX, cpu_us_per_document.median)]
    } else {
        Vec::new()
    };
    let figures = EngineFigures { rounds, cpu_us_per_document };
    Ok(Report { goals, ..Report::new("engine", machine, settings, figures) })
}

async fn measure(round: usize, province: &Province, settings: &EngineSettings) -> Result<EngineRound> {
    let folder = in_memory(settings.world.data_dir.as_deref())?;
    let engine = start(folder.path(), settings.without_books).await?;
    let _kept = Kept::start(&engine, Keeping { file: None, save_every: INDEX_SAVE_EVERY }).await?;
    province.write_to(folder.path())?;
    load_registry(&engine, folder.path()).await?;
    load_purchases(&engine, folder.path()).await?;
    let work = prepare(province, settings)?;
    let cpu = || cpu_of(std::process::id());
    let (watch, from) = (Stopwatch::start(), cpu()?);
    let mut tasks = JoinSet::new();
    for share in work {
        tasks.spawn(dispense(Arc::clone(&engine), share));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let wall = watch.elapsed();
    // What the tables still have to tidy up after these documents is work for them too.
    engine.store().close().await;
    let used = cpu()?.saturating_sub(from);
    let each = |time: Duration| time.as_secs_f64() / settings.documents as f64;
    Ok(EngineRound {
        round,
        documents: settings.documents,
        cpu_us_per_document: each(used) * 1e6,
        documents_per_second: 1.0 / each(wall),
    })
}

/// A folder in memory, where there is one.
pub(super) fn in_memory(named: Option<&Path>) -> Result<tempfile::TempDir> {
    let memory = Path::new(MEMORY);
    let parent = match named {
        Some(dir) => dir.to_owned(),
        None if memory.is_dir() => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    tempfile::Builder::new()
        .prefix("load-")
        .tempdir_in(&parent)
        .with_context(|| format!("{} cannot be written; name a folder with --data-dir", parent.display()))
}

/// An engine that writes its log and never syncs it.
async fn start(folder: &Path, without_books: bool) -> Result<Arc<Engine>> {
    let (data, files) = (folder.join("data"), Box::new(Unsynced));
    if without_books {
        inside::start_without_books(&data, files).await
    } else {
        inside::start(&data, files).await
    }
}

async fn dispense(engine: Arc<Engine>, share: Vec<Pair>) -> Result<()> {
    for (request, again) in share {
        inside::dispense(&engine, request).await?;
        if let Some(again) = again {
            inside::dispense_again(&engine, again).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> EngineSettings {
        EngineSettings {
            documents: 100,
            prepared: 150,
            rounds: 1,
            in_flight: 8,
            again: false,
            without_books: false,
            shape: Shape { codes: 3, lines: 2 },
            world: World { institutions: 20, drugs: 10, ..World::default() },
        }
    }

    #[test]
    fn as_many_documents_are_dispensed_as_were_asked_for() {
        let province = Province::new(20, 10);
        let check = |documents: u64, prepared: u64, in_flight: usize| {
            let settings = EngineSettings { documents, prepared, in_flight, ..settings() };
            let shares = prepare(&province, &settings).unwrap();
            assert_eq!(shares.len(), in_flight);
            assert_eq!(shares.iter().map(Vec::len).sum::<usize>() as u64, documents, "{settings:?}");
        };
        check(100, 0, 8);
        check(100, 150, 8);
        check(7, 100, 64);
        check(64, 128, 64);
        check(65, 130, 64);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_purchase_rule_is_asked_and_answered() {
        let (province, folder) = (Province::new(20, 10), tempfile::tempdir().unwrap());
        let engine = start(folder.path(), false).await.unwrap();
        province.write_to(folder.path()).unwrap();
        load_registry(&engine, folder.path()).await.unwrap();
        let all = |first: u64| {
            let settings = EngineSettings { prepared: 0, ..settings() };
            let shares = prepare(&province, &settings).unwrap();
            let again = |((id, document), _): Pair| ((format!("{id}-{first}"), document), None);
            shares.into_iter().flatten().map(again).collect::<Vec<Pair>>()
        };
        // Nobody has bought anything: nobody may sell.
        let refused = dispense(Arc::clone(&engine), all(0)).await.unwrap_err().to_string();
        assert!(refused.contains("answered BLOCK") && refused.contains("NOT_PURCHASED"), "{refused}");
        load_purchases(&engine, folder.path()).await.unwrap();
        dispense(Arc::clone(&engine), all(1)).await.unwrap();
        engine.store().close().await;
    }
}
