//! The servers and the proxy seen at work: what the Redis tests stand on must itself be shown to bite.

use super::{FaultProxy, Mode, RedisCluster, RedisSentinel, RedisServer, wait_for};
use ::redis::cluster::ClusterClient;
use ::redis::sentinel::{SentinelClient, SentinelServerType};
use ::redis::{Commands, RedisResult};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use tracegate::clock::Stopwatch;

const MOMENT: Duration = Duration::from_millis(200);

/// A connection that says what it is told to, byte for byte.
fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the address answers");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    stream
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the request is sent");
}

/// The next bytes of a reply.
fn hear(stream: &mut TcpStream, length: usize) -> String {
    let mut reply = vec![0; length];
    stream.read_exact(&mut reply).expect("a reply of this length");
    String::from_utf8(reply).expect("a reply in ASCII")
}

/// Everything until the connection ends.
fn hear_end(stream: &mut TcpStream) -> String {
    let mut reply = String::new();
    match stream.read_to_string(&mut reply) {
        Ok(_) => reply,
        Err(e) if e.kind() == ErrorKind::ConnectionReset => reply,
        Err(e) => panic!("the connection has not ended: {e}; heard {reply:?}"),
    }
}

fn hear_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(MOMENT)).expect("a timeout can be set");
    let error = stream.read(&mut [0; 1]).expect_err("neither a byte nor an end");
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
}

/// The hosts of a URL of several, as redis-rs wants them.
fn hosts(url: &str, scheme: &str) -> Vec<String> {
    let rest = url.strip_prefix(scheme).expect("the scheme");
    rest.split('/').next().expect("hosts").split(',').map(|host| format!("redis://{host}")).collect()
}

#[test]
fn a_server_survives_kill_and_stop() {
    let mut server = RedisServer::start_with(&[("appendfsync", "always")]);
    assert_eq!(server.command(&["CONFIG", "GET", "appendfsync"]), "appendfsync\nalways");
    assert_eq!(server.command(&["CONFIG", "GET", "maxmemory-policy"]), "maxmemory-policy\nnoeviction");
    assert_eq!(server.command(&["SET", "box", "sold"]), "OK");
    server.configure("hash-max-listpack-entries", "300");
    let url = server.url();
    server.kill();
    assert!(server.try_command(&["PING"]).is_err(), "a killed server answers nobody");
    server.restart();
    assert_eq!((server.url(), server.command(&["GET", "box"])), (url, "sold".to_owned()));
    let entries = "hash-max-listpack-entries";
    assert_eq!(server.command(&["CONFIG", "GET", entries]), format!("{entries}\n300"));

    let mut stream = connect(&server.address());
    server.signal("STOP");
    say(&mut stream, "PING\r\n");
    hear_nothing(&mut stream);
    server.signal("CONT");
    assert_eq!(hear(&mut stream, 7), "+PONG\r\n");
}

#[test]
fn a_server_starts_again_from_old_files_and_from_none() {
    let mut server = RedisServer::start();
    server.command(&["SET", "box", "first"]);
    let old = server.save_files();
    server.command(&["SET", "box", "second"]);
    server.restart();
    assert_eq!(server.command(&["GET", "box"]), "second");
    server.kill();
    server.restore_files(&old);
    server.restart();
    assert_eq!(server.command(&["GET", "box"]), "first");
    server.kill();
    server.wipe_files();
    server.restart();
    assert_eq!(server.command(&["EXISTS", "box"]), "0");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let panic = std::panic::catch_unwind(|| RedisServer::start_with(&[("no-such-setting", "1")]));
    let panic = panic.err().expect("a wrong setting is refused");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains("redis-server did not start") && said.contains("no-such-setting"), "{said}");
}

