//! Real Redis servers for the tests: one alone, a cluster, a primary under sentinels, and a proxy that does harm.
//! Knows nothing of the gateway; whatever it starts ends with the value that stands for it.

pub mod cluster;
pub mod ports;
pub mod proxy;
pub mod sentinel;
pub mod server;
mod tests;

pub use cluster::RedisCluster;
pub use proxy::{FaultProxy, Mode};
pub use sentinel::RedisSentinel;
pub use server::RedisServer;

use std::time::Duration;
use tracegate::clock::Stopwatch;

/// How long a server, a cluster or a failover may take on a busy machine before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `check` gives something; else fails with `what` and the last that was seen.
fn wait_for<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let started = Stopwatch::start();
    loop {
        let seen = match check() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}; last seen: {seen}");
        // signal: polling another process, which has no event to wait for.
        std::thread::sleep(Duration::from_millis(10));
    }
}
