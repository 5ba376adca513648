//! The connections of the gRPC door: accepted, bounded, and, where there are certificates, secured. A slow, silent or
//! greedy client holds a place for a while, and never the others' places. Knows no method and no message.

mod certificate;
mod connection;
mod pace;
mod tls;

pub use certificate::fingerprint;
pub use connection::Connection;
pub(super) use pace::Refusals;
pub use tls::{Tls, TlsError, TlsFiles};

use super::admission::Load;
use super::caller::Peer;
use crate::telemetry;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// How long to wait where a connection cannot be accepted: no file descriptor is free, most likely.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Handshakes at the same time: each is a millisecond of a processor.
const HANDSHAKES_MAX: usize = 64;
/// Connections that are ready and wait for the server.
const READY_MAX: usize = 64;

/// What callers may take of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once.
    pub connections_max: usize,
    /// The same from one address.
    pub connections_per_address_max: usize,
    /// Time for the handshake of TLS, and again for the first bytes of HTTP/2.
    pub handshake_max: Duration,
}

/// Why a connection was closed before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// All places are taken.
    Full,
    /// All places of its address are taken.
    Greedy,
    /// No handshake in time, or one that failed.
    Handshake,
}

impl Refused {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Greedy => "address_full",
            Self::Handshake => "handshake",
        }
    }
}

/// Connections by address, all of them.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(self: &Arc<Self>, address: IpAddr, limits: &ConnectionLimits) -> Result<Place, Refused> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= limits.connections_max {
            return Err(Refused::Full);
        }
        let own = taken.by_address.entry(address).or_default();
        if *own >= limits.connections_per_address_max {
            return Err(Refused::Greedy);
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Accepts connections until `stop`; gives those that are ready for HTTP/2. They are read as `load` allows.
pub fn connections(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: ConnectionLimits,
    load: Load,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(READY_MAX);
    tokio::spawn(async move {
        let places = Arc::new(Places::default());
        let shaking = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
                () = ready.closed() => return,
            };
            match accepted {
                Ok((stream, address)) => match places.take(address.ip().to_canonical(), &limits) {
                    Ok(place) => {
                        let tls = tls.clone().map(|tls| (tls, Arc::clone(&shaking)));
                        let shares = (place, load.clone());
                        tokio::spawn(begin(stream, address, tls, limits, shares, ready.clone()));
                    }
                    Err(refused) => turn_away(address, refused, "no place is free"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // signal: nobody tells when a file descriptor is free again.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    });
    ReceiverStream::new(connections)
}

/// Secures a connection, where that is due, and hands it over.
async fn begin(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<(Arc<Tls>, Arc<Semaphore>)>,
    limits: ConnectionLimits,
    (place, load): (Place, Load),
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    // Small answers must not wait for more.
    drop(stream.set_nodelay(true));
    let connection = match tls {
        None => {
            let peer = Peer { address, certified: None, refusals: Refusals::default() };
            Connection::plain(stream, peer, limits.handshake_max, place, load)
        }
        Some((tls, shaking)) => match timeout(limits.handshake_max, shake(&tls, &shaking, stream)).await {
            Ok(Ok(secured)) => {
                let certified = secured.get_ref().1.peer_certificates().and_then(|chain| {
                    let shown = chain.first()?;
                    certificate::principal(shown).map(Arc::new)
                });
                let peer = Peer { address, certified, refusals: Refusals::default() };
                Connection::secured(secured, peer, limits.handshake_max, place, load, tls.trust_changes())
            }
            Ok(Err(error)) => return turn_away(address, Refused::Handshake, &error.to_string()),
            Err(_) => return turn_away(address, Refused::Handshake, "it took too long"),
        },
    };
    // Nobody waits for it any more where the server has ended.
    drop(ready.send(Ok(connection)).await);
}

async fn shake(tls: &Tls, shaking: &Semaphore, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    // Nobody closes it.
    let _turn = shaking.acquire().await.map_err(io::Error::other)?;
    tls.accept(stream).await
}

fn turn_away(address: SocketAddr, refused: Refused, why: &str) {
    telemetry::connection_refused(refused.name());
    tracing::debug!(%address, refused = refused.name(), why, "a connection was refused");
}
