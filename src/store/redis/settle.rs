//! What a gateway left under way when it died, settled by itself at its next start or by any other: a change whose
//! decision does not stand is aborted and its claims taken back; one that is committed is finished.

use super::Shared;
use super::balances::pairs_of;
use super::cell::Cell;
use super::commands;
use super::decision::{DecisionId, State};
use super::effects::{self, open_list};
use super::layout::registry_head;
use super::ledger::{Place, bytes_of};
use super::link::{Batch, Tag};
use super::transaction::restore;
use crate::store::{LogEvent, StoreError};

impl Shared {
    /// Settles everything that stands in a gateway's list.
    pub async fn settle_gateway(&self, gateway: u16) -> Result<(), StoreError> {
        let (tag, key) = open_list(gateway);
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(key);
        for (id, event) in pairs_of(self.ledger.link.ask(tag, cmd).await?)? {
            let Some(id) = DecisionId::read(&id) else { continue };
            self.settle_change(gateway, id, &event).await?;
        }
        Ok(())
    }

    async fn settle_change(&self, gateway: u16, id: DecisionId, bytes: &[u8]) -> Result<(), StoreError> {
        let unreadable = |_| StoreError::Unreadable("a change under way in Redis is no event".to_owned());
        let event = LogEvent::decode(bytes).map_err(unreadable)?;
        let committed = match &event.registry_version {
            // Its rows are its decision: they stand, or they do not.
            Some(_) if self.wrote_registry(id).await? => true,
            Some(_) | None => self.settle(id).await?.state == State::Committed,
        };
        tracing::info!(?id, committed, "settled what a gateway left under way");
        if committed {
            let encoded = event.encode().map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let finished = self.finish(id, &event.entries(), &encoded).await;
            finished.map_err(|error| StoreError::Away(error.to_string()))?;
        } else {
            self.take_back(id, &event).await?;
        }
        let mut batch = Batch::default();
        effects::retire(&mut batch, gateway, &[id]);
        self.ledger.link.run(batch).await?;
        Ok(())
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
        let places: Vec<_> = claims.chain(outcomes).chain(purchases).collect();
        let cells = self.ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut batch = Batch::default();
        for (place, cell) in places.iter().zip(cells) {
            let Some(Cell { now, before }) = cell else { continue };
            let aborted = decided.get(&now.by()).is_some_and(|decision| decision.state == State::Aborted);
            if aborted && now.by().gateway() == id.gateway() {
                restore(&mut batch, place, now.by(), before);
            }
        }
        self.ledger.link.run(batch).await?;
        Ok(())
    }
}
