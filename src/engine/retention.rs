//! What is removed after its time: requests with their answers, and months of the audit trail. Claims stay for ever: a box
//! that was sold stays sold. So do cases, purchases and sums.

use super::dispense::Request;
use super::looks::Looks;
use super::{Engine, EngineError, Knowledge};
use crate::domain::access::Principal;
use crate::domain::outcome::{Outcome, RequestBody, RequestKey};
use crate::domain::time::day_of;
use crate::index::cases::CaseIndex;
use crate::store::{Forgetting, Forgotten, Stays};
use crate::trail::{Act, Fact};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two attempts while something does not answer.
const TRY_EVERY: Duration = Duration::from_secs(60);

/// How long what is kept; 0 = for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Requests and their answers, in days after they were decided.
    pub requests_days: u32,
    /// Months of the audit trail, in days after their end.
    pub trail_days: u32,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Requests that were decided before this moment; `None` = they are kept for ever.
    pub requests_before: Option<Timestamp>,
    /// What became of them.
    pub requests: Forgotten,
    /// Months of the trail that ended before this moment; `None` = they are kept for ever.
    pub trail_before: Option<Timestamp>,
    /// Entries that they had.
    pub trail_entries: u64,
}

impl Engine {
    /// The same engine, which removes what is older than that.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// How long what is kept.
    pub const fn retention(&self) -> Retention {
        self.retention
    }

    /// Removes what is older than the settings let it be kept, at this gateway. `only_counts` = says what would be.
    /// `told` = how far it is. What was removed stays removed, wherever it is interrupted; it may be run again.
    pub async fn purge(
        &self,
        by: &Principal,
        only_counts: bool,
        told: impl Fn(Purged) + Send + Sync + 'static,
    ) -> Result<Purged, EngineError> {
        let who = by.to_string();
        let fact = |act, about: String| self.done_by(who.clone(), act, about);
        self.purge_as(only_counts, fact, told).await
    }

    async fn purge_as(
        &self,
        only_counts: bool,
        fact: impl Fn(Act, String) -> Fact + Send + Sync,
        told: impl Fn(Purged) + Send + Sync + 'static,
    ) -> Result<Purged, EngineError> {
        let _turn = self.purging.try_lock().map_err(|_| {
            EngineError::Precondition("a purge is under way at this gateway; wait for its end".to_owned())
        })?;
        let mut purged = Purged::default();
        let Retention { requests_days, trail_days } = self.retention;
        if requests_days == 0 && trail_days == 0 {
            return Err(EngineError::Precondition(
                "everything is kept for ever here; set retention.requests_days or retention.trail_days"
                    .to_owned(),
            ));
        }
        if let Some(before) = self.days_ago(requests_days) {
            purged.requests_before = Some(before);
            let told = Arc::new(move |requests| told(Purged { requests, ..purged }));
            let forgetting = Forgetting { before, stays: self.what_stays().await?, only_counts, told };
            let forget = async { Ok(self.store.forget(&forgetting).await?) };
            purged.requests = if only_counts {
                forget.await?
            } else {
                self.announced(fact(Act::RequestsPurge, format!("before {before}")), forget).await?
            };
        }
        if let Some(before) = self.days_ago(trail_days) {
            purged.trail_before = Some(before);
            let announce = |last: &crate::trail::Head| {
                let fact = fact(Act::TrailPurge, format!("before {before}"));
                fact.with("up_to", last.number).with("hash", last.hash.as_str())
            };
            purged.trail_entries = self.trail.purge(before, only_counts, announce).await?;
        }
        Ok(purged)
    }

    fn days_ago(&self, days: u32) -> Option<Timestamp> {
        let hours = (days > 0).then(|| SignedDuration::from_hours(24 * i64::from(days)))?;
        self.clock.now().checked_sub(hours).ok()
    }

    /// Requests that are old and must stay: purchase data may still correct them, or an open case rests on them.
    async fn what_stays(&self) -> Result<Stays, EngineError> {
        if !self.knows_all_cases() {
            return Err(EngineError::Precondition(
                "the gateway still reads its cases, and requests of open ones must stay; ask again"
                    .to_owned(),
            ));
        }
        let awaited = self.store.awaited(None, usize::MAX).await?;
        let awaited: HashSet<RequestKey> = awaited.into_iter().map(|question| question.request).collect();
        let (knowledge, cases) = (self.knowledge.get(), Arc::clone(&self.case_index));
        Ok(Arc::new(move |key, outcome| awaited.contains(key) || has_open_case(outcome, &knowledge, &cases)))
    }

    /// Purges once a day, until `stop`.
    pub async fn purge_daily(&self, stop: CancellationToken) {
        let mut looks = Looks::until(&stop);
        let mut last = None;
        while looks.next().await {
            let today = day_of(self.clock.now());
            if last == Some(today) || !self.knows_all_cases() {
                continue;
            }
            let purge = self.purge_as(false, |act, about| self.own_fact(act, about), |_| {});
            match looks.work(purge).await {
                Some(Ok(Purged { requests, trail_entries, .. })) => {
                    tracing::info!(
                        requests = requests.requests,
                        stayed = requests.stayed,
                        trail_entries,
                        "removed what was kept long enough"
                    );
                    last = Some(today);
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "what was kept long enough is removed later");
                    looks.pause(TRY_EVERY).await;
                }
                None => return,
            }
        }
    }
}

fn has_open_case(outcome: &Outcome, knowledge: &Knowledge, cases: &CaseIndex) -> bool {
    match &outcome.body {
        Some(RequestBody::Recorded(body)) => {
            let codes = Request::of(body, &knowledge.scan_rules, &knowledge.registry).reading.keys();
            codes.iter().any(|code| cases.may_have_open(code))
        }
        Some(RequestBody::Confirm { .. } | RequestBody::Void { .. } | RequestBody::Look { .. }) | None => {
            false
        }
    }
}
