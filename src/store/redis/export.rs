//! Everything that a deployment holds, for a move. The walk goes from partition to partition over what lies in buckets;
//! the rest, each under a key of its own, is found by asking every server for its keys.

use super::dossiers::read_moved;
use super::layout::{awaited_of, document_bucket};
use super::ledger::{Place, Read, Shown, shown};
use super::link::{Batch, LinkError, Tag};
use super::read::read_row;
use super::reply::{bytes_of, garbled, list_of};
use super::{RedisStore, Shared};
use crate::domain::outcome::{Outcome, RequestKey};
use crate::domain::party::Pool;
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::domain::registry::RegistryRow;
use crate::domain::tally::{Tally, TallyKey};
use crate::store::event::RegistryMoment;
use crate::store::moving::{
    Ended, Filling, PIECES_WAITING_MAX, Piece, Pieces, read_institution, read_position_name,
};
use crate::store::{ClaimLedger, DossierRow, StoreError};
use redis::Value as Reply;
use std::sync::Arc;
use tokio::sync::mpsc::{self, Sender};

/// Codes whose histories are fetched at once.
const CODES_AT_ONCE: usize = 512;
/// Keys that a server gives at once, about.
const KEYS_AT_ONCE: usize = 500;
/// What a claim or a document takes in a piece, about.
const ROW_BYTES: usize = 100;
/// Everything under a key of a partition.
const PARTITION_KEYS: &str = "{p:*";

impl From<LinkError> for Ended {
    fn from(error: LinkError) -> Self {
        Self::Failed(error.into())
    }
}

impl RedisStore {
    /// The walk over the partitions, then the rest.
    pub(super) fn export(&self, from: Option<u64>) -> Pieces {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let store = self.handle();
        tokio::spawn(async move {
            let mut out = Out { store, sender, filling: Filling::default() };
            let ended = out.everything(from).await;
            let Out { store, sender, .. } = out;
            // Before whoever takes the pieces can learn that there are no more: it may open the directory again.
            drop(store);
            match ended {
                Ok(()) => {}
                Err(Ended::Unread) => tracing::debug!("the rest of the store was not read"),
                Err(Ended::Failed(error)) => drop(sender.send(Err(error)).await),
            }
        });
        receiver
    }
}

/// An export under way.
struct Out {
    store: RedisStore,
    sender: Sender<Result<Piece, StoreError>>,
    filling: Filling,
}

impl Out {
    async fn everything(&mut self, from: Option<u64>) -> Result<(), Ended> {
        if let Some(from) = from {
            self.walk(from).await?;
        }
        self.registry().await?;
        self.records().await?;
        self.send(None).await
    }

    async fn send(&mut self, walked: Option<u64>) -> Result<(), Ended> {
        let piece = self.filling.take(walked);
        if piece == Piece::default() {
            return Ok(());
        }
        self.sender.send(Ok(piece)).await.map_err(|_| Ended::Unread)
    }

    async fn make_room(&mut self, bytes: usize, walked: Option<u64>) -> Result<(), Ended> {
        if self.filling.is_full_for(bytes) {
            self.send(walked).await?;
        }
        self.filling.count(bytes);
        Ok(())
    }

    /// Claims, documents and questions. A place of the walk is a number of groups of partitions.
    async fn walk(&mut self, from: u64) -> Result<(), Ended> {
        let groups = self.store.shared.ledger.layout.walk();
        for (done, partitions) in (0_u64..).zip(groups).skip(usize::try_from(from).unwrap_or(usize::MAX)) {
            for codes in self.store.shared.codes_of(&partitions).await?.chunks(CODES_AT_ONCE) {
                let histories = self.store.histories(codes).await?;
                for (key, history) in codes.iter().zip(histories) {
                    // A claim that was aborted has none.
                    let Some(history) = history else { continue };
                    self.make_room(ROW_BYTES * history.events.len(), Some(done)).await?;
                    self.filling.piece.rows.claims.push((key.clone(), history));
                }
            }
            self.documents(&partitions, done).await?;
            self.questions(&partitions, done).await?;
            self.send(Some(done + 1)).await?;
        }
        Ok(())
    }

