//! More codes than were planned for: buckets become fuller, not more. Redis keeps a bucket packed up to a limit that
//! can be raised while it runs; what has lost its packing before that does not get it back by itself. Here it is said in
//! time that the limit must be raised, and buckets are packed again once it was.

use super::Shared;
use super::commands;
use super::layout::{PARTITIONS, bucket_keys, partitions};
use super::link::{Batch, LinkError, Tag};
use super::reply::{bytes_of, is_one, pairs_of};
use crate::clock::Stopwatch;
use redis::{Cmd, Value as Reply};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is said that the limit must be raised.
const SAY_EVERY: Duration = Duration::from_secs(3600);
/// The setting, as Redis names it.
const LIMIT: &str = "hash-max-listpack-entries";
/// Buckets that are looked at with one way there and back, about.
const BUCKETS_AT_ONCE: usize = 256;
/// How far the fullest bucket lies above the mean, in square roots of it; beyond are a few of a million.
const SPREAD: f64 = 5.0;

/// Packs a bucket again: KEYS bucket; ARGV limit. Gives 1 where it was done.
const PACK: &str = "local all = redis.call('HGETALL', KEYS[1])
if #all == 0 or #all / 2 > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
for i = 1, #all, 200 do redis.call('HSET', KEYS[1], unpack(all, i, math.min(i + 199, #all))) end
return 1";

/// The limit up to which every bucket was packed last, by whichever gateway.
fn packed_key() -> Vec<u8> {
    Tag::Deployment.key("packed")
}

impl Shared {
    /// Works until the store is closed.
    pub async fn keep_packed(self: Arc<Self>) {
        let mut ticks = self.every(LOOK_EVERY);
        let mut said = None;
        while ticks.next().await {
            if let Err(error) = self.look_at_packing(&mut said).await {
                tracing::debug!(%error, "it is not looked whether buckets are packed");
            }
        }
    }

    async fn look_at_packing(&self, said: &mut Option<Stopwatch>) -> Result<(), LinkError> {
        // Where it may not be asked, the guards said so at the start.
        let Some(limit) = self.packed_up_to().await? else { return Ok(()) };
        let codes = self.codes.load(Ordering::Relaxed);
        let fullest = fullest(codes, self.head.buckets().claims);
        if fullest > limit && said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            *said = Some(Stopwatch::start());
            let (planned, line) = (self.head.codes_planned, format!("{LIMIT} {}", enough_for(fullest)));
            tracing::warn!(
                codes,
                planned,
                "buckets of claims are about to lose their packing, and take three times the memory then. In redis.conf \
                 of every server: `{line}`; at once: `CONFIG SET {line}`"
            );
        }
        if codes <= self.head.codes_planned || fullest > limit {
            return Ok(());
        }
        let packed = bytes_of(self.ledger.link.ask(Tag::Deployment, commands::get(&packed_key())).await?)?;
        let before = packed.and_then(|text| std::str::from_utf8(&text).ok()?.parse::<u64>().ok());
        if before == Some(limit) {
            return Ok(());
        }
        // Also where it was lowered: what loses its packing now gets it back once it is raised again.
        if before.is_none_or(|before| before < limit) {
            let packed = self.pack_all(limit).await?;
            tracing::info!(packed, limit, "buckets were looked at, and packed where they were not");
        }
        let mut cmd = redis::cmd("SET");
        cmd.arg(packed_key()).arg(limit);
        self.ledger.link.ask(Tag::Deployment, cmd).await?;
        Ok(())
    }

    /// Up to how many entries every server keeps a bucket packed.
    async fn packed_up_to(&self) -> Result<Option<u64>, LinkError> {
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg(LIMIT);
        let asked = self.ledger.link.ask_primaries(&self.options.address, &[config]).await?;
        let limit = |reply: Reply| {
            let (_, value) = pairs_of(reply).ok()?.pop()?;
            std::str::from_utf8(&value).ok()?.parse::<u64>().ok()
        };
        let limits: Option<Vec<u64>> =
            asked.servers.into_iter().map(|mut server| server.replies.pop().and_then(limit)).collect();
        Ok(limits.and_then(|limits| limits.into_iter().min()))
    }

    /// Packs every bucket that is not, where it has room; gives how many were.
    async fn pack_all(&self, limit: u64) -> Result<u64, LinkError> {
        let buckets = self.head.buckets();
        let each = (buckets.claims as usize + 2 * buckets.documents as usize).max(1);
        let tags: Vec<Tag> = partitions().collect();
        let mut packed = 0;
        for tags in tags.chunks((BUCKETS_AT_ONCE / each).max(1)) {
            let keys = tags.iter().flat_map(|tag| bucket_keys(*tag, buckets).map(|key| (*tag, key)));
            for keys in keys.collect::<Vec<_>>().chunks(BUCKETS_AT_ONCE) {
                packed += self.pack(keys, limit).await?;
            }
        }
        Ok(packed)
    }

    async fn pack(&self, keys: &[(Tag, Vec<u8>)], limit: u64) -> Result<u64, LinkError> {
        let command = |words: &[&str], key: &Vec<u8>| {
            let mut cmd = Cmd::new();
            cmd.arg(words).arg(key);
            cmd
        };
        let mut batch = Batch::default();
        keys.iter().for_each(|(tag, key)| batch.put(*tag, command(&["OBJECT", "ENCODING"], key)));
        let kinds = self.ledger.link.run(batch).await?;
        let mut batch = Batch::default();
        for ((tag, key), kind) in keys.iter().zip(kinds) {
            if kind == Reply::BulkString(b"hashtable".to_vec()) {
                let mut cmd = command(&["EVAL", PACK, "1"], key);
                cmd.arg(limit);
                batch.put(*tag, cmd);
            }
        }
        let replies = self.ledger.link.run(batch).await?;
        Ok(replies.iter().filter(|reply| is_one(reply)).count() as u64)
    }
}

/// Entries of the fullest bucket, about.
fn fullest(codes: u64, buckets: u32) -> u64 {
    let mean = codes as f64 / (f64::from(PARTITIONS) * f64::from(buckets.max(1)));
    (mean + SPREAD * mean.sqrt()).ceil() as u64
}

/// A limit that is enough for half as much again.
const fn enough_for(fullest: u64) -> u64 {
    (fullest + fullest / 2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_time() {
        // A million codes planned: 11 buckets in each partition.
        let rows = [(0, 0), (1_000_000, 136), (4_000_000, 450), (5_000_000, 550), (40_000_000, 3850)];
        for (codes, expected) in rows {
            assert_eq!(fullest(codes, 11), expected, "{codes}");
        }
        for (fullest, expected) in [(513, 1024), (700, 2048), (3850, 8192)] {
            assert_eq!(enough_for(fullest), expected, "{fullest}");
        }
    }
}
