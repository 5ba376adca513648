//! A move into a deployment: each piece is one change, decided once and logged like every other.

use super::commands;
use super::effects::feed_of;
use super::layout::{registry_head, registry_rows};
use super::link::{Batch, Tag};
use super::read::read_row;
use super::reply::{bytes_of, garbled};
use super::work::{RowsPut, Work};
use super::{RedisStore, Shared, head};
use crate::domain::registry::RegistryRow;
use crate::store::event::RegistryMoment;
use crate::store::moving::{Movable, MoveError, Piece, Pieces, adds_for, is_missing, missing_of_tallies};
use crate::store::{Answering, ClaimLedger, LogEvent, ProvisionalBook, StoreError};
use jiff::Timestamp;
use redis::Value as Reply;

impl Movable for RedisStore {
    fn secret(&self) -> [u8; 16] {
        self.shared.secret
    }

    fn quieten(&self) -> Answering<'_, Result<(), MoveError>> {
        Box::pin(async move {
            let shared = &self.shared;
            let (unclaimed, _) = shared.aside.kept();
            if !unclaimed.is_empty() {
                return Err(MoveError::Unclaimed(unclaimed.len()));
            }
            let gateways = shared.gateways().await.map_err(MoveError::of_source)?;
            let others = gateways.into_iter().filter(|number| *number != shared.gateway).collect();
            for (number, policy) in shared.alive(others).await.map_err(MoveError::of_source)? {
                if policy.is_some() {
                    return Err(MoveError::InUse(number));
                }
                shared.settle_gateway(number).await.map_err(MoveError::of_source)?;
            }
            Ok(())
        })
    }

    fn walk_end(&self) -> u64 {
        self.shared.ledger.layout.walk().len() as u64
    }

    fn pieces(&self, from: Option<u64>) -> Pieces {
        self.export(from)
    }

    fn rows(&self) -> Pieces {
        self.export(Some(0))
    }

    fn put_piece(&self, piece: Piece) -> Answering<'_, Result<(), MoveError>> {
        Box::pin(async move {
            let shared = &self.shared;
            let (event, rows) = self.missing(piece).await?;
            if event.is_empty() {
                return Ok(());
            }
            shared.make(Work::of_rows(shared, event, rows)?).await?;
            // Nobody follows yet, and as many claims as are moved would fill the memory of the feed's server.
            let (tag, key) = feed_of(shared.gateway);
            let mut cmd = redis::cmd("DEL");
            cmd.arg(key);
            shared.ledger.link.ask(tag, cmd).await.map_err(StoreError::from)?;
            Ok(())
        })
    }

    fn moved_in(&self) -> Answering<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(head::remove_mark(&self.shared.ledger.link).await?) })
    }
}

impl RedisStore {
    /// What does not stand yet of a piece. Documents and questions change nothing where they stand already.
    async fn missing(&self, piece: Piece) -> Result<(LogEvent, Option<RowsPut>), MoveError> {
        let Piece { mut rows, positions, tallies, walked: _ } = piece;
        let keys: Vec<_> = rows.claims.iter().map(|(key, _)| key.clone()).collect();
        let stand = self.histories(&keys).await?;
        let mut claims = Vec::with_capacity(keys.len());
        for ((key, history), stands) in rows.claims.into_iter().zip(stand) {
            if is_missing(&history, stands.as_ref(), || format!("the history of code {key}"))? {
                claims.push((key, history));
            }
        }
        let keys: Vec<_> = rows.outcomes.iter().map(|(key, _)| key.clone()).collect();
        let stand = self.settled(|| self.outcomes(&keys)).await?;
        let mut outcomes = Vec::with_capacity(keys.len());
        for ((key, outcome), stands) in rows.outcomes.into_iter().zip(stand) {
            let what = || format!("the outcome of request {} of {}", key.request_id, key.institution);
            if is_missing(&outcome, stands.as_ref(), what)? {
                outcomes.push((key, outcome));
            }
        }
        let keys: Vec<_> = rows.dossiers.iter().map(|row| row.key.clone()).collect();
        let stand = self.settled(|| self.shared.dossier_rows(&keys)).await?;
        let mut dossiers = Vec::with_capacity(keys.len());
        for (row, stands) in rows.dossiers.into_iter().zip(stand) {
            if is_missing(&row, stands.as_ref(), || format!("the cases of code {}", row.key))? {
                dossiers.push(row);
            }
        }
        let identities = rows.purchases.iter().map(|record| record.identity()).collect();
        let stand = self.shared.known_records(identities).await?;
        let mut purchases = Vec::with_capacity(rows.purchases.len());
        for record in rows.purchases {
            let stands = stand.get(&record.identity()).and_then(|known| known.record.as_ref());
            if is_missing(&record, stands, || format!("purchase {}", record.order_no))? {
                purchases.push(record);
            }
        }
        let (registry, put) =
            self.shared.missing_rows(std::mem::take(&mut rows.registry), rows.registry_version).await?;
        rows.registry_version = rows.registry_version.filter(|_| put.is_some());
        let names: Vec<_> = positions.iter().map(|(pool, code, _)| (pool.clone(), code.clone())).collect();
        let adds = adds_for(positions, &self.shared.accounts.positions(&names).await?);
        let keys: Vec<_> = tallies.iter().map(|(key, _)| *key).collect();
        let stand = self.shared.accounts.tallies(&keys).await?;
        let tallies = missing_of_tallies(tallies, &stand);
        Ok((LogEvent { claims, outcomes, purchases, registry, adds, dossiers, tallies, ..rows }, put))
    }
}

