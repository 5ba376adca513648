//! A Redis Cluster of three primaries, with or without a replica of each. Nodes are known by their index: 0 to 2 begin
//! as primaries, 3 to 5 as their replicas in the same order.

use super::proxy::FaultProxy;
use super::server::RedisServer;
use super::wait_for;
use std::collections::BTreeSet;

const PRIMARIES: usize = 3;
/// The slots of each primary, as Redis itself would share them out.
const SLOTS: [(u16, u16); PRIMARIES] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// Failover in seconds; a replica that was cut off for long may still become a primary.
const SETTINGS: [(&str, &str); 2] =
    [("cluster-node-timeout", "1000"), ("cluster-replica-validity-factor", "0")];

/// What one node says of one node.
#[derive(Debug)]
struct Known {
    id: String,
    epoch: u64,
    slots: Vec<(u16, u16)>,
}

/// Three primaries that share the slots, and perhaps three replicas. Ends when dropped.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// One before each node, if the nodes announce proxies.
    proxies: Vec<FaultProxy>,
    ids: Vec<String>,
}

impl RedisCluster {
    /// A cluster that serves, its replicas in step.
    pub fn start(replicas: bool) -> Self {
        Self::start_with(replicas, &[])
    }

    /// The same, with settings for every node.
    pub fn start_with(replicas: bool, extra: &[(&str, &str)]) -> Self {
        Self::build(replicas, false, extra)
    }

    /// A cluster whose nodes name proxies to clients (and to replicas, which follow their primary through its proxy).
    /// The nodes' bus goes around them: the cluster itself sees no fault of a proxy.
    pub fn start_behind_proxies(replicas: bool) -> Self {
        Self::build(replicas, true, &[])
    }

    fn build(replicas: bool, has_proxies: bool, extra: &[(&str, &str)]) -> Self {
        let count = if replicas { 2 * PRIMARIES } else { PRIMARIES };
        let settings = [&SETTINGS, extra].concat();
        let nodes: Vec<_> = (0..count).map(|_| RedisServer::start_node(&settings)).collect();
        let mut proxies = Vec::new();
        if has_proxies {
            proxies = nodes.iter().map(|node| FaultProxy::start(&node.address())).collect();
            for (node, proxy) in nodes.iter().zip(&proxies) {
                node.configure("cluster-announce-port", &proxy.port().to_string());
            }
        }
        let ids = nodes.iter().map(|node| node.command(&["CLUSTER", "MYID"])).collect();
        let cluster = Self { nodes, proxies, ids };
        cluster.join();
        cluster.wait_for_ok();
        cluster
    }

