//! One gateway without doors: an engine over an embedded store in a temporary directory, a clock set by hand,
//! and a disk that can be told to fail.

use jiff::Timestamp;
use rust_decimal::Decimal;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tracegate::clock::ManualClock;
use tracegate::domain::access::Principal;
use tracegate::domain::document::{Document, Line, ReturnDocument};
use tracegate::domain::drug::{Drug, DrugClass, PackLevel};
use tracegate::domain::event::{Payment, Scene};
use tracegate::domain::party::{
    Caller, Institution, InstitutionCode, InstitutionKind, InstitutionStatus, Ownership,
};
use tracegate::domain::policy::Policy;
use tracegate::domain::purchase::{FeedScope, PurchaseFeed, PurchaseRecord, PurchaseSource};
use tracegate::domain::registry::RegistryRow;
use tracegate::domain::time::moment_of;
use tracegate::engine::{
    Engine, EngineError, Limits, LoadedPolicy, OutcomeReply, Policies, PolicyMistake, PolicySet,
    PolicySource, PolicyText, Reply, Said, Settlement, VoidTarget,
};
use tracegate::index::IndexOptions;
use tracegate::policy_files;
use tracegate::store::Store;
use tracegate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use tracegate::store::log::{DiskFiles, LogFile, LogFiles};

pub const BOX: &str = "83003850000000131888";
pub const BOX_2: &str = "83003850000000131995";

/// What the disk under the log refuses.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub full: Arc<AtomicBool>,
    pub fails_sync: Arc<AtomicBool>,
}

struct DiskFile(Box<dyn LogFile>, Disk);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl LogFile for DiskFile {
    fn sync_data(&mut self) -> io::Result<()> {
        if self.1.fails_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not sync"));
        }
        self.0.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        self.0.make_room(bytes)
    }
}

impl LogFiles for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(DiskFile(DiskFiles.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(DiskFile(DiskFiles.open(path)?, self.clone())))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(dir)
    }
}

/// A gateway whose clock stands still between calls.
pub struct Gateway {
    pub engine: Engine,
    pub clock: Arc<ManualClock>,
    pub disk: Disk,
    rules: Arc<Rules>,
    dir: TempDir,
}

/// A source of policies that holds one, to be replaced.
#[derive(Debug)]
struct Rules(Mutex<Arc<Policy>>);

impl PolicySource for Rules {
    fn load(&self) -> Result<PolicySet, Vec<PolicyMistake>> {
        let policy = Arc::clone(&self.0.lock().unwrap());
        Ok(PolicySet { in_force: LoadedPolicy { policy, files: Vec::new() }, shadow: None })
    }

    fn read(&self, texts: &[PolicyText]) -> Result<LoadedPolicy, Vec<PolicyMistake>> {
        let [national, hebei] = policy_files::BUILT_IN;
        let own = texts.iter().map(|t| (t.name.as_str(), t.text.as_str()));
        let layers: Vec<_> = [national, hebei].into_iter().chain(own).collect();
        Ok(LoadedPolicy { policy: Arc::new(policy_files::load(&layers).unwrap()), files: Vec::new() })
    }
}

/// `2026-03-10 09:00` in Shanghai.
pub fn moment(text: &str) -> Timestamp {
    let local = text.replace(' ', "T").parse().unwrap();
    moment_of(local).unwrap()
}

/// `P1` is the pharmacy P13010200001.
pub fn code(alias: &str) -> InstitutionCode {
    let (letter, number) = alias.split_at(1);
    InstitutionCode::parse(&format!("{letter}130102{number:0>5}")).unwrap()
}

fn institution(alias: &str) -> RegistryRow {
    let code = code(alias);
    RegistryRow::Institution(Institution {
        code,
        name: alias.to_owned(),
        kind: code.kind(),
        division: code.division(),
        ownership: Ownership::Public,
        agreement_signed_on: None,
        transition_ends_on: None,
        chain_group: None,
        status: InstitutionStatus::Active,
        goes_live_on: None,
    })
}

fn drug() -> RegistryRow {
    RegistryRow::Drug(Drug {
        code_prefix: "8300385".to_owned(),
        catalog_code: "A".to_owned(),
        name: "A".to_owned(),
        pack_level: PackLevel::Small,
        units_per_pack: Some(36),
        drug_class: DrugClass::Western,
        dosage_form: "capsule".to_owned(),
        carton_only: false,
        must_split: false,
        listed_price: None,
    })
}

/// Whole boxes of drug A in a document, paid by insurance; `at` = event time.
pub fn document(alias: &str, document_no: &str, scanned: &[&str]) -> Document {
    let scene = match code(alias).kind() {
        InstitutionKind::Hospital => Scene::Outpatient,
        InstitutionKind::Pharmacy => Scene::Pharmacy,
    };
    Document {
        institution: code(alias),
        document_no: Some(document_no.to_owned()),
        visit_no: None,
        settlement_id: None,
        scene,
        operator: None,
        lines: vec![Line {
            number: 1,
            catalog_code: Some("A".to_owned()),
            quantity: Some(Decimal::from(36 * scanned.len())),
            split: false,
            unit_price: None,
            payment: Payment::Insured,
            occurred_at: None,
            scanned: scanned.iter().map(|s| (*s).to_owned()).collect(),
        }],
    }
}

