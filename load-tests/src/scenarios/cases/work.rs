//! What case keeping adds to the work of a duplicate: the same blocked documents, with cases and without, by turns.

use super::CasesSettings;
use super::figures::Work;
use crate::driver::cpu_of;
use crate::province::Shape;
use crate::report::Spread;
use crate::scenarios::engine::{Unsynced, in_memory};
use crate::scenarios::inside::{self, Kept, Request, duplicate, load_purchases, load_registry, request};
use crate::scenarios::progress;
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracegate::engine::{Engine, Keeping};

/// One box a document, so that each duplicate has a case of its own.
const SHAPE: Shape = Shape { codes: 1, lines: 1 };
/// Documents that are under way together.
const IN_FLIGHT: usize = 64;

pub(super) async fn measure(settings: &CasesSettings) -> Result<Work> {
    let bar = progress(settings.rounds * 2);
    bar.set_message("duplicates are dispensed");
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        without.push(duplicates(settings, false).await?);
        bar.inc(1);
        with.push(duplicates(settings, true).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let added = with.iter().zip(&without).map(|(with, without)| with / without - 1.0);
    Ok(Work {
        added: Spread::of(added),
        without_us: Spread::of(without.iter().copied()),
        with_us: Spread::of(with.iter().copied()),
    })
}

/// Processor time of a blocked duplicate, in microseconds.
async fn duplicates(settings: &CasesSettings, keep_cases: bool) -> Result<f64> {
    let folder = in_memory(settings.world.data_dir.as_deref())?;
    let (data, files) = (folder.path().join("data"), Box::new(Unsynced));
    let engine = if keep_cases {
        inside::start(&data, files).await?
    } else {
        inside::start_without_books(&data, files).await?
    };
    let _kept = Kept::start(&engine, Keeping { file: None, save_every: Duration::from_secs(3600) }).await?;
    let province = settings.world.province();
    province.write_to(folder.path())?;
    load_registry(&engine, folder.path()).await?;
    load_purchases(&engine, folder.path()).await?;
    let first: Result<Vec<Request>> =
        (0..settings.duplicates).map(|number| request(province.sale(number, SHAPE))).collect();
    let first = first?;
    let again: Vec<Request> = first.iter().map(duplicate).collect();
    send(&engine, first, false).await?;
    let from = cpu_of(std::process::id())?;
    send(&engine, again, true).await?;
    engine.store().close().await;
    let used = cpu_of(std::process::id())?.saturating_sub(from);
    Ok(used.as_secs_f64() * 1e6 / settings.duplicates as f64)
}

/// Dispenses documents; `again` = of boxes that are sold.
async fn send(engine: &Arc<Engine>, requests: Vec<Request>, again: bool) -> Result<()> {
    let mut shares: Vec<Vec<Request>> = (0..IN_FLIGHT).map(|_| Vec::new()).collect();
    for (number, request) in requests.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(number % IN_FLIGHT) {
            share.push(request);
        }
    }
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    for share in shares {
        let engine = Arc::clone(engine);
        tasks.spawn(async move {
            for request in share {
                if again {
                    inside::dispense_again(&engine, request).await?;
                } else {
                    inside::dispense(&engine, request).await?;
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
