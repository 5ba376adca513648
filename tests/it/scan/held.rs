//! A gateway over a store that holds back some changes until it is told, and panics on others.

use crate::support::world::{at, connect, load_province};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::{Channel, Server};
use tracegate::clock::ManualClock;
use tracegate::config::Config;
use tracegate::domain::case::Dossier;
use tracegate::domain::claim::{History, PaperKey};
use tracegate::domain::code::CodeKey;
use tracegate::domain::outcome::{Outcome, RequestKey};
use tracegate::domain::party::{InstitutionCode, Pool};
use tracegate::domain::purchase::{Position, PurchaseRecord};
use tracegate::domain::registry::{Registry, RegistryRow};
use tracegate::domain::tally::Month;
use tracegate::engine::{Engine, Limits};
use tracegate::grpc::pb::dispensing_service_server::DispensingServiceServer;
use tracegate::grpc::pb::registry_service_server::RegistryServiceServer;
use tracegate::grpc::{Dispensing, Door, Gate, Registries, ScanLimits, Trust, connections};
use tracegate::index::IndexOptions;
use tracegate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use tracegate::store::{
    Answering, AwaitedKey, CaseBook, Change, ClaimFeed, ClaimFollower, ClaimLedger, Codes, CommitError,
    Dossiers, Forgetting, Forgotten, LoadStatus, Logged, PurchaseBook, RegistryStore, Store, StoreError,
    StoreState, Tallies, TallyBook,
};
use tracegate::telemetry::StoreGauges;

/// Request ids that begin so are held back at their commit.
pub const HELD: &str = "held";
/// Request ids that begin so end in a panic at their commit.
pub const PANICS: &str = "panics";

/// A store that lets a change through once it has a permit for it.
struct HeldStore {
    inner: EmbeddedStore,
    permits: Arc<Semaphore>,
    waiting: watch::Sender<usize>,
}

impl ClaimLedger for HeldStore {
    fn histories<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<History>>, StoreError>> {
        self.inner.histories(keys)
    }

    fn outcome<'a>(&'a self, key: &'a RequestKey) -> Answering<'a, Result<Option<Outcome>, StoreError>> {
        self.inner.outcome(key)
    }

    fn requests_of<'a>(
        &'a self,
        institution: InstitutionCode,
        document: PaperKey,
        limit: usize,
    ) -> Answering<'a, Result<Vec<String>, StoreError>> {
        self.inner.requests_of(institution, document, limit)
    }

    fn commit<'a>(&'a self, change: &'a Change) -> Answering<'a, Result<(), CommitError>> {
        let begins = |with: &str| change.outcomes.iter().any(|o| o.key.request_id.starts_with(with));
        assert!(!begins(PANICS), "told to");
        let is_held = begins(HELD);
        Box::pin(async move {
            if is_held {
                self.waiting.send_modify(|waiting| *waiting += 1);
                self.permits.acquire().await.expect("never closed").forget();
            }
            self.inner.commit(change).await
        })
    }

    fn scan<'a>(
        &'a self,
        after: Option<&'a CodeKey>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<(CodeKey, History)>, StoreError>> {
        self.inner.scan(after, limit)
    }

    fn paper_key(&self, number: &str) -> PaperKey {
        self.inner.paper_key(number)
    }
}

impl ClaimFeed for HeldStore {
    fn is_far(&self) -> bool {
        self.inner.is_far()
    }

    fn identity(&self) -> &str {
        self.inner.identity()
    }

    fn follow(&self, follower: Arc<dyn ClaimFollower>) -> Answering<'_, Result<u64, StoreError>> {
        self.inner.follow(follower)
    }

    fn codes_between(&self, from: u64, to: u64) -> Codes {
        self.inner.codes_between(from, to)
    }

    fn all_codes(&self) -> Codes {
        self.inner.all_codes()
    }

    fn has_others(&self) -> bool {
        self.inner.has_others()
    }

    fn codes_about(&self) -> u64 {
        self.inner.codes_about()
    }
}

impl CaseBook for HeldStore {
    fn dossiers<'a>(
        &'a self,
        keys: &'a [CodeKey],
    ) -> Answering<'a, Result<Vec<Option<Dossier>>, StoreError>> {
        self.inner.dossiers(keys)
    }

    fn logged_between(&self, from: jiff::Timestamp, to: jiff::Timestamp) -> Logged {
        self.inner.logged_between(from, to)
    }

    fn all_dossiers(&self) -> Dossiers {
        self.inner.all_dossiers()
    }
}

impl PurchaseBook for HeldStore {
    fn positions<'a>(
        &'a self,
        asked: &'a [(Pool, String)],
    ) -> Answering<'a, Result<Vec<Position>, StoreError>> {
        self.inner.positions(asked)
    }

    fn add_purchases(
        &self,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Answering<'_, Result<Vec<LoadStatus>, CommitError>> {
        self.inner.add_purchases(records)
    }

    fn awaited<'a>(
        &'a self,
        of: Option<(&'a Pool, &'a str)>,
        limit: usize,
    ) -> Answering<'a, Result<Vec<AwaitedKey>, StoreError>> {
        self.inner.awaited(of, limit)
    }
}