    fn join(&self) {
        for (at, (first, last)) in SLOTS.iter().enumerate() {
            let node = &self.nodes[at];
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        let first = &self.nodes[0];
        for node in &self.nodes[1..] {
            let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
            first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        wait_for("all nodes of the cluster know each other", || {
            let seen: Vec<BTreeSet<String>> = self
                .views()?
                .into_iter()
                .map(|view| view.into_iter().map(|known| known.id).collect())
                .collect();
            let all: BTreeSet<String> = self.ids.iter().cloned().collect();
            if seen.iter().all(|ids| *ids == all) { Ok(()) } else { Err(format!("{seen:?}")) }
        });
        for (replica, primary) in self.nodes[PRIMARIES..].iter().zip(&self.ids) {
            replica.command(&["CLUSTER", "REPLICATE", primary]);
        }
    }

    /// What clients are given: the first three nodes, or the proxies before them.
    pub fn url(&self) -> String {
        let addresses: Vec<_> =
            (0..PRIMARIES).map(|at| format!("127.0.0.1:{}", self.public_port(at))).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// How many nodes there are, killed ones too.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A node, to be asked, signalled or configured.
    pub fn node(&self, at: usize) -> &RedisServer {
        &self.nodes[at]
    }

    /// A node, to be killed or restarted.
    pub fn node_mut(&mut self, at: usize) -> &mut RedisServer {
        &mut self.nodes[at]
    }

    /// The proxy before a node.
    pub fn proxy(&self, at: usize) -> &FaultProxy {
        self.proxies.get(at).expect("a cluster that was started behind proxies")
    }

    fn public_port(&self, at: usize) -> u16 {
        self.proxies.get(at).map_or_else(|| self.nodes[at].port(), FaultProxy::port)
    }

    /// Waits until all nodes that run serve, agree on who has which slots, and every replica follows in step. A stopped
    /// node counts as running.
    pub fn wait_for_ok(&self) {
        wait_for("the cluster is ok, of one opinion, and its replicas are in step", || {
            for node in self.running() {
                let state = node.try_command(&["CLUSTER", "INFO"])?;
                if !state.contains("cluster_state:ok") {
                    return Err(format!("{}: {state}", node.url()));
                }
                let role = node.try_command(&["INFO", "replication"])?;
                let in_step =
                    ["master_link_status:up", "master_sync_in_progress:0"].map(|w| role.contains(w));
                if role.contains("role:slave") && in_step != [true, true] {
                    return Err(format!("{}: {role}", node.url()));
                }
                // Said by a primary that demands some.
                if role.contains("role:master") && role.contains("min_slaves_good_slaves:0") {
                    return Err(format!("{}: {role}", node.url()));
                }
            }
            let views = self.views()?;
            let owners: Vec<_> = views.iter().map(|view| owners(view)).collect();
            let one_opinion = owners.windows(2).all(|two| two[0] == two[1]);
            if one_opinion { Ok(()) } else { Err(format!("{owners:?}")) }
        });
    }

    /// The index of the node that owns a slot by the highest epoch that any node knows of. Stopped nodes are asked
    /// too and answer late; killed ones are not.
    pub fn primary_of_slot(&self, slot: u16) -> usize {
        wait_for(&format!("slot {slot} has an owner"), || {
            let views: Vec<_> = self.running().filter_map(|node| view(node).ok()).collect();
            let owns = |known: &&Known| known.slots.iter().any(|(a, b)| (*a..=*b).contains(&slot));
            let owner = views.iter().flatten().filter(owns).max_by_key(|known| known.epoch);
            let index = owner.and_then(|owner| self.ids.iter().position(|id| *id == owner.id));
            index.ok_or_else(|| format!("{views:?}"))
        })
    }

    /// The slot of a key; the part in braces decides, where there is one.
    pub fn slot_of(&self, key: &str) -> u16 {
        let asked = self.running().find_map(|node| node.try_command(&["CLUSTER", "KEYSLOT", key]).ok());
        asked.expect("a node that answers").parse().expect("a slot is a number")
    }

    /// The index of a replica of a primary, both as the primary sees them.
    pub fn replica_of(&self, primary: usize) -> Option<usize> {
        let answer = self.nodes[primary].command(&["CLUSTER", "REPLICAS", &self.ids[primary]]);
        let id = answer.split_whitespace().next()?;
        self.ids.iter().position(|known| known == id)
    }

    /// `CLUSTER FAILOVER TAKEOVER`: the replica takes its primary's slots without asking anybody. Returns once it says
    /// that it is a primary; the others hear of it later (see [`Self::wait_for_ok`]).
    pub fn failover_takeover(&self, replica: usize) {
        let node = &self.nodes[replica];
        assert_eq!(node.command(&["CLUSTER", "FAILOVER", "TAKEOVER"]), "OK");
        wait_for("the replica has taken over", || {
            let role = node.try_command(&["ROLE"])?;
            if role.starts_with("master") { Ok(()) } else { Err(role) }
        });
    }

    /// Waits until another node than `old` owns a slot, and serves it; gives its index. The others hear of it
    /// later (see [`Self::wait_for_ok`]).
    pub fn wait_for_failover(&self, slot: u16, old: usize) -> usize {
        wait_for(&format!("another node than {old} owns slot {slot}"), || {
            let owner = self.primary_of_slot(slot);
            let state = self.nodes[owner].try_command(&["CLUSTER", "INFO"])?;
            let serves = owner != old && state.contains("cluster_state:ok");
            if serves { Ok(owner) } else { Err(format!("node {owner} owns it: {state}")) }
        })
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    fn views(&self) -> Result<Vec<Vec<Known>>, String> {
        self.running().map(view).collect()
    }
}

fn owners(view: &[Known]) -> BTreeSet<(&str, &[(u16, u16)])> {
    let primaries = view.iter().filter(|known| !known.slots.is_empty());
    primaries.map(|known| (known.id.as_str(), known.slots.as_slice())).collect()
}

/// `CLUSTER NODES`: id, address, flags, primary, ping, pong, epoch, link, slots.
fn view(node: &RedisServer) -> Result<Vec<Known>, String> {
    let text = node.try_command(&["CLUSTER", "NODES"])?;
    let known = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [id, _address, _flags, _primary, _ping, _pong, epoch, _link, slots @ ..] = words.as_slice()
        else {
            return None;
        };
        let range = |words: &&str| {
            let (first, last) = words.split_once('-').unwrap_or((words, words));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let slots = slots.iter().filter_map(range).collect();
        Some(Known { id: (*id).to_owned(), epoch: epoch.parse().ok()?, slots })
    };
    text.lines().map(known).collect::<Option<Vec<_>>>().ok_or(text)
}
