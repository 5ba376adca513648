//! Redis loses what was acknowledged: each gateway puts back what its own log holds, and a box that was sold again
//! meanwhile is found.

use super::fleet::Fleet;
use crate::acceptance::everything::everything;
use crate::acceptance::model::Model;
use crate::acceptance::on_redis::{open, options};
use crate::acceptance::random::{Random, play};
use crate::acceptance::samples::{claim, code, first_claim, moment};
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::redis::RedisServer;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, code as box_code, dispense};
use tracegate::domain::claim::History;
use tracegate::grpc::pb;
use tracegate::store::redis::{RedisOptions, RedisStore};
use tracegate::store::{Change, ClaimLedger, Store};

/// Waits until a code's history has so many events.
async fn has_events(store: &dyn Store, key: &tracegate::domain::code::CodeKey, count: usize) {
    eventually("what was lost is back", || async {
        let found = store.histories(std::slice::from_ref(key)).await.ok()?.remove(0)?;
        (found.events.len() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_after_flushall() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&server.url(), dir.path()).await;
    let (mut model, mut random) = (Model::default(), Random::new(7));
    play(&store, &mut model, &mut random, 200).await;
    let before = everything(&store).await;
    assert!(!before.claims.is_empty() && !before.awaited.is_empty());
    // Marks are written a moment after an answer; what has none yet is put back at the next start alone.
    eventually("marks stand", || async {
        (!server.command(&["KEYS", "{p:*}m"]).trim().is_empty()).then_some(())
    })
    .await;
    store.close().await;
    drop(store);
    let store = open(&server.url(), dir.path()).await;
    server.command(&["FLUSHALL"]);
    eventually("everything is back", || async {
        // Reads may fail while half of it is back.
        let last = before.claims.last().unwrap();
        let found = store.histories(std::slice::from_ref(&last.0)).await.ok()?.remove(0)?;
        if found != last.1 {
            return None;
        }
        (everything(&store).await == before).then_some(())
    })
    .await;
    eventually("changes are taken again", || async {
        store.commit(&claim(&[code(999)], 0, "again")).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_writes_come_back_after_a_start_from_old_files() {
    let mut server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&server.url(), dir.path()).await;
    store.commit(&claim(&[code(1)], 0, "r1")).await.unwrap();
    let old = server.save_files();
    for n in 2..40 {
        store.commit(&claim(&[code(n)], 0, &format!("r{n}"))).await.unwrap();
    }
    store.close().await;
    drop(store);
    server.kill();
    server.restore_files(&old);
    server.restart();
    let store = open(&server.url(), dir.path()).await;
    for n in 1..40 {
        has_events(&store, &code(n), 1).await;
        let outcome = store.outcome(&crate::acceptance::samples::request(0, &format!("r{n}"))).await.unwrap();
        assert!(outcome.is_some(), "request {n}");
    }
}

/// Sells a box at one gateway, loses it, sells it at another; gives how many sales are known at last.
async fn sold_twice(reconcile: bool) -> usize {
    let mut server = RedisServer::start();
    let (url, dirs) = (server.url(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let open = async |at: usize| {
        let options = RedisOptions { reconcile, ..options(&url) };
        RedisStore::open(dirs[at].path(), &options, moment(0)).await.unwrap()
    };
    let second = open(1).await;
    let first = open(0).await;
    let old = server.save_files();
    let change = |by| Change { claims: vec![first_claim(&code(1), by)], ..Change::default() };
    first.commit(&change(0)).await.unwrap();
    first.close().await;
    drop(first);
    server.kill();
    server.restore_files(&old);
    server.restart();
    eventually("the other gateway goes on", || async { second.commit(&change(1)).await.ok() }).await;
    let first = open(0).await;
    let mut doubles = first.double_sales().expect("a receiver");
    let found = tokio::time::timeout(std::time::Duration::from_secs(5), doubles.recv()).await;
    let stands = second.histories(&[code(1)]).await.unwrap().remove(0).unwrap_or_default();
    let missing =
        |history: &History| history.events.iter().all(|e| !stands.events.iter().any(|s| s.is_same(e)));
    let told = found.ok().flatten().filter(|double| missing(&double.ours));
    stands.events.len() + usize::from(told.is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_was_sold_twice_is_told_and_without_reconciling_it_is_not() {
    let (with, without) = tokio::join!(sold_twice(true), sold_twice(false));
    assert_eq!((with, without), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sale_within_the_loss_is_found_within_ten_seconds() {
    let server = RedisServer::start();
    let mut fleet = Fleet::start(&server.url(), 2, &[]).await;
    // What is sold from now on by the first gateway is lost by Redis.
    let old = server.save_files();
    let mut server = server;
    let sold = dispense(PHARMACY, "r1", &[box_code(1), box_code(2)]);
    let first = fleet.gate(0).await.dispense(sold).await.expect("an answer").into_inner();
    assert_eq!(first.decision.expect("a decision").verdict(), pb::Verdict::Allow);
    fleet.gateways.remove(0).kill();
    server.kill();
    server.restore_files(&old);
    server.restart();
    let again = dispense(OTHER_PHARMACY, "r2", &[box_code(2)]);
    let second = eventually("the other gateway goes on", || async {
        fleet.gate(0).await.dispense(again.clone()).await.ok()?.into_inner().decision
    })
    .await;
    assert_eq!(second.verdict(), pb::Verdict::Allow, "nobody could know: {second:?}");
    let back = GatewayProcess::start_in_fleet(fleet.dirs[0].path(), &fleet.url, &[]);
    fleet.gateways.insert(0, back);
    // The request that Redis had lost is on record again, with what was found since; `eventually` waits 10 s.
    let found = eventually("the double sale is found", || async {
        let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "r1".into() };
        let outcome = fleet.gate(1).await.get_outcome(asked).await.ok()?.into_inner();
        let decision = outcome.decision.clone()?;
        (!decision.corrections.is_empty()).then_some((outcome.state(), decision))
    })
    .await;
    assert_eq!((found.0, found.1.corrections.len()), (pb::OutcomeState::Decided, 1), "{found:?}");
    // The box that nobody else sold is no matter, and cannot be sold again.
    let third = dispense(OTHER_PHARMACY, "r3", &[box_code(1)]);
    let refused = fleet.gate(1).await.dispense(third).await.expect("an answer").into_inner().decision;
    assert_eq!(refused.expect("a decision").verdict(), pb::Verdict::Block);
}
