//! Door 2: HTTP for those who watch the gateway: `/live`, `/ready` with named parts, `/metrics`.

mod connections;
#[cfg(test)]
mod tests;

use crate::engine::IndexState;
use crate::store::StoreState;
use crate::telemetry;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use connections::Bounds;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
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
    /// Whether it would answer anybody while the ledger is away.
    pub provisional: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Set once the gateway stops.
    pub stop: CancellationToken,
    /// Set once the gRPC listener has ended, for whatever reason.
    pub ended: CancellationToken,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("store", &*self.store.borrow()).finish_non_exhaustive()
    }
}

/// Serves the pages until it is dropped: while the gateway stops, they say so.
pub async fn serve(listener: TcpListener, watched: Watched) {
    connections::serve(listener, pages(watched), Bounds::default()).await;
}

fn pages(watched: Watched) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/ready/provisional", get(ready_provisionally))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

/// The state of a part: what it says, and whether that is "ready".
type Part = (&'static str, Result<&'static str, String>);

/// Every part with its state. Metrics have the same names.
fn parts(watched: &Watched) -> [Part; 3] {
    let store = match &*watched.store.borrow() {
        StoreState::Ready => Ok("ready"),
        StoreState::Full(why) => Err(format!("full: {why}")),
        StoreState::Away(why) => Err(format!("away: {why}")),
        StoreState::Stopped(why) => Err(format!("stopped: {why}")),
    };
    // Answers are right without the index, but slower: whoever balances load waits for it.
    let index = match *watched.index.borrow() {
        IndexState::Complete => Ok("ready"),
        IndexState::Warming { codes, of } => Err(format!("warming: {codes} of about {of} codes")),
    };
    let listener = if watched.stop.is_cancelled() {
        Err("stopping".to_owned())
    } else if watched.ended.is_cancelled() {
        Err("ended: no call is taken any more; restart the gateway".to_owned())
    } else {
        Ok("ready")
    };
    [("store", store), ("index", index), ("listener", listener)]
}

/// 200 with every part ready, 503 with the reason of the part that is not.
async fn ready(State(watched): State<Watched>) -> Response {
    page_of(parts(&watched))
}

/// As [`ready`], and also where only the ledger is away and somebody would be answered provisionally: for balancers,
/// which come here once no gateway is ready.
async fn ready_provisionally(State(watched): State<Watched>) -> Response {
    let mut parts = parts(&watched);
    let away = matches!(&*watched.store.borrow(), StoreState::Away(_));
    if let [(_, store), ..] = &mut parts
        && away
        && (watched.provisional)()
    {
        *store = Ok("provisional");
    }
    page_of(parts)
}

fn page_of(parts: [Part; 3]) -> Response {
    let is_ready = parts.iter().all(|(_, part)| part.is_ok());
    let mut page = serde_json::Map::from_iter([("ready".to_owned(), is_ready.into())]);
    for (name, part) in parts {
        page.insert(name.to_owned(), part.map_or_else(Into::into, Into::into));
    }
    let page = format!("{}\n", serde_json::Value::Object(page));
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], page).into_response()
}

async fn metrics(State(watched): State<Watched>) -> Response {
    for (name, part) in parts(&watched) {
        telemetry::ready(name, part.is_ok());
    }
    watched.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], watched.metrics.render()).into_response()
}
