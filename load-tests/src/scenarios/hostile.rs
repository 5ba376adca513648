//! Hostile callers beside well-behaved ones: connections that say nothing, or dribble; streams that are opened and left;
//! a flood of codes that are none. Bounded in number and time, to the gateway of this run only. What is measured is what the
//! well-behaved keep of their throughput, and what the gateway's memory grows by.

use super::compare::saturate_gateway;
use super::{Ground, Settings, progress};
use crate::driver::{Saturation, UnaryLane, resident_of};
use crate::machine::machine;
use crate::report::{Goal, Report, Spread, Tables, faults_of, table};
use crate::workload::Dispense;
use anyhow::{Context, Result};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tracegate::grpc::CALLER_KEY;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// Goal: share of the throughput that the well-behaved keep.
const KEPT_MIN: f64 = 0.8;
/// Goal: what the gateway's memory grows by, in MiB.
const GROWN_MIB_MAX: f64 = 64.0;
/// Connections that say nothing; a tenth of them dribble.
const SILENT: usize = 500;
/// Streams that somebody tries to open and leaves; far more than a caller may have.
const STREAMS: usize = 2_000;
/// Checks of garbage in a second, and garbage codes in each.
const GARBAGE_PER_SECOND: u64 = 500;
const GARBAGE_CODES: usize = 50;
const DRIBBLE_EVERY: Duration = Duration::from_secs(1);

/// What became of what the hostile sent.
#[derive(Debug, Default)]
struct Crowd {
    silent: AtomicU64,
    streams_open: AtomicU64,
    streams_refused: AtomicU64,
    garbage_answered: AtomicU64,
    garbage_refused: AtomicU64,
}

/// One round.
#[derive(Debug, Clone, Serialize)]
pub struct HostileRound {
    /// The well-behaved alone.
    pub alone: Saturation,
    /// The same beside the hostile.
    pub beside: Saturation,
    /// Throughput beside by that alone.
    pub kept: f64,
    /// Growth of the gateway's memory over both, in MiB, well-behaved sales included.
    pub grown_mib: f64,
    /// Silent connections that were made.
    pub silent: u64,
    /// Streams that were let open, and refused.
    pub streams: (u64, u64),
    /// Checks of garbage that were answered, and refused.
    pub garbage: (u64, u64),
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Hostile {
    /// Round by round.
    pub rounds: Vec<HostileRound>,
    /// Throughput beside by that alone.
    pub kept: Spread,
    /// Growth of the gateway's memory while the hostile are there, in MiB.
    pub grown_mib: Spread,
}

impl Tables for Hostile {
    fn tables(&self) -> String {
        let mut rows = table([
            "round",
            "alone/s",
            "beside/s",
            "kept",
            "memory MiB",
            "silent",
            "streams",
            "refused",
            "garbage",
            "refused",
        ]);
        for (at, round) in self.rounds.iter().enumerate() {
            rows.add_row([
                (at + 1).to_string(),
                format!("{:.0}", round.alone.requests_per_second),
                format!("{:.0}", round.beside.requests_per_second),
                format!("{:.2}", round.kept),
                format!("{:+.1}", round.grown_mib),
                round.silent.to_string(),
                round.streams.0.to_string(),
                round.streams.1.to_string(),
                round.garbage.0.to_string(),
                round.garbage.1.to_string(),
            ]);
        }
        format!(
            "beside hostile callers {} is kept; memory grows by {} MiB\n{rows}",
            self.kept, self.grown_mib
        )
    }
}

/// Measures it.
pub async fn hostile(settings: Settings) -> Result<Report<Settings, Hostile>> {
    let machine = machine();
    let mut ground = Ground::start(&settings, true).await?;
    let bar = progress(settings.rounds * 2);
    let mut rounds = Vec::new();
    for round in 1..=settings.rounds {
        bar.set_message(format!("round {round}"));
        rounds.push(one_round(&mut ground, &settings).await?);
        bar.inc(2);
    }
    bar.finish_and_clear();
    let kept = Spread::of(rounds.iter().map(|round| round.kept));
    let grown_mib = Spread::of(rounds.iter().map(|round| round.grown_mib));
    let goals = vec![
        Goal::at_least("throughput beside hostile callers / alone", KEPT_MIN, kept.median),
        Goal::at_most("memory that they add, MiB", GROWN_MIB_MAX, grown_mib.median),
    ];
    let phases = rounds.iter().flat_map(|round| [&round.alone, &round.beside]);
    let faults = faults_of(phases.map(|phase| (phase.closed_loop.count, &phase.faults)));
    let report = Report::new("hostile", machine, settings, Hostile { rounds, kept, grown_mib });
    Ok(Report { goals, faults, ..report })
}

async fn one_round(ground: &mut Ground, settings: &Settings) -> Result<HostileRound> {
    let (province, shape) = (Arc::clone(&ground.province), settings.shape);
    let lane = |channel| UnaryLane(Dispense::new(channel, Arc::clone(&province), shape));
    let pid = ground.gateway.pid();
    let before = resident_of(pid)?;
    let alone = saturate_gateway(ground, settings, lane).await?;
    let between = resident_of(pid)?;
    let crowd = Arc::new(Crowd::default());
    let mut tasks = gather(ground, &crowd).await?;
    let beside = saturate_gateway(ground, settings, lane).await?;
    let after = resident_of(pid)?;
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    let mib = |from: u64, to: u64| (to as f64 - from as f64) / f64::from(1 << 20);
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    Ok(HostileRound {
        kept: beside.requests_per_second / alone.requests_per_second,
        // What as many sales add by themselves is known from the phase before.
        grown_mib: mib(between, after) - mib(before, between),
        alone,
        beside,
        silent: read(&crowd.silent),
        streams: (read(&crowd.streams_open), read(&crowd.streams_refused)),
        garbage: (read(&crowd.garbage_answered), read(&crowd.garbage_refused)),
    })
}

/// Lets the hostile come in; they stay until they are sent away.
async fn gather(ground: &Ground, crowd: &Arc<Crowd>) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let address = ground.gateway.address().socket();
    for n in 0..SILENT {
        let stream = TcpStream::connect(address).await.context("a silent connection")?;
        crowd.silent.fetch_add(1, Ordering::Relaxed);
        tasks.spawn(async move { if n % 10 == 0 { dribble(stream).await } else { hold(stream).await } });
    }
    let institution = ground.province.sale(0, crate::province::Shape { codes: 1, lines: 1 }).institution;
    for caller in [ground.channel().await?, ground.channel().await?] {
        let (crowd, institution) = (Arc::clone(crowd), institution.clone());
        tasks.spawn(leave_streams(caller, crowd, institution));
    }
    let (channel, crowd) = (ground.channel().await?, Arc::clone(crowd));
    tasks.spawn(send_garbage(channel, crowd, institution));
    Ok(tasks)
}

