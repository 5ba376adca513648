//! Two gateways over one Redis under load: how long after a sale was acknowledged by the first does `Check` at the
//! second, which asks its index, know of it?

use crate::driver::{
    Fault, FaultsSeen, Latencies, OpenLoop, OpenLoopPlan, Percentiles, Saturation, Schedule, Unary,
    UnaryLane, open_loop, saturate,
};
use crate::gateway::{self, Ledger};
use crate::process::Server;
use crate::province::{Province, Shape};
use crate::report::{ms, table};
use crate::scenarios::compare::saturation_plan;
use crate::scenarios::ground::meter;
use crate::scenarios::{Ground, Settings};
use crate::target::LoopbackAddress;
use crate::workload::{Check, Checked, Dispense, Expected};
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tonic::transport::Channel;
use tracegate::clock::Stopwatch;

/// Twenty sales a second are looked for.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// How often the other gateway is asked for one, and for how long at most.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const VISIBLE_MAX: Duration = Duration::from_secs(30);
/// Faults that are kept word for word.
const KEPT_MAX: usize = 5;

/// One open loop, and the sales that were looked for meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetRound {
    /// From 1.
    pub round: usize,
    /// Requests to both gateways; processor time is that of the first.
    pub load: OpenLoop,
    /// From the acknowledgement of a sale by one gateway to the first `Check` at the other that knows of it.
    pub visible: Percentiles,
    /// Of the codes that the second gateway looked up meanwhile, those for which it had to ask Redis: its index did
    /// not know enough. A filter does so for one in a hundred; many more mean that `visible` says little of the index.
    pub asked_ledger_share: f64,
    /// Sales that were looked for and went wrong.
    pub faults: FaultsSeen,
}

/// All rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetFigures {
    /// Both gateways saturated.
    pub saturation: Saturation,
    /// Requests per second that the open loop offers to both together.
    pub offered_per_second: f64,
    /// Round by round.
    pub rounds: Vec<FleetRound>,
    /// As in the rounds, over all of them.
    pub visible: Percentiles,
}

impl FleetFigures {
    /// Every phase as the number of its requests, and its faults.
    pub fn phases(&self) -> impl Iterator<Item = (u64, &FaultsSeen)> {
        let rounds = self.rounds.iter();
        let rounds = rounds.flat_map(|r| [(r.load.due, &r.load.faults), (r.visible.count, &r.faults)]);
        std::iter::once((self.saturation.closed_loop.count, &self.saturation.faults)).chain(rounds)
    }

    /// As a table.
    pub(super) fn tables(&self) -> String {
        let mut rows = table([
            "round",
            "sales looked for",
            "visible p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "asked Redis",
            "load p99 ms",
        ]);
        for FleetRound { round, load, visible, asked_ledger_share, .. } in &self.rounds {
            let times = [visible.p50_us, visible.p90_us, visible.p99_us, visible.max_us];
            let mut row = vec![round.to_string(), visible.count.to_string()];
            row.extend(times.map(ms));
            row.push(format!("{:.1} %", asked_ledger_share * 100.0));
            row.push(ms(load.latency.p99_us));
            rows.add_row(row);
        }
        format!(
            "two gateways: {:.0} requests/s saturated, {:.0} offered while sales of the first are looked for at the \
             second\n{rows}",
            self.saturation.requests_per_second, self.offered_per_second
        )
    }
}

/// The gateway that joins the first.
struct Second {
    gateway: Server,
    pages: LoopbackAddress,
    /// Last, so that it is removed when the gateway is gone.
    _folder: TempDir,
}

impl Second {
    async fn start(settings: &Settings, ledger: Ledger) -> Result<Self> {
        let (folder, _) = settings.world.room(true)?;
        let (mut gateway, pages) =
            gateway::start_watched(&settings.world.program()?, folder.path(), ledger).await?;
        gateway::ready(&mut gateway, pages).await?;
        Ok(Self { gateway, pages, _folder: folder })
    }

    /// Codes looked up so far: all, and those for which Redis was asked.
    async fn looked_up(&self) -> Result<[f64; 2]> {
        let (_, metrics) = gateway::page(self.pages, "/metrics").await?;
        let of = |answer: &str| {
            let name = format!("tracegate_index_look_ups_total{{answer=\"{answer}\"}}");
            gateway::metric(&metrics, &name).with_context(|| format!("/metrics does not tell {name}"))
        };
        let ledger = of("ledger")?;
        Ok([of("never")? + of("recent")? + ledger, ledger])
    }
}

