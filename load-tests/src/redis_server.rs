//! A `redis-server` of this run's own: a process on a free port, set up as a gateway demands it, killed when dropped.
//! Must not know what is kept in it.

use crate::process::{Running, tail};
use crate::target::LoopbackAddress;
use anyhow::{Context, Result, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// The program's name.
const PROGRAM: &str = "redis-server";
const MISSING: &str = "redis-server is missing: install Redis 7.0 or newer (apt-get install redis-server), or name its folder in PATH";
/// What a gateway demands, but for when it syncs. No file is rewritten while it runs: that work would fall into one
/// phase and not into the one beside it.
const SETTINGS: [(&str, &str); 8] = [
    ("bind", "127.0.0.1"),
    ("appendonly", "yes"),
    ("maxmemory-policy", "noeviction"),
    ("save", ""),
    ("hash-max-listpack-entries", "4096"),
    ("hash-max-listpack-value", "512"),
    ("auto-aof-rewrite-percentage", "0"),
    ("daemonize", "no"),
];
/// Longest start, and how often it is asked whether it answers.
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Another program may take a port between its being found free and the server's taking it.
const PORTS_TRIED_MAX: usize = 10;
/// Longest wait for one answer: far more than a gateway's, so that only a dead server is given up.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// When what was written is synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AppendFsync {
    /// Once a second.
    Everysec,
    /// Before anything is answered.
    Always,
}

impl AppendFsync {
    /// As Redis calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Everysec => Self::Always,
            Self::Always => Self::Everysec,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    child: Running,
    address: LoopbackAddress,
    log: PathBuf,
    version: String,
}

impl RedisServer {
    /// Starts one that keeps its files in `folder`.
    pub async fn start(folder: &Path, fsync: AppendFsync) -> Result<Self> {
        Self::start_program(PROGRAM, folder, fsync).await
    }

    async fn start_program(program: &str, folder: &Path, fsync: AppendFsync) -> Result<Self> {
        let dir = folder.join("redis");
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        for _ in 0..PORTS_TRIED_MAX {
            let address = free_port()?;
            let log = dir.join("server.log");
            let child = spawn(program, &dir, &log, address, fsync)?;
            let mut server = Self { child, address, log, version: String::new() };
            if let Some(version) = server.until_it_answers().await? {
                server.version = version;
                return Ok(server);
            }
        }
        bail!("{PORTS_TRIED_MAX} ports that were free were taken before {program} listened on them")
    }

    /// Its version, once it answers; `None` where somebody else took its port.
    async fn until_it_answers(&mut self) -> Result<Option<String>> {
        let watch = Stopwatch::start();
        loop {
            if let Some(status) = self.child.0.try_wait()? {
                let said = tail(&self.log);
                if said.contains("ddress already in use") {
                    return Ok(None);
                }
                bail!("{PROGRAM} did not start ({status}); {said}");
            }
            // Whoever answers on this port must be the process that was started here.
            if let Ok(info) = self.info("server").await
                && number_of(&info, "process_id") == Some(self.pid().into())
            {
                let version = value_of(&info, "redis_version").unwrap_or("unknown").to_owned();
                return Ok(Some(version));
            }
            if watch.elapsed() > START_MAX {
                bail!("{PROGRAM} does not answer after {} s; {}", START_MAX.as_secs(), tail(&self.log));
            }
            // signal: none; a server that takes connections from now on tells nobody who does not ask.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> LoopbackAddress {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// As it names its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// An error with what it said last, if it is gone.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{PROGRAM} ended ({status}); {}", tail(&self.log)),
        }
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        connect(self.address, 0).await
    }

    /// Changes when it syncs, from now on.
    pub async fn set_fsync(&self, fsync: AppendFsync) -> Result<()> {
        let mut connection = self.connect().await?;
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("appendfsync").arg(fsync.name());
        Ok(set.query_async(&mut connection).await?)
    }

    /// Memory that it has allocated, in bytes.
    pub async fn used_memory(&self) -> Result<u64> {
        let info = self.info("memory").await?;
        number_of(&info, "used_memory").context("INFO memory names no used_memory")
    }

    async fn info(&self, section: &str) -> Result<String> {
        let mut connection = self.connect().await?;
        Ok(redis::cmd("INFO").arg(section).query_async(&mut connection).await?)
    }
}

/// A connection to a database of a server on this machine.
pub async fn connect(address: LoopbackAddress, database: u32) -> Result<MultiplexedConnection> {
    let client = Client::open(format!("redis://{}/{database}", address.socket()))?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_MAX))
        .set_response_timeout(Some(ANSWER_MAX));
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

fn spawn(
    program: &str,
    dir: &Path,
    log: &Path,
    address: LoopbackAddress,
    fsync: AppendFsync,
) -> Result<Running> {
    let said = File::create(log).with_context(|| log.display().to_string())?;
    let mut command = Command::new(program);
    command.arg("--dir").arg(dir).args(["--port", &address.socket().port().to_string()]);
    command.args(["--appendfsync", fsync.name()]);
    for (name, value) in SETTINGS {
        command.arg(format!("--{name}")).arg(value);
    }
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    match command.spawn() {
        Ok(child) => Ok(Running(child)),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(MISSING),
        Err(error) => Err(error).with_context(|| format!("{program} cannot be run")),
    }
}

fn free_port() -> Result<LoopbackAddress> {
    let free = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(LoopbackAddress::try_from(free.local_addr()?)?)
}

/// A value of what INFO says.
fn value_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn number_of(info: &str, name: &str) -> Option<u64> {
    value_of(info, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_name() {
        let info = "# Memory\r\nused_memory:123\r\nused_memory_human:1M\r\nredis_version:7.0.15\r\n";
        assert_eq!(number_of(info, "used_memory"), Some(123));
        assert_eq!(value_of(info, "redis_version"), Some("7.0.15"));
        assert_eq!(number_of(info, "used"), None);
        assert_eq!(number_of(info, "used_memory_human"), None);
    }

    #[tokio::test]
    async fn a_missing_program_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let started =
            RedisServer::start_program("no-such-redis-server", folder.path(), AppendFsync::Everysec);
        let said = started.await.unwrap_err().to_string();
        assert!(said.contains("apt-get install redis-server"), "{said}");
    }

    #[tokio::test]
    async fn a_server_has_what_a_gateway_demands_and_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = RedisServer::start(folder.path(), AppendFsync::Always).await.unwrap();
        let mut connection = server.connect().await.unwrap();
        let mut setting = async |name: &str| {
            let mut get = redis::cmd("CONFIG");
            get.arg("GET").arg(name);
            let (_, value): (String, String) = get.query_async(&mut connection).await.unwrap();
            value
        };
        for (name, value) in SETTINGS {
            assert_eq!(setting(name).await, value, "{name}");
        }
        assert_eq!(setting("appendfsync").await, "always");
        server.set_fsync(AppendFsync::Always.other()).await.unwrap();
        assert_eq!(setting("appendfsync").await, "everysec");
        assert!(server.used_memory().await.unwrap() > 100_000);
        assert!(!server.version().is_empty());
        server.check_alive().unwrap();
        let process = PathBuf::from(format!("/proc/{}", server.pid()));
        assert!(process.is_dir());
        drop(server);
        assert!(!process.exists(), "it is gone");
    }
}
