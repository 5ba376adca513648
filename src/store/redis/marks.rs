//! Up to where each partition holds what this gateway logged. The mark stands in the partition itself and is written
//! after the claims: a server that loses its last writes loses the mark first, and says so by an older one.

use super::Shared;
use super::decision::DecisionId;
use super::layout::{PARTITIONS, partitions};
use super::link::{Batch, LinkError, Tag};
use super::reply::bytes_of;
use crate::domain::claim::PaperKey;
use crate::store::directory::write_durably;
use crate::store::{LogEvent, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The copy beside the log.
const MARKS_FILE: &str = "marks";

/// Partitions with the position from which on something of this gateway's log is missing.
pub(super) type Lost = BTreeMap<u16, u64>;

/// The marks of one gateway.
#[derive(Default)]
pub(super) struct Marks {
    touched: Mutex<BTreeSet<u16>>,
    written: Mutex<BTreeMap<u16, u64>>,
}

impl Marks {
    /// The marks that an earlier life wrote; none where there is no copy.
    pub fn open(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join(MARKS_FILE)).unwrap_or_default();
        let mark = |line: &str| {
            let (partition, position) = line.split_once(' ')?;
            Some((partition.parse().ok()?, position.parse().ok()?))
        };
        let written = text.lines().filter_map(mark).collect();
        Self { touched: Mutex::default(), written: Mutex::new(written) }
    }

    fn written(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, u64>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was put into partitions.
    pub fn touch(&self, tags: impl Iterator<Item = Tag>) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.extend(tags.filter_map(number_of));
    }

    /// Keeps a copy beside the log.
    pub fn save(&self, dir: &Path) {
        let lines: Vec<_> = self.written().iter().map(|(p, at)| format!("{p} {at}")).collect();
        if let Err(error) = write_durably(dir, MARKS_FILE, &lines.join("\n")) {
            tracing::warn!(%error, "the marks were not saved; the next start trusts Redis further back");
        }
    }
}

const fn number_of(tag: Tag) -> Option<u16> {
    match tag {
        Tag::Partition(number) => Some(number),
        Tag::Gateway(_) | Tag::Registry | Tag::Deployment => None,
    }
}

fn key_of(tag: Tag) -> Vec<u8> {
    tag.key("m")
}

impl Shared {
    /// The partitions in which an event puts something.
    pub fn partitions_of<H, O>(&self, id: DecisionId, event: &LogEvent<H, O>) -> Vec<Tag> {
        let layout = &self.ledger.layout;
        let mut tags = vec![layout.decision(id).tag];
        tags.extend(event.claims.iter().map(|(key, _)| layout.claim(key).tag));
        tags.extend(event.outcomes.iter().map(|(key, _)| layout.outcome(key).0));
        tags.extend(event.dossiers.iter().map(|row| layout.dossier(&row.key).0));
        tags.extend(event.purchases.iter().map(|record| layout.purchase(&record.identity()).0));
        let document = |(key, document): &(crate::domain::outcome::RequestKey, u64)| {
            layout.requests(key.institution, PaperKey(*document)).tag
        };
        tags.extend(event.documents.iter().map(document));
        tags.extend(event.adds.iter().map(|(pool, code, _)| layout.balance(pool, code).0));
        tags.extend(event.tallies.iter().map(|(key, _)| layout.tally(key).0));
        let questions = event.awaited.iter().chain(&event.settled);
        tags.extend(questions.map(|question| layout.awaited(&question.pool, &question.catalog_code).0));
        tags
    }

    /// Writes the marks of all partitions that were touched.
    pub async fn write_marks(&self) -> Result<(), LinkError> {
        let position = self.logged_up_to();
        let touched = std::mem::take(&mut *self.marks.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let mut batch = Batch::default();
        for number in &touched {
            let tag = Tag::Partition(*number);
            let mut cmd = redis::cmd("HSET");
            cmd.arg(key_of(tag)).arg(self.gateway).arg(position);
            batch.put(tag, cmd);
        }
        if let Err(error) = self.ledger.link.run(batch).await {
            self.marks.touch(touched.into_iter().map(Tag::Partition));
            return Err(error);
        }
        self.marks.written().extend(touched.into_iter().map(|number| (number, position)));
        Ok(())
    }

    /// The partitions that lost something since their mark was written.
    pub async fn find_lost(&self) -> Result<Lost, StoreError> {
        let expected = self.marks.written().clone();
        let mut batch = Batch::default();
        for tag in partitions() {
            let mut cmd = redis::cmd("HGET");
            cmd.arg(key_of(tag)).arg(self.gateway);
            batch.put(tag, cmd);
        }
        let mut lost = Lost::new();
        for (number, reply) in (0..PARTITIONS).zip(self.ledger.link.run(batch).await?) {
            let bytes = bytes_of(reply)?;
            let stands = bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0);
            if expected.get(&number).is_some_and(|expected| *expected > stands) {
                lost.insert(number, stands);
            }
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::open(dir.path());
        assert!(marks.written().is_empty());
        marks.written().extend([(3, 77), (1023, u64::MAX)]);
        marks.save(dir.path());
        assert_eq!(*Marks::open(dir.path()).written(), BTreeMap::from([(3, 77), (1023, u64::MAX)]));
        std::fs::write(dir.path().join(MARKS_FILE), "x\n1 2\n9").unwrap();
        assert_eq!(*Marks::open(dir.path()).written(), BTreeMap::from([(1, 2)]));
    }
}
