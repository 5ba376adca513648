//! Makes logged events readable: what every sale changes goes into the layer in memory, what is loaded now and then
//! straight into its tables. Safe to apply twice.

use super::layer::{Entries, Layer};
use super::tables::{REGISTRY_VERSION, awaited_key, encode, unreadable};
use super::view::View;
use crate::store::log::PAYLOAD_LENGTH_BYTES;
use crate::store::{EncodedEvent, StoreError};

/// A logged event: its position in the log, what it says, its bytes.
pub(super) type Logged = (u64, Entries, EncodedEvent);

impl View {
    /// Applies the events of a group. `end` = the position in the log after it.
    pub fn apply(&self, events: &[Logged], end: u64) -> Result<(), StoreError> {
        let layer = self.active();
        let mut batch = self.tables.db.batch();
        let mut rows = 0;
        for (at, event, encoded) in events {
            layer.put(event, encoded, at + PAYLOAD_LENGTH_BYTES)?;
            self.add_to_positions(&layer, event, *at)?;
            self.add_to_tallies(&layer, event, *at)?;
            rows += self.apply_purchases(&mut batch, event)? + self.apply_registry(&mut batch, event)?;
        }
        if rows > 0 {
            batch.commit().map_err(unreadable)?;
        }
        self.set_end(end);
        Ok(())
    }

    /// Gives how many rows were put.
    fn apply_purchases(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        event: &Entries,
    ) -> Result<usize, StoreError> {
        for record in &event.purchases {
            batch.insert(&self.tables.purchases, record.identity().into_bytes(), encode(record)?);
        }
        for key in &event.awaited {
            batch.insert(&self.tables.awaited, awaited_key(key), encode(key)?);
        }
        for key in &event.settled {
            batch.remove(&self.tables.awaited, awaited_key(key));
        }
        Ok(event.purchases.len() + event.awaited.len() + event.settled.len())
    }

    /// Gives how many rows were put.
    fn apply_registry(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        event: &Entries,
    ) -> Result<usize, StoreError> {
        for row in &event.registry {
            batch.insert(&self.tables.registry, row.identity().into_bytes(), encode(row)?);
        }
        if let Some(version) = &event.registry_version {
            batch.insert(&self.tables.meta, REGISTRY_VERSION, encode(version)?);
        }
        Ok(event.registry.len() + usize::from(event.registry_version.is_some()))
    }

    /// Adds are not idempotent by nature: each row knows the place in the log up to which it is added up, and is told of
    /// an event once all of it is added, which may name a position more than once.
    fn add_to_positions(&self, layer: &Layer, event: &Entries, at: u64) -> Result<(), StoreError> {
        let mut touched = Vec::with_capacity(event.adds.len());
        for (pool, catalog_code, delta) in &event.adds {
            let added = match layer.add_to_position(pool, catalog_code, delta, at) {
                Some(added) => added,
                None => {
                    let mut row = self.position(pool, catalog_code)?;
                    let added = row.add(delta, at);
                    if added {
                        layer.put_position(pool, catalog_code, row);
                    }
                    added
                }
            };
            if added {
                touched.push((pool, catalog_code));
            }
        }
        for (pool, catalog_code) in touched {
            layer.mark_applied(pool, catalog_code, at + 1);
        }
        Ok(())
    }

    /// As positions; an event names each tally once.
    fn add_to_tallies(&self, layer: &Layer, event: &Entries, at: u64) -> Result<(), StoreError> {
        for (key, tally) in &event.tallies {
            if !layer.add_to_tally(key, tally, at) {
                let mut row = self.tally(key)?;
                row.add(tally, at);
                layer.put_tally(*key, row);
            }
        }
        Ok(())
    }
}
