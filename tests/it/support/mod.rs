//! Helpers of the integration tests: gateways on free ports, documents, waiting for what must come true.

pub mod certificates;
pub mod process;
pub mod redis;
pub mod world;

use std::time::Duration;
use tracegate::clock::Stopwatch;

/// Waits until `check` gives something; fails with `what` after ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl FnMut() -> F) -> T {
    within(Duration::from_secs(10), what, check).await
}

/// As [`eventually`], for what may take longer.
pub async fn within<T, F: Future<Output = Option<T>>>(
    most: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let started = Stopwatch::start();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(started.elapsed() < most, "not within {most:?}: {what}");
        // signal: polling a remote state that has no event to wait for.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
