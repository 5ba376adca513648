//! What a gateway left under way when it died, settled by itself at its next start or by any other: a change whose
//! decision does not stand is aborted and its claims taken back; one that is committed is finished.

use super::Shared;
use super::cell::Cell;
use super::commands;
use super::decision::{DecisionId, State};
use super::dossiers;
use super::effects::{adopted_list, open_list};
use super::layout::registry_head;
use super::ledger::Place;
use super::link::{Batch, Tag};
use super::reply::{bytes_of, pairs_of};
use crate::store::{LogEvent, StoreError};
use std::collections::HashSet;

impl Shared {
    /// Settles what an earlier life of this gateway left, and takes over what others settled of it. `logged` = the
    /// decisions in its log that may still be on the list: what is there must not be added up again.
    pub async fn settle_own(&self, logged: &HashSet<DecisionId>) -> Result<(), StoreError> {
        for (id, bytes) in self.list(open_list(self.gateway)).await? {
            if let Some(event) = self.committed_event(id, &bytes).await? {
                self.take_over(id, event, logged).await?;
            }
            self.forget(open_list(self.gateway), id).await?;
        }
        for (id, bytes) in self.list(adopted_list(self.gateway)).await? {
            self.take_over(id, decoded(&bytes)?, logged).await?;
            self.forget(adopted_list(self.gateway), id).await?;
        }
        Ok(())
    }

    async fn take_over(
        &self,
        id: DecisionId,
        event: LogEvent,
        logged: &HashSet<DecisionId>,
    ) -> Result<(), StoreError> {
        let encoded = event.encode().map_err(|e| StoreError::Unreadable(e.to_string()))?;
        if logged.contains(&id) {
            return self.finish_again(id, &event.entries(), &encoded).await;
        }
        let finished = self.finish(id, &event.entries(), &encoded).await;
        finished.map_err(|error| StoreError::Away(error.to_string()))
    }

    /// Settles everything that stands in another gateway's list. What it sold goes into this gateway's log too, so
    /// that it survives; what it adds to accounts waits for the other one, whose log may hold it already.
    pub async fn settle_gateway(&self, gateway: u16) -> Result<(), StoreError> {
        for (id, bytes) in self.list(open_list(gateway)).await? {
            if let Some(mut event) = self.committed_event(id, &bytes).await? {
                let (tag, key) = adopted_list(gateway);
                let mut cmd = redis::cmd("HSET");
                cmd.arg(key).arg(&id.bytes()).arg(&bytes);
                self.ledger.link.ask(tag, cmd).await?;
                event.adds.clear();
                event.tallies.clear();
                self.take_over(id, event, &HashSet::new()).await?;
            }
            self.forget(open_list(gateway), id).await?;
        }
        Ok(())
    }

    async fn list(&self, (tag, key): (Tag, Vec<u8>)) -> Result<Vec<(DecisionId, Vec<u8>)>, StoreError> {
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(key);
        let pairs = pairs_of(self.ledger.link.ask(tag, cmd).await?)?;
        Ok(pairs.into_iter().filter_map(|(id, event)| Some((DecisionId::read(&id)?, event))).collect())
    }

    async fn forget(&self, (tag, key): (Tag, Vec<u8>), id: DecisionId) -> Result<(), StoreError> {
        self.ledger.link.ask(tag, commands::remove_field(&key, &id.bytes())).await?;
        Ok(())
    }

    /// The event of a change that is committed; one that is not is aborted and taken back.
    async fn committed_event(&self, id: DecisionId, bytes: &[u8]) -> Result<Option<LogEvent>, StoreError> {
        let event = decoded(bytes)?;
        let committed = match &event.registry_version {
            // Its rows are its decision: they stand, or they do not.
            Some(_) if self.wrote_registry(id).await? => true,
            Some(_) | None => self.settle(id).await?.state == State::Committed,
        };
        tracing::info!(?id, committed, "settled what a gateway left under way");
        if committed {
            return Ok(Some(event));
        }
        self.take_back(id, &event).await?;
        Ok(None)
    }

    async fn wrote_registry(&self, id: DecisionId) -> Result<bool, StoreError> {
        let cmd = commands::get_field(&registry_head(), b"by");
        let by = bytes_of(self.ledger.link.ask(Tag::Registry, cmd).await?)?;
        Ok(by.as_deref() == Some(&id.bytes()))
    }

    /// Takes back what an aborted change claimed. Where something is missed, it shows nothing all the same: its
    /// decision stands as aborted.
    async fn take_back(&self, id: DecisionId, event: &LogEvent) -> Result<(), StoreError> {
        let layout = &self.ledger.layout;
        let claims = event.claims.iter().map(|(key, _)| Place::Claim(layout.claim(key)));
        let outcomes = event.outcomes.iter().map(|(key, _)| {
            let (tag, key) = layout.outcome(key);
            Place::Record(tag, key)
        });
        let purchases = event.purchases.iter().map(|record| {
            let (tag, key) = layout.purchase(&record.identity());
            Place::Record(tag, key)
        });
        let dossiers = event.dossiers.iter().map(|row| dossiers::place_of(layout, &row.key));
        let places: Vec<_> = claims.chain(outcomes).chain(purchases).chain(dossiers).collect();
        let cells = self.ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut batch = Batch::default();
        for (place, cell) in places.iter().zip(cells) {
            let Some(Cell { now, before }) = cell else { continue };
            let aborted = decided.get(&now.by()).is_some_and(|decision| decision.state == State::Aborted);
            if aborted && now.by().gateway() == id.gateway() {
                let (tag, cmd) = place.restore(now.by(), before);
                batch.put(tag, cmd);
            }
        }
        self.ledger.link.run(batch).await?;
        Ok(())
    }
}

fn decoded(bytes: &[u8]) -> Result<LogEvent, StoreError> {
    LogEvent::decode(bytes)
        .map_err(|_| StoreError::Unreadable("a change under way in Redis is no event".to_owned()))
}
