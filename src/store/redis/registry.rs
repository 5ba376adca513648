//! The registry's rows: all in one place, changed by one gateway at a time.

use super::commands;
use super::layout::{registry_head, registry_rows};
use super::link::{Batch, Tag};
use super::read::read_row;
use super::reply::{bytes_of, pairs_of};
use super::work::{RowsPut, Work};
use super::{RedisStore, Shared};
use crate::domain::party::Pool;
use crate::domain::registry::{Registry, RegistryRow};
use crate::store::derive::{load_status, regroup, regrouped};
use crate::store::event::RegistryMoment;
use crate::store::fit::check_rows;
use crate::store::{Answering, CommitError, LoadStatus, LogEvent, RegistryStore, StoreError};
use jiff::Timestamp;
use redis::Value as Reply;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// How often a load is tried again because another gateway loaded rows meanwhile.
const ATTEMPTS_MAX: usize = 64;

/// Everything that is loaded.
pub(super) struct Loaded {
    pub rows: HashMap<String, RegistryRow>,
    pub version: u64,
    pub changed_at: Option<Timestamp>,
}

/// The rows of an event as they are kept.
pub(super) fn encoded_rows(event: &LogEvent) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let row = |row: &RegistryRow| {
        let bytes = postcard::to_stdvec(row).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        Ok((row.identity(), bytes))
    };
    event.registry.iter().map(row).collect()
}

impl RegistryStore for RedisStore {
    fn load_registry(&self) -> Answering<'_, Result<Registry, StoreError>> {
        Box::pin(async move {
            let loaded = self.shared.loaded().await?;
            let mut registry = Registry::default();
            let mut rows: Vec<_> = loaded.rows.into_iter().collect();
            rows.sort_by(|(a, _), (b, _)| a.cmp(b));
            rows.into_iter().for_each(|(_, row)| registry.put(row));
            (registry.version, registry.changed_at) = (loaded.version, loaded.changed_at);
            Ok(registry)
        })
    }

    fn loaded_elsewhere(&self) -> watch::Receiver<u64> {
        self.shared.registry_version.subscribe()
    }

    fn put_rows(
        &self,
        rows: Vec<RegistryRow>,
        at: Timestamp,
    ) -> Answering<'_, Result<(Vec<LoadStatus>, u64), CommitError>> {
        Box::pin(self.shared.put_registry(rows, at))
    }
}

impl Shared {
    /// Looks whether another gateway loaded rows.
    pub async fn look_at_registry(&self) -> Result<(), StoreError> {
        let cmd = commands::get_field(&registry_head(), b"version");
        let version = bytes_of(self.ledger.link.ask(Tag::Registry, cmd).await?)?;
        let version = version.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0);
        self.registry_version.send_if_modified(|known| {
            let grown = *known < version;
            *known = version.max(*known);
            grown
        });
        Ok(())
    }

    pub async fn loaded(&self) -> Result<Loaded, StoreError> {
        let mut batch = Batch::default();
        // Head first: rows may then be newer than the version says, and a change that rests on it is refused.
        for key in [registry_head(), registry_rows()] {
            let mut cmd = redis::cmd("HGETALL");
            cmd.arg(key);
            batch.put(Tag::Registry, cmd);
        }
        let mut replies = self.ledger.link.run(batch).await?.into_iter();
        let head: HashMap<_, _> = pairs_of(replies.next().unwrap_or(Reply::Nil))?.into_iter().collect();
        let number = |name: &str| -> Option<i64> {
            std::str::from_utf8(head.get(name.as_bytes())?).ok()?.parse().ok()
        };
        let mut rows = HashMap::new();
        for (identity, row) in pairs_of(replies.next().unwrap_or(Reply::Nil))? {
            rows.insert(String::from_utf8_lossy(&identity).into_owned(), read_row(&row)?);
        }
        Ok(Loaded {
            rows,
            version: number("version").and_then(|version| u64::try_from(version).ok()).unwrap_or(0),
            changed_at: number("changed_at").and_then(|at| Timestamp::from_microsecond(at).ok()),
        })
    }

    /// Adds or replaces rows. An institution that changes its chain takes its positions with it.
    async fn put_registry(
        self: &Arc<Self>,
        rows: Vec<RegistryRow>,
        at: Timestamp,
    ) -> Result<(Vec<LoadStatus>, u64), CommitError> {
        check_rows(&rows)?;
        self.takes_changes()?;
        // One load of this gateway at a time: they would only refuse each other.
        let _turn = self.registry_turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let loaded = self.loaded().await?;
            let stands = loaded.version;
            let (mut event, statuses) = self.changed_rows(loaded, &rows).await?;
            if event.registry.is_empty() {
                return Ok((statuses, stands));
            }
            let version = stands + 1;
            event.registry_version = Some((version, RegistryMoment(at)));
            let put = RowsPut {
                versions: (stands, version),
                changed_at: at.as_microsecond(),
                rows: encoded_rows(&event)?,
            };
            match self.make(Work::of_event(Vec::new(), Some(put), event)?).await {
                Ok(()) => return Ok((statuses, version)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CommitError::Undecided)
    }

    async fn changed_rows(
        &self,
        loaded: Loaded,
        rows: &[RegistryRow],
    ) -> Result<(LogEvent, Vec<LoadStatus>), StoreError> {
        let mut known = loaded.rows;
        let mut event = LogEvent::default();
        let mut statuses = Vec::with_capacity(rows.len());
        for row in rows {
            let identity = row.identity();
            let before = known.get(&identity);
            let row = &row.clone().over(before);
            let status = load_status(before, row);
            statuses.push(status);
            if status == LoadStatus::Unchanged {
                continue;
            }
            if let Some((old_chain, new)) = regrouped(before, row) {
                let positions = self.accounts.positions_of(&Pool::Institution(new.code)).await?;
                regroup(&mut event, &positions, old_chain, new);
            }
            known.insert(identity, row.clone());
            event.registry.push(row.clone());
        }
        Ok((event, statuses))
    }
}
