//! Writes full layers to the tables, in a thread of its own: each table gets its rows as one sorted run, then the
//! watermark follows. Safe to repeat: rows say what stands, not what changed.

use super::dossiers::put_dossier_row;
use super::layer::{DossierEntry, Layer};
use super::tables::{Tables, document_key, encode, outcome_key, position_key, unreadable, yield_to_requests};
use super::view::View;
use crate::domain::outcome::RequestKey;
use crate::store::StoreError;
use bytes::Bytes;
use fjall::{Keyspace, PersistMode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A row of a table: key and value.
type Row = (Vec<u8>, Vec<u8>);

/// The thread that writes layers; one layer at a time.
pub(super) struct Flusher {
    layers: Option<Sender<(Arc<Layer>, u64)>>,
    /// One answer for each layer.
    written: Receiver<Result<(), StoreError>>,
    under_way: bool,
    failed: Option<StoreError>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub fn start(view: View) -> std::io::Result<Self> {
        let (layers, waiting) = channel::<(Arc<Layer>, u64)>();
        let (tell, written) = channel();
        let work = move || {
            yield_to_requests();
            while let Ok((layer, end)) = waiting.recv() {
                let result = view.tables.write_layer(&layer, end);
                if result.is_ok() {
                    view.thaw();
                }
                if tell.send(result).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("ledger-tables".to_owned()).spawn(work)?;
        Ok(Self { layers: Some(layers), written, under_way: false, failed: None, thread: Some(thread) })
    }

    /// Freezes what is in memory and has it written. Waits while the layer before is being written.
    pub fn flush(&mut self, view: &View) -> Result<(), StoreError> {
        self.wait()?;
        let end = view.end();
        if end > view.active().from
            && let Some(layer) = view.freeze()
        {
            self.under_way = true;
            let sent = self.layers.as_ref().is_some_and(|layers| layers.send((layer, end)).is_ok());
            if !sent {
                return self.came_out(Err(ended()));
            }
        }
        Ok(())
    }

    /// Waits until nothing is being written.
    pub fn wait(&mut self) -> Result<(), StoreError> {
        if !self.under_way {
            return self.failed.clone().map_or(Ok(()), Err);
        }
        let result = self.written.recv().unwrap_or_else(|_| Err(ended()));
        self.came_out(result)
    }

    /// Whether writing has failed, as far as is known by now.
    pub fn check(&mut self) -> Result<(), StoreError> {
        match self.written.try_recv() {
            Ok(result) => self.came_out(result),
            Err(_) => self.failed.clone().map_or(Ok(()), Err),
        }
    }

    /// After a failure the layer stays where it is read, and no other is taken.
    fn came_out(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.under_way = false;
        self.failed = result.as_ref().err().cloned();
        result
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.layers.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the tables ended in a panic");
        }
    }
}

fn ended() -> StoreError {
    StoreError::Unreadable("the thread that writes the tables has ended".to_owned())
}

impl Tables {
    /// Writes a layer; `end` = the position in the log after it.
    pub fn write_layer(&self, layer: &Layer, end: u64) -> Result<(), StoreError> {
        put_run(
            &self.claims,
            layer.claims.iter().map(|row| (row.key().clone(), row.bytes.clone())).collect(),
        )?;
        let outcomes = layer.outcomes.iter().map(|row| Ok((outcome_key(row.key()), encode(&row.place)?)));
        put_run(&self.outcomes, outcomes.collect::<Result<_, StoreError>>()?)?;
        put_run(&self.documents, documents(layer))?;
        // Before the rows: whoever finds none in memory asks here whether to look for one in the table.
        let keys = layer.dossiers.iter().map(|row| row.key().clone());
        self.with_dossier.add(layer.dossiers.len(), keys);
        let dossiers = layer.dossiers.iter().map(|row| (row.key().clone(), row.value().clone()));
        put_run(&self.dossiers, dossiers.collect())?;
        put_run(&self.positions, positions(layer)?)?;
        let tallies = layer.tallies.iter().map(|row| Ok((row.key().packed(), encode(row.value())?)));
        put_run(&self.tallies, tallies.collect::<Result<_, StoreError>>()?)?;
        // What was put into the other tables one by one must be on disk before the watermark says so.
        self.db.persist(PersistMode::SyncAll).map_err(unreadable)?;
        self.put_watermark(end)
    }
}

fn documents(layer: &Layer) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in &layer.documents {
        let (institution, document) = *entry.key();
        for request_id in entry.value() {
            let key = RequestKey { institution, request_id: request_id.clone() };
            rows.push((document_key(&key, document), Vec::new()));
        }
    }
    rows
}

fn positions(layer: &Layer) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for entry in &layer.positions {
        for (catalog_code, row) in entry.value() {
            rows.push((position_key(entry.key(), catalog_code), encode(row)?));
        }
    }
    Ok(rows)
}

/// What a row says.
trait Value {
    /// Its bytes; `room` is for those that are put together first, so that not every row takes memory of its own.
    fn bytes<'a>(&'a self, room: &'a mut Vec<u8>) -> &'a [u8];
}

impl Value for Vec<u8> {
    fn bytes<'a>(&'a self, _: &'a mut Vec<u8>) -> &'a [u8] {
        self
    }
}

impl Value for Bytes {
    fn bytes<'a>(&'a self, _: &'a mut Vec<u8>) -> &'a [u8] {
        self
    }
}

impl Value for DossierEntry {
    fn bytes<'a>(&'a self, room: &'a mut Vec<u8>) -> &'a [u8] {
        room.clear();
        put_dossier_row(self, room);
        room
    }
}

/// Puts rows into a table as one run. Keys must sort as their bytes do.
fn put_run<K: AsRef<[u8]> + Ord, V: Value>(
    table: &Keyspace,
    mut rows: Vec<(K, V)>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut run = table.start_ingestion().map_err(unreadable)?;
    let mut written = Vec::new();
    for (key, value) in rows {
        run.write(key.as_ref(), value.bytes(&mut written)).map_err(unreadable)?;
    }
    run.finish().map_err(unreadable)
}
