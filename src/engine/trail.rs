//! What use cases tell the audit trail before they change anything: who does what, to what. Knows no files.

use super::registry::Loaded;
use super::{Engine, EngineError};
use crate::domain::access::Principal;
use crate::domain::registry::RegistryRow;
use crate::store::StoreError;
use crate::trail::{Act, Fact, ReadError, Trail, TrailError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Divisions of a load that an entry names; more are counted.
const DIVISIONS_NAMED_MAX: usize = 32;

/// Who the gateway itself is, where nobody asked for it.
const GATEWAY: &str = "gateway";

/// The number of an entry with its line.
pub type TrailLine = Result<(u64, String), EngineError>;

impl Engine {
    /// The same engine with a trail: whatever changes rules, registry or cases, and whoever looks at a code's history, is
    /// an entry in it first.
    #[must_use]
    pub fn with_trail(self, trail: Trail) -> Self {
        Self { trail, ..self }
    }

    /// Where it writes down who does what.
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// The trail's entries from a number on, each with its line as it stands on the disk; reads files, so it blocks.
    pub fn trail_lines(&self, from_number: u64) -> Box<dyn Iterator<Item = TrailLine> + Send> {
        let unreadable = |error: ReadError| EngineError::Store(StoreError::Unreadable(error.to_string()));
        match self.trail.read() {
            None => Box::new(std::iter::empty()),
            Some(Err(error)) => Box::new(std::iter::once(Err(unreadable(error)))),
            Some(Ok(entries)) => Box::new(entries.filter_map(move |entry| match entry {
                Ok((entry, _)) if entry.number < from_number => None,
                Ok((entry, line)) => {
                    Some(Ok((entry.number, String::from_utf8_lossy(&line).trim_end().to_owned())))
                }
                Err(error) => Some(Err(unreadable(error))),
            })),
        }
    }

    /// Writes down with which rules it starts: files may have changed since the last time. Without an entry it starts all
    /// the same, for counters need none.
    pub async fn record_start(&self) {
        let known = self.knowledge.get();
        let shadow = known.shadow.as_ref().map(|shadow| shadow.run.policy.version().to_string());
        let fact = self.done_by(GATEWAY.to_owned(), Act::GatewayStart, "");
        let fact = fact.with("policy", known.policy_version.as_ref()).with("shadow", shadow);
        let fact = fact.with("registry", known.registry.version).with("version", env!("CARGO_PKG_VERSION"));
        self.note(fact).await;
    }

    /// What a caller does, now.
    pub(super) fn fact(&self, caller: &Principal, act: Act, about: impl Into<String>) -> Fact {
        self.done_by(caller.to_string(), act, about)
    }

    /// What the gateway did by itself, now.
    pub(super) fn own_fact(&self, act: Act, about: impl Into<String>) -> Fact {
        self.done_by(GATEWAY.to_owned(), act, about)
    }

    pub(super) fn done_by(&self, who: String, act: Act, about: impl Into<String>) -> Fact {
        Fact::new(self.clock.now(), who, act, about)
    }

    /// Makes a change once the entry that announces it is on the disk; without the entry there is no change. Where the
    /// change then fails, another entry says so.
    pub(super) async fn announced<T>(
        &self,
        fact: Fact,
        change: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let who = fact.who.clone();
        let entry = self.trail.append(fact).await?;
        let done = change.await;
        if let Err(error) = &done {
            let failed = self.done_by(who, Act::ChangeFailed, entry.number.to_string());
            self.note(failed.with("why", error.kind())).await;
        }
        done
    }

    /// Writes down what happens anyway.
    pub(super) async fn note(&self, fact: Fact) {
        let act = fact.act.name();
        if let Err(error) = self.trail.append(fact).await {
            tracing::error!(act, %error, "this is missing in the audit trail");
        }
    }

    /// A load of registry rows.
    pub(super) fn registry_fact(&self, caller: &Principal, rows: &[RegistryRow]) -> Fact {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        rows.iter().for_each(|row| *kinds.entry(kind_of(row)).or_default() += 1);
        let names: Vec<_> = kinds.keys().copied().collect();
        let only_errors = rows.iter().all(|row| matches!(row, RegistryRow::MakersError(_)));
        let act = if only_errors { Act::MakersErrorsPut } else { Act::RegistryLoad };
        let mut fact = self.fact(caller, act, names.join(", "));
        for (kind, count) in kinds {
            fact = fact.with(kind, count);
        }
        loaded(fact, rows, rows.iter().map(super::registry::place_of))
    }
}

/// Adds how many rows a load has, for which divisions, and their hash.
pub(super) fn loaded<T: Serialize>(fact: Fact, rows: &[T], places: impl Iterator<Item = Loaded>) -> Fact {
    let divisions: BTreeSet<String> = places
        .filter_map(|place| match place {
            Loaded::In(area) => Some(area),
            Loaded::Everywhere => None,
        })
        .collect();
    let hash = postcard::to_stdvec(rows).map(|bytes| blake3::hash(&bytes).to_hex().to_string());
    let (count, named) = (divisions.len(), divisions.into_iter().take(DIVISIONS_NAMED_MAX));
    let named: Vec<String> = named.collect();
    fact.with("rows", rows.len())
        .with("divisions", count)
        .with("divisions_named", named)
        .with("blake3", hash.unwrap_or_default())
}

const fn kind_of(row: &RegistryRow) -> &'static str {
    match row {
        RegistryRow::Institution(_) => "institutions",
        RegistryRow::Drug(_) => "drugs",
        RegistryRow::NoCode(_) => "no_code_list",
        RegistryRow::OwnScheme(_) => "own_schemes",
        RegistryRow::Feed(_) => "feeds",
        RegistryRow::MakersError(_) => "makers_errors",
        RegistryRow::AccessKey(_) => "access_keys",
        RegistryRow::JoinKey(_) => "join_keys",
    }
}

impl From<TrailError> for EngineError {
    fn from(error: TrailError) -> Self {
        let why = error.to_string();
        match error {
            TrailError::Full(_) => Self::Store(StoreError::Full(why)),
            TrailError::Stopped(_) => Self::Store(StoreError::Stopped(why)),
            TrailError::Unfit(_) => Self::Store(StoreError::Unfit(why)),
        }
    }
}
