//! The composition root: the only file that names a concrete store and the listeners.

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::access::Principal;
use crate::engine::{
    Engine, EngineError, Gauges, IndexKeeper, IndexState, Keeping, Policies, PolicyMistake, PolicySource,
    Retention,
};
use crate::grpc::{Door, Tls, TlsError};
use crate::http::Watched;
use crate::policy_files;
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::redis::{self, RedisStore};
use crate::telemetry;
use crate::trail::{TRAIL_DIR, Trail};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod door;
pub mod migrate;
mod policy_source;
mod wrapping;

use policy_source::PolicyFiles;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Is another tracegate running? Choose another with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store in Redis cannot be opened.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// The policy is not valid.
    #[error("the policy has {} mistake(s):\n  {}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Policy(Vec<PolicyMistake>),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The files of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operator's key of this machine cannot be written.
    #[error("cannot write {file}: {source}")]
    LocalKey {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A wrapping key cannot be read.
    #[error(
        "privacy.wrapping_key_files: {file}: {what}. Make one with `tracegate join-keys new-wrapping-key {file}`"
    )]
    WrappingKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Metrics cannot be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// Reflection cannot be built.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A task ended in a panic.
    #[error("a start-up task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    http_address: Option<SocketAddr>,
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    keeper: Arc<IndexKeeper>,
    keeping: JoinHandle<()>,
    tls: Option<Arc<Tls>>,
    work: TaskTracker,
    stop: CancellationToken,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    /// Told last of all, so that whoever watches sees how it ends.
    watchers: Vec<JoinHandle<()>>,
    drain_max: Duration,
}

