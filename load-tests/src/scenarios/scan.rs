//! `Scan`: dispenses with fresh codes over streams, durable, beside the empty server's stream and beside unary
//! `Dispense` of the same gateway.

use super::compare::{compare, saturate_gateway};
use super::dispense::{DispenseSettings, first_answer};
use super::{Ground, Settings, progress};
use crate::driver::{Saturation, StreamLane, UnaryLane};
use crate::machine::machine;
use crate::peer::EmptyHandlers;
use crate::report::{Comparison, Goal, Report, Spread, Tables, faults_of, table};
use crate::workload::{Dispense, Scan};
use anyhow::Result;
use prost::Message;
use serde::Serialize;
use std::sync::Arc;

/// Goal: codes per second over those of the empty stream.
const RATIO_MIN: f64 = 0.1;
/// Goal: codes per second over those of unary `Dispense`.
const OVER_UNARY_MIN: f64 = 3.0;
/// Streams on one connection, as a hospital's server opens one for itself.
pub(super) const STREAMS_PER_CONNECTION: usize = 1;

/// The gateway's two ways to dispense, one right after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TwoWays {
    /// From 1.
    pub round: usize,
    /// Calls of their own.
    pub unary: Saturation,
    /// Messages of streams.
    pub scan: Saturation,
}

/// Streams of both servers, and both ways of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScanComparison {
    /// Beside the empty server's stream.
    #[serde(flatten)]
    pub streams: Comparison,
    /// Beside unary calls.
    pub ways: Vec<TwoWays>,
    /// Codes per second over streams over those of unary calls, round by round.
    pub over_unary: Spread,
}

impl Tables for ScanComparison {
    fn tables(&self) -> String {
        let mut ways = table(["round", "way", "requests/s", "server CPU µs", "driver CPU µs"]);
        for TwoWays { round, unary, scan } in &self.ways {
            for (name, phase) in [("unary", unary), ("scan", scan)] {
                ways.add_row([
                    round.to_string(),
                    name.to_owned(),
                    format!("{:.0}", phase.requests_per_second),
                    format!("{:.1}", phase.server_cpu_us_per_request),
                    format!("{:.1}", phase.driver_cpu_us_per_request),
                ]);
            }
        }
        format!("{}\nscan / unary dispense {}\n{ways}", self.streams.tables(), self.over_unary)
    }
}

/// Measures it.
pub async fn scan(settings: Settings) -> Result<Report<DispenseSettings, ScanComparison>> {
    let machine = machine();
    let mut ground = Ground::start(&settings, true).await?;
    let (province, shape, disk) = (Arc::clone(&ground.province), settings.shape, ground.disk.clone());
    let unary = |channel| UnaryLane(Dispense::new(channel, Arc::clone(&province), shape));
    let streams = |channel| StreamLane {
        conversation: Scan::new(channel, Arc::clone(&province), shape),
        streams: STREAMS_PER_CONNECTION,
    };
    let answer = first_answer(&mut ground, shape).await?;
    let bytes = answer.encoded_len();
    let peer = ground.start_peer(&EmptyHandlers { dispense: answer, ..EmptyHandlers::default() }).await?;
    let compared = compare(&mut ground, peer, &settings, bytes, streams).await?;
    let bar = progress(settings.rounds);
    let mut ways = Vec::new();
    for round in 1..=settings.rounds {
        bar.set_message(format!("round {round}: unary and scan"));
        let unary = saturate_gateway(&mut ground, &settings, unary).await?;
        let scan = saturate_gateway(&mut ground, &settings, streams).await?;
        ways.push(TwoWays { round, unary, scan });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let over_unary =
        Spread::of(ways.iter().map(|w| w.scan.requests_per_second / w.unary.requests_per_second));
    let goals = vec![
        Goal::at_least("codes/s, scan / empty stream", RATIO_MIN, compared.throughput_ratio.median),
        Goal::at_least("codes/s, scan / unary dispense", OVER_UNARY_MIN, over_unary.median),
    ];
    let phases = ways.iter().flat_map(|way| [&way.unary, &way.scan]);
    let of_ways = phases.map(|phase| (phase.closed_loop.count, &phase.faults));
    let faults = faults_of(compared.phases().chain(of_ways));
    let result = ScanComparison { streams: compared, ways, over_unary };
    let report = Report::new("scan", machine, DispenseSettings { settings, disk }, result);
    Ok(Report { goals, faults, ..report })
}
