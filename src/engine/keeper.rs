//! Keeps the index complete: fills it at start, builds it anew where it has grown past its plan, saves it now and
//! then. The index itself knows no store; this is where the two are put together.

use super::{Engine, EngineError};
use crate::clock::Clock;
use crate::domain::code::CodeKey;
use crate::index::cases::CaseIndex;
use crate::index::{Index, Misfit};
use crate::store::{ClaimFollower, Codes, DossierTold, Store, StoreError};
use crate::telemetry::{self, IndexGauges};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the index is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How the index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// Where its filters are saved; `None` = nowhere.
    pub file: Option<PathBuf>,
    /// How often.
    pub save_every: Duration,
}

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It is being filled; look-ups go to the ledger meanwhile.
    Warming {
        /// Codes taken in.
        codes: u64,
        /// Codes in all, about.
        of: u64,
    },
    /// It holds every claim.
    Complete,
}

/// Passes the ledger's claims on.
struct Feed {
    index: Arc<Index>,
    cases: Arc<CaseIndex>,
    clock: Arc<dyn Clock>,
}

impl ClaimFollower for Feed {
    fn claimed<'a>(&self, up_to: u64, claims: &mut dyn Iterator<Item = (&'a CodeKey, &'a [u8])>) {
        self.index.record(up_to, claims);
    }

    fn dossiers_changed(&self, changed: &mut dyn Iterator<Item = DossierTold<'_>>) {
        self.cases.changed(changed.map(|told| (told.place, told.key, told.bytes)));
    }

    fn lost(&self) {
        self.index.forget();
    }

    fn covered(&self, age: Duration) {
        if let Ok(at) = self.clock.now().checked_sub(age) {
            self.index.covered(at);
        }
    }
}

/// Looks after one index.
pub struct IndexKeeper {
    index: Arc<Index>,
    cases: Arc<CaseIndex>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keeping: Keeping,
    state: watch::Sender<IndexState>,
}

impl std::fmt::Debug for IndexKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexKeeper").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Whoever looks after this engine's index; one at most.
    pub fn index_keeper(&self, keeping: Keeping) -> IndexKeeper {
        let (state, _) = watch::channel(IndexState::Warming { codes: 0, of: self.store.codes_about() });
        let (index, store) = (Arc::clone(&self.index), Arc::clone(&self.store));
        // Saved filters lack what others claimed since: where there are others, each start reads the ledger.
        let keeping = Keeping { file: keeping.file.filter(|_| !store.has_others()), ..keeping };
        let cases = Arc::clone(&self.case_index);
        IndexKeeper { index, cases, store, clock: Arc::clone(&self.clock), keeping, state }
    }
}

impl IndexKeeper {
    /// How far the index is; told of every change.
    pub fn state(&self) -> watch::Receiver<IndexState> {
        self.state.subscribe()
    }

    fn feed(&self) -> Arc<dyn ClaimFollower> {
        let cases = Arc::clone(&self.cases);
        Arc::new(Feed { index: Arc::clone(&self.index), cases, clock: Arc::clone(&self.clock) })
    }

    /// What the index is like now.
    pub fn gauges(&self) -> IndexGauges {
        let fill = self.index.fill();
        IndexGauges {
            codes: fill.codes,
            planned: fill.planned,
            filter_bytes: self.index.filter_bytes(),
            hot_codes: self.index.hot_codes(),
            complete: self.index.is_complete(),
        }
    }

