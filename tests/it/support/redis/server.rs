//! One `redis-server` process with a directory and a port of its own: killed, stopped, restarted at will.
//! What it serves (a store, a node of a cluster, a sentinel) is its caller's matter.

use super::ports::Port;
use super::wait_for;
use ::redis::{Client, Cmd, Value};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const MISSING: &str =
    "redis-server is missing: run scripts/test.sh, which installs it, or apt-get install redis-server";

/// What a gateway demands of its Redis, and what makes a test quick.
const SETTINGS: [(&str, &str); 8] = [
    ("appendonly", "yes"),
    ("appendfsync", "everysec"),
    ("maxmemory-policy", "noeviction"),
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "512"),
    ("save", ""),
    // Else a first replica waits five seconds for others to come along.
    ("repl-diskless-sync-delay", "0"),
    ("repl-ping-replica-period", "1"),
];

/// How long one command may take: longer than any pause of a busy machine, shorter than a test's patience.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
const PORTS_TRIED_MAX: usize = 20;
const CONFIGURATION: &str = "redis.conf";
const LOG: &str = "server.log";
const AOF_DIR: &str = "appendonlydir";

/// The files of a server as they were at some moment.
pub struct Snapshot(TempDir);

/// A running (or killed) server; its process and directory end when it is dropped.
pub struct RedisServer {
    child: Option<Child>,
    dir: TempDir,
    port: Port,
    bus_port: Option<Port>,
    is_sentinel: bool,
}

impl RedisServer {
    /// A server alone, as a gateway wants it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with settings that go before or beyond the usual ones.
    pub fn start_with(extra: &[(&str, &str)]) -> Self {
        Self::launch(&[&SETTINGS, extra].concat(), false, false)
    }

    /// A node for a cluster, with a bus port of its own.
    pub(super) fn start_node(extra: &[(&str, &str)]) -> Self {
        let own: &[(&str, &str)] = &[("cluster-enabled", "yes")];
        Self::launch(&[&SETTINGS, own, extra].concat(), true, false)
    }

    /// A sentinel with its settings.
    pub(super) fn start_sentinel(settings: &[(&str, &str)]) -> Self {
        Self::launch(settings, false, true)
    }

    fn launch(settings: &[(&str, &str)], has_bus: bool, is_sentinel: bool) -> Self {
        for _ in 0..PORTS_TRIED_MAX {
            let dir = TempDir::new().expect("a directory for the server");
            let (port, bus_port) = (Port::free(), has_bus.then(Port::free));
            let mut server = Self { child: None, dir, port, bus_port, is_sentinel };
            server.write_configuration(settings);
            if server.spawn_and_wait() {
                return server;
            }
        }
        panic!("{PORTS_TRIED_MAX} ports that were free were taken before redis-server listened on them");
    }

    /// A file, because Redis itself writes into it: a sentinel what it learns, a replica whom it follows now.
    fn write_configuration(&self, settings: &[(&str, &str)]) {
        let mut text = format!("port {}\nbind 127.0.0.1\ndir {:?}\n", self.port(), self.dir());
        if let Some(bus) = &self.bus_port {
            text += &format!("cluster-port {}\n", bus.number);
        }
        for (key, value) in settings {
            let value = if value.is_empty() { "\"\"" } else { value };
            text += &format!("{key} {value}\n");
        }
        fs::write(self.dir().join(CONFIGURATION), text).expect("the configuration can be written");
    }

    /// Starts the process and waits until it answers; false if somebody else took its port.
    fn spawn_and_wait(&mut self) -> bool {
        let log = OpenOptions::new().create(true).append(true).open(self.dir().join(LOG));
        let log = log.expect("the log can be written");
        let log_before = self.log().len();
        let mut command = Command::new("redis-server");
        command.arg(self.dir().join(CONFIGURATION));
        if self.is_sentinel {
            command.arg("--sentinel");
        }
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log has a second handle")).stderr(log);
        self.child = match command.spawn() {
            Ok(child) => Some(child),
            Err(e) if e.kind() == ErrorKind::NotFound => panic!("{MISSING}"),
            Err(e) => panic!("redis-server cannot be run: {e}"),
        };
        self.wait_until_ready(log_before)
    }

