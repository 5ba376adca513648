//! Fills the ledger with past sales, as an import does: batches, several of them under way.

use super::Stage;
use crate::past::{PastBox, PastSales};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::sync::Arc;
use tokio::task::JoinSet;
use tracegate::clock::Stopwatch;
use tracegate::domain::document::PastEvent;
use tracegate::domain::judge::{PastOptions, PastStanding};
use tracegate::domain::party::{Caller, InstitutionCode};
use tracegate::engine::Engine;

/// Rows of one batch, as `tracegate import sales` sends them.
const BATCH_ROWS: u64 = 2000;

/// Past sales that were taken in, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Filled {
    /// How many codes.
    pub codes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Codes per second.
    pub codes_per_second: f64,
    /// Bytes that the log has taken for one code.
    pub log_bytes_per_code: f64,
}

/// Takes in so many more codes.
pub(super) async fn fill(stage: &Stage, past: &mut PastSales<'_>, codes: u64) -> Result<Filled> {
    let Stage { engine, bar, .. } = stage;
    bar.set_message("past sales are taken in");
    let in_flight_max = engine.limits().import_batches_in_flight_max;
    let log_before = engine.store().gauges().log_end_bytes;
    let (watch, mut tasks, mut left) = (Stopwatch::start(), JoinSet::new(), codes);
    while left > 0 {
        let rows = left.min(BATCH_ROWS);
        let batch: Result<Vec<_>> = past.by_ref().take(usize::try_from(rows)?).map(event).collect();
        let batch = batch?;
        if (batch.len() as u64) < rows {
            bail!("the past has {} sales less than it should", rows - batch.len() as u64);
        }
        while tasks.len() >= in_flight_max {
            bar.inc(tasks.join_next().await.context("a batch under way")???);
        }
        tasks.spawn(import(Arc::clone(engine), batch));
        left -= rows;
    }
    while let Some(ended) = tasks.join_next().await {
        bar.inc(ended??);
    }
    let seconds = watch.elapsed().as_secs_f64();
    let log_bytes = engine.store().gauges().log_end_bytes - log_before;
    let each = codes as f64;
    Ok(Filled {
        codes,
        seconds,
        codes_per_second: each / seconds,
        log_bytes_per_code: log_bytes as f64 / each,
    })
}

/// Takes in a batch; an error where a row is not recorded as a new one. Gives its rows.
async fn import(engine: Arc<Engine>, batch: Vec<PastEvent>) -> Result<u64> {
    let codes: Vec<_> = batch.iter().map(|event| event.scanned.clone()).collect();
    let rows = batch.into_iter().map(Ok).collect();
    let answers = engine.import_past(&Caller::Operator, rows, PastOptions::default()).await?;
    if answers.len() != codes.len() {
        bail!("{} past sales got {} answers", codes.len(), answers.len());
    }
    for (code, answer) in codes.iter().zip(answers) {
        let standing = answer.with_context(|| format!("the past sale of {code}"))?.standing;
        if standing != PastStanding::Added {
            bail!("the past sale of {code} is not recorded as a new one: {standing:?}");
        }
    }
    Ok(codes.len() as u64)
}

fn event(sold: PastBox) -> Result<PastEvent> {
    Ok(PastEvent {
        institution: InstitutionCode::parse(&sold.institution)?,
        came_back: sold.came_back,
        document_no: Some(sold.document_no),
        visit_no: sold.visit_no,
        occurred_at: sold.occurred_at,
        line: sold.line,
        catalog_code: Some(sold.catalog_code),
        quantity: None,
        line_quantity: None,
        split: false,
        scanned: sold.code,
    })
}
