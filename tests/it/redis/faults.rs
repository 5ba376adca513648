//! Redis misbehaves under load: replies are cut or swallowed, servers stop, die and are replaced. Whatever a caller
//! was told holds, what nobody was told is whole or not at all, and no box has two first sales.

use crate::acceptance::on_redis::options;
use crate::acceptance::random::Random;
use crate::acceptance::samples::{claim, code, moment, request, sale};
use crate::support::eventually;
use crate::support::redis::proxy::{FaultProxy, Mode};
use crate::support::redis::{RedisCluster, RedisSentinel, RedisServer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tracegate::clock::{Clock, SystemClock};
use tracegate::domain::claim::{Event, History, Part};
use tracegate::domain::code::CodeKey;
use tracegate::store::redis::{RedisOptions, RedisStore};
use tracegate::store::{Change, ClaimLedger, CommitError, Store, StoreError, StoreState};

const CALLERS: u64 = 6;

/// What a caller asked for, and what it was told.
#[derive(Debug)]
struct Call {
    caller: u32,
    keys: Vec<CodeKey>,
    /// `None` = nobody knows.
    told: Option<bool>,
}

/// Documents under load, and what became of them.
struct Load {
    stores: Vec<Arc<RedisStore>>,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
    _dirs: Vec<TempDir>,
}

/// A document of whole packs; the second at which it sold is its caller's number.
fn sold_by(keys: &[CodeKey], caller: u32) -> Change {
    let mut change = claim(keys, caller % 5, &format!("caller {caller}"));
    for claim in &mut change.claims {
        claim.history = History::default().with(sale(caller % 5, i64::from(caller)));
        if let Some(Event::Sale(sale)) = claim.history.events.first_mut() {
            sale.part = Part::Whole;
            sale.first_findings.clear();
        }
    }
    change
}

impl Load {
    /// `contested` = some boxes are wanted by many. Not where Redis loses writes: then one may be sold twice, and the
    /// trade's rules must judge it.
    async fn start(urls: &[String], contested: bool) -> Self {
        let dirs: Vec<_> = urls.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut stores = Vec::new();
        for (url, dir) in urls.iter().zip(&dirs) {
            let options = RedisOptions {
                answer_max: Duration::from_millis(200),
                commit_max: Duration::from_millis(800),
                ..options(url)
            };
            stores.push(Arc::new(RedisStore::open(dir.path(), &options, SystemClock.now()).await.unwrap()));
        }
        let mut load = Self {
            stores,
            calls: Arc::default(),
            stop: Arc::default(),
            callers: JoinSet::new(),
            _dirs: dirs,
        };
        let number = Arc::new(AtomicU64::new(0));
        for at in 0..CALLERS {
            let store = Arc::clone(&load.stores[usize::try_from(at).unwrap() % load.stores.len()]);
            load.callers.spawn(call(
                store,
                at,
                Arc::clone(&number),
                Arc::clone(&load.calls),
                Arc::clone(&load.stop),
                contested,
            ));
        }
        load
    }

    fn answered(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| call.told == Some(true)).count()
    }

    /// Waits until so many more documents were sold.
    async fn goes_on(&self, more: usize) {
        let before = self.answered();
        let started = tracegate::clock::Stopwatch::start();
        while self.answered() < before + more {
            assert!(started.elapsed() < Duration::from_secs(45), "nothing is sold any more");
            // signal: callers count what they sell; nobody is told.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the load and compares what was told with what stands.
    async fn check(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(done) = self.callers.join_next().await {
            done.unwrap();
        }
        let store = &self.stores[0];
        eventually("changes are taken", || async {
            (*store.state().borrow() == StoreState::Ready).then_some(())
        })
        .await;
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let unknown = calls.iter().filter(|call| call.told.is_none()).count();
        println!("{} calls, {unknown} unknown", calls.len());
        for call in &calls {
            // What Redis lost is put back by its gateway; what nobody decided is settled by anybody.
            let started = tracegate::clock::Stopwatch::start();
            while let Err(wrong) = verify(store, call).await {
                assert!(started.elapsed() < Duration::from_secs(30), "{wrong}: {call:?}");
                // signal: the other gateway's work on its log; nobody is told when it is done.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        for store in &self.stores {
            store.close().await;
        }
    }
}

/// Compares what a caller was told with what stands.
async fn verify(store: &RedisStore, call: &Call) -> Result<(), String> {
    let key = request(call.caller % 5, &format!("caller {}", call.caller));
    let stands = store.outcome(&key).await.map_err(|error| error.to_string())?.is_some();
    let mut mine = Vec::new();
    for found in store.histories(&call.keys).await.map_err(|error| error.to_string())? {
        let events = found.map(|history| history.events).unwrap_or_default();
        assert!(events.len() <= 1, "two sales of one box: {events:?}");
        mine.push(events.first().is_some_and(|event| event.occurred_at() == moment(i64::from(call.caller))));
    }
    let (all, any) = (mine.iter().all(|m| *m), mine.iter().any(|m| *m));
    if all != any || all != stands {
        return Err(format!("half of it stands: claims {mine:?}, outcome {stands}"));
    }
    match call.told {
        Some(told) if told != all => Err(format!("it was told {told}, it is {all}")),
        Some(_) | None => Ok(()),
    }
}

/// One caller: new boxes, and now and then one that others want too.
async fn call(
    store: Arc<RedisStore>,
    at: u64,
    number: Arc<AtomicU64>,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Arc<AtomicBool>,
    is_contested: bool,
) {
    let mut random = Random::new(at);
    while !stop.load(Ordering::SeqCst) {
        let caller = number.fetch_add(1, Ordering::SeqCst);
        let contested = caller / CALLERS / 2 * 2;
        let mut keys = vec![code(1_000_000 + caller * 2), code(1_000_001 + caller * 2)];
        if is_contested && random.small(3) == 0 {
            keys.push(code(contested));
        }
        let caller = u32::try_from(caller).unwrap();
        let told = match store.commit(&sold_by(&keys, caller)).await {
            Ok(()) => Some(true),
            Err(CommitError::Conflict | CommitError::Undecided) => Some(false),
            Err(CommitError::Refused(StoreError::Away(_))) => {
                // signal: nothing is begun while Redis is away; a caller asks again later.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(false)
            }
            Err(CommitError::Unknown(_)) => None,
            Err(error) => panic!("{error}"),
        };
        calls.lock().unwrap().push(Call { caller, keys, told });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_are_lost_are_looked_up() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let url = format!("redis://{}", proxy.address());
    let load = Load::start(&[url, server.url()], true).await;
    let mut random = Random::new(1);
    for round in 0..60 {
        let cut = usize::try_from(random.small(40)).unwrap();
        match round % 6 {
            0..=2 => proxy.set(Mode::CutOneReply { after_bytes: cut }),
            3 => proxy.set(Mode::Delay(Duration::from_millis(30))),
            4 => proxy.set(Mode::Delay(Duration::from_millis(150))),
            _ => proxy.cut_all(),
        }
        load.goes_on(8).await;
        proxy.set(Mode::Pass);
        load.goes_on(4).await;
    }
    assert!(proxy.replies_cut() > 10, "replies were cut: {}", proxy.replies_cut());
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_hear_redis_says_so_and_comes_back() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let url = format!("redis://{}", proxy.address());
    let load = Load::start(&[url], true).await;
    for mode in [Mode::BlackHole, Mode::SwallowReplies, Mode::Refuse] {
        load.goes_on(10).await;
        proxy.set(mode);
        if mode == Mode::Refuse {
            proxy.cut_all();
        }
        let store = &load.stores[0];
        eventually("the store says that Redis is away", || async {
            matches!(*store.state().borrow(), StoreState::Away(_)).then_some(())
        })
        .await;
        proxy.set(Mode::Pass);
        eventually("the store takes changes again", || async {
            (*store.state().borrow() == StoreState::Ready).then_some(())
        })
        .await;
    }
    load.goes_on(10).await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_leaves_nothing_half() {
    let server = RedisServer::start();
    let load = Load::start(&[server.url(), server.url()], true).await;
    for pause in [100, 400, 1_500] {
        load.goes_on(20).await;
        server.signal("STOP");
        // signal: this is how long the server stands still.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        server.signal("CONT");
    }
    load.goes_on(20).await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_started_again_lost_nothing() {
    let mut server = RedisServer::start();
    let load = Load::start(&[server.url(), server.url()], true).await;
    for _ in 0..3 {
        load.goes_on(30).await;
        server.kill();
        server.restart();
    }
    load.goes_on(30).await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_a_cluster_is_replaced() {
    let mut cluster = RedisCluster::start(true);
    let load = Load::start(&[cluster.url(), cluster.url()], false).await;
    load.goes_on(30).await;
    let replica = cluster.replica_of(0).expect("a replica");
    cluster.failover_takeover(replica);
    load.goes_on(30).await;
    let victim = cluster.primary_of_slot(8_000);
    cluster.node_mut(victim).kill();
    load.goes_on(30).await;
    cluster.node_mut(victim).restart();
    load.goes_on(10).await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinel_replaces_the_primary() {
    let mut sentinel = RedisSentinel::start();
    let load = Load::start(&[sentinel.url(), sentinel.url()], false).await;
    load.goes_on(30).await;
    let primary = sentinel.primary();
    sentinel.server_mut(primary).kill();
    load.goes_on(30).await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_nodes_of_a_cluster_are_slow_deaf_and_cut_off() {
    let cluster = RedisCluster::start_behind_proxies(false);
    let load = Load::start(&[cluster.url(), cluster.url()], true).await;
    load.goes_on(20).await;
    for node in 0..cluster.count() {
        // Within the time that an answer may take, and beyond it.
        for slow in [60, 250] {
            cluster.proxy(node).set(Mode::Delay(Duration::from_millis(slow)));
            // signal: this is how long the node is slow.
            tokio::time::sleep(Duration::from_millis(700)).await;
            cluster.proxy(node).set(Mode::Pass);
            load.goes_on(10).await;
        }
        cluster.proxy(node).set(Mode::SwallowReplies);
        // signal: this is how long nobody hears the node.
        tokio::time::sleep(Duration::from_millis(400)).await;
        cluster.proxy(node).set(Mode::Pass);
        load.goes_on(10).await;
        cluster.proxy(node).cut_all();
        load.goes_on(10).await;
    }
    load.check().await;
}
