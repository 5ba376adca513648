//! Forgetting requests in the embedded store: their rows in the tables of outcomes and documents.

use super::tables::{document_key, outcome_key, unreadable};
use super::view::View;
use super::writer::Job;
use super::{EmbeddedStore, log_dir};
use crate::store::forget::{Forgets, LogPart, Old, beside, forget};
use crate::store::{Answering, CommitError, Forgetting, Forgotten, StoreError};
use fjall::PersistMode;

impl EmbeddedStore {
    /// As [`Store::forget`](crate::store::Store::forget).
    pub(super) async fn forget_requests(&self, forgetting: &Forgetting) -> Result<Forgotten, StoreError> {
        let (data_dir, log_dir) = (self.dir.clone(), log_dir(&self.dir));
        forget(self, &LogPart { data_dir, log_dir, bytes_before_event: 0 }, forgetting).await
    }
}

impl Forgets for EmbeddedStore {
    fn end_segment(&self) -> Answering<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.ask(Job::EndSegment).await.map_err(|error| match error {
                CommitError::Refused(error) => error,
                CommitError::Conflict | CommitError::Undecided | CommitError::Unknown(_) => {
                    StoreError::Stopped(error.to_string())
                }
            })
        })
    }

    fn is_in_tables(&self, position: u64) -> Result<bool, StoreError> {
        Ok(self.view.tables.watermark()? >= position)
    }

    fn forget_rows(&self, old: Vec<Old>, only_counts: bool) -> Answering<'_, Result<u64, StoreError>> {
        let view = self.view.clone();
        Box::pin(async move { beside(move || view.forget_rows(&old, only_counts)).await })
    }
}

impl View {
    /// Forgets requests whose outcomes stand where these were logged: a later one is told of where it was logged.
    fn forget_rows(&self, old: &[Old], only_counts: bool) -> Result<u64, StoreError> {
        let mut batch = self.tables.db.batch();
        let mut count = 0;
        for one in old {
            if !self.stands_at(&one.key, one.at)? {
                continue;
            }
            count += 1;
            batch.remove(&self.tables.outcomes, outcome_key(&one.key));
            for document in &one.documents {
                batch.remove(&self.tables.documents, document_key(&one.key, *document));
            }
        }
        if count > 0 && !only_counts {
            batch.commit().map_err(unreadable)?;
            // Before the log forgets: a row must not point to what is gone.
            self.tables.db.persist(PersistMode::SyncAll).map_err(unreadable)?;
        }
        Ok(count)
    }
}
