//! The ground under a scenario: a gateway with the province loaded, and room for its data and the peer.

use super::{Numbers, Settings};
use crate::driver::CpuMeter;
use crate::gateway::{self, Ledger};
use crate::machine::{self, Disk};
use crate::peer::EmptyHandlers;
use crate::process::Server;
use crate::province::Province;
use crate::target::LoopbackAddress;
use anyhow::{Context, Result, bail};
use prost::Message;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tonic::transport::Channel;
use tracegate::config::{Config, Grpc};

/// A gateway that is ready to be measured.
#[derive(Debug)]
pub struct Ground {
    /// The gateway.
    pub gateway: Server,
    /// What is loaded.
    pub province: Arc<Province>,
    /// The disk under it.
    pub disk: Disk,
    /// Numbers of requests that were not sent yet.
    pub numbers: Numbers,
    grpc: Grpc,
    /// Last, so that it is removed when the gateway is gone.
    folder: TempDir,
}

impl Ground {
    /// Starts a gateway over a fresh data directory and loads the province. `durable`: refuses a disk that keeps
    /// nothing.
    pub async fn start(settings: &Settings, durable: bool) -> Result<Self> {
        Self::start_on(settings, durable, Ledger::Embedded).await
    }

    /// The same over any ledger that has no province yet.
    pub async fn start_on(settings: &Settings, durable: bool, ledger: Ledger) -> Result<Self> {
        let program = settings.world.program()?;
        let (folder, disk) = settings.world.room(durable)?;
        let province = settings.world.province();
        province.write_to(folder.path())?;
        let gateway = gateway::start(&program, folder.path(), ledger).await?;
        gateway::import(&program, &gateway, folder.path(), gateway::PROVINCE).await?;
        let (province, grpc) = (Arc::new(province), Config::built_in()?.grpc);
        Ok(Self { gateway, province, disk, numbers: Numbers::default(), grpc, folder })
    }

    /// The transport settings of both servers.
    pub const fn grpc(&self) -> &Grpc {
        &self.grpc
    }

    /// One connection to the gateway, outside of any phase.
    pub async fn channel(&self) -> Result<Channel> {
        let channels = self.gateway.address().connect(1, &self.grpc).await?;
        channels.into_iter().next().context("a connection")
    }

    /// Starts the empty server, in a process of its own, with these answers.
    pub async fn start_peer(&self, handlers: &EmptyHandlers) -> Result<Server> {
        let mut command = peer_command()?;
        for (option, answer) in
            [("--check-answer", &handlers.check), ("--dispense-answer", &handlers.dispense)]
        {
            let path = self.folder.path().join(option.trim_start_matches('-'));
            std::fs::write(&path, answer.encode_to_vec()).with_context(|| path.display().to_string())?;
            command.arg(option).arg(path);
        }
        Server::start("peer", command, self.folder.path()).await
    }

    /// Starts the bare server over a Redis, in a process of its own.
    pub async fn start_bare_peer(&self, redis: LoopbackAddress) -> Result<Server> {
        let mut command = peer_command()?;
        command.args(["--redis", &redis.socket().to_string()]);
        Server::start("bare peer", command, self.folder.path()).await
    }

    /// Where the province's files lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// This program as a peer on a free port.
fn peer_command() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["peer", "--listen", "127.0.0.1:0"]);
    Ok(command)
}

/// A folder for the time of a run, in the one that was named or beside this program, and the disk under it.
/// `durable`: refuses a disk that keeps nothing.
pub(super) fn room(named: Option<&Path>, durable: bool) -> Result<(TempDir, Disk)> {
    let parent = match named {
        Some(dir) => dir.to_owned(),
        None => std::env::current_exe()?.with_file_name(""),
    };
    let folder = tempfile::Builder::new()
        .prefix("load-")
        .tempdir_in(&parent)
        .with_context(|| format!("{} cannot be written; name a folder with --data-dir", parent.display()))?;
    let disk = machine::disk(folder.path())?;
    if durable && !disk.is_durable() {
        bail!(
            "{} lies in memory ({}), where nothing is durable; name a folder on a disk with --data-dir",
            parent.display(),
            disk.file_system
        );
    }
    Ok((folder, disk))
}

/// Reads the processor time of a server.
pub(super) fn meter(server: &Server) -> CpuMeter {
    CpuMeter { server_pid: server.pid() }
}
