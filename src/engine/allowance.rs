//! What one caller may take: so many requests, and so many looks at codes that it never sold. The operator takes what it
//! needs. Knows no wire; how long to wait is told in time, not in a status.

use super::{Engine, EngineError, Facts};
use crate::domain::claim::History;
use crate::domain::outcome::RequestKey;
use crate::domain::party::{Caller, InstitutionCode};
use crate::trail::Act;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// A look at a code that only others sold tells about them; one at a code that nobody sold tells next to nothing.
const OTHERS_CODE_WEIGHS: u32 = 20;
const SECONDS_PER_HOUR: u32 = 3600;

/// What each caller may take; see the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerLimits {
    /// Requests in a second, messages of streams among them.
    pub requests_per_second_max: u32,
    /// Requests at once, after a pause.
    pub requests_burst_max: u32,
    /// Checked codes in an hour that the institution never sold; one that others sold counts twenty times.
    pub strange_codes_per_hour_max: u32,
}

impl Default for CallerLimits {
    fn default() -> Self {
        Self {
            requests_per_second_max: 1_000,
            requests_burst_max: 10_000,
            strange_codes_per_hour_max: 20_000,
        }
    }
}

/// What callers have taken lately.
#[derive(Debug)]
pub(super) struct Allowance {
    requests: DefaultKeyedRateLimiter<Caller>,
    strange_codes: DefaultKeyedRateLimiter<Caller>,
    /// Entries in the audit trail about who looks at too many.
    entries: DefaultKeyedRateLimiter<Caller>,
}

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

impl Allowance {
    pub fn new(limits: CallerLimits) -> Self {
        let requests = Quota::per_second(number(limits.requests_per_second_max))
            .allow_burst(number(limits.requests_burst_max));
        let codes = number(limits.strange_codes_per_hour_max);
        // As many an hour, one after the other: governor counts an hour's quota whole.
        let strange = Quota::per_hour(codes).allow_burst(codes);
        Self {
            requests: RateLimiter::keyed(requests),
            strange_codes: RateLimiter::keyed(strange),
            entries: RateLimiter::keyed(Quota::per_hour(NonZeroU32::MIN)),
        }
    }

    /// Forgets callers that have taken nothing for long.
    pub fn forget_idle(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
        self.strange_codes.retain_recent();
        self.strange_codes.shrink_to_fit();
        self.entries.retain_recent();
    }

    /// Takes one request; else how long to wait for it.
    fn request(&self, caller: &Caller) -> Result<(), Duration> {
        self.requests.check_key(caller).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Takes so many looks; else how long to wait for them. More than an hour's worth at once is never to be had.
    fn strange_codes(&self, caller: &Caller, weight: u32) -> Result<(), Duration> {
        let Some(weight) = NonZeroU32::new(weight) else { return Ok(()) };
        match self.strange_codes.check_key_n(caller, weight) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(DefaultClock::default().now())),
            Err(_) => Err(Duration::from_secs(SECONDS_PER_HOUR.into())),
        }
    }
}

/// Whether limits of callers are not for somebody.
const fn is_free(caller: &Caller) -> bool {
    matches!(caller, Caller::Operator)
}

impl Engine {
    /// Takes one request from what a caller may take, whatever it asks.
    pub fn charge(&self, caller: &Caller) -> Result<(), EngineError> {
        if is_free(caller) {
            return Ok(());
        }
        self.allowance.request(caller).map_err(|after| EngineError::Overrun { of: "requests", after })
    }

    /// As [`charge`](Self::charge), for a request with an id: one that is on record was paid for.
    pub(super) async fn charge_for(&self, caller: &Caller, key: &RequestKey) -> Result<(), EngineError> {
        match self.charge(caller) {
            Err(overrun) if self.store.outcome(key).await?.is_none() => Err(overrun),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes the looks that a check is worth. A bureau looks at its divisions anyway.
    pub(super) async fn charge_looks(
        &self,
        caller: &Caller,
        institution: InstitutionCode,
        codes: usize,
        facts: &Facts,
    ) -> Result<(), EngineError> {
        let about = match caller {
            Caller::Institution(code) => format!("institution {code}"),
            Caller::Chain(group) => format!("chain {group}"),
            Caller::Bureau(_) | Caller::Operator | Caller::Auditor => return Ok(()),
        };
        let weight = strange_weight(facts, institution, codes);
        let Err(after) = self.allowance.strange_codes(caller, weight) else { return Ok(()) };
        if self.allowance.entries.check_key(caller).is_ok() {
            let fact = self.own_fact(Act::ProbeBudget, about).with("asked_for", institution.to_string());
            self.note(fact).await;
        }
        Err(EngineError::Overrun { of: "checked codes that were never its own", after })
    }

    /// Forgets callers that have taken nothing for long; to be called now and then.
    pub fn forget_idle_callers(&self) {
        self.allowance.forget_idle();
    }
}

/// What codes weigh that an institution never sold.
fn strange_weight(facts: &Facts, institution: InstitutionCode, codes: usize) -> u32 {
    let is_strange =
        |history: &&History| !history.events.iter().any(|event| event.institution() == institution);
    let others = facts.histories.values().filter(is_strange).count();
    let unsold = codes.saturating_sub(facts.histories.len());
    let others = u32::try_from(others).unwrap_or(u32::MAX).saturating_mul(OTHERS_CODE_WEIGHS);
    others.saturating_add(u32::try_from(unsold).unwrap_or(u32::MAX))
}
