//! `AdminService`: keys by which callers are known.

use super::convert::{access_key, new_key};
use super::pb::admin_service_server::AdminService;
use super::{Door, caller, pb};
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct Admin(pub Door);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn create_key(
        &self,
        request: Request<pb::CreateKeyRequest>,
    ) -> Result<Response<pb::CreateKeyResponse>, Status> {
        let by = caller::of(&request)?;
        let new = new_key(request.into_inner());
        let (key, secret) = self.0.run(|engine| async move { engine.create_key(&by, new).await }).await?;
        Ok(Response::new(pb::CreateKeyResponse { key: Some(access_key(&key)), secret }))
    }

    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let by = caller::of(&request)?;
        let pb::ListKeysRequest { page_size, page_token, only_valid } = request.into_inner();
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let page = self.0.engine.list_keys(&by, &page_token, page_size, only_valid);
        let keys = page.keys.iter().map(access_key).collect();
        let next_page_token = page.next.unwrap_or_default();
        Ok(Response::new(pb::ListKeysResponse { keys, next_page_token }))
    }

    async fn revoke_key(
        &self,
        request: Request<pb::RevokeKeyRequest>,
    ) -> Result<Response<pb::RevokeKeyResponse>, Status> {
        let by = caller::of(&request)?;
        let id = request.into_inner().id;
        let key = self.0.run(|engine| async move { engine.revoke_key(&by, &id).await }).await?;
        Ok(Response::new(pb::RevokeKeyResponse { key: Some(access_key(&key)) }))
    }
}
