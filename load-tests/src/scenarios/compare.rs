//! Peer and gateway by turns (peer, gateway, peer, gateway …): first saturated, then both under the same open
//! loop. The machine is shared and noisy; a ratio is only taken within one round.

use super::ground::meter;
use super::{Ground, Settings, progress};
use crate::driver::{
    Lane, OpenLoop, OpenLoopPlan, Saturation, SaturationPlan, Schedule, open_loop, saturate,
};
use crate::process::Server;
use crate::report::{Comparison, Round, Spread};
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tonic::transport::Channel;
use tracegate::config::Grpc;

/// Runs every round of both kinds of phases.
pub(super) async fn compare<L: Lane>(
    ground: &mut Ground,
    peer: Server,
    settings: &Settings,
    answer_bytes: usize,
    lane: impl Fn(Channel) -> L,
) -> Result<Comparison> {
    let mut stage = Stage { bar: progress(settings.rounds * 4), ground, peer, settings, lane };
    let mut saturation = Vec::new();
    for round in 1..=settings.rounds {
        let peer = stage.saturate(round, Of::Peer).await?;
        let gateway = stage.saturate(round, Of::Gateway).await?;
        saturation.push(Round { round, peer, gateway });
    }
    let reached = Spread::of(saturation.iter().map(|r| r.gateway.requests_per_second));
    let offered_per_second = settings.rate.unwrap_or(reached.median * settings.rate_share);
    let mut open_loop = Vec::new();
    // Wrong answers were no measure of what a rate could be offered: the report says what was wrong.
    let wrong = |r: &Round<Saturation>| r.peer.faults.count + r.gateway.faults.count > 0;
    let rounds = if saturation.iter().any(wrong) { 0 } else { settings.rounds };
    for round in 1..=rounds {
        let peer = stage.open_loop(round, Of::Peer, offered_per_second).await?;
        let gateway = stage.open_loop(round, Of::Gateway, offered_per_second).await?;
        open_loop.push(Round { round, peer, gateway });
    }
    stage.bar.finish_and_clear();
    let codes = settings.shape.codes;
    let ratio = |r: &Round<Saturation>| r.gateway.requests_per_second / r.peer.requests_per_second;
    let p99_ms = |phase: &OpenLoop| phase.latency.p99_us as f64 / 1000.0;
    Ok(Comparison {
        codes_per_request: codes,
        answer_bytes,
        throughput_ratio: Spread::of(saturation.iter().map(ratio)),
        gateway_codes_per_second: Spread::of(
            saturation.iter().map(|r| r.gateway.requests_per_second * codes as f64),
        ),
        saturation,
        offered_per_second,
        p99_difference_ms: Spread::of(open_loop.iter().map(|r| p99_ms(&r.gateway) - p99_ms(&r.peer))),
        open_loop,
    })
}

/// The gateway alone, saturated.
pub(super) async fn saturate_gateway<L: Lane>(
    ground: &mut Ground,
    settings: &Settings,
    lane: impl Fn(Channel) -> L,
) -> Result<Saturation> {
    let (plan, grpc) = (saturation_plan(ground, settings), ground.grpc().clone());
    saturate_server(&mut ground.gateway, &grpc, settings, plan, lane).await
}

/// Any server alone, saturated.
pub(super) async fn saturate_server<L: Lane>(
    server: &mut Server,
    grpc: &Grpc,
    settings: &Settings,
    plan: SaturationPlan,
    lane: impl Fn(Channel) -> L,
) -> Result<Saturation> {
    server.check_alive()?;
    server.calm().await?;
    let channels = server.address().connect(settings.connections, grpc).await;
    let lanes = channels.context("no connection to the server")?.into_iter().map(lane).collect();
    saturate(lanes, plan, meter(server)).await
}

pub(super) fn saturation_plan(ground: &mut Ground, settings: &Settings) -> SaturationPlan {
    SaturationPlan {
        in_flight: settings.in_flight_per_connection,
        warm_up: settings.warm_up(),
        measured: settings.measured(),
        first: ground.numbers.block(),
        requests_max: settings.requests_max,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Peer,
    Gateway,
}

/// Both servers and how to send to them.
struct Stage<'a, F> {
    ground: &'a mut Ground,
    peer: Server,
    settings: &'a Settings,
    lane: F,
    bar: ProgressBar,
}

impl<L: Lane, F: Fn(Channel) -> L> Stage<'_, F> {
    fn server(&mut self, of: Of) -> &mut Server {
        match of {
            Of::Peer => &mut self.peer,
            Of::Gateway => &mut self.ground.gateway,
        }
    }

    /// Fresh connections to a server, once both servers are through with what was before.
    async fn lanes(&mut self, phase: &str, round: usize, of: Of) -> Result<Vec<L>> {
        self.bar.set_message(format!("round {round}: {phase} of the {of:?}").to_lowercase());
        self.ground.gateway.check_alive()?;
        self.peer.check_alive()?;
        self.ground.gateway.calm().await?;
        self.peer.calm().await?;
        let (connections, grpc) = (self.settings.connections, self.ground.grpc().clone());
        let channels = self.server(of).address().connect(connections, &grpc).await;
        let channels = channels.with_context(|| format!("no connection to the {of:?}"))?;
        self.bar.inc(1);
        Ok(channels.into_iter().map(&self.lane).collect())
    }

    async fn saturate(&mut self, round: usize, of: Of) -> Result<Saturation> {
        let lanes = self.lanes("saturation", round, of).await?;
        let plan = saturation_plan(self.ground, self.settings);
        let meter = meter(self.server(of));
        saturate(lanes, plan, meter).await
    }

    async fn open_loop(&mut self, round: usize, of: Of, per_second: f64) -> Result<OpenLoop> {
        let schedule = Schedule::new(per_second, self.settings.measured(), self.settings.spacing())?;
        let lanes = self.lanes("open loop", round, of).await?;
        let plan = OpenLoopPlan {
            schedule,
            in_flight_max: self.ground.grpc().requests_per_connection_max,
            first: self.ground.numbers.block(),
        };
        let meter = meter(self.server(of));
        open_loop(lanes, plan, meter).await
    }
}
