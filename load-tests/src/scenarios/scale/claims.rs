//! Claims per second: documents of fresh codes, a fixed number under way, a new one as soon as one is answered.

use crate::driver::cpu_of;
use crate::province::{Province, Shape};
use crate::scenarios::inside::{dispense, request};
use anyhow::Result;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tracegate::clock::Stopwatch;
use tracegate::engine::Engine;

/// Whoever dispenses.
pub(super) struct Counter<'a> {
    pub engine: &'a Arc<Engine>,
    pub province: &'a Arc<Province>,
    pub in_flight: usize,
}

/// What was dispensed in one go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Dispensed {
    /// Documents.
    pub documents: u64,
    /// Until the last was answered.
    pub seconds: f64,
    /// Processor time of this process, all threads; making the documents is part of it.
    pub cpu_seconds: f64,
    /// Bytes that the log has taken.
    pub log_bytes: u64,
}

/// Claims with so many codes on record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClaimPhase {
    /// Codes on record before its warm-up.
    pub codes_before: u64,
    /// Documents dispensed before it counted.
    pub warm_up_documents: u64,
    /// Documents dispensed and counted.
    pub documents: u64,
    /// Codes of one.
    pub codes_per_document: u64,
    /// How long it took.
    pub seconds: f64,
    /// Codes that were claimed per second.
    pub claims_per_second: f64,
    /// Processor time of all threads for one document.
    pub cpu_us_per_document: f64,
    /// Bytes that the log has taken for one document.
    pub log_bytes_per_document: f64,
    /// Whether the index grew past its plan meanwhile and was built anew: part of the cost, but not of every ten
    /// seconds.
    pub index_built_anew: bool,
}

impl ClaimPhase {
    pub(super) fn new(
        codes_before: u64,
        codes_per_document: u64,
        warm_up: &Dispensed,
        measured: &Dispensed,
    ) -> Self {
        let documents = measured.documents as f64;
        Self {
            codes_before,
            warm_up_documents: warm_up.documents,
            documents: measured.documents,
            codes_per_document,
            seconds: measured.seconds,
            claims_per_second: documents * codes_per_document as f64 / measured.seconds,
            cpu_us_per_document: measured.cpu_seconds * 1e6 / documents,
            log_bytes_per_document: measured.log_bytes as f64 / documents,
            index_built_anew: false,
        }
    }

    /// Codes that it claimed, counted or not.
    pub const fn claims(&self) -> u64 {
        (self.warm_up_documents + self.documents) * self.codes_per_document
    }
}

impl Counter<'_> {
    /// Dispenses for so long; numbers of documents begin with `first`.
    pub async fn dispense(&self, first: u64, shape: Shape, time: Duration) -> Result<Dispensed> {
        if time.is_zero() {
            return Ok(Dispensed::default());
        }
        let log_end = || self.engine.store().gauges().log_end_bytes;
        let cpu = || cpu_of(std::process::id());
        let next = Arc::new(AtomicU64::new(first));
        let (log_before, cpu_before, watch) = (log_end(), cpu()?, Stopwatch::start());
        let mut tasks = JoinSet::new();
        for _ in 0..self.in_flight {
            let (engine, province) = (Arc::clone(self.engine), Arc::clone(self.province));
            let next = Arc::clone(&next);
            tasks.spawn(async move {
                while watch.elapsed() < time {
                    let sale = province.sale(next.fetch_add(1, Ordering::Relaxed), shape);
                    dispense(&engine, request(sale)?).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(Dispensed {
            documents: next.load(Ordering::Relaxed) - first,
            seconds: watch.elapsed().as_secs_f64(),
            cpu_seconds: cpu()?.saturating_sub(cpu_before).as_secs_f64(),
            log_bytes: log_end() - log_before,
        })
    }
}