#[test]
fn a_cluster_fails_over_and_back() {
    let mut cluster = RedisCluster::start(true);
    assert_eq!((cluster.count(), cluster.slot_of("foo"), cluster.slot_of("{foo}bar")), (6, 12182, 12182));
    let client = ClusterClient::new(hosts(&cluster.url(), "redis-cluster://")).expect("a cluster's client");
    let mut connection = client.get_connection().expect("the cluster answers");
    for number in 0..300 {
        connection.set::<_, _, ()>(format!("box:{number}"), number).expect("every slot is served");
    }
    let slot = cluster.slot_of("box:7");
    let old = cluster.primary_of_slot(slot);
    let replica = cluster.replica_of(old).expect("each primary has a replica");
    assert_eq!(replica, old + 3);
    let stored = cluster.node(old).command(&["DBSIZE"]);
    wait_for("the replica has it all", || match cluster.node(replica).try_command(&["DBSIZE"])? {
        size if size == stored => Ok(()),
        other => Err(other),
    });
    cluster.node_mut(old).kill();
    assert_eq!(cluster.wait_for_failover(slot, old), replica);
    cluster.wait_for_ok();
    let mut connection = client.get_connection().expect("the cluster answers without the dead node");
    assert_eq!(connection.get::<_, u32>("box:7").expect("the replica serves"), 7);

    cluster.node_mut(old).restart();
    wait_for("the old primary follows the new one", || match cluster.replica_of(replica) {
        Some(found) if found == old => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cluster.wait_for_ok();
    cluster.failover_takeover(old);
    assert_eq!(cluster.wait_for_failover(slot, replica), old);
    cluster.wait_for_ok();
    assert_eq!(cluster.node(old).command(&["GET", "box:7"]), "7");
}

#[test]
fn a_cluster_without_replicas_stops_with_a_primary() {
    let cluster = RedisCluster::start_with(false, &[("appendfsync", "always")]);
    let stopped = cluster.primary_of_slot(0);
    let other = cluster.node(cluster.primary_of_slot(16383));
    cluster.node(stopped).signal("STOP");
    wait_for("the others miss it", || match other.try_command(&["CLUSTER", "INFO"])? {
        state if state.contains("cluster_state:fail") => Ok(()),
        state => Err(state),
    });
    cluster.node(stopped).signal("CONT");
    cluster.wait_for_ok();
    assert_eq!(cluster.primary_of_slot(0), stopped);
}

#[test]
fn a_cluster_behind_proxies_is_reached_through_them() {
    let cluster = RedisCluster::start_behind_proxies(true);
    let client = ClusterClient::builder(hosts(&cluster.url(), "redis-cluster://")).response_timeout(MOMENT);
    let client = client.retries(1).build().expect("a cluster's client");
    let mut connection = client.get_connection().expect("the cluster answers");
    let owner = cluster.primary_of_slot(cluster.slot_of("box"));
    cluster.proxy(owner).set(Mode::SwallowReplies);
    let lost: RedisResult<()> = connection.set("box", "sold");
    assert!(lost.is_err(), "no reply can come");
    assert_eq!(cluster.node(owner).command(&["GET", "box"]), "sold");
    cluster.proxy(owner).set(Mode::Pass);
    cluster.wait_for_ok();
    let mut connection = client.get_connection().expect("the cluster answers again");
    assert_eq!(connection.get::<_, String>("box").expect("a reply"), "sold");
}

#[test]
fn sentinels_make_the_replica_a_primary() {
    let mut group = RedisSentinel::start();
    let name = group.url().rsplit('/').next().expect("a name").to_owned();
    let sentinels = hosts(&group.url(), "redis-sentinel://");
    let mut client = SentinelClient::build(sentinels, name, None, SentinelServerType::Master)
        .expect("a client that asks sentinels");
    let old = group.primary();
    client.get_connection().expect("a primary").set::<_, _, ()>("box", "sold").expect("a reply");
    wait_for("the replica has it", || match group.server(1 - old).try_command(&["GET", "box"])? {
        value if value == "sold" => Ok(()),
        other => Err(other),
    });
    group.sentinel_mut(0).kill();
    group.server_mut(old).kill();
    let new = group.wait_for_failover(old);
    assert_eq!((old, new), (0, 1));
    assert_eq!(client.get_connection().expect("a primary").get::<_, String>("box").expect("a reply"), "sold");
    group.sentinel_mut(0).restart();
    group.server_mut(old).restart();
    group.wait_for_ok();
    // Which of the two leads now is for the sentinels to say; the one that was away has what it missed.
    assert_eq!(group.server(old).command(&["GET", "box"]), "sold");
    assert_eq!(group.server(new).command(&["GET", "box"]), "sold");
}

#[test]
fn a_proxy_passes_and_delays() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let mut stream = connect(&proxy.address());
    say(&mut stream, "PING\r\n");
    assert_eq!(hear(&mut stream, 7), "+PONG\r\n");

    proxy.set(Mode::Delay(MOMENT));
    let asked = Stopwatch::start();
    say(&mut stream, "PING\r\nPING\r\n");
    assert_eq!(hear(&mut stream, 14), "+PONG\r\n+PONG\r\n");
    let took = asked.elapsed();
    assert!(took >= 2 * MOMENT, "there and back: {took:?}");

    proxy.set(Mode::Delay(Duration::from_secs(3600)));
    say(&mut stream, "PING\r\n");
    hear_nothing(&mut stream);
    proxy.set(Mode::Pass);
    assert_eq!(hear(&mut stream, 7), "+PONG\r\n", "what was held comes at once");
    stream.shutdown(Shutdown::Write).expect("half an end");
    assert_eq!(hear_end(&mut stream), "", "an end is passed on");
}

#[test]
fn a_proxy_swallows() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let (mut asked_before, mut silent) = (connect(&proxy.address()), connect(&proxy.address()));
    for stream in [&mut asked_before, &mut silent] {
        say(stream, "PING\r\n");
        assert_eq!(hear(stream, 7), "+PONG\r\n");
    }
    proxy.set(Mode::BlackHole);
    let mut new = connect(&proxy.address());
    for stream in [&mut asked_before, &mut new] {
        say(stream, "SET box sold\r\n");
        hear_nothing(stream);
    }
    assert_eq!(server.command(&["EXISTS", "box"]), "0", "the request was swallowed");
    proxy.set(Mode::Pass);
    assert_eq!(hear_end(&mut asked_before) + &hear_end(&mut new), "", "nothing follows a gap");
    say(&mut silent, "PING\r\n");
    assert_eq!(hear(&mut silent, 7), "+PONG\r\n", "what lost nothing goes on");

    proxy.set(Mode::SwallowReplies);
    say(&mut silent, "SET box sold\r\n");
    hear_nothing(&mut silent);
    assert_eq!(server.command(&["GET", "box"]), "sold", "the request was not swallowed");
    proxy.set(Mode::Pass);
    assert_eq!(hear_end(&mut silent), "");
}

