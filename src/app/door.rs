//! The gRPC door, put together: connections, the gate, every service, health.

use super::StartError;
use crate::config::{Access, Grpc};
use crate::engine::{Engine, hash_of_secret, random_text};
use crate::grpc::pb::admin_service_server::AdminServiceServer;
use crate::grpc::pb::bureau_service_server::BureauServiceServer;
use crate::grpc::pb::dispensing_service_server::DispensingServiceServer;
use crate::grpc::pb::history_service_server::HistoryServiceServer;
use crate::grpc::pb::policy_service_server::PolicyServiceServer;
use crate::grpc::pb::purchase_service_server::PurchaseServiceServer;
use crate::grpc::pb::registry_service_server::RegistryServiceServer;
use crate::grpc::{
    Admin, Bureaus, Dispensing, Door, Gate, Histories, PolicyDoor, Purchases, Registries, ScanLimits, Tls,
    Trust, Watch, connections, pb,
};
use crate::store::{Store, StoreState};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The operator's key of this machine, in the data directory.
pub(super) const LOCAL_KEY_FILE: &str = "operator.key";
/// How often the files of TLS are looked at.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(10);

/// The file of certificates and keys in use, opened.
pub(super) fn open_tls(access: &Access) -> Result<Option<Arc<Tls>>, StartError> {
    let opened = access.tls.clone().map(Tls::open).transpose()?;
    Ok(opened.map(Arc::new))
}

/// Whom the gate believes. Where everybody must show who they are, the operator of this machine finds a key in the data
/// directory, made anew at each start: it is good for making the first others.
pub(super) fn trust(access: &Access, data_dir: &Path) -> Result<Trust, StartError> {
    let file = data_dir.join(LOCAL_KEY_FILE);
    if !access.required {
        return Ok(Trust { word: true, local_key: None });
    }
    let key = format!("tgk_local_{}", random_text::<32>()?);
    write_secret(&file, &key).map_err(|source| StartError::LocalKey { file, source })?;
    Ok(Trust { word: false, local_key: Some(hash_of_secret(&key)) })
}

/// Writes a file that its owner alone can read.
fn write_secret(file: &Path, text: &str) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(opened, "{text}")?;
    std::fs::rename(fresh, file)
}

/// Reads the files of TLS again once one of them was written.
pub(super) async fn follow_files(tls: Arc<Tls>, stop: CancellationToken) {
    let mut known = written_at(&tls);
    let mut looks = tokio::time::interval(LOOK_AT_FILES_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = written_at(&tls);
        if now != known {
            known = now;
            reload(&tls);
        }
    }
}

/// Reads the files of TLS again; the log tells what came of it.
pub(super) fn reload(tls: &Tls) {
    if let Err(error) = tls.reload() {
        tracing::error!(%error, "the certificates were not read again; the old ones stay in force");
    }
}

fn written_at(tls: &Tls) -> Vec<Option<SystemTime>> {
    let files = tls.files();
    let all =
        [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref(), files.client_crl.as_ref()];
    let of = |file: &std::path::PathBuf| std::fs::metadata(file).and_then(|m| m.modified()).ok();
    all.into_iter().flatten().map(of).collect()
}

/// What the door is made of.
pub(super) struct Parts<'a> {
    pub grpc: &'a Grpc,
    pub tls: Option<Arc<Tls>>,
    pub trust: Trust,
    pub door: Door,
    pub store: Arc<dyn Store>,
}

/// Serves gRPC until the gateway stops; `ended` is cancelled then, also where that was a panic.
pub(super) async fn serve(
    parts: Parts<'_>,
    listener: TcpListener,
    ended: CancellationToken,
) -> Result<JoinHandle<Result<(), tonic::transport::Error>>, StartError> {
    let Parts { grpc, tls, trust, door, store } = parts;
    let stop = door.stop.clone();
    let (reporter, health) = tonic_health::server::health_reporter();
    say_serving(&reporter, true).await;
    tokio::spawn(report_health(reporter, store, stop.clone()));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let bytes = grpc.message_bytes_max;
    let gate = Gate::new(Arc::<Engine>::clone(&door.engine), trust, grpc.admission);
    let load = gate.load();
    let dispensing = DispensingServiceServer::new(Dispensing(door.clone(), scan_limits(grpc)));
    let histories = HistoryServiceServer::new(Histories(door.clone()));
    let bureaus = BureauServiceServer::new(Bureaus(door.clone(), grpc.connection_age_max));
    let purchases = PurchaseServiceServer::new(Purchases(door.clone()));
    let policies = PolicyServiceServer::new(PolicyDoor(door.clone()));
    let admin = AdminServiceServer::new(Admin(door.clone()));
    let registries = RegistryServiceServer::new(Registries(door));
    let router = Server::builder()
        .initial_stream_window_size(grpc.stream_window_bytes)
        .initial_connection_window_size(grpc.connection_window_bytes)
        .concurrency_limit_per_connection(grpc.requests_per_connection_max)
        .max_concurrent_streams(u32::try_from(grpc.requests_per_connection_max).unwrap_or(u32::MAX))
        .max_connection_age(grpc.connection_age_max)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .timeout(grpc.request_max)
        // Outermost first: what the gate refuses is counted too.
        .layer(Watch::new())
        .layer(gate)
        .add_service(health)
        .add_optional_service(grpc.reflection.then_some(reflection))
        .add_service(dispensing.max_decoding_message_size(bytes))
        .add_service(policies.max_decoding_message_size(bytes))
        .add_service(histories.max_decoding_message_size(bytes))
        .add_service(bureaus.max_decoding_message_size(bytes))
        .add_service(purchases.max_decoding_message_size(bytes))
        .add_service(admin.max_decoding_message_size(bytes))
        .add_service(registries.max_decoding_message_size(bytes));
    let incoming = connections(listener, tls, grpc.connections, load, stop.clone());
    Ok(tokio::spawn(async move {
        // Also where it ends in a panic.
        let _ended = ended.drop_guard();
        router.serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await }).await
    }))
}

fn scan_limits(grpc: &Grpc) -> ScanLimits {
    ScanLimits {
        in_flight_max: grpc.scans_in_flight_max,
        in_flight_bytes_max: grpc.message_bytes_max,
        age_max: grpc.connection_age_max,
    }
}

/// Says "not serving" for the gateway and each of its services while the store takes no changes, and at shutdown.
async fn report_health(reporter: HealthReporter, store: Arc<dyn Store>, stop: CancellationToken) {
    let mut state = store.state();
    loop {
        let ready = matches!(&*state.borrow_and_update(), StoreState::Ready);
        say_serving(&reporter, ready).await;
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return say_serving(&reporter, false).await,
        }
    }
}

async fn say_serving(reporter: &HealthReporter, serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    let services = [
        "",
        DispensingServiceServer::<Dispensing>::NAME,
        PolicyServiceServer::<PolicyDoor>::NAME,
        HistoryServiceServer::<Histories>::NAME,
        BureauServiceServer::<Bureaus>::NAME,
        PurchaseServiceServer::<Purchases>::NAME,
        AdminServiceServer::<Admin>::NAME,
        RegistryServiceServer::<Registries>::NAME,
    ];
    for service in services {
        reporter.set_service_status(service, status).await;
    }
}
