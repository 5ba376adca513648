//! Who is calling: by a key, by the certificate of its connection, or, where a gateway believes its callers, by its word.
//! What a caller may do is for the gate ([`roles`](super::roles)) and the use cases.

use super::listener::Refusals;
use crate::domain::access::{Credential, Identity, Principal, Role};
use crate::engine::{Engine, hash_of_secret};
use std::net::SocketAddr;
use std::sync::Arc;
use tonic::codegen::http::HeaderValue;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{self};
use tonic::{Request, Status};

/// The metadata key by which a caller says who it is, where it is believed: `operator`, `bureau 13`,
/// `institution P13010200101`, `chain CHAIN-A` (percent-encoded where a chain's name is not ASCII).
pub const CALLER_KEY: &str = "tracegate-caller";
/// In front of a key in the metadata `authorization`.
const SCHEME: &str = "Bearer ";

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whom its certificate names, where it showed one.
    pub certified: Option<Arc<Principal>>,
    /// Calls of it that were refused because too many are worked on.
    pub(super) refusals: Refusals,
}

/// Whom a gateway takes for whom.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Callers without key and certificate are believed what they say they are.
    pub word: bool,
    /// The hash of a key that makes its owner the operator, on this machine only.
    pub local_key: Option<[u8; 32]>,
}

/// The caller of a request that has passed the gate.
pub(super) fn of<T>(request: &Request<T>) -> Result<Principal, Status> {
    let passed = request.extensions().get::<Principal>();
    passed.cloned().ok_or_else(|| Status::unauthenticated("nobody has looked who calls"))
}

/// Whether the caller of a stream would still be let in.
pub(super) fn still(engine: &Engine, caller: &Principal) -> Result<(), Status> {
    engine.is_still_let_in(caller).map_err(|refused| Status::unauthenticated(refused.to_string()))
}

/// The caller of a call that has just come in.
pub(super) fn of_call<T>(
    engine: &Engine,
    trust: &Trust,
    request: &http::Request<T>,
) -> Result<Principal, Status> {
    let peer = request.extensions().get::<Peer>();
    let is_local = peer.is_none_or(|peer| peer.address.ip().to_canonical().is_loopback());
    let said = request.headers().get(CALLER_KEY).map(said_to_be).transpose()?;
    let shown = request.headers().get(AUTHORIZATION).map(shown_key).transpose()?;
    let known = match (shown, peer.and_then(|peer| peer.certified.as_deref())) {
        (Some(key), _) => by_key(engine, trust, key, is_local)?,
        (None, Some(certified)) => certified.clone(),
        (None, None) if trust.word => return by_word(said, is_local),
        (None, None) => return Err(unknown()),
    };
    match said {
        Some(other) if other != known.identity => Err(Status::permission_denied(format!(
            "{known} cannot act as {other}; leave {CALLER_KEY} away, or show a key for {other}"
        ))),
        Some(_) | None => Ok(known),
    }
}

fn unknown() -> Status {
    Status::unauthenticated(
        "this gateway wants to know who calls: show a key (metadata 'authorization: Bearer tgk_...') or a certificate \
         that names an institution, a bureau or the operator (docs/access.md)",
    )
}

fn shown_key(value: &HeaderValue) -> Result<&str, Status> {
    let text = value.to_str().ok().and_then(|text| text.strip_prefix(SCHEME));
    text.map(str::trim)
        .ok_or_else(|| Status::unauthenticated("metadata authorization: write 'Bearer tgk_...'"))
}

fn by_key(engine: &Engine, trust: &Trust, shown: &str, is_local: bool) -> Result<Principal, Status> {
    if let Some(hash) = trust.local_key
        && is_local
        && blake3::Hash::from(hash) == hash_of_secret(shown)
    {
        return Ok(Principal { identity: Identity::OPERATOR, credential: Credential::LocalKey });
    }
    engine.identify(shown).map_err(|refused| Status::unauthenticated(refused.to_string()))
}

fn said_to_be(value: &HeaderValue) -> Result<Identity, Status> {
    let refused = |why: &str| Status::unauthenticated(format!("metadata {CALLER_KEY}: {why}"));
    let text = value.to_str().map_err(|_| refused("is not ASCII; percent-encode it"))?;
    Identity::parse(text).map_err(|error| refused(&error.to_string()))
}

/// On this machine whoever says nothing is the operator; from elsewhere nobody is.
fn by_word(said: Option<Identity>, is_local: bool) -> Result<Principal, Status> {
    let identity = match said {
        None if is_local => Identity::OPERATOR,
        None => return Err(Status::unauthenticated(format!("metadata {CALLER_KEY} is missing"))),
        Some(identity) if identity.role() == Role::Operator && !is_local => {
            return Err(Status::permission_denied("the operator calls from this machine only"));
        }
        Some(identity) => identity,
    };
    Ok(Principal { identity, credential: Credential::Word })
}
