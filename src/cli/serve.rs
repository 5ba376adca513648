//! `serve`: runs a gateway until it is told to stop.

use crate::app::Gateway;
use crate::clock::SystemClock;
use crate::config::{Config, DEFAULTS};
use crate::telemetry;
use anyhow::{Context, Result, anyhow};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate serve
  tracegate serve --listen 127.0.0.1:6000 --data-dir /var/lib/tracegate
  TRACEGATE_LOG_FORMAT=json tracegate serve --config tracegate.toml")]
pub(super) struct Args {
    /// Settings over the defaults (TOML); `tracegate check-config` shows them all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, instead of grpc.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to keep the data, instead of store.data_dir.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let mut config = Config::load(args.config.as_deref())?;
    config.grpc.listen = args.listen.unwrap_or(config.grpc.listen);
    config.data_dir = args.data_dir.unwrap_or(config.data_dir);
    telemetry::start(&config.log).map_err(|e| anyhow!(e))?;
    let mut signals = Signals::new()?;
    let gateway = Gateway::start(&config, Arc::new(SystemClock)).await?;
    println!("tracegate listens on {}", gateway.address());
    signals.next().await;
    gateway.stop(async { signals.next().await }).await;
    Ok(())
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Prints the settings in force, or every mistake.
pub(super) fn check_config(file: Option<&Path>) -> Result<()> {
    let config = Config::load(file)?;
    println!("# the defaults, each with a word on it");
    println!("{DEFAULTS}");
    println!("# in force after file and environment");
    println!("{config:#?}");
    Ok(())
}