    /// Fills the index and looks after it until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let looks_between_saves = (self.keeping.save_every.as_secs() / LOOK_EVERY.as_secs()).max(1);
        let mut looks_since_save = 0;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = self.look() => {}
                () = stop.cancelled() => return,
            }
            looks_since_save += 1;
            if looks_since_save >= looks_between_saves {
                looks_since_save = 0;
                self.save().await;
            }
        }
    }

    async fn look(&self) {
        let filled = if !self.index.is_complete() {
            self.warm().await
        } else if self.index.fill().is_overfull() {
            tracing::info!(fill = ?self.index.fill(), "the index is past its plan and is built anew");
            self.fill_from_ledger(self.index.fill().codes).await
        } else {
            Ok(())
        };
        if let Err(error) = filled {
            self.index.abandon_generation();
            tracing::warn!(%error, "the index could not be filled; look-ups go to the ledger");
        } else if !self.cases.is_complete()
            && let Err(error) = self.read_cases().await
        {
            tracing::warn!(%error, "cases could not be read; their list is not complete");
        }
        telemetry::index_is(self.gauges());
    }

    /// Fills the index for the first time: from saved filters where they fit, else from the ledger.
    async fn warm(&self) -> Result<(), StoreError> {
        match self.warm_from_file().await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the ledger does not reach back to the saved index"),
        }
        self.remove_saved();
        self.fill_from_ledger(self.store.codes_about()).await
    }

    async fn warm_from_file(&self) -> Result<bool, StoreError> {
        let Some(path) = self.keeping.file.clone() else { return Ok(false) };
        let index = Arc::clone(&self.index);
        let loaded = tokio::task::spawn_blocking(move || index.load(&path)).await;
        let saved = match loaded.map_err(|e| StoreError::Unreadable(e.to_string()))? {
            Ok(saved) => saved,
            Err(Misfit::Missing) => return Ok(false),
            Err(misfit) => {
                tracing::warn!(%misfit, "the saved index is not used");
                return Ok(false);
            }
        };
        let told_from = self.store.follow(self.feed()).await?;
        if saved.up_to > told_from {
            return Err(StoreError::Unreadable(format!(
                "the index was saved at {}, the ledger ends at {told_from}",
                saved.up_to
            )));
        }
        let late = self.take_in(self.store.codes_between(saved.up_to, told_from), 0).await?;
        self.complete(told_from);
        tracing::info!(
            saved = saved.codes,
            late,
            "the index is complete: saved filters, and what came since"
        );
        Ok(true)
    }

    /// Removes saved filters that do not fit. A ledger that was restored from a backup grows past the position that
    /// they name: at a later start they would seem to fit, and lack what was claimed in between.
    fn remove_saved(&self) {
        let Some(Err(error)) = self.keeping.file.as_ref().map(std::fs::remove_file) else { return };
        if error.kind() != std::io::ErrorKind::NotFound {
            tracing::warn!(%error, "the saved index does not fit and cannot be removed");
        }
    }

    /// Builds a generation from everything that the ledger holds.
    async fn fill_from_ledger(&self, codes: u64) -> Result<(), StoreError> {
        self.index.begin_generation(codes);
        let told_from = self.store.follow(self.feed()).await?;
        let taken = self.take_in(self.store.all_codes(), codes).await?;
        self.complete(told_from);
        tracing::info!(codes = taken, "the index is complete");
        Ok(())
    }

    /// Takes in every dossier; the ledger is followed already.
    async fn read_cases(&self) -> Result<(), StoreError> {
        let mut dossiers = self.store.all_dossiers();
        let mut count = 0;
        while let Some(batch) = dossiers.recv().await {
            let batch = batch?;
            self.cases.changed(batch.iter().map(|(place, row)| (*place, &row.key, &row.bytes)));
            count += batch.len();
        }
        self.cases.complete();
        tracing::info!(codes = count, "the list of cases is complete");
        Ok(())
    }

    async fn take_in(&self, mut codes: Codes, of: u64) -> Result<u64, StoreError> {
        let mut taken = 0;
        while let Some(batch) = codes.recv().await {
            let batch = batch?;
            self.index.add_old(&batch);
            taken += batch.len() as u64;
            if !self.index.is_complete() {
                self.state.send_replace(IndexState::Warming { codes: taken, of: of.max(taken) });
            }
        }
        Ok(taken)
    }

    fn complete(&self, told_from: u64) {
        self.index.finish_generation(told_from);
        self.state.send_replace(IndexState::Complete);
    }

    /// Saves the filters, where they are complete and have a place.
    pub async fn save(&self) {
        let Some(path) = self.keeping.file.clone().filter(|_| self.index.is_complete()) else { return };
        let index = Arc::clone(&self.index);
        let saved = tokio::task::spawn_blocking(move || index.save(&path)).await;
        match saved.map_err(|e| EngineError::Precondition(e.to_string())) {
            Ok(Ok(saved)) => tracing::debug!(codes = saved.codes, up_to = saved.up_to, "the index is saved"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the index could not be saved; the next start takes longer")
            }
            Err(error) => tracing::warn!(%error, "the index could not be saved; the next start takes longer"),
        }
    }
}
