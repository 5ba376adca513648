//! Checks waiting changes against the changes before them in the group and against what was logged since they were
//! compared with everything that stands (`versions`), and turns loads into log events.

use super::layer::{Entries, Layer};
use super::tables::{REGISTRY_VERSION, get};
use super::versions::{Recent, Stands};
use super::view::View;
use crate::domain::code::CodeKey;
use crate::domain::outcome::RequestKey;
use crate::domain::party::Pool;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::registry::RegistryRow;
use crate::store::derive::{add_record, load_status, regroup, regrouped};
use crate::store::event::RegistryMoment;
use crate::store::fit::{check_records, check_rows};
use crate::store::{CommitError, LoadStatus, LogEvent, StoreError};
use foldhash::quality::RandomState;
use jiff::Timestamp;
use std::collections::HashMap;

/// The most rows for which an emptied map keeps room.
const KEPT_ROOM_MAX: usize = 4096;

/// What the changes of a group leave behind, before they are in the tables.
#[derive(Default)]
pub(super) struct Overlay {
    claims: HashMap<CodeKey, u32, RandomState>,
    outcomes: HashMap<RequestKey, u32, RandomState>,
    dossiers: HashMap<CodeKey, u32, RandomState>,
    purchases: HashMap<String, PurchaseRecord>,
    registry: HashMap<String, RegistryRow>,
    registry_version: Option<u64>,
}

/// Refuses what expects another version than stands: in the group, since it was checked, or at all.
fn compare(
    expected: Option<u32>,
    in_group: Option<&u32>,
    since: impl FnOnce() -> Stands,
    all: impl FnOnce() -> Result<Option<u32>, StoreError>,
) -> Result<(), CommitError> {
    let stands = match in_group.map_or_else(since, |version| Stands::At(*version)) {
        Stands::At(version) => Some(version),
        Stands::AsChecked => return Ok(()),
        Stands::Unknown => all()?,
    };
    if stands == expected { Ok(()) } else { Err(CommitError::Conflict) }
}

/// An emptied map keeps its room, unless an import has made it large: to empty it would cost every group after.
fn emptied<K, V>(mut map: HashMap<K, V, RandomState>) -> HashMap<K, V, RandomState> {
    if map.capacity() > KEPT_ROOM_MAX {
        return HashMap::default();
    }
    map.clear();
    map
}

impl Overlay {
    /// The same without anything in it, for the next group.
    pub fn emptied(self) -> Self {
        let Self { claims, outcomes, dossiers, .. } = self;
        Self {
            claims: emptied(claims),
            outcomes: emptied(outcomes),
            dossiers: emptied(dossiers),
            ..Self::default()
        }
    }

    /// Takes in a change, or refuses it as a conflict. `checked` = where the log ended before it was
    /// [compared](View::check) with everything, `recent` = what is in memory now.
    pub fn resolve_change(
        &mut self,
        (view, recent): (&View, &Recent<Layer>),
        change: &Entries,
        checked: Option<u64>,
    ) -> Result<(), CommitError> {
        for (key, swap) in &change.claims {
            let since = || recent.stands(checked, |layer| layer.claim_version(key));
            compare(swap.expected, self.claims.get(key), since, || view.claim_version(key))?;
        }
        for (key, swap) in &change.outcomes {
            let since = || recent.stands(checked, |layer| layer.outcome_version(key));
            compare(swap.expected, self.outcomes.get(key), since, || view.outcome_version(key))?;
        }
        for row in &change.dossiers {
            let since = || recent.stands(checked, |layer| layer.dossier_version(&row.key));
            compare(row.expected, self.dossiers.get(&row.key), since, || view.dossier_version(&row.key))?;
        }
        self.dossiers.extend(change.dossiers.iter().map(|row| (row.key.clone(), row.version)));
        self.claims.extend(change.claims.iter().map(|(key, swap)| (key.clone(), swap.version)));
        self.outcomes.extend(change.outcomes.iter().map(|(key, swap)| (key.clone(), swap.version)));
        Ok(())
    }

    /// Takes in purchase records.
    pub fn resolve_purchases(
        &mut self,
        view: &View,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Result<(LogEvent, Vec<LoadStatus>), CommitError> {
        check_records(&records)?;
        let mut event = LogEvent::default();
        let mut answers = Vec::with_capacity(records.len());
        for (record, chain) in records {
            let identity = record.identity();
            let known = match self.purchases.get(&identity) {
                Some(known) => Some(known.clone()),
                None => get(&view.tables.purchases, identity.as_bytes())?,
            };
            let status = load_status(known.as_ref(), &record);
            if status != LoadStatus::Unchanged {
                add_record(&mut event, &record, known.as_ref(), chain);
                event.purchases.push(record.clone());
                self.purchases.insert(identity, record);
            }
            answers.push(status);
        }
        Ok((event, answers))
    }

    /// Takes in registry rows. An institution that changes its chain takes its positions with it.
    pub fn resolve_rows(
        &mut self,
        view: &View,
        rows: Vec<RegistryRow>,
        at: Timestamp,
    ) -> Result<(LogEvent, Vec<LoadStatus>, u64), CommitError> {
        check_rows(&rows)?;
        let mut event = LogEvent::default();
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            let identity = row.identity();
            let known: Option<RegistryRow> = match self.registry.get(&identity) {
                Some(known) => Some(known.clone()),
                None => get(&view.tables.registry, identity.as_bytes())?,
            };
            let row = row.over(known.as_ref());
            let status = load_status(known.as_ref(), &row);
            answers.push(status);
            if status == LoadStatus::Unchanged {
                continue;
            }
            if let Some((old_chain, new)) = regrouped(known.as_ref(), &row) {
                let positions = view.positions_of(&Pool::Institution(new.code))?;
                regroup(&mut event, &positions, old_chain, new);
            }
            self.registry.insert(identity, row.clone());
            event.registry.push(row);
        }
        let stands = match self.registry_version {
            Some(version) => version,
            None => get::<(u64, RegistryMoment)>(&view.tables.meta, REGISTRY_VERSION)?
                .map_or(0, |(version, _)| version),
        };
        let version = if event.registry.is_empty() { stands } else { stands + 1 };
        if version != stands {
            event.registry_version = Some((version, RegistryMoment(at)));
            self.registry_version = Some(version);
        }
        Ok((event, answers, version))
    }
}
