//! The connections of the HTTP door, each bounded: a slow, silent or endless client holds a place for a while, and
//! never memory or the others' places for good. Knows no page.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a client may take; constants, because a scrape is a scrape everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections open at once; others wait until one ends.
    pub connections_max: usize,
    /// Time for the head of a request, also of the next one on a connection that is kept.
    pub head_max: Duration,
    /// Bytes of a head.
    pub head_bytes_max: usize,
    /// Age at which a connection takes no further request.
    pub age_max: Duration,
    /// Time for the answer that is under way then.
    pub end_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 64,
            head_max: Duration::from_secs(5),
            head_bytes_max: 16 << 10,
            age_max: Duration::from_secs(60),
            end_max: Duration::from_secs(5),
        }
    }
}

/// How long to wait where a connection cannot be accepted: no file descriptor is free, most likely.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves pages until it is dropped, with every connection.
pub(super) async fn serve(listener: TcpListener, pages: Router, bounds: Bounds) {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut connections = JoinSet::new();
    loop {
        // Nobody closes the places.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve_one(stream, pages.clone(), bounds, place))),
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                // signal: nobody tells when a file descriptor is free again.
                sleep(ACCEPT_AGAIN).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

fn serve_one(
    stream: TcpStream,
    pages: Router,
    bounds: Bounds,
    place: OwnedSemaphorePermit,
) -> impl Future<Output = ()> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_max)
        .max_buf_size(bounds.head_bytes_max)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    async move {
        let _place = place;
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Ok(ended),
            // signal: this is the age itself.
            () = sleep(bounds.age_max) => {
                connection.as_mut().graceful_shutdown();
                timeout(bounds.end_max, connection).await
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection ended"),
            Err(_) => tracing::debug!("an HTTP connection was cut: its client does not read"),
        }
    }
}
