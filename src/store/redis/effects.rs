//! What rests on a committed decision and can be put again at any time: documents by their number, questions that
//! wait, and the gateway's own list of what it has under way.

use super::decision::DecisionId;
use super::dossiers;
use super::layout::{FieldPlace, Layout};
use super::link::{Batch, Tag};
use crate::domain::claim::PaperKey;
use crate::domain::code::CodeKey;
use crate::store::{AwaitedKey, LogEvent, StoreError};
use redis::Cmd;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Cuts a feed by the age of its entries, and leaves the last one, so that whoever has not read on so far can tell:
/// KEYS feed; ARGV milliseconds.
const CUT_FEED: &str = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return 0 end
local cut = redis.call('TIME')[1] * 1000 - ARGV[1]
local newest = tonumber(string.match(last[1], '^%d+'))
return redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', math.min(cut, newest)))";
/// The field of a feed entry.
pub(super) const FEED_FIELD: &str = "c";

/// Claims as a feed tells them: codes with their histories in stored form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told<'a> {
    #[serde(borrow)]
    pub claims: Vec<(CodeKey, &'a [u8])>,
}

/// The list of what a gateway has under way: decisions with their events.
pub(super) fn open_list(gateway: u16) -> (Tag, Vec<u8>) {
    let tag = Tag::Gateway(gateway);
    (tag, tag.key("open"))
}

/// The list of what others settled of a gateway while it was gone: it adds up what its own log lacks of it.
pub(super) fn adopted_list(gateway: u16) -> (Tag, Vec<u8>) {
    let tag = Tag::Gateway(gateway);
    (tag, tag.key("adopted"))
}

/// The stream of what a gateway claimed.
pub(super) fn feed_of(gateway: u16) -> (Tag, Vec<u8>) {
    let tag = Tag::Gateway(gateway);
    (tag, tag.key("feed"))
}

/// Adds a change to the list of what is under way.
pub(super) fn announce(batch: &mut Batch, gateway: u16, id: DecisionId, event: &[u8]) {
    let (tag, key) = open_list(gateway);
    let mut cmd = redis::cmd("HSET");
    cmd.arg(key).arg(&id.bytes()).arg(event);
    batch.put(tag, cmd);
}

/// Takes changes off the list.
pub(super) fn retire(batch: &mut Batch, gateway: u16, ids: &[DecisionId]) {
    let (tag, key) = open_list(gateway);
    let mut cmd = redis::cmd("HDEL");
    cmd.arg(key);
    for id in ids {
        cmd.arg(&id.bytes());
    }
    if !ids.is_empty() {
        batch.put(tag, cmd);
    }
}

/// Tells the fleet of claims, in the feed of the gateway that made them.
pub(super) fn publish(batch: &mut Batch, gateway: u16, told: &Told<'_>) -> Result<(), StoreError> {
    if told.claims.is_empty() {
        return Ok(());
    }
    let bytes = postcard::to_stdvec(told).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    let (tag, key) = feed_of(gateway);
    let mut cmd = redis::cmd("XADD");
    cmd.arg(key).arg("*").arg(FEED_FIELD).arg(bytes);
    batch.put(tag, cmd);
    Ok(())
}

/// Takes entries off a feed that are older than `kept`.
pub(super) fn cut_feed(batch: &mut Batch, gateway: u16, kept: Duration) {
    let (tag, key) = feed_of(gateway);
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(CUT_FEED).arg(1).arg(key).arg(kept.as_millis() as u64);
    batch.put(tag, cmd);
}

/// Puts what rests on an event.
pub(super) fn put<H, O>(
    batch: &mut Batch,
    layout: &Layout,
    event: &LogEvent<H, O>,
) -> Result<(), StoreError> {
    for (request, document) in &event.documents {
        let FieldPlace { tag, key, mut field } = layout.requests(request.institution, PaperKey(*document));
        field.extend_from_slice(request.request_id.as_bytes());
        let mut cmd = redis::cmd("HSET");
        cmd.arg(key).arg(field).arg("");
        batch.put(tag, cmd);
    }
    dossiers::put_on_list(batch, &event.dossiers);
    for question in &event.awaited {
        question_command(batch, layout, question, "HSET")?;
    }
    for question in &event.settled {
        question_command(batch, layout, question, "HDEL")?;
    }
    Ok(())
}

fn question_command(
    batch: &mut Batch,
    layout: &Layout,
    question: &AwaitedKey,
    name: &str,
) -> Result<(), StoreError> {
    let field = postcard::to_stdvec(question).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    let (tag, key) = layout.awaited(&question.pool, &question.catalog_code);
    let mut cmd: Cmd = redis::cmd(name);
    cmd.arg(key).arg(field);
    if name == "HSET" {
        cmd.arg("");
    }
    batch.put(tag, cmd);
    Ok(())
}