impl TallyBook for HeldStore {
    fn tallies(&self, first: Month, last: Month, of: Option<InstitutionCode>) -> Tallies {
        self.inner.tallies(first, last, of)
    }
}

impl RegistryStore for HeldStore {
    fn load_registry(&self) -> Answering<'_, Result<Registry, StoreError>> {
        self.inner.load_registry()
    }

    fn loaded_elsewhere(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.loaded_elsewhere()
    }

    fn put_rows(
        &self,
        rows: Vec<RegistryRow>,
        at: jiff::Timestamp,
    ) -> Answering<'_, Result<(Vec<LoadStatus>, u64), CommitError>> {
        self.inner.put_rows(rows, at)
    }
}

impl Store for HeldStore {
    fn state(&self) -> watch::Receiver<StoreState> {
        self.inner.state()
    }

    fn double_sales(&self) -> Option<tokio::sync::mpsc::Receiver<tracegate::store::DoubleSale>> {
        self.inner.double_sales()
    }

    fn provisional(&self) -> Option<&dyn tracegate::store::ProvisionalBook> {
        None
    }

    fn share_policy(&self, version: String) {
        self.inner.share_policy(version);
    }

    fn gauges(&self) -> StoreGauges {
        self.inner.gauges()
    }

    fn forget<'a>(&'a self, forgetting: &'a Forgetting) -> Answering<'a, Result<Forgotten, StoreError>> {
        self.inner.forget(forgetting)
    }

    fn close(&self) -> Answering<'_, ()> {
        self.inner.close()
    }
}

/// A gateway over such a store, with the province loaded.
pub struct HeldWorld {
    pub channel: Channel,
    /// Ends its streams.
    pub stop: CancellationToken,
    permits: Arc<Semaphore>,
    waiting: watch::Receiver<usize>,
    _dir: TempDir,
}

impl HeldWorld {
    pub async fn start(in_flight_max: usize, in_flight_bytes_max: usize) -> Self {
        let config = Config::built_in().expect("the defaults are valid");
        Self::open(config, in_flight_max, in_flight_bytes_max).await
    }

    /// One that works on so many calls at the same time, in all and of one caller.
    pub async fn start_admitting(all: usize, own: usize) -> Self {
        let mut config = Config::built_in().expect("the defaults are valid");
        config.grpc.admission.requests_in_flight_max = all;
        config.grpc.admission.requests_per_caller_max = own;
        Self::open(config, 1024, 1 << 20).await
    }

    async fn open(config: Config, in_flight_max: usize, in_flight_bytes_max: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = EmbeddedOptions { disk_free_bytes_min: 1, ..EmbeddedOptions::default() };
        let inner = EmbeddedStore::open(dir.path(), &options).expect("the store opens");
        let (sender, waiting) = watch::channel(0);
        let permits = Arc::new(Semaphore::new(0));
        let store = Arc::new(HeldStore { inner, permits: Arc::clone(&permits), waiting: sender });
        let policies = tracegate::app::open_policies(&config).await.expect("the built-in policy");
        let clock = Arc::new(ManualClock::at(at(9, 0)));
        let engine = Engine::start(store, clock, policies, Limits::default(), IndexOptions::default());
        let engine = engine.await.expect("the engine starts");
        let stop = CancellationToken::new();
        let door = Door { engine: Arc::new(engine), work: TaskTracker::new(), stop: stop.clone() };
        let limits = ScanLimits { in_flight_max, in_flight_bytes_max, age_max: Duration::from_secs(3600) };
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let trust = Trust { word: true, local_key: None };
        let gate = Gate::new(Arc::clone(&door.engine), trust, config.grpc.admission);
        let incoming = connections(listener, None, config.grpc.connections, gate.load(), stop.clone());
        let router = Server::builder()
            .layer(gate)
            .add_service(DispensingServiceServer::new(Dispensing(door.clone(), limits)))
            .add_service(RegistryServiceServer::new(Registries(door)));
        tokio::spawn(router.serve_with_incoming(incoming));
        let channel = connect(&address.to_string()).await;
        load_province(&channel).await;
        Self { channel, stop, permits, waiting, _dir: dir }
    }

    /// Waits until so many changes are or were held back.
    pub async fn held(&mut self, count: usize) {
        super::within(self.waiting.wait_for(|waiting| *waiting >= count)).await.expect("the store is there");
    }

    /// How many were held back so far.
    pub fn held_so_far(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Lets so many through.
    pub fn release(&self, count: usize) {
        self.permits.add_permits(count);
    }
}
