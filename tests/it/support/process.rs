//! A gateway as a process of its own, to be killed and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tracegate");

/// A running gateway; killed when dropped.
pub struct GatewayProcess {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// Where `/live`, `/ready` and `/metrics` are served.
    pub pages: String,
    stderr: Option<ChildStderr>,
}

impl GatewayProcess {
    /// Starts one on a free port, without HTTP, and waits until it listens.
    pub fn start(data_dir: &Path, env: &[(&str, &str)]) -> Self {
        Self::start_with_http(data_dir, "off", env)
    }

    /// Starts one of a fleet, with its own data directory beside the ledger in Redis.
    pub fn start_in_fleet(data_dir: &Path, url: &str, env: &[(&str, &str)]) -> Self {
        let env: Vec<_> = env.iter().copied().chain([("TRACEGATE_STORE_URL", url)]).collect();
        Self::start_with_args(data_dir, &["--http", "off", "--init-codes", "100000"], &env)
    }

    /// Starts one with HTTP on an address, `off` = nowhere.
    pub fn start_with_http(data_dir: &Path, http: &str, env: &[(&str, &str)]) -> Self {
        Self::start_with_args(data_dir, &["--http", http], env)
    }

    /// Starts one with arguments of `serve`; the second one says whether it serves HTTP.
    pub fn start_with_args(data_dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let http = args.get(1).copied().unwrap_or("off");
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .arg("--data-dir")
            .arg(data_dir)
            .env("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "1")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (mut line, mut pages) = (String::new(), String::new());
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("stdout can be read");
        if http != "off" {
            stdout.read_line(&mut pages).expect("stdout can be read");
        }
        let mut stderr = child.stderr.take();
        let Some(address) = line.trim().strip_prefix("tracegate listens on ") else {
            let mut said = String::new();
            if let Some(stderr) = &mut stderr {
                stderr.read_to_string(&mut said).expect("stderr can be read");
            }
            panic!("the gateway did not start: {line:?} {said}");
        };
        let pages = pages.trim().rsplit("http://").next().unwrap_or_default().to_owned();
        Self { address: address.to_owned(), pages, child, stderr }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill can be run").success(), "signal {name} was sent");
    }

    /// kill -9, and waits for the end.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Waits for its end; gives its exit status and what it said on standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr.read_to_string(&mut said).expect("stderr can be read");
        }
        (self.child.wait().expect("the process ends"), said)
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One page over plain HTTP: its status line and body.
pub fn page(address: &str, path: &str) -> (String, String) {
    let mut stream = std::net::TcpStream::connect(address).expect("the port answers");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// Runs the program against a gateway; gives whether it succeeded, and what it said.
pub async fn run(args: &[&str], address: &str) -> (bool, String) {
    let mut args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    args.extend(["--gateway".to_owned(), address.to_owned()]);
    let output = tokio::task::spawn_blocking(move || Command::new(PROGRAM).args(&args).output());
    let output = output.await.expect("the run ends").expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs the program against a gateway, which must succeed and say every part.
pub async fn says(args: &[&str], address: &str, parts: &[&str]) -> String {
    let (ok, said) = run(args, address).await;
    assert!(ok, "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{part} in {args:?}: {said}");
    }
    said
}
