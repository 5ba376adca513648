//! Servers in this process: one whose answers wait behind a gate, one that echoes a stream in its own manner.

use load_tests::driver::{CpuMeter, Fault, Unary};
use load_tests::peer;
use load_tests::target::LoopbackAddress;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::{Grpc as ServerGrpc, NamedService, StreamingService};
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tracegate::config::{Config, Grpc};
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::dispensing_service_server::DispensingService;
use tracegate::grpc::{Incoming, pb};

/// The settings of all servers here.
pub fn grpc() -> Grpc {
    Config::built_in().unwrap().grpc
}

/// This process is server and driver.
pub fn meter() -> CpuMeter {
    CpuMeter { server_pid: std::process::id() }
}

/// Serves on a free port for as long as the test runs; gives connections to it.
pub async fn serve<S: DispensingService>(service: S, connections: usize) -> Vec<Channel> {
    let (listener, address) = listener().await;
    tokio::spawn(async move { peer::serve(listener, service, &grpc(), std::future::pending()).await });
    address.connect(connections, &grpc()).await.unwrap()
}

async fn listener() -> (TcpListener, LoopbackAddress) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = LoopbackAddress::try_from(listener.local_addr().unwrap()).unwrap();
    (listener, address)
}

/// `Check` is answered while the gate is open; nothing else is.
#[derive(Debug, Clone, Default)]
pub struct Gated(pub Arc<RwLock<()>>);

fn refused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl DispensingService for Gated {
    async fn check(&self, _: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let _open = self.0.read().await;
        Ok(Response::new(pb::CheckResponse::default()))
    }

    async fn dispense(
        &self,
        _: Request<pb::DispenseRequest>,
    ) -> Result<Response<pb::DispenseResponse>, Status> {
        refused()
    }

    type ScanStream = tokio_stream::Empty<Result<pb::ScanResponse, Status>>;

    async fn scan(&self, _: Request<Streaming<Incoming>>) -> Result<Response<Self::ScanStream>, Status> {
        refused()
    }

    async fn confirm(&self, _: Request<pb::ConfirmRequest>) -> Result<Response<pb::ConfirmResponse>, Status> {
        refused()
    }

    async fn void(&self, _: Request<pb::VoidRequest>) -> Result<Response<pb::VoidResponse>, Status> {
        refused()
    }

    async fn r#return(&self, _: Request<pb::ReturnRequest>) -> Result<Response<pb::ReturnResponse>, Status> {
        refused()
    }

    async fn get_outcome(
        &self,
        _: Request<pb::GetOutcomeRequest>,
    ) -> Result<Response<pb::GetOutcomeResponse>, Status> {
        refused()
    }

    async fn report(
        &self,
        _: Request<Streaming<pb::ReportRequest>>,
    ) -> Result<Response<pb::ReportResponse>, Status> {
        refused()
    }
}

/// Asks [`Gated`]; any answer is right.
#[derive(Debug, Clone)]
pub struct Ask(pub DispensingServiceClient<Channel>);

impl Unary for Ask {
    async fn call(&mut self, _: u64) -> Result<(), Fault> {
        Ok(self.0.check(pb::CheckRequest::default()).await.map(drop)?)
    }
}

/// Requests and answers of the echo; the number stands in `request_id`.
pub type Message = pb::GetOutcomeRequest;

/// What a number is answered with.
pub type Manner = fn(u64) -> Vec<u64>;

/// A service with one bidirectional stream.
#[derive(Debug, Clone, Copy)]
pub struct Echo(pub Manner);

/// The path of its call.
pub const ECHO: &str = "/test.Echo/Talk";

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = *self;
        Box::pin(async move { Ok(ServerGrpc::new(ProstCodec::default()).streaming(method, request).await) })
    }
}

impl StreamingService<Message> for Echo {
    type Response = Message;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Message>>) -> Self::Future {
        let manner = self.0;
        let answers = move |asked: Message| {
            let numbers = manner(asked.request_id.parse().unwrap());
            numbers.into_iter().map(|n| Message { request_id: n.to_string(), ..Message::default() })
        };
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            let mut asked = request.into_inner();
            while let Some(Ok(asked)) = asked.next().await {
                for answer in answers(asked) {
                    if sender.send(Ok(answer)).await.is_err() {
                        return;
                    }
                }
            }
        });
        let stream: Self::ResponseStream = Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver));
        Box::pin(async move { Ok(Response::new(stream)) })
    }
}

/// Serves an echo on a free port; gives a connection to it.
pub async fn serve_echo(manner: Manner) -> Channel {
    let (listener, address) = listener().await;
    let router = tonic::transport::Server::builder().add_service(Echo(manner));
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    address.connect(1, &grpc()).await.unwrap().remove(0)
}
