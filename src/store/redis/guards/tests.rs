//! Rows of what servers say, and what follows from it.

use super::Severity::{Refuse, Warn};
use super::*;

/// A server as a gateway wants it; rows change what they are about.
const GOOD_INFO: [(&str, &str); 11] = [
    ("redis_version", "7.0.15"),
    ("cluster_enabled", "0"),
    ("role", "master"),
    ("connected_slaves", "1"),
    ("maxmemory", "1073741824"),
    ("maxmemory_policy", "noeviction"),
    ("aof_enabled", "1"),
    ("aof_last_write_status", "ok"),
    ("cluster_state", "ok"),
    ("cluster_slots_assigned", "16384"),
    ("cluster_size", "1"),
];
const GOOD_SETTINGS: [(&str, &str); 5] = [
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "512"),
    ("appendfsync", "everysec"),
    ("min-replicas-to-write", "1"),
    ("cluster-require-full-coverage", "yes"),
];
const NODE: (&str, &str) = ("cluster_enabled", "1");

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A good server but for these words; an empty one is not told at all.
fn server(at: &str, changes: &[(&str, &str)]) -> Server {
    let mut server = Server { at: at.to_owned(), info: map(&GOOD_INFO), settings: map(&GOOD_SETTINGS) };
    for (name, value) in changes {
        let told = if server.settings.contains_key(*name) { &mut server.settings } else { &mut server.info };
        match *value {
            "" => drop(told.remove(*name)),
            value => drop(told.insert((*name).to_owned(), value.to_owned())),
        }
    }
    server
}

fn facts(reached: Reached, servers: Vec<Server>) -> Facts {
    Facts { reached, allow_volatile: false, servers, are_all: true }
}

/// Severity, a part of what is said, the line to change.
type Expected<'a> = (Severity, &'a str, Option<&'a str>);

