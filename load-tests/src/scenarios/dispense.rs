//! `Dispense` of documents with fresh codes: claimed, durable, then answered.

use super::compare::compare;
use super::{Ground, Settings};
use crate::driver::UnaryLane;
use crate::machine::{Disk, machine};
use crate::peer::EmptyHandlers;
use crate::province::Shape;
use crate::report::{Comparison, Goal, Report};
use crate::workload::{Dispense, Expected};
use anyhow::{Context, Result, anyhow};
use prost::Message;
use serde::Serialize;
use std::sync::Arc;
use tracegate::grpc::pb;

/// Goal: throughput of the gateway over that of the empty server.
const RATIO_MIN: f64 = 0.5;
/// Goal: p99 of the gateway over that of the empty server, at half of the gateway's saturation.
const P99_DIFFERENCE_MS_MAX: f64 = 2.0;

/// The settings, and the disk that makes it durable.
#[derive(Debug, Clone, Serialize)]
pub struct DispenseSettings {
    #[serde(flatten)]
    pub(super) settings: Settings,
    pub(super) disk: Disk,
}

/// The gateway's answer to a first document: the empty server gives it back.
pub(super) async fn first_answer(ground: &mut Ground, shape: Shape) -> Result<pb::Decision> {
    let mut first = Dispense::new(ground.channel().await?, Arc::clone(&ground.province), shape);
    let answer = first.ask(ground.numbers.block()).await;
    let answer = answer.map_err(|fault| anyhow!("the first document: {}", fault.0))?;
    Expected::Sold.of(answer.as_ref()).map_err(|fault| anyhow!("the first document: {}", fault.0))?;
    answer.context("a decision")
}

/// Measures it.
pub async fn dispense(settings: Settings) -> Result<Report<DispenseSettings, Comparison>> {
    let machine = machine();
    let mut ground = Ground::start(&settings, true).await?;
    let (province, shape, disk) = (Arc::clone(&ground.province), settings.shape, ground.disk.clone());
    let make = |channel| Dispense::new(channel, Arc::clone(&province), shape);
    let answer = first_answer(&mut ground, shape).await?;
    let bytes = answer.encoded_len();
    let peer = ground.start_peer(&EmptyHandlers { dispense: answer, ..EmptyHandlers::default() }).await?;
    let lane = |channel| UnaryLane(make(channel));
    let compared = compare(&mut ground, peer, &settings, bytes, lane).await?;
    let goals = vec![
        Goal::at_least("throughput, gateway / empty server", RATIO_MIN, compared.throughput_ratio.median),
        Goal::at_most(
            "p99 over the empty server's, ms",
            P99_DIFFERENCE_MS_MAX,
            compared.p99_difference_ms.median,
        ),
    ];
    let faults = compared.faults();
    let report = Report::new("dispense", machine, DispenseSettings { settings, disk }, compared);
    Ok(Report { goals, faults, ..report })
}
