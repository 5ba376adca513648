//! Whom a certificate names. That it is genuine was looked at in the handshake.
//!
//! The name stands in the subject's alternative names as a URI: `tracegate:institution:P13010200101`,
//! `tracegate:bureau:1301`, `tracegate:operator`. Parts are percent-encoded where they are not ASCII.

use crate::domain::access::{Credential, Identity, Principal};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

const SCHEME: &str = "tracegate:";
/// Bytes of a fingerprint that are shown.
const SHOWN_BYTES: usize = 8;

/// The caller that a certificate names; `None` = none, or more than one.
pub(super) fn principal(certificate: &CertificateDer<'_>) -> Option<Principal> {
    let read = EndEntityCert::try_from(certificate).ok()?;
    let mut names = read.valid_uri_names().filter_map(|uri| uri.strip_prefix(SCHEME));
    let name = names.next()?;
    if names.next().is_some() {
        tracing::warn!(
            certificate = fingerprint(certificate),
            "a certificate names several callers; it counts for none"
        );
        return None;
    }
    let (role, of) = name.split_once(':').unwrap_or((name, ""));
    let identity = Identity::of(role, of);
    if identity.is_none() {
        tracing::warn!(certificate = fingerprint(certificate), name, "a certificate names nobody");
    }
    Some(Principal { identity: identity?, credential: Credential::Certificate(fingerprint(certificate)) })
}

/// The beginning of a certificate's SHA-256, as `openssl x509 -fingerprint -sha256` says it, without colons.
pub fn fingerprint(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
