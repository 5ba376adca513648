//! What a sold code takes of Redis' memory: past sales are brought in as an operator brings them in, then Redis is
//! asked for the memory of every key.

use super::import_past;
use super::parts::{Part, PlainKeys, parts, plain_keys, settled_memory};
use crate::driver::FaultsSeen;
use crate::gateway::{self, Ledger};
use crate::machine::{Disk, machine};
use crate::redis_server::{AppendFsync, RedisServer};
use crate::report::{Goal, Report, Tables, table};
use crate::scenarios::{World, progress};
use anyhow::Result;
use serde::Serialize;

/// Goal: memory of claims and decisions for one sold code.
const BYTES_MAX: f64 = 48.0;
/// Steps of the run.
const STEPS: usize = 4;

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct MemorySettings {
    /// Sold codes.
    pub codes: u64,
    /// Codes that the deployment has room for.
    pub plan: u64,
    /// Whom it is about, and where it is kept.
    #[serde(flatten)]
    pub world: World,
}

/// The settings, and what the figures rest on.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryReported {
    #[serde(flatten)]
    settings: MemorySettings,
    disk: Disk,
    redis_version: String,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryFigures {
    /// Sold codes.
    pub codes: u64,
    /// Claims that stand in Redis; as many as codes.
    pub claims: u64,
    /// Memory of claims and decisions for one code: institution, document, visit and moment of its sale.
    pub bytes_per_code: f64,
    /// All memory with the registry loaded and nothing sold.
    pub used_memory_before: u64,
    /// The same with everything sold.
    pub used_memory_after: u64,
    /// Its growth for one code: claims, decisions, and the feed that tells other gateways.
    pub used_memory_per_code: f64,
    /// Memory of all keys, by their kind.
    pub parts: Vec<Part>,
    /// What a key of its own for each code would take, in the same server.
    pub plain_keys: PlainKeys,
    /// Codes per second while they were brought in.
    pub import_codes_per_second: f64,
}

impl MemoryFigures {
    fn faults(&self) -> FaultsSeen {
        if self.claims == self.codes {
            return FaultsSeen::default();
        }
        let first = vec![format!("{} codes were sold, Redis holds {} claims", self.codes, self.claims)];
        let count = self.codes.abs_diff(self.claims);
        FaultsSeen { count, share: count as f64 / self.codes as f64, first }
    }
}

impl Tables for MemoryFigures {
    fn tables(&self) -> String {
        let mut rows = table(["keys of Redis", "keys", "entries", "not packed", "bytes", "bytes / code"]);
        for Part { part, keys, entries, unpacked, bytes, bytes_per_code } in &self.parts {
            rows.add_row([
                (*part).to_owned(),
                keys.to_string(),
                entries.to_string(),
                unpacked.to_string(),
                bytes.to_string(),
                format!("{bytes_per_code:.1}"),
            ]);
        }
        let Self { codes, bytes_per_code, used_memory_per_code, plain_keys, .. } = self;
        format!(
            "{codes} sold codes at {:.0} codes/s\nclaims and decisions: {bytes_per_code:.1} bytes a code; all memory \
             grew by {used_memory_per_code:.1} bytes a code\nplain keys would take {:.1} bytes each (MEMORY USAGE {:.1}), \
             measured with {}\n{rows}",
            self.import_codes_per_second,
            plain_keys.used_memory_per_key,
            plain_keys.memory_usage_per_key,
            plain_keys.keys
        )
    }
}

/// Measures it.
pub async fn redis_memory(settings: MemorySettings) -> Result<Report<MemoryReported, MemoryFigures>> {
    let (machine, program) = (machine(), settings.world.program()?);
    let (folder, disk) = settings.world.room(true)?;
    let bar = progress(STEPS);
    bar.set_message("the registry is loaded");
    let redis = RedisServer::start(folder.path(), AppendFsync::Everysec).await?;
    let ledger = Ledger::Redis { address: redis.address(), plan: settings.plan };
    let (province, codes) = (settings.world.province(), settings.codes);
    province.write_to(folder.path())?;
    let mut gateway = gateway::start(&program, folder.path(), ledger).await?;
    gateway::import(&program, &gateway, folder.path(), gateway::REGISTRY).await?;
    gateway.calm().await?;
    let used_memory_before = settled_memory(&redis).await?;
    bar.inc(1);
    bar.set_message("past sales are brought in");
    let seconds = import_past(&program, &gateway, folder.path(), &province, codes).await?;
    gateway.check_alive()?;
    gateway.calm().await?;
    let used_memory_after = settled_memory(&redis).await?;
    bar.inc(1);
    bar.set_message("every key is asked for its memory");
    gateway.stop().await?;
    let parts = parts(&redis, codes).await?;
    bar.inc(1);
    bar.set_message("plain keys, for comparison");
    let plain_keys = plain_keys(&redis).await?;
    bar.finish_and_clear();
    let redis_version = redis.version().to_owned();
    let counted = parts.iter().filter(|part| part.is_claim_or_decision());
    let grown = used_memory_after.saturating_sub(used_memory_before);
    let figures = MemoryFigures {
        codes,
        claims: parts.iter().filter(|part| part.is_claims()).map(|part| part.entries).sum(),
        bytes_per_code: counted.map(|part| part.bytes_per_code).sum(),
        used_memory_before,
        used_memory_after,
        used_memory_per_code: grown as f64 / codes as f64,
        parts,
        plain_keys,
        import_codes_per_second: codes as f64 / seconds,
    };
    let goals = vec![Goal::at_most("Redis memory of a sold code, bytes", BYTES_MAX, figures.bytes_per_code)];
    let faults = figures.faults();
    let report =
        Report::new("redis-memory", machine, MemoryReported { settings, disk, redis_version }, figures);
    Ok(Report { goals, faults, ..report })
}
