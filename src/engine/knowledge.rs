//! Registry and policy in force: read by everybody, replaced as a whole.

use super::EngineError;
use crate::domain::code::ScanRules;
use crate::domain::party::{Institution, InstitutionCode, Pool};
use crate::domain::policy::Policy;
use crate::domain::registry::Registry;
use std::sync::{Arc, PoisonError, RwLock};

/// What judgements know besides the ledger.
#[derive(Debug)]
pub struct Knowledge {
    /// Institutions, drugs, lists.
    pub registry: Arc<Registry>,
    /// The rules in force.
    pub policy: Arc<Policy>,
    /// How scans are read, compiled from both.
    pub scan_rules: ScanRules,
}

impl Knowledge {
    /// Puts registry and policy together.
    pub fn new(registry: Arc<Registry>, policy: Arc<Policy>) -> Result<Self, EngineError> {
        let settings = policy.settings();
        let scan_rules =
            ScanRules::new(&settings.url_hosts, &settings.placeholder_patterns, registry.own_schemes())
                .map_err(|e| EngineError::invalid("pattern", e.to_string()))?;
        Ok(Self { registry, policy, scan_rules })
    }

    /// Whose purchases count for an institution.
    pub fn pool_of(&self, code: InstitutionCode) -> Pool {
        self.registry.institution(code).map_or(Pool::Institution(code), Institution::pool)
    }
}

/// Holds what is in force.
#[derive(Debug)]
pub(super) struct KnowledgeCell {
    current: RwLock<Arc<Knowledge>>,
    /// Held while a replacement is made, so that none is lost.
    pub changing: tokio::sync::Mutex<()>,
}

impl KnowledgeCell {
    pub fn new(knowledge: Knowledge) -> Self {
        Self { current: RwLock::new(Arc::new(knowledge)), changing: tokio::sync::Mutex::new(()) }
    }

    pub fn get(&self) -> Arc<Knowledge> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, knowledge: Knowledge) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(knowledge);
    }
}
