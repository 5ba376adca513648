//! `PolicyService`: which rules hold and why, how they are replaced, what another set would change.

use super::convert::{explanation, page, policy_settings, question, shadow_report, timestamp};
use super::pb::policy_service_server::PolicyService;
use super::{Door, caller, pb, status};
use crate::domain::party::Caller;
use crate::engine::{PolicyText, ShadowReport};
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct PolicyDoor(pub Door);

fn told(report: &ShadowReport) -> Option<pb::ShadowReport> {
    Some(shadow_report(report))
}

#[tonic::async_trait]
impl PolicyService for PolicyDoor {
    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Result<Response<pb::GetPolicyResponse>, Status> {
        let caller = caller::of(&request)?;
        let known = self.0.engine.knowledge();
        let policy = &known.policy;
        let page = page(policy, &request.into_inner().page_token).map_err(|e| status::of(&e))?;
        let shadow = match &*caller {
            Caller::Operator | Caller::Bureau(_) => known.shadow.as_ref(),
            Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => None,
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Response::new(pb::GetPolicyResponse {
            version: policy.version().to_string(),
            loaded_at: Some(timestamp(known.in_force.loaded_at)),
            files: known.in_force.files.to_vec(),
            settings: Some(policy_settings(policy.settings())),
            rules_total: count(policy.rules().len()),
            exemptions_total: count(policy.exemptions().len()),
            rules: page.rules,
            exemptions: page.exemptions,
            shadow_version: shadow.map(|s| s.run.policy.version().to_string()).unwrap_or_default(),
            next_page_token: page.next_token,
        }))
    }

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<pb::ExplainResponse>, Status> {
        let caller = caller::of(&request)?;
        let asked = question(request.into_inner()).map_err(|e| status::of(&e))?;
        let answer = self.0.engine.explain(&caller, asked).map_err(|e| status::of(&e))?;
        Ok(Response::new(explanation(&answer)))
    }

    async fn reload_policy(
        &self,
        request: Request<pb::ReloadPolicyRequest>,
    ) -> Result<Response<pb::ReloadPolicyResponse>, Status> {
        let caller = caller::of(&request)?;
        let done = self.0.run(|engine| async move { engine.reload_policy(&caller).await }).await?;
        Ok(Response::new(pb::ReloadPolicyResponse {
            old_version: done.before.to_string(),
            new_version: done.now.to_string(),
            loaded_at: Some(timestamp(done.loaded_at)),
            shadow_version: done.shadow.map(|version| version.to_string()).unwrap_or_default(),
        }))
    }

    async fn start_shadow(
        &self,
        request: Request<pb::StartShadowRequest>,
    ) -> Result<Response<pb::StartShadowResponse>, Status> {
        let caller = caller::of(&request)?;
        let files = request.into_inner().files.into_iter();
        let texts = files.map(|file| PolicyText { name: file.name, text: file.text }).collect();
        let report = self.0.run(|engine| async move { engine.start_shadow(&caller, texts).await }).await?;
        Ok(Response::new(pb::StartShadowResponse { report: told(&report) }))
    }

    async fn stop_shadow(
        &self,
        request: Request<pb::StopShadowRequest>,
    ) -> Result<Response<pb::StopShadowResponse>, Status> {
        let caller = caller::of(&request)?;
        let report = self.0.run(|engine| async move { engine.stop_shadow(&caller).await }).await?;
        Ok(Response::new(pb::StopShadowResponse { report: told(&report) }))
    }

    async fn get_shadow(
        &self,
        request: Request<pb::GetShadowRequest>,
    ) -> Result<Response<pb::GetShadowResponse>, Status> {
        let caller = caller::of(&request)?;
        let report = self.0.engine.shadow_report(&caller).map_err(|e| status::of(&e))?;
        Ok(Response::new(pb::GetShadowResponse { report: told(&report) }))
    }
}
