//! Loading the registry.

use super::{Engine, EngineError};
use crate::domain::access::Principal;
use crate::domain::party::{Caller, Institution, InstitutionCode};
use crate::domain::purchase::FeedScope;
use crate::domain::registry::{Registry, RegistryRow};
use crate::store::LoadStatus;
use crate::trail::Fact;
use jiff::civil::Date;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl Engine {
    /// Adds or replaces registry rows; gives what happened to each and the registry's version after it.
    pub async fn load_rows(
        &self,
        caller: &Principal,
        rows: Vec<RegistryRow>,
    ) -> Result<(Vec<LoadStatus>, u64), EngineError> {
        authorize_load(caller, rows.iter().map(place_of))?;
        let _changing = self.knowledge.changing.lock().await;
        self.put_rows(self.registry_fact(caller, &rows), rows).await
    }

    /// Sets the go-live days of institutions that are loaded, and leaves everything else of them as it is. An answer
    /// for each row, and the registry's version after it.
    pub async fn set_go_live_dates(
        &self,
        caller: &Principal,
        dates: Vec<(InstitutionCode, Date)>,
    ) -> Result<(Vec<Result<LoadStatus, EngineError>>, u64), EngineError> {
        // From reading a row to putting it back nobody else may change it.
        let _changing = self.knowledge.changing.lock().await;
        let knowledge = self.knowledge.get();
        let (mut rows, mut known) = (Vec::new(), Vec::new());
        for (code, goes_live_on) in dates {
            let institution = knowledge.registry.institution(code);
            let unknown =
                || EngineError::NotFound(format!("{code} is not in the registry; load institutions first"));
            known.push(institution.ok_or_else(unknown).map(|institution| {
                let goes_live_on = Some(goes_live_on);
                rows.push(RegistryRow::Institution(Institution { goes_live_on, ..institution.clone() }));
            }));
        }
        authorize_load(caller, rows.iter().map(place_of))?;
        let (statuses, version) = self.put_rows(self.registry_fact(caller, &rows), rows).await?;
        let mut statuses = statuses.into_iter();
        let answer =
            |row: Result<(), EngineError>| row.and_then(|()| statuses.next().ok_or(EngineError::Contended));
        Ok((known.into_iter().map(answer).collect(), version))
    }

    /// Takes over what other gateways load, until `stop`.
    pub async fn follow_registry(&self, stop: CancellationToken) {
        let mut loaded = self.store.loaded_elsewhere();
        loop {
            tokio::select! {
                changed = loaded.changed() => if changed.is_err() { return stop.cancelled().await },
                () = stop.cancelled() => return,
            }
            let version = *loaded.borrow_and_update();
            if let Err(error) = self.take_over_registry(version).await {
                tracing::warn!(%error, "the registry of another gateway is not taken over; restart this one");
            }
        }
    }

    async fn take_over_registry(&self, version: u64) -> Result<(), EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        let before = self.knowledge.get();
        if before.registry.version < version {
            self.knowledge.set(before.with_registry(self.store.load_registry().await?)?);
            tracing::info!(version, "took over the registry that another gateway loaded");
        }
        Ok(())
    }

    /// Takes over what others have loaded up to now, before a row is changed that rests on what it was: a key that was
    /// revoked elsewhere a moment ago must not come back. Whoever calls holds the lock on changes.
    pub(super) async fn catch_up_registry(&self) -> Result<(), EngineError> {
        if self.store.has_others() {
            let loaded = self.store.load_registry().await?;
            let before = self.knowledge.get();
            if before.registry.version < loaded.version {
                self.knowledge.set(before.with_registry(loaded)?);
            }
        }
        Ok(())
    }

    /// Puts rows into store and snapshot, once the entry that announces them is on the disk. Whoever calls holds the
    /// lock on changes.
    pub(super) async fn put_rows(
        &self,
        fact: Fact,
        rows: Vec<RegistryRow>,
    ) -> Result<(Vec<LoadStatus>, u64), EngineError> {
        let before = self.knowledge.get();
        if rows.is_empty() {
            return Ok((Vec::new(), before.registry.version));
        }
        let now = self.clock.now();
        let mut registry = Registry::clone(&before.registry);
        let (mut feeds_changed, mut errors_listed) = (false, false);
        for row in &rows {
            feeds_changed |= matches!(row, RegistryRow::Feed(_));
            errors_listed |= matches!(row, RegistryRow::MakersError(_));
            registry.put(row.clone());
        }
        // Compiled before it is stored: a scheme that cannot be read must not get in.
        registry.version = before.registry.version;
        let mut next = before.with_registry(registry)?;
        let put = async { Ok(self.store.put_rows(rows, now).await?) };
        let (answers, version) = self.announced(fact, put).await?;
        let changed = answers.iter().any(|status| *status != LoadStatus::Unchanged);
        if version > before.registry.version + u64::from(changed) {
            // Another gateway loaded rows that this one has not taken over yet: with their version, it never would.
            next = before.with_registry(self.store.load_registry().await?)?;
        } else if let Some(registry) = Arc::get_mut(&mut next.registry) {
            let grown = version > before.registry.version;
            registry.version = version;
            registry.changed_at = if grown { Some(now) } else { before.registry.changed_at };
        }
        self.knowledge.set(next);
        if feeds_changed {
            self.judge_awaited_again(None).await?;
        }
        if errors_listed {
            self.close_listed().await?;
        }
        Ok((answers, version))
    }
}

/// Registry and purchases are loaded by the operator, and by a bureau for its own divisions. What holds for every
/// institution (drugs, national entries, schemes) a bureau loads from province level up.
pub(super) fn authorize_load(
    caller: &Caller,
    divisions: impl IntoIterator<Item = Loaded>,
) -> Result<(), EngineError> {
    let prefix = match caller {
        Caller::Operator => return Ok(()),
        Caller::Bureau(prefix) => prefix,
        Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
            return Err(EngineError::Denied("only a bureau or the operator may load data".to_owned()));
        }
    };
    for place in divisions {
        let within = match &place {
            Loaded::In(area) => area.starts_with(prefix.as_str()),
            Loaded::Everywhere => prefix.len() <= PROVINCE_DIGITS,
        };
        if !within {
            return Err(EngineError::Denied(format!(
                "bureau {prefix} may not load rows for {place}; nothing was loaded"
            )));
        }
    }
    Ok(())
}

/// Digits of a province in a division code.
const PROVINCE_DIGITS: usize = 2;

/// Whom a loaded row is about.
pub(super) enum Loaded {
    /// A division, or an area named by its leading digits.
    In(String),
    /// Every institution.
    Everywhere,
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::In(area) => write!(f, "division {area}"),
            Self::Everywhere => f.write_str("every institution"),
        }
    }
}

pub(super) fn place_of(row: &RegistryRow) -> Loaded {
    match row {
        RegistryRow::Institution(institution) => Loaded::In(institution.division.to_string()),
        RegistryRow::NoCode(entry) if !entry.division_prefix.is_empty() => {
            Loaded::In(entry.division_prefix.clone())
        }
        RegistryRow::Feed(feed) => match &feed.scope {
            FeedScope::Institution(code) => Loaded::In(code.division().to_string()),
            FeedScope::DivisionPrefix(prefix) => Loaded::In(prefix.clone()),
        },
        RegistryRow::Drug(_)
        | RegistryRow::OwnScheme(_)
        | RegistryRow::NoCode(_)
        | RegistryRow::MakersError(_)
        | RegistryRow::AccessKey(_)
        | RegistryRow::JoinKey(_) => Loaded::Everywhere,
    }
}
