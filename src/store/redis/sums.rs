//! What this gateway added to positions and tallies. Each gateway writes only under its own number, always what its own
//! log adds up to: sent twice it is the same, and lost by Redis it is written again. A position is the sum over all
//! gateways.

use super::layout::Layout;
use super::link::{Batch, Link, Tag};
use super::reply::{bytes_of, list_of, pairs_of};
use crate::store::StoreError;
use redis::Value as Reply;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are kept when nothing of them waits to be written, at most.
const CLEAN_ROWS_MAX: usize = 100_000;

/// Something to which gateways add: a position, a tally.
pub(super) trait Account: Clone + Ord + Hash {
    /// What is added.
    type Delta: Clone;
    /// What one gateway's additions come to.
    type Sum: Clone + Default + Serialize + DeserializeOwned;

    fn add(sum: &mut Self::Sum, delta: &Self::Delta);
    fn plus(sum: &mut Self::Sum, other: &Self::Sum);
    /// Whether others must know of it sooner than within a second.
    fn is_urgent(delta: &Self::Delta) -> bool;
    /// What gateways added to it, each under its own number.
    fn place(&self, layout: &Layout) -> (Tag, Vec<u8>);
    /// The list that names it, and its name there.
    fn listed(&self, layout: &Layout) -> ((Tag, Vec<u8>), Vec<u8>);
}

/// A sum as it is written, with the position of the log up to which it is added up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Written<S> {
    applied: u64,
    sum: S,
}

/// One account, as far as this gateway added to it.
#[derive(Debug)]
struct Row<S> {
    /// What was written before, once it was read.
    base: Option<S>,
    /// What was added since.
    added: S,
    applied: u64,
    dirty: bool,
    /// Its list names it.
    listed: bool,
}

impl<S: Default> Row<S> {
    fn new() -> Self {
        Self { base: None, added: S::default(), applied: 0, dirty: false, listed: false }
    }
}

struct Rows<A: Account> {
    all: HashMap<A, Row<A::Sum>>,
    /// Those that wait to be written.
    dirty: Vec<A>,
    urgent: bool,
}

impl<A: Account> Rows<A> {
    fn new() -> Self {
        Self { all: HashMap::new(), dirty: Vec::new(), urgent: false }
    }

    /// The row of a name, which waits to be written from now on.
    fn change(&mut self, name: A) -> &mut Row<A::Sum> {
        let row = self.all.entry(name.clone()).or_insert_with(Row::new);
        if !row.dirty {
            row.dirty = true;
            self.dirty.push(name);
        }
        row
    }
}

/// All that this gateway added to accounts of one kind.
pub(super) struct Sums<A: Account> {
    link: Arc<Link>,
    layout: Arc<Layout>,
    gateway: u16,
    rows: Mutex<Rows<A>>,
}

