//! What follows from loaded rows, for every store alike: their status, and what they add to positions.

use super::{LoadStatus, LogEvent, PositionDelta};
use crate::domain::party::{Institution, Pool};
use crate::domain::purchase::{Position, PurchaseRecord, PurchaseSource};
use crate::domain::registry::RegistryRow;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What loading a row does to the one that is known.
pub(super) fn load_status<T: PartialEq>(known: Option<&T>, new: &T) -> LoadStatus {
    match known {
        None => LoadStatus::Added,
        Some(known) if known == new => LoadStatus::Unchanged,
        Some(_) => LoadStatus::Replaced,
    }
}

/// Adds to positions what a record adds, or changes of the one that it replaces.
pub(super) fn add_record(
    event: &mut LogEvent,
    record: &PurchaseRecord,
    replaced: Option<&PurchaseRecord>,
    chain: Option<String>,
) {
    let before = replaced.map_or(Decimal::ZERO, |r| r.quantity);
    let delta = PositionDelta::Bought(record.source, record.quantity - before, i32::from(replaced.is_none()));
    let code = record.catalog_code.clone();
    event.adds.push((Pool::Institution(record.institution), code.clone(), delta.clone()));
    if let Some(group) = chain {
        event.adds.push((Pool::Chain(group), code, delta));
    }
}

/// The chain of an institution as it was known; purchases may come before the institution's row.
fn chain_of(known: Option<&RegistryRow>) -> Option<&String> {
    match known {
        Some(RegistryRow::Institution(institution)) => institution.chain_group.as_ref(),
        Some(
            RegistryRow::Drug(_)
            | RegistryRow::NoCode(_)
            | RegistryRow::OwnScheme(_)
            | RegistryRow::MakersError(_)
            | RegistryRow::AccessKey(_)
            | RegistryRow::JoinKey(_)
            | RegistryRow::Feed(_),
        )
        | None => None,
    }
}

/// The old chain of an institution that a row takes to another one, and the institution.
pub(super) fn regrouped<'a>(
    known: Option<&'a RegistryRow>,
    row: &'a RegistryRow,
) -> Option<(Option<&'a String>, &'a Institution)> {
    let RegistryRow::Institution(new) = row else { return None };
    let old_chain = chain_of(known);
    (old_chain != new.chain_group.as_ref()).then_some((old_chain, new))
}

/// Moves what an institution bought and sold from its old chain to its new one.
pub(super) fn regroup(
    event: &mut LogEvent,
    positions: &BTreeMap<String, Position>,
    old_chain: Option<&String>,
    new: &Institution,
) {
    for (code, position) in positions {
        for (group, sign) in [(old_chain, -1), (new.chain_group.as_ref(), 1)] {
            let Some(group) = group else { continue };
            for delta in deltas_of(position, sign) {
                event.adds.push((Pool::Chain(group.clone()), code.clone(), delta));
            }
        }
    }
}

fn deltas_of(position: &Position, sign: i32) -> Vec<PositionDelta> {
    let factor = Decimal::from(sign);
    let [platform, filed, opening] = position.records.map(|n| i32::try_from(n).unwrap_or(i32::MAX) * sign);
    vec![
        PositionDelta::Sold(position.sold * factor),
        PositionDelta::Bought(PurchaseSource::Platform, position.platform * factor, platform),
        PositionDelta::Bought(PurchaseSource::Filed, position.filed * factor, filed),
        PositionDelta::Bought(PurchaseSource::OpeningStock, position.opening * factor, opening),
    ]
}
