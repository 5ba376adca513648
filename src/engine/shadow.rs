//! A second policy judged beside the one in force, on live traffic: what would change, counted. It answers
//! nobody, records nothing and fails nobody: it is asked once the answer in force is durable.

use super::dispense::{Request, is_overfull, judge_body};
use super::knowledge::scan_rules_of;
use super::policy::{LoadedPolicy, PolicyText, blocking, operator_only, running};
use super::tally::{Comparison, Tally, Told};
use super::{Engine, EngineError, Facts};
use crate::domain::access::Principal;
use crate::domain::claim::History;
use crate::domain::code::{CodeKey, ScanRules};
use crate::domain::judge::{Grounds, Judgement};
use crate::domain::outcome::{Answer, Recorded, RequestKey};
use crate::domain::party::{Caller, Pool};
use crate::domain::policy::{Policy, PolicyVersion};
use crate::domain::purchase::Position;
use crate::domain::registry::Registry;
use crate::domain::verdict::Verdict;
use crate::telemetry;
use crate::trail::Act;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A shadow as judgements see it: ready to read scans.
#[derive(Debug)]
pub struct Shadow {
    /// The policy and its counts.
    pub run: Arc<ShadowRun>,
    /// How it reads scans; `None` = as the policy in force does.
    scan_rules: Option<ScanRules>,
}

/// One policy beside one policy in force, with what was counted.
#[derive(Debug)]
pub struct ShadowRun {
    /// The rules.
    pub policy: Arc<Policy>,
    /// The files they came from, in order.
    pub files: Vec<String>,
    /// Since when it is judged.
    pub since: Timestamp,
    /// The policy in force that it is compared with.
    pub compared_with: PolicyVersion,
    tally: Mutex<Tally>,
}

/// What a run has counted so far.
#[derive(Debug, Clone)]
pub struct ShadowReport {
    /// Names the shadow.
    pub version: PolicyVersion,
    /// The files it came from, in order.
    pub files: Vec<String>,
    /// Since when it is judged.
    pub since: Timestamp,
    /// The policy in force that it is compared with.
    pub compared_with: PolicyVersion,
    /// The counts.
    pub tally: Tally,
}

impl Shadow {
    /// Compiles how scans are read, where that differs from the policy in force.
    pub(super) fn new(
        run: Arc<ShadowRun>,
        in_force: &Policy,
        registry: &Registry,
    ) -> Result<Self, EngineError> {
        let (own, known) = (run.policy.settings(), in_force.settings());
        let reads_alike =
            own.url_hosts == known.url_hosts && own.placeholder_patterns == known.placeholder_patterns;
        let scan_rules = if reads_alike { None } else { Some(scan_rules_of(&run.policy, registry)?) };
        Ok(Self { run, scan_rules })
    }
}

impl ShadowRun {
    pub(super) fn new(loaded: LoadedPolicy, compared_with: PolicyVersion, since: Timestamp) -> Self {
        let LoadedPolicy { policy, files } = loaded;
        Self { policy, files, since, compared_with, tally: Mutex::default() }
    }

    pub(super) fn loaded(&self) -> LoadedPolicy {
        LoadedPolicy { policy: Arc::clone(&self.policy), files: self.files.clone() }
    }

