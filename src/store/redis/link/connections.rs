//! The connection in use, shared by all; one at a time tries to make another.

use super::LinkError;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The connection in use, and one attempt at a time to make another.
pub(super) struct Connections<C> {
    current: Mutex<Option<C>>,
    connecting: tokio::sync::Mutex<()>,
    /// How many attempts have failed, and why the last one did: whoever waited for it need not try once more.
    failed: Mutex<(u64, String)>,
}

impl<C> Default for Connections<C> {
    fn default() -> Self {
        Self {
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl<C: Clone> Connections<C> {
    fn get(&self) -> Option<C> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this one is used; `None` = whoever needs one makes it.
    pub fn set(&self, connection: Option<C>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    fn failures(&self) -> MutexGuard<'_, (u64, String)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection in use, or a new one. Of all that want one at a time one tries, for `most` at most.
    pub async fn get_or<E: fmt::Display>(
        &self,
        most: Duration,
        connect: impl AsyncFnOnce() -> Result<C, E>,
    ) -> Result<C, LinkError> {
        if let Some(connection) = self.get() {
            return Ok(connection);
        }
        let failures = self.failures().0;
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(connection) = self.get() {
            return Ok(connection);
        }
        if let (later, why) = &*self.failures()
            && *later > failures
        {
            return Err(LinkError::Away(why.clone()));
        }
        let why = match tokio::time::timeout(most, connect()).await {
            Ok(Ok(connection)) => {
                self.set(Some(connection.clone()));
                return Ok(connection);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no connection in time".to_owned(),
        };
        let mut failures = self.failures();
        *failures = (failures.0 + 1, why.clone());
        Err(LinkError::Away(why))
    }
}
