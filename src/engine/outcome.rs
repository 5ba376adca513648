//! What became of a request, and which requests are being decided right now.

use super::{Engine, EngineError, Reply, request_key};
use crate::domain::outcome::{Outcome, OutcomeState, RequestKey};
use crate::domain::party::{Caller, InstitutionCode};
use crate::store::{Change, CommitError, OutcomeChange};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The answer to "what became of it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutcomeReply {
    /// Answered.
    Decided(Box<Reply>),
    /// Being decided, or undecided.
    InDoubt,
    /// Never arrived, and will be refused if it does.
    Never,
    /// Cancelled; the first answer, where one was given.
    Voided(Option<Box<Reply>>),
}

impl Engine {
    /// What became of a request. An id that was never seen is closed by asking: a late arrival is refused.
    pub async fn outcome(
        &self,
        caller: &Caller,
        institution: InstitutionCode,
        request_id: &str,
    ) -> Result<OutcomeReply, EngineError> {
        self.authorize(caller, institution)?;
        let key = request_key(institution, request_id)?;
        if let Some(outcome) = self.desk.given(&key)? {
            return Ok(reply_of(&outcome));
        }
        loop {
            if let Some(outcome) = self.store.outcome(&key).await? {
                return Ok(reply_of(&outcome));
            }
            if self.in_flight.contains(&key) {
                return Ok(OutcomeReply::InDoubt);
            }
            let outcome = Outcome::closed(OutcomeState::Never);
            let change = OutcomeChange { key: key.clone(), expected: None, outcome };
            match self.store.commit(&Change { outcomes: vec![change], ..Change::default() }).await {
                Ok(()) => return Ok(OutcomeReply::Never),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn reply_of(outcome: &Outcome) -> OutcomeReply {
    let reply = outcome.answer.clone().map(|answer| Box::new(Reply::again(answer, outcome)));
    match (outcome.state, reply) {
        (OutcomeState::Decided, Some(reply)) => OutcomeReply::Decided(reply),
        (OutcomeState::Undecided, _) => OutcomeReply::InDoubt,
        (OutcomeState::Voided, reply) => OutcomeReply::Voided(reply),
        (OutcomeState::Never | OutcomeState::Decided, _) => OutcomeReply::Never,
    }
}

/// The requests that are being decided.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<RequestKey, usize>>>);

/// Leaves when dropped.
pub(super) struct Entered {
    key: RequestKey,
    all: InFlight,
}

impl InFlight {
    pub fn enter(&self, key: &RequestKey) -> Entered {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default() += 1;
        Entered { key: key.clone(), all: self.clone() }
    }

    fn contains(&self, key: &RequestKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}
