//! A server as a process of its own: started on a free port, watched, and killed when dropped. Must not know what
//! it serves.

use crate::driver::cpu_of;
use crate::target::LoopbackAddress;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;
use tracegate::clock::Stopwatch;

/// Longest start.
const START_SECONDS_MAX: u64 = 60;
/// Bytes of a server's log that are shown when it fails.
const LOG_SHOWN_BYTES: usize = 2000;
/// How often a server is looked at while it calms down, and for how long at most.
const CALM_LOOK: Duration = Duration::from_millis(200);
const CALM_LOOKS_MAX: usize = 50;
/// Less work than this between two looks is calm.
const CALM_CPU: Duration = Duration::from_millis(20);
/// Longest end after it was asked for, and how often it is looked at.
const END_SECONDS_MAX: u64 = 120;
const END_LOOK: Duration = Duration::from_millis(20);

/// A running server.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Running,
    address: LoopbackAddress,
    log: PathBuf,
    /// Held open: a server may say more. `None` where reading it has failed.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts one whose first line on standard output ends with `listens on ADDRESS`. Its standard error goes to a
    /// file in `folder`. Its standard input stays open for as long as this process lives.
    pub async fn start(name: &'static str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let errors = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let program = command.get_program().to_owned();
        let mut child = Running(command.spawn().with_context(|| format!("{program:?} cannot be started"))?);
        let stdout = child.0.stdout.take().context("standard output is piped")?;
        let (stdout, line) = next_line(name, BufReader::new(stdout), &log).await?;
        let Some((_, address)) = line.trim().rsplit_once("listens on ") else {
            bail!("the {name} did not start: {line:?}; {}", tail(&log));
        };
        let address = address.parse()?;
        Ok(Self { name, child, address, log, stdout: Some(stdout) })
    }

    /// The next line that it says.
    pub async fn next_line(&mut self) -> Result<String> {
        let stdout = self.stdout.take().context("standard output could not be read before")?;
        let (stdout, line) = next_line(self.name, stdout, &self.log).await?;
        self.stdout = Some(stdout);
        Ok(line)
    }

    /// Where it listens.
    pub const fn address(&self) -> LoopbackAddress {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// An error with what the server said last, if it is gone.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the {} ended ({status}); {}", self.name, tail(&self.log)),
        }
    }

    /// Waits until it has nothing left to do from the phase before, ten seconds at most.
    pub async fn calm(&self) -> Result<()> {
        calm(self.pid(), 1, CALM_LOOKS_MAX).await.map(drop)
    }

    /// Asks it to end, as an operator would, and waits until it has; an error where it did not end well.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, Signal::TERM).with_context(|| format!("the {} cannot be stopped", self.name))?;
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(END_SECONDS_MAX) {
            match self.child.0.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the {} ended badly ({status}); {}", self.name, tail(&self.log)),
                // signal: none; a child that ends tells nobody who does not wait for it alone.
                None => tokio::time::sleep(END_LOOK).await,
            }
        }
        bail!("the {} does not end; {}", self.name, tail(&self.log))
    }
}

/// Waits until a process has had nothing to do for so many looks in a row, five of them in a second; false where it
/// never was.
pub async fn calm(pid: u32, calm_looks: usize, looks_max: usize) -> Result<bool> {
    let (mut before, mut calm) = (cpu_of(pid)?, 0);
    for _ in 0..looks_max {
        // signal: none; how busy a process is can only be looked at twice.
        tokio::time::sleep(CALM_LOOK).await;
        let now = cpu_of(pid)?;
        calm = if now.saturating_sub(before) < CALM_CPU { calm + 1 } else { 0 };
        if calm >= calm_looks {
            return Ok(true);
        }
        before = now;
    }
    Ok(false)
}

async fn next_line(
    name: &str,
    mut stdout: BufReader<ChildStdout>,
    log: &Path,
) -> Result<(BufReader<ChildStdout>, String)> {
    let read = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).map(|_| (stdout, line))
    });
    let read = timeout(Duration::from_secs(START_SECONDS_MAX), read).await;
    Ok(read.with_context(|| format!("the {name} says nothing; {}", tail(log)))???)
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(crate) struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a server wrote to its log last.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let least = text.len().saturating_sub(LOG_SHOWN_BYTES);
    let from = (least..=text.len()).find(|at| text.is_char_boundary(*at));
    match from.and_then(|from| text.get(from..)).map(str::trim).filter(|said| !said.is_empty()) {
        Some(said) => format!("it said: {said}"),
        None => "it said nothing".to_owned(),
    }
}
