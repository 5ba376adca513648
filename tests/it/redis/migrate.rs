//! Moving a store: everything arrives, from a directory to Redis and back; an interrupted move goes on; a target that is
//! not this move's is refused; what does not arrive is noticed.

mod interrupted;
mod refused;

use crate::acceptance::cases::keep;
use crate::acceptance::everything::{check_same, everything};
use crate::acceptance::model::Model;
use crate::acceptance::on_redis::{self, CODES_PLANNED};
use crate::acceptance::random::{Random, play};
use crate::acceptance::samples::{code, first_claim, institution, request};
use crate::support::redis::{RedisCluster, RedisServer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tracegate::app::migrate::{MigrateError, Moved, Plan, Side, migrate};
use tracegate::config::Config;
use tracegate::domain::claim::{Event, History, PaperKey, Part, SaleEvent, SaleStatus};
use tracegate::domain::judge::ClaimChange;
use tracegate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use tracegate::store::moving::Compared;
use tracegate::store::{Change, ClaimLedger, Store};

/// The first code of whole packs, far from those of the random operations.
const FIRST_PACK: u64 = 1_000_000;
/// Packs of one document.
const PACKS_PER_DOCUMENT: u64 = 4;
/// Documents of which one has a case.
const DOCUMENTS_PER_CASE: u64 = 10;
/// Documents of one change.
const DOCUMENTS_PER_CHANGE: u64 = 25;

/// Directories of a test: the store that is moved, the gateway's beside Redis, the new one.
pub struct Places(TempDir);

impl Places {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

pub fn config() -> Config {
    let env = |name: &str| (name == "TRACEGATE_STORE_DISK_FREE_BYTES_MIN").then(|| "1".to_owned());
    Config::load_with(None, env).unwrap()
}

pub async fn open_embedded(dir: &Path) -> Arc<dyn Store> {
    let (dir, small) = (dir.to_owned(), EmbeddedOptions { memory_bytes_max: 1 << 16, ..config().store });
    let opening = tokio::task::spawn_blocking(move || EmbeddedStore::open(&dir, &small));
    Arc::new(opening.await.unwrap().unwrap())
}

/// A plan for a move from a directory to Redis.
pub fn into_redis(dir: &Path, url: &str, data_dir: &Path) -> Plan {
    Plan {
        from: Side::Directory(dir.to_owned()),
        to: Side::parse(url).unwrap(),
        data_dir: data_dir.to_owned(),
        init_codes: Some(10 * CODES_PLANNED),
        pieces_max: None,
    }
}

/// A plan for a move from Redis to a directory.
pub fn out_of_redis(url: &str, data_dir: &Path, dir: &Path) -> Plan {
    let plan = into_redis(dir, url, data_dir);
    Plan { from: plan.to, to: plan.from, ..plan }
}

pub async fn run(plan: &Plan) -> Result<Moved, MigrateError> {
    migrate(plan, &config(), &mut |_| {}).await
}

/// Moves, and both sides must hold the same; gives how many rows of a kind were moved.
#[track_caller]
pub fn check_whole(moved: Result<Moved, MigrateError>) -> Compared {
    let Moved::Whole(compared) = moved.unwrap() else { panic!("the move was stopped") };
    assert!(compared.is_same(), "{compared:#?}");
    *compared
}

pub fn rows_of(compared: &Compared, kind: &str) -> u64 {
    compared.target.kinds().into_iter().find(|(name, _)| *name == kind).unwrap().1.rows
}

/// Sells whole packs, several of one document, and takes a few back.
pub async fn sell_packs(store: &dyn Store, documents: std::ops::Range<u64>) {
    let all: Vec<u64> = documents.collect();
    for documents in all.chunks(usize::try_from(DOCUMENTS_PER_CHANGE).unwrap()) {
        let mut change = Change::default();
        for document in documents {
            let paper = store.paper_key(&format!("pack-{document}"));
            let packs = (0..PACKS_PER_DOCUMENT).map(|n| pack_claim(*document, n, paper));
            change.claims.extend(packs);
            change.document = Some((request(0, &format!("pack-{document}")), paper));
            if document % DOCUMENTS_PER_CASE == 0 {
                change.dossiers.extend(keep(&code(FIRST_PACK + document), None, 2).dossiers);
            }
        }
        store.commit(&change).await.unwrap();
    }
}

fn pack_claim(document: u64, n: u64, paper: PaperKey) -> ClaimChange {
    let at = crate::acceptance::samples::moment(i64::try_from(document).unwrap());
    let key = code(FIRST_PACK + document * PACKS_PER_DOCUMENT + n);
    let sale = Event::Sale(SaleEvent {
        institution: institution(0),
        document: Some(paper),
        visit: None,
        occurred_at: at,
        received_at: at,
        part: Part::Whole,
        status: SaleStatus::Sold,
        first_findings: Vec::new(),
    });
    ClaimChange { key, expected: None, history: History::default().with(sale) }
}

/// A directory with random operations and sold packs; gives its model, which does not know the packs.
pub async fn fill(dir: &Path, seed: u64, documents: u64) -> (Random, Model) {
    println!("seed {seed}");
    let (mut random, mut model) = (Random::new(seed), Model::default());
    let store = open_embedded(dir).await;
    play(store.as_ref(), &mut model, &mut random, 300).await;
    sell_packs(store.as_ref(), 0..documents).await;
    store.close().await;
    (random, model)
}

/// The store must answer as the model says, and have every pack, and nothing else.
pub async fn check_holds(store: &dyn Store, model: &Model, documents: u64, when: &str) {
    let mut found = everything(store).await;
    let packs = found.claims.split_off(model.claims.len());
    let expected: Vec<_> = (0..documents)
        .flat_map(|document| {
            let paper = store.paper_key(&format!("pack-{document}"));
            (0..PACKS_PER_DOCUMENT).map(move |n| pack_claim(document, n, paper))
        })
        .map(|claim| (claim.key, claim.history))
        .collect();
    let kept = std::mem::take(&mut found.dossiers);
    let kept: Vec<_> = kept.into_iter().map(|(key, version, _)| (key, version)).collect();
    let cases = (0..documents).filter(|document| document % DOCUMENTS_PER_CASE == 0);
    let cases: Vec<_> = cases.map(|document| (code(FIRST_PACK + document), 2)).collect();
    assert_eq!(kept, cases, "dossiers {when}");
    check_same(&found, &model.everything(), when);
    assert_eq!(packs.len(), expected.len(), "packs {when}");
    assert!(packs == expected, "packs {when}");
}

/// From a directory to Redis, on with the work, and back into another directory.
async fn there_and_back(url: &str) {
    let places = Places::new();
    let (old, data, new) = (places.at("old"), places.at("gateway"), places.at("new"));
    let (mut random, mut model) = fill(&old, 20_261_122, 300).await;

    let compared = check_whole(run(&into_redis(&old, url, &data)).await);
    assert_eq!(rows_of(&compared, "claims"), model.claims.len() as u64 + 300 * PACKS_PER_DOCUMENT);
    assert_eq!(rows_of(&compared, "outcomes"), model.outcomes.len() as u64);
    assert!(rows_of(&compared, "positions") > 0 && rows_of(&compared, "registry rows") > 0);
    // As a gateway finds it, and as one works on with it.
    let store = on_redis::open(url, &data).await;
    check_holds(&store, &model, 300, "in Redis").await;
    play(&store, &mut model, &mut random, 100).await;
    sell_packs(&store, 300..350).await;
    assert!(
        store
            .commit(&Change { claims: vec![first_claim(&code(FIRST_PACK), 1)], ..Change::default() })
            .await
            .is_err()
    );
    store.close().await;
    drop(store);

    check_whole(run(&out_of_redis(url, &data, &new)).await);
    let store = open_embedded(&new).await;
    check_holds(store.as_ref(), &model, 350, "in the new directory").await;
    play(store.as_ref(), &mut model, &mut random, 50).await;
    check_holds(store.as_ref(), &model, 350, "after more work").await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_there_and_back() {
    let redis = RedisServer::start();
    there_and_back(&redis.url()).await;
    assert!(redis.command(&["HEXISTS", "{tracegate}head", "moved_in"]) == "0", "the mark is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_in_a_cluster_and_back() {
    let cluster = RedisCluster::start(false);
    there_and_back(&cluster.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_is_moved_too() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data, new) = (places.at("old"), places.at("gateway"), places.at("new"));
    let store = open_embedded(&old).await;
    let paper = store.paper_key("d1");
    store.close().await;
    drop(store);
    let compared = check_whole(run(&into_redis(&old, &redis.url(), &data)).await);
    assert_eq!(compared.source.rows(), 1, "the secret alone");
    check_whole(run(&out_of_redis(&redis.url(), &data, &new)).await);
    assert_eq!(open_embedded(&new).await.paper_key("d1"), paper);
}
