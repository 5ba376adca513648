//! Everything that a directory holds, for a move. The walk follows the log, so that what one document left comes
//! together: of every event it gives what still stands. What is read back to be compared comes from the tables.

use super::dossiers::row_of;
use super::layer::OutcomePlace;
use super::tables::{PositionRow, REGISTRY_VERSION, TallyRow, awaited_key, decode, get, unreadable};
use super::view::View;
use super::{EmbeddedStore, log_dir};
use crate::domain::code::CodeKey;
use crate::domain::outcome::RequestKey;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::tally::TallyKey;
use crate::store::event::RegistryMoment;
use crate::store::log::{self, OpenError};
use crate::store::moving::{
    Ended, Filling, PIECES_WAITING_MAX, Piece, Pieces, read_institution, read_position_name,
};
use crate::store::{LogEvent, StoreError};
use fjall::Guard;
use std::path::Path;
use tokio::sync::mpsc::{self, Sender};

impl EmbeddedStore {
    /// The walk over the log, then the rest.
    pub(super) fn export(&self, from: Option<u64>) -> Pieces {
        let dir = log_dir(&self.dir);
        self.read_out(move |out| {
            if let Some(from) = from {
                out.walk(&dir, from)?;
            }
            out.registry()?;
            out.positions()?;
            out.tallies()
        })
    }

    /// Every row of every table.
    pub(super) fn export_tables(&self) -> Pieces {
        self.read_out(|out| {
            if out.view.layers().iter().any(|layer| layer.weight() > 0) {
                let why = "what was changed since the store was opened is not in the tables";
                return Err(StoreError::Unreadable(why.to_owned()).into());
            }
            out.claims()?;
            out.outcomes()?;
            out.documents()?;
            out.dossiers()?;
            out.purchases()?;
            out.awaited()?;
            out.registry()?;
            out.positions()?;
            out.tallies()
        })
    }

    fn read_out(&self, read: impl FnOnce(&mut Out) -> Result<(), Ended> + Send + 'static) -> Pieces {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let mut out = Out { view: self.view.clone(), sender, filling: Filling::default() };
        tokio::task::spawn_blocking(move || {
            let ended = read(&mut out).and_then(|()| out.send(None));
            let Out { view, sender, .. } = out;
            // Before whoever takes the pieces can learn that there are no more: it may open the directory again.
            drop(view);
            match ended {
                Ok(()) => {}
                Err(Ended::Unread) => tracing::debug!("the rest of the store was not read"),
                Err(Ended::Failed(error)) => drop(sender.blocking_send(Err(error))),
            }
        });
        receiver
    }
}

/// An export under way.
struct Out {
    view: View,
    sender: Sender<Result<Piece, StoreError>>,
    filling: Filling,
}

