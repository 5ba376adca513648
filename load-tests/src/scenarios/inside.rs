//! An engine in the driver's own process, with what it needs around it, and the province loaded into it. Must not
//! know what is measured.

use crate::province::Sale;
use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracegate::app::open_policies;
use tracegate::cli::files::{Row, read_rows};
use tracegate::clock::{Clock, SystemClock};
use tracegate::config::Config;
use tracegate::domain::access::Principal;
use tracegate::domain::document::{Document, Line};
use tracegate::domain::drug::Drug;
use tracegate::domain::event::{Payment, Scene};
use tracegate::domain::party::{Caller, Institution, InstitutionCode, InstitutionKind};
use tracegate::domain::purchase::PurchaseRecord;
use tracegate::domain::registry::RegistryRow;
use tracegate::domain::verdict::Verdict;
use tracegate::engine::{Engine, IndexKeeper, IndexState, Keeping, Said};
use tracegate::store::Store;
use tracegate::store::embedded::EmbeddedStore;
use tracegate::store::log::LogFiles;

/// Purchases that are loaded together.
const LOAD_ROWS: usize = 2000;

/// A document and its request id.
pub(super) type Request = (String, Document);

/// An engine with default settings over an embedded store that writes its log through `files`.
pub(super) async fn start(dir: &Path, files: Box<dyn LogFiles>) -> Result<Arc<Engine>> {
    Ok(Arc::new(open(dir, files).await?))
}

/// As [`start`], without cases and tallies.
pub(super) async fn start_without_books(dir: &Path, files: Box<dyn LogFiles>) -> Result<Arc<Engine>> {
    Ok(Arc::new(open(dir, files).await?.without_books()))
}

async fn open(dir: &Path, files: Box<dyn LogFiles>) -> Result<Engine> {
    let config = Config::built_in()?;
    let policies = open_policies(&config).await?;
    let Config { store, limits, index, .. } = config;
    let dir = dir.to_owned();
    let open = move || EmbeddedStore::open_with(&dir, &store, files);
    let store: Arc<dyn Store> = Arc::new(tokio::task::spawn_blocking(open).await??);
    Ok(Engine::start(store, Arc::new(SystemClock), policies, limits, index).await?)
}

/// Whoever looks after the index, as in a gateway; ends when dropped.
pub(super) struct Kept {
    pub(super) keeper: Arc<IndexKeeper>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Kept {
    /// Has the index looked after, and waits until it is complete.
    pub(super) async fn start(engine: &Engine, keeping: Keeping) -> Result<Self> {
        let keeper = Arc::new(engine.index_keeper(keeping));
        let (stop, mut state) = (CancellationToken::new(), keeper.state());
        let task = tokio::spawn({
            let (keeper, stop) = (Arc::clone(&keeper), stop.clone());
            async move { keeper.run(stop).await }
        });
        let kept = Self { keeper, stop, task };
        state.wait_for(|state| *state == IndexState::Complete).await?;
        Ok(kept)
    }

    /// Closes the store and saves the index, in the order in which a gateway does.
    pub(super) async fn close(mut self, engine: &Engine) -> Result<()> {
        self.stop.cancel();
        engine.store().close().await;
        (&mut self.task).await?;
        self.keeper.save().await;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Loads institutions and drugs from the province's files.
pub(super) async fn load_registry(engine: &Engine, folder: &Path) -> Result<()> {
    let institutions = rows::<Institution>(folder)?.into_iter().map(RegistryRow::Institution);
    let drugs = rows::<Drug>(folder)?.into_iter().map(RegistryRow::Drug);
    engine.load_rows(&Principal::OPERATOR, institutions.chain(drugs).collect()).await?;
    Ok(())
}

/// Loads the purchases.
pub(super) async fn load_purchases(engine: &Engine, folder: &Path) -> Result<()> {
    for purchases in rows::<PurchaseRecord>(folder)?.chunks(LOAD_ROWS) {
        engine.add_purchases(&Principal::OPERATOR, purchases.to_vec()).await?;
    }
    Ok(())
}

fn rows<T: Row>(folder: &Path) -> Result<Vec<T>> {
    let path = folder.join(T::FILE_NAME);
    let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let read: Result<Vec<T>, _> = read_rows::<T>(file)?.collect();
    read.map_err(|reject| anyhow::anyhow!("{} line {}: {}", path.display(), reject.line, reject.reason))
}

/// A sale as the engine gets it.
pub(super) fn request(sale: Sale) -> Result<Request> {
    let institution = InstitutionCode::parse(&sale.institution)?;
    let scene = match institution.kind() {
        InstitutionKind::Hospital => Scene::Outpatient,
        InstitutionKind::Pharmacy => Scene::Pharmacy,
    };
    let occurred_at = SystemClock.now();
    let mut lines = Vec::with_capacity(sale.lines.len());
    for (number, line) in (1..).zip(sale.lines) {
        lines.push(Line {
            number,
            catalog_code: Some(line.catalog_code),
            quantity: Some(Decimal::from(line.units)),
            split: false,
            unit_price: Some(line.unit_price.parse()?),
            payment: Payment::Insured,
            occurred_at: Some(occurred_at),
            scanned: line.codes,
        });
    }
    let document = Document {
        institution,
        document_no: Some(sale.document_no),
        visit_no: None,
        settlement_id: None,
        scene,
        operator: Some("001".to_owned()),
        lines,
    };
    Ok((sale.request_id, document))
}

/// The same boxes under another document.
pub(super) fn duplicate((id, document): &Request) -> Request {
    let mut document = document.clone();
    document.document_no = document.document_no.map(|number| format!("{number}-again"));
    (format!("{id}-again"), document)
}

/// Dispenses a document whose boxes are sold; an error where that does not show.
pub(super) async fn dispense_again(engine: &Engine, (request_id, document): Request) -> Result<()> {
    let reply = engine.dispense(&Caller::Operator, &request_id, document, false, Said::default()).await?;
    match reply.answer.verdict {
        // A hospital is reminded of a duplicate, a pharmacy is refused.
        Verdict::Block | Verdict::Remind => Ok(()),
        other @ (Verdict::Allow | Verdict::Pending) => bail!("{request_id} was answered {}", other.name()),
    }
}

/// Dispenses a document; an error where it is not allowed or not recorded.
pub(super) async fn dispense(engine: &Engine, (request_id, document): Request) -> Result<()> {
    let reply = engine.dispense(&Caller::Operator, &request_id, document, false, Said::default()).await?;
    if reply.answer.verdict != Verdict::Allow || !reply.answer.recorded {
        let reasons: Vec<_> = reply.answer.findings.iter().map(|f| f.reason.name()).collect();
        bail!("{request_id} was answered {} with findings {reasons:?}", reply.answer.verdict.name());
    }
    Ok(())
}
