//! The store in Redis for the acceptance suite: alone, under Sentinel, in a cluster.

use super::{Need, StoreUnderTest};
use crate::support::redis::{RedisCluster, RedisSentinel, RedisServer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracegate::clock::{Clock, SystemClock};
use tracegate::store::redis::{Address, RedisOptions, RedisStore};
use tracegate::store::{Answering, Store};

/// Codes that a deployment of these tests has room for.
pub const CODES_PLANNED: u64 = 10_000;

/// Settings for an address, few resources.
pub fn options(url: &str) -> RedisOptions {
    RedisOptions {
        init_codes: Some(CODES_PLANNED),
        changes_max: 64,
        disk_free_bytes_min: 1 << 20,
        segment_bytes_max: 1 << 20,
        ..RedisOptions::at(Address::parse(url).unwrap())
    }
}

/// Opens a store with its log in a directory.
pub async fn open(url: &str, dir: &Path) -> RedisStore {
    RedisStore::open(dir, &options(url), SystemClock.now()).await.unwrap()
}

/// What keeps the servers alive.
pub enum Servers {
    Alone(RedisServer),
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
}

/// A gateway's directory beside servers of its own.
pub struct OnRedis {
    servers: Servers,
    dir: tempfile::TempDir,
}

impl OnRedis {
    pub fn alone() -> Self {
        Self::on(Servers::Alone(RedisServer::start()))
    }

    pub fn under_sentinel() -> Self {
        Self::on(Servers::Sentinel(RedisSentinel::start()))
    }

    pub fn in_cluster() -> Self {
        Self::on(Servers::Cluster(RedisCluster::start(false)))
    }

    fn on(servers: Servers) -> Self {
        Self { servers, dir: tempfile::tempdir().unwrap() }
    }

    fn url(&self) -> String {
        match &self.servers {
            Servers::Alone(server) => server.url(),
            Servers::Sentinel(sentinel) => sentinel.url(),
            Servers::Cluster(cluster) => cluster.url(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

impl StoreUnderTest for OnRedis {
    fn open(&self) -> Answering<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(open(&self.url(), &self.path()).await) as Arc<dyn Store> })
    }

    fn unable(&self) -> &'static [Need] {
        &[]
    }
}
