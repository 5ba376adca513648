//! More codes than a deployment was planned for: Redis is told to keep fuller buckets packed, while gateways serve, and
//! what had lost its packing before gets it back. Nothing is lost and nothing sold twice meanwhile.

use super::races::{Stores, plain};
use crate::acceptance::samples::code;
use crate::support::eventually;
use crate::support::redis::RedisServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tracegate::domain::code::CodeKey;
use tracegate::store::redis::RedisStore;
use tracegate::store::{ClaimLedger, CommitError, Store};

const DOCUMENTS: u32 = 70;
/// More than the 10,000 that are planned for, in 1,024 buckets.
const CODES_PER_DOCUMENT: u32 = 400;

fn codes_of(document: u32) -> Vec<CodeKey> {
    (0..CODES_PER_DOCUMENT).map(|n| code(u64::from(document * CODES_PER_DOCUMENT + n))).collect()
}

async fn sell(store: &RedisStore, document: u32) {
    store.commit(&plain(&codes_of(document), document)).await.expect("nobody else sells it");
}

/// Buckets of claims by whether Redis keeps them packed: packed, not packed.
fn buckets(server: &RedisServer) -> (usize, usize) {
    let script = "local packed, not_packed = 0, 0
        for _, key in ipairs(redis.call('KEYS', '{p:*}c:*')) do
            if redis.call('OBJECT', 'ENCODING', key) == 'listpack' then packed = packed + 1
            else not_packed = not_packed + 1 end
        end
        return {packed, not_packed}";
    let told = server.command(&["EVAL", script, "0"]);
    let (packed, not_packed) = told.split_once('\n').expect("two numbers");
    (packed.parse().expect("a number"), not_packed.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_grows_past_its_plan_while_it_serves() {
    let server = RedisServer::start();
    let fleet = Stores::open(&server.url(), 2).await;
    // So small that it is passed with the codes of a test.
    server.command(&["CONFIG", "SET", "hash-max-listpack-entries", "16"]);
    for document in 0..DOCUMENTS {
        sell(&fleet.stores[document as usize % 2], document).await;
    }
    let (_, crowded) = buckets(&server);
    assert!(crowded > 900, "buckets have lost their packing: {crowded}");

    let sold = Arc::new(AtomicU32::new(DOCUMENTS));
    let (store, counted) = (Arc::clone(&fleet.stores[1]), Arc::clone(&sold));
    let serving = tokio::spawn(async move {
        loop {
            let next = counted.load(Ordering::SeqCst);
            sell(&store, next).await;
            counted.store(next + 1, Ordering::SeqCst);
            // signal: a counter's pause between two customers; without one the buckets fill past the new limit.
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    });
    server.command(&["CONFIG", "SET", "hash-max-listpack-entries", "256"]);
    eventually("every bucket is packed again", || async { (buckets(&server).1 == 0).then_some(()) }).await;
    let while_packing = sold.load(Ordering::SeqCst);
    eventually("sales go on", || async { (sold.load(Ordering::SeqCst) > while_packing).then_some(()) }).await;
    serving.abort();
    drop(serving.await);

    for document in 0..sold.load(Ordering::SeqCst) {
        let keys = codes_of(document);
        let found = fleet.stores[0].histories(&keys).await.expect("an answer");
        assert!(found.iter().all(Option::is_some), "document {document}");
        let again = fleet.stores[0].commit(&plain(&keys, 999_999)).await;
        assert_eq!(again, Err(CommitError::Conflict), "document {document}");
    }
    for store in &fleet.stores {
        store.close().await;
    }
}
