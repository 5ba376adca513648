//! Dossiers in Redis: records like outcomes, and one list of the deployment that says in which order they changed.
//!
//! ```text
//! {p:NNNN}x:K        dossier of a code
//! {tracegate}cases   codes by the place of their last change; cases:versions, cases:last beside it
//! ```
//!
//! The list is written after the change is committed and before it is acknowledged, and read by every gateway.

use super::commands::{self, eval};
use super::lane;
use super::layout::Layout;
use super::ledger::{Place, Read, Shown, shown};
use super::link::{Batch, Tag};
use super::reply::{bytes_of, garbled, list_of};
use super::{RedisStore, Shared};
use crate::domain::case::Dossier;
use crate::domain::code::CodeKey;
use crate::store::logged::Span;
use crate::store::{Answering, CaseBook, DossierRow, DossierTold, Dossiers, LogEvent, Logged, StoreError};
use bytes::Bytes;
use jiff::Timestamp;
use redis::Cmd;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the list is read.
const READ_EVERY: Duration = Duration::from_millis(100);
/// Dossiers that are read at once.
const DOSSIERS_AT_ONCE: usize = 256;
/// Batches that wait for their reader.
const BATCHES_WAITING_MAX: usize = 2;
/// Puts a change on the list, once: KEYS list, versions, last; ARGV code, version. Places grow with the clock of the
/// server, so that they grow on also where a server took over that had not seen the last of them.
const PUT_ON_LIST: &str =
    "if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') >= tonumber(ARGV[2]) then return 0 end
local now = redis.call('TIME')
local place = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
if place <= last then place = last + 1 end
place = string.format('%.0f', place)
redis.call('SET', KEYS[3], place)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], place, ARGV[1])
return 1";
/// What changed behind a place, in order: KEYS list; ARGV place, how many. Gives codes, each followed by its place.
const READ_LIST: &str =
    "return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])";

fn list_key() -> Vec<u8> {
    Tag::Deployment.key("cases")
}

/// The last place that was given.
fn last_key() -> Vec<u8> {
    Tag::Deployment.key("cases:last")
}

/// Puts changes of dossiers on the list.
pub(super) fn put_on_list(batch: &mut Batch, dossiers: &[DossierRow]) {
    for row in dossiers {
        let keys = [list_key(), Tag::Deployment.key("cases:versions"), last_key()];
        let mut cmd: Cmd = eval(PUT_ON_LIST, &keys.each_ref().map(Vec::as_slice));
        cmd.arg(row.key.as_bytes()).arg(row.version);
        batch.put(Tag::Deployment, cmd);
    }
}

/// Where the dossier of a code stands.
pub(super) fn place_of(layout: &Layout, key: &CodeKey) -> Place {
    let (tag, name) = layout.dossier(key);
    Place::Record(tag, name)
}

/// Dossiers that changed, in order.
struct Changed {
    rows: Vec<(u64, DossierRow)>,
    /// The last place that was listed; `None` = nothing was.
    last: Option<u64>,
}

impl Shared {
    /// What changed behind a place; `Undecided` = somebody changes one of them right now.
    async fn changed_behind(&self, place: u64) -> Result<Read<Changed>, StoreError> {
        let mut cmd = eval(READ_LIST, &[&list_key()]);
        cmd.arg(place).arg(DOSSIERS_AT_ONCE);
        let mut listed = list_of(self.ledger.link.ask(Tag::Deployment, cmd).await?)?.into_iter();
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        while let (Some(code), Some(place)) = (listed.next(), listed.next()) {
            let place = std::str::from_utf8(&place).ok().and_then(|text| text.parse().ok());
            keys.push(CodeKey::from_bytes(&code).ok_or_else(garbled)?);
            places.push(place.ok_or_else(garbled)?);
        }
        let rows = match self.dossier_rows(&keys).await? {
            Read::Known(rows) => rows,
            Read::Undecided(id) => return Ok(Read::Undecided(id)),
        };
        // One that is on the list and lost otherwise is put back by the gateway that wrote it.
        let last = places.last().copied();
        let rows = places.into_iter().zip(rows).filter_map(|(at, row)| Some((at, row?))).collect();
        Ok(Read::Known(Changed { rows, last }))
    }

