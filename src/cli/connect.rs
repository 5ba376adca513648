//! Connections to a gateway: a running one, or an embedded one that ends with the command.

use super::credentials::{Credentials, Shown};
use crate::app::Gateway;
use crate::clock::ManualClock;
use crate::config::Config;
use crate::grpc::pb::admin_service_client::AdminServiceClient;
use crate::grpc::pb::bureau_service_client::BureauServiceClient;
use crate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use crate::grpc::pb::history_service_client::HistoryServiceClient;
use crate::grpc::pb::policy_service_client::PolicyServiceClient;
use crate::grpc::pb::purchase_service_client::PurchaseServiceClient;
use crate::grpc::pb::registry_service_client::RegistryServiceClient;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// Where `serve` listens if nobody says otherwise.
pub(super) const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A connection that shows what the command has to show.
pub type Wire = InterceptedService<Channel, Shown>;

/// Clients of all services over one connection.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Keys.
    pub admin: AdminServiceClient<Wire>,
    /// Cases.
    pub bureau: BureauServiceClient<Wire>,
    /// The gate.
    pub dispensing: DispensingServiceClient<Wire>,
    /// Rules.
    pub policy: PolicyServiceClient<Wire>,
    /// Past sales.
    pub history: HistoryServiceClient<Wire>,
    /// Purchases.
    pub purchases: PurchaseServiceClient<Wire>,
    /// Registry.
    pub registry: RegistryServiceClient<Wire>,
}

impl Clients {
    /// Connects to `HOST:PORT` or `http://HOST:PORT`.
    pub async fn connect(address: &str, credentials: &Credentials) -> Result<Self> {
        let endpoint = credentials.endpoint(address)?;
        let shown = credentials.shown(&endpoint)?;
        let endpoint = endpoint.connect_timeout(CONNECT_MAX).tcp_nodelay(true);
        let channel = endpoint.connect().await.with_context(|| {
            format!(
                "no gateway answers at {address}; start one with `tracegate serve`, say where with --gateway, and where it \
                 is guarded, how with --ca"
            )
        })?;
        let wire = InterceptedService::new(channel, shown);
        Ok(Self {
            admin: AdminServiceClient::new(wire.clone()),
            bureau: BureauServiceClient::new(wire.clone()),
            dispensing: DispensingServiceClient::new(wire.clone()),
            policy: PolicyServiceClient::new(wire.clone()),
            history: HistoryServiceClient::new(wire.clone()),
            purchases: PurchaseServiceClient::new(wire.clone()),
            registry: RegistryServiceClient::new(wire),
        })
    }
}

/// Codes that a ledger made for a trial has room for.
const TRIAL_CODES: u64 = 1_000_000;

/// An embedded gateway whose clock is set by hand.
#[derive(Debug)]
pub(super) struct Embedded {
    gateway: Gateway,
    clock: Arc<ManualClock>,
    /// Removed when the command ends; `None` where the caller named a directory.
    _temporary: Option<TempDir>,
}

impl Embedded {
    /// Starts a gateway on a free port, in `data_dir` or in a temporary directory; its ledger there, or in a Redis.
    pub async fn start(
        data_dir: Option<&Path>,
        store: Option<&str>,
        policy_files: &[PathBuf],
    ) -> Result<Self> {
        let mut config = Config::load_with(None, |name| match name {
            "TRACEGATE_STORE_URL" => store.map(str::to_owned),
            _ => None,
        })?;
        if let Some(redis) = &mut config.redis {
            redis.init_codes = Some(TRIAL_CODES);
        }
        let temporary = match data_dir {
            Some(_) => None,
            None => Some(
                tempfile::tempdir()
                    .context("no temporary directory can be made; name one with --data-dir")?,
            ),
        };
        if let Some(dir) = data_dir.or(temporary.as_ref().map(TempDir::path)) {
            config.data_dir = dir.to_owned();
        }
        config.grpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http_listen = None;
        // The clock is set by hand: nights pass when a message says so, and nobody waits for them.
        config.audit_nightly = false;
        config.policy_files = policy_files.to_vec();
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let gateway = Gateway::start(&config, Arc::<ManualClock>::clone(&clock)).await?;
        Ok(Self { gateway, clock, _temporary: temporary })
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.gateway.address().to_string()
    }

    /// Its clock.
    pub fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Stops it and removes what was temporary.
    pub async fn stop(self) {
        self.gateway.stop(std::future::pending()).await;
    }
}