    async fn documents(&mut self, partitions: &[Tag], walked: u64) -> Result<(), Ended> {
        let ledger = &self.store.shared.ledger;
        let mut batch = Batch::default();
        for tag in partitions {
            for bucket in 0..ledger.layout.buckets.documents {
                let mut cmd = redis::cmd("HKEYS");
                cmd.arg(document_bucket(*tag, bucket));
                batch.put(*tag, cmd);
            }
        }
        for reply in ledger.link.run(batch).await? {
            for field in list_of(reply)? {
                self.make_room(ROW_BYTES, Some(walked)).await?;
                let row = read_document(&field).ok_or_else(garbled)?;
                self.filling.piece.rows.documents.push(row);
            }
        }
        Ok(())
    }

    async fn questions(&mut self, partitions: &[Tag], walked: u64) -> Result<(), Ended> {
        let mut batch = Batch::default();
        for tag in partitions {
            let mut cmd = redis::cmd("HKEYS");
            cmd.arg(awaited_of(*tag));
            batch.put(*tag, cmd);
        }
        for reply in self.store.shared.ledger.link.run(batch).await? {
            for field in list_of(reply)? {
                self.make_room(field.len(), Some(walked)).await?;
                self.filling.piece.rows.awaited.push(read_row(&field)?);
            }
        }
        Ok(())
    }

    /// Registry rows, in pieces of their own, each with the version that they have in the end.
    async fn registry(&mut self) -> Result<(), Ended> {
        let loaded = self.store.shared.loaded().await?;
        let version = loaded.changed_at.map(|at| (loaded.version, RegistryMoment(at)));
        let mut rows: Vec<(String, RegistryRow)> = loaded.rows.into_iter().collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (identity, row) in rows {
            self.make_room(ROW_BYTES + identity.len(), None).await?;
            self.filling.piece.rows.registry_version = version;
            self.filling.piece.rows.registry.push(row);
        }
        self.send(None).await
    }

    /// Outcomes, purchases, positions and tallies. While nothing is removed a server gives every key, and each once.
    async fn records(&mut self) -> Result<(), Ended> {
        let shared = Arc::clone(&self.store.shared);
        let servers = shared.servers().await?;
        for (slot, _) in &servers {
            let mut cursor = b"0".to_vec();
            loop {
                let (next, keys) = shared.some_keys(*slot, &cursor).await?;
                let found = self.store.settled(|| shared.records_of(&keys)).await?;
                for record in found {
                    self.take(record).await?;
                }
                if next == b"0" {
                    break;
                }
                cursor = next;
            }
        }
        if servers != shared.servers().await? {
            let why = "a server was restarted or has taken over meanwhile, which may hide rows; run it again";
            return Err(StoreError::Away(why.to_owned()).into());
        }
        Ok(())
    }

    async fn take(&mut self, (bytes, record): (usize, Record)) -> Result<(), Ended> {
        self.make_room(bytes, None).await?;
        let piece = &mut self.filling.piece;
        match record {
            Record::Outcome(key, outcome) => piece.rows.outcomes.push((key, *outcome)),
            Record::Purchase(record) => self.filling.put_purchase(*record),
            Record::Dossier(row) => piece.rows.dossiers.push(row),
            Record::Position(pool, code, position) => piece.positions.push((pool, code, position)),
            Record::Tally(key, tally) => piece.tallies.push((key, tally)),
        }
        Ok(())
    }
}

/// What stands under a key of its own.
enum Record {
    Outcome(RequestKey, Box<Outcome>),
    Purchase(Box<PurchaseRecord>),
    Dossier(DossierRow),
    Position(Pool, String, Position),
    Tally(TallyKey, Tally),
}

impl Shared {
    /// Every server by one of its slots, with the name of its life: a cursor is good for one life only.
    async fn servers(&self) -> Result<Vec<(u16, String)>, LinkError> {
        let mut servers = Vec::new();
        for slot in self.ledger.link.slots_of_servers().await? {
            let mut cmd = redis::cmd("INFO");
            cmd.arg("server");
            let said = self.ledger.link.ask_at(slot, cmd).await?;
            let said = bytes_of(said)?.unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let life = said.lines().find(|line| line.starts_with("run_id:")).ok_or_else(garbled)?;
            servers.push((slot, life.to_owned()));
        }
        Ok(servers)
    }

