//! A flood: three times as many requests as the gateway can answer. What it lets in it answers, the rest it refuses quickly;
//! its peak must not collapse.

use super::compare::saturate_gateway;
use super::ground::meter;
use super::patient::{Patient, PatientSeen};
use super::{Ground, Settings, progress};
use crate::driver::{Fault, OpenLoop, OpenLoopPlan, Saturation, Schedule, Unary, UnaryLane, open_loop};
use crate::machine::machine;
use crate::report::{Goal, Report, Spread, Tables, faults_of, ms, table};
use crate::workload::{Dispense, Expected};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracegate::clock::Stopwatch;

/// How many times the peak is offered.
const TIMES: f64 = 3.0;
/// Goal: share of the peak that is still answered.
const KEPT_MIN: f64 = 0.7;
/// How the status of a refusal begins, as the driver words it.
const REFUSED: &str = "ResourceExhausted";

/// Whether a request was refused because too much is asked for.
pub(super) fn is_refusal(fault: &Fault) -> bool {
    fault.0.starts_with(REFUSED)
}

/// What became of the requests of a flood.
#[derive(Debug, Default)]
struct Became {
    answered: AtomicU64,
    refused: AtomicU64,
    refused_us: AtomicU64,
}

/// Documents with fresh codes, of which some are refused.
#[derive(Debug, Clone)]
struct Flood {
    dispense: Dispense,
    became: Arc<Became>,
}

impl Unary for Flood {
    async fn call(&mut self, number: u64) -> Result<(), Fault> {
        let watch = Stopwatch::start();
        match self.dispense.ask(number).await {
            Ok(decision) => {
                Expected::Sold.of(decision.as_ref())?;
                self.became.answered.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(fault) if is_refusal(&fault) => {
                let us = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.became.refused.fetch_add(1, Ordering::Relaxed);
                self.became.refused_us.fetch_add(us, Ordering::Relaxed);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

/// One round.
#[derive(Debug, Clone, Serialize)]
pub struct OverloadRound {
    /// What the gateway does when it never has to wait for work, and is not flooded.
    pub peak: Saturation,
    /// The flood.
    pub flood: OpenLoop,
    /// Of it, answered with a verdict.
    pub answered: u64,
    /// Of it, refused.
    pub refused: u64,
    /// How long a refusal took, on average.
    pub refused_mean_us: f64,
    /// Somebody beside it who waits as told.
    pub patient: PatientSeen,
    /// Verdicts per second by the peak's.
    pub kept: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Overload {
    /// Round by round.
    pub rounds: Vec<OverloadRound>,
    /// Verdicts per second by the peak's.
    pub kept: Spread,
}

impl Tables for Overload {
    fn tables(&self) -> String {
        let mut rows = table([
            "round",
            "peak/s",
            "offered/s",
            "verdicts/s",
            "kept",
            "refused/s",
            "refusal ms",
            "gateway CPU µs",
            "patient: sales",
            "p50 ms",
            "refusals",
            "p50 ms",
            "p99 ms",
        ]);
        for (at, round) in self.rounds.iter().enumerate() {
            let seconds = round.flood.seconds;
            rows.add_row([
                (at + 1).to_string(),
                format!("{:.0}", round.peak.requests_per_second),
                format!("{:.0}", round.flood.due as f64 / seconds),
                format!("{:.0}", round.answered as f64 / seconds),
                format!("{:.2}", round.kept),
                format!("{:.0}", round.refused as f64 / seconds),
                format!("{:.2}", round.refused_mean_us / 1000.0),
                format!("{:.1}", round.flood.server_cpu_us_per_request),
                round.patient.sales.count.to_string(),
                ms(round.patient.sales.p50_us),
                round.patient.refusals.count.to_string(),
                ms(round.patient.refusals.p50_us),
                ms(round.patient.refusals.p99_us),
            ]);
        }
        format!("{TIMES} times the peak: {} of it is kept\n{rows}", self.kept)
    }
}

/// Measures it.
pub async fn overload(settings: Settings) -> Result<Report<Settings, Overload>> {
    let machine = machine();
    let mut ground = Ground::start(&settings, true).await?;
    let (province, shape) = (Arc::clone(&ground.province), settings.shape);
    let bar = progress(settings.rounds * 2);
    let mut rounds = Vec::new();
    for round in 1..=settings.rounds {
        bar.set_message(format!("round {round}: the peak"));
        let lane = |channel| UnaryLane(Dispense::new(channel, Arc::clone(&province), shape));
        let peak = saturate_gateway(&mut ground, &settings, lane).await?;
        bar.inc(1);
        bar.set_message(format!("round {round}: the flood"));
        rounds.push(flood(&mut ground, &settings, peak).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let kept = Spread::of(rounds.iter().map(|round| round.kept));
    let goals = vec![Goal::at_least("verdicts/s in a flood / peak", KEPT_MIN, kept.median)];
    let phases = |round: &'_ OverloadRound| {
        let peak = (round.peak.closed_loop.count, round.peak.faults.clone());
        [peak, (round.flood.due, round.flood.faults.clone())]
    };
    let phases: Vec<_> = rounds.iter().flat_map(phases).collect();
    let faults = faults_of(phases.iter().map(|(requests, faults)| (*requests, faults)));
    let report = Report::new("overload", machine, settings, Overload { rounds, kept });
    Ok(Report { goals, faults, ..report })
}

async fn flood(ground: &mut Ground, settings: &Settings, peak: Saturation) -> Result<OverloadRound> {
    let became = Arc::new(Became::default());
    ground.gateway.calm().await?;
    let (province, shape) = (Arc::clone(&ground.province), settings.shape);
    let channels = ground.gateway.address().connect(settings.connections, ground.grpc()).await;
    let lane = |channel| {
        let dispense = Dispense::new(channel, Arc::clone(&province), shape);
        UnaryLane(Flood { dispense, became: Arc::clone(&became) })
    };
    let lanes = channels.context("no connection to the gateway")?.into_iter().map(lane).collect();
    let offered = peak.requests_per_second * TIMES;
    let plan = OpenLoopPlan {
        schedule: Schedule::new(offered, settings.measured(), settings.spacing())?,
        in_flight_max: ground.grpc().requests_per_connection_max,
        first: ground.numbers.block(),
    };
    let beside = Dispense::new(ground.channel().await?, Arc::clone(&ground.province), shape);
    let (mut patient, first) = (Patient::new()?, ground.numbers.block());
    let flood = tokio::select! {
        flood = open_loop(lanes, plan, meter(&ground.gateway)) => flood?,
        Fault(fault) = patient.sell(beside, first) => bail!("beside the flood: {fault}"),
    };
    let (answered, refused) =
        (became.answered.load(Ordering::Relaxed), became.refused.load(Ordering::Relaxed));
    let refused_us = became.refused_us.load(Ordering::Relaxed);
    Ok(OverloadRound {
        kept: answered as f64 / flood.seconds / peak.requests_per_second,
        refused_mean_us: refused_us as f64 / refused.max(1) as f64,
        patient: patient.seen(),
        peak,
        flood,
        answered,
        refused,
    })
}
