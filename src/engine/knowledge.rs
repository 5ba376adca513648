//! Registry and policy in force: read by everybody, replaced as a whole.

use super::EngineError;
use super::policy::InForce;
use super::shadow::{Shadow, ShadowRun};
use crate::domain::code::ScanRules;
use crate::domain::party::{Caller, Institution, InstitutionCode, Pool};
use crate::domain::policy::{Policy, VersionText};
use crate::domain::registry::Registry;
use std::sync::{Arc, PoisonError, RwLock};

/// What judgements know besides the ledger.
#[derive(Debug)]
pub struct Knowledge {
    /// Institutions, drugs, lists.
    pub registry: Arc<Registry>,
    /// The rules in force.
    pub policy: Arc<Policy>,
    /// The version of the rules in force, as answers name it.
    pub policy_version: VersionText,
    /// How scans are read, compiled from both.
    pub scan_rules: ScanRules,
    /// Where the rules in force came from, and when.
    pub in_force: InForce,
    /// The policy that is judged beside the one in force, where one is.
    pub shadow: Option<Shadow>,
}

impl Knowledge {
    /// Puts registry and policies together.
    pub fn new(
        registry: Arc<Registry>,
        in_force: InForce,
        shadow: Option<Arc<ShadowRun>>,
    ) -> Result<Self, EngineError> {
        let scan_rules = scan_rules_of(&in_force.policy, &registry)?;
        let shadow = shadow.map(|run| Shadow::new(run, &in_force.policy, &registry)).transpose()?;
        let policy = Arc::clone(&in_force.policy);
        let policy_version = policy.version().to_string().into();
        Ok(Self { registry, policy, policy_version, scan_rules, in_force, shadow })
    }

    /// The same policies over another registry.
    pub fn with_registry(&self, registry: Registry) -> Result<Self, EngineError> {
        let run = self.shadow.as_ref().map(|shadow| Arc::clone(&shadow.run));
        Self::new(Arc::new(registry), self.in_force.clone(), run)
    }

    /// Whether a caller may act for an institution, and see what it does.
    pub fn lets_see(&self, caller: &Caller, institution: InstitutionCode) -> bool {
        match caller {
            Caller::Operator => true,
            Caller::Bureau(prefix) => institution.division().is_within(prefix),
            Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
                caller.may_know(institution, self.registry.institution(institution))
            }
        }
    }

    /// Whose purchases count for an institution.
    pub fn pool_of(&self, code: InstitutionCode) -> Pool {
        self.registry.institution(code).map_or(Pool::Institution(code), Institution::pool)
    }
}

/// How scans are read under a policy.
pub(super) fn scan_rules_of(policy: &Policy, registry: &Registry) -> Result<ScanRules, EngineError> {
    let settings = policy.settings();
    ScanRules::new(&settings.url_hosts, &settings.placeholder_patterns, registry.own_schemes())
        .map_err(|e| EngineError::invalid("pattern", e.to_string()))
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
