//! Settings: defaults baked in from a readable file, then a file, then the environment. All mistakes at once.

mod door;
mod privacy;
mod store;
mod telemetry;

pub use door::{Access, Grpc};

use crate::engine::{Limits, Retention};
use crate::index::IndexOptions;
use crate::store::embedded::EmbeddedOptions;
use crate::store::redis::RedisOptions;
use crate::telemetry::TraceOptions;
use door::{RawAccess, RawCallers, RawGrpc, RawTls};
use privacy::{RawPrivacy, RawRetention};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{RawRedis, RawStore};
use telemetry::RawTelemetry;
use toml::{Table, Value};

/// The defaults, with a word on each setting.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
const ENVIRONMENT_PREFIX: &str = "TRACEGATE_";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The gRPC door.
    pub grpc: Grpc,
    /// How callers are known.
    pub access: Access,
    /// Where `/live`, `/ready` and `/metrics` are served; `None` = nowhere.
    pub http_listen: Option<SocketAddr>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The embedded store.
    pub store: EmbeddedOptions,
    /// The store in Redis, which then takes the place of the embedded one.
    pub redis: Option<RedisOptions>,
    /// The index of codes.
    pub index: IndexOptions,
    /// How often its filters are saved.
    pub index_save_every: Duration,
    /// Rule files over the built-in ones.
    pub policy_files: Vec<PathBuf>,
    /// Rule files over the built-in ones that are judged beside those in force; empty = none.
    pub shadow_files: Vec<PathBuf>,
    /// Each day is judged again once it is over.
    pub audit_nightly: bool,
    /// What a request may bring.
    pub limits: Limits,
    /// How long requests in flight may take to finish at shutdown.
    pub drain_max: Duration,
    /// Files of keys that seal the keys under which persons are marked; empty = nobody is.
    pub wrapping_key_files: Vec<PathBuf>,
    /// How long what is kept.
    pub retention: Retention,
    /// Log filter and format.
    pub log: Log,
    /// Where spans go.
    pub traces: TraceOptions,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter as `tracing` reads it.
    pub level: String,
    /// JSON lines instead of text.
    pub json: bool,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} mistake(s):\n  {}", .0.len(), .0.join("\n  "))]
pub struct ConfigError(pub Vec<String>);

/// The settings as they stand in a file, type by type.
#[derive(Debug, Deserialize)]
struct Raw {
    grpc: RawGrpc,
    tls: RawTls,
    access: RawAccess,
    callers: RawCallers,
    http: RawHttp,
    store: RawStore,
    redis: RawRedis,
    index: RawIndex,
    policy: RawPolicy,
    cases: RawCases,
    limits: RawLimits,
    privacy: RawPrivacy,
    retention: RawRetention,
    shutdown: RawShutdown,
    log: RawLog,
    telemetry: RawTelemetry,
}

#[derive(Debug, Deserialize)]
struct RawHttp {
    listen: String,
}

#[derive(Debug, Deserialize)]
struct RawIndex {
    hot_codes_max: usize,
    codes_planned_min: u64,
    false_positives_per_mille: u32,
    save_seconds: u32,
}

#[derive(Debug, Deserialize)]
struct RawPolicy {
    files: Vec<PathBuf>,
    shadow_files: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct RawCases {
    audit_nightly: bool,
}

#[derive(Debug, Deserialize)]
struct RawLimits {
    lines_per_document_max: usize,
    codes_per_line_max: usize,
    codes_per_document_max: usize,
    text_bytes_max: usize,
    events_per_report_max: usize,
    rows_per_load_max: usize,
    rows_per_import_batch_max: usize,
    import_batches_in_flight_max: usize,
    provisional_answers_max: usize,
}

#[derive(Debug, Deserialize)]
struct RawShutdown {
    drain_seconds_max: u32,
}

#[derive(Debug, Deserialize)]
struct RawLog {
    level: String,
    format: String,
}

impl Config {
    /// The defaults alone.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::from_table(default_table()?)
    }

