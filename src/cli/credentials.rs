//! By what a command is known to a gateway, and how it knows the gateway: keys, certificates, roots.

use anyhow::{Context, Result, bail};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// The key itself; never an argument, which everybody on the machine can read.
const KEY_VARIABLE: &str = "TRACEGATE_KEY";
/// A key is shorter.
const KEY_BYTES_MAX: u64 = 1024;

/// What a guarded gateway is shown.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "To reach a guarded gateway (docs/access.md)")]
pub struct Credentials {
    /// A file with the key to show; TRACEGATE_KEY may hold the key itself.
    #[arg(long, value_name = "FILE", env = "TRACEGATE_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// The roots of the gateway's certificate (PEM): speak TLS.
    #[arg(long, value_name = "FILE", env = "TRACEGATE_CA")]
    ca: Option<PathBuf>,
    /// A certificate to show (PEM).
    #[arg(long, value_name = "FILE", env = "TRACEGATE_CERTIFICATE", requires_all = ["ca", "certificate_key"])]
    certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", env = "TRACEGATE_CERTIFICATE_KEY", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// The name in the gateway's certificate, where it is reached under another one.
    #[arg(long, value_name = "NAME", env = "TRACEGATE_SERVER_NAME", requires = "ca")]
    server_name: Option<String>,
}

/// Puts the key into every request.
#[derive(Debug, Clone, Default)]
pub struct Shown(Option<MetadataValue<Ascii>>);

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Credentials {
    /// An endpoint for `HOST:PORT`, with TLS where roots are named.
    pub(super) fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
        let Some(ca) = &self.ca else {
            if address.starts_with("https://") {
                bail!("{address} speaks TLS: name the roots of its certificate with --ca");
            }
            return Endpoint::from_shared(format!("http://{bare}")).with_context(|| not_an_address(address));
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.certificate_key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        let endpoint =
            Endpoint::from_shared(format!("https://{bare}")).with_context(|| not_an_address(address))?;
        endpoint.tls_config(tls).context("--ca, --certificate and --certificate-key cannot be used")
    }

    /// What every request shows.
    pub(super) fn shown(&self, endpoint: &Endpoint) -> Result<Shown> {
        let key = match &self.key_file {
            Some(file) => Some(read_key(file)?),
            None => std::env::var(KEY_VARIABLE).ok(),
        };
        let Some(key) = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()) else {
            return Ok(Shown(None));
        };
        if self.ca.is_none() && !is_here(endpoint) {
            bail!("a key is shown over TLS only, but on this machine: name the gateway's roots with --ca");
        }
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {key}").parse().ok().context("the key is no key: it begins with tgk_")?;
        // So that no log shows it.
        value.set_sensitive(true);
        Ok(Shown(Some(value)))
    }
}

fn not_an_address(address: &str) -> String {
    format!("{address:?} is no address")
}

fn is_here(endpoint: &Endpoint) -> bool {
    let host = endpoint.uri().host().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn read_key(file: &Path) -> Result<String> {
    let place = || format!("{} cannot be read", file.display());
    if std::fs::metadata(file).with_context(place)?.len() > KEY_BYTES_MAX {
        bail!("{} holds more than a key", file.display());
    }
    std::fs::read_to_string(file).with_context(place)
}
