//! Door 2: HTTP for those who watch the gateway: `/live`, `/ready` with named parts, `/metrics`.

use crate::engine::IndexState;
use crate::store::StoreState;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::future::IntoFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the pages are made of.
#[derive(Clone)]
pub struct Watched {
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Whether the store takes changes.
    pub store: watch::Receiver<StoreState>,
    /// How far the index is.
    pub index: watch::Receiver<IndexState>,
    /// Set once the gateway stops.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("store", &*self.store.borrow()).finish_non_exhaustive()
    }
}

/// Serves the pages until the gateway stops.
pub async fn serve(listener: TcpListener, watched: Watched) {
    let stop = watched.stop.clone();
    let pages = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watched);
    // Scrapes are short: nothing has to be finished at the end.
    tokio::select! {
        ended = axum::serve(listener, pages).into_future() => {
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP port ended");
            }
        }
        () = stop.cancelled() => {}
    }
}

/// 200 with every part ready, 503 with the reason of the part that is not.
async fn ready(State(watched): State<Watched>) -> Response {
    let store = match &*watched.store.borrow() {
        StoreState::Ready => Ok("ready".to_owned()),
        StoreState::Full(why) => Err(format!("full: {why}")),
        StoreState::Stopped(why) => Err(format!("stopped: {why}")),
    };
    let listener =
        if watched.stop.is_cancelled() { Err("stopping".to_owned()) } else { Ok("ready".to_owned()) };
    // Answers are right without the index, but slower: whoever balances load waits for it.
    let index = match *watched.index.borrow() {
        IndexState::Complete => Ok("ready".to_owned()),
        IndexState::Warming { codes, of } => Err(format!("warming: {codes} of about {of} codes")),
    };
    let is_ready = store.is_ok() && index.is_ok() && listener.is_ok();
    let text = |part: Result<String, String>| part.unwrap_or_else(|why| why);
    let parts = serde_json::json!({
        "ready": is_ready, "store": text(store), "index": text(index), "listener": text(listener)
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{parts}\n")).into_response()
}

async fn metrics(State(watched): State<Watched>) -> Response {
    watched.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], watched.metrics.render()).into_response()
}