async fn hold(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

/// A byte of the preface a second, and never the whole of it.
async fn dribble(mut stream: TcpStream) {
    let mut ticks = interval(DRIBBLE_EVERY);
    for byte in b"PRI * HTTP/2" {
        ticks.tick().await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
    hold(stream).await;
}

fn from<T>(message: T, institution: &str) -> Request<T> {
    let mut request = Request::new(message);
    if let Ok(caller) = MetadataValue::try_from(format!("institution {institution}")) {
        request.metadata_mut().insert(CALLER_KEY, caller);
    }
    request
}

/// Opens streams and says nothing on them.
async fn leave_streams(channel: Channel, crowd: Arc<Crowd>, institution: String) {
    let mut left = Vec::new();
    for _ in 0..STREAMS / 2 {
        let (messages, sent) = mpsc::channel::<pb::ScanRequest>(1);
        let mut gate = DispensingServiceClient::new(channel.clone());
        match gate.scan(from(ReceiverStream::new(sent), &institution)).await {
            Ok(answers) => {
                left.push((messages, answers));
                crowd.streams_open.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                crowd.streams_refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    std::future::pending::<()>().await;
    drop(left);
}

/// Checks codes that are none, at a steady rate.
async fn send_garbage(channel: Channel, crowd: Arc<Crowd>, institution: String) {
    let mut ticks = interval(Duration::from_micros(1_000_000 / GARBAGE_PER_SECOND));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let line = pb::Line {
        codes: (0..GARBAGE_CODES).map(|n| format!("]C1\u{1d}{n}?%$;{}", "9".repeat(n))).collect(),
        ..pb::Line::default()
    };
    let document =
        pb::Document { institution_code: institution.clone(), lines: vec![line], ..Default::default() };
    loop {
        ticks.tick().await;
        let mut gate = DispensingServiceClient::new(channel.clone());
        let asked = pb::CheckRequest { document: Some(document.clone()) };
        match gate.check(from(asked, &institution)).await {
            Err(status) if status.code() == Code::ResourceExhausted => {
                crowd.garbage_refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) | Err(_) => {
                crowd.garbage_answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
