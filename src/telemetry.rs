//! Logging for the whole process; the only global state.

use crate::config::Log;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. Texts for people stay on standard output.
pub fn start(log: &Log) -> Result<(), String> {
    let filter: EnvFilter = log.level.parse().map_err(|e| format!("log.level: {e}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if log.json { subscriber.json().try_init() } else { subscriber.try_init() };
    started.map_err(|e| e.to_string())
}