impl Shared {
    /// Registry rows that do not stand yet, and how they are put: each time with the version that is reached in the end.
    async fn missing_rows(
        &self,
        rows: Vec<RegistryRow>,
        version: Option<(u64, RegistryMoment)>,
    ) -> Result<(Vec<RegistryRow>, Option<RowsPut>), MoveError> {
        let Some((version, RegistryMoment(changed_at))) = version.filter(|_| !rows.is_empty()) else {
            return Ok((Vec::new(), None));
        };
        let (stands, known) = self.standing_rows(&rows).await?;
        if let Some(stands) = stands {
            is_missing(&(version, changed_at), Some(&stands), || "the registry's version".to_owned())?;
        }
        let mut missing = Vec::with_capacity(rows.len());
        let mut encoded = Vec::with_capacity(rows.len());
        for (row, known) in rows.into_iter().zip(known) {
            let identity = row.identity();
            if is_missing(&row, known.as_ref(), || format!("registry row {identity:?}"))? {
                let bytes = postcard::to_stdvec(&row).map_err(|e| StoreError::Unreadable(e.to_string()))?;
                encoded.push((identity, bytes));
                missing.push(row);
            }
        }
        let put = RowsPut {
            versions: (stands.map_or(0, |(version, _)| version), version),
            changed_at: changed_at.as_microsecond(),
            rows: encoded,
        };
        let put = Some(put).filter(|put| !put.rows.is_empty());
        Ok((missing, put))
    }

    /// Version and moment of the registry, and what stands under the identities of rows.
    async fn standing_rows(
        &self,
        rows: &[RegistryRow],
    ) -> Result<(Option<(u64, Timestamp)>, Vec<Option<RegistryRow>>), StoreError> {
        let mut batch = Batch::default();
        for name in ["version", "changed_at"] {
            batch.put(Tag::Registry, commands::get_field(&registry_head(), name.as_bytes()));
        }
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(registry_rows());
        for row in rows {
            cmd.arg(row.identity());
        }
        batch.put(Tag::Registry, cmd);
        let mut replies = self.ledger.link.run(batch).await?.into_iter();
        let mut number = || -> Result<Option<i64>, StoreError> {
            let bytes = bytes_of(replies.next().unwrap_or(Reply::Nil))?;
            Ok(bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()))
        };
        let (version, changed_at) = (number()?, number()?);
        let version = version.and_then(|version| u64::try_from(version).ok());
        let changed_at = changed_at.and_then(|at| Timestamp::from_microsecond(at).ok());
        let Some(Reply::Array(found)) = replies.next() else { return Err(garbled().into()) };
        let read = |reply| bytes_of(reply)?.map(|bytes| read_row(&bytes)).transpose();
        let known = found.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok((version.zip(changed_at), known))
    }
}
