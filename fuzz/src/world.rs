//! A gateway in this process, without a network: the gate and all services over an embedded store that holds a small
//! province and some sales. Once they are in, the store takes no further change: whatever is tried on it is converted,
//! judged and written out, then refused, and the next input meets the same world.

use super::unsynced::Unsynced;
use http_body::{Body as HttpBody, Frame};
use rust_decimal::Decimal;
use std::convert::Infallible;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::service::Routes;
use tower_layer::Layer;
use tracegate::app::open_policies;
use tracegate::cli::files::{Row, read_rows};
use tracegate::clock::ManualClock;
use tracegate::config::Config;
use tracegate::domain::access::Principal;
use tracegate::domain::drug::Drug;
use tracegate::domain::party::Institution;
use tracegate::domain::purchase::{PurchaseRecord, PurchaseSource};
use tracegate::domain::registry::RegistryRow;
use tracegate::engine::{Engine, IndexState, Keeping};
use tracegate::grpc::pb::admin_service_server::AdminServiceServer;
use tracegate::grpc::pb::bureau_service_server::BureauServiceServer;
use tracegate::grpc::pb::dispensing_service_server::DispensingServiceServer;
use tracegate::grpc::pb::history_service_server::HistoryServiceServer;
use tracegate::grpc::pb::policy_service_server::PolicyServiceServer;
use tracegate::grpc::pb::purchase_service_server::PurchaseServiceServer;
use tracegate::grpc::pb::registry_service_server::RegistryServiceServer;
use tracegate::grpc::{
    Admin, AdmissionLimits, Bureaus, CALLER_KEY, Dispensing, Door, Gate, Histories, PolicyDoor, Purchases,
    Registries, ScanLimits, Trust,
};
use tracegate::store::embedded::EmbeddedStore;

/// Everything happens at this moment.
const NOW: &str = "2026-03-10T09:00:00+08:00";

/// The gateway.
pub struct World {
    runtime: Runtime,
    routes: Routes,
    gate: Gate,
    disk: Unsynced,
    _dir: TempDir,
}

impl World {
    /// With the province in it, and nothing sold yet.
    pub fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = Unsynced::default();
        let engine = Arc::new(runtime.block_on(open_engine(dir.path(), disk.clone())));
        runtime.block_on(know_all(&engine));
        let door = Door { engine, work: TaskTracker::new(), stop: CancellationToken::new() };
        let trust = Trust { word: true, local_key: None };
        let limits = AdmissionLimits {
            requests_in_flight_max: 1024,
            requests_per_caller_max: 1024,
            streams_per_caller_max: 64,
        };
        let gate = Gate::new(Arc::clone(&door.engine), trust, limits);
        Self { routes: routes(door), gate, disk, runtime, _dir: dir }
    }

    /// From now on nothing is accepted any more.
    pub fn stop_accepting(&self) {
        self.disk.fail();
    }

    /// Calls a method with messages, as that caller, and gives how it ended. `whole`: the answer is read to its end.
    pub fn call(&mut self, method: &str, caller: &str, messages: &[&[u8]], whole: bool) -> Status {
        let frames = messages.iter().flat_map(|message| {
            let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
            [&[0], length.as_slice(), message].concat()
        });
        let request = Request::post(format!("/tracegate.v1.{method}"))
            .header(CALLER_KEY, caller)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(Once(Some(frames.collect()))))
            .expect("a request");
        let mut service = self.gate.layer(self.routes.clone());
        self.runtime.block_on(async {
            let answer = service.call(request).await.expect("routes cannot fail");
            ending(answer, whole).await
        })
    }
}

/// The status in the headers of an answer, or in what follows it.
async fn ending(answer: Response<Body>, whole: bool) -> Status {
    let status = |headers: &HeaderMap| Status::from_header_map(headers);
    if let Some(status) = status(answer.headers()) {
        return status;
    }
    let mut body = pin!(answer.into_body());
    while whole && let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        match frame {
            Err(status) => return status,
            Ok(frame) => {
                if let Some(status) = frame.trailers_ref().and_then(status) {
                    return status;
                }
            }
        }
    }
    Status::ok("")
}

