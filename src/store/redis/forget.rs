//! Forgetting requests in Redis: those that this gateway's own log holds, each by the gateway that acknowledged it.

use super::commands::{remove_field, swap_record};
use super::lane::{DECISION_BYTES, Job};
use super::layout::FieldPlace;
use super::ledger::{Place, Shown, shown};
use super::link::Batch;
use super::{RedisStore, Shared};
use crate::store::forget::{Forgets, LogPart, Old, beside, forget};
use crate::store::{Answering, Forgetting, Forgotten, StoreError};
use std::sync::Arc;

impl RedisStore {
    /// As [`Store::forget`](crate::store::Store::forget).
    pub(super) async fn forget_requests(&self, forgetting: &Forgetting) -> Result<Forgotten, StoreError> {
        let shared = &*self.shared;
        let (data_dir, log_dir) = (shared.directory.path.clone(), shared.log_dir.clone());
        let part = LogPart { data_dir, log_dir, bytes_before_event: DECISION_BYTES };
        let done = forget(shared, &part, forgetting).await?;
        let (shared, before, only_counts) =
            (Arc::clone(&self.shared), forgetting.before, forgetting.only_counts);
        let removed = beside(move || shared.aside.forget(before, only_counts)).await?;
        Ok(Forgotten { segments: done.segments + removed, ..done })
    }
}

impl Forgets for Shared {
    fn end_segment(&self) -> Answering<'_, Result<(), StoreError>> {
        Box::pin(async move { self.ask_lane(Job::EndSegment).await? })
    }

    fn is_in_tables(&self, _: u64) -> Result<bool, StoreError> {
        // There are none: what is in the log is in Redis.
        Ok(true)
    }

    fn forget_rows(&self, old: Vec<Old>, only_counts: bool) -> Answering<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let layout = &self.ledger.layout;
            let places: Vec<Place> = old
                .iter()
                .map(|one| {
                    let (tag, key) = layout.outcome(&one.key);
                    Place::Record(tag, key)
                })
                .collect();
            let cells = self.ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
            let decided = self.ledger.decided(cells.iter().flatten()).await?;
            let (mut batch, mut count) = (Batch::default(), 0);
            for ((one, place), cell) in old.iter().zip(&places).zip(&cells) {
                let (Some(cell), Place::Record(tag, key)) = (cell, place) else { continue };
                let Shown::This(value) = shown(Some(cell), &decided) else { continue };
                // A later one was logged later, here or at another gateway.
                if value.stored().is_none_or(|(version, _)| version > one.version) {
                    continue;
                }
                count += 1;
                batch.put(*tag, swap_record(key, self.next_id(), Some(cell.now.by()), None));
                for document in &one.documents {
                    let FieldPlace { tag, key, mut field } = layout.requests(one.key.institution, *document);
                    field.extend_from_slice(one.key.request_id.as_bytes());
                    batch.put(tag, remove_field(&key, &field));
                }
            }
            if !only_counts && !batch.is_empty() {
                self.ledger.link.run(batch).await?;
            }
            Ok(count)
        })
    }
}
