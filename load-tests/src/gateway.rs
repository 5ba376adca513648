//! The gateway under load: the real program, in a process of its own, over a fresh data directory, with the
//! province loaded as an operator would load it.

use crate::process::Server;
use crate::target::LoopbackAddress;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tracegate::clock::Stopwatch;

/// The program's name.
const PROGRAM: &str = "tracegate";
/// The registry's files, in the order in which they are loaded.
pub const REGISTRY: &[&str] = &["institutions", "drugs"];
/// All of the province's.
pub const PROVINCE: &[&str] = &["institutions", "drugs", "purchases"];
/// Longest wait for a page.
const PAGE_SECONDS_MAX: u64 = 10;
/// How often a gateway is asked whether it is ready, and for how long at most.
const READY_LOOK_EVERY: Duration = Duration::from_millis(5);
const READY_MAX: Duration = Duration::from_secs(600);

/// The gateway's program: the one that was named, or the one beside this program.
pub fn program(named: Option<&Path>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(PROGRAM),
    };
    if path.is_file() {
        return Ok(path);
    }
    bail!(
        "there is no {}; build it with `cargo build --release --workspace`, or say where it is with --gateway",
        path.display()
    );
}

/// Where a gateway keeps its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ledger {
    /// In its data directory.
    Embedded,
    /// In a Redis of this machine; where that is empty, a deployment is made in it.
    Redis {
        /// Where.
        address: LoopbackAddress,
        /// Codes that the deployment has room for.
        plan: u64,
    },
}

/// Starts a gateway with default settings on a free port, its data in `folder`.
pub async fn start(program: &Path, folder: &Path, ledger: Ledger) -> Result<Server> {
    Server::start("gateway", serve(program, folder, ledger, "off"), folder).await
}

/// The same with its pages for those who watch it; gives their address too.
pub async fn start_watched(
    program: &Path,
    folder: &Path,
    ledger: Ledger,
) -> Result<(Server, LoopbackAddress)> {
    let mut server = Server::start("gateway", serve(program, folder, ledger, "127.0.0.1:0"), folder).await?;
    let line = server.next_line().await?;
    let (_, pages) =
        line.trim().rsplit_once("http://").with_context(|| format!("{line:?} names no pages"))?;
    Ok((server, pages.parse()?))
}

/// Waits until every part of a gateway is ready, its index with every claim among them.
pub async fn ready(server: &mut Server, pages: LoopbackAddress) -> Result<()> {
    let watch = Stopwatch::start();
    loop {
        let (status, said) = page(pages, "/ready").await?;
        if status == 200 {
            return Ok(());
        }
        server.check_alive()?;
        if watch.elapsed() > READY_MAX {
            bail!("the gateway is not ready after {} s: {}", READY_MAX.as_secs(), said.trim());
        }
        // signal: /ready is only a page; it tells nobody who does not ask.
        tokio::time::sleep(READY_LOOK_EVERY).await;
    }
}

/// One of the pages: its status, and what it says.
pub async fn page(pages: LoopbackAddress, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    let read = move || {
        let mut stream = TcpStream::connect(pages.socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(PAGE_SECONDS_MAX)))?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    };
    let text = tokio::task::spawn_blocking(read).await?.with_context(|| format!("{path} cannot be read"))?;
    parsed(&text).with_context(|| format!("{path} is no page: {text:?}"))
}

fn parsed(text: &str) -> Option<(u16, String)> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A number of the page of metrics, by its name with all its labels.
pub fn metric(metrics: &str, name: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    metrics.lines().find_map(value)
}

fn serve(program: &Path, folder: &Path, ledger: Ledger, http: &str) -> Command {
    let mut command = plain(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--http", http, "--data-dir"]).arg(folder.join("data"));
    command.env("TRACEGATE_LOG_LEVEL", "warn");
    if let Ledger::Redis { address, plan } = ledger {
        command.args(["--init-codes", &plan.to_string()]);
        command.env("TRACEGATE_STORE_URL", format!("redis://{}", address.socket()));
    }
    command
}

/// Loads the files of these kinds in `folder` into it.
pub async fn import(program: &Path, gateway: &Server, folder: &Path, kinds: &[&str]) -> Result<()> {
    for kind in kinds {
        let mut command = plain(program);
        command.args(["import", kind]).arg(folder.join(format!("{kind}.csv")));
        command.args(["--to", &gateway.address().socket().to_string()]);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.with_context(|| format!("{} cannot be run", program.display()))?;
        if !output.status.success() {
            bail!("{kind}.csv was not loaded: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

/// Runs `import sales` of a file against it, as an operator would; gives what it answers for scripts.
pub async fn import_sales(
    program: &Path,
    gateway: &Server,
    file: &Path,
    findings: bool,
) -> Result<serde_json::Value> {
    let mut command = plain(program);
    command.args(["import", "sales"]).arg(file).args(["--json", "--from-start"]);
    command.args(["--to", &gateway.address().socket().to_string()]);
    command.args(findings.then_some("--findings"));
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    let output = output.with_context(|| format!("{} cannot be run", program.display()))?;
    // Where rows were refused it answers, and fails: what it answers says more.
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::anyhow!("{} was not imported ({}): {}", file.display(), output.status, said.trim())
    })
}

/// The program with its default settings: what is set around this process is not what is measured.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRACEGATE_"))
    {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_a_metric_found_in_it() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\na_total{b=\"c\"} 1\na 2\nab 3\n";
        let (status, body) = parsed(text).unwrap();
        assert_eq!(status, 503);
        let check = |name: &str, value: Option<f64>| assert_eq!(metric(&body, name), value, "{name}");
        check("a", Some(2.0));
        check("ab", Some(3.0));
        check("a_total", None);
        check("a_total{b=\"c\"}", Some(1.0));
        check("b", None);
        assert_eq!(parsed("HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn a_missing_program_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let missing = program(Some(&folder.path().join("nothing"))).unwrap_err().to_string();
        assert!(missing.contains("cargo build --release --workspace"), "{missing}");
        assert!(missing.contains("--gateway"), "{missing}");
        let here = std::env::current_exe().unwrap();
        assert_eq!(program(Some(&here)).unwrap(), here);
    }
}
