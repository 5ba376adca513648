//! A phase: lanes, a source of requests, and what came out.

use super::arrivals::Arrivals;
use super::cpu::CpuMeter;
use super::faults::{Fault, Faults, FaultsSeen};
use super::latency::{Latencies, Percentiles};
use super::schedule::Schedule;
use super::tally::Tally;
use super::{Lane, pacer};
use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long answers may take to come in at the end of a phase.
const DRAIN: Duration = Duration::from_secs(35);

/// How a server is saturated.
#[derive(Debug, Clone, Copy)]
pub struct SaturationPlan {
    /// Requests in flight on each lane.
    pub in_flight: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// What counts.
    pub measured: Duration,
    /// Number of the first request.
    pub first: u64,
    /// Most requests in all.
    pub requests_max: u64,
}

/// What a server does when it never has to wait for work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saturation {
    /// Length of the measured window.
    pub seconds: f64,
    /// Requests answered in it.
    pub requests: u64,
    /// Per second.
    pub requests_per_second: f64,
    /// Processor time of the server for one request.
    pub server_cpu_us_per_request: f64,
    /// Processor time of the driver for one request.
    pub driver_cpu_us_per_request: f64,
    /// From sending to answer. With a fixed number in flight this is that number over the throughput; it hides
    /// waiting and is no latency that a caller would see.
    pub closed_loop: Percentiles,
    /// What went wrong.
    pub faults: FaultsSeen,
}

/// How a server is met by an open loop.
#[derive(Debug, Clone)]
pub struct OpenLoopPlan {
    /// When requests are due.
    pub schedule: Schedule,
    /// Most in flight on each lane; what is due beyond waits, and its latency counts on.
    pub in_flight_max: usize,
    /// Number of the first request.
    pub first: u64,
}

/// What a server does for callers who do not wait for each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenLoop {
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests that were due.
    pub due: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Answered per second.
    pub requests_per_second: f64,
    /// Sent more than 5 ms after they were due; their latency counts from when they were due.
    pub late: u64,
    /// Most requests that were due and waited for somebody free to send them.
    pub waiting_most: u64,
    /// From when a request was due to its answer.
    pub latency: Percentiles,
    /// From when a request was due to its sending: the driver's own part of the latency.
    pub send_delay: Percentiles,
    /// Processor time of the server for one request.
    pub server_cpu_us_per_request: f64,
    /// Processor time of the driver for one request.
    pub driver_cpu_us_per_request: f64,
    /// What went wrong.
    pub faults: FaultsSeen,
}

/// Lanes at work.
struct Running {
    arrivals: Arc<Arrivals>,
    faults: Arc<Faults>,
    tallies: Vec<Arc<Tally>>,
    tasks: JoinSet<()>,
}

impl Running {
    fn start<L: Lane>(lanes: Vec<L>, arrivals: Arrivals, in_flight: usize) -> Result<Self> {
        let (arrivals, faults) = (Arc::new(arrivals), Arc::new(Faults::default()));
        let (mut tallies, mut tasks) = (Vec::new(), JoinSet::new());
        for lane in lanes {
            let tally = Arc::new(Tally::new(Arc::clone(&arrivals), Arc::clone(&faults))?);
            tasks.spawn(lane.drive(Arc::clone(&tally), in_flight));
            tallies.push(tally);
        }
        Ok(Self { arrivals, faults, tallies, tasks })
    }

    /// Waits until every lane has ended, or for this long. True where all have.
    async fn ended_within(&mut self, most: Duration) -> bool {
        let (tasks, faults) = (&mut self.tasks, &self.faults);
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    faults.add(Fault(format!("a lane ended: {error}")));
                }
            }
        };
        timeout(most, ended).await.is_ok()
    }

    fn completed(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.completed()).sum()
    }

    /// Latencies and delays of all lanes.
    fn latencies(&self) -> Result<(Latencies, Latencies)> {
        let (mut latencies, mut delays) = (Latencies::new()?, Latencies::new()?);
        for tally in &self.tallies {
            tally.add_to(&mut latencies, &mut delays);
        }
        Ok((latencies, delays))
    }

    /// Requests that were taken and never answered.
    fn unanswered(&self) -> u64 {
        self.arrivals.taken().saturating_sub(self.completed())
    }
}

