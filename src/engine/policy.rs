//! The policy in force and the one beside it: where they come from, and how they are replaced without a stop.
//! Knows no files and no TOML: a [`PolicySource`] reads them.

use super::shadow::ShadowRun;
use super::{Engine, EngineError, Knowledge};
use crate::domain::access::Principal;
use crate::domain::party::Caller;
use crate::domain::policy::{Policy, PolicyVersion};
use crate::domain::registry::Registry;
use crate::trail::Act;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Where policies are read.
pub trait PolicySource: fmt::Debug + Send + Sync {
    /// Reads what shall be in force and what shall be judged beside it. May block. All mistakes of both at once.
    fn load(&self) -> Result<PolicySet, Vec<PolicyMistake>>;

    /// Reads texts as if they were the files of a policy. May block.
    fn read(&self, texts: &[PolicyText]) -> Result<LoadedPolicy, Vec<PolicyMistake>>;
}

/// One policy file as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// What mistakes and rules are told to stand in.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The rules.
    pub policy: Arc<Policy>,
    /// The files they came from, in order.
    pub files: Vec<String>,
}

/// What a source holds.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// Shall be in force.
    pub in_force: LoadedPolicy,
    /// Shall be judged beside it; `None` = the source says nothing about that.
    pub shadow: Option<LoadedPolicy>,
}

/// One mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyMistake {
    /// The file.
    pub file: String,
    /// The line, from 1; `None` = the file as a whole.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl PolicyMistake {
    /// `file:line`, or the file alone.
    pub fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }
}

impl fmt::Display for PolicyMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)
    }
}

/// A source, with what was read from it for the start.
#[derive(Debug)]
pub struct Policies {
    source: Arc<dyn PolicySource>,
    first: PolicySet,
}

impl Policies {
    /// Reads a source for the first time. May block.
    pub fn load(source: Arc<dyn PolicySource>) -> Result<Self, Vec<PolicyMistake>> {
        let first = source.load()?;
        Ok(Self { source, first })
    }

    pub(super) fn opened(
        self,
        registry: Registry,
        now: Timestamp,
    ) -> Result<(Knowledge, PolicyDesk), EngineError> {
        let in_force = InForce::of(self.first.in_force, now);
        let run = next_run(None, self.first.shadow, in_force.policy.version(), now);
        let knowledge = Knowledge::new(Arc::new(registry), in_force, run)?;
        Ok((knowledge, PolicyDesk { source: self.source, changing: tokio::sync::Mutex::new(()) }))
    }
}

/// The policy in force, and where it came from.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The rules.
    pub policy: Arc<Policy>,
    /// The files they came from, in order.
    pub files: Arc<[String]>,
    /// When they were read.
    pub loaded_at: Timestamp,
}

impl InForce {
    fn of(loaded: LoadedPolicy, now: Timestamp) -> Self {
        Self { policy: loaded.policy, files: loaded.files.into(), loaded_at: now }
    }
}

/// Where policies are changed.
#[derive(Debug)]
pub(super) struct PolicyDesk {
    pub source: Arc<dyn PolicySource>,
    /// Held from before the source is read: of two changes at once, the one that read later stands.
    pub changing: tokio::sync::Mutex<()>,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The version that was in force.
    pub before: PolicyVersion,
    /// The version that is in force.
    pub now: PolicyVersion,
    /// When it was read.
    pub loaded_at: Timestamp,
    /// The version that is judged beside it, where one is.
    pub shadow: Option<PolicyVersion>,
}

impl Engine {
    /// Reads the source again: the policy in force, and the one beside it where the source has one. With any
    /// mistake in either nothing changes. Requests go on meanwhile; each is judged by one policy as a whole.
    pub async fn reload_policy(&self, caller: &Principal) -> Result<Reloaded, EngineError> {
        operator_only(caller, "read the policy files again")?;
        let _changing = self.policies.changing.lock().await;
        let before = self.knowledge.get().policy.version();
        let done = self.load_again(caller, before).await;
        match &done {
            Ok(Reloaded { now, shadow, .. }) => {
                let shadow = shadow.map(tracing::field::display);
                tracing::info!(%before, %now, shadow, "policy read again");
            }
            Err(error) => tracing::error!(%error, in_force = %before, "the old policy stays in force"),
        }
        done
    }

