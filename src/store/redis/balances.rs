//! What this gateway added to positions. Each gateway writes only under its own number, always what its own log adds
//! up to: sent twice it is the same, and lost by Redis it is written again. A position is the sum over all gateways.

use super::layout::Layout;
use super::link::{Batch, Link};
use super::reply::{bytes_of, list_of, pairs_of};
use crate::domain::party::Pool;
use crate::domain::purchase::{Position, PurchaseSource};
use crate::store::{PositionDelta, StoreError};
use redis::Value as Reply;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are kept when nothing of them waits to be written, at most.
const CLEAN_ROWS_MAX: usize = 100_000;

/// What one gateway added to one position. The number of records may fall below nothing: another gateway may have
/// counted what this one took out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    platform: Decimal,
    filed: Decimal,
    opening: Decimal,
    records: [i64; 3],
    sold: Decimal,
}

impl Sum {
    pub fn add(&mut self, delta: &PositionDelta) {
        match delta {
            PositionDelta::Sold(units) => self.sold += units,
            PositionDelta::Bought(source, units, records) => {
                let (sum, place) = match source {
                    PurchaseSource::Platform => (&mut self.platform, 0),
                    PurchaseSource::Filed => (&mut self.filed, 1),
                    PurchaseSource::OpeningStock => (&mut self.opening, 2),
                };
                *sum += units;
                if let Some(count) = self.records.get_mut(place) {
                    *count += i64::from(*records);
                }
            }
        }
    }

    fn plus(&mut self, other: &Self) {
        self.platform += other.platform;
        self.filed += other.filed;
        self.opening += other.opening;
        self.sold += other.sold;
        for (count, more) in self.records.iter_mut().zip(other.records) {
            *count += more;
        }
    }

    fn position(&self) -> Position {
        Position {
            platform: self.platform,
            filed: self.filed,
            opening: self.opening,
            records: self.records.map(|count| u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
            sold: self.sold,
        }
    }
}

/// A sum as it is written, with the position of the log up to which it is added up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Written {
    applied: u64,
    sum: Sum,
}

/// One position, as far as this gateway added to it.
#[derive(Debug, Default)]
struct Row {
    /// What was written before, once it was read.
    base: Option<Sum>,
    /// What was added since.
    added: Sum,
    applied: u64,
    dirty: bool,
    /// The pool's list names it.
    listed: bool,
}

type Name = (Pool, String);

#[derive(Debug, Default)]
struct Rows {
    all: HashMap<Name, Row>,
    /// Those that wait to be written.
    dirty: Vec<Name>,
    /// Something was bought: whoever sells it next, anywhere, must know.
    urgent: bool,
}

impl Rows {
    /// The row of a name, which waits to be written from now on.
    fn change(&mut self, name: Name) -> &mut Row {
        let row = self.all.entry(name.clone()).or_default();
        if !row.dirty {
            row.dirty = true;
            self.dirty.push(name);
        }
        row
    }
}

/// All that this gateway added.
pub(super) struct Balances {
    link: Arc<Link>,
    layout: Arc<Layout>,
    gateway: u16,
    rows: Mutex<Rows>,
}

