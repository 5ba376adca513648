//! Loading the registry, and changing the policy in force.

use super::{Engine, EngineError, Knowledge};
use crate::domain::party::Caller;
use crate::domain::policy::Policy;
use crate::domain::registry::{Registry, RegistryRow};
use crate::store::LoadStatus;
use std::sync::Arc;

impl Engine {
    /// Adds or replaces registry rows; gives what happened to each and the registry's version after it.
    pub async fn load_rows(
        &self,
        caller: &Caller,
        rows: Vec<RegistryRow>,
    ) -> Result<(Vec<LoadStatus>, u64), EngineError> {
        authorize_load(caller)?;
        let _changing = self.knowledge.changing.lock().await;
        let now = self.clock.now();
        let before = self.knowledge.get();
        let mut registry = Registry::clone(&before.registry);
        let mut feeds_changed = false;
        for row in &rows {
            feeds_changed |= matches!(row, RegistryRow::Feed(_));
            registry.put(row.clone());
        }
        // Compiled before it is stored: a scheme that cannot be read must not get in.
        registry.version = before.registry.version;
        let mut next = Knowledge::new(Arc::new(registry), Arc::clone(&before.policy))?;
        let (answers, version) = self.store.put_rows(rows, now).await?;
        if let Some(registry) = Arc::get_mut(&mut next.registry) {
            let grown = version > before.registry.version;
            registry.version = version;
            registry.changed_at = if grown { Some(now) } else { before.registry.changed_at };
        }
        self.knowledge.set(next);
        if feeds_changed {
            self.judge_awaited_again(None).await?;
        }
        Ok((answers, version))
    }

    /// Puts another policy in force.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        let before = self.knowledge.get();
        self.knowledge.set(Knowledge::new(Arc::clone(&before.registry), Arc::new(policy))?);
        Ok(())
    }
}

/// Registry and purchases are loaded by bureaus and the operator.
pub(super) fn authorize_load(caller: &Caller) -> Result<(), EngineError> {
    match caller {
        Caller::Operator | Caller::Bureau(_) => Ok(()),
        Caller::Institution(_) | Caller::Chain(_) => {
            Err(EngineError::Denied("only a bureau or the operator may load data".to_owned()))
        }
    }
}
