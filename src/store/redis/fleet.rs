//! What other gateways claim, for those who keep a copy of what the ledger knows. Each gateway publishes its claims
//! in a stream of its own before it acknowledges them; whoever has read all streams to their ends knows everything
//! that was acknowledged before it began to read.

use super::Shared;
use super::effects::{Told, feed_of, open_list};
use super::life::alive_key;
use super::link::Batch;
use super::reply::{entries_of, garbled, is_one, items_of};
use crate::clock::Stopwatch;
use crate::store::StoreError;
use redis::Value as Reply;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often streams are read.
const READ_EVERY: Duration = Duration::from_millis(100);
/// Entries of one stream that are read at once.
const ENTRIES_AT_ONCE: usize = 512;
/// Before the first entry of a stream.
const BEGINNING: &str = "0-0";
/// The version of a history is its first number in stored form; a first claim has this one.
const FIRST_VERSION: u8 = 1;

/// Up to which entry each stream was read.
pub(super) type Cursors = HashMap<u16, String>;

/// What one round of reading found.
struct Round {
    /// Every stream was read to its end.
    at_end: bool,
    /// No gateway died between claim and publishing.
    whole: bool,
    /// A stream no longer holds what was read last.
    lost: bool,
}

impl Shared {
    /// Works until the store is closed.
    pub async fn read_fleet(self: Arc<Self>) {
        let mut ticks = self.every(READ_EVERY);
        let mut read = Stopwatch::start();
        while ticks.next().await {
            loop {
                let round = self.read_streams(read.elapsed()).await;
                if round.is_ok() {
                    read = Stopwatch::start();
                }
                match round {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(%error, "claims of other gateways wait to be read");
                        break;
                    }
                }
                if self.closing.is_cancelled() {
                    return;
                }
            }
        }
    }

    /// Reads what is new in all streams; gives whether their ends were reached. `silence` = how long nothing was read.
    async fn read_streams(&self, silence: Duration) -> Result<bool, StoreError> {
        let Some(follower) = self.follower() else { return Ok(true) };
        let started = Stopwatch::start();
        let others = self.others().await?;
        let mut cursors = self.cursors.lock().await;
        let round = self.read_round(&others, &mut cursors).await?;
        let silent = silence > self.options.feed_kept / 2;
        if silent {
            // What was cut meanwhile is gone, also from a stream that was never read.
            tracing::warn!("claims of other gateways were not read for long; the index is built anew");
        }
        if round.lost || silent {
            follower.lost();
        } else if round.at_end && round.whole {
            follower.covered(started.elapsed());
        }
        Ok(round.at_end)
    }

    async fn others(&self) -> Result<Vec<u16>, StoreError> {
        Ok(self.gateways().await?.into_iter().filter(|number| *number != self.gateway).collect())
    }

    async fn read_round(&self, others: &[u16], cursors: &mut Cursors) -> Result<Round, StoreError> {
        let mut batch = Batch::default();
        for number in others {
            let (tag, feed) = feed_of(*number);
            let from = cursors.entry(*number).or_insert_with(|| BEGINNING.to_owned());
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(ENTRIES_AT_ONCE).arg("STREAMS").arg(feed).arg(from.as_str());
            batch.put(tag, read);
            let mut first = redis::cmd("XRANGE");
            first.arg(feed_of(*number).1).arg("-").arg("+").arg("COUNT").arg(1);
            batch.put(tag, first);
            let mut alive = redis::cmd("EXISTS");
            alive.arg(alive_key(*number));
            batch.put(tag, alive);
            let mut under_way = redis::cmd("HLEN");
            under_way.arg(open_list(*number).1);
            batch.put(tag, under_way);
        }
        let mut replies = self.ledger.link.run(batch).await?.into_iter();
        let mut round = Round { at_end: true, whole: true, lost: false };
        for number in others {
            let mut next = || replies.next().ok_or_else(garbled);
            let (entries, first) = (entries_of(next()?)?, items_of(next()?)?.pop());
            let (alive, under_way) = (next()?, next()?);
            let cursor = cursors.get(number).map_or(BEGINNING, String::as_str);
            if first.is_some_and(|(first, _)| is_behind(cursor, &first)) {
                // What was read last is gone from the stream, and perhaps more that was never read.
                tracing::warn!(
                    gateway = number,
                    "claims of another gateway were missed; the index is built anew"
                );
                round.lost = true;
            }
            round.at_end &= entries.len() < ENTRIES_AT_ONCE;
            round.whole &= is_one(&alive) || matches!(under_way, Reply::Int(0));
            for (id, bytes) in entries {
                self.tell(&bytes)?;
                cursors.insert(*number, id);
            }
        }
        Ok(round)
    }

    fn tell(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(follower) = self.follower() else { return Ok(()) };
        let told: Told<'_> = postcard::from_bytes(bytes)
            .map_err(|e| StoreError::Unreadable(format!("the feed of a gateway cannot be read: {e}")))?;
        let new = told.claims.iter().filter(|(_, history)| history.first() == Some(&FIRST_VERSION)).count();
        self.codes.fetch_add(new as u64, Ordering::Relaxed);
        let mut claims = told.claims.iter().map(|(key, history)| (key, *history));
        follower.claimed(self.logged_up_to(), &mut claims);
        Ok(())
    }

    /// From now on only what is published from now on is told: what was before can be read.
    pub async fn cursors_at_end(&self) -> Result<Cursors, StoreError> {
        let others = self.others().await?;
        let mut batch = Batch::default();
        for number in &others {
            let (tag, feed) = feed_of(*number);
            let mut cmd = redis::cmd("XREVRANGE");
            cmd.arg(feed).arg("+").arg("-").arg("COUNT").arg(1);
            batch.put(tag, cmd);
        }
        let mut cursors = Cursors::new();
        for (number, reply) in others.into_iter().zip(self.ledger.link.run(batch).await?) {
            let last = items_of(reply)?.pop().map_or_else(|| BEGINNING.to_owned(), |(id, _)| id);
            cursors.insert(number, last);
        }
        Ok(cursors)
    }
}

