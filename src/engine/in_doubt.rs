//! PENDING: a code of the document is claimed by another one that is not decided yet, at another gateway. Nobody is
//! accused and nothing is sold until that one is decided; the same request, sent again, is judged again.

use super::attempt::Attempt;
use super::dispense::count;
use super::{Engine, EngineError, Reply};
use crate::clock::Stopwatch;
use crate::domain::judge::Judgement;
use crate::domain::outcome::{Outcome, Recorded, RequestKey};
use crate::domain::verdict::{Enforcement, Evidence, Finding, Reason, Verdict};
use crate::store::{CommitError, StoreError};

impl Engine {
    /// Remembers that a request is in doubt, and says so.
    pub(super) async fn leave_undecided(
        &self,
        call: &'static str,
        key: &RequestKey,
        body: Recorded,
        known: Option<&Outcome>,
        started: Stopwatch,
    ) -> Result<Reply, EngineError> {
        let answer = self.answer(&in_doubt(), &self.no_facts(), key.institution);
        let attempt = Attempt::undecided(key, body, answer, known);
        match self.store.commit(&attempt.change).await {
            Ok(()) => {}
            // The same request is being decided elsewhere: what comes of it is the answer.
            Err(CommitError::Conflict | CommitError::Undecided) => {
                return Err(StoreError::Undecided.into());
            }
            Err(error) => return Err(error.into()),
        }
        let (_, answer) = attempt.given_back()?;
        count(call, &answer, started);
        Ok(Reply::first(answer))
    }
}

fn in_doubt() -> Judgement {
    let finding = Finding {
        reason: Reason::InDoubt,
        class: None,
        role: None,
        enforcement: Enforcement::Observe,
        line: None,
        code: None,
        evidence: Evidence::None,
    };
    Judgement {
        verdict: Verdict::Pending,
        findings: vec![finding],
        claims: Vec::new(),
        sold: Vec::new(),
        awaited: Vec::new(),
        hold_expires_at: None,
        recorded: false,
        after_the_fact: false,
        collided: Vec::new(),
    }
}