#[track_caller]
fn compare(told: &str, problems: &[Problem], expected: &[Expected<'_>]) {
    let fits = |(problem, row): (&Problem, &Expected<'_>)| {
        problem.severity == row.0
            && problem.what.contains(row.1)
            && problem.line_to_change.as_deref() == row.2
    };
    let all = problems.len() == expected.len() && problems.iter().zip(expected).all(fits);
    assert!(all, "{told}: {problems:#?}\nis not {expected:#?}");
}

#[track_caller]
fn check(reached: Reached, changes: &[(&str, &str)], expected: &[Expected<'_>]) {
    let problems = judge(&facts(reached, vec![server("a:1", changes)]));
    compare(&format!("{reached:?} {changes:?}"), &problems, expected);
}

#[test]
fn a_good_server_passes() {
    check(Reached::Single, &[], &[]);
    check(Reached::Sentinel, &[], &[]);
    check(Reached::Cluster, &[NODE], &[]);
    // Newer ones, and those that go on from Redis under another name.
    check(Reached::Single, &[("redis_version", "8.2.1")], &[]);
    check(Reached::Single, &[("redis_version", "unstable")], &[]);
}

#[test]
fn what_forgets_sales_is_refused() {
    let rows: [(&[(&str, &str)], Expected<'_>); 8] = [
        (&[("redis_version", "6.2.14")], (Refuse, "too old", None)),
        (
            &[("maxmemory_policy", "allkeys-lru")],
            (Refuse, "throws sales away", Some("maxmemory-policy noeviction")),
        ),
        (
            &[("maxmemory_policy", "volatile-ttl")],
            (Refuse, "throws sales away", Some("maxmemory-policy noeviction")),
        ),
        (&[("aof_enabled", "0")], (Refuse, "forgets sales", Some("appendonly yes"))),
        (&[("aof_last_write_status", "err")], (Refuse, "could not be written", None)),
        (
            &[("hash-max-listpack-entries", "255")],
            (Refuse, "three times", Some("hash-max-listpack-entries 512")),
        ),
        (&[("hash-max-listpack-value", "191")], (Refuse, "three times", Some("hash-max-listpack-value 512"))),
        (&[("role", "slave"), ("master_host", "b"), ("master_port", "2")], (Refuse, "replica of b:2", None)),
    ];
    for (changes, expected) in rows {
        check(Reached::Single, changes, &[expected]);
    }
    check(Reached::Single, &[("hash-max-listpack-entries", "256"), ("hash-max-listpack-value", "192")], &[]);
    check(Reached::Single, &[("redis_version", "")], &[(Refuse, "+info", None)]);
}

#[test]
fn what_will_hurt_some_day_is_a_warning() {
    let alone = [("connected_slaves", "0"), ("min_slaves_good_slaves", "0")];
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [Expected<'a>]);
    let rows: [Row<'_>; 8] = [
        (&alone, &[(Warn, "0 of its replicas are in step: it takes no changes", None)]),
        (&[("min_slaves_good_slaves", "1")], &[]),
        (&[("appendfsync", "no")], &[(Warn, "appendfsync is no", Some("appendfsync everysec"))]),
        // What is not on disk at all is not synced either.
        (&[("appendfsync", "no"), ("aof_enabled", "0")], &[(Refuse, "appendonly", Some("appendonly yes"))]),
        (&[("connected_slaves", "0"), ("min-replicas-to-write", "0")], &[(Warn, "no replica", None)]),
        (&[("min-replicas-to-write", "0")], &[(Warn, "cut off", Some("min-replicas-to-write 1"))]),
        (&[("maxmemory", "0")], &[(Warn, "the system kills Redis", Some("maxmemory BYTES"))]),
        (
            &[("maxmemory", "0"), ("maxmemory_policy", "allkeys-lru")],
            &[
                (Warn, "as soon as", Some("maxmemory-policy noeviction")),
                (Warn, "the system kills Redis", Some("maxmemory BYTES")),
            ],
        ),
    ];
    for (changes, expected) in rows {
        check(Reached::Single, changes, expected);
    }
}

#[test]
fn a_volatile_redis_is_used_where_that_is_allowed() {
    let volatile = server("a:1", &[("aof_enabled", "0")]);
    let allowed = Facts { allow_volatile: true, ..facts(Reached::Single, vec![volatile]) };
    compare("allowed", &judge(&allowed), &[(Warn, "allow_volatile", Some("appendonly yes"))]);
}

#[test]
fn the_address_says_what_kind_of_server_it_is() {
    check(Reached::Single, &[NODE], &[(Refuse, "redis-cluster://HOST:PORT", None)]);
    check(Reached::Sentinel, &[NODE], &[(Refuse, "redis-cluster://HOST:PORT", None)]);
    check(Reached::Cluster, &[], &[(Refuse, "as redis://HOST:PORT", None)]);
    check(Reached::Sentinel, &[("role", "slave")], &[(Refuse, "failover is under way", None)]);
    check(Reached::Cluster, &[NODE, ("role", "slave")], &[(Refuse, "failover is under way", None)]);
}

#[test]
fn a_cluster_must_serve_every_slot() {
    let coverage = (Refuse, "does not serve every slot", None);
    check(Reached::Cluster, &[NODE, ("cluster_state", "fail")], &[coverage]);
    // Without full coverage a cluster calls itself ok all the same.
    let partly = [NODE, ("cluster_slots_assigned", "16383"), ("cluster-require-full-coverage", "no")];
    let line = Some("cluster-require-full-coverage yes");
    check(Reached::Cluster, &partly, &[coverage, (Warn, "begun only to be given up", line)]);
    check(Reached::Cluster, &[NODE, ("cluster_slots_fail", "5461")], &[coverage]);
    check(Reached::Cluster, &[NODE, ("cluster_state", "")], &[(Warn, "was not checked", None)]);
    // Where the address is wrong already, its slots are nobody's matter.
    check(Reached::Single, &[NODE, ("cluster_state", "fail")], &[(Refuse, "redis-cluster://", None)]);
}

#[test]
fn every_primary_must_be_reached() {
    let two = |size| {
        let node = |at| server(at, &[NODE, ("cluster_size", size)]);
        facts(Reached::Cluster, vec![node("a:1"), node("b:2")])
    };
    compare("both", &judge(&two("2")), &[]);
    compare("two of three", &judge(&two("3")), &[(Refuse, "of 3 primaries only these 2", None)]);
    // A single one that answered for a cluster that is out of reach says nothing of the others.
    let seed = Facts { are_all: false, ..two("3") };
    compare("a seed", &judge(&seed), &[]);
}

#[test]
fn what_is_not_told_is_said() {
    let check = |changes: &[(&str, &str)], named: &[&str]| {
        let none = GOOD_SETTINGS.map(|(name, _)| (name, ""));
        let problems = judge(&facts(Reached::Single, vec![server("a:1", &[&none, changes].concat())]));
        let told: Vec<_> = problems.iter().filter(|p| p.what.contains("CONFIG GET is not allowed")).collect();
        assert_eq!(told.len(), 1, "{problems:?}");
        assert_eq!(told[0].severity, Warn);
        let named = format!("not allowed, {} could", named.join(", "));
        assert!(told[0].what.contains(&named), "{} lacks {named}", told[0].what);
    };
    let packing = ["hash-max-listpack-entries", "hash-max-listpack-value"];
    check(&[], &[&packing[..], &["appendfsync", "min-replicas-to-write"]].concat());
    check(&[("connected_slaves", "0"), ("aof_enabled", "0")], &packing);
}

#[test]
fn one_mistake_of_many_servers_is_told_once_and_refusals_come_first() {
    let wrong = |at| server(at, &[NODE, ("cluster_size", "3"), ("maxmemory", "0"), ("aof_enabled", "0")]);
    let good = server("b:2", &[NODE, ("cluster_size", "3")]);
    let problems = judge(&facts(Reached::Cluster, vec![wrong("a:1"), good, wrong("c:3")]));
    let lines = [Some("appendonly yes"), Some("maxmemory BYTES")];
    compare("two of three", &problems, &[(Refuse, "appendonly", lines[0]), (Warn, "maxmemory", lines[1])]);
    assert!(problems.iter().all(|problem| problem.at == ["a:1", "c:3"]), "{problems:?}");
    let shown = problems[0].to_string();
    assert!(shown.starts_with("a:1, c:3: appendonly is no"), "{shown}");
    assert!(shown.contains("redis.conf: `appendonly yes`; at once: `CONFIG SET appendonly yes`"), "{shown}");
}

#[test]
fn replies_are_read_in_every_form() {
    let bulk = |text: &str| Reply::BulkString(text.as_bytes().to_vec());
    let info = bulk("# Server\r\nredis_version:7.0.15\r\nrole:master\r\n");
    let pair = (bulk("appendfsync"), bulk("always"));
    let forms = [Reply::Array(vec![pair.0.clone(), pair.1.clone()]), Reply::Map(vec![pair])];
    for config in forms {
        let replies = vec![info.clone(), config, bulk("cluster_state:ok\r\n")];
        let server = Server::of(Said { at: "a:1".to_owned(), replies }).unwrap();
        let told = map(&[("redis_version", "7.0.15"), ("role", "master"), ("cluster_state", "ok")]);
        assert_eq!((server.info, server.settings), (told, map(&[("appendfsync", "always")])));
    }
    let nothing = Server::of(Said { at: "a:1".to_owned(), replies: vec![Reply::Nil; 3] }).unwrap();
    assert!(nothing.info.is_empty() && nothing.settings.is_empty());
}
