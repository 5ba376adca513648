//! What `deploy/` holds is what it says: gateways read the samples, real Redis servers run with theirs and are taken by
//! a gateway, and the scripts start and stop what they promise.

use crate::acceptance::on_redis::options;
use crate::redis::guards::{Heard, open};
use crate::support::process::{PROGRAM, page};
use crate::support::redis::ports::Port;
use crate::support::redis::{RedisCluster, RedisServer};
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tracegate::config::Config;

/// What a close of the store takes at most, after the drain.
const CLOSE_MAX: Duration = Duration::from_secs(5);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap()
}

fn names(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(deploy().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn a_gateway_reads_every_sample() {
    let rows = [
        ("embedded.toml", "redis: None"),
        ("guarded.toml", "required: true"),
        ("redis.toml", "address: redis://…"),
        ("redis-cluster.toml", "address: redis-cluster://…"),
    ];
    assert_eq!(names("config"), rows.map(|(name, _)| name.to_owned()).into());
    for (name, expected) in rows {
        let mut check = Command::new(PROGRAM);
        check.args(["check-config", "--config"]).arg(deploy().join("config").join(name));
        let output = check.output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        assert!(said(&output).contains(expected), "{name} lacks {expected}: {}", said(&output));
    }
}

/// Lines that set something and have no comment above them.
fn bare_lines(text: &str) -> Vec<&str> {
    let (mut bare, mut above) = (Vec::new(), "");
    for line in text.lines() {
        let sets = !line.is_empty() && !line.starts_with(['#', '[']);
        bare.extend((sets && !above.starts_with('#')).then_some(line));
        above = line;
    }
    bare
}

#[test]
fn every_setting_of_a_sample_has_a_word_above_it() {
    for dir in ["config", "redis"] {
        for name in names(dir) {
            // Listeners and log lines say what they are.
            assert_eq!(bare_lines(&read(&format!("{dir}/{name}"))), Vec::<&str>::new(), "{dir}/{name}");
        }
    }
    assert_eq!(bare_lines("# Why.\nport 1\nbind x\n\n[section]\nname = 1"), ["bind x", "name = 1"]);
}

/// The settings of a sample, but for those that say where this one server is.
fn settings(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs.filter(|(name, _)| !matches!(*name, "port" | "bind" | "dir")).collect()
}

fn warnings(heard: &Heard) -> Vec<&str> {
    heard.log.lines().filter(|line| line.contains("WARN")).collect()
}

#[tokio::test]
async fn a_gateway_takes_a_redis_with_the_settings_of_the_samples() {
    assert_eq!(names("redis"), ["redis-cluster.conf", "redis.conf"].map(str::to_owned).into());
    let text = read("redis/redis.conf");
    let server = RedisServer::start_with(&settings(&text));
    let heard = open(&options(&server.url())).await;
    assert_eq!(heard.refused, Vec::new());
    let warned = warnings(&heard);
    assert!(warned.len() == 1 && warned[0].contains("no replica follows it"), "{warned:?}");

    let text = read("redis/redis-cluster.conf");
    let cluster = RedisCluster::start_with(true, &settings(&text));
    let heard = open(&options(&cluster.url())).await;
    assert_eq!(heard.refused, Vec::new());
    assert_eq!(warnings(&heard), Vec::<&str>::new());
}

#[test]
fn scripts_are_whole() {
    for name in names("scripts") {
        let path = deploy().join("scripts").join(&name);
        let output = Command::new("bash").arg("-n").arg(&path).output().expect("bash is there");
        assert!(output.status.success(), "{}", said(&output));
        let text = fs::read_to_string(&path).unwrap();
        let strict = text.contains("set -euo pipefail") || text.contains("/common.sh\"");
        assert!(text.starts_with("#!/usr/bin/env bash\n") && strict, "{name}");
        assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0, "{name} can be run");
    }
}

/// What a script started; stopped at the end, whatever happened.
struct Started {
    script: PathBuf,
    dir: tempfile::TempDir,
    options: Vec<String>,
    _ports: Vec<Port>,
}

impl Started {
    /// `ports` = options with how many ports in a row each needs.
    fn new(script: &str, ports: &[(&str, u16)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = vec!["--tracegate".to_owned(), PROGRAM.to_owned(), "--dir".to_owned()];
        options.push(dir.path().join("with a space").to_str().unwrap().to_owned());
        let mut held = Vec::new();
        for (option, count) in ports {
            let row = Port::row(*count);
            options.extend([(*option).to_owned(), row[0].number.to_string()]);
            held.extend(row);
        }
        Self { script: deploy().join("scripts").join(script), dir, options, _ports: held }
    }

    fn run(&self, what: &str, more: &[&str]) -> Output {
        let mut run = Command::new(&self.script);
        // With room to spare for a disk that others fill at the same time.
        run.env("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "1");
        run.arg(what).args(&self.options).args(more).output().expect("the script runs")
    }

    #[track_caller]
    fn succeeds(&self, what: &str, more: &[&str]) -> String {
        let output = self.run(what, more);
        assert!(output.status.success(), "{what}: {}", said(&output));
        said(&output)
    }

    fn pid(&self, name: &str) -> String {
        let path = self.dir.path().join("with a space").join(name).join("pid");
        fs::read_to_string(path).unwrap().trim().to_owned()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.run("stop", &[]));
    }
}

/// The pages that a start names.
fn pages(told: &str) -> Vec<String> {
    let address = Regex::new(r"pages are on http://(127\.0\.0\.1:\d+)").unwrap();
    address.captures_iter(told).map(|found| found[1].to_owned()).collect()
}

#[test]
fn a_script_starts_a_gateway_over_a_redis() {
    let ports = [("--grpc-port", 1), ("--http-port", 1), ("--redis-port", 1)];
    let started = Started::new("gateway-redis.sh", &ports);
    let refused = started.run("start", &[]);
    assert!(!refused.status.success(), "an empty Redis is filled only where that is asked for");
    assert!(said(&refused).contains("--init-codes"), "{}", said(&refused));
    let told = started.succeeds("start", &["--init-codes", "1000"]);
    let at = pages(&told);
    assert!(at.len() == 1 && page(&at[0], "/ready").0.contains("200"), "{told}");
    assert!(started.succeeds("status", &[]).contains("/ready HTTP/1.1 200 OK"));
    started.succeeds("stop", &[]);
    let status = started.run("status", &[]);
    assert!(!status.status.success() && said(&status).matches("down").count() == 2, "{}", said(&status));
    // The deployment is still there, and so is the option's meaning.
    started.succeeds("start", &[]);
    assert!(said(&started.run("start", &["--redis-prot", "1"])).contains("--redis-prot is no option"));
}

#[test]
fn a_script_starts_a_fleet_over_a_cluster() {
    let ports = [("--grpc-port", 3), ("--http-port", 3), ("--redis-port", 12)];
    let started = Started::new("fleet.sh", &ports);
    let told = started.succeeds("start", &["--init-codes", "1000"]);
    let all = pages(&told);
    assert!(all.len() == 3 && all.iter().all(|at| page(at, "/ready").0.contains("200")), "{told}");
    let status = started.succeeds("status", &[]);
    let nodes = ["role:master cluster_state:ok", "role:slave cluster_state:ok", "/ready HTTP/1.1 200 OK"];
    assert_eq!(nodes.map(|words| status.matches(words).count()), [3, 3, 3], "{status}");
    // What was killed comes back, what runs stays.
    let before = ["gateway-1", "gateway-2", "redis-5"].map(|name| started.pid(name));
    for pid in &before[1..] {
        assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
        // A dead process has no command line.
        while fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            // signal: the system tells nobody but its parent when a process is gone.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(!started.run("status", &[]).status.success());
    started.succeeds("start", &[]);
    let after = ["gateway-1", "gateway-2", "redis-5"].map(|name| started.pid(name));
    assert_eq!(before[0], after[0]);
    assert!(before[1] != after[1] && before[2] != after[2], "{before:?} {after:?}");
    started.succeeds("status", &[]);
    started.succeeds("stop", &[]);
    assert_eq!(said(&started.run("status", &[])).matches("down").count(), 9);
}

#[test]
fn compose_files_listen_on_loopback_and_name_what_is_there() {
    let port = Regex::new(r#""([^"\s]*:\d+:\d+)""#).unwrap();
    let image = Regex::new(r"(?m)^\s+image: (\S+)$").unwrap();
    let file = Regex::new(r#"\.\./[\w./-]+"#).unwrap();
    let grace = Regex::new(r"stop_grace_period: (\d+)s").unwrap();
    for name in ["gateway-redis.yml", "fleet.yml"] {
        let text = read(&format!("compose/{name}"));
        let ports: Vec<_> = port.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        let local = ports.iter().all(|port| port.starts_with("127.0.0.1:"));
        assert!(ports.len() >= 2 && local, "{name}: {ports:?}");
        let images = image.captures_iter(&text).map(|found| found[1].to_owned());
        let images: Vec<_> = images.filter(|image| image != "tracegate-fleet-gateway").collect();
        let pinned =
            |image: &String| image.rsplit_once(':').is_some_and(|(_, tag)| tag.matches('.').count() == 2);
        assert!(!images.is_empty() && images.iter().all(pinned), "{name}: {images:?}");
        for path in file.find_iter(&text) {
            let path = path.as_str();
            assert!(deploy().join("compose").join(path).exists(), "{name} names {path}");
        }
        // What a container is given to end: more than a gateway takes.
        let least = Config::built_in().unwrap().drain_max + CLOSE_MAX;
        let graces = grace.captures_iter(&text).map(|found| found[1].parse().unwrap());
        assert!(graces.map(Duration::from_secs).all(|grace| grace > least), "{name}");
        // Initialised once, by whoever says so.
        assert!(text.contains("${TRACEGATE_INIT:-}") && !text.contains("serve --init-codes"), "{name}");
    }
    let balancer = read("haproxy/haproxy.cfg");
    for gateway in ["gateway-1", "gateway-2", "gateway-3"] {
        assert!(balancer.contains(&format!("server {gateway} {gateway}:50051 ")), "{gateway}");
        assert!(read("compose/fleet.yml").contains(&format!("\n  {gateway}:\n")), "{gateway}");
    }
}

#[test]
fn the_unit_gives_a_gateway_time_and_little_else() {
    let unit = read("systemd/tracegate.service");
    let of = |name: &str| {
        let lines = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let stop = Duration::from_secs(of("TimeoutStopSec")[0].parse().unwrap());
    assert!(stop > Config::built_in().unwrap().drain_max + CLOSE_MAX, "{stop:?}");
    let rows = [
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("StateDirectory", "tracegate"),
        ("StateDirectoryMode", "0700"),
        ("LimitNOFILE", "65536"),
        ("CapabilityBoundingSet", ""),
    ];
    for (name, value) in rows {
        assert_eq!(of(name), [value], "{name}");
    }
    // Never in a service: a Redis that lost its data would be filled anew.
    assert!(of("ExecStart").iter().all(|start| !start.contains("--init-codes")));
}
