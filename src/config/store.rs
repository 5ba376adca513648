//! The settings of the store: embedded, or in Redis.

use crate::store::embedded::EmbeddedOptions;
use crate::store::redis::{Address, RedisOptions};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The settings as they stand in a file.
#[derive(Debug, Deserialize)]
pub(super) struct RawStore {
    pub data_dir: PathBuf,
    url: String,
    cache_bytes: u64,
    memory_bytes_max: u64,
    disk_free_bytes_min: u64,
    group_changes_max: usize,
    queue_changes_max: usize,
    segment_bytes_max: u64,
}

/// The settings of Redis as they stand in a file.
#[derive(Debug, Deserialize)]
pub(super) struct RawRedis {
    answer_milliseconds_max: u64,
    commit_milliseconds_max: u64,
    allow_volatile: bool,
}

impl RawStore {
    /// What is wrong with the address.
    pub fn mistake(&self) -> Option<String> {
        let address = self.address()?;
        address.err().map(|error| format!("store.url: {error}"))
    }

    fn address(&self) -> Option<Result<Address, crate::store::redis::BadAddress>> {
        (!self.url.is_empty()).then(|| Address::parse(&self.url))
    }

    /// Numbers with what makes sense of them.
    pub fn numbers(&self) -> [(&'static str, u64, u64, u64); 6] {
        [
            ("store.cache_bytes", self.cache_bytes, 1 << 20, 1 << 50),
            ("store.memory_bytes_max", self.memory_bytes_max, 1 << 20, 1 << 34),
            ("store.disk_free_bytes_min", self.disk_free_bytes_min, 1, u64::MAX),
            ("store.group_changes_max", self.group_changes_max as u64, 1, 1 << 20),
            ("store.queue_changes_max", self.queue_changes_max as u64, 1, 1 << 20),
            ("store.segment_bytes_max", self.segment_bytes_max, 1 << 20, 1 << 40),
        ]
    }

    pub fn embedded(&self) -> EmbeddedOptions {
        EmbeddedOptions {
            disk_free_bytes_min: self.disk_free_bytes_min,
            group_changes_max: self.group_changes_max,
            queue_changes_max: self.queue_changes_max,
            cache_bytes: self.cache_bytes,
            memory_bytes_max: self.memory_bytes_max,
            segment_bytes_max: self.segment_bytes_max,
            ..EmbeddedOptions::default()
        }
    }

    /// The store in Redis, where an address is given.
    pub fn redis(&self, redis: &RawRedis) -> Option<RedisOptions> {
        let address = self.address()?.ok()?;
        Some(RedisOptions {
            answer_max: Duration::from_millis(redis.answer_milliseconds_max),
            commit_max: Duration::from_millis(redis.commit_milliseconds_max),
            allow_volatile: redis.allow_volatile,
            changes_max: self.queue_changes_max,
            disk_free_bytes_min: self.disk_free_bytes_min,
            segment_bytes_max: self.segment_bytes_max,
            ..RedisOptions::at(address)
        })
    }
}

impl RawRedis {
    /// Numbers with what makes sense of them.
    pub fn numbers(&self) -> [(&'static str, u64, u64, u64); 2] {
        [
            ("redis.answer_milliseconds_max", self.answer_milliseconds_max, 10, 60_000),
            ("redis.commit_milliseconds_max", self.commit_milliseconds_max, 100, 60_000),
        ]
    }
}
