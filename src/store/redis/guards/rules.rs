//! What a server's own words mean for a ledger, rule by rule. Pure: words in, problems out.

use super::{Facts, Problem, Reached, Server, Severity};
use Severity::{Refuse, Warn};

/// The oldest Redis whose hashes are packed as the buckets need it.
const MAJOR_VERSION_MIN: u64 = 7;
/// Entries that a bucket may have at least before Redis unpacks it; it is planned for 96, and some get more.
const LISTPACK_ENTRIES_MIN: u64 = 256;
/// Bytes that one entry of a bucket may have at least.
const LISTPACK_VALUE_MIN: u64 = 192;
/// Slots of a cluster.
const SLOTS: u64 = 16384;

/// Problems of one server, as they are found.
struct Found<'a> {
    server: &'a Server,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn say(&mut self, severity: Severity, what: impl Into<String>, line: Option<&str>) {
        let (at, line_to_change) = (vec![self.server.at.clone()], line.map(str::to_owned));
        self.problems.push(Problem { severity, at, what: what.into(), line_to_change });
    }
}

impl Server {
    fn told(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.told(name)?.parse().ok()
    }

    fn set(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn is_cluster_node(&self) -> bool {
        self.told("cluster_enabled") == Some("1")
    }

    fn is_replica(&self) -> bool {
        self.told("role") == Some("slave")
    }

    fn has_replicas(&self) -> bool {
        self.number("connected_slaves").is_some_and(|count| count > 0)
    }
}

/// What is wrong with one server.
pub(super) fn of_server(facts: &Facts, server: &Server) -> Vec<Problem> {
    let mut found = Found { server, problems: Vec::new() };
    let Some(version) = server.told("redis_version") else {
        let what = "it does not say how it is set up (INFO is not allowed): nothing can be checked. Allow this user \
                    to ask: `ACL SETUSER NAME +info +config|get +cluster|info`";
        found.say(Refuse, what, None);
        return found.problems;
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < MAJOR_VERSION_MIN) {
        // Its settings have other names: more would only confuse.
        let what = format!(
            "it is Redis {version}, too old to keep buckets of claims packed; install {MAJOR_VERSION_MIN}.0 or newer"
        );
        found.say(Refuse, what, None);
        return found.problems;
    }
    role(facts.reached, &mut found);
    memory(&mut found);
    persistence(facts.allow_volatile, &mut found);
    packing(&mut found);
    replicas(&mut found);
    if facts.reached == Reached::Cluster && server.is_cluster_node() {
        coverage(&mut found);
    }
    unchecked(&mut found);
    found.problems
}

/// Whether the address leads to the kind of server that it says.
fn role(reached: Reached, found: &mut Found<'_>) {
    let server = found.server;
    match (reached, server.is_cluster_node()) {
        (Reached::Single | Reached::Sentinel, true) => found.say(
            Refuse,
            "it is a node of a cluster and has a part of the slots only. Write its address in store.url as \
             redis-cluster://HOST:PORT",
            None,
        ),
        (Reached::Cluster, false) => found.say(
            Refuse,
            "it is no node of a cluster. Write its address in store.url as redis://HOST:PORT, or \
             redis-sentinel://HOST:PORT/MASTER where Sentinel names the primary",
            None,
        ),
        (Reached::Single | Reached::Sentinel, false) | (Reached::Cluster, true) => {}
    }
    if server.is_replica() {
        let what = match reached {
            Reached::Single => {
                let word = |name| server.told(name).unwrap_or("?");
                format!(
                    "it is a replica of {}:{} and takes no changes. Write the primary in store.url, or let Sentinel \
                     name it: redis-sentinel://HOST:PORT/MASTER",
                    word("master_host"),
                    word("master_port")
                )
            }
            Reached::Sentinel | Reached::Cluster => {
                "it has become a replica: a failover is under way. Start again once it is over".to_owned()
            }
        };
        found.say(Refuse, what, None);
    }
}

/// Nothing may be thrown away, and memory must have an end that Redis itself sees.
fn memory(found: &mut Found<'_>) {
    let policy = found.server.told("maxmemory_policy").unwrap_or_default();
    let evicts = !matches!(policy, "" | "noeviction");
    let is_bounded = found.server.number("maxmemory").is_some_and(|bytes| bytes > 0);
    if evicts {
        let (severity, when) = if is_bounded {
            (Refuse, "once memory is full it throws sales away, and their boxes can be sold again")
        } else {
            (Warn, "as soon as maxmemory is set it throws sales away when memory is full")
        };
        let what = format!("maxmemory-policy is {policy}: {when}");
        found.say(severity, what, Some("maxmemory-policy noeviction"));
    }
    if !is_bounded && found.server.told("maxmemory").is_some() {
        found.say(
            Warn,
            "maxmemory is 0: where memory ends, the system kills Redis instead of Redis refusing a sale. Three \
             quarters of the machine's memory are right where it runs alone",
            Some("maxmemory BYTES"),
        );
    }
}

/// What was taken must still be there after a restart.
fn persistence(allow_volatile: bool, found: &mut Found<'_>) {
    let server = found.server;
    match server.told("aof_enabled") {
        Some("0") if allow_volatile => found.say(
            Warn,
            "appendonly is no: a restart of Redis forgets sales, which redis.allow_volatile allows",
            Some("appendonly yes"),
        ),
        Some("0") => found.say(
            Refuse,
            "appendonly is no: a restart of Redis forgets sales, and their boxes can be sold again",
            Some("appendonly yes"),
        ),
        Some(_) | None => {
            if let Some(status) = server.told("aof_last_write_status").filter(|status| *status != "ok") {
                let what = format!(
                    "its append-only file could not be written (aof_last_write_status is {status}): it takes no \
                     changes. Look at its disk and its log"
                );
                found.say(Refuse, what, None);
            }
            if server.set("appendfsync") == Some("no") {
                found.say(
                    Warn,
                    "appendfsync is no: a loss of power takes half a minute of sales along",
                    Some("appendfsync everysec"),
                );
            }
        }
    }
}

/// A bucket that is unpacked takes three times the memory, and is never packed again while Redis runs.
fn packing(found: &mut Found<'_>) {
    let limits = [
        ("hash-max-listpack-entries", LISTPACK_ENTRIES_MIN),
        ("hash-max-listpack-value", LISTPACK_VALUE_MIN),
    ];
    for (name, least) in limits {
        let set = found.server.set(name).and_then(|value| value.parse::<u64>().ok());
        if let Some(set) = set.filter(|set| *set < least) {
            let what = format!(
                "{name} is {set}: buckets of claims need {least} at least, else they are unpacked and take three \
                 times the memory"
            );
            found.say(Refuse, what, Some(&format!("{name} 512")));
        }
    }
}

/// Whether anything outlives this server.
fn replicas(found: &mut Found<'_>) {
    if found.server.is_replica() {
        return;
    }
    let wanted = found.server.set("min-replicas-to-write").and_then(|count| count.parse::<u64>().ok());
    let in_step = found.server.number("min_slaves_good_slaves");
    if let (Some(wanted), Some(in_step)) = (wanted, in_step)
        && in_step < wanted
    {
        let what = format!(
            "min-replicas-to-write is {wanted} and {in_step} of its replicas are in step: it takes no changes. Start \
             its replicas; where it must go on alone, `CONFIG SET min-replicas-to-write 0`"
        );
        found.say(Warn, what, None);
    } else if !found.server.has_replicas() {
        found.say(
            Warn,
            "no replica follows it: while it is down nobody takes its place. Start a replica of it",
            None,
        );
    } else if found.server.set("min-replicas-to-write") == Some("0") {
        found.say(
            Warn,
            "min-replicas-to-write is 0: cut off from its replicas it still takes changes, and forgets them when one \
             of them takes its place",
            Some("min-replicas-to-write 1"),
        );
    }
}

/// Whether every slot is served.
fn coverage(found: &mut Found<'_>) {
    let server = found.server;
    let (state, assigned, failed) = (
        server.told("cluster_state"),
        server.number("cluster_slots_assigned"),
        server.number("cluster_slots_fail").unwrap_or(0),
    );
    if let (Some(state), Some(assigned)) = (state, assigned)
        && (state != "ok" || assigned < SLOTS || failed > 0)
    {
        let what = format!(
            "the cluster does not serve every slot (cluster_state is {state}, {assigned} of {SLOTS} slots have a \
             node, {failed} of these nodes' slots are down). See `redis-cli --cluster check {at}`, mend it with \
             `redis-cli --cluster fix {at}`",
            at = server.at
        );
        found.say(Refuse, what, None);
    }
    if state.is_none() {
        found.say(Warn, "CLUSTER INFO is not allowed: whether every slot is served was not checked", None);
    }
    if server.set("cluster-require-full-coverage") == Some("no") {
        found.say(
            Warn,
            "cluster-require-full-coverage is no: while a part of the slots is away, nearly every document still \
             touches it and is begun only to be given up",
            Some("cluster-require-full-coverage yes"),
        );
    }
}

/// What a server did not tell where it matters.
fn unchecked(found: &mut Found<'_>) {
    let server = found.server;
    let matters = |name: &&str| match *name {
        "min-replicas-to-write" => server.has_replicas(),
        "cluster-require-full-coverage" => server.is_cluster_node(),
        "appendfsync" => server.told("aof_enabled") != Some("0"),
        _ => true,
    };
    let missing: Vec<_> =
        super::SETTINGS.into_iter().filter(matters).filter(|name| server.set(name).is_none()).collect();
    if !missing.is_empty() {
        let what = format!(
            "CONFIG GET is not allowed, {} could not be checked: see that hash-max-listpack-entries and \
             hash-max-listpack-value are 512, or allow it: `ACL SETUSER NAME +config|get`",
            missing.join(", ")
        );
        found.say(Warn, what, None);
    }
}

/// What is wrong with a cluster as a whole.
pub(super) fn of_cluster(facts: &Facts) -> Option<Problem> {
    let size = facts.servers.iter().filter_map(|server| server.number("cluster_size")).max()?;
    let found = facts.servers.len() as u64;
    let is_part = facts.reached == Reached::Cluster && facts.are_all && found < size;
    is_part.then(|| Problem {
        severity: Refuse,
        at: facts.servers.iter().map(|server| server.at.clone()).collect(),
        what: format!(
            "of {size} primaries only these {found} can be reached from here. See `CLUSTER NODES`: the addresses that \
             the nodes announce (cluster-announce-ip, cluster-announce-port) must lead to them from this gateway too"
        ),
        line_to_change: None,
    })
}
