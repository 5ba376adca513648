//! Tallies of institutions by month: read over layers and tables, the newest row of each.

use super::EmbeddedStore;
use super::tables::{TallyRow, decode, get, month_prefix, unreadable};
use super::view::View;
use crate::domain::party::InstitutionCode;
use crate::domain::tally::{Month, Tally, TallyKey};
use crate::store::{StoreError, Tallies, TallyBook};
use std::collections::HashMap;
use tokio::sync::mpsc;

/// Tallies of a batch.
const BATCH_ROWS: usize = 1000;
/// Batches that wait for whoever takes them.
const BATCHES_WAITING_MAX: usize = 4;

impl View {
    pub fn tally(&self, key: &TallyKey) -> Result<TallyRow, StoreError> {
        match self.layers_ask(|layer| layer.tallies.get(key).map(|row| row.clone())) {
            Some(row) => Ok(row),
            None => Ok(get(&self.tables.tallies, &key.packed())?.unwrap_or_default()),
        }
    }

    /// All tallies of a month, handed over in batches until `take` wants no more; gives whether it does.
    fn tallies_of(
        &self,
        month: Month,
        take: &impl Fn(Vec<(TallyKey, Tally)>) -> bool,
    ) -> Result<bool, StoreError> {
        let mut recent: HashMap<TallyKey, Tally> = HashMap::new();
        for layer in self.layers().iter().rev() {
            let rows = layer.tallies.iter().filter(|row| row.key().month == month);
            recent.extend(rows.map(|row| (*row.key(), row.tally.clone())));
        }
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        for guard in self.tables.tallies.prefix(month_prefix(month)) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let key = TallyKey::unpack(&key)
                .ok_or_else(|| StoreError::Unreadable("a tally has a key that is none".to_owned()))?;
            if recent.contains_key(&key) {
                continue;
            }
            let TallyRow { tally, .. } = decode(&value)?;
            batch.push((key, tally));
            if batch.len() == BATCH_ROWS && !take(std::mem::take(&mut batch)) {
                return Ok(false);
            }
        }
        batch.extend(recent);
        Ok(take(batch))
    }

    fn all_tallies(
        &self,
        (first, last): (Month, Month),
        of: Option<InstitutionCode>,
        take: impl Fn(Vec<(TallyKey, Tally)>) -> bool,
    ) -> Result<(), StoreError> {
        let mut month = first;
        while month <= last {
            let wants_more = match of {
                Some(institution) => {
                    let key = TallyKey { month, institution };
                    take(vec![(key, self.tally(&key)?.tally)])
                }
                None => self.tallies_of(month, &take)?,
            };
            if !wants_more {
                return Ok(());
            }
            month = month.next();
        }
        Ok(())
    }
}

impl TallyBook for EmbeddedStore {
    fn tallies(&self, first: Month, last: Month, of: Option<InstitutionCode>) -> Tallies {
        let view = self.view.clone();
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        tokio::task::spawn_blocking(move || {
            let read = view.all_tallies((first, last), of, |batch| sender.blocking_send(Ok(batch)).is_ok());
            if let Err(error) = read {
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }
}
