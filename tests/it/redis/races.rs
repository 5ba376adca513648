//! Gateways that claim the same codes at once: exactly one wins, and nothing of a loser stays.

use crate::acceptance::claims::history;
use crate::acceptance::on_redis::{open, options};
use crate::acceptance::random::Random;
use crate::acceptance::samples::{claim, code, first_claim, first_outcome, request};
use crate::support::redis::{RedisCluster, RedisServer};
use std::collections::HashMap;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tracegate::domain::claim::Event;
use tracegate::domain::code::CodeKey;
use tracegate::store::redis::RedisStore;
use tracegate::store::{Change, ClaimLedger, CommitError, Store};

const GATEWAYS: usize = 3;

/// Stores of a fleet, each with a directory of its own.
pub struct Stores {
    pub stores: Vec<Arc<RedisStore>>,
    _dirs: Vec<TempDir>,
}

impl Stores {
    pub async fn open(url: &str, count: usize) -> Self {
        let dirs: Vec<_> = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut stores = Vec::new();
        for dir in &dirs {
            stores.push(Arc::new(open(url, dir.path()).await));
        }
        Self { stores, _dirs: dirs }
    }
}

/// A document of one caller; the caller's number is its request id and the second at which it sold.
fn sold_by(keys: &[CodeKey], caller: u32) -> Change {
    let mut change = claim(keys, caller % 5, &format!("caller {caller}"));
    for claim in &mut change.claims {
        let sale = crate::acceptance::samples::sale(caller % 5, i64::from(caller));
        claim.history = tracegate::domain::claim::History::default().with(sale);
    }
    change
}

/// A document whose codes are plain whole packs.
pub fn plain(keys: &[CodeKey], caller: u32) -> Change {
    let mut change = sold_by(keys, caller);
    for claim in &mut change.claims {
        if let Some(Event::Sale(sale)) = claim.history.events.first_mut() {
            sale.part = tracegate::domain::claim::Part::Whole;
            sale.first_findings.clear();
            sale.status = tracegate::domain::claim::SaleStatus::Sold;
        }
    }
    change
}

/// Until it is decided: whoever is in doubt asks again, as a caller does.
async fn commit(store: &RedisStore, change: &Change) -> bool {
    loop {
        match store.commit(change).await {
            Ok(()) => return true,
            Err(CommitError::Conflict) => return false,
            Err(CommitError::Undecided) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Everybody claims at once; gives the winners' numbers.
async fn race(stores: &Stores, documents: Vec<Vec<CodeKey>>, first: u32, plainly: bool) -> Vec<u32> {
    let mut racing = JoinSet::new();
    for (at, keys) in documents.into_iter().enumerate() {
        let store = Arc::clone(&stores.stores[at % stores.stores.len()]);
        let caller = first + u32::try_from(at).unwrap();
        racing.spawn(async move {
            let change = if plainly { plain(&keys, caller) } else { sold_by(&keys, caller) };
            commit(&store, &change).await.then_some(caller)
        });
    }
    racing.join_all().await.into_iter().flatten().collect()
}

async fn many_rounds_of_the_same_codes(url: &str, rounds: u32) {
    let stores = Stores::open(url, GATEWAYS).await;
    for round in 0..rounds {
        let keys: Vec<_> = (0..3).map(|n| code(u64::from(round) * 10 + n)).collect();
        // Each in another order: what is claimed in a circle must not block itself.
        let documents = (0..GATEWAYS * 2)
            .map(|at| {
                let mut keys = keys.clone();
                keys.rotate_left(at % 3);
                keys
            })
            .collect();
        let winners = race(&stores, documents, round * 100, round % 2 == 0).await;
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        for (at, store) in stores.stores.iter().enumerate() {
            for caller in round * 100..round * 100 + 6 {
                let key = request(caller % 5, &format!("caller {caller}"));
                let found = store.outcome(&key).await.unwrap().is_some();
                assert_eq!(found, winners == [caller], "gateway {at} on caller {caller} in round {round}");
            }
        }
    }
    for store in stores.stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_3_of_three_gateways_one_sells_each_box() {
    let server = RedisServer::start();
    many_rounds_of_the_same_codes(&server.url(), 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_gateways_over_a_cluster_one_sells_each_box() {
    let cluster = RedisCluster::start(false);
    many_rounds_of_the_same_codes(&cluster.url(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_documents_never_both_lose_to_each_other() {
    let (server, seed) = (RedisServer::start(), 20_261_122);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let stores = Stores::open(&server.url(), GATEWAYS).await;
    for round in 0..300_u32 {
        // Pairs that share a code: whatever happens, one of each pair is sold.
        let base = u64::from(round) * 100;
        let documents: Vec<Vec<CodeKey>> = (0..6)
            .map(|at| {
                let shared = code(base + at / 2);
                let own = code(base + 10 + at * 3 + u64::from(random.small(3)));
                if random.small(2) == 0 { vec![shared, own] } else { vec![own, shared] }
            })
            .collect();
        let winners = race(&stores, documents.clone(), round * 100, true).await;
        assert_eq!(winners.len(), 3, "round {round}: {winners:?}");
        let mut sellers: HashMap<CodeKey, u32> = HashMap::new();
        for winner in winners {
            for key in &documents[usize::try_from(winner - round * 100).unwrap()] {
                assert_eq!(sellers.insert(key.clone(), winner), None, "{key} was sold twice");
            }
        }
        let free = documents.iter().flatten().filter(|key| !sellers.contains_key(key));
        for key in free {
            assert_eq!(history(stores.stores[0].as_ref(), key).await, None, "a loser left {key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_id_is_answered_once_in_a_fleet() {
    let server = RedisServer::start();
    let stores = Stores::open(&server.url(), GATEWAYS).await;
    for round in 0..100_u64 {
        let mut racing = JoinSet::new();
        for at in 0..GATEWAYS {
            let store = Arc::clone(&stores.stores[at]);
            racing.spawn(async move {
                let change = Change {
                    claims: vec![first_claim(&code(round * 10 + at as u64), 0)],
                    outcomes: vec![first_outcome(request(0, &format!("r{round}")), &at.to_string())],
                    ..Change::default()
                };
                commit(&store, &change).await.then_some(at)
            });
        }
        let winners: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        for at in 0..GATEWAYS {
            let key = code(round * 10 + at as u64);
            let stands = history(stores.stores[0].as_ref(), &key).await.is_some();
            assert_eq!(stands, winners == [at], "round {round}, gateway {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_redis_is_refused_unless_it_is_asked_for() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let open = async |init: Option<u64>| {
        let options = tracegate::store::redis::RedisOptions { init_codes: init, ..options(&server.url()) };
        let now = jiff::Timestamp::from_second(1_780_000_000).unwrap();
        RedisStore::open(dir.path(), &options, now).await
    };
    let refused = open(None).await.unwrap_err().to_string();
    assert!(refused.contains("--init-codes"), "{refused}");
    let store = open(Some(1_000)).await.unwrap();
    store.commit(&claim(&[code(1)], 0, "r0")).await.unwrap();
    store.close().await;
    drop(store);
    open(None).await.unwrap().close().await;
    server.command(&["FLUSHALL"]);
    let refused = open(None).await.unwrap_err().to_string();
    assert!(refused.contains("this gateway worked with deployment"), "{refused}");
}