#[test]
fn a_proxy_cuts_and_refuses() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let mut streams: Vec<_> = (0..3).map(|_| connect(&proxy.address())).collect();
    for stream in &mut streams {
        say(stream, "PING\r\n");
        assert_eq!(hear(stream, 7), "+PONG\r\n", "replies before the order do not count");
    }
    proxy.set(Mode::CutOneReply { after_bytes: 11 });
    say(&mut streams[0], "INCR boxes\r\nECHO twelve-bytes\r\n");
    assert_eq!(hear_end(&mut streams[0]), ":1\r\n$12\r\ntw");
    assert_eq!((proxy.mode(), proxy.replies_cut()), (Mode::Pass, 1));
    say(&mut streams[1], "INCR boxes\r\nECHO twelve-bytes\r\n");
    assert_eq!(hear(&mut streams[1], 23), ":2\r\n$12\r\ntwelve-bytes\r\n");

    proxy.set(Mode::CutReplies { after_bytes: 4 });
    for (at, whole) in [(1, ":3\r\n"), (2, ":5\r\n")] {
        say(&mut streams[at], "INCR boxes\r\n");
        assert_eq!(hear(&mut streams[at], 4), whole, "as long as allowed");
        say(&mut streams[at], "INCR boxes\r\n");
        assert_eq!(hear_end(&mut streams[at]), "", "done, and not heard of");
    }
    assert_eq!((proxy.replies_cut(), server.command(&["GET", "boxes"])), (3, "6".to_owned()));

    proxy.set(Mode::Pass);
    let mut open = connect(&proxy.address());
    say(&mut open, "PING\r\n");
    assert_eq!(hear(&mut open, 7), "+PONG\r\n");
    proxy.set(Mode::Refuse);
    assert_eq!(hear_end(&mut connect(&proxy.address())), "");
    say(&mut open, "PING\r\n");
    assert_eq!(hear(&mut open, 7), "+PONG\r\n", "open connections stay");
    proxy.cut_all();
    assert_eq!(hear_end(&mut open), "");
}

#[test]
fn a_proxy_makes_the_sender_wait_and_loses_nothing() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let (count, value, mut stream) = (2_000, "x".repeat(100_000), connect(&proxy.address()));
    server.command(&["SET", "large", &value]);
    // 200 MB of replies that nobody reads while all requests are sent: more than the queue and the system's buffers.
    say(&mut stream, &"GET large\r\n".repeat(count));
    let reply = format!("$100000\r\n{value}\r\n");
    for _ in 0..count {
        assert!(hear(&mut stream, reply.len()) == reply, "each reply is whole");
    }
    drop(proxy);
    assert_eq!(hear_end(&mut stream), "", "a dropped proxy ends what it carried");
}
