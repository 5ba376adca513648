//! `serve`: runs a gateway until it is told to stop.

use super::show::say;
use crate::app::Gateway;
use crate::clock::SystemClock;
use crate::config::{Access, Config, DEFAULTS};
use crate::telemetry;
use anyhow::{Context, Result, anyhow, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate serve
  tracegate serve --listen 127.0.0.1:6000 --data-dir /var/lib/tracegate
  tracegate serve --config guarded.toml --listen 10.0.0.5:50051
  tracegate serve --listen 10.0.0.5:50051 --insecure
  TRACEGATE_STORE_URL=redis://127.0.0.1:6379 tracegate serve --init-codes 10000000
  TRACEGATE_LOG_FORMAT=json tracegate serve --config tracegate.toml

SIGTERM or Ctrl-C finishes what is in flight within shutdown.drain_seconds_max; a second one ends at once.
SIGHUP reads the policy files again, as `tracegate policy reload` does, and the certificates; a bad file leaves the old
in force.

Where access.required is set, the data directory holds operator.key, made anew at each start: it makes whoever reads it
the operator on this machine, for instance to make the first keys (`tracegate keys create --help`).")]
pub(super) struct Args {
    /// Settings over the defaults (TOML); `tracegate check-config` shows them all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, instead of grpc.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to serve /live, /ready and /metrics, instead of http.listen; `off` = nowhere.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Where to keep the data, instead of store.data_dir.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Listen where others than this machine can reach it, though callers are believed what they say they are or speak
    /// without TLS: only behind a proxy that checks them, in a network of its own.
    #[arg(long)]
    insecure: bool,
    /// Makes a deployment in an empty Redis that has room for so many codes; changes nothing where one stands.
    #[arg(long, value_name = "CODES")]
    init_codes: Option<u64>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut config = Config::load(args.config.as_deref())?;
    config.grpc.listen = args.listen.unwrap_or(config.grpc.listen);
    config.http_listen = match args.http.as_deref() {
        None => config.http_listen,
        Some("off") => None,
        Some(text) => Some(text.parse().with_context(|| format!("--http {text:?} is no address with port"))?),
    };
    config.data_dir = args.data_dir.unwrap_or(config.data_dir);
    check_reach(config.grpc.listen, &config.access, args.insecure)?;
    match (&mut config.redis, args.init_codes) {
        (Some(redis), codes) => redis.init_codes = codes,
        (None, Some(_)) => bail!("--init-codes is for a store in Redis; set store.url (TRACEGATE_STORE_URL)"),
        (None, None) => {}
    }
    let traces =
        telemetry::start_log(&config.log.level, config.log.json, &config.traces).map_err(|e| anyhow!(e))?;
    let mut signals = Signals::new()?;
    let gateway = Gateway::start(&config, Arc::new(SystemClock)).await?;
    announce(&gateway);
    warn_if_reachable(gateway.address(), &config.access);
    while signals.next().await == Told::ReadPolicy {
        gateway.reload_policy().await;
        gateway.reload_certificates();
    }
    gateway.stop(async { while signals.next().await == Told::ReadPolicy {} }).await;
    traces.flush().await;
    Ok(())
}

/// What an address that others can reach lacks.
fn lacks(access: &Access) -> Option<&'static str> {
    match (access.tls.is_some(), access.required) {
        (true, true) => None,
        (false, true) => Some("has no TLS: whoever listens in reads everything, keys too"),
        (true, false) => Some("believes callers what they say they are"),
        (false, false) => Some("has no TLS and believes callers what they say they are"),
    }
}

/// Refuses an address that others can reach, where it is not guarded.
fn check_reach(address: SocketAddr, access: &Access, insecure: bool) -> Result<()> {
    match lacks(access) {
        Some(lacks) if !address.ip().to_canonical().is_loopback() && !insecure => bail!(
            "grpc.listen is {address}, which others than this machine can reach, and this gateway {lacks}. Set \
             tls.certificate, tls.key and access.required (docs/access.md), or listen on 127.0.0.1 behind a proxy that \
             checks callers, or say --insecure where the network lets nobody but that proxy through"
        ),
        Some(_) | None => Ok(()),
    }
}

/// In every banner: whoever reads the log must not take this gateway for a guarded one.
fn warn_if_reachable(address: SocketAddr, access: &Access) {
    if let Some(lacks) = lacks(access).filter(|_| !address.ip().to_canonical().is_loopback()) {
        tracing::warn!(%address, "--insecure: this gateway {lacks}");
        eprintln!("WARNING --insecure: this gateway {lacks} ({address})");
    }
}

/// Says where it listens. Nobody has to read it: a closed standard output must not end the gateway.
fn announce(gateway: &Gateway) {
    let mut out = std::io::stdout().lock();
    let pages = gateway.http_address().map(|at| format!("/live, /ready and /metrics on http://{at}\n"));
    let said = write!(out, "tracegate listens on {}\n{}", gateway.address(), pages.unwrap_or_default());
    if let Err(error) = said.and_then(|()| out.flush()) {
        tracing::debug!(%error, "standard output is closed");
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    ReadPolicy,
}

/// SIGTERM and Ctrl-C stop; SIGHUP reads the policy files again.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::ReadPolicy,
        }
    }
}

/// Prints the settings in force, or every mistake.
pub(super) fn check_config(file: Option<&Path>) -> Result<()> {
    let config = Config::load(file)?;
    say("# the defaults, each with a word on it")?;
    say(DEFAULTS)?;
    say("# in force after file and environment")?;
    say(format!("{config:#?}"))?;
    Ok(())
}