/// Whether a cursor lies before the first entry that a stream still holds. One that read nothing yet is behind nothing.
fn is_behind(cursor: &str, first: &str) -> bool {
    let parts = |id: &str| -> Option<(u64, u64)> {
        let (moment, number) = id.split_once('-')?;
        Some((moment.parse().ok()?, number.parse().ok()?))
    };
    cursor != BEGINNING && parts(cursor) < parts(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::link::Tag;

    fn text(text: &str) -> Reply {
        Reply::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn streams_are_read_in_either_protocol() {
        let entry = Reply::Array(vec![text("5-1"), Reply::Array(vec![text("c"), text("x")])]);
        let entries = Reply::Array(vec![entry]);
        let older = Reply::Array(vec![Reply::Array(vec![text("key"), entries.clone()])]);
        let newer = Reply::Map(vec![(text("key"), entries)]);
        let expected = vec![("5-1".to_owned(), b"x".to_vec())];
        for reply in [older, newer] {
            assert_eq!(entries_of(reply), Ok(expected.clone()));
        }
        assert_eq!(entries_of(Reply::Nil), Ok(Vec::new()));
        for odd in [Reply::Int(1), Reply::Array(vec![Reply::Int(1)])] {
            assert_eq!(entries_of(odd), Err(garbled()));
        }
    }

    #[test]
    fn a_stream_that_was_cut_is_noticed() {
        let rows =
            [("5-1", "5-1", false), ("5-1", "4-9", false), ("5-1", "5-2", true), ("9-0", "10-0", true)];
        for (cursor, first, expected) in rows {
            assert_eq!(is_behind(cursor, first), expected, "{cursor} {first}");
        }
        assert!(!is_behind(BEGINNING, "5-1"), "nothing was read yet");
    }

    #[test]
    fn a_first_claim_is_told_by_its_first_byte() {
        let stored =
            |version| crate::domain::claim::History { version, events: Vec::new() }.stored().unwrap();
        assert_eq!(stored(1).first(), Some(&FIRST_VERSION));
        assert_ne!(stored(2).first(), Some(&FIRST_VERSION));
    }

    #[test]
    fn a_gateway_has_a_tag_of_its_own() {
        assert_ne!(feed_of(1).0, feed_of(2).0);
        assert_eq!(feed_of(7).0, Tag::Gateway(7));
    }
}
