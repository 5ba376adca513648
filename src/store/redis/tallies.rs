//! Tallies of institutions by month, each the sum of what all gateways added. What another gateway added lately may be
//! missing for a second.

use super::{RedisStore, Shared};
use crate::domain::party::InstitutionCode;
use crate::domain::tally::{Month, Tally, TallyKey};
use crate::store::{StoreError, Tallies, TallyBook};
use std::sync::Arc;
use tokio::sync::mpsc::{self, Sender};

/// Tallies that are asked for at once.
const BATCH_ROWS: usize = 500;
/// Batches that wait for whoever takes them.
const BATCHES_WAITING_MAX: usize = 4;

type Batches = Sender<Result<Vec<(TallyKey, Tally)>, StoreError>>;

impl Shared {
    async fn read_tallies(
        &self,
        (first, last): (Month, Month),
        of: Option<InstitutionCode>,
        batches: &Batches,
    ) -> Result<(), StoreError> {
        let mut month = first;
        while month <= last {
            let keys = match of {
                Some(institution) => vec![TallyKey { month, institution }],
                None => self.accounts.tallies_of(month).await?,
            };
            for keys in keys.chunks(BATCH_ROWS) {
                let found = self.accounts.tallies(keys).await?;
                let batch = keys.iter().copied().zip(found).collect();
                if batches.send(Ok(batch)).await.is_err() {
                    return Ok(());
                }
            }
            month = month.next();
        }
        Ok(())
    }
}

impl TallyBook for RedisStore {
    fn tallies(&self, first: Month, last: Month, of: Option<InstitutionCode>) -> Tallies {
        let shared = Arc::clone(&self.shared);
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        tokio::spawn(async move {
            if let Err(error) = shared.read_tallies((first, last), of, &sender).await {
                drop(sender.send(Err(error)).await);
            }
        });
        receiver
    }
}
