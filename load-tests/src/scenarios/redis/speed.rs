//! Throughput of a gateway over Redis, beside a handler that does only the claim, by turns in one run.

use super::fleet::{FleetFigures, fleet};
use super::import_past;
use crate::driver::{Lane, Saturation, StreamLane, UnaryLane};
use crate::gateway::Ledger;
use crate::machine::{Disk, machine};
use crate::process::{Server, calm};
use crate::redis_server::{AppendFsync, RedisServer};
use crate::report::{Goal, Report, Spread, Tables, faults_of, table};
use crate::scenarios::compare::{saturate_server, saturation_plan};
use crate::scenarios::scan::STREAMS_PER_CONNECTION;
use crate::scenarios::{Ground, Settings, progress};
use crate::workload::{Dispense, Scan};
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use std::sync::Arc;
use tonic::transport::Channel;

/// Goal: documents per second over those of the bare handler.
const UNARY_MIN: f64 = 0.5;
/// Goal: codes per second of `Scan` over those of the bare handler, called one by one.
const SCAN_MIN: f64 = 3.0;
/// Goal: documents per second with every write synced over those with a sync a second.
const ALWAYS_MIN: f64 = 0.5;
/// Goal: p99 from the acknowledgement of a sale until another gateway sees it.
const VISIBLE_MS_MAX: f64 = 1000.0;
/// Looks at a server that calms down, five in a second.
const CALM_LOOKS_MAX: usize = 50;

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct SpeedSettings {
    /// As every scenario with servers.
    #[serde(flatten)]
    pub settings: Settings,
    /// When Redis syncs, but for the phases that do it the other way.
    pub appendfsync: AppendFsync,
    /// Codes that the deployment has room for.
    pub plan: u64,
    /// Codes that are sold before anything is measured.
    pub sold_before: u64,
}

/// The settings, and what the figures rest on.
#[derive(Debug, Clone, Serialize)]
pub struct SpeedReported {
    #[serde(flatten)]
    settings: SpeedSettings,
    disk: Disk,
    redis_version: String,
}

/// Phases that follow each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedRound {
    /// From 1.
    pub round: usize,
    /// The handler that does only `SET … NX GET`.
    pub bare: Saturation,
    /// The gateway, calls of their own.
    pub unary: Saturation,
    /// The gateway, messages of streams.
    pub scan: Saturation,
    /// The gateway, calls of their own, while Redis syncs the other way.
    pub unary_other_fsync: Saturation,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedFigures {
    /// Codes in one request.
    pub codes_per_request: usize,
    /// Round by round.
    pub rounds: Vec<SpeedRound>,
    /// Documents per second, gateway over bare handler.
    pub unary_over_bare: Spread,
    /// Codes per second, `Scan` over the bare handler called one by one.
    pub scan_over_bare: Spread,
    /// Documents per second of the gateway, always synced over synced once a second.
    pub always_over_everysec: Spread,
    /// Two gateways over one Redis.
    pub fleet: FleetFigures,
}

impl SpeedRound {
    fn phases(&self) -> [(&'static str, &Saturation); 4] {
        [
            ("bare", &self.bare),
            ("gateway", &self.unary),
            ("gateway, scan", &self.scan),
            ("gateway, other fsync", &self.unary_other_fsync),
        ]
    }
}

impl SpeedFigures {
    fn new(settings: &SpeedSettings, rounds: Vec<SpeedRound>, fleet: FleetFigures) -> Self {
        let over = |ratio: fn(&SpeedRound) -> [&Saturation; 2]| {
            let ratios = rounds.iter().map(ratio);
            Spread::of(ratios.map(|[one, other]| one.requests_per_second / other.requests_per_second))
        };
        let always_over_everysec = match settings.appendfsync {
            AppendFsync::Everysec => over(|round| [&round.unary_other_fsync, &round.unary]),
            AppendFsync::Always => over(|round| [&round.unary, &round.unary_other_fsync]),
        };
        Self {
            codes_per_request: settings.settings.shape.codes,
            unary_over_bare: over(|round| [&round.unary, &round.bare]),
            // All requests have as many codes.
            scan_over_bare: over(|round| [&round.scan, &round.bare]),
            always_over_everysec,
            rounds,
            fleet,
        }
    }

