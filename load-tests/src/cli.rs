//! The command line: what can be measured, and with which settings.

mod cases;
mod past;
mod redis;

use crate::bare::BareHandlers;
use crate::driver::TICK;
use crate::peer::{self, EmptyHandlers};
use crate::province::Shape;
use crate::report::{Report, Tables, default_out};
use crate::scenarios::engine::{EngineSettings, engine};
use crate::scenarios::redis::{redis_memory, redis_speed};
use crate::scenarios::scale::scale;
use crate::scenarios::{self, Settings, World};
use crate::target::LoopbackAddress;
use anyhow::{Context, Result, bail};
use cases::CasesArgs;
use clap::{Args, Parser, Subcommand};
use past::{ImportArgs, ScaleArgs};
use prost::Message;
use redis::{RedisArgs, RedisMemoryArgs};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tracegate::grpc::pb;

/// Measures a gateway under load, and in the same run an empty server with the same messages.
///
/// Everything runs on this machine and goes to loopback addresses only. Build everything in release first:
/// cargo build --release --workspace
#[derive(Debug, Parser)]
#[command(name = "load-tests", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  load-tests dispense                            the gate: three fresh codes a document, durable
  load-tests check --seconds 20 --rounds 5       longer, for a noisy machine
  load-tests check --sold                        of codes that were sold before
  load-tests dispense --rate 2000 --poisson      at a given rate, arrivals as of independent callers
  load-tests overload                            a flood: what is kept of the peak, how quickly the rest is refused
  load-tests hostile                             well-behaved callers beside hostile ones
  load-tests engine                              the engine's own work, no gRPC, no sync
  load-tests import --codes 1000000              past sales through `tracegate import sales`
  load-tests scale --large 10000000              disk, memory, speed and start with 10 million sold codes
  load-tests cases --large 1000000               pages and summaries of a million cases
  load-tests redis                               a gateway over Redis, beside a bare handler over it; a fleet
  load-tests redis-memory --codes 5000000        Redis' memory for a sold code
  load-tests all                                 engine, check, dispense and scan, one after the other";

#[derive(Debug, Subcommand)]
enum Command {
    /// Dispense documents with fresh codes: throughput against the empty server, then latency at half of it.
    Dispense(LoadArgs),
    /// Dispense over streams: beside an empty stream, and beside unary dispense.
    #[command(after_help = "Example:\n  load-tests scan --seconds 10 --rounds 5")]
    Scan(LoadArgs),
    /// Three times as many documents as the gateway can take: what it keeps of its peak, and how quickly it refuses.
    #[command(after_help = "Example:\n  load-tests overload --seconds 5 --connections 16")]
    Overload(LoadArgs),
    /// Well-behaved callers beside hostile ones: silent and dribbling connections, streams left open, garbage.
    #[command(after_help = "Example:\n  load-tests hostile --seconds 5 --rounds 3")]
    Hostile(LoadArgs),
    /// Check documents: as dispense, but nothing is claimed.
    Check(CheckArgs),
    /// The engine's own work for one document, in processor time; no gRPC and no sync.
    Engine(EngineArgs),
    /// Codes per second of `tracegate import sales`, with findings off and on.
    Import(ImportArgs),
    /// What sold codes cost by the million: disk, memory, claims per second, start to ready.
    Scale(ScaleArgs),
    /// Cases by the million: pages, summaries, histories, exports; and what case keeping adds to a duplicate.
    Cases(CasesArgs),
    /// Over a Redis of its own: beside a handler that does only SET NX, synced always, and in a fleet of two.
    #[command(after_help = redis::SPEED_HELP)]
    Redis(RedisArgs),
    /// Memory of a Redis of its own for a sold code, beside that of plain keys.
    #[command(after_help = redis::MEMORY_HELP)]
    RedisMemory(RedisMemoryArgs),
    /// engine, check, dispense and scan with default settings, each with its own result file.
    All(LoadArgs),
    /// Run the empty or the bare server alone, until standard input ends.
    Peer(PeerArgs),
}

