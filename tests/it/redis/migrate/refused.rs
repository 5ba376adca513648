//! What must not be moved, or not there; and a move after which both sides differ.

use super::{Places, check_whole, fill, into_redis, open_embedded, out_of_redis, run};
use crate::acceptance::on_redis;
use crate::support::process::PROGRAM;
use crate::support::redis::RedisServer;
use std::process::Command;
use tracegate::app::migrate::{Moved, Plan, Side};
use tracegate::store::Store;

/// Takes one claim out of the first bucket that has any.
const LOSE_A_CLAIM: &str = "local key = redis.call('KEYS', '{p:*}c:*')[1]
return redis.call('HDEL', key, redis.call('HKEYS', key)[1])";

#[track_caller]
fn check(moved: Result<Moved, tracegate::app::migrate::MigrateError>, word: &str) {
    let refused = moved.unwrap_err().to_string();
    assert!(refused.contains(word), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_this_moves_is_refused() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, other, data) = (places.at("old"), places.at("other"), places.at("gateway"));
    fill(&old, 1, 25).await;
    fill(&other, 2, 25).await;
    let url = redis.url();

    // Another store's data, or anything at all, stands where it shall go.
    check(run(&into_redis(&old, &url, &other)).await, "the data of a gateway");
    check(run(&into_redis(&old, &url, &old)).await, "another directory");
    std::fs::create_dir(places.at("files")).unwrap();
    std::fs::write(places.at("files").join("a"), "").unwrap();
    check(run(&into_redis(&old, &url, &places.at("files"))).await, "holds files");
    check(run(&into_redis(&places.at("nothing"), &url, &data)).await, "is no data directory");
    assert!(!places.at("nothing").exists(), "nothing is made of it");
    let same_kind = Plan { to: Side::Directory(places.at("new")), ..into_redis(&old, &url, &data) };
    check(run(&same_kind).await, "copy the files");
    let small = Plan { init_codes: Some(10), ..into_redis(&old, &url, &data) };
    check(run(&small).await, "plans for 10 only");
    assert_eq!(redis.command(&["DBSIZE"]), "0", "nothing was begun");

    // Begun with one store, it does not go on with another.
    let one = Plan { pieces_max: Some(1), ..into_redis(&old, &url, &data) };
    assert_eq!(run(&one).await.unwrap(), Moved::Stopped);
    check(run(&into_redis(&other, &url, &data)).await, "migration of another store");
    check(run(&into_redis(&other, &url, &places.at("data-2"))).await, "is being moved into this Redis");
    check_whole(run(&one_whole(&one)).await);
    check(run(&into_redis(&other, &url, &places.at("data-3"))).await, "into an empty Redis only");
    check(run(&out_of_redis(&url, &data, &other)).await, "the data of a gateway");
}

fn one_whole(plan: &Plan) -> Plan {
    Plan { pieces_max: None, ..plan.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_with_a_running_gateway_is_not_moved() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let gateway = on_redis::open(&redis.url(), &places.at("gateway")).await;
    let plan = out_of_redis(&redis.url(), &places.at("beside"), &places.at("new"));
    crate::support::eventually("the gateway says that it is alive", || async {
        (!redis.command(&["KEYS", "{g:*}alive"]).is_empty()).then_some(())
    })
    .await;
    check(run(&plan).await, "works with this store");
    gateway.close().await;
    check_whole(run(&plan).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_deployment_is_not_filled_from_the_middle() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data) = (places.at("old"), places.at("gateway"));
    fill(&old, 3, 500).await;
    let plan = into_redis(&old, &redis.url(), &data);
    let begun = run(&Plan { pieces_max: Some(1), ..plan.clone() }).await.unwrap();
    assert_eq!(begun, Moved::Stopped);
    redis.command(&["FLUSHALL"]);
    check(run(&plan).await, "is gone from this Redis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_does_not_arrive_is_noticed() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data) = (places.at("old"), places.at("gateway"));
    fill(&old, 4, 100).await;
    let plan = into_redis(&old, &redis.url(), &data);
    let one = Plan { pieces_max: Some(1), ..plan.clone() };
    let note = || std::fs::read_to_string(data.join("migration.toml")).unwrap();
    while run(&one).await.unwrap() == Moved::Stopped && !note().contains("rest") {}
    assert_eq!(redis.command(&["EVAL", LOSE_A_CLAIM, "0"]), "1");

    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let args = ["--from", &text(&old), "--to", &redis.url(), "--data-dir", &text(&data)];
    let output = Command::new(PROGRAM)
        .arg("migrate")
        .args(args)
        .args(["--init-codes", "100000"])
        .env("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success(), "{said}");
    let row = |kind: &str| said.lines().find(|line| line.contains(kind)).unwrap_or_default().to_owned();
    assert!(row("claims").contains("NO") && row("outcomes").contains("yes"), "{said}");
    assert!(said.contains("no gateway starts on the target"), "{said}");
    assert!(data.join("migration.toml").exists(), "the target stays closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_changed_on_the_way_is_refused() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data) = (places.at("old"), places.at("gateway"));
    let (mut random, mut model) = fill(&old, 5, 500).await;
    let plan = into_redis(&old, &redis.url(), &data);
    let begun = run(&Plan { pieces_max: Some(2), ..plan.clone() }).await.unwrap();
    assert_eq!(begun, Moved::Stopped);
    // Somebody works on with the source, though its move has begun.
    let store = open_embedded(&old).await;
    crate::acceptance::random::play(store.as_ref(), &mut model, &mut random, 100).await;
    store.close().await;
    drop(store);
    check(run(&plan).await, "not the same store");
}
