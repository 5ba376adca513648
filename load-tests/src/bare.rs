//! The peer that does the least that any gateway over Redis must: a server with the gateway's messages and transport
//! settings that puts a key for each code where none stands, all of a document in one pipeline, and answers ALLOW.
//! No log, no outcome, no policy, no retry. Must not know engine, store or domain.

use crate::redis_server::connect;
use crate::target::LoopbackAddress;
use anyhow::Result;
use redis::aio::MultiplexedConnection;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use tracegate::grpc::pb::dispensing_service_server::DispensingService;
use tracegate::grpc::{Incoming, pb};

/// Not the database of a gateway, which has one to itself.
pub const DATABASE: u32 = 1;

/// Claims with plain keys over one connection, as a gateway has one.
#[derive(Debug, Clone)]
pub struct BareHandlers {
    redis: MultiplexedConnection,
}

impl BareHandlers {
    /// Over the Redis at this address.
    pub async fn over(redis: LoopbackAddress) -> Result<Self> {
        Ok(Self { redis: connect(redis, DATABASE).await? })
    }

    /// Puts a document's codes; an error where one of them stands already.
    async fn claim(&self, request: &pb::DispenseRequest) -> Result<(), Status> {
        let lines = request.document.iter().flat_map(|document| &document.lines);
        let codes: Vec<&String> = lines.flat_map(|line| &line.codes).collect();
        if codes.is_empty() {
            return Err(Status::invalid_argument("a document without codes"));
        }
        let mut pipeline = redis::pipe();
        for code in &codes {
            pipeline.cmd("SET").arg(code.as_str()).arg(&request.request_id).arg("NX").arg("GET");
        }
        let stood: Vec<Option<Vec<u8>>> = pipeline
            .query_async(&mut self.redis.clone())
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        match codes.iter().zip(stood).find(|(_, stood)| stood.is_some()) {
            None => Ok(()),
            Some((code, _)) => Err(Status::already_exists(format!("{code} was sold before"))),
        }
    }
}

fn not_measured<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the bare peer answers Dispense only"))
}

#[tonic::async_trait]
impl DispensingService for BareHandlers {
    async fn dispense(
        &self,
        request: Request<pb::DispenseRequest>,
    ) -> Result<Response<pb::DispenseResponse>, Status> {
        self.claim(&request.into_inner()).await?;
        let decision =
            pb::Decision { verdict: pb::Verdict::Allow.into(), recorded: true, ..pb::Decision::default() };
        Ok(Response::new(pb::DispenseResponse { decision: Some(decision) }))
    }

    async fn check(&self, _: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        not_measured()
    }

    type ScanStream = Pin<Box<dyn Stream<Item = Result<pb::ScanResponse, Status>> + Send>>;

    async fn scan(&self, _: Request<Streaming<Incoming>>) -> Result<Response<Self::ScanStream>, Status> {
        not_measured()
    }

    async fn confirm(&self, _: Request<pb::ConfirmRequest>) -> Result<Response<pb::ConfirmResponse>, Status> {
        not_measured()
    }

    async fn void(&self, _: Request<pb::VoidRequest>) -> Result<Response<pb::VoidResponse>, Status> {
        not_measured()
    }

    async fn r#return(&self, _: Request<pb::ReturnRequest>) -> Result<Response<pb::ReturnResponse>, Status> {
        not_measured()
    }

    async fn get_outcome(
        &self,
        _: Request<pb::GetOutcomeRequest>,
    ) -> Result<Response<pb::GetOutcomeResponse>, Status> {
        not_measured()
    }

    async fn report(
        &self,
        _: Request<Streaming<pb::ReportRequest>>,
    ) -> Result<Response<pb::ReportResponse>, Status> {
        not_measured()
    }
}