/// Settings of every scenario with servers.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The gateway runs over a fresh data directory with a generated province; a wrong answer fails the run.
Ratios are taken within one round, peer and gateway by turns; read medians with their min and max."
)]
struct LoadArgs {
    /// Length of each measured phase; there are four in each round.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Before each saturation counts.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=60))]
    warm_up_seconds: u64,
    /// How often peer and gateway take turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    /// TCP connections.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Requests in flight on each connection at saturation.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Most requests of one phase, whatever its length.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    requests_max: u64,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Requests per second of the open loop, instead of a share of what the gateway does at saturation.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// That share.
    #[arg(long, default_value_t = 0.5)]
    rate_share: f64,
    /// Arrivals as of independent callers, instead of even ones.
    #[arg(long)]
    poisson: bool,
    /// Seed of Poisson arrivals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a document looks like.
#[derive(Debug, Clone, Args)]
struct ShapeArgs {
    /// Codes of one document.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    codes: u16,
    /// Lines they are spread over, each another drug; at most one for each code.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    lines: u16,
}

/// Whom it is about, and where it is kept.
#[derive(Debug, Clone, Args)]
struct WorldArgs {
    /// Institutions of the province.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    institutions: u32,
    /// Drugs of the province.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    drugs: u32,
    /// Where the data goes for the time of the run; it must lie on a disk to be durable.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// The same with a gateway.
#[derive(Debug, Clone, Args)]
struct GatewayArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// The gateway's program [default: `tracegate` beside this one].
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
struct OutputArgs {
    /// Where the JSON goes [default: results/NAME.json of this crate].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct CheckArgs {
    /// Check codes that were sold before: every answer is a duplicate.
    #[arg(long)]
    sold: bool,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  load-tests engine
  load-tests engine --documents 200000 --rounds 5")]
struct EngineArgs {
    /// Documents in one round.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    documents: u64,
    /// Documents that are made before each round, if more; for the difference of two runs.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=2_000_000))]
    prepared: u64,
    /// Rounds, each over a new directory.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    /// Documents that are under way together.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    /// Dispense each document's boxes once more, under another document: a duplicate.
    #[arg(long)]
    again: bool,
    /// Keep no cases and count nothing: what is left out is what they add.
    #[arg(long)]
    without_books: bool,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    world: WorldArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
struct PeerArgs {
    /// Where to listen; an address of this machine.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: LoopbackAddress,
    /// A file with the answer to every Check: a `tracegate.v1.Decision` in protobuf.
    #[arg(long, value_name = "FILE")]
    check_answer: Option<PathBuf>,
    /// The same for every Dispense.
    #[arg(long, value_name = "FILE")]
    dispense_answer: Option<PathBuf>,
    /// Instead of an empty server a bare one: each Dispense puts a plain key for each code into the Redis of this
    /// machine at this address.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["check_answer", "dispense_answer"])]
    redis: Option<LoopbackAddress>,
}

/// Runs a command line. Ctrl-C gives up the run, so that the servers are stopped and their data is removed.
pub async fn run(cli: Cli) -> Result<()> {
    tokio::select! {
        done = run_command(cli.command) => done,
        _ = tokio::signal::ctrl_c() => bail!("given up"),
    }
}

async fn run_command(command: Command) -> Result<()> {
    match command {
        Command::Dispense(args) => finish(scenarios::dispense(args.settings()?).await?, &args.output),
        Command::Scan(args) => finish(scenarios::scan(args.settings()?).await?, &args.output),
        Command::Overload(args) => finish(scenarios::overload(args.settings()?).await?, &args.output),
        Command::Hostile(args) => finish(scenarios::hostile(args.settings()?).await?, &args.output),
        Command::Check(args) => {
            finish(scenarios::check(args.load.settings()?, args.sold).await?, &args.load.output)
        }
        Command::Engine(args) => finish(engine(args.settings()?).await?, &args.output),
        Command::Import(args) => finish(scenarios::import(args.settings()?).await?, &args.output),
        Command::Scale(args) => finish(scale(args.settings()?).await?, &args.output),
        Command::Cases(args) => finish(scenarios::cases::cases(args.settings()?).await?, &args.output),
        Command::Redis(args) => finish(redis_speed(args.settings()?).await?, args.output()),
        Command::RedisMemory(args) => finish(redis_memory(args.settings()?).await?, &args.output),
        Command::All(args) => all(&args).await,
        Command::Peer(args) => run_peer(args).await,
    }
}

async fn run_peer(args: PeerArgs) -> Result<()> {
    if let Some(redis) = args.redis {
        return peer::run(args.listen, BareHandlers::over(redis).await?).await;
    }
    let handlers = EmptyHandlers {
        check: answer(args.check_answer.as_deref())?,
        dispense: answer(args.dispense_answer.as_deref())?,
    };
    peer::run(args.listen, handlers).await
}

/// One after the other; each is written before the next begins.
async fn all(args: &LoadArgs) -> Result<()> {
    if args.output.out.is_some() {
        bail!("`all` writes several files, each to its own place; leave --out away");
    }
    let figures = EngineArgs {
        documents: 60_000,
        prepared: 0,
        rounds: args.rounds,
        in_flight: args.in_flight,
        again: false,
        without_books: false,
        shape: args.shape.clone(),
        world: WorldArgs { data_dir: None, ..args.gateway.world.clone() },
        output: args.output.clone(),
    };
    finish(engine(figures.settings()?).await?, &args.output)?;
    finish(scenarios::check(args.settings()?, false).await?, &args.output)?;
    finish(scenarios::dispense(args.settings()?).await?, &args.output)?;
    finish(scenarios::scan(args.settings()?).await?, &args.output)
}

fn finish<S: Serialize, R: Serialize + Tables>(report: Report<S, R>, output: &OutputArgs) -> Result<()> {
    let out = output.out.clone().unwrap_or_else(|| default_out(report.scenario));
    report.finish(&out, output.json)
}

fn answer(file: Option<&Path>) -> Result<pb::Decision> {
    let Some(path) = file else { return Ok(pb::Decision::default()) };
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    pb::Decision::decode(bytes.as_slice()).with_context(|| format!("{} is no Decision", path.display()))
}

impl ShapeArgs {
    fn shape(&self) -> Result<Shape> {
        if self.lines > self.codes {
            bail!("{} lines for {} codes: a line needs a code; lower --lines", self.lines, self.codes);
        }
        Ok(Shape { codes: self.codes.into(), lines: self.lines.into() })
    }
}

impl WorldArgs {
    fn world(&self) -> Result<World> {
        Ok(World {
            institutions: usize::try_from(self.institutions)?,
            drugs: usize::try_from(self.drugs)?,
            gateway: None,
            data_dir: self.data_dir.clone(),
        })
    }
}

impl GatewayArgs {
    fn world(&self) -> Result<World> {
        Ok(World { gateway: self.gateway.clone(), ..self.world.world()? })
    }
}

impl LoadArgs {
    fn settings(&self) -> Result<Settings> {
        if !(self.rate_share > 0.0 && self.rate_share <= 2.0) {
            bail!("--rate-share {} makes no sense; write a number over 0 and up to 2", self.rate_share);
        }
        Ok(Settings {
            seconds: self.seconds,
            warm_up_seconds: self.warm_up_seconds,
            rounds: self.rounds.into(),
            connections: self.connections.into(),
            in_flight_per_connection: self.in_flight.into(),
            requests_max: self.requests_max,
            shape: self.shape.shape()?,
            rate: self.rate,
            rate_share: self.rate_share,
            poisson_seed: self.poisson.then_some(self.seed),
            pacer_tick_us: u64::try_from(TICK.as_micros())?,
            world: self.gateway.world()?,
        })
    }
}

impl EngineArgs {
    fn settings(&self) -> Result<EngineSettings> {
        Ok(EngineSettings {
            documents: self.documents,
            prepared: self.prepared,
            rounds: self.rounds.into(),
            in_flight: self.in_flight.into(),
            again: self.again,
            without_books: self.without_books,
            shape: self.shape.shape()?,
            world: self.world.world()?,
        })
    }
}
