//! Whether changes are taken: the disk under the log must have room, and Redis must answer. One breaker for all:
//! it opens after a few failures in a row and closes only after Redis answered for a while, so that nobody is sent
//! back and forth.

use crate::store::StoreState;
use crate::telemetry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Looks that must fail in a row before Redis is called away.
const FAILURES_MIN: u32 = 3;
/// How long Redis must have answered before it is trusted again.
const ANSWERS_MIN: Duration = Duration::from_secs(1);

/// The breaker: looks go in, "away" or "here" comes out.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    answering: Duration,
    away: Option<String>,
}

impl Breaker {
    /// Takes in one look; `since` = time since the one before.
    fn look(&mut self, failed: Option<&str>, since: Duration) {
        match failed {
            Some(why) => {
                self.failures = self.failures.saturating_add(1);
                self.answering = Duration::ZERO;
                if self.failures >= FAILURES_MIN {
                    self.away.get_or_insert_with(|| why.to_owned());
                }
            }
            None => {
                self.failures = 0;
                self.answering += since;
                if self.answering >= ANSWERS_MIN {
                    self.away = None;
                }
            }
        }
    }
}

struct Parts {
    disk: StoreState,
    breaker: Breaker,
}

/// The state of a store, told to everybody who watches.
pub(super) struct Health {
    parts: Mutex<Parts>,
    state: watch::Sender<StoreState>,
}

impl Health {
    pub fn new() -> Self {
        telemetry::store_is(StoreState::Ready.name());
        let parts = Mutex::new(Parts { disk: StoreState::Ready, breaker: Breaker::default() });
        Self { parts, state: watch::channel(StoreState::Ready).0 }
    }

    pub fn watch(&self) -> watch::Receiver<StoreState> {
        self.state.subscribe()
    }

    pub fn now(&self) -> StoreState {
        self.state.borrow().clone()
    }

    /// How the disk and the log are.
    pub fn disk(&self) -> StoreState {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).disk.clone()
    }

    /// What the owner of the log says.
    pub fn say_disk(&self, state: StoreState) {
        self.change(|parts| parts.disk = state);
    }

    /// What a look at Redis said; `since` = time since the one before.
    pub fn say_redis(&self, failed: Option<&str>, since: Duration) {
        self.change(|parts| parts.breaker.look(failed, since));
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let state = match (&parts.disk, &parts.breaker.away) {
            (StoreState::Ready, Some(why)) => StoreState::Away(why.clone()),
            (disk, _) => disk.clone(),
        };
        if *self.state.borrow() == state {
            return;
        }
        match &state {
            StoreState::Ready => tracing::info!("the store takes changes again"),
            StoreState::Full(why) | StoreState::Away(why) => {
                tracing::error!(%why, "the store takes no changes");
            }
            StoreState::Stopped(why) => tracing::error!(%why, "the store has stopped; restart the gateway"),
        }
        telemetry::store_is(state.name());
        self.state.send_replace(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(250);

    /// `x` = a look that fails, `.` = one that is answered; gives the states after each, `A` = away.
    fn states(looks: &str) -> String {
        let health = Health::new();
        let after = |look| {
            health.say_redis((look == 'x').then_some("no answer"), STEP);
            if health.now() == StoreState::Ready { '.' } else { 'A' }
        };
        looks.chars().map(after).collect()
    }

    #[test]
    fn it_opens_after_a_few_failures_and_closes_after_a_while() {
        let rows = [
            ("....", "...."),
            ("xx..", "...."),
            ("xx.xx.xx.", "........."),
            ("xxx", "..A"),
            ("xxx....", "..AAAA."),
            ("xxx...x....", "..AAAAAAAA."),
            ("xxx.x.x.x....", "..AAAAAAAAAA."),
        ];
        for (looks, expected) in rows {
            assert_eq!(states(looks), expected, "{looks}");
        }
    }

    #[test]
    fn the_disk_speaks_first() {
        let health = Health::new();
        health.say_disk(StoreState::Full("no room".to_owned()));
        for _ in 0..FAILURES_MIN {
            health.say_redis(Some("no answer"), STEP);
        }
        assert_eq!(health.now(), StoreState::Full("no room".to_owned()));
        health.say_disk(StoreState::Ready);
        assert_eq!(health.now(), StoreState::Away("no answer".to_owned()));
    }
}
