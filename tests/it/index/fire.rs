//! The index under fire: an answer "not seen" is never given for a code whose sale was acknowledged before the
//! question, by whatever way the asker heard of it, also while the filters are built anew.

use crate::support::process::{GatewayProcess, page};
use crate::support::world::{
    OTHER_PHARMACY, PHARMACY, World, code, connect, dispense, document, load_province,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

type Gate = DispensingServiceClient<Channel>;

const SELLERS: u64 = 8;
const SALES: u64 = 250;

async fn checked(gate: &mut Gate, code: &str) -> pb::Verdict {
    let request = pb::CheckRequest { document: Some(document(OTHER_PHARMACY, "C", &[code.to_owned()])) };
    let answer = gate.check(request).await.expect("an answer").into_inner();
    answer.decision.expect("a decision").verdict()
}

/// Sells box after box, and asks about each as soon as it is told that it is sold.
async fn sell(mut gate: Gate, seller: u64, at: Arc<AtomicU64>) {
    for n in 0..SALES {
        let box_code = code(seller * SALES + n);
        at.store(n, Ordering::SeqCst);
        let request = dispense(PHARMACY, &format!("s{seller}-{n}"), std::slice::from_ref(&box_code));
        let told =
            gate.dispense(request).await.expect("an answer").into_inner().decision.expect("a decision");
        assert_eq!(told.verdict(), pb::Verdict::Allow, "{told:?}");
        assert_eq!(checked(&mut gate, &box_code).await, pb::Verdict::Block, "sale {n} of seller {seller}");
    }
}

/// Hears of sales by repeating the seller's request, often before the seller itself is told, and asks about the box.
async fn overhear(mut gate: Gate, seller: u64, at: Arc<AtomicU64>, done: Arc<AtomicBool>) -> u64 {
    let mut heard = 0;
    while !done.load(Ordering::SeqCst) {
        let n = at.load(Ordering::SeqCst);
        let again = dispense(PHARMACY, &format!("s{seller}-{n}"), &[code(seller * SALES + n)]);
        let told = gate.dispense(again).await.expect("an answer").into_inner().decision.expect("a decision");
        assert_eq!(told.verdict(), pb::Verdict::Allow, "{told:?}");
        assert_eq!(
            checked(&mut gate, &code(seller * SALES + n)).await,
            pb::Verdict::Block,
            "{n} of {seller}"
        );
        heard += 1;
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn not_seen_is_never_said_of_a_sale_that_was_acknowledged() {
    // So small a plan that the filters are built anew again and again while boxes are sold.
    let world = World::start_with(|config| {
        config.index.codes_planned_min = 64;
        config.index.hot_codes_max = 100;
    })
    .await;
    world.index_complete().await;
    let (mut sellers, mut listeners) = (JoinSet::new(), JoinSet::new());
    let done = Arc::new(AtomicBool::new(false));
    for seller in 0..SELLERS {
        let at = Arc::new(AtomicU64::new(0));
        sellers.spawn(sell(world.gate.clone(), seller, Arc::clone(&at)));
        listeners.spawn(overhear(world.gate.clone(), seller, at, Arc::clone(&done)));
    }
    while let Some(sold) = sellers.join_next().await {
        sold.expect("a seller does not panic");
    }
    done.store(true, Ordering::SeqCst);
    let mut heard = 0;
    while let Some(listener) = listeners.join_next().await {
        heard += listener.expect("a listener does not panic");
    }
    assert!(heard > SELLERS, "{heard}");
    let mut gate = world.gate.clone();
    for n in 0..SELLERS * SALES {
        assert_eq!(checked(&mut gate, &code(n)).await, pb::Verdict::Block, "box {n} at the end");
    }
    assert_eq!(checked(&mut gate, &code(SELLERS * SALES)).await, pb::Verdict::Allow);
    world.stop().await;
}

fn metric(page: &str, name: &str) -> f64 {
    let row = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {page}"));
    row.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{row}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_past_its_plan_is_seen_in_the_metrics_and_built_anew() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = [("TRACEGATE_INDEX_CODES_PLANNED_MIN", "10"), ("TRACEGATE_INDEX_HOT_CODES_MAX", "5")];
    let gateway = GatewayProcess::start_with_http(dir.path(), "127.0.0.1:0", &settings);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let ready = || async { page(&gateway.pages, "/ready").1.contains("\"index\":\"ready\"").then_some(()) };
    crate::support::eventually("the index is complete", ready).await;
    let mut gate = Gate::new(channel);
    for n in 0..30 {
        let told = gate.dispense(dispense(PHARMACY, &format!("r{n}"), &[code(n)])).await.expect("an answer");
        assert_eq!(told.into_inner().decision.expect("a decision").verdict(), pb::Verdict::Allow);
    }
    let metrics = crate::support::eventually("the filters are built anew", || async {
        let (_, metrics) = page(&gateway.pages, "/metrics");
        (metric(&metrics, "tracegate_index_codes_planned ") >= 50.0).then_some(metrics)
    })
    .await;
    let codes = metric(&metrics, "tracegate_index_codes ");
    assert!((27.0..=30.0).contains(&codes), "{codes}");
    assert_eq!(metric(&metrics, "tracegate_index_hot_codes "), 5.0);
    assert_eq!(metric(&metrics, "tracegate_index_complete "), 1.0);
    assert!(metric(&metrics, "tracegate_index_look_ups_total{answer=\"never\"}") >= 20.0, "{metrics}");
    gateway.kill();
}
