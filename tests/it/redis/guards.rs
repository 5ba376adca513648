//! A gateway refuses a Redis that would forget sales, and says what to write. Real servers, each with its mistake.

use crate::acceptance::on_redis::options;
use crate::support::eventually;
use crate::support::redis::{RedisCluster, RedisSentinel, RedisServer};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use tracegate::clock::{Clock, SystemClock};
use tracegate::store::Store;
use tracegate::store::redis::{OpenError, Problem, RedisOptions, RedisStore, Severity};
use tracing_subscriber::fmt::MakeWriter;

/// Memory has an end that Redis itself sees.
const BOUNDED: [(&str, &str); 1] = [("maxmemory", "100mb")];

/// What a gateway said when it opened a Redis.
pub struct Heard {
    pub refused: Vec<Problem>,
    pub log: String,
}

/// Keeps log lines for a look at them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Opens and closes it once; anything but the guards' refusal ends the test.
pub async fn open(options: &RedisOptions) -> Heard {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    // For this thread alone: these tests run on one.
    let listening = tracing::subscriber::set_default(subscriber);
    let dir = tempfile::tempdir().unwrap();
    let refused = match RedisStore::open(dir.path(), options, SystemClock.now()).await {
        Ok(store) => {
            store.close().await;
            Vec::new()
        }
        Err(OpenError::Unfit(problems)) => problems,
        Err(other) => panic!("{other}"),
    };
    drop(listening);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    Heard { refused, log }
}