/// A body in one piece.
struct Once(Option<tonic::codegen::Bytes>);

impl HttpBody for Once {
    type Data = tonic::codegen::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(Frame::data).map(Ok))
    }
}

async fn open_engine(dir: &Path, disk: Unsynced) -> Engine {
    let mut config = Config::built_in().expect("the defaults are valid");
    config.store.disk_free_bytes_min = 1;
    // A fuzzer asks more often than any counter, and the same input must meet the same answer.
    let callers = &mut config.limits.callers;
    callers.requests_per_second_max = u32::MAX;
    callers.requests_burst_max = u32::MAX;
    callers.strange_codes_per_hour_max = u32::MAX;
    let policies = open_policies(&config).await.expect("the built-in rules are valid");
    let store = EmbeddedStore::open_with(dir, &config.store, Box::new(disk)).expect("a new store");
    let clock = Arc::new(ManualClock::at(NOW.parse().expect("a moment")));
    let engine = Engine::start(Arc::new(store), clock, policies, config.limits, config.index).await;
    let engine = engine.expect("an engine over an empty store");
    let drugs: Vec<Drug> = rows(include_bytes!("../../demo/drugs.csv")).collect();
    let institutions: Vec<Institution> = rows(include_bytes!("../../demo/institutions.csv")).collect();
    let no_code = rows(include_bytes!("../../demo/no_code_list.csv")).map(RegistryRow::NoCode);
    let bought = institutions.iter().flat_map(|by| drugs.iter().map(move |drug| purchase(by, drug)));
    let bought = engine.add_purchases(&Principal::OPERATOR, bought.collect()).await;
    bought.expect("everybody buys some of everything");
    let rows = institutions.into_iter().map(RegistryRow::Institution);
    let rows = rows.chain(drugs.into_iter().map(RegistryRow::Drug)).chain(no_code);
    engine.load_rows(&Principal::OPERATOR, rows.collect()).await.expect("the province loads");
    engine
}

/// Has the index looked after, as in a gateway, and waits until it is complete: cases are found through it.
async fn know_all(engine: &Engine) {
    let keeper = engine.index_keeper(Keeping { file: None, save_every: Duration::from_secs(3600) });
    let mut state = keeper.state();
    tokio::spawn(async move { keeper.run(CancellationToken::new()).await });
    state.wait_for(|state| *state == IndexState::Complete).await.expect("a keeper at work");
}

fn purchase(institution: &Institution, drug: &Drug) -> PurchaseRecord {
    PurchaseRecord {
        institution: institution.code,
        catalog_code: drug.catalog_code.clone(),
        source: PurchaseSource::Platform,
        order_no: "O1".to_owned(),
        supplier: "S1".to_owned(),
        lot_no: "L1".to_owned(),
        quantity: Decimal::ONE_THOUSAND,
        unit_price: Some(Decimal::ONE),
        purchased_at: NOW.parse().expect("a moment"),
    }
}

fn rows<T: Row>(file: &'static [u8]) -> impl Iterator<Item = T> {
    read_rows::<T>(file).expect("a file of the demo").map(|row| row.expect("a row of the demo"))
}

fn routes(door: Door) -> Routes {
    let limits =
        ScanLimits { in_flight_max: 4, in_flight_bytes_max: 1 << 20, age_max: Duration::from_secs(60) };
    Routes::new(DispensingServiceServer::new(Dispensing(door.clone(), limits)))
        .add_service(HistoryServiceServer::new(Histories(door.clone())))
        .add_service(BureauServiceServer::new(Bureaus(door.clone(), Duration::from_secs(60))))
        .add_service(PurchaseServiceServer::new(Purchases(door.clone())))
        .add_service(PolicyServiceServer::new(PolicyDoor(door.clone())))
        .add_service(AdminServiceServer::new(Admin(door.clone())))
        .add_service(RegistryServiceServer::new(Registries(door)))
        .prepare()
}