impl std::fmt::Debug for dyn Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Gateway {
    /// Binds, opens the store, and serves.
    pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        // Before the store: what is counted before the recorder stands is lost.
        let metrics = telemetry::start_metrics()?;
        let listener = bind(config.grpc.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: config.grpc.listen, source })?;
        let http = match config.http_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let tls = door::open_tls(&config.access)?;
        let policies = open_policies(config).await?;
        let store = open_store(config, clock.now()).await?;
        let engine = start_engine(config, Arc::clone(&store), clock, policies).await?;
        let version = engine.knowledge().policy.version();
        let work = TaskTracker::new();
        let stop = CancellationToken::new();
        let (keeper, keeping) = keep_index(config, &engine, &stop);
        let ended = CancellationToken::new();
        let parts = door::Parts {
            grpc: &config.grpc,
            tls: tls.clone(),
            trust: door::trust(&config.access, &config.data_dir)?,
            door: Door { engine: Arc::clone(&engine), work: work.clone(), stop: stop.clone() },
            store: Arc::clone(&store),
        };
        let server = door::serve(parts, listener, ended.clone()).await?;
        let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut gauges = Gauges::of(Arc::clone(&engine));
        gauges.look().await;
        let mut watchers = follow_fleet(&engine, &stop);
        watchers.extend(audit_nightly(config, &engine, &stop));
        watchers.extend(purge_daily(&engine, &stop));
        watchers.push(tokio::spawn(measure(gauges, Arc::clone(&engine), metrics.clone())));
        watchers.extend(tls.clone().map(|tls| tokio::spawn(door::follow_files(tls, stop.clone()))));
        if let Some(listener) = http {
            let (store, index) = (store.state(), keeper.state());
            let answers = Arc::clone(&engine);
            let provisional: Arc<dyn Fn() -> bool + Send + Sync> =
                Arc::new(move || answers.may_answer_provisionally());
            let watched = Watched { metrics, store, index, provisional, stop: stop.clone(), ended };
            watchers.push(tokio::spawn(crate::http::serve(listener, watched)));
        }
        tracing::info!(%address, data_dir = %config.data_dir.display(), policy = %version, "listening");
        Ok(Self {
            address,
            http_address,
            engine,
            store,
            keeper,
            keeping,
            tls,
            work,
            stop,
            server,
            watchers,
            drain_max: config.drain_max,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/live`, `/ready` and `/metrics` are served.
    pub const fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// How far the index is.
    pub fn index_state(&self) -> tokio::sync::watch::Receiver<IndexState> {
        self.keeper.state()
    }

    /// Reads the policy files again, as `ReloadPolicy` does. A bad file leaves the old policy in force; the log
    /// tells what came of it.
    pub async fn reload_policy(&self) {
        drop(self.engine.reload_policy(&Principal::OPERATOR).await);
    }

    /// Reads the files of TLS again; what cannot be used leaves the old in force.
    pub fn reload_certificates(&self) {
        if let Some(tls) = &self.tls {
            door::reload(tls);
        }
    }

    /// Stops listening, finishes what is in flight within the deadline, closes the store.
    /// `at_once` ends the wait early.
    pub async fn stop(self, at_once: impl Future<Output = ()>) {
        self.stop.cancel();
        self.work.close();
        // signal: this is the deadline for those that never come.
        let deadline = tokio::time::sleep(self.drain_max);
        let mut server = self.server;
        let drained = async {
            match (&mut server).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the listener ended with an error"),
                Err(error) => tracing::error!(%error, "the listener ended in a panic"),
            }
            self.work.wait().await;
        };
        tokio::select! {
            () = drained => {}
            () = deadline => tracing::warn!(seconds = self.drain_max.as_secs(), "connections were still open at the deadline; closing them"),
            () = at_once => tracing::warn!("second signal: ending at once"),
        }
        server.abort();
        self.store.close().await;
        if let Err(error) = self.keeping.await {
            tracing::error!(%error, "whoever keeps the index ended in a panic");
        }
        self.keeper.save().await;
        self.engine.trail().close().await;
        self.watchers.iter().for_each(JoinHandle::abort);
        tracing::info!("stopped");
    }
}

/// Begins to fill and to keep the index.
fn keep_index(
    config: &Config,
    engine: &Arc<Engine>,
    stop: &CancellationToken,
) -> (Arc<IndexKeeper>, JoinHandle<()>) {
    let keeper = Arc::new(engine.index_keeper(Keeping {
        file: Some(config.data_dir.join("index").join("filters")),
        save_every: config.index_save_every,
    }));
    let (kept, stop) = (Arc::clone(&keeper), stop.clone());
    let keeping = tokio::spawn(async move { kept.run(stop).await });
    (keeper, keeping)
}

/// Takes over what other gateways of a fleet load, judges what they sold twice, and takes to the ledger what was
/// answered without it.
fn follow_fleet(engine: &Arc<Engine>, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    let (registry, doubles, provisional) = (Arc::clone(engine), Arc::clone(engine), Arc::clone(engine));
    let (one, other, third) = (stop.clone(), stop.clone(), stop.clone());
    vec![
        tokio::spawn(async move { registry.follow_registry(one).await }),
        tokio::spawn(async move { doubles.judge_double_sales(other).await }),
        tokio::spawn(async move { provisional.claim_provisional(third).await }),
    ]
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// The built-in rules with files over them.
pub fn load_policy(files: &[PathBuf]) -> Result<crate::domain::policy::Policy, StartError> {
    let told = |errors: Vec<_>| StartError::Policy(errors.into_iter().map(PolicyMistake::from).collect());
    policy_files::load_with_built_in(files).map_err(told)
}

/// The policies that a configuration names, each over the built-in rules.
pub async fn open_policies(config: &Config) -> Result<Policies, StartError> {
    let (in_force, shadow) = (config.policy_files.clone(), config.shadow_files.clone());
    let source: Arc<dyn PolicySource> = Arc::new(PolicyFiles { in_force, shadow });
    tokio::task::spawn_blocking(move || Policies::load(source)).await?.map_err(StartError::Policy)
}

/// Audits each day once it is over, where the settings say so.
fn audit_nightly(config: &Config, engine: &Arc<Engine>, stop: &CancellationToken) -> Option<JoinHandle<()>> {
    let (engine, file, stop) = (Arc::clone(engine), config.data_dir.join("audited"), stop.clone());
    config.audit_nightly.then(|| tokio::spawn(async move { engine.audit_nightly(file, stop).await }))
}

/// Removes each day what was kept long enough, where the settings say how long that is.
fn purge_daily(engine: &Arc<Engine>, stop: &CancellationToken) -> Option<JoinHandle<()>> {
    let (engine, stop) = (Arc::clone(engine), stop.clone());
    let wanted = engine.retention() != Retention::default();
    wanted.then(|| tokio::spawn(async move { engine.purge_daily(stop).await }))
}

async fn open_store(config: &Config, now: Timestamp) -> Result<Arc<dyn Store>, StartError> {
    if let Some(redis) = &config.redis {
        return Ok(Arc::new(RedisStore::open(&config.data_dir, redis, now).await?));
    }
    let (dir, options) = (config.data_dir.clone(), config.store.clone());
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(Path::new(&dir), &options)).await?;
    Ok(Arc::new(opened?))
}

/// The engine, with its audit trail. Counters need none: where it cannot be opened, the gateway starts all the same, and
/// refuses whatever needs an entry.
async fn start_engine(
    config: &Config,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    policies: Policies,
) -> Result<Arc<Engine>, StartError> {
    let opened = Trail::open(&config.data_dir.join(TRAIL_DIR), clock.now()).await;
    let trail = opened.unwrap_or_else(|error| {
        tracing::error!(%error, "nothing that needs an entry in the audit trail is done until a restart");
        Trail::refusing(&error)
    });
    let engine = Engine::start(store, clock, policies, config.limits, config.index).await?;
    let wrapping = wrapping::read(&config.wrapping_key_files)?;
    let engine = engine.with_trail(trail).with_wrapping_keys(wrapping).with_retention(config.retention);
    let engine = Arc::new(engine);
    engine.record_start().await;
    engine.open_join_keys().await?;
    Ok(engine)
}

/// How often what is not counted as it happens is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Looks at what is not counted as it happens. Also empties what waits to be added up: without it, a gateway that
/// nobody scrapes would keep every duration it ever measured.
async fn measure(mut gauges: Gauges, engine: Arc<Engine>, metrics: PrometheusHandle) {
    let started_at = SystemClock.now().as_millisecond() as f64 / 1000.0;
    let mut looks = tokio::time::interval(MEASURE_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        gauges.look().await;
        engine.forget_idle_callers();
        telemetry::process_measured(started_at);
        metrics.run_upkeep();
    }
}
