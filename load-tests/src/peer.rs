//! The peer that is the limit: a server with empty handlers, the gateway's messages, transport settings,
//! runtime and allocator. It reads each request and answers what it was told to, so that the answer costs what a
//! real one costs on the wire. Must not know engine, store or domain.

use crate::target::LoopbackAddress;
use anyhow::{Context, Result};
use std::io::Write;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tracegate::config::{Config, Grpc};
use tracegate::grpc::pb::dispensing_service_server::{DispensingService, DispensingServiceServer};
use tracegate::grpc::pb::scan_request;
use tracegate::grpc::pb::scan_response::Answer;
use tracegate::grpc::{Incoming, pb};

/// As the gateway.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Answers without looking.
#[derive(Debug, Clone, Default)]
pub struct EmptyHandlers {
    /// The answer to every `Check`.
    pub check: pb::Decision,
    /// The answer to every `Dispense`.
    pub dispense: pb::Decision,
}

fn not_measured<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the peer answers Check, Dispense and Scan only"))
}

#[tonic::async_trait]
impl DispensingService for EmptyHandlers {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        drop(request);
        Ok(Response::new(pb::CheckResponse { decision: Some(self.check.clone()) }))
    }

    async fn dispense(
        &self,
        request: Request<pb::DispenseRequest>,
    ) -> Result<Response<pb::DispenseResponse>, Status> {
        drop(request);
        Ok(Response::new(pb::DispenseResponse { decision: Some(self.dispense.clone()) }))
    }

    type ScanStream = Pin<Box<dyn Stream<Item = Result<pb::ScanResponse, Status>> + Send>>;

    /// One answer for each message, as it comes.
    async fn scan(
        &self,
        request: Request<Streaming<Incoming>>,
    ) -> Result<Response<Self::ScanStream>, Status> {
        let answers = self.clone();
        let mut message_no = 0;
        let stream = request.into_inner().map(move |incoming| {
            let Incoming { correlation_id, request, .. } = incoming?;
            message_no += 1;
            let answer = match request {
                Ok(scan_request::Request::Check(_)) => {
                    Answer::Check(pb::CheckResponse { decision: Some(answers.check.clone()) })
                }
                Ok(scan_request::Request::Dispense(_)) => {
                    Answer::Dispense(pb::DispenseResponse { decision: Some(answers.dispense.clone()) })
                }
                Err(error) => return Err(Status::invalid_argument(error.to_string())),
            };
            Ok(pb::ScanResponse { correlation_id, message_no, answer: Some(answer) })
        });
        Ok(Response::new(Box::pin(stream)))
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

/// Listens, says where on standard output, and answers until standard input ends: it does not outlive whoever
/// started it.
pub async fn run<S: DispensingService>(listen: LoopbackAddress, service: S) -> Result<()> {
    let grpc = Config::built_in()?.grpc;
    let listener = TcpListener::bind(listen.socket())
        .await
        .with_context(|| format!("cannot listen on {}", listen.socket()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "peer listens on {}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let (ended, end) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be given up, and must not hold the runtime's end.
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let read = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        ended.send(read.is_ok())
    })?;
    serve(listener, service, &grpc, async move { drop(end.await) }).await
}

/// Answers until told to stop, with the gateway's transport settings.
pub async fn serve<S: DispensingService>(
    listener: TcpListener,
    service: S,
    grpc: &Grpc,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let service = DispensingServiceServer::new(service).max_decoding_message_size(grpc.message_bytes_max);
    // The same calls as in the gateway's composition root (src/app.rs): a setting that differs is measured too.
    let router = Server::builder()
        .initial_stream_window_size(grpc.stream_window_bytes)
        .initial_connection_window_size(grpc.connection_window_bytes)
        .concurrency_limit_per_connection(grpc.requests_per_connection_max)
        .max_concurrent_streams(u32::try_from(grpc.requests_per_connection_max).unwrap_or(u32::MAX))
        .max_connection_age(grpc.connection_age_max)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .timeout(grpc.request_max)
        .add_service(service);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(router.serve_with_incoming_shutdown(incoming, stop).await?)
}
