//! A box that was sold twice while the ledger had lost its first sale: both sales stand, each with what was found,
//! and the request that is on record too late is corrected.

use super::{ATTEMPTS_MAX, Engine, EngineError};
use crate::domain::claim::{Event, History, Standing};
use crate::domain::code::CodeKey;
use crate::domain::judge::{ClaimChange, lens};
use crate::domain::outcome::{Correction, Outcome, RequestKey};
use crate::domain::verdict::{Enforcement, Reason};
use crate::store::{Change, DoubleSale, OutcomeChange};
use crate::telemetry;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two attempts, while the ledger does not take it.
const TRY_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// Judges double sales as the store finds them, until `stop`.
    pub async fn judge_double_sales(&self, stop: CancellationToken) {
        let Some(mut found) = self.store.double_sales() else { return stop.cancelled().await };
        loop {
            let double = tokio::select! {
                double = found.recv() => double,
                () = stop.cancelled() => return,
            };
            let Some(double) = double else { return stop.cancelled().await };
            while let Err(error) = self.judge_double(&double).await {
                tracing::warn!(%error, "a double sale waits to be recorded");
                tokio::select! {
                    // signal: a ledger that is away tells nobody that it is back.
                    () = tokio::time::sleep(TRY_EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    async fn judge_double(&self, double: &DoubleSale) -> Result<(), EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let stands = self.history_of(&double.key).await?.unwrap_or_default();
            let Some(history) = self.merged(&stands, &double.ours) else { return Ok(()) };
            let expected = (!stands.events.is_empty()).then_some(stands.version);
            let (knowledge, now) = (self.knowledge.get(), self.clock.now());
            let dossiers = self.screened(&knowledge, now, vec![(&double.key, &history)]).await?;
            let claims = vec![ClaimChange { key: double.key.clone(), expected, history }];
            let outcomes = match &double.request {
                Some(request) => self.corrected(request, &double.key).await?.into_iter().collect(),
                None => Vec::new(),
            };
            if self.committed(&Change { claims, outcomes, dossiers, ..Change::default() }).await? {
                telemetry::found(Reason::Duplicate.name(), Enforcement::Observe.name());
                return Ok(());
            }
        }
        Err(EngineError::Contended)
    }

    /// What stands with what it does not know of, each sale with what is found about it; `None` = it knows all.
    fn merged(&self, stands: &History, ours: &History) -> Option<History> {
        let knowledge = self.knowledge.get();
        let lens = lens(self.clock.now(), knowledge.policy.settings(), None);
        let mut merged = stands.clone();
        for event in &ours.events {
            if merged.events.iter().any(|known| known.is_same(event)) {
                continue;
            }
            let mut event = event.clone();
            if let Event::Sale(sale) = &mut event
                && let Standing::New { conflicts, .. } = merged.standing_of(sale, &lens)
            {
                sale.first_findings = conflicts.iter().map(|found| (found.kind, found.role)).collect();
            }
            merged.record(event);
        }
        (merged.events.len() > stands.events.len()).then_some(merged)
    }

    /// The outcome of a request with the finding that its answer did not carry.
    async fn corrected(
        &self,
        request: &RequestKey,
        code: &CodeKey,
    ) -> Result<Option<OutcomeChange>, EngineError> {
        let Some(outcome) = self.store.outcome(request).await? else { return Ok(None) };
        let line = line_of(&outcome, code);
        let mut next = outcome.next();
        let (was, now) = (Reason::InDoubt, Some(Reason::Duplicate));
        next.corrections.push(Correction { corrected_at: self.clock.now(), line, was, now });
        Ok(Some(OutcomeChange { key: request.clone(), expected: Some(outcome.version), outcome: next }))
    }
}

/// The line on which a code was scanned; the first where that cannot be told.
fn line_of(outcome: &Outcome, code: &CodeKey) -> u32 {
    let text = code.to_string();
    let lines = outcome.dispensed().map(|(document, _)| document.lines.as_slice()).unwrap_or_default();
    let named = lines.iter().find(|line| line.scanned.iter().any(|scanned| scanned.contains(&text)));
    named.or(lines.first()).map_or(1, |line| line.number)
}
