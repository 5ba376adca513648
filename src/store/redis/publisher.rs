//! Tells other gateways of claims, and puts what rests on them: whatever is committed at about the same time shares one
//! way there and back, and one entry of the feed.

use super::Shared;
use super::effects::{self, Told};
use super::link::Batch;
use crate::domain::code::CodeKey;
use crate::store::{EncodedEvent, LogEvent, StoreError, Swap};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Changes that are told together, and their claims, at most.
const TOGETHER_MAX: usize = 256;
const CLAIMS_MAX: usize = 2048;

/// A committed change that is to be told.
pub(super) struct Publish {
    effects: Batch,
    claims: Vec<CodeKey>,
    encoded: EncodedEvent,
    done: oneshot::Sender<()>,
}

impl Shared {
    /// Hands a committed change over; the answer comes once everything of it stands. None comes where the store is closed
    /// before.
    pub async fn publish(
        &self,
        event: &LogEvent<Swap, Swap>,
        encoded: EncodedEvent,
    ) -> Result<oneshot::Receiver<()>, StoreError> {
        let mut effects = Batch::default();
        effects::put(&mut effects, &self.ledger.layout, event)?;
        let claims = event.claims.iter().map(|(key, _)| key.clone()).collect();
        let (done, told) = oneshot::channel();
        let publish = Publish { effects, claims, encoded, done };
        self.publishing.send(publish).await.map_err(|_| super::closed())?;
        Ok(told)
    }

    /// Works until the store is closed.
    pub async fn publish_all(self: Arc<Self>, mut waiting: mpsc::Receiver<Publish>) {
        let mut together = Vec::new();
        loop {
            let first = tokio::select! {
                first = waiting.recv() => first,
                () = self.closing.cancelled() => None,
            };
            let Some(first) = first else { return };
            let mut claims = first.claims.len();
            together.push(first);
            while together.len() < TOGETHER_MAX && claims < CLAIMS_MAX {
                let Ok(next) = waiting.try_recv() else { break };
                claims += next.claims.len();
                together.push(next);
            }
            let Ok(batch) = self.batch_of(&mut together) else {
                tracing::error!("claims cannot be written down for other gateways");
                together.clear();
                continue;
            };
            if self.until_done(|| self.ledger.link.run(batch.clone())).await.is_err() {
                return;
            }
            for publish in together.drain(..) {
                // Who does not wait any more was told "unknown".
                let _ = publish.done.send(());
            }
        }
    }

    fn batch_of(&self, together: &mut [Publish]) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for publish in together.iter_mut() {
            batch.append(&mut publish.effects);
        }
        let claims = together
            .iter()
            .flat_map(|publish| publish.claims.iter().cloned().zip(publish.encoded.histories()));
        effects::publish(&mut batch, self.gateway, &Told { claims: claims.collect() })?;
        Ok(batch)
    }
}