pub fn record(alias: &str, order_no: &str, units: i64, source: PurchaseSource) -> PurchaseRecord {
    PurchaseRecord {
        institution: code(alias),
        catalog_code: "A".to_owned(),
        source,
        order_no: order_no.to_owned(),
        supplier: "Supplier".to_owned(),
        lot_no: "LOT1".to_owned(),
        quantity: Decimal::from(units),
        unit_price: None,
        purchased_at: moment("2026-03-01 09:00"),
    }
}

/// The verdict and the reasons of an answer: `BLOCK DUPLICATE`.
pub fn words(reply: &Reply) -> String {
    let reasons = reply.answer.findings.iter().map(|f| f.reason.name());
    std::iter::once(reply.answer.verdict.name()).chain(reasons).collect::<Vec<_>>().join(" ")
}

impl Gateway {
    /// A gateway at 2026-03-10 09:00 in which P1, P2, P3 and H1 have bought plenty of drug A.
    pub async fn new() -> Self {
        let gateway = Self::without_purchases().await;
        for alias in ["P1", "P2", "P3", "H1"] {
            let plenty = record(alias, "ORDER", 36_000, PurchaseSource::Platform);
            gateway.engine.add_purchases(&Principal::OPERATOR, vec![plenty]).await.unwrap();
        }
        gateway
    }

    pub async fn without_purchases() -> Self {
        let gateway = Self::open(tempfile::tempdir().unwrap(), Limits::default()).await;
        gateway.load(["P1", "P2", "P3", "H1"].map(institution).to_vec()).await;
        gateway.load(vec![drug()]).await;
        gateway
    }

    async fn open(dir: TempDir, limits: Limits) -> Self {
        let disk = Disk::default();
        let options =
            EmbeddedOptions { disk_free_bytes_min: 0, cache_bytes: 1 << 20, ..EmbeddedOptions::default() };
        let store = EmbeddedStore::open_with(dir.path(), &options, Box::new(disk.clone())).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let clock = Arc::new(ManualClock::at(moment("2026-03-10 09:00")));
        let rules = Arc::new(Rules(Mutex::new(Arc::new(policy_files::built_in()))));
        let policies = Policies::load(Arc::<Rules>::clone(&rules)).unwrap();
        let index = IndexOptions::default();
        let engine = Engine::start(store, clock.clone(), policies, limits, index).await.unwrap();
        Self { engine, clock, disk, rules, dir }
    }

    /// The same directory, opened again on a disk that works.
    pub async fn restarted(self) -> Self {
        self.with_limits(Limits::default()).await
    }

    /// As [`restarted`](Self::restarted), with other limits.
    pub async fn with_limits(self, limits: Limits) -> Self {
        let Self { engine, dir, .. } = self;
        engine.store().close().await;
        drop(engine);
        Self::open(dir, limits).await
    }

    /// Puts another policy in force.
    pub async fn put_policy(&self, policy: Policy) {
        *self.rules.0.lock().unwrap() = Arc::new(policy);
        self.engine.reload_policy(&Principal::OPERATOR).await.unwrap();
    }

    pub async fn load(&self, rows: Vec<RegistryRow>) {
        self.engine.load_rows(&Principal::OPERATOR, rows).await.unwrap();
    }

    /// Purchase data of everybody is complete up to a moment.
    pub async fn feed_ends(&self, at: &str) {
        let feed =
            PurchaseFeed { scope: FeedScope::DivisionPrefix(String::new()), complete_up_to: moment(at) };
        self.load(vec![RegistryRow::Feed(feed)]).await;
    }

    pub fn at(&self, time: &str) -> &Self {
        self.clock.set(moment(time));
        self
    }

    pub async fn dispense(&self, request_id: &str, document: Document) -> Result<Reply, EngineError> {
        self.engine.dispense(&Caller::Operator, request_id, document, false, Said::default()).await
    }

    /// Dispenses, and gives verdict and reasons.
    pub async fn sells(&self, request_id: &str, document: Document) -> String {
        words(&self.dispense(request_id, document).await.unwrap())
    }

    pub async fn holds(&self, request_id: &str, document: Document) -> String {
        let reply =
            self.engine.dispense(&Caller::Operator, request_id, document, true, Said::default()).await;
        words(&reply.unwrap())
    }

    pub async fn takes_back(&self, request_id: &str, document: Document) -> Result<Reply, EngineError> {
        let document = ReturnDocument {
            institution: document.institution,
            document_no: document.document_no,
            visit_no: None,
            original_sale_no: None,
            settlement_id: None,
            operator: None,
            lines: document.lines,
        };
        self.engine.take_back(&Caller::Operator, request_id, document).await
    }

    pub async fn confirm(&self, alias: &str, request_id: &str, hold_id: &str) -> Result<Reply, EngineError> {
        let settlement = Settlement {
            dispense_request_id: hold_id.to_owned(),
            settlement_id: "S1".to_owned(),
            amount: Decimal::from(99),
            occurred_at: None,
        };
        self.engine.confirm(&Caller::Operator, code(alias), request_id, settlement).await
    }

    pub async fn void(&self, alias: &str, request_id: &str, dispense_id: &str) -> Vec<String> {
        let target = VoidTarget::Request(dispense_id.to_owned());
        let done = self.engine.void(&Caller::Operator, code(alias), request_id, target).await;
        done.unwrap().1
    }

    pub async fn outcome(&self, alias: &str, request_id: &str) -> OutcomeReply {
        self.engine.outcome(&Caller::Operator, code(alias), request_id).await.unwrap()
    }
}
