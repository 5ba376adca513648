//! `AdminService`: keys by which callers are known.

use super::convert::{access_key, new_key};
use super::pb::admin_service_server::AdminService;
use super::{Door, caller, pb};
use crate::trail::Trail;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct Admin(pub Door);

/// Entries that are read and wait for their reader.
const ENTRIES_WAITING_MAX: usize = 256;

type Told = Result<pb::ReadAuditTrailResponse, Status>;

/// Tells the entries from a number on, until all are told or nobody listens; blocks.
fn tell_trail(trail: &Trail, from_number: u64, answers: &mpsc::Sender<Told>) {
    let unreadable = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the audit trail cannot be read");
        Status::internal(
            "the audit trail cannot be read; see the log of the gateway, and `tracegate audit-trail verify`",
        )
    };
    let entries = match trail.read() {
        None => return,
        Some(Err(error)) => return drop(answers.blocking_send(Err(unreadable(&error)))),
        Some(Ok(entries)) => entries,
    };
    for entry in entries {
        let told = match entry {
            Ok((entry, _)) if entry.number < from_number => continue,
            Ok((entry, line)) => {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                Ok(pb::ReadAuditTrailResponse { number: entry.number, line })
            }
            Err(error) => Err(unreadable(&error)),
        };
        let is_last = told.is_err();
        if answers.blocking_send(told).is_err() || is_last {
            return;
        }
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    type ReadAuditTrailStream = ReceiverStream<Told>;

    async fn read_audit_trail(
        &self,
        request: Request<pb::ReadAuditTrailRequest>,
    ) -> Result<Response<Self::ReadAuditTrailStream>, Status> {
        let from_number = request.into_inner().from_number;
        let (answers, told) = mpsc::channel(ENTRIES_WAITING_MAX);
        let trail = self.0.engine.trail().clone();
        tokio::task::spawn_blocking(move || tell_trail(&trail, from_number, &answers));
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
}
