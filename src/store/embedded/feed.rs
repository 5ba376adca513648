//! The embedded store's claims for those who keep a copy of what it knows: told as they are made, and read back
//! from log and tables in threads of their own.

use super::tables::unreadable;
use super::view::View;
use super::writer::Job;
use super::{EmbeddedStore, log_dir};
use crate::domain::code::CodeKey;
use crate::store::codes::{Batches, Unread, read_in_thread};
use crate::store::log::{self, OpenError};
use crate::store::{Answering, ClaimFeed, ClaimFollower, Codes, CommitError, LogEvent, StoreError};
use std::path::Path;
use std::sync::Arc;

impl ClaimFeed for EmbeddedStore {
    fn is_far(&self) -> bool {
        false
    }

    fn identity(&self) -> &str {
        &self.id
    }

    fn follow(&self, follower: Arc<dyn ClaimFollower>) -> Answering<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.ask(|reply| Job::Follow(follower, reply)).await.map_err(|error| match error {
                CommitError::Refused(error) => error,
                CommitError::Conflict | CommitError::Undecided | CommitError::Unknown(_) => {
                    StoreError::Stopped(error.to_string())
                }
            })
        })
    }

    fn codes_between(&self, from: u64, to: u64) -> Codes {
        let dir = log_dir(&self.dir);
        read_in_thread(move |batches| read_log(&dir, from, to, batches))
    }

    fn all_codes(&self) -> Codes {
        let view = self.view.clone();
        read_in_thread(move |batches| read_claims(&view, batches))
    }

    fn has_others(&self) -> bool {
        false
    }

    fn codes_about(&self) -> u64 {
        let in_memory: usize = self.view.layers().iter().map(|layer| layer.claims.len()).sum();
        (self.view.tables.claims.approximate_len() + in_memory) as u64
    }
}

fn read_claims(view: &View, batches: &mut Batches) -> Result<Result<(), Unread>, StoreError> {
    for layer in view.layers() {
        // Not while the layer is held: whoever reads the batches may take long.
        let keys: Vec<_> = layer.claims.iter().map(|row| row.key().clone()).collect();
        for key in keys {
            if let Err(unread) = batches.push(key) {
                return Ok(Err(unread));
            }
        }
    }
    for guard in view.tables.claims.iter() {
        let bytes = guard.key().map_err(unreadable)?;
        let key = CodeKey::from_bytes(&bytes)
            .ok_or_else(|| StoreError::Unreadable("a claim has a key that is no code".to_owned()))?;
        if let Err(unread) = batches.push(key) {
            return Ok(Err(unread));
        }
    }
    Ok(Ok(()))
}

fn read_log(dir: &Path, from: u64, to: u64, batches: &mut Batches) -> Result<Result<(), Unread>, StoreError> {
    let damaged = |error: OpenError| StoreError::Unreadable(error.to_string());
    if from >= to {
        return Ok(Ok(()));
    }
    for group in log::read_from(dir, from).map_err(damaged)?.until(to) {
        let group = group.map_err(damaged)?;
        for (_, bytes) in group.payloads() {
            let event = LogEvent::decode(bytes).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            for (key, _) in event.claims {
                if let Err(unread) = batches.push(key) {
                    return Ok(Err(unread));
                }
            }
        }
    }
    Ok(Ok(()))
}
