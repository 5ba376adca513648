//! Somebody beside a flood with one sale at a time over a connection of its own, who waits as told before asking again.

use super::overload::is_refusal;
use crate::driver::{Fault, Latencies, Percentiles};
use crate::workload::{Dispense, Expected};
use serde::Serialize;
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// How long who is refused is told to wait.
const AS_TOLD: Duration = Duration::from_millis(500);
/// Between two sales.
const NEXT_CUSTOMER: Duration = Duration::from_millis(50);

/// What became of its sales.
#[derive(Debug)]
pub(super) struct Patient {
    refusals: Latencies,
    sales: Latencies,
}

/// What it saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatientSeen {
    /// How long refusals took.
    pub refusals: Percentiles,
    /// How long sales took, from the first asking to the verdict.
    pub sales: Percentiles,
}

impl Patient {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { refusals: Latencies::new()?, sales: Latencies::new()? })
    }

    /// Sells one after the other, from this number on, until something goes wrong. May be dropped at any time.
    pub(super) async fn sell(&mut self, mut dispense: Dispense, first: u64) -> Fault {
        let mut number = first;
        loop {
            if let Err(fault) = self.sell_one(&mut dispense, number).await {
                return fault;
            }
            number += 1;
            // signal: the time itself is what is waited for.
            tokio::time::sleep(NEXT_CUSTOMER).await;
        }
    }

    async fn sell_one(&mut self, dispense: &mut Dispense, number: u64) -> Result<(), Fault> {
        let sale = Stopwatch::start();
        loop {
            let asked = Stopwatch::start();
            match dispense.ask(number).await {
                Ok(decision) => {
                    self.sales.record(sale.elapsed());
                    return Expected::Sold.of(decision.as_ref());
                }
                Err(fault) if is_refusal(&fault) => {
                    self.refusals.record(asked.elapsed());
                    // signal: as told.
                    tokio::time::sleep(AS_TOLD).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    pub(super) fn seen(&self) -> PatientSeen {
        PatientSeen { refusals: self.refusals.percentiles(), sales: self.sales.percentiles() }
    }
}
