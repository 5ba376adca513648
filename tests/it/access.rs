//! Who may come in: keys, certificates, and what those without one may take.

mod commands;
mod connections;
mod hostile;
mod keys;
mod limits;
mod tls;

use crate::support::certificates::{Authority, Certified};
use crate::support::world::at;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tracegate::app::Gateway;
use tracegate::clock::ManualClock;
use tracegate::config::Config;
use tracegate::grpc::TlsFiles;
use tracegate::grpc::pb;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;

/// A message with a key.
pub fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).expect("ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}

/// A gateway that wants to know who calls.
pub struct Guarded {
    pub gateway: Gateway,
    pub clock: Arc<ManualClock>,
    pub authority: Authority,
    pub dir: TempDir,
}

impl Guarded {
    /// One without TLS.
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// One with TLS, for callers with certificates of the same authority too.
    pub async fn start_with_tls() -> Self {
        Self::start_with(|config, files| config.access.tls = Some(files)).await
    }

    /// One with other settings; the files of TLS are there.
    pub async fn start_with(change: impl FnOnce(&mut Config, TlsFiles)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new();
        let (certificate, key) = authority.server().write(dir.path(), "server");
        let (ca, crl) = (dir.path().join("ca.pem"), dir.path().join("crl.pem"));
        std::fs::write(&ca, &authority.root).expect("written");
        std::fs::write(&crl, authority.revokes(&[])).expect("written");
        let mut config = Config::built_in().expect("the defaults are valid");
        config.data_dir = dir.path().join("data");
        config.store.disk_free_bytes_min = 1;
        config.grpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http_listen = None;
        config.access.required = true;
        change(&mut config, TlsFiles { certificate, key, client_ca: Some(ca), client_crl: Some(crl) });
        let clock = Arc::new(ManualClock::at(at(9, 0)));
        let gateway =
            Gateway::start(&config, Arc::<ManualClock>::clone(&clock)).await.expect("the gateway starts");
        Self { gateway, clock, authority, dir }
    }

    /// The operator's key of this machine.
    pub fn local_key(&self) -> String {
        let file = self.dir.path().join("data").join("operator.key");
        std::fs::read_to_string(file).expect("the gateway wrote it").trim().to_owned()
    }

    /// A plain connection.
    pub async fn connect(&self) -> Channel {
        crate::support::world::connect(&self.gateway.address().to_string()).await
    }

    /// A connection with TLS, as far as it comes about.
    pub async fn secured(&self, root: &str, shows: Option<&Certified>) -> Result<Channel, String> {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(root)).domain_name("localhost");
        if let Some(shown) = shows {
            tls = tls.identity(Identity::from_pem(&shown.certificate, &shown.key));
        }
        let endpoint =
            Endpoint::from_shared(format!("https://{}", self.gateway.address())).expect("an address");
        let endpoint = endpoint.tls_config(tls).map_err(|error| format!("{error:?}"))?;
        endpoint.connect().await.map_err(|error| format!("{error:?}"))
    }

    /// Makes a key as the operator.
    pub async fn key(&self, channel: &Channel, identity: &str) -> (String, String) {
        make(channel, &self.local_key(), new(identity)).await.expect("the operator may")
    }

    pub async fn stop(self) {
        self.gateway.stop(std::future::pending()).await;
    }
}

/// A key that shall be made.
pub fn new(identity: &str) -> pb::CreateKeyRequest {
    pb::CreateKeyRequest {
        identity: identity.into(),
        label: "test".into(),
        ..pb::CreateKeyRequest::default()
    }
}

/// Makes a key; gives its id and the key.
pub async fn make(
    channel: &Channel,
    by: &str,
    asked: pb::CreateKeyRequest,
) -> Result<(String, String), Status> {
    let mut admin = AdminServiceClient::new(channel.clone());
    let made = admin.create_key(with_key(asked, by)).await?.into_inner();
    Ok((made.key.expect("a key").id, made.secret))
}

/// Ends a key.
pub async fn revoke(channel: &Channel, by: &str, id: &str) -> Result<pb::AccessKey, Status> {
    let mut admin = AdminServiceClient::new(channel.clone());
    let ended = admin.revoke_key(with_key(pb::RevokeKeyRequest { id: id.into() }, by)).await?;
    Ok(ended.into_inner().key.expect("a key"))
}

/// How a question that everybody known may ask is answered.
pub async fn asks(channel: &Channel, key: Option<&str>) -> Result<(), Status> {
    let mut registry = RegistryServiceClient::new(channel.clone());
    let asked = pb::GetRegistryStatusRequest {};
    let request = match key {
        Some(key) => with_key(asked, key),
        None => Request::new(asked),
    };
    registry.get_registry_status(request).await.map(drop)
}

/// Refused, and why.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, why: &str) {
    let status = answer.expect_err(why);
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(why), "{why:?} in {status:?}");
}
