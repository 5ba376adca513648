//! Codes on their way from a store to whoever keeps a copy of what it knows, in batches.

use super::{Codes, StoreError};
use crate::domain::code::CodeKey;
use tokio::sync::mpsc::{self, Sender};

/// Codes handed over at once.
const BATCH_CODES: usize = 4096;
/// Batches that wait for the reader.
const BATCHES_WAITING_MAX: usize = 16;

/// Collects codes for whoever reads them; they stop where nobody reads any more.
pub(super) struct Batches {
    sender: Sender<Result<Vec<CodeKey>, StoreError>>,
    batch: Vec<CodeKey>,
}

/// Nobody reads any more.
pub(super) struct Unread;

impl Batches {
    pub fn push(&mut self, key: CodeKey) -> Result<(), Unread> {
        self.batch.push(key);
        if self.batch.len() >= BATCH_CODES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Unread> {
        let batch = std::mem::take(&mut self.batch);
        self.sender.blocking_send(Ok(batch)).map_err(|_| Unread)
    }
}

pub(super) fn read_in_thread(
    read: impl FnOnce(&mut Batches) -> Result<Result<(), Unread>, StoreError> + Send + 'static,
) -> Codes {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut batches = Batches { sender, batch: Vec::with_capacity(BATCH_CODES) };
        let told = match read(&mut batches) {
            Ok(Ok(())) => batches.flush(),
            Ok(Err(Unread)) => Err(Unread),
            Err(error) => batches.sender.blocking_send(Err(error)).map_err(|_| Unread),
        };
        if let Err(Unread) = told {
            tracing::debug!("the rest of the codes was not read");
        }
    });
    receiver
}
