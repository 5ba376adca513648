//! Purchase records: each stands once under its identity, and what it adds to positions is added with it.

use super::Shared;
use super::cell::Value;
use super::layout::Layout;
use super::ledger::{Place, Shown, shown};
use super::read::read_row;
use super::transaction::{DECISION_LOOK_EVERY, Intent, Wanted};
use super::work::Work;
use crate::domain::purchase::PurchaseRecord;
use crate::store::derive::{add_record, load_status};
use crate::store::fit::check_records;
use crate::store::{CommitError, LoadStatus, LogEvent, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// How often a load is tried again because others changed the same records.
const ATTEMPTS_MAX: usize = 32;

/// A record as it stands.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub version: Option<u32>,
    pub record: Option<PurchaseRecord>,
}

/// A record in the place of the one that has the expected version.
pub(super) fn intent_of(
    layout: &Layout,
    record: &PurchaseRecord,
    expected: Option<u32>,
) -> Result<Intent, StoreError> {
    let bytes = postcard::to_stdvec(record).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    let version = expected.map_or(1, |version| version.saturating_add(1));
    let (tag, key) = layout.purchase(&record.identity());
    Ok(Intent { place: Place::Record(tag, key), expected, wanted: Wanted::Stored { version, bytes } })
}

impl Shared {
    /// Adds records.
    pub async fn add_purchases(
        self: &Arc<Self>,
        records: Vec<(PurchaseRecord, Option<String>)>,
    ) -> Result<Vec<LoadStatus>, CommitError> {
        check_records(&records)?;
        self.takes_changes()?;
        for _ in 0..ATTEMPTS_MAX {
            let (work, statuses) = match self.purchase_work(&records).await {
                Ok(work) => work,
                Err(StoreError::Undecided) => {
                    // signal: Redis tells nobody when a decision is made.
                    tokio::time::sleep(DECISION_LOOK_EVERY).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match self.make(work).await {
                Ok(()) => return Ok(statuses),
                Err(CommitError::Conflict | CommitError::Undecided) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CommitError::Undecided)
    }

    async fn purchase_work(
        &self,
        records: &[(PurchaseRecord, Option<String>)],
    ) -> Result<(Work, Vec<LoadStatus>), StoreError> {
        let identities = records.iter().map(|(record, _)| record.identity()).collect();
        let mut known = self.known_records(identities).await?;
        let mut event = LogEvent::default();
        let mut statuses = Vec::with_capacity(records.len());
        for (record, chain) in records {
            let row = known.entry(record.identity()).or_default();
            let status = load_status(row.record.as_ref(), record);
            if status != LoadStatus::Unchanged {
                add_record(&mut event, record, row.record.as_ref(), chain.clone());
                event.purchases.push(record.clone());
                row.record = Some(record.clone());
            }
            statuses.push(status);
        }
        let mut changed: HashMap<String, &PurchaseRecord> = HashMap::new();
        for record in &event.purchases {
            changed.insert(record.identity(), record);
        }
        let mut intents = Vec::with_capacity(changed.len());
        for (identity, record) in changed {
            let expected = known.get(&identity).and_then(|row| row.version);
            intents.push(intent_of(&self.ledger.layout, record, expected)?);
        }
        Ok((Work::of_event(intents, None, event)?, statuses))
    }

    pub async fn known_records(&self, identities: Vec<String>) -> Result<HashMap<String, Known>, StoreError> {
        let place = |identity: &String| {
            let (tag, key) = self.ledger.layout.purchase(identity);
            Place::Record(tag, key)
        };
        let places: Vec<_> = identities.iter().map(place).collect();
        let cells = self.ledger.cells(&places.iter().collect::<Vec<_>>()).await?;
        let decided = self.ledger.decided(cells.iter().flatten()).await?;
        let mut known = HashMap::with_capacity(identities.len());
        for (identity, cell) in identities.into_iter().zip(cells) {
            let row = match shown(cell.as_ref(), &decided) {
                Shown::Undecided(_) => return Err(StoreError::Undecided),
                Shown::Nothing | Shown::This(Value::Facts(_)) => Known::default(),
                Shown::This(Value::Stored { version, bytes, .. }) => {
                    Known { version: Some(version), record: Some(read_row(&bytes)?) }
                }
            };
            known.insert(identity, row);
        }
        Ok(known)
    }
}