    async fn load_again(&self, caller: &Principal, before: PolicyVersion) -> Result<Reloaded, EngineError> {
        let source = Arc::clone(&self.policies.source);
        let read = blocking(move || source.load()).await?.map_err(EngineError::PolicyFiles)?;
        let now = self.clock.now();
        let in_force = InForce::of(read.in_force, now);
        let version = in_force.policy.version();
        let shadow = read.shadow.as_ref().map(|shadow| shadow.policy.version().to_string());
        let fact = self.fact(caller, Act::PolicyReload, in_force.files.join(", "));
        let fact = fact.with("before", before.to_string()).with("after", version.to_string());
        let replaced = self.replace(|known| (in_force, next_run(running(known), read.shadow, version, now)));
        let replaced = async { replaced.await.map_err(unusable) };
        let run = self.announced(fact.with("shadow", shadow), replaced).await?;
        let shadow = run.map(|run| run.policy.version());
        Ok(Reloaded { before, now: version, loaded_at: now, shadow })
    }

    /// Puts other policies in the place of those that stand; the registry stays.
    pub(super) async fn replace(
        &self,
        next: impl FnOnce(&Knowledge) -> (InForce, Option<Arc<ShadowRun>>),
    ) -> Result<Option<Arc<ShadowRun>>, EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        let known = self.knowledge.get();
        let (in_force, run) = next(&known);
        self.knowledge.set(Knowledge::new(Arc::clone(&known.registry), in_force, run.clone())?);
        Ok(run)
    }
}

pub(super) fn running(known: &Knowledge) -> Option<&Arc<ShadowRun>> {
    known.shadow.as_ref().map(|shadow| &shadow.run)
}

/// The run that follows: the same one while both versions stay, else one with empty counts. Counts that compare
/// other policies than those that run would say nothing.
fn next_run(
    before: Option<&Arc<ShadowRun>>,
    given: Option<LoadedPolicy>,
    in_force: PolicyVersion,
    now: Timestamp,
) -> Option<Arc<ShadowRun>> {
    let same = |run: &&Arc<ShadowRun>| {
        run.compared_with == in_force
            && given.as_ref().is_none_or(|given| given.policy.version() == run.policy.version())
    };
    if let Some(run) = before.filter(same) {
        return Some(Arc::clone(run));
    }
    let loaded = given.or_else(|| before.map(|run| run.loaded()))?;
    Some(Arc::new(ShadowRun::new(loaded, in_force, now)))
}

/// A pattern that compiles alone and not with the others is a mistake of the files too.
fn unusable(error: EngineError) -> EngineError {
    match error {
        EngineError::Invalid { field, what } => {
            EngineError::PolicyFiles(vec![PolicyMistake { file: field, line: None, reason: what }])
        }
        other @ (EngineError::DifferentBody { .. }
        | EngineError::Closed { .. }
        | EngineError::Precondition(_)
        | EngineError::PolicyFiles(_)
        | EngineError::PolicyTexts(_)
        | EngineError::Denied(_)
        | EngineError::NotFound(_)
        | EngineError::Contended
        | EngineError::Store(_)
        | EngineError::Overrun { .. }
        | EngineError::Overloaded
        | EngineError::InDoubt(_)) => other,
    }
}

/// Runs what may block where it stalls nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| EngineError::Precondition(format!("the policy could not be read: {error}")))
}

/// Rules are changed by whoever runs the gateway.
pub(super) fn operator_only(caller: &Caller, what: &str) -> Result<(), EngineError> {
    match caller {
        Caller::Operator => Ok(()),
        Caller::Bureau(_) | Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
            Err(EngineError::Denied(format!("only the operator may {what}")))
        }
    }
}
