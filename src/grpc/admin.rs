//! `AdminService`: keys by which callers are known, keys under which persons are marked, the audit trail.

use super::convert::{access_key, join_key, new_key, purged_message};
use super::pb::admin_service_server::AdminService;
use super::{Door, caller, pb, status};
use crate::engine::Engine;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct Admin(pub Door);

/// Entries that are read and wait for their reader.
const ENTRIES_WAITING_MAX: usize = 256;

/// Words about a purge that wait for their reader; more are not told.
const PURGED_WAITING_MAX: usize = 4;

type Told = Result<pb::ReadAuditTrailResponse, Status>;

/// Tells the entries from a number on, until all are told or nobody listens; blocks.
fn tell_trail(engine: &Engine, from_number: u64, answers: &mpsc::Sender<Told>) {
    for entry in engine.trail_lines(from_number) {
        let told = entry.map(|(number, line)| pb::ReadAuditTrailResponse { number, line });
        let told = told.map_err(|error| status::of(&error));
        let is_last = told.is_err();
        if answers.blocking_send(told).is_err() || is_last {
            return;
        }
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    type ReadAuditTrailStream = ReceiverStream<Told>;
    type PurgeStream = ReceiverStream<Result<pb::PurgeResponse, Status>>;

    async fn read_audit_trail(
        &self,
        request: Request<pb::ReadAuditTrailRequest>,
    ) -> Result<Response<Self::ReadAuditTrailStream>, Status> {
        let from_number = request.into_inner().from_number;
        let (answers, told) = mpsc::channel(ENTRIES_WAITING_MAX);
        let engine = Arc::clone(&self.0.engine);
        tokio::task::spawn_blocking(move || tell_trail(&engine, from_number, &answers));
        Ok(Response::new(ReceiverStream::new(told)))
    }

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

    async fn list_join_keys(
        &self,
        _: Request<pb::ListJoinKeysRequest>,
    ) -> Result<Response<pb::ListJoinKeysResponse>, Status> {
        let keys = self.0.engine.join_keys().iter().map(join_key).collect();
        Ok(Response::new(pb::ListJoinKeysResponse { keys }))
    }

    async fn rotate_join_key(
        &self,
        request: Request<pb::RotateJoinKeyRequest>,
    ) -> Result<Response<pb::RotateJoinKeyResponse>, Status> {
        let by = caller::of(&request)?;
        let key = self.0.run(|engine| async move { engine.rotate_join_key(&by).await }).await?;
        Ok(Response::new(pb::RotateJoinKeyResponse { key: Some(join_key(&key)) }))
    }

    async fn destroy_join_key(
        &self,
        request: Request<pb::DestroyJoinKeyRequest>,
    ) -> Result<Response<pb::DestroyJoinKeyResponse>, Status> {
        let by = caller::of(&request)?;
        let version = request.into_inner().version;
        let key = self.0.run(|engine| async move { engine.destroy_join_key(&by, version).await }).await?;
        Ok(Response::new(pb::DestroyJoinKeyResponse { key: Some(join_key(&key)) }))
    }

    async fn purge(&self, request: Request<pb::PurgeRequest>) -> Result<Response<Self::PurgeStream>, Status> {
        let by = caller::of(&request)?;
        let only_counts = request.into_inner().dry_run;
        let (sender, told) = mpsc::channel(PURGED_WAITING_MAX);
        let (engine, stop, telling) = (Arc::clone(&self.0.engine), self.0.stop.clone(), sender.clone());
        // It goes on where the client goes away: what it removes stays removed anyway.
        self.0.work.spawn(async move {
            let tell = move |purged| drop(telling.try_send(Ok(purged_message(&purged))));
            let purge = tokio::select! {
                purge = engine.purge(&by, only_counts, tell) => purge.map_err(|error| status::of(&error)),
                () = stop.cancelled() => Err(Status::unavailable("the gateway is stopping; run the purge again")),
            };
            drop(sender.send(purge.map(|purged| purged_message(&purged))).await);
        });
        Ok(Response::new(ReceiverStream::new(told)))
    }
}
