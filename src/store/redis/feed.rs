//! The store's claims for those who keep a copy of what it knows. Positions are those of this gateway's own log.

use super::lane::{self, Job};
use super::{RedisStore, Shared};
use crate::store::codes::{Batches, Unread, read_in_thread};
use crate::store::{Answering, ClaimFeed, ClaimFollower, Codes, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// Batches of codes that wait for their reader.
const BATCHES_WAITING_MAX: usize = 4;

impl ClaimFeed for RedisStore {
    fn is_far(&self) -> bool {
        true
    }

    fn identity(&self) -> &str {
        &self.shared.head.id
    }

    fn follow(&self, follower: Arc<dyn ClaimFollower>) -> Answering<'_, Result<u64, StoreError>> {
        Box::pin(self.shared.follow(follower))
    }

    fn codes_between(&self, from: u64, to: u64) -> Codes {
        let dir = self.shared.log_dir.clone();
        let end = self.shared.logged_up_to();
        read_in_thread(move |batches| {
            if to > end {
                return Err(StoreError::Unreadable(format!("the log ends at {end}, not at {to}")));
            }
            read_log(&dir, from, to, batches)
        })
    }

    fn all_codes(&self) -> Codes {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            for partitions in shared.ledger.layout.walk() {
                let codes = shared.codes_of(&partitions).await;
                let failed = codes.is_err();
                if sender.send(codes).await.is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }

    fn has_others(&self) -> bool {
        true
    }

    fn codes_about(&self) -> u64 {
        self.shared.codes.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn follow(&self, follower: Arc<dyn ClaimFollower>) -> Result<u64, StoreError> {
        // Held until the follower is in its place: streams are told to nobody meanwhile.
        let mut cursors = self.cursors.lock().await;
        *cursors = self.cursors_at_end().await?;
        self.begin_list().await?;
        self.ask_lane(|reply| Job::Follow(follower, reply)).await?
    }
}

fn read_log(dir: &Path, from: u64, to: u64, batches: &mut Batches) -> Result<Result<(), Unread>, StoreError> {
    for logged in lane::events(dir, from, to)? {
        for (key, _) in logged?.1.claims {
            if let Err(unread) = batches.push(key) {
                return Ok(Err(unread));
            }
        }
    }
    Ok(Ok(()))
}