    /// Some keys of a server, and the cursor for the next; `0` = there are no more.
    async fn some_keys(&self, slot: u16, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), LinkError> {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(cursor).arg("MATCH").arg(PARTITION_KEYS).arg("COUNT").arg(KEYS_AT_ONCE);
        let Reply::Array(parts) = self.ledger.link.ask_at(slot, cmd).await? else { return Err(garbled()) };
        let mut parts = parts.into_iter();
        let next = bytes_of(parts.next().unwrap_or(Reply::Nil))?.ok_or_else(garbled)?;
        Ok((next, list_of(parts.next().unwrap_or(Reply::Nil))?))
    }

    /// The records among keys, with their sizes; `None` = somebody's decision is not known yet.
    async fn records_of(&self, keys: &[Vec<u8>]) -> Result<Read<Vec<(usize, Record)>>, StoreError> {
        let (mut cells, mut names, mut tallies) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            match read_key(key) {
                Some((_, b's', name)) => names.push(read_position_name(name).ok_or_else(garbled)?),
                Some((_, b't', name)) => tallies.push(TallyKey::unpack(name).ok_or_else(garbled)?),
                Some((tag, kind @ (b'o' | b'b' | b'x'), name)) => {
                    cells.push((kind, name, Place::Record(tag, key.clone())));
                }
                Some(_) | None => {}
            }
        }
        let positions = self.accounts.positions(&names).await?;
        let positions = names.into_iter().zip(positions);
        let of_position = |((pool, code), position)| (ROW_BYTES, Record::Position(pool, code, position));
        let mut found: Vec<_> = positions.map(of_position).collect();
        let sums = self.accounts.tallies(&tallies).await?;
        let of_tally = |(key, tally)| (ROW_BYTES, Record::Tally(key, tally));
        found.extend(tallies.into_iter().zip(sums).map(of_tally));
        let places: Vec<_> = cells.iter().map(|(_, _, place)| place).collect();
        let standing = self.ledger.cells(&places).await?;
        let decided = self.ledger.decided(standing.iter().flatten()).await?;
        for ((kind, name, _), cell) in cells.iter().zip(standing) {
            let value = match shown(cell.as_ref(), &decided) {
                Shown::Undecided(id) => return Ok(Read::Undecided(id)),
                Shown::Nothing => continue,
                Shown::This(value) => value,
            };
            let (version, bytes) = value.stored().ok_or_else(garbled)?;
            let record = match kind {
                b'b' => Record::Purchase(Box::new(read_row(bytes)?)),
                b'x' => Record::Dossier(read_moved(name, version, bytes)?),
                _ => Record::Outcome(read_request(name).ok_or_else(garbled)?, Box::new(read_row(bytes)?)),
            };
            found.push((bytes.len(), record));
        }
        Ok(Read::Known(found))
    }
}

/// Partition, kind and name of a key under a partition: `{p:0001}o:NAME`.
fn read_key(key: &[u8]) -> Option<(Tag, u8, &[u8])> {
    let rest = key.strip_prefix(b"{p:")?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    let [kind, b':', name @ ..] = rest.strip_prefix(b"}")? else { return None };
    Some((Tag::Partition(number), *kind, name))
}

fn read_request(name: &[u8]) -> Option<RequestKey> {
    let (institution, id) = read_institution(name)?;
    Some(RequestKey { institution, request_id: std::str::from_utf8(id).ok()?.to_owned() })
}

/// Request and document of a field among the requests of documents.
fn read_document(field: &[u8]) -> Option<(RequestKey, u64)> {
    let (institution, rest) = read_institution(field)?;
    let (document, id) = rest.split_first_chunk::<8>()?;
    let request_id = std::str::from_utf8(id).ok()?.to_owned();
    Some((RequestKey { institution, request_id }, u64::from_be_bytes(*document)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_records_read_back() {
        let key = b"{p:0012}o:\x00name";
        let (tag, kind, name) = read_key(key).unwrap();
        assert_eq!((tag, kind, name), (Tag::Partition(12), b'o', b"\x00name".as_slice()));
        for other in ["{p:0012}w", "{g:00001}open", "{tracegate}head", "{p:001}o:x", "p:0012"] {
            assert!(read_key(other.as_bytes()).is_none(), "{other}");
        }
    }
}
