//! What keys take of Redis' memory, key by key as Redis itself tells it. Must not know what brought them in.

use crate::redis_server::RedisServer;
use anyhow::{Result, bail};
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Keys of one pipeline.
const KEYS_AT_ONCE: usize = 500;
/// Buckets, by their kind; only those are packed.
const CLAIMS: &str = "claims";
const DECISIONS: &str = "decisions";
/// Claims that say more than fits into a bucket.
const LONG_CLAIMS: &str = "claims with a key of their own";
/// Plain keys that are put for comparison, with so many digits, and bytes of a value: institution, document, visit
/// and moment.
const PLAIN_KEYS: u64 = 100_000;
const PLAIN_VALUE_BYTES: usize = 31;
/// Memory is settled when two looks in a row say about the same; a minute at most.
const SETTLED_LOOK: Duration = Duration::from_millis(300);
const SETTLED_LOOKS_MAX: usize = 200;
const SETTLED_SHARE: f64 = 0.0005;

/// Keys of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Part {
    /// What they hold.
    pub part: &'static str,
    /// How many.
    pub keys: u64,
    /// Claims or decisions in them; other kinds are not counted.
    pub entries: u64,
    /// Buckets that are packed no longer, of all: these take several times as much.
    pub unpacked: u64,
    /// Their memory.
    pub bytes: u64,
    /// The same for one sold code.
    pub bytes_per_code: f64,
}

impl Part {
    /// Whether it is what every sold code needs: its claim, and the decision that the claim names.
    pub fn is_claim_or_decision(&self) -> bool {
        [CLAIMS, DECISIONS, LONG_CLAIMS].contains(&self.part)
    }

    /// Whether it is the buckets of claims, one entry for each code.
    pub fn is_claims(&self) -> bool {
        self.part == CLAIMS
    }
}

/// What keys of their own would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlainKeys {
    /// How many were put.
    pub keys: u64,
    /// Growth of all memory for one.
    pub used_memory_per_key: f64,
    /// `MEMORY USAGE` of one, which leaves the table of keys out.
    pub memory_usage_per_key: f64,
}

/// All keys by their kind, the largest first; `codes` = sold codes.
pub(super) async fn parts(redis: &RedisServer, codes: u64) -> Result<Vec<Part>> {
    let mut connection = redis.connect().await?;
    let keys: Vec<Vec<u8>> = all_keys(&mut connection).await?.into_iter().collect();
    let mut parts = BTreeMap::<&'static str, Part>::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let sizes = usage(&mut connection, keys).await?;
        let entries = entries(&mut connection, keys).await?;
        for (key, (bytes, (count, packed))) in keys.iter().zip(sizes.into_iter().zip(entries)) {
            let name = name_of(key);
            let part = parts.entry(name).or_insert_with(|| Part { part: name, ..Part::default() });
            part.keys += 1;
            part.entries += count;
            part.unpacked += u64::from(!packed);
            part.bytes += bytes;
        }
    }
    let mut parts: Vec<_> = parts.into_values().collect();
    parts.iter_mut().for_each(|part| part.bytes_per_code = part.bytes as f64 / codes as f64);
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    Ok(parts)
}

/// A scan may tell a key twice.
async fn all_keys(connection: &mut MultiplexedConnection) -> Result<HashSet<Vec<u8>>> {
    let (mut keys, mut cursor) = (HashSet::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(KEYS_AT_ONCE);
        let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await?;
        keys.extend(found);
        if next == 0 {
            return Ok(keys);
        }
        cursor = next;
    }
}

/// Memory of each.
async fn usage(connection: &mut MultiplexedConnection, keys: &[Vec<u8>]) -> Result<Vec<u64>> {
    let mut pipeline = redis::pipe();
    for key in keys {
        pipeline.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
    }
    // A key that says when it ends may be gone by now.
    let sizes: Vec<Option<u64>> = pipeline.query_async(connection).await?;
    Ok(sizes.into_iter().map(Option::unwrap_or_default).collect())
}