    fn counting(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self) -> ShadowReport {
        ShadowReport {
            version: self.policy.version(),
            files: self.files.clone(),
            since: self.since,
            compared_with: self.compared_with,
            tally: self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Engine {
    /// Judges a decided request once more under the shadow, where one runs, and counts the difference. The facts
    /// are those of the answer. A PENDING decided nothing, and a movement is no document.
    pub(super) async fn judge_beside(
        &self,
        call: &'static str,
        key: &RequestKey,
        body: &Recorded,
        answer: &Answer,
        facts: &Facts,
    ) {
        let Some(shadow) = &facts.knowledge.shadow else {
            return;
        };
        if answer.verdict == Verdict::Pending || matches!(body, Recorded::Movement(_)) {
            return;
        }
        match self.shadow_judgement(shadow, body, facts).await {
            Ok(judgement) => {
                let would_be = Told { verdict: judgement.verdict, recorded: judgement.recorded };
                let compared = Comparison::new(call, key, answer, &judgement.findings, would_be);
                shadow.run.counting(|tally| tally.count(compared));
                telemetry::shadowed(answer.verdict.name(), judgement.verdict.name());
            }
            Err(error) => {
                shadow.run.counting(|tally| tally.failed += 1);
                telemetry::shadow_failed();
                tracing::warn!(%error, "the shadow policy could not judge a request; its answer stands");
            }
        }
    }

    async fn shadow_judgement(
        &self,
        shadow: &Shadow,
        body: &Recorded,
        facts: &Facts,
    ) -> Result<Judgement, EngineError> {
        let known = &facts.knowledge;
        let rules = shadow.scan_rules.as_ref().unwrap_or(&known.scan_rules);
        let request = Request::of(body, rules, &known.registry);
        let more = match shadow.scan_rules {
            Some(_) => self.facts_besides(&request, body, facts).await?,
            None => None,
        };
        let (histories, positions) =
            more.as_ref().map_or((&facts.histories, &facts.positions), |more| (&more.0, &more.1));
        let grounds = Grounds { policy: &shadow.run.policy, histories, positions, ..facts.grounds() };
        let judgement = judge_body(body, &request.reading, grounds);
        if judgement.claims.iter().any(|c| is_overfull(histories, c, request.institution)) {
            let what = "the shadow claims a code that has no room for another event of this institution";
            return Err(EngineError::Precondition(what.to_owned()));
        }
        Ok(judgement)
    }

    /// The facts with what only the shadow reads out of the scans: codes that are placeholders or foreign pages
    /// under the policy in force. The request has changed nothing about these: its record is of what the policy
    /// in force read. `None` = nothing is missing.
    async fn facts_besides(
        &self,
        request: &Request<'_>,
        body: &Recorded,
        facts: &Facts,
    ) -> Result<Option<MoreFacts>, EngineError> {
        let known = &facts.knowledge;
        let fetched = Request::of(body, &known.scan_rules, &known.registry);
        let keys: Vec<CodeKey> =
            request.reading.keys().difference(&fetched.reading.keys()).cloned().collect();
        let pool = known.pool_of(request.institution);
        let asked: Vec<(Pool, String)> = request
            .catalog_codes
            .difference(&fetched.catalog_codes)
            .map(|code| (pool.clone(), code.clone()))
            .collect();
        if keys.is_empty() && asked.is_empty() {
            return Ok(None);
        }
        let (mut histories, mut positions) = (facts.histories.clone(), facts.positions.clone());
        let found = self.store.histories(&keys).await?;
        histories.extend(keys.into_iter().zip(found).filter_map(|(key, history)| Some((key, history?))));
        let found = self.store.positions(&asked).await?;
        positions.extend(asked.into_iter().map(|(_, code)| code).zip(found));
        Ok(Some((histories, positions)))
    }

    /// Judges another policy beside the one in force, from now on. One that runs already gives way.
    pub async fn start_shadow(
        &self,
        caller: &Principal,
        texts: Vec<PolicyText>,
    ) -> Result<ShadowReport, EngineError> {
        operator_only(caller, "start a shadow policy")?;
        self.limits.check_policy_texts(&texts)?;
        let _changing = self.policies.changing.lock().await;
        let source = Arc::clone(&self.policies.source);
        let loaded = blocking(move || source.read(&texts)).await?.map_err(EngineError::PolicyTexts)?;
        let now = self.clock.now();
        let fact = self.fact(caller, Act::ShadowStart, loaded.policy.version().to_string());
        let fact = fact.with("texts", loaded.files.join(", "));
        let started = self.replace(|known| {
            let run = ShadowRun::new(loaded, known.policy.version(), now);
            (known.in_force.clone(), Some(Arc::new(run)))
        });
        let run = self.announced(fact, started).await?.ok_or_else(no_shadow)?;
        tracing::info!(shadow = %run.policy.version(), in_force = %run.compared_with, "shadow started");
        Ok(run.report())
    }

    /// Judges by the policy in force alone again; gives what was counted last.
    pub async fn stop_shadow(&self, caller: &Principal) -> Result<ShadowReport, EngineError> {
        operator_only(caller, "stop the shadow policy")?;
        let _changing = self.policies.changing.lock().await;
        let known = self.knowledge.get();
        let run = running(&known).ok_or_else(no_shadow)?;
        let fact = self.fact(caller, Act::ShadowStop, run.policy.version().to_string());
        self.announced(fact, self.replace(|known| (known.in_force.clone(), None))).await?;
        tracing::info!(shadow = %run.policy.version(), "shadow stopped");
        Ok(run.report())
    }

    /// What the shadow would change. A bureau sees the counts of the whole gateway and the requests of its own
    /// divisions.
    pub fn shadow_report(&self, caller: &Caller) -> Result<ShadowReport, EngineError> {
        let prefix = match caller {
            Caller::Operator => "",
            Caller::Bureau(prefix) => prefix,
            Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
                let what = "only a bureau or the operator may see what a shadow policy would change";
                return Err(EngineError::Denied(what.to_owned()));
            }
        };
        let known = self.knowledge.get();
        let mut report = running(&known).ok_or_else(no_shadow)?.report();
        report.tally.changes.retain(|change| change.key.institution.division().is_within(prefix));
        Ok(report)
    }
}

/// Histories and positions as the shadow needs them.
type MoreFacts = (BTreeMap<CodeKey, History>, BTreeMap<String, Position>);

fn no_shadow() -> EngineError {
    EngineError::NotFound(
        "no shadow policy runs; start one with StartShadow or policy.shadow_files".to_owned(),
    )
}