    /// The dossiers of codes as they stand.
    pub async fn dossier_rows(&self, keys: &[CodeKey]) -> Result<Read<Vec<Option<DossierRow>>>, StoreError> {
        let places: Vec<_> = keys.iter().map(|key| place_of(&self.ledger.layout, key)).collect();
        let cells = self.ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut rows = Vec::with_capacity(keys.len());
        for (key, cell) in keys.iter().zip(&cells) {
            let key = key.clone();
            rows.push(match shown(cell.as_ref(), &decided) {
                Shown::Undecided(id) => return Ok(Read::Undecided(id)),
                Shown::Nothing => None,
                Shown::This(value) => {
                    let (version, bytes) = value.stored().ok_or_else(garbled)?;
                    Some(DossierRow { key, version, bytes: Bytes::copy_from_slice(bytes), expected: None })
                }
            });
        }
        Ok(Read::Known(rows))
    }

    /// From now on changes are told; what was before can be read.
    pub async fn begin_list(&self) -> Result<(), StoreError> {
        let last = bytes_of(self.ledger.link.ask(Tag::Deployment, commands::get(&last_key())).await?)?;
        let last = last.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(last.unwrap_or(0));
        Ok(())
    }

    /// Tells whoever follows of every change, whoever made it. Works until the store is closed.
    pub async fn read_dossiers(self: Arc<Self>) {
        let mut ticks = self.every(READ_EVERY);
        while ticks.next().await {
            let Some(follower) = self.follower() else { continue };
            let listed = *self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(mut from) = listed else { continue };
            loop {
                match self.changed_behind(from).await {
                    Ok(Read::Known(changed)) => {
                        let Some(last) = changed.last else { break };
                        from = last;
                        let told = changed.rows.iter().map(|(place, row)| DossierTold {
                            place: *place,
                            key: &row.key,
                            bytes: &row.bytes,
                        });
                        follower.dossiers_changed(&mut { told });
                    }
                    Ok(Read::Undecided(_)) => break,
                    Err(error) => {
                        tracing::debug!(%error, "changes of cases wait to be read");
                        break;
                    }
                }
                if self.closing.is_cancelled() {
                    return;
                }
            }
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
        }
    }
}

impl CaseBook for RedisStore {
    fn dossiers<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<Dossier>>, StoreError>> {
        Box::pin(async move {
            let rows = self.settled(|| self.shared.dossier_rows(keys)).await?;
            let read = |row: Option<DossierRow>| {
                let read = row.map(|row| Dossier::from_stored(&row.bytes));
                read.transpose().map_err(|error| StoreError::Unreadable(error.to_string()))
            };
            rows.into_iter().map(read).collect()
        })
    }

    fn logged_between(&self, from: Timestamp, to: Timestamp) -> Logged {
        let read = |bytes: &[u8]| {
            let event = lane::parts(bytes).and_then(|(_, event)| LogEvent::decode(event).ok());
            event.ok_or_else(|| StoreError::Unreadable("the log holds something that is no event".to_owned()))
        };
        let (dir, end) = (self.shared.log_dir.clone(), self.shared.logged_up_to());
        Span { dir, end, read, from, to }.read()
    }

    fn all_dossiers(&self) -> Dossiers {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let store = self.handle();
        tokio::spawn(async move {
            let mut from = 0;
            loop {
                let batch = store.settled(|| store.shared.changed_behind(from)).await;
                let last = batch.as_ref().map_or(None, |changed| changed.last);
                from = last.unwrap_or(from);
                let unread = sender.send(batch.map(|changed| changed.rows)).await.is_err();
                if unread || last.is_none() {
                    return;
                }
            }
        });
        receiver
    }
}

/// What stands as a row of Redis, for a move.
pub(super) fn read_moved(key: &[u8], version: u32, bytes: &[u8]) -> Result<DossierRow, StoreError> {
    let key = CodeKey::from_bytes(key).ok_or_else(garbled)?;
    Ok(DossierRow { key, version, bytes: Bytes::copy_from_slice(bytes), expected: None })
}
