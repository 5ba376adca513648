//! What a store can keep. It is asked before the log is written: what is once in the log is applied at every
//! start, so one row that cannot be applied would stop the gateway for good.

use crate::domain::party::Pool;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::registry::RegistryRow;
use crate::store::log::FRAME_BYTES_MAX;
use crate::store::{AwaitedKey, Change, StoreError};
use rust_decimal::Decimal;

/// The longest key of a row that is taken, in bytes; fjall panics over 64 KiB, also where one is only looked up.
pub(super) const KEY_BYTES_MAX: usize = 16 << 10;
/// The largest change, in bytes. A group may be a quarter frame longer than this.
const CHANGE_BYTES_MAX: u64 = FRAME_BYTES_MAX / 2;
/// The most units that one row adds to a position: 10^20, of which hundreds of millions still add up.
const UNITS_MAX: Decimal = Decimal::from_parts(1_661_992_960, 1_808_227_885, 5, false, 0);

/// More than the parts of a key take that are no text: numbers, tags, separators.
const KEY_PARTS_BYTES: usize = 64;

/// Bytes of the text by which a pool is named.
fn pool_bytes(pool: &Pool) -> usize {
    match pool {
        Pool::Institution(_) => 0,
        Pool::Chain(group) => group.len(),
    }
}

/// Whether every key and amount of a change can be kept.
pub(super) fn check_change(change: &Change) -> Result<(), StoreError> {
    for outcome in &change.outcomes {
        check_key(outcome.key.request_id.len() + KEY_PARTS_BYTES)?;
    }
    if let Some((key, _)) = &change.document {
        check_key(key.request_id.len() + KEY_PARTS_BYTES)?;
    }
    for question in change.awaited.iter().chain(&change.settled) {
        let AwaitedKey { pool, catalog_code, request, line: _ } = question;
        check_key(pool_bytes(pool) + catalog_code.len() + request.request_id.len() + KEY_PARTS_BYTES)?;
    }
    for (pool, catalog_code, units) in &change.sold {
        check_key(pool_bytes(pool) + catalog_code.len() + KEY_PARTS_BYTES)?;
        check_units(*units)?;
    }
    Ok(())
}

/// Whether every purchase record can be kept and counted for its pools.
pub(super) fn check_records(records: &[(PurchaseRecord, Option<String>)]) -> Result<(), StoreError> {
    for (record, chain) in records {
        check_key(record.identity().len())?;
        if let Some(group) = chain {
            check_key(group.len() + record.catalog_code.len() + KEY_PARTS_BYTES)?;
        }
        check_units(record.quantity)?;
    }
    Ok(())
}

/// Whether every registry row can be kept, and positions of the chain that an institution names.
pub(super) fn check_rows(rows: &[RegistryRow]) -> Result<(), StoreError> {
    for row in rows {
        check_key(row.identity().len())?;
        if let RegistryRow::Institution(institution) = row {
            check_key(pool_bytes(&institution.pool()) + KEY_PARTS_BYTES)?;
        }
    }
    Ok(())
}

/// Whether a change with so many encoded bytes can be logged.
pub(super) fn check_bytes(bytes: usize) -> Result<(), StoreError> {
    check(bytes as u64 <= CHANGE_BYTES_MAX, || {
        format!("{bytes} bytes in one change, at most {CHANGE_BYTES_MAX} are taken")
    })
}

fn check_key(bytes: usize) -> Result<(), StoreError> {
    check(bytes <= KEY_BYTES_MAX, || {
        format!("a name or number of {bytes} bytes, at most {KEY_BYTES_MAX} are taken")
    })
}

fn check_units(units: Decimal) -> Result<(), StoreError> {
    check(units.abs() <= UNITS_MAX, || format!("{units} units at once, at most {UNITS_MAX} are taken"))
}

fn check(fits: bool, why: impl FnOnce() -> String) -> Result<(), StoreError> {
    if fits { Ok(()) } else { Err(StoreError::Unfit(why())) }
}