fn us_per(time: Duration, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { time.as_secs_f64() * 1e6 / requests as f64 }
}

fn per_second(requests: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { requests as f64 / time.as_secs_f64() }
}

/// Keeps a server busy with a fixed number of requests in flight, and counts what it answers in a window.
pub async fn saturate<L: Lane>(lanes: Vec<L>, plan: SaturationPlan, cpu: CpuMeter) -> Result<Saturation> {
    let arrivals = Arrivals::at_once(plan.first, plan.requests_max);
    let mut running = Running::start(lanes, arrivals, plan.in_flight)?;
    if !plan.warm_up.is_zero() {
        running.ended_within(plan.warm_up).await;
    }
    running.tallies.iter().for_each(|tally| tally.clear());
    let read = || cpu.read().context("the server is gone");
    let (from, cpu_from, count_from) = (running.arrivals.now(), read()?, running.completed());
    running.ended_within(plan.measured).await;
    let (to, cpu_to, count_to) = (running.arrivals.now(), read()?, running.completed());
    let (latencies, _) = running.latencies()?;
    running.arrivals.end();
    running.ended_within(DRAIN).await;
    let (requests, time) = (count_to - count_from, to - from);
    Ok(Saturation {
        seconds: time.as_secs_f64(),
        requests,
        requests_per_second: per_second(requests, time),
        server_cpu_us_per_request: us_per(cpu_to.server.saturating_sub(cpu_from.server), requests),
        driver_cpu_us_per_request: us_per(cpu_to.driver.saturating_sub(cpu_from.driver), requests),
        closed_loop: latencies.percentiles(),
        faults: running.faults.seen(running.arrivals.taken(), running.unanswered()),
    })
}

/// Sends requests when they are due, whatever the server does, and counts every latency from then.
pub async fn open_loop<L: Lane>(lanes: Vec<L>, plan: OpenLoopPlan, cpu: CpuMeter) -> Result<OpenLoop> {
    let due = plan.schedule.len() as u64;
    let length = due.checked_sub(1).and_then(|last| plan.schedule.due(last)).unwrap_or_default();
    let read = || cpu.read().context("the server is gone");
    let cpu_from = read()?;
    let arrivals = Arrivals::scheduled(plan.first, plan.schedule);
    let mut running = Running::start(lanes, arrivals, plan.in_flight_max)?;
    let pacer = pacer::start(Arc::clone(&running.arrivals)).context("no thread for the pacer")?;
    running.ended_within(length + DRAIN).await;
    let (time, cpu_to) = (running.arrivals.now(), read()?);
    running.arrivals.end();
    running.tasks.shutdown().await;
    let waiting_most = tokio::task::spawn_blocking(move || pacer.join())
        .await?
        .map_err(|_| anyhow!("the pacer ended in a panic"))?;
    let (latencies, delays) = running.latencies()?;
    let requests = running.completed();
    Ok(OpenLoop {
        seconds: time.as_secs_f64(),
        due,
        requests,
        requests_per_second: per_second(requests, time),
        late: running.tallies.iter().map(|tally| tally.late()).sum(),
        waiting_most: waiting_most as u64,
        latency: latencies.percentiles(),
        send_delay: delays.percentiles(),
        server_cpu_us_per_request: us_per(cpu_to.server.saturating_sub(cpu_from.server), requests),
        driver_cpu_us_per_request: us_per(cpu_to.driver.saturating_sub(cpu_from.driver), requests),
        faults: running.faults.seen(due, due.saturating_sub(requests)),
    })
}