/// A server with a mistake is refused, and told exactly these lines or words.
#[track_caller]
fn told(heard: &Heard, at: &str, expected: &[&str]) {
    let shown = OpenError::Unfit(heard.refused.clone()).to_string();
    assert_eq!(heard.refused.len(), expected.len(), "{shown}");
    for word in expected {
        let fits = |problem: &&Problem| {
            problem.line_to_change.as_deref() == Some(*word) || problem.what.contains(*word)
        };
        let problem = heard.refused.iter().find(fits).unwrap_or_else(|| panic!("{word:?} in {shown}"));
        assert_eq!((problem.severity, problem.at.join(",").as_str()), (Severity::Refuse, at), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_would_forget_sales_is_refused() {
    let check = async |extra: &[(&str, &str)], expected: &[&str]| {
        let server = RedisServer::start_with(extra);
        let heard = open(&options(&server.url())).await;
        told(&heard, &server.address(), expected);
        // Nothing was written before the refusal.
        assert_eq!(server.command(&["DBSIZE"]), "0");
        // Every line that was named is taken by the server as it stands, and nothing is left to refuse.
        for line in heard.refused.iter().filter_map(|problem| problem.line_to_change.as_deref()) {
            let (name, value) = line.split_once(' ').unwrap();
            server.configure(name, value);
        }
        told(&open(&options(&server.url())).await, &server.address(), &[]);
    };
    let [bounded] = BOUNDED;
    let evicting = ("maxmemory-policy", "allkeys-lru");
    check(&[bounded, evicting], &["maxmemory-policy noeviction"]).await;
    check(&[("appendonly", "no")], &["appendonly yes"]).await;
    check(&[("hash-max-listpack-entries", "128")], &["hash-max-listpack-entries 512"]).await;
    check(&[("hash-max-listpack-value", "64")], &["hash-max-listpack-value 512"]).await;
    let all = [bounded, evicting, ("appendonly", "no"), ("hash-max-listpack-value", "64")];
    let lines = ["maxmemory-policy noeviction", "appendonly yes", "hash-max-listpack-value 512"];
    check(&all, &lines).await;
}

#[tokio::test]
async fn a_volatile_server_is_used_only_where_that_is_allowed() {
    let server = RedisServer::start_with(&[("appendonly", "no")]);
    let allowed = RedisOptions { allow_volatile: true, ..options(&server.url()) };
    let heard = open(&allowed).await;
    told(&heard, &server.address(), &[]);
    assert!(heard.log.contains("WARN") && heard.log.contains("allow_volatile"), "{}", heard.log);
}

#[tokio::test]
async fn a_server_whose_file_cannot_be_written_is_refused() {
    let mut server = RedisServer::start();
    server.kill();
    let files = fs::read_dir(server.dir().join("appendonlydir")).unwrap();
    let file = files.map(|file| file.unwrap().path()).find(|path| path.to_string_lossy().contains(".incr."));
    let file = file.expect("Redis appends to a file");
    fs::remove_file(&file).unwrap();
    symlink("/dev/full", &file).unwrap();
    server.restart();
    server.command(&["SET", "box", "sold"]);
    let heard = open(&options(&server.url())).await;
    told(&heard, &server.address(), &["aof_last_write_status is err"]);
}

#[tokio::test]
async fn a_replica_is_refused() {
    let primary = RedisServer::start();
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::start_with(&[("replicaof", &of)]);
    let named = format!("a replica of {}", primary.address());
    told(&open(&options(&replica.url())).await, &replica.address(), &[&named]);
}

#[tokio::test]
async fn a_primary_that_waits_for_its_replica_is_waited_for() {
    let primary = RedisServer::start_with(&[("min-replicas-to-write", "1")]);
    let of = format!("127.0.0.1 {}", primary.port());
    let (begun, waits) = tokio::sync::oneshot::channel();
    let (url, dir) = (primary.url(), tempfile::tempdir().unwrap());
    let opening = tokio::spawn(async move {
        begun.send(()).unwrap();
        RedisStore::open(dir.path(), &options(&url), SystemClock.now()).await
    });
    waits.await.unwrap();
    // It has been told "not now" at least once.
    eventually("a refusal", async || {
        primary.command(&["INFO", "errorstats"]).contains("errorstat_NOREPLICAS").then_some(())
    })
    .await;
    let replica = RedisServer::start_with(&[("replicaof", &of)]);
    let store = opening.await.unwrap().expect("it opens once the replica is in step");
    store.close().await;
    drop(replica);
}

#[tokio::test]
async fn a_good_server_is_taken_and_the_rest_is_said_once() {
    let check = async |url: &str, words: &[&str]| {
        let heard = open(&options(url)).await;
        told(&heard, "", &[]);
        let warned = heard.log.lines().filter(|line| line.contains("WARN")).count();
        assert_eq!(warned, words.len(), "{}", heard.log);
        for word in words {
            assert!(heard.log.contains(word), "{word} in {}", heard.log);
        }
    };
    let alone = RedisServer::start_with(&[("appendfsync", "no")]);
    let words = ["no replica follows it", "CONFIG SET maxmemory BYTES", "CONFIG SET appendfsync everysec"];
    check(&alone.url(), &words).await;
    let group = RedisSentinel::start_with(&BOUNDED);
    check(&group.url(), &["CONFIG SET min-replicas-to-write 1"]).await;
    for server in [0, 1] {
        group.server(server).configure("min-replicas-to-write", "1");
    }
    check(&group.url(), &[]).await;
}

#[tokio::test]
async fn a_server_that_may_not_be_asked_is_taken_with_a_warning() {
    let server = RedisServer::start_with(&BOUNDED);
    let url = |user: &str, rules: &[&str]| {
        let all = [&["ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all"], rules].concat();
        assert_eq!(server.command(&all), "OK");
        format!("redis://{user}:secret@{}", server.address())
    };
    let heard = open(&options(&url("managed", &["-config"]))).await;
    told(&heard, &server.address(), &[]);
    let words =
        "CONFIG GET is not allowed, hash-max-listpack-entries, hash-max-listpack-value, appendfsync could";
    assert!(heard.log.contains(words), "{}", heard.log);
    assert!(!heard.log.contains("secret"), "{}", heard.log);
    // The rest is known all the same.
    server.configure("appendonly", "no");
    told(&open(&options(&url("managed", &["-config"]))).await, &server.address(), &["appendonly yes"]);
    // Where nothing can be known, nothing is begun.
    let heard = open(&options(&url("blind", &["-info", "-config"]))).await;
    told(&heard, &server.address(), &["+info +config|get +cluster|info"]);
}

#[tokio::test]
async fn the_address_must_be_of_the_right_kind() {
    let cluster = RedisCluster::start(false);
    let node = cluster.node(1);
    let heard = open(&options(&node.url())).await;
    told(&heard, &node.address(), &["store.url as redis-cluster://HOST:PORT"]);
    let server = RedisServer::start();
    let heard = open(&options(&format!("redis-cluster://{}", server.address()))).await;
    told(&heard, &server.address(), &["store.url as redis://HOST:PORT"]);
}

#[tokio::test]
async fn every_primary_of_a_cluster_is_looked_at() {
    let cluster = RedisCluster::start(false);
    told(&open(&options(&cluster.url())).await, "", &[]);
    let wrong = cluster.node(2);
    wrong.configure("hash-max-listpack-entries", "64");
    let heard = open(&options(&cluster.url())).await;
    told(&heard, &wrong.address(), &["hash-max-listpack-entries 512"]);
    wrong.configure("hash-max-listpack-entries", "512");
    // One slot that nobody has: this node knows at once, and says so.
    let owner = cluster.node(0);
    owner.command(&["CLUSTER", "DELSLOTS", "7"]);
    let heard = open(&options(&cluster.url())).await;
    told(&heard, &owner.address(), &["16383 of 16384 slots"]);
    // Also where the cluster calls itself ok without it.
    owner.configure("cluster-require-full-coverage", "no");
    eventually("the node calls the cluster ok", async || {
        owner.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
    })
    .await;
    let heard = open(&options(&cluster.url())).await;
    told(&heard, &owner.address(), &["16383 of 16384 slots"]);
}

#[tokio::test]
async fn a_primary_that_is_announced_where_nobody_is_refuses_the_cluster() {
    let cluster = RedisCluster::start(false);
    let nowhere =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    cluster.node(2).configure("cluster-announce-port", &nowhere);
    eventually("all nodes know the address", async || {
        let knows = |at: usize| cluster.node(at).command(&["CLUSTER", "SLOTS"]).contains(&nowhere);
        (0..cluster.count()).all(knows).then_some(())
    })
    .await;
    let heard = open(&options(&cluster.url())).await;
    let others = [cluster.node(0), cluster.node(1)].map(RedisServer::address);
    let mut others = others.to_vec();
    others.sort();
    told(&heard, &others.join(","), &["of 3 primaries only these 2"]);
}