impl Balances {
    pub fn new(link: Arc<Link>, layout: Arc<Layout>, gateway: u16) -> Self {
        Self { link, layout, gateway, rows: Mutex::default() }
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was logged at `position`.
    pub fn add(&self, adds: &[(Pool, String, PositionDelta)], position: u64) {
        if adds.is_empty() {
            return;
        }
        let mut rows = self.rows();
        for (pool, code, delta) in adds {
            rows.urgent |= matches!(delta, PositionDelta::Bought(..));
            let row = rows.change((pool.clone(), code.clone()));
            row.added.add(delta);
            row.applied = row.applied.max(position + 1);
        }
    }

    /// Adds up again what was logged at `position`, where what is written does not hold it yet.
    pub async fn add_again(
        &self,
        adds: &[(Pool, String, PositionDelta)],
        position: u64,
    ) -> Result<(), StoreError> {
        let names: Vec<_> = adds.iter().map(|(pool, code, _)| (pool.clone(), code.clone())).collect();
        self.load(names).await?;
        let fresh: Vec<_> = {
            let rows = self.rows();
            let is_new = |pool: &Pool, code: &String| {
                rows.all.get(&(pool.clone(), code.clone())).is_none_or(|row| row.applied <= position)
            };
            adds.iter().filter(|(pool, code, _)| is_new(pool, code)).cloned().collect()
        };
        self.add(&fresh, position);
        Ok(())
    }

    /// Reads what was written before of rows that are not known. Rows are changed by one task alone.
    async fn load(&self, names: Vec<Name>) -> Result<(), StoreError> {
        let unknown: Vec<_> = {
            let rows = self.rows();
            names.into_iter().filter(|name| rows.all.get(name).is_none_or(|row| row.base.is_none())).collect()
        };
        let mut batch = Batch::default();
        for (pool, code) in &unknown {
            let (tag, key) = self.layout.balance(pool, code);
            let mut cmd = redis::cmd("HGET");
            cmd.arg(key).arg(self.gateway);
            batch.put(tag, cmd);
        }
        for (name, reply) in unknown.into_iter().zip(self.link.run(batch).await?) {
            let written = bytes_of(reply)?.map(|bytes| read(&bytes)).transpose()?.unwrap_or_default();
            let mut rows = self.rows();
            let row = rows.all.entry(name).or_default();
            row.base.get_or_insert(written.sum);
            row.applied = row.applied.max(written.applied);
        }
        Ok(())
    }

    /// Everything that is known is written again.
    pub fn write_all(&self) {
        let mut rows = self.rows();
        let names: Vec<_> = rows.all.keys().cloned().collect();
        for name in names {
            rows.change(name).listed = false;
        }
        rows.urgent = true;
    }

    /// Takes over what the whole log adds up to, up to `end`; nothing is added meanwhile.
    pub fn replace(&self, totals: HashMap<(Pool, String), Sum>, end: u64) {
        let mut rows = self.rows();
        for (name, sum) in totals {
            let row = rows.change(name);
            (row.base, row.added, row.applied, row.listed) = (Some(sum), Sum::default(), end, false);
        }
        rows.urgent = true;
    }

    /// Whether something waits that must be known everywhere soon.
    pub fn is_urgent(&self) -> bool {
        self.rows().urgent
    }

    /// Writes what changed. What it could not write is written next time.
    pub async fn write(&self) -> Result<(), StoreError> {
        let dirty = {
            let mut rows = self.rows();
            if rows.all.len() > CLEAN_ROWS_MAX {
                rows.all.retain(|_, row| row.dirty);
            }
            rows.urgent = false;
            std::mem::take(&mut rows.dirty)
        };
        if dirty.is_empty() {
            return Ok(());
        }
        let written = self.write_rows(&dirty).await;
        let mut rows = self.rows();
        let Ok(applied) = &written else {
            rows.dirty.extend(dirty);
            rows.urgent = true;
            return written.map(drop);
        };
        for (name, applied) in dirty.into_iter().zip(applied) {
            let Some(row) = rows.all.get_mut(&name) else { continue };
            row.listed = true;
            row.dirty = row.applied > *applied;
            if row.dirty {
                rows.dirty.push(name);
            }
        }
        Ok(())
    }

    /// Writes rows as they are now; gives up to which position of the log each was added up.
    async fn write_rows(&self, names: &[Name]) -> Result<Vec<u64>, StoreError> {
        self.load(names.to_vec()).await?;
        let mut batch = Batch::default();
        let mut written = Vec::with_capacity(names.len());
        for name in names {
            let (now, listed) = {
                let rows = self.rows();
                let row = rows.all.get(name);
                let mut sum = row.and_then(|row| row.base.clone()).unwrap_or_default();
                let (applied, listed) = row.map_or((0, false), |row| {
                    sum.plus(&row.added);
                    (row.applied, row.listed)
                });
                (Written { applied, sum }, listed)
            };
            let (tag, key) = self.layout.balance(&name.0, &name.1);
            let bytes = postcard::to_stdvec(&now).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let mut cmd = redis::cmd("HSET");
            cmd.arg(key).arg(self.gateway).arg(bytes);
            batch.put(tag, cmd);
            if !listed {
                let (tag, key) = self.layout.catalog_codes(&name.0);
                let mut cmd = redis::cmd("SADD");
                cmd.arg(key).arg(&name.1);
                batch.put(tag, cmd);
            }
            written.push(now.applied);
        }
        self.link.run(batch).await?;
        Ok(written)
    }

    /// Positions, summed over all gateways.
    pub async fn positions(&self, asked: &[Name]) -> Result<Vec<Position>, StoreError> {
        let mut batch = Batch::default();
        for (pool, code) in asked {
            let (tag, key) = self.layout.balance(pool, code);
            let mut cmd = redis::cmd("HGETALL");
            cmd.arg(key);
            batch.put(tag, cmd);
        }
        let replies = self.link.run(batch).await?;
        let sum = |(name, reply): (&Name, Reply)| {
            let (own, others) = self.split(reply)?;
            let mut sum = others;
            match self.rows().all.get(name) {
                None => sum.plus(&own),
                Some(row) => {
                    sum.plus(row.base.as_ref().unwrap_or(&own));
                    sum.plus(&row.added);
                }
            }
            Ok(sum.position())
        };
        asked.iter().zip(replies).map(sum).collect()
    }

    /// All positions of a pool, by catalogue code.
    pub async fn positions_of(&self, pool: &Pool) -> Result<BTreeMap<String, Position>, StoreError> {
        let (tag, key) = self.layout.catalog_codes(pool);
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(key);
        let written = list_of(self.link.ask(tag, cmd).await?)?;
        let mut names: BTreeSet<String> =
            written.iter().map(|code| String::from_utf8_lossy(code).into_owned()).collect();
        // Also what waits to be written.
        names.extend(self.rows().all.keys().filter(|(of, _)| of == pool).map(|(_, code)| code.clone()));
        let asked: Vec<Name> = names.into_iter().map(|code| (pool.clone(), code)).collect();
        let found = self.positions(&asked).await?;
        Ok(asked.into_iter().map(|(_, code)| code).zip(found).collect())
    }

    /// What this gateway wrote, and what all others did.
    fn split(&self, reply: Reply) -> Result<(Sum, Sum), StoreError> {
        let (mut own, mut others) = (Sum::default(), Sum::default());
        for (gateway, written) in pairs_of(reply)? {
            let sum = read(&written)?.sum;
            if gateway == self.gateway.to_string().as_bytes() {
                own = sum;
            } else {
                others.plus(&sum);
            }
        }
        Ok((own, others))
    }
}

fn read(bytes: &[u8]) -> Result<Written, StoreError> {
    postcard::from_bytes(bytes).map_err(|e| StoreError::Unreadable(format!("a balance cannot be read: {e}")))
}
