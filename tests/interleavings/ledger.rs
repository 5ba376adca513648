//! A model of the ledger: one writer, who tells a follower before the tables, and the tables before the answer.

use crate::domain::claim::{Event, History, MovementEvent, MovementKind};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::party::InstitutionCode;
use crate::index::Index;
use jiff::Timestamp;
use shuttle::sync::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The n-th code.
pub fn code(n: u64) -> CodeKey {
    match read(&format!("8300385{n:013}"), &ScanRules::default()) {
        Scan::Code(code) => code.key(),
        other => panic!("no code: {other:?}"),
    }
}

fn history(version: u32) -> History {
    let event = Event::Movement(MovementEvent {
        institution: InstitutionCode::parse("P13010200001").unwrap(),
        destination: None,
        kind: MovementKind::StockIn,
        occurred_at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
    });
    (0..version).fold(History::default(), |history, _| history.with(event.clone()))
}

#[derive(Default)]
struct Writer {
    log_end: u64,
    follower: Option<Arc<Index>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    /// Held for a whole group, as the one writer thread does.
    writer: Arc<Mutex<Writer>>,
    tables: Arc<Mutex<BTreeMap<u64, u32>>>,
}

impl Ledger {
    pub fn new() -> Self {
        Self {
            writer: Arc::new(Mutex::new(Writer::default())),
            tables: Arc::new(Mutex::new(BTreeMap::new())),
        }
    }

    /// Claims codes in one group; returning is the answer.
    pub fn commit(&self, codes: &[u64], version: u32) {
        let mut writer = self.writer.lock().unwrap();
        writer.log_end += 1;
        let claims: Vec<_> = codes.iter().map(|n| (code(*n), history(version).stored().unwrap())).collect();
        if let Some(index) = &writer.follower {
            index.record(writer.log_end, claims.iter().map(|(key, history)| (key, history.as_slice())));
        }
        for n in codes {
            self.tables.lock().unwrap().insert(*n, version);
        }
    }

    /// Between two groups.
    pub fn follow(&self, index: Arc<Index>) -> u64 {
        let mut writer = self.writer.lock().unwrap();
        writer.follower = Some(index);
        writer.log_end
    }

    /// What anybody can read; 0 = nothing.
    pub fn version(&self, n: u64) -> u32 {
        self.tables.lock().unwrap().get(&n).copied().unwrap_or(0)
    }

    /// Every code in the tables, one look at a time.
    pub fn codes(&self) -> Vec<CodeKey> {
        let tables = self.tables.lock().unwrap().clone();
        tables.into_keys().map(code).collect()
    }
}
