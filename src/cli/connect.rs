//! Connections to a gateway: a running one, or an embedded one that ends with the command.

use crate::app::Gateway;
use crate::clock::ManualClock;
use crate::config::Config;
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
use tonic::transport::{Channel, Endpoint};

/// Where `serve` listens if nobody says otherwise.
pub(super) const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Clients of all services over one connection.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Cases.
    pub bureau: BureauServiceClient<Channel>,
    /// The gate.
    pub dispensing: DispensingServiceClient<Channel>,
    /// Rules.
    pub policy: PolicyServiceClient<Channel>,
    /// Past sales.
    pub history: HistoryServiceClient<Channel>,
    /// Purchases.
    pub purchases: PurchaseServiceClient<Channel>,
    /// Registry.
    pub registry: RegistryServiceClient<Channel>,
}

impl Clients {
    /// Connects to `HOST:PORT` or `http://HOST:PORT`.
    pub async fn connect(address: &str) -> Result<Self> {
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri).with_context(|| format!("{address:?} is no address"))?;
        let channel = endpoint.connect_timeout(CONNECT_MAX).tcp_nodelay(true).connect().await.with_context(|| {
            format!("no gateway answers at {address}; start one with `tracegate serve`, or say where with --gateway")
        })?;
        Ok(Self {
            bureau: BureauServiceClient::new(channel.clone()),
            dispensing: DispensingServiceClient::new(channel.clone()),
            policy: PolicyServiceClient::new(channel.clone()),
            history: HistoryServiceClient::new(channel.clone()),
            purchases: PurchaseServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel),
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
