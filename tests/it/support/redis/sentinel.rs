//! A primary and a replica under three sentinels, two of which must agree before they make the replica a primary.

use super::server::RedisServer;
use super::wait_for;

/// The name under which the sentinels know the primary.
const NAME: &str = "tracegate";
const SENTINELS: usize = 3;

/// Two servers and who watches them. Ends when dropped.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Server 0 is the primary, server 1 its replica in step, and each sentinel knows all the others.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with settings for both servers.
    pub fn start_with(extra: &[(&str, &str)]) -> Self {
        let primary = RedisServer::start_with(extra);
        let of = format!("127.0.0.1 {}", primary.port());
        let replica = RedisServer::start_with(&[&[("replicaof", of.as_str())], extra].concat());
        let monitor = format!("monitor {NAME} {of} 2");
        // Long enough that a busy machine is not taken for a dead primary.
        let down_after = format!("down-after-milliseconds {NAME} 2000");
        let failover_timeout = format!("failover-timeout {NAME} 3000");
        let settings = [&monitor, &down_after, &failover_timeout].map(|line| ("sentinel", line.as_str()));
        let sentinels = (0..SENTINELS).map(|_| RedisServer::start_sentinel(&settings)).collect();
        let group = Self { servers: vec![primary, replica], sentinels };
        group.wait_for_ok();
        group
    }

    /// What clients are given: the sentinels and the name to ask them for.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(RedisServer::address).collect();
        format!("redis-sentinel://{}/{NAME}", addresses.join(","))
    }

    /// One of the two servers, to be asked, signalled or configured.
    pub fn server(&self, at: usize) -> &RedisServer {
        &self.servers[at]
    }

    /// One of the two servers, to be killed or restarted.
    pub fn server_mut(&mut self, at: usize) -> &mut RedisServer {
        &mut self.servers[at]
    }

    /// One of the three sentinels, to be killed or restarted.
    pub fn sentinel_mut(&mut self, at: usize) -> &mut RedisServer {
        &mut self.sentinels[at]
    }

    /// The index of the server that every running sentinel names, once they name the same.
    pub fn primary(&self) -> usize {
        wait_for("the sentinels name one primary", || self.named())
    }

    fn named(&self) -> Result<usize, String> {
        let mut named = Vec::new();
        for sentinel in self.sentinels.iter().filter(|s| s.is_running()) {
            named.push(sentinel.try_command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?);
        }
        let is_named = |server: &RedisServer| {
            let address = format!("127.0.0.1\n{}", server.port());
            !named.is_empty() && named.iter().all(|one| *one == address)
        };
        self.servers.iter().position(is_named).ok_or_else(|| format!("{named:?}"))
    }

    /// Waits until the sentinels name another primary than `old` and it is one; gives its index.
    pub fn wait_for_failover(&self, old: usize) -> usize {
        wait_for(&format!("another primary than server {old}"), || {
            let named = self.named()?;
            let role = self.servers[named].try_command(&["ROLE"])?;
            let is_done = named != old && role.starts_with("master");
            if is_done { Ok(named) } else { Err(format!("server {named}: {role}")) }
        })
    }

    /// Waits until the other server follows the primary in step, and every sentinel would fail over to it: it knows the
    /// replica as well as the other two sentinels. All five must run.
    pub fn wait_for_ok(&self) {
        wait_for("the replica is in step and known to every sentinel", || {
            let replica = self.servers.get(1 - self.named()?).ok_or("two servers")?;
            let role = replica.try_command(&["INFO", "replication"])?;
            let wanted = ["role:slave", "master_link_status:up", "master_sync_in_progress:0"];
            if !wanted.iter().all(|line| role.contains(line)) {
                return Err(role);
            }
            for sentinel in &self.sentinels {
                let known = sentinel.try_command(&["SENTINEL", "MASTER", NAME])?;
                let counts = ["num-other-sentinels\n2", "num-slaves\n1", "flags\nmaster\n"];
                if !counts.iter().all(|count| known.contains(count)) {
                    return Err(known);
                }
            }
            Ok(())
        });
    }
}
