//! Door 1: gRPC. One file per service; `convert` is the only place where wire and domain types meet.
//!
//! A handler reads its request, hands the work to a task of its own, and awaits the answer: a client that goes
//! away does not stop a claim half way. What changes nothing is done where it is asked.

mod admin;
mod admission;
mod bureau;
mod caller;
mod codec;
mod convert;
mod dispensing;
mod export;
mod history;
mod listener;
mod policy;
mod purchase;
mod registry;
mod roles;
mod scan;
mod status;
mod watch;

pub use admin::Admin;
pub use admission::{AdmissionLimits, Load};
pub use bureau::Bureaus;
pub use caller::{CALLER_KEY, Peer, Trust};
pub use dispensing::Dispensing;
pub use history::Histories;
pub use listener::{Connection, ConnectionLimits, Tls, TlsError, TlsFiles, connections, fingerprint};
pub use policy::PolicyDoor;
pub use purchase::Purchases;
pub use registry::Registries;
pub use roles::{Gate, RIGHTS, Reach, Right, SHUT};
pub use scan::{Incoming, ScanLimits};
pub use watch::Watch;

use crate::engine::{Engine, EngineError};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tracing::Instrument;

/// The generated wire types.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery)]
pub mod pb {
    tonic::include_proto!("tracegate.v1");
    include!(concat!(env!("OUT_DIR"), "/servers/tracegate.v1.rs"));

    /// The descriptors of all protos, for reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("tracegate_descriptor");
}

/// What every service needs.
#[derive(Debug, Clone)]
pub struct Door {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// Work that must be finished before the gateway stops.
    pub work: TaskTracker,
    /// Set once the gateway stops: a stream without an end of its own ends then.
    pub stop: CancellationToken,
}

impl Door {
    /// Runs a use case to its end, whether or not the client stays.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        self.run_for("", work).await
    }

    /// As [`run`](Self::run), for a request with an id: log lines and spans about it say so.
    async fn run_for<T, F>(&self, request_id: &str, work: impl FnOnce(Arc<Engine>) -> F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        if !request_id.is_empty() {
            watch::is_about(request_id);
        }
        let task = self.work.spawn(work(Arc::clone(&self.engine)).in_current_span());
        let done = task.await.map_err(|panic| panic.to_string());
        told(request_id, done)
    }

    /// Runs a use case that changes nothing where it is called: nobody misses the rest of it where the client goes away.
    async fn look<T>(&self, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, Status> {
        let done = AssertUnwindSafe(work).catch_unwind().await;
        told("", done.map_err(|_| "see the lines before".to_owned()))
    }
}

/// The answer of a use case, or what is said of its failure. `Err` = it ended in a panic.
fn told<T>(request_id: &str, done: Result<Result<T, EngineError>, String>) -> Result<T, Status> {
    let failed = match done {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => Ok(error),
        Err(panic) => Err(panic),
    };
    let _named = watch::named(request_id).entered();
    match failed {
        Ok(error) => Err(status::of(&error)),
        Err(panic) => {
            tracing::error!(%panic, "a request ended in a panic");
            Err(Status::internal(status::FAILED))
        }
    }
}