/// Entries of each that is a bucket, and whether it is packed; 0 and true for all others.
async fn entries(connection: &mut MultiplexedConnection, keys: &[Vec<u8>]) -> Result<Vec<(u64, bool)>> {
    let is_bucket = |key: &&Vec<u8>| [CLAIMS, DECISIONS].contains(&name_of(key));
    let (mut lengths, mut encodings) = (redis::pipe(), redis::pipe());
    for key in keys.iter().filter(is_bucket) {
        lengths.cmd("HLEN").arg(key);
        encodings.cmd("OBJECT").arg("ENCODING").arg(key);
    }
    let (mut counts, mut kinds) = (Vec::<u64>::new(), Vec::<String>::new());
    if keys.iter().any(|key| is_bucket(&key)) {
        counts = lengths.query_async(connection).await?;
        kinds = encodings.query_async(connection).await?;
    }
    let mut buckets = counts.into_iter().zip(kinds.into_iter().map(|kind| kind == "listpack"));
    let of = |key: &Vec<u8>| if is_bucket(&key) { buckets.next() } else { None };
    Ok(keys.iter().map(of).map(|bucket| bucket.unwrap_or((0, true))).collect())
}

/// What a key holds, by its name; see the ledger's own list of its keys.
fn name_of(key: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(key);
    let Some((tag, rest)) = text.split_once('}') else { return "other" };
    if tag.starts_with("{g:") {
        return if rest == "feed" { "feeds of gateways" } else { "lists of gateways" };
    }
    if tag.starts_with("{tracegate") {
        return "head and registry";
    }
    match rest.get(..1) {
        Some("c") => CLAIMS,
        Some("d") => DECISIONS,
        Some("h") => LONG_CLAIMS,
        Some("o") => "outcomes",
        Some("r") => "requests by document",
        Some("b") => "purchases",
        Some("s" | "i") => "positions",
        Some("t" | "n") => "tallies",
        Some("x") => "dossiers of cases",
        Some("w") => "questions that wait",
        Some("m") => "marks of gateways' logs",
        _ => "other",
    }
}

/// Memory that is in use, once a table of keys that grew is in its new place.
pub(super) async fn settled_memory(redis: &RedisServer) -> Result<u64> {
    let mut before = redis.used_memory().await?;
    for _ in 0..SETTLED_LOOKS_MAX {
        // signal: none; Redis moves its keys little by little and tells nobody when it is through.
        tokio::time::sleep(SETTLED_LOOK).await;
        let now = redis.used_memory().await?;
        if now.abs_diff(before) as f64 <= before as f64 * SETTLED_SHARE {
            return Ok(now);
        }
        before = now;
    }
    bail!("Redis' memory does not settle; is somebody else using this server?")
}

/// Puts plain keys, in a database of their own, and looks at what they take.
pub(super) async fn plain_keys(redis: &RedisServer) -> Result<PlainKeys> {
    let mut connection = crate::redis_server::connect(redis.address(), crate::bare::DATABASE).await?;
    let value = vec![b'v'; PLAIN_VALUE_BYTES];
    let keys: Vec<Vec<u8>> = (0..PLAIN_KEYS).map(|n| format!("8{n:019}").into_bytes()).collect();
    let before = settled_memory(redis).await?;
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("SET").arg(key).arg(&value).ignore();
        }
        pipeline.query_async::<()>(&mut connection).await?;
    }
    let grown = settled_memory(redis).await?.saturating_sub(before);
    let mut bytes = 0;
    for keys in keys.chunks(KEYS_AT_ONCE) {
        bytes += usage(&mut connection, keys).await?.iter().sum::<u64>();
    }
    let each = |bytes: u64| bytes as f64 / PLAIN_KEYS as f64;
    Ok(PlainKeys { keys: PLAIN_KEYS, used_memory_per_key: each(grown), memory_usage_per_key: each(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_names() {
        let check = |key: &str, name: &str| assert_eq!(name_of(key.as_bytes()), name, "{key}");
        check("{p:0057}c:6", CLAIMS);
        check("{p:0057}d:1a", DECISIONS);
        check("{p:0057}h:\u{1}", LONG_CLAIMS);
        check("{p:1023}w", "questions that wait");
        check("{p:1023}m", "marks of gateways' logs");
        check("{g:00012}feed", "feeds of gateways");
        check("{g:00012}open", "lists of gateways");
        check("{tracegate}head", "head and registry");
        check("{tracegate:registry}rows", "head and registry");
        check("83003850000000000001", "other");
        check("{p:0057}", "other");
    }
}