/// Has a second gateway join the one on the ground, and measures both.
pub(super) async fn fleet(
    ground: &mut Ground,
    ledger: Ledger,
    settings: &Settings,
    bar: &ProgressBar,
) -> Result<FleetFigures> {
    bar.set_message("a second gateway joins");
    let mut second = Second::start(settings, ledger).await?;
    bar.set_message("both gateways");
    let lanes = lanes(ground, &mut second, settings).await?;
    let plan = saturation_plan(ground, settings);
    let saturation = saturate(lanes, plan, meter(&ground.gateway)).await?;
    bar.inc(1);
    let reached = saturation.requests_per_second;
    let offered_per_second = settings.rate.unwrap_or(reached * settings.rate_share);
    // Wrong answers were no measure of what a rate could be offered: the report says what was wrong.
    let rounds = if saturation.faults.count > 0 { 0 } else { settings.rounds };
    let (mut all, mut measured) = (Latencies::new()?, Vec::new());
    for round in 1..=rounds {
        bar.set_message(format!("round {round}: sales of one gateway are looked for at the other"));
        let lanes = self::lanes(ground, &mut second, settings).await?;
        let plan = OpenLoopPlan {
            schedule: Schedule::new(offered_per_second, settings.measured(), settings.spacing())?,
            in_flight_max: ground.grpc().requests_per_connection_max,
            first: ground.numbers.block(),
        };
        let sampler = Sampler::new(ground, &second, settings).await?;
        let [looked_before, asked_before] = second.looked_up().await?;
        let (load, samples) =
            tokio::join!(open_loop(lanes, plan, meter(&ground.gateway)), sampler.run(settings.measured()));
        let Samples { visible, faults } = samples?;
        let [looked_up, asked] = second.looked_up().await?;
        all.add(&visible);
        let asked_ledger_share = (asked - asked_before) / (looked_up - looked_before).max(1.0);
        let (load, visible) = (load?, visible.percentiles());
        measured.push(FleetRound { round, load, visible, asked_ledger_share, faults });
        bar.inc(1);
    }
    Ok(FleetFigures { saturation, offered_per_second, rounds: measured, visible: all.percentiles() })
}

/// Connections to both gateways, once both are through with what was before.
async fn lanes(
    ground: &mut Ground,
    second: &mut Second,
    settings: &Settings,
) -> Result<Vec<UnaryLane<Dispense>>> {
    let grpc = ground.grpc().clone();
    let mut lanes = Vec::new();
    for server in [&mut ground.gateway, &mut second.gateway] {
        server.check_alive()?;
        server.calm().await?;
        let channels = server.address().connect(settings.connections.div_ceil(2), &grpc).await;
        for channel in channels.context("no connection to a gateway")? {
            lanes.push(UnaryLane(Dispense::new(channel, Arc::clone(&ground.province), settings.shape)));
        }
    }
    Ok(lanes)
}

/// Sells at one gateway and looks at the other, over connections of its own.
struct Sampler {
    seller: Dispense,
    other: Channel,
    province: Arc<Province>,
    shape: Shape,
    first: u64,
}

/// What it saw.
struct Samples {
    visible: Latencies,
    faults: FaultsSeen,
}

impl Sampler {
    async fn new(ground: &mut Ground, second: &Second, settings: &Settings) -> Result<Self> {
        let (province, shape) = (Arc::clone(&ground.province), settings.shape);
        let seller = Dispense::new(ground.channel().await?, Arc::clone(&province), shape);
        let other = second.gateway.address().connect(1, ground.grpc()).await?;
        let other = other.into_iter().next().context("a connection")?;
        Ok(Self { seller, other, province, shape, first: ground.numbers.block() })
    }

    async fn run(self, length: Duration) -> Result<Samples> {
        let (mut ticks, watch) = (interval(SAMPLE_EVERY), Stopwatch::start());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut samples, mut number) = (JoinSet::new(), self.first);
        while watch.elapsed() < length {
            ticks.tick().await;
            let sold = Checked::Sold { first: number, count: 1 };
            let check = Check::new(self.other.clone(), Arc::clone(&self.province), self.shape, sold);
            samples.spawn(sample(self.seller.clone(), check, number));
            number += 1;
        }
        let (mut visible, mut faults) = (Latencies::new()?, FaultsSeen::default());
        while let Some(ended) = samples.join_next().await {
            match ended? {
                Ok(time) => visible.record(time),
                Err(Fault(fault)) => {
                    faults.count += 1;
                    faults.first.push(fault);
                }
            }
        }
        faults.first.truncate(KEPT_MAX);
        faults.share = faults.count as f64 / (number - self.first).max(1) as f64;
        Ok(Samples { visible, faults })
    }
}

/// Sells, and looks until it is seen; gives the time from the one to the other.
async fn sample(mut seller: Dispense, mut check: Check, number: u64) -> Result<Duration, Fault> {
    seller.call(number).await?;
    let acknowledged = Stopwatch::start();
    loop {
        let answer = check.ask(number).await?;
        let waited = acknowledged.elapsed();
        let Err(not_sold) = Expected::Duplicate.of(answer.as_ref()) else { return Ok(waited) };
        if Expected::Free.of(answer.as_ref()).is_err() {
            return Err(not_sold);
        }
        if waited > VISIBLE_MAX {
            let most = VISIBLE_MAX.as_secs();
            return Err(Fault(format!("a sale was not visible to the other gateway after {most} s")));
        }
        // signal: none; a gateway tells of a sale only when it is asked.
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