    fn goals(&self) -> Vec<Goal> {
        let visible_ms = self.fleet.visible.p99_us as f64 / 1000.0;
        vec![
            Goal::at_least("throughput, gateway / bare handler", UNARY_MIN, self.unary_over_bare.median),
            Goal::at_least("codes/s, scan / bare handler", SCAN_MIN, self.scan_over_bare.median),
            Goal::at_least(
                "throughput, appendfsync always / everysec",
                ALWAYS_MIN,
                self.always_over_everysec.median,
            ),
            Goal::at_most("a sale is visible to the other gateway, p99 ms", VISIBLE_MS_MAX, visible_ms),
        ]
    }
}

impl Tables for SpeedFigures {
    fn tables(&self) -> String {
        let mut rows = table(["round", "server", "requests/s", "codes/s", "its own CPU µs", "driver CPU µs"]);
        for round in &self.rounds {
            for (name, phase) in round.phases() {
                rows.add_row([
                    round.round.to_string(),
                    name.to_owned(),
                    format!("{:.0}", phase.requests_per_second),
                    format!("{:.0}", phase.requests_per_second * self.codes_per_request as f64),
                    format!("{:.1}", phase.server_cpu_us_per_request),
                    format!("{:.1}", phase.driver_cpu_us_per_request),
                ]);
            }
        }
        format!(
            "gateway / bare {}\nscan / bare {}\nappendfsync always / everysec {}\n{rows}\n{}",
            self.unary_over_bare,
            self.scan_over_bare,
            self.always_over_everysec,
            self.fleet.tables()
        )
    }
}

/// Measures it.
pub async fn redis_speed(settings: SpeedSettings) -> Result<Report<SpeedReported, SpeedFigures>> {
    let machine = machine();
    let program = settings.settings.world.program()?;
    let (folder, disk) = settings.settings.world.room(true)?;
    let redis = RedisServer::start(folder.path(), settings.appendfsync).await?;
    let redis_version = redis.version().to_owned();
    let ledger = Ledger::Redis { address: redis.address(), plan: settings.plan };
    let mut ground = Ground::start_on(&settings.settings, true, ledger).await?;
    // The first block is that of the past.
    ground.numbers.block();
    if settings.sold_before > 0 {
        let (gateway, province) = (&ground.gateway, &ground.province);
        import_past(&program, gateway, folder.path(), province, settings.sold_before).await?;
    }
    let bare = ground.start_bare_peer(redis.address()).await?;
    let bar = progress(settings.settings.rounds * 5 + 1);
    let mut stage = Stage { ground, redis, bare, settings: &settings, bar };
    let mut rounds = Vec::new();
    for round in 1..=settings.settings.rounds {
        rounds.push(stage.round(round).await?);
    }
    let Stage { mut ground, redis, bare, bar, .. } = stage;
    drop(bare);
    let fleet = fleet(&mut ground, ledger, &settings.settings, &bar).await?;
    bar.finish_and_clear();
    drop((ground, redis));
    let figures = SpeedFigures::new(&settings, rounds, fleet);
    let phases = figures.rounds.iter().flat_map(|round| round.phases().map(|(_, phase)| phase));
    let phases = phases.map(|phase| (phase.closed_loop.count, &phase.faults));
    let (goals, faults) = (figures.goals(), faults_of(phases.chain(figures.fleet.phases())));
    let report = Report::new("redis", machine, SpeedReported { settings, disk, redis_version }, figures);
    Ok(Report { goals, faults, ..report })
}

/// Both servers over their Redis.
struct Stage<'a> {
    ground: Ground,
    bare: Server,
    /// After those that use it, so that it ends last.
    redis: RedisServer,
    settings: &'a SpeedSettings,
    bar: ProgressBar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Bare,
    Gateway,
}

impl Stage<'_> {
    async fn round(&mut self, round: usize) -> Result<SpeedRound> {
        let (province, shape) = (Arc::clone(&self.ground.province), self.settings.settings.shape);
        let unary = |channel| UnaryLane(Dispense::new(channel, Arc::clone(&province), shape));
        let streams = |channel| StreamLane {
            conversation: Scan::new(channel, Arc::clone(&province), shape),
            streams: STREAMS_PER_CONNECTION,
        };
        let fsync = self.settings.appendfsync;
        let bare = self.saturate(Of::Bare, &format!("round {round}: the bare handler"), unary).await?;
        let said = format!("round {round}: the gateway");
        let unary_phase = self.saturate(Of::Gateway, &said, unary).await?;
        let scan = self.saturate(Of::Gateway, &format!("{said}, scan"), streams).await?;
        self.redis.set_fsync(fsync.other()).await?;
        let said = format!("{said}, appendfsync {}", fsync.other().name());
        let unary_other_fsync = self.saturate(Of::Gateway, &said, unary).await?;
        self.redis.set_fsync(fsync).await?;
        Ok(SpeedRound { round, bare, unary: unary_phase, scan, unary_other_fsync })
    }

    /// One of them, once all three servers are through with what was before.
    async fn saturate<L: Lane>(
        &mut self,
        of: Of,
        said: &str,
        lane: impl Fn(Channel) -> L,
    ) -> Result<Saturation> {
        self.bar.set_message(said.to_owned());
        self.redis.check_alive()?;
        for pid in [self.bare.pid(), self.ground.gateway.pid(), self.redis.pid()] {
            calm(pid, 1, CALM_LOOKS_MAX).await?;
        }
        let settings = &self.settings.settings;
        let (plan, grpc) = (saturation_plan(&mut self.ground, settings), self.ground.grpc().clone());
        let server = match of {
            Of::Bare => &mut self.bare,
            Of::Gateway => &mut self.ground.gateway,
        };
        let measured = saturate_server(server, &grpc, settings, plan, lane).await?;
        self.bar.inc(1);
        Ok(measured)
    }
}