impl Out {
    fn send(&mut self, walked: Option<u64>) -> Result<(), Ended> {
        let piece = self.filling.take(walked);
        if piece == (Piece { walked, ..Piece::default() }) && walked.is_none() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(piece)).map_err(|_| Ended::Unread)
    }

    /// Makes room for a row of so many bytes.
    fn make_room(&mut self, bytes: usize, walked: Option<u64>) -> Result<(), Ended> {
        if self.filling.is_full_for(bytes) {
            self.send(walked)?;
        }
        self.filling.count(bytes);
        Ok(())
    }

    fn walk(&mut self, dir: &Path, from: u64) -> Result<(), Ended> {
        let damaged = |error: OpenError| StoreError::Unreadable(error.to_string());
        let end = self.view.end();
        if from >= end {
            return Ok(());
        }
        let mut reached = from;
        for group in log::read_from(dir, from).map_err(damaged)?.until(end) {
            let group = group.map_err(damaged)?;
            for (at, bytes) in group.payloads() {
                let garbled = |error| StoreError::Unreadable(format!("log position {at}: {error}"));
                let event = LogEvent::decode(bytes).map_err(garbled)?;
                // A place lies between groups: of one that is cut, all is looked at again after an interruption.
                self.make_room(bytes.len(), Some(reached))?;
                self.take_standing(event)?;
            }
            reached = group.end;
        }
        self.send(Some(end))
    }

    /// What still stands of an event. A version is written once: where it stands, all of it is as it was logged.
    fn take_standing(&mut self, event: LogEvent) -> Result<(), StoreError> {
        let view = &self.view;
        for (key, history) in event.claims {
            if view.claim_version(&key)? == Some(history.version) {
                self.filling.piece.rows.claims.push((key, history));
            }
        }
        for (key, outcome) in event.outcomes {
            if view.outcome_version(&key)? == Some(outcome.version) {
                self.filling.piece.rows.outcomes.push((key, outcome));
            }
        }
        self.filling.piece.rows.documents.extend(event.documents);
        for row in event.dossiers {
            if view.dossier_version(&row.key)? == Some(row.version) {
                self.filling.piece.rows.dossiers.push(row);
            }
        }
        for record in event.purchases {
            let stands: Option<PurchaseRecord> = get(&view.tables.purchases, record.identity().as_bytes())?;
            if stands.as_ref() == Some(&record) {
                self.filling.put_purchase(record);
            }
        }
        for question in event.awaited {
            let key = awaited_key(&question);
            if view.tables.awaited.contains_key(key).map_err(unreadable)? {
                self.filling.piece.rows.awaited.push(question);
            }
        }
        Ok(())
    }

    fn claims(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.claims.clone().iter() {
            let (key, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            let key = CodeKey::from_bytes(&key).ok_or_else(|| garbled("a claim"))?;
            self.filling.piece.rows.claims.push((key, decode(&value)?));
        }
        Ok(())
    }

    fn outcomes(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.outcomes.clone().iter() {
            let (key, value) = row(guard)?;
            let place: OutcomePlace = decode(&value)?;
            self.make_room(place.bytes as usize, None)?;
            let (institution, id) = read_institution(&key).ok_or_else(|| garbled("an outcome"))?;
            let key = RequestKey { institution, request_id: text(id)? };
            let outcome = self.view.outcome(&key)?.ok_or_else(|| garbled("an outcome"))?;
            self.filling.piece.rows.outcomes.push((key, outcome));
        }
        Ok(())
    }

    fn documents(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.documents.clone().iter() {
            let (key, _) = row(guard)?;
            self.make_room(key.len(), None)?;
            let read = || {
                let (institution, rest) = read_institution(&key)?;
                let (document, id) = rest.split_first_chunk::<8>()?;
                Some((institution, u64::from_be_bytes(*document), id))
            };
            let (institution, document, id) = read().ok_or_else(|| garbled("a document"))?;
            let key = RequestKey { institution, request_id: text(id)? };
            self.filling.piece.rows.documents.push((key, document));
        }
        Ok(())
    }

    fn dossiers(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.dossiers.clone().iter() {
            let (key, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            let key = CodeKey::from_bytes(&key).ok_or_else(|| garbled("a dossier"))?;
            let (_, row) = row_of(key, &value)?;
            self.filling.piece.rows.dossiers.push(row);
        }
        Ok(())
    }

    fn purchases(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.purchases.clone().iter() {
            let (_, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            self.filling.put_purchase(decode(&value)?);
        }
        Ok(())
    }

    fn awaited(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.awaited.clone().iter() {
            let (_, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            self.filling.piece.rows.awaited.push(decode(&value)?);
        }
        Ok(())
    }

    /// Rows, each piece with the version that they have in the end.
    fn registry(&mut self) -> Result<(), Ended> {
        // In pieces of their own.
        self.send(None)?;
        let version: Option<(u64, RegistryMoment)> = get(&self.view.tables.meta, REGISTRY_VERSION)?;
        for guard in self.view.tables.registry.clone().iter() {
            let (_, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            self.filling.piece.rows.registry_version = version;
            self.filling.piece.rows.registry.push(decode(&value)?);
        }
        self.send(None)
    }

    fn positions(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.positions.clone().iter() {
            let (key, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            let (pool, code) = read_position_name(&key).ok_or_else(|| garbled("a position"))?;
            let PositionRow { position, .. } = decode(&value)?;
            self.filling.piece.positions.push((pool, code, position));
        }
        Ok(())
    }

    fn tallies(&mut self) -> Result<(), Ended> {
        for guard in self.view.tables.tallies.clone().iter() {
            let (key, value) = row(guard)?;
            self.make_room(value.len(), None)?;
            let key = TallyKey::unpack(&key).ok_or_else(|| garbled("a tally"))?;
            let TallyRow { tally, .. } = decode(&value)?;
            self.filling.piece.tallies.push((key, tally));
        }
        Ok(())
    }
}

fn row(guard: Guard) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
    let (key, value) = guard.into_inner().map_err(unreadable)?;
    Ok((key.to_vec(), value.to_vec()))
}

fn garbled(what: &str) -> StoreError {
    StoreError::Unreadable(format!("{what} stands under a key that cannot be read"))
}

fn text(bytes: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| garbled("an outcome or a document"))
}
