//! Puts logged events into the tables: one atomic batch a group, with the watermark. Safe to apply twice.

use super::tables::{
    PositionRow, REGISTRY_VERSION, Tables, awaited_key, document_key, encode, get, outcome_key, position_key,
    unreadable,
};
use crate::domain::claim::PaperKey;
use crate::store::{LogEvent, PositionDelta, StoreError};
use std::collections::HashMap;

impl Tables {
    /// Applies the events of a group, each with its position in the log. `end` = the watermark after it.
    pub fn apply(&self, events: &[(u64, LogEvent)], end: u64) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        let mut positions: HashMap<Vec<u8>, PositionRow> = HashMap::new();
        for (at, event) in events {
            self.apply_ledger(&mut batch, event)?;
            self.apply_purchases(&mut batch, event)?;
            self.apply_registry(&mut batch, event)?;
            self.add_to_positions(&mut positions, event, *at)?;
        }
        for (key, row) in positions {
            batch.insert(&self.positions, key, encode(&row)?);
        }
        self.put_watermark(&mut batch, end)?;
        batch.commit().map_err(unreadable)
    }

    fn apply_ledger(&self, batch: &mut fjall::OwnedWriteBatch, event: &LogEvent) -> Result<(), StoreError> {
        for (key, history) in &event.claims {
            batch.insert(&self.claims, key.as_bytes(), encode(history)?);
        }
        for (key, outcome) in &event.outcomes {
            batch.insert(&self.outcomes, outcome_key(key), encode(outcome)?);
        }
        for (key, document) in &event.documents {
            batch.insert(&self.documents, document_key(key, PaperKey(*document)), Vec::new());
        }
        Ok(())
    }

    fn apply_purchases(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        event: &LogEvent,
    ) -> Result<(), StoreError> {
        for record in &event.purchases {
            batch.insert(&self.purchases, record.identity().into_bytes(), encode(record)?);
        }
        for key in &event.awaited {
            batch.insert(&self.awaited, awaited_key(key), encode(key)?);
        }
        for key in &event.settled {
            batch.remove(&self.awaited, awaited_key(key));
        }
        Ok(())
    }

    fn apply_registry(&self, batch: &mut fjall::OwnedWriteBatch, event: &LogEvent) -> Result<(), StoreError> {
        for row in &event.registry {
            batch.insert(&self.registry, row.identity().into_bytes(), encode(row)?);
        }
        if let Some(version) = &event.registry_version {
            batch.insert(&self.meta, REGISTRY_VERSION, encode(version)?);
        }
        Ok(())
    }

    /// Adds are not idempotent by nature: each row knows the place in the log up to which it is added up.
    fn add_to_positions(
        &self,
        rows: &mut HashMap<Vec<u8>, PositionRow>,
        event: &LogEvent,
        at: u64,
    ) -> Result<(), StoreError> {
        let mut touched = Vec::new();
        for (pool, catalog_code, delta) in &event.adds {
            let key = position_key(pool, catalog_code);
            let row = match rows.entry(key.clone()) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(get(&self.positions, &key)?.unwrap_or_default())
                }
            };
            if row.applied > at {
                continue;
            }
            match delta {
                PositionDelta::Sold(units) => row.position.sold += units,
                PositionDelta::Bought(source, units, records) => {
                    row.position.count(*source, *units, *records)
                }
            }
            touched.push(key);
        }
        for key in touched {
            if let Some(row) = rows.get_mut(&key) {
                row.applied = at + 1;
            }
        }
        Ok(())
    }
}
