//! `RegistryService`: institutions, drugs, the no-code list, own schemes.

use super::convert::{
    answered, drug, drug_message, go_live_date, institution, institution_code, institution_message, no_code,
    no_code_message, own_scheme, own_scheme_message, timestamp,
};
use super::pb::registry_service_server::RegistryService;
use super::{Door, caller, pb, status};
use crate::domain::registry::{Registry, RegistryRow};
use crate::engine::{Engine, EngineError};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The service.
#[derive(Debug, Clone)]
pub struct Registries(pub Door);

impl Registries {
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0.engine.knowledge().registry)
    }
}

fn not_found(what: String) -> Status {
    status::of(&EngineError::NotFound(what))
}

#[tonic::async_trait]
impl RegistryService for Registries {
    async fn load_institutions(
        &self,
        request: Request<Streaming<pb::LoadInstitutionsRequest>>,
    ) -> Result<Response<pb::LoadInstitutionsResponse>, Status> {
        let caller = caller::of(&request)?;
        let read = |w: pb::LoadInstitutionsRequest| institution(w.institution).map(RegistryRow::Institution);
        let (results, registry_version) = self.0.load(caller, request.into_inner(), read).await?;
        Ok(Response::new(pb::LoadInstitutionsResponse { results, registry_version }))
    }

    async fn load_go_live_dates(
        &self,
        request: Request<Streaming<pb::LoadGoLiveDatesRequest>>,
    ) -> Result<Response<pb::LoadGoLiveDatesResponse>, Status> {
        let caller = caller::of(&request)?;
        let (dates, read_as) = self.0.collect(request.into_inner(), |wire| go_live_date(&wire)).await?;
        let work = |engine: Arc<Engine>| async move { engine.set_go_live_dates(&caller, dates).await };
        let (answers, registry_version) = self.0.run(work).await?;
        Ok(Response::new(pb::LoadGoLiveDatesResponse {
            results: answered(read_as, answers),
            registry_version,
        }))
    }

    async fn load_drugs(
        &self,
        request: Request<Streaming<pb::LoadDrugsRequest>>,
    ) -> Result<Response<pb::LoadDrugsResponse>, Status> {
        let caller = caller::of(&request)?;
        let read = |w: pb::LoadDrugsRequest| drug(w.drug).map(RegistryRow::Drug);
        let (results, registry_version) = self.0.load(caller, request.into_inner(), read).await?;
        Ok(Response::new(pb::LoadDrugsResponse { results, registry_version }))
    }

    async fn load_no_code_list(
        &self,
        request: Request<Streaming<pb::LoadNoCodeListRequest>>,
    ) -> Result<Response<pb::LoadNoCodeListResponse>, Status> {
        let caller = caller::of(&request)?;
        let read = |w: pb::LoadNoCodeListRequest| no_code(w.entry).map(RegistryRow::NoCode);
        let (results, registry_version) = self.0.load(caller, request.into_inner(), read).await?;
        Ok(Response::new(pb::LoadNoCodeListResponse { results, registry_version }))
    }

    async fn load_own_schemes(
        &self,
        request: Request<Streaming<pb::LoadOwnSchemesRequest>>,
    ) -> Result<Response<pb::LoadOwnSchemesResponse>, Status> {
        let caller = caller::of(&request)?;
        let read = |w: pb::LoadOwnSchemesRequest| own_scheme(w.scheme).map(RegistryRow::OwnScheme);
        let (results, registry_version) = self.0.load(caller, request.into_inner(), read).await?;
        Ok(Response::new(pb::LoadOwnSchemesResponse { results, registry_version }))
    }

    async fn get_institution(
        &self,
        request: Request<pb::GetInstitutionRequest>,
    ) -> Result<Response<pb::GetInstitutionResponse>, Status> {
        let caller = caller::of(&request)?;
        let text = request.into_inner().institution_code;
        let code = institution_code("institution_code", &text).map_err(|e| status::of(&e))?;
        self.0.engine.authorize(&caller, code).map_err(|e| status::of(&e))?;
        let registry = self.registry();
        let row =
            registry.institution(code).ok_or_else(|| not_found(format!("{code} is not in the registry")))?;
        Ok(Response::new(pb::GetInstitutionResponse {
            institution: Some(institution_message(row)),
            registry_version: registry.version,
        }))
    }

    async fn get_drug(
        &self,
        request: Request<pb::GetDrugRequest>,
    ) -> Result<Response<pb::GetDrugResponse>, Status> {
        caller::of(&request)?;
        let prefix = request.into_inner().code_prefix;
        let registry = self.registry();
        let row =
            registry.drug(&prefix).ok_or_else(|| not_found(format!("prefix {prefix:?} is not mapped")))?;
        Ok(Response::new(pb::GetDrugResponse {
            drug: Some(drug_message(row)),
            registry_version: registry.version,
        }))
    }

    async fn get_no_code_list(
        &self,
        request: Request<pb::GetNoCodeListRequest>,
    ) -> Result<Response<pb::GetNoCodeListResponse>, Status> {
        caller::of(&request)?;
        let registry = self.registry();
        let entries = registry.no_code_entries(&request.into_inner().catalog_code);
        Ok(Response::new(pb::GetNoCodeListResponse {
            entries: entries.iter().map(no_code_message).collect(),
            registry_version: registry.version,
        }))
    }

    async fn get_own_schemes(
        &self,
        request: Request<pb::GetOwnSchemesRequest>,
    ) -> Result<Response<pb::GetOwnSchemesResponse>, Status> {
        caller::of(&request)?;
        let registry = self.registry();
        Ok(Response::new(pb::GetOwnSchemesResponse {
            schemes: registry.own_schemes().iter().map(own_scheme_message).collect(),
            registry_version: registry.version,
        }))
    }

    async fn get_registry_status(
        &self,
        request: Request<pb::GetRegistryStatusRequest>,
    ) -> Result<Response<pb::GetRegistryStatusResponse>, Status> {
        caller::of(&request)?;
        let registry = self.registry();
        let [institutions, drugs, no_code_entries, own_schemes] = registry.counts().map(|n| n as u64);
        Ok(Response::new(pb::GetRegistryStatusResponse {
            registry_version: registry.version,
            institutions,
            drugs,
            no_code_entries,
            own_schemes,
            changed_at: registry.changed_at.map(timestamp),
        }))
    }
}
