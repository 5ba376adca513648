//! `PurchaseService`: what institutions bought.

use super::convert::{feed, institution_code, loaded, purchase, timestamp};
use super::pb::purchase_service_server::PurchaseService;
use super::{Door, caller, pb, status};
use crate::domain::access::Principal;
use crate::domain::party::Pool;
use crate::domain::registry::RegistryRow;
use crate::engine::{Engine, EngineError};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The service.
#[derive(Debug, Clone)]
pub struct Purchases(pub Door);

impl Door {
    /// Collects a stream of rows, up to the limit of one load.
    pub(super) async fn collect<W, T>(
        &self,
        mut stream: Streaming<W>,
        read: impl Fn(W) -> Result<T, EngineError>,
    ) -> Result<(Vec<T>, Vec<Result<(), EngineError>>), Status> {
        let limit = self.engine.limits().rows_per_load_max;
        let (mut rows, mut read_as) = (Vec::new(), Vec::new());
        while let Some(wire) = stream.message().await? {
            if read_as.len() >= limit {
                let what =
                    format!("more than {limit} rows in one stream (rows_per_load_max); nothing was loaded");
                return Err(status::of(&EngineError::invalid("stream", what)));
            }
            read_as.push(read(wire).map(|row| rows.push(row)));
        }
        Ok((rows, read_as))
    }

    /// Loads registry rows from a stream; a bad row never spoils its neighbours.
    pub(super) async fn load<W>(
        &self,
        caller: Principal,
        stream: Streaming<W>,
        read: impl Fn(W) -> Result<RegistryRow, EngineError>,
    ) -> Result<(Vec<pb::LoadResult>, u64), Status> {
        let limits = *self.engine.limits();
        let checked = |wire| {
            let row = read(wire)?;
            limits.check_row(&row).map(|()| row)
        };
        let (rows, read_as) = self.collect(stream, checked).await?;
        let (statuses, version) =
            self.run(|engine: Arc<Engine>| async move { engine.load_rows(&caller, rows).await }).await?;
        Ok((loaded(read_as, statuses), version))
    }
}

#[tonic::async_trait]
impl PurchaseService for Purchases {
    async fn submit_purchases(
        &self,
        request: Request<Streaming<pb::SubmitPurchasesRequest>>,
    ) -> Result<Response<pb::SubmitPurchasesResponse>, Status> {
        let caller = caller::of(&request)?;
        let limits = *self.0.engine.limits();
        let checked = |wire| {
            let record = purchase(wire)?;
            limits.check_purchase(&record).map(|()| record)
        };
        let (records, read_as) = self.0.collect(request.into_inner(), checked).await?;
        let work = |engine: Arc<Engine>| async move { engine.add_purchases(&caller, records).await };
        let statuses = self.0.run(work).await?;
        Ok(Response::new(pb::SubmitPurchasesResponse { results: loaded(read_as, statuses) }))
    }

    async fn submit_purchase_feeds(
        &self,
        request: Request<Streaming<pb::SubmitPurchaseFeedsRequest>>,
    ) -> Result<Response<pb::SubmitPurchaseFeedsResponse>, Status> {
        let caller = caller::of(&request)?;
        let (results, _) =
            self.0.load(caller, request.into_inner(), |w| feed(w).map(RegistryRow::Feed)).await?;
        Ok(Response::new(pb::SubmitPurchaseFeedsResponse { results }))
    }

    async fn get_purchase(
        &self,
        request: Request<pb::GetPurchaseRequest>,
    ) -> Result<Response<pb::GetPurchaseResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let code =
            institution_code("institution_code", &wire.institution_code).map_err(|e| status::of(&e))?;
        let view =
            self.0.engine.purchase(&caller, code, &wire.catalog_code).await.map_err(|e| status::of(&e))?;
        let position = &view.position;
        let age = view.complete_up_to.map_or(0, |at| view.as_of.duration_since(at).as_secs().max(0));
        Ok(Response::new(pb::GetPurchaseResponse {
            chain_group: match view.pool {
                Pool::Chain(group) => group,
                Pool::Institution(_) => String::new(),
            },
            platform_quantity: position.platform.normalize().to_string(),
            filed_quantity: position.filed.normalize().to_string(),
            opening_quantity: position.opening.normalize().to_string(),
            sold_quantity: position.sold.normalize().to_string(),
            balance: (position.bought() - position.sold).normalize().to_string(),
            complete_up_to: view.complete_up_to.map(timestamp),
            age_seconds: age,
        }))
    }
}
