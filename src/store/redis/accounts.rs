//! The accounts to which gateways add: positions of purchases and sales, and tallies.

use super::layout::Layout;
use super::link::{Link, Tag};
use super::sums::{Account, Sums};
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseSource};
use crate::domain::tally::{Month, Tally, TallyKey};
use crate::store::{LogEvent, PositionDelta, StoreError};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A position by its name: pool and catalogue code.
pub(super) type PositionName = (Pool, String);

/// What one gateway added to one position. The number of records may fall below nothing: another gateway may have
/// counted what this one took out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PositionSum {
    platform: Decimal,
    filed: Decimal,
    opening: Decimal,
    records: [i64; 3],
    sold: Decimal,
}

impl PositionSum {
    fn add(&mut self, delta: &PositionDelta) {
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

    pub fn position(&self) -> Position {
        Position {
            platform: self.platform,
            filed: self.filed,
            opening: self.opening,
            records: self.records.map(|count| u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
            sold: self.sold,
        }
    }
}

impl Account for PositionName {
    type Delta = PositionDelta;
    type Sum = PositionSum;

    fn add(sum: &mut PositionSum, delta: &PositionDelta) {
        sum.add(delta);
    }

    fn plus(sum: &mut PositionSum, other: &PositionSum) {
        sum.plus(other);
    }

    /// Something was bought: whoever sells it next, anywhere, must know.
    fn is_urgent(delta: &PositionDelta) -> bool {
        matches!(delta, PositionDelta::Bought(..))
    }

    fn place(&self, layout: &Layout) -> (Tag, Vec<u8>) {
        layout.balance(&self.0, &self.1)
    }

    fn listed(&self, layout: &Layout) -> ((Tag, Vec<u8>), Vec<u8>) {
        (layout.catalog_codes(&self.0), self.1.clone().into_bytes())
    }
}

impl Account for TallyKey {
    type Delta = Tally;
    type Sum = Tally;

    fn add(sum: &mut Tally, delta: &Tally) {
        sum.add(delta);
    }

    fn plus(sum: &mut Tally, other: &Tally) {
        sum.add(other);
    }

    fn is_urgent(_: &Tally) -> bool {
        false
    }

    fn place(&self, layout: &Layout) -> (Tag, Vec<u8>) {
        layout.tally(self)
    }

    fn listed(&self, layout: &Layout) -> ((Tag, Vec<u8>), Vec<u8>) {
        (layout.institutions_of(self.month), self.institution.packed().to_be_bytes().to_vec())
    }
}

/// What one event adds.
#[derive(Debug, Clone, Default)]
pub(super) struct Adds {
    positions: Vec<(PositionName, PositionDelta)>,
    tallies: Vec<(TallyKey, Tally)>,
}

impl Adds {
    pub fn of<H, O>(event: &LogEvent<H, O>) -> Self {
        let position = |(pool, code, delta): &(Pool, String, PositionDelta)| {
            ((pool.clone(), code.clone()), delta.clone())
        };
        Self { positions: event.adds.iter().map(position).collect(), tallies: event.tallies.clone() }
    }
}

/// What accounts add up to over a log.
#[derive(Debug, Default)]
pub(super) struct Totals {
    positions: HashMap<PositionName, PositionSum>,
    tallies: HashMap<TallyKey, Tally>,
}

impl Totals {
    /// Adds what an event adds to accounts whose place `is_lost`.
    pub fn add(&mut self, adds: Adds, layout: &Layout, is_lost: impl Fn(Tag) -> bool) {
        for (name, delta) in adds.positions {
            if is_lost(name.place(layout).0) {
                self.positions.entry(name).or_default().add(&delta);
            }
        }
        for (key, tally) in adds.tallies {
            if is_lost(key.place(layout).0) {
                self.tallies.entry(key).or_default().add(&tally);
            }
        }
    }

    /// Adds what an event adds to accounts that are known: of others there is nothing before.
    pub fn add_to_known(&mut self, adds: Adds) {
        for (name, delta) in adds.positions {
            if let Some(sum) = self.positions.get_mut(&name) {
                sum.add(&delta);
            }
        }
        for (key, tally) in adds.tallies {
            if let Some(sum) = self.tallies.get_mut(&key) {
                sum.add(&tally);
            }
        }
    }
}

/// All that this gateway added.
pub(super) struct Accounts {
    layout: Arc<Layout>,
    positions: Sums<PositionName>,
    tallies: Sums<TallyKey>,
}

impl Accounts {
    pub fn new(link: &Arc<Link>, layout: &Arc<Layout>, gateway: u16) -> Self {
        Self {
            layout: Arc::clone(layout),
            positions: Sums::new(Arc::clone(link), Arc::clone(layout), gateway),
            tallies: Sums::new(Arc::clone(link), Arc::clone(layout), gateway),
        }
    }

    /// Adds what was logged at `position`.
    pub fn add(&self, adds: &Adds, position: u64) {
        self.positions.add(&adds.positions, position);
        self.tallies.add(&adds.tallies, position);
    }

    /// Adds up again what was logged at `position`, where what is written does not hold it yet.
    pub async fn add_again(&self, adds: &Adds, position: u64) -> Result<(), StoreError> {
        self.positions.add_again(&adds.positions, position).await?;
        self.tallies.add_again(&adds.tallies, position).await
    }

    /// Everything that is known is written again.
    pub fn write_all(&self) {
        self.positions.write_all();
        self.tallies.write_all();
    }

    /// Takes over what the whole log adds up to, up to `end`; nothing is added meanwhile.
    pub fn replace(&self, totals: Totals, end: u64) {
        self.positions.replace(totals.positions, end);
        self.tallies.replace(totals.tallies, end);
    }

    /// Whether something waits that must be known everywhere soon.
    pub fn is_urgent(&self) -> bool {
        self.positions.is_urgent() || self.tallies.is_urgent()
    }

    /// Writes what changed. What it could not write is written next time.
    pub async fn write(&self) -> Result<(), StoreError> {
        self.positions.write().await?;
        self.tallies.write().await
    }

    /// Positions, summed over all gateways.
    pub async fn positions(&self, asked: &[PositionName]) -> Result<Vec<Position>, StoreError> {
        Ok(self.positions.sums(asked).await?.iter().map(PositionSum::position).collect())
    }

    /// All positions of a pool, by catalogue code.
    pub async fn positions_of(&self, pool: &Pool) -> Result<BTreeMap<String, Position>, StoreError> {
        let read = |code: Vec<u8>| Some((pool.clone(), String::from_utf8_lossy(&code).into_owned()));
        let list = self.layout.catalog_codes(pool);
        let names = self.positions.listed(list, read, |(of, _)| of == pool).await?;
        let found = self.positions(&names).await?;
        Ok(names.into_iter().map(|(_, code)| code).zip(found).collect())
    }

    /// Tallies, summed over all gateways.
    pub async fn tallies(&self, asked: &[TallyKey]) -> Result<Vec<Tally>, StoreError> {
        self.tallies.sums(asked).await
    }

    /// Whose tallies there are of a month.
    pub async fn tallies_of(&self, month: Month) -> Result<Vec<TallyKey>, StoreError> {
        let read = |name: Vec<u8>| {
            let packed = u64::from_be_bytes(name.try_into().ok()?);
            Some(TallyKey { month, institution: InstitutionCode::unpack(packed)? })
        };
        let list = self.layout.institutions_of(month);
        self.tallies.listed(list, read, |key| key.month == month).await
    }
}
