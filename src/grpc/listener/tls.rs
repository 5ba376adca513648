//! TLS of the gRPC door: certificates from files, read again without a stop. A file that cannot be used leaves what was
//! in force in force.

use crate::clock::Stopwatch;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What HTTP/2 is called in a handshake.
const HTTP2: &[u8] = b"h2";

/// Where keys and certificates lie, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The gateway's certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Roots of callers' certificates; `None` = callers show none.
    pub client_ca: Option<PathBuf>,
    /// Lists of revoked ones.
    pub client_crl: Option<PathBuf>,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is not there, or is not what it should be.
    #[error("{file}: {what}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// They do not fit together.
    #[error("the files of [tls] do not fit together: {0}")]
    Unfit(String),
}

/// What was read from the files.
struct Read {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// What is in force.
struct InForce {
    server: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    trust: (Vec<CertificateDer<'static>>, Vec<CertificateRevocationListDer<'static>>),
    /// Cancelled once others vouch for callers' certificates.
    over: CancellationToken,
}

/// The certificates in force.
pub struct Tls {
    files: TlsFiles,
    in_force: RwLock<InForce>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files for the first time.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let in_force = RwLock::new(in_force(read(&files)?)?);
        Ok(Self { files, in_force })
    }

    /// Reads the files again. `Ok(true)` = something is new. Connections whose callers showed a certificate are ended
    /// where roots or lists have changed: their certificates may be revoked.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let watch = Stopwatch::start();
        let next = in_force(read(&self.files)?)?;
        let mut current = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        if current.chain == next.chain && current.trust == next.trust {
            return Ok(false);
        }
        let mut old = std::mem::replace(&mut *current, next);
        if old.trust == current.trust {
            // The same roots: whoever is connected stays so.
            std::mem::swap(&mut old.over, &mut current.over);
        } else {
            old.over.cancel();
        }
        drop(current);
        tracing::info!(milliseconds = watch.elapsed().as_millis(), "certificates were read again");
        Ok(true)
    }

    /// The files.
    pub const fn files(&self) -> &TlsFiles {
        &self.files
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let server = Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner).server);
        TlsAcceptor::from(server).accept(stream).await
    }

    /// Ends once others vouch for callers' certificates than now.
    pub(super) fn trust_changes(&self) -> WaitForCancellationFutureOwned {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).over.clone().cancelled_owned()
    }
}

fn read(files: &TlsFiles) -> Result<Read, TlsError> {
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, &error.to_string()))?;
    let all = |file: &Option<PathBuf>| file.as_deref().map(certificates).transpose();
    Ok(Read {
        chain: certificates(&files.certificate)?,
        key,
        roots: all(&files.client_ca)?.unwrap_or_default(),
        revoked: files.client_crl.as_deref().map(lists).transpose()?.unwrap_or_default(),
    })
}

fn wrong(file: &Path, what: &str) -> TlsError {
    TlsError::File { file: file.to_owned(), what: what.to_owned() }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(wrong(file, "it holds no certificate (BEGIN CERTIFICATE)")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(file, &error.to_string())),
    }
}

fn lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let found = CertificateRevocationListDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|error| wrong(file, &error.to_string()))
}

fn in_force(read: Read) -> Result<InForce, TlsError> {
    let unfit = |error: &dyn std::fmt::Display| TlsError::Unfit(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?;
    let builder = if read.roots.is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_verifier(verifier(&provider, &read)?)
    };
    let mut server = builder.with_single_cert(read.chain.clone(), read.key).map_err(|error| unfit(&error))?;
    server.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(InForce {
        server: Arc::new(server),
        chain: read.chain,
        trust: (read.roots, read.revoked),
        over: CancellationToken::new(),
    })
}

/// Lets callers in without a certificate, because a key does as well; one that is shown must be good.
fn verifier(
    provider: &Arc<CryptoProvider>,
    read: &Read,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in &read.roots {
        roots.add(root.clone()).map_err(|error| TlsError::Unfit(format!("tls.client_ca: {error}")))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(read.revoked.iter().cloned())
        .allow_unknown_revocation_status()
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Unfit(format!("tls.client_ca, tls.client_crl: {error}")))
}