    fn wait_until_ready(&mut self, log_before: usize) -> bool {
        let what = format!("redis-server at {} answers PING", self.url());
        wait_for(&what, || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("a child has a state"));
            if let Some(status) = ended {
                self.child = None;
                let log = self.log();
                let fresh = log.get(log_before..).unwrap_or(&log);
                if fresh.contains("ddress already in use") {
                    return Ok(false);
                }
                panic!("redis-server did not start ({status}). The end of its log:\n{}", tail(fresh));
            }
            // Whoever answers on this port must be the process that was started here.
            let pid = self.child.as_ref().map_or(0, Child::id);
            let answer = self.try_command(&["PING"]).and_then(|_| self.try_command(&["INFO", "server"]));
            match answer {
                Ok(info) if info.contains(&format!("process_id:{pid}\r\n")) => Ok(true),
                Ok(other) | Err(other) => Err(format!("{other}; the end of its log:\n{}", tail(&self.log()))),
            }
        })
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Host and port, as a proxy's target.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its port on 127.0.0.1; stays its own while it is down.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The port on which the nodes of a cluster talk to each other.
    pub(super) fn bus_port(&self) -> u16 {
        self.bus_port.as_ref().map_or(0, |bus| bus.number)
    }

    /// Where its files lie.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        fs::read(self.dir().join(LOG)).map_or_else(|_| String::new(), |b| String::from_utf8_lossy(&b).into())
    }

    /// Whether it was started and not killed since; a stopped process counts as running.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// kill -9, and waits for the end. Harmless when it is down.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the server ends");
        }
    }

    /// Sends a signal: `STOP`, `CONT`, `TERM`, …
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("a server that runs");
        let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        assert!(sent.expect("kill can be run").success(), "signal {name} was sent");
    }

    /// Starts it again on the same port with the files that are there; kills it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn_and_wait(), "port {} was taken while its server was down", self.port());
    }

    /// Changes a setting, now and for every restart.
    pub fn configure(&self, key: &str, value: &str) {
        assert_eq!(self.command(&["CONFIG", "SET", key, value]), "OK");
        assert_eq!(self.command(&["CONFIG", "REWRITE"]), "OK");
    }

    /// Runs one command on a connection of its own. A list has one element a line, nil is empty.
    #[track_caller]
    pub fn command(&self, parts: &[&str]) -> String {
        match self.try_command(parts) {
            Ok(answer) => answer,
            Err(error) => panic!("{parts:?} at {}: {error}", self.url()),
        }
    }

    /// The same where the server may be down, stopped, or of another opinion.
    pub fn try_command(&self, parts: &[&str]) -> Result<String, String> {
        let mut command = Cmd::new();
        command.arg(parts);
        let ask = || {
            let client = Client::open(self.url())?;
            let mut connection = client.get_connection_with_timeout(COMMAND_TIMEOUT)?;
            connection.set_read_timeout(Some(COMMAND_TIMEOUT))?;
            connection.set_write_timeout(Some(COMMAND_TIMEOUT))?;
            command.query::<Value>(&mut connection)
        };
        ask().map(text).map_err(|e| e.to_string())
    }

    /// Copies what it has appended so far; it may run.
    pub fn save_files(&self) -> Snapshot {
        let manifest = || fs::read(self.dir().join(AOF_DIR).join("appendonly.aof.manifest")).ok();
        loop {
            let before = manifest();
            assert!(before.is_some(), "{} keeps no append-only files", self.url());
            let snapshot = Snapshot(TempDir::new().expect("a directory for the copy"));
            let copied = copy_files(&self.dir().join(AOF_DIR), snapshot.0.path());
            // A rewrite in between replaces the files: the copy would mix old and new.
            if manifest() == before {
                copied.expect("the files can be copied");
                return snapshot;
            }
        }
    }

    /// Puts old files in the place of its own, for a restart from them. It must be down.
    pub fn restore_files(&self, old: &Snapshot) {
        self.wipe_files();
        let dir = self.dir().join(AOF_DIR);
        fs::create_dir(&dir)
            .and_then(|()| copy_files(old.0.path(), &dir))
            .expect("the files can be put back");
    }

    /// Removes what it has kept, for a restart with nothing. It must be down.
    pub fn wipe_files(&self) {
        assert!(!self.is_running(), "files are exchanged under a server that is down");
        let dir = self.dir().join(AOF_DIR);
        assert!(dir.is_dir(), "{} keeps no append-only files", self.url());
        fs::remove_dir_all(dir).expect("the files can be removed");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn text(value: Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) => text,
        Value::Okay => "OK".to_owned(),
        Value::Array(items) => items.into_iter().map(text).collect::<Vec<_>>().join("\n"),
        other => format!("{other:?}"),
    }
}