    /// The defaults, over them a file, over it the environment of this process.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(file, |name| std::env::var(name).ok())
    }

    /// As [`load`](Self::load), with another environment.
    pub fn load_with(file: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut table = default_table()?;
        let mut mistakes = Vec::new();
        if let Some(path) = file {
            overlay_file(&mut table, path, &mut mistakes);
        }
        overlay_environment(&mut table, env, &mut mistakes);
        match Self::from_table(table) {
            Ok(config) if mistakes.is_empty() => Ok(config),
            Ok(_) => Err(ConfigError(mistakes)),
            Err(ConfigError(more)) => {
                mistakes.extend(more);
                Err(ConfigError(mistakes))
            }
        }
    }

    fn from_table(table: Table) -> Result<Self, ConfigError> {
        let raw: Raw = table.try_into().map_err(|e: toml::de::Error| ConfigError(vec![e.to_string()]))?;
        let mut mistakes = Vec::new();
        let listen = raw.grpc.address(&mut mistakes);
        let http_listen = match raw.http.listen.as_str() {
            "" => None,
            text => Some(address("http.listen", text, &mut mistakes)),
        };
        for (name, number, least, most) in raw.numbers() {
            if number < least || number > most {
                mistakes.push(format!("{name}: {number} is out of range; write {least} to {most}"));
            }
        }
        if !matches!(raw.log.format.as_str(), "text" | "json") {
            mistakes.push(format!("log.format: {:?} is not text or json", raw.log.format));
        }
        if let Err(e) = raw.log.level.parse::<tracing_subscriber::EnvFilter>() {
            mistakes.push(format!("log.level: {e}"));
        }
        mistakes.extend(raw.retention.mistakes());
        mistakes.extend(raw.tls.mistake());
        mistakes.extend(raw.store.mistake());
        mistakes.extend(raw.telemetry.mistake());
        if mistakes.is_empty() {
            Ok(raw.into_config(listen, http_listen))
        } else {
            Err(ConfigError(mistakes))
        }
    }
}

impl Raw {
    /// Numbers with what makes sense of them.
    fn numbers(&self) -> Vec<(&'static str, u64, u64, u64)> {
        let wide = |n: usize| n as u64;
        let (index, limits) = (&self.index, &self.limits);
        let day = 86_400;
        let own = vec![
            ("index.hot_codes_max", wide(index.hot_codes_max), 0, 1 << 30),
            ("index.codes_planned_min", index.codes_planned_min, 1, 1 << 36),
            ("index.false_positives_per_mille", index.false_positives_per_mille.into(), 1, 500),
            ("index.save_seconds", index.save_seconds.into(), 1, day),
            ("limits.lines_per_document_max", wide(limits.lines_per_document_max), 1, 10_000),
            ("limits.codes_per_line_max", wide(limits.codes_per_line_max), 1, 10_000),
            ("limits.codes_per_document_max", wide(limits.codes_per_document_max), 1, 10_000),
            ("limits.text_bytes_max", wide(limits.text_bytes_max), 1, 1_000),
            ("limits.events_per_report_max", wide(limits.events_per_report_max), 1, 100_000),
            ("limits.rows_per_load_max", wide(limits.rows_per_load_max), 1, 1_000_000),
            ("telemetry.sampled_per_mille", self.telemetry.sampled_per_mille.into(), 0, 1_000),
            ("limits.rows_per_import_batch_max", wide(limits.rows_per_import_batch_max), 1, 10_000),
            ("limits.import_batches_in_flight_max", wide(limits.import_batches_in_flight_max), 1, 64),
            ("limits.provisional_answers_max", wide(limits.provisional_answers_max), 1, 10_000_000),
            ("shutdown.drain_seconds_max", self.shutdown.drain_seconds_max.into(), 1, day),
        ];
        self.grpc
            .numbers()
            .into_iter()
            .chain(self.callers.numbers())
            .chain(own)
            .chain(self.store.numbers())
            .chain(self.redis.numbers())
            .collect()
    }

