//! A move into a directory: pieces go through the writer like every change, so that log and tables say the same.

use super::EmbeddedStore;
use super::prepare::{Prepared, Proposed};
use super::tables::{REGISTRY_VERSION, get};
use super::writer::Job;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::registry::RegistryRow;
use crate::store::event::RegistryMoment;
use crate::store::moving::{Movable, MoveError, Piece, Pieces, adds_for, is_missing, missing_of_tallies};
use crate::store::{Answering, LogEvent, StoreError};

impl Movable for EmbeddedStore {
    fn secret(&self) -> [u8; 16] {
        self.secret
    }

    fn quieten(&self) -> Answering<'_, Result<(), MoveError>> {
        // Its lock proves that nobody else works with it, and what is in it is decided.
        Box::pin(async { Ok(()) })
    }

    fn walk_end(&self) -> u64 {
        self.view.end()
    }

    fn pieces(&self, from: Option<u64>) -> Pieces {
        self.export(from)
    }

    fn rows(&self) -> Pieces {
        self.export_tables()
    }

    fn put_piece(&self, piece: Piece) -> Answering<'_, Result<(), MoveError>> {
        Box::pin(async move {
            let event = self.missing(piece)?;
            if event.is_empty() {
                return Ok(());
            }
            let proposed = Box::new(Proposed::of(Prepared::of_event(event)?, &self.view)?);
            Ok(self.ask(|reply| Job::Commit(proposed, reply)).await?)
        })
    }

    fn moved_in(&self) -> Answering<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl EmbeddedStore {
    /// What does not stand yet of a piece. Documents and questions change nothing where they stand already.
    fn missing(&self, piece: Piece) -> Result<LogEvent, MoveError> {
        let Piece { mut rows, positions, tallies, walked: _ } = piece;
        let (view, tables) = (&self.view, &self.view.tables);
        let mut claims = Vec::with_capacity(rows.claims.len());
        for (key, history) in rows.claims {
            let what = || format!("the history of code {key}");
            if is_missing(&history, view.history(&key)?.as_ref(), what)? {
                claims.push((key, history));
            }
        }
        let mut outcomes = Vec::with_capacity(rows.outcomes.len());
        for (key, outcome) in rows.outcomes {
            let what = || format!("the outcome of request {} of {}", key.request_id, key.institution);
            if is_missing(&outcome, view.outcome(&key)?.as_ref(), what)? {
                outcomes.push((key, outcome));
            }
        }
        let mut dossiers = Vec::with_capacity(rows.dossiers.len());
        for row in rows.dossiers {
            let stands = view.dossier_row(&row.key)?;
            if is_missing(&row, stands.as_ref(), || format!("the cases of code {}", row.key))? {
                dossiers.push(row);
            }
        }
        let mut purchases = Vec::with_capacity(rows.purchases.len());
        for record in rows.purchases {
            let stands: Option<PurchaseRecord> = get(&tables.purchases, record.identity().as_bytes())?;
            if is_missing(&record, stands.as_ref(), || format!("purchase {}", record.order_no))? {
                purchases.push(record);
            }
        }
        let mut registry = Vec::with_capacity(rows.registry.len());
        for row in rows.registry {
            let identity = row.identity();
            let stands: Option<RegistryRow> = get(&tables.registry, identity.as_bytes())?;
            if is_missing(&row, stands.as_ref(), || format!("registry row {identity:?}"))? {
                registry.push(row);
            }
        }
        if let Some(version) = &rows.registry_version {
            let stands: Option<(u64, RegistryMoment)> = get(&tables.meta, REGISTRY_VERSION)?;
            is_missing(version, stands.as_ref(), || "the registry's version".to_owned())?;
        }
        rows.registry_version = rows.registry_version.filter(|_| !registry.is_empty());
        let stand: Result<Vec<_>, StoreError> =
            positions.iter().map(|(pool, code, _)| Ok(view.position(pool, code)?.position)).collect();
        let adds = adds_for(positions, &stand?);
        let stand: Result<Vec<_>, StoreError> =
            tallies.iter().map(|(key, _)| Ok(view.tally(key)?.tally)).collect();
        let tallies = missing_of_tallies(tallies, &stand?);
        Ok(LogEvent { claims, outcomes, purchases, registry, adds, dossiers, tallies, ..rows })
    }
}
