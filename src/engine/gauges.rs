//! What is in force and how full things are, told to telemetry now and then. Must not decide anything.

use super::Engine;
use crate::telemetry;
use std::sync::Arc;

/// Tells what is in force, and remembers what it has told: a registry of many rows is looked at only when it changed.
#[derive(Debug)]
pub struct Gauges {
    engine: Arc<Engine>,
    registry: Option<u64>,
    policy: Option<String>,
}

impl Gauges {
    /// Gauges of an engine; nothing is told yet.
    pub const fn of(engine: Arc<Engine>) -> Self {
        Self { engine, registry: None, policy: None }
    }

    /// Looks, and tells.
    pub async fn look(&mut self) {
        let knowledge = self.engine.knowledge();
        let registry = &knowledge.registry;
        if self.registry != Some(registry.version) {
            telemetry::registry_is(registry.version, registry.counts());
            for (division, at) in registry.oldest_feeds() {
                telemetry::feeds_complete_up_to(division, at.as_second());
            }
            self.registry = Some(registry.version);
        }
        let policy = knowledge.policy.version().to_string();
        if self.policy.as_ref() != Some(&policy) {
            self.engine.store().share_policy(policy.clone());
            telemetry::policy_is(self.policy.replace(policy.clone()), policy);
        }
        telemetry::cases_are(self.engine.open_cases());
        let trail = self.engine.trail();
        telemetry::trail_is(trail.state().borrow().name(), trail.entries());
        // The system is asked for free space, and may take its time; so may cases that nobody has looked at.
        let (store, cases) = (Arc::clone(self.engine.store()), Arc::clone(&self.engine.case_index));
        let look = move || {
            cases.take_in();
            store.gauges()
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(gauges) => telemetry::store_measured(gauges),
            Err(error) => tracing::warn!(%error, "the store could not be measured"),
        }
    }
}