    fn into_config(self, listen: SocketAddr, http_listen: Option<SocketAddr>) -> Config {
        let Self {
            grpc,
            tls,
            access,
            callers,
            http: _,
            store,
            redis,
            index,
            policy,
            cases,
            limits,
            privacy,
            retention,
            shutdown,
            log,
            telemetry,
        } = self;
        Config {
            grpc: grpc.into_grpc(listen, &callers),
            access: access.into_access(tls),
            http_listen,
            store: store.embedded(),
            redis: store.redis(&redis),
            data_dir: store.data_dir,
            index: IndexOptions {
                hot_codes_max: index.hot_codes_max,
                codes_planned_min: index.codes_planned_min,
                false_positives_per_mille: index.false_positives_per_mille,
            },
            index_save_every: seconds(index.save_seconds),
            audit_nightly: cases.audit_nightly,
            policy_files: policy.files,
            shadow_files: policy.shadow_files,
            limits: Limits {
                lines_per_document_max: limits.lines_per_document_max,
                codes_per_line_max: limits.codes_per_line_max,
                codes_per_document_max: limits.codes_per_document_max,
                text_bytes_max: limits.text_bytes_max,
                events_per_report_max: limits.events_per_report_max,
                rows_per_load_max: limits.rows_per_load_max,
                rows_per_import_batch_max: limits.rows_per_import_batch_max,
                import_batches_in_flight_max: limits.import_batches_in_flight_max,
                provisional_answers_max: limits.provisional_answers_max,
                callers: callers.limits(),
            },
            wrapping_key_files: privacy.wrapping_key_files,
            retention: retention.into_retention(),
            drain_max: seconds(shutdown.drain_seconds_max),
            log: Log { level: log.level, json: log.format == "json" },
            traces: telemetry.into_options(),
        }
    }
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(n.into())
}

/// An address with a port; a mistake gives a harmless one, so that the others are found too.
fn address(name: &str, text: &str, mistakes: &mut Vec<String>) -> SocketAddr {
    text.parse().unwrap_or_else(|e| {
        mistakes.push(format!("{name}: {text:?} is no address with port ({e}); write 127.0.0.1:50051"));
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

fn default_table() -> Result<Table, ConfigError> {
    DEFAULTS.parse().map_err(|e: toml::de::Error| ConfigError(vec![format!("built-in defaults: {e}")]))
}

/// Puts a file over the defaults; a name that the defaults do not have is a mistake.
fn overlay_file(table: &mut Table, path: &Path, mistakes: &mut Vec<String>) {
    let place = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => return mistakes.push(format!("{place}: {e}")),
    };
    let file: Table = match text.parse() {
        Ok(file) => file,
        Err(e) => return mistakes.push(format!("{place}: {e}")),
    };
    for (section, values) in file {
        let Some(Value::Table(known)) = table.get_mut(&section) else {
            mistakes.push(format!("{place}: there is no section [{section}]"));
            continue;
        };
        let Value::Table(values) = values else {
            mistakes.push(format!("{place}: [{section}] is a section, not a value"));
            continue;
        };
        for (name, value) in values {
            match known.get_mut(&name) {
                Some(old) if old.same_type(&value) => *old = value,
                Some(old) => {
                    mistakes.push(format!(
                        "{place}: {section}.{name} must be {}, not {}",
                        old.type_str(),
                        value.type_str()
                    ));
                }
                None => mistakes.push(format!("{place}: there is no setting {section}.{name}")),
            }
        }
    }
}

/// Puts the environment over both.
fn overlay_environment(table: &mut Table, env: impl Fn(&str) -> Option<String>, mistakes: &mut Vec<String>) {
    for (section, values) in table.iter_mut() {
        let Value::Table(values) = values else { continue };
        for (name, value) in values.iter_mut() {
            let variable = format!("{ENVIRONMENT_PREFIX}{}_{}", section.to_uppercase(), name.to_uppercase());
            let Some(text) = env(&variable) else { continue };
            match value_like(value, &text) {
                Some(read) => *value = read,
                None => mistakes.push(format!("{variable}: {text:?} is no {}", value.type_str())),
            }
        }
    }
}

/// Reads text as the type of another value.
fn value_like(like: &Value, text: &str) -> Option<Value> {
    match like {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests;