impl<A: Account> Sums<A> {
    pub fn new(link: Arc<Link>, layout: Arc<Layout>, gateway: u16) -> Self {
        Self { link, layout, gateway, rows: Mutex::new(Rows::new()) }
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Rows<A>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was logged at `position`.
    pub fn add(&self, adds: &[(A, A::Delta)], position: u64) {
        if adds.is_empty() {
            return;
        }
        let mut rows = self.rows();
        for (name, delta) in adds {
            rows.urgent |= A::is_urgent(delta);
            let row = rows.change(name.clone());
            A::add(&mut row.added, delta);
            row.applied = row.applied.max(position + 1);
        }
    }

    /// Adds up again what was logged at `position`, where what is written does not hold it yet.
    pub async fn add_again(&self, adds: &[(A, A::Delta)], position: u64) -> Result<(), StoreError> {
        self.load(adds.iter().map(|(name, _)| name.clone()).collect()).await?;
        let fresh: Vec<_> = {
            let rows = self.rows();
            let is_new = |name: &A| rows.all.get(name).is_none_or(|row| row.applied <= position);
            adds.iter().filter(|(name, _)| is_new(name)).cloned().collect()
        };
        self.add(&fresh, position);
        Ok(())
    }

    /// Reads what was written before of rows that are not known. Rows are changed by one task alone.
    async fn load(&self, names: Vec<A>) -> Result<(), StoreError> {
        let unknown: Vec<_> = {
            let rows = self.rows();
            names.into_iter().filter(|name| rows.all.get(name).is_none_or(|row| row.base.is_none())).collect()
        };
        let mut batch = Batch::default();
        for name in &unknown {
            let (tag, key) = name.place(&self.layout);
            let mut cmd = redis::cmd("HGET");
            cmd.arg(key).arg(self.gateway);
            batch.put(tag, cmd);
        }
        for (name, reply) in unknown.into_iter().zip(self.link.run(batch).await?) {
            let written: Option<Written<A::Sum>> = bytes_of(reply)?.map(|bytes| read(&bytes)).transpose()?;
            let written = written.unwrap_or_default();
            let mut rows = self.rows();
            let row = rows.all.entry(name).or_insert_with(Row::new);
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
    pub fn replace(&self, totals: HashMap<A, A::Sum>, end: u64) {
        let mut rows = self.rows();
        for (name, sum) in totals {
            let row = rows.change(name);
            (row.base, row.added, row.applied, row.listed) = (Some(sum), A::Sum::default(), end, false);
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
    async fn write_rows(&self, names: &[A]) -> Result<Vec<u64>, StoreError> {
        self.load(names.to_vec()).await?;
        let mut batch = Batch::default();
        let mut written = Vec::with_capacity(names.len());
        for name in names {
            let (now, listed) = {
                let rows = self.rows();
                let row = rows.all.get(name);
                let mut sum = row.and_then(|row| row.base.clone()).unwrap_or_default();
                let (applied, listed) = row.map_or((0, false), |row| {
                    A::plus(&mut sum, &row.added);
                    (row.applied, row.listed)
                });
                (Written { applied, sum }, listed)
            };
            let (tag, key) = name.place(&self.layout);
            let bytes = postcard::to_stdvec(&now).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let mut cmd = redis::cmd("HSET");
            cmd.arg(key).arg(self.gateway).arg(bytes);
            batch.put(tag, cmd);
            if !listed {
                let ((tag, key), member) = name.listed(&self.layout);
                let mut cmd = redis::cmd("SADD");
                cmd.arg(key).arg(member);
                batch.put(tag, cmd);
            }
            written.push(now.applied);
        }
        self.link.run(batch).await?;
        Ok(written)
    }

    /// What accounts come to, summed over all gateways.
    pub async fn sums(&self, asked: &[A]) -> Result<Vec<A::Sum>, StoreError> {
        let mut batch = Batch::default();
        for name in asked {
            let (tag, key) = name.place(&self.layout);
            let mut cmd = redis::cmd("HGETALL");
            cmd.arg(key);
            batch.put(tag, cmd);
        }
        let replies = self.link.run(batch).await?;
        let sum = |(name, reply): (&A, Reply)| {
            let (own, others) = self.split(reply)?;
            let mut sum = others;
            match self.rows().all.get(name) {
                None => A::plus(&mut sum, &own),
                Some(row) => {
                    A::plus(&mut sum, row.base.as_ref().unwrap_or(&own));
                    A::plus(&mut sum, &row.added);
                }
            }
            Ok(sum)
        };
        asked.iter().zip(replies).map(sum).collect()
    }

    /// The accounts that a list names, and those that belong on it and wait to be written.
    pub async fn listed(
        &self,
        (tag, key): (Tag, Vec<u8>),
        read: impl Fn(Vec<u8>) -> Option<A>,
        belongs: impl Fn(&A) -> bool,
    ) -> Result<Vec<A>, StoreError> {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(key);
        let written = list_of(self.link.ask(tag, cmd).await?)?;
        let mut names: BTreeSet<A> = written.into_iter().filter_map(read).collect();
        names.extend(self.rows().all.keys().filter(|name| belongs(name)).cloned());
        Ok(names.into_iter().collect())
    }

    /// What this gateway wrote, and what all others did.
    fn split(&self, reply: Reply) -> Result<(A::Sum, A::Sum), StoreError> {
        let (mut own, mut others) = (A::Sum::default(), A::Sum::default());
        for (gateway, written) in pairs_of(reply)? {
            let Written { sum, .. }: Written<A::Sum> = read(&written)?;
            if gateway == self.gateway.to_string().as_bytes() {
                own = sum;
            } else {
                A::plus(&mut others, &sum);
            }
        }
        Ok((own, others))
    }
}

fn read<S: DeserializeOwned>(bytes: &[u8]) -> Result<Written<S>, StoreError> {
    postcard::from_bytes(bytes).map_err(|e| StoreError::Unreadable(format!("a sum cannot be read: {e}")))
}
