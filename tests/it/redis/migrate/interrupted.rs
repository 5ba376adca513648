//! A move that ends half-way: the same command goes on, and until it is finished no gateway starts on the target.

use super::{
    Places, check_holds, check_whole, fill, into_redis, open_embedded, out_of_redis, run, sell_packs,
};
use crate::acceptance::on_redis;
use crate::support::process::PROGRAM;
use crate::support::redis::RedisServer;
use crate::support::redis::proxy::{FaultProxy, Mode};
use crate::support::within;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tracegate::app::migrate::{Moved, Plan};
use tracegate::clock::{Clock, SystemClock};
use tracegate::store::embedded::EmbeddedStore;
use tracegate::store::redis::RedisStore;
use tracegate::store::{ClaimLedger, Store};

/// Moves one piece after the other, each in a run of its own; gives how many runs it took.
async fn run_piece_by_piece(plan: &Plan, mut between: impl AsyncFnMut()) -> u32 {
    let one = Plan { pieces_max: Some(1), ..plan.clone() };
    let mut runs = 0;
    while run(&one).await.unwrap() == Moved::Stopped {
        runs += 1;
        between().await;
        assert!(runs < 1000, "it never ends");
        if runs > 6 {
            // The rest is put from its beginning each time: it is never behind piece by piece.
            check_whole(run(plan).await);
            return runs;
        }
    }
    runs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_where_it_was_stopped() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data, new) = (places.at("old"), places.at("gateway"), places.at("new"));
    let (_, model) = fill(&old, 7, 1000).await;
    let runs = run_piece_by_piece(&into_redis(&old, &redis.url(), &data), async || {
        let options = on_redis::options(&redis.url());
        for dir in [&data, &places.at("another")] {
            let refused = RedisStore::open(dir, &options, SystemClock.now()).await.unwrap_err().to_string();
            assert!(refused.contains("same `tracegate migrate`"), "{refused}");
        }
    })
    .await;
    assert!(runs > 3, "it was interrupted {runs} times");
    let store = on_redis::open(&redis.url(), &data).await;
    check_holds(&store, &model, 1000, "in Redis").await;
    store.close().await;
    drop(store);

    let runs = run_piece_by_piece(&out_of_redis(&redis.url(), &data, &new), async || {
        let refused = EmbeddedStore::open(&new, &super::config().store).unwrap_err().to_string();
        assert!(refused.contains("same `tracegate migrate`"), "{refused}");
    })
    .await;
    assert!(runs > 3, "it was interrupted {runs} times");
    let store = open_embedded(&new).await;
    check_holds(store.as_ref(), &model, 1000, "in the new directory").await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_verified_is_not_compared_again() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data) = (places.at("old"), places.at("gateway"));
    fill(&old, 13, 25).await;
    let plan = into_redis(&old, &redis.url(), &data);
    check_whole(run(&plan).await);
    // Killed between the mark in Redis and the note; then another gateway began to work.
    let head = std::fs::read_to_string(old.join("tracegate.toml")).unwrap();
    let source = head.lines().find_map(|line| line.strip_prefix("directory_id = ")).unwrap().to_owned();
    let note = format!("format = 1\nsource = {source}\nstage = \"verified\"\n");
    std::fs::write(data.join("migration.toml"), note).unwrap();
    let store = on_redis::open(&redis.url(), &places.at("another")).await;
    sell_packs(&store, 25..30).await;
    assert_eq!(run(&plan).await.unwrap(), Moved::Concluded);
    store.close().await;
    drop(store);
    let store = on_redis::open(&redis.url(), &data).await;
    assert!(store.outcome(&crate::acceptance::samples::request(0, "r1")).await.is_ok(), "it can be read");
    store.close().await;
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("migrate").args(args).args(["--init-codes", "100000", "--json"]);
    command.env("TRACEGATE_STORE_DISK_FREE_BYTES_MIN", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the command and kills it once its note fits.
async fn kill_when(args: &[&str], note: &Path, fits: impl Fn(&str) -> bool) {
    let child = Mutex::new(command(args).spawn().unwrap());
    within(Duration::from_secs(60), "the move is so far", || async {
        let ended = child.lock().unwrap().try_wait().unwrap();
        let text = std::fs::read_to_string(note).unwrap_or_default();
        assert!(ended.is_none() || fits(&text), "the move ended before it could be killed");
        fits(&text).then_some(())
    })
    .await;
    let mut child = child.into_inner().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn finish(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let run = move || command(&args.iter().map(String::as_str).collect::<Vec<_>>()).output();
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}

/// kill -9 on the walk and in the rest, then to the end. Redis is slow for so long that no stage is over before somebody
/// looks.
async fn check_kills(args: &[&str], note: &Path, proxy: &FaultProxy) {
    proxy.set(Mode::Delay(Duration::from_millis(10)));
    let at = |text: &str| {
        let number = text.lines().find_map(|line| line.strip_prefix("at = "))?.parse::<u64>().ok();
        number.filter(|at| *at > 0)
    };
    kill_when(args, note, |text| at(text).is_some()).await;
    kill_when(args, note, |text| text.contains("rest")).await;
    kill_when(args, note, |text| text.contains("rest")).await;
    proxy.set(Mode::Pass);
    let done = finish(args).await;
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said} {}", String::from_utf8_lossy(&done.stderr));
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told["same"], true, "{said}");
    assert!(!note.exists(), "gateways may start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_and_everything_is_there_once() {
    let (redis, places) = (RedisServer::start(), Places::new());
    let (old, data, new) = (places.at("old"), places.at("gateway"), places.at("new"));
    let (_, model) = fill(&old, 11, 3000).await;
    let proxy = FaultProxy::start(&redis.address());
    let (url, path) = (format!("redis://{}", proxy.address()), |dir: &Path| dir.to_str().unwrap().to_owned());
    let (from, beside, to) = (path(&old), path(&data), path(&new));

    let args = ["--from", &from, "--to", &url, "--data-dir", &beside];
    check_kills(&args, &data.join("migration.toml"), &proxy).await;
    let store = on_redis::open(&url, &data).await;
    check_holds(&store, &model, 3000, "in Redis").await;
    store.close().await;
    drop(store);

    let args = ["--from", &url, "--data-dir", &beside, "--to", &to];
    check_kills(&args, &new.join("migration.toml"), &proxy).await;
    let store = open_embedded(&new).await;
    check_holds(store.as_ref(), &model, 3000, "in the new directory").await;
    store.close().await;
}
