//! Two processes with copies of one data directory: both would write under one gateway number.

use crate::support::eventually;
use crate::support::process::{GatewayProcess, PROGRAM, page};
use crate::support::redis::RedisServer;
use crate::support::world::{PHARMACY, code, connect, dispense, load_province};
use std::path::Path;
use std::process::{Command, Output};
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

const WITH_HTTP: [&str; 4] = ["--http", "127.0.0.1:0", "--init-codes", "100000"];

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp can be run");
    assert!(copied.success());
}

/// A gateway that is expected not to start.
fn try_to_serve(data_dir: &Path, url: &str) -> Output {
    Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir"])
        .arg(data_dir)
        .env("TRACEGATE_STORE_URL", url)
        .output()
        .expect("the program starts")
}

async fn is_ready(gateway: &GatewayProcess) {
    eventually("it is ready", || async { page(&gateway.pages, "/ready").0.contains("200").then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_refused_while_the_first_lives() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().expect("a directory");
    let (data, other) = (dir.path().join("data"), dir.path().join("copy"));
    let first = GatewayProcess::start_with_args(&data, &WITH_HTTP, &[("TRACEGATE_STORE_URL", &server.url())]);
    is_ready(&first).await;
    copy(&data, &other);
    let refused = try_to_serve(&other, &server.url());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("copy of this data directory"), "{said}");
    is_ready(&first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stood_still_while_a_copy_began_stops() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().expect("a directory");
    let (data, other) = (dir.path().join("data"), dir.path().join("copy"));
    let env = [("TRACEGATE_STORE_URL", server.url())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let first = GatewayProcess::start_with_args(&data, &WITH_HTTP, &env);
    load_province(&connect(&first.address).await).await;
    is_ready(&first).await;
    first.signal("STOP");
    copy(&data, &other);
    let second = GatewayProcess::start_with_args(&other, &WITH_HTTP, &env);
    is_ready(&second).await;
    first.signal("CONT");
    eventually("the first stops", || async {
        page(&first.pages, "/ready").1.contains("with a copy of this data directory").then_some(())
    })
    .await;
    let sale = dispense(PHARMACY, "r1", &[code(1)]);
    let refused = DispensingServiceClient::new(connect(&first.address).await).dispense(sale.clone()).await;
    assert_eq!(refused.expect_err("it takes nothing").code(), tonic::Code::Unavailable);
    DispensingServiceClient::new(connect(&second.address).await).dispense(sale).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_redis_is_no_copy() {
    let mut server = RedisServer::start();
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let env = [("TRACEGATE_STORE_URL", server.url())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    // An earlier life is what the old files know.
    GatewayProcess::start_with_args(&data, &WITH_HTTP, &env).kill();
    let old = server.save_files();
    let gateway = GatewayProcess::start_with_args(&data, &WITH_HTTP, &env);
    is_ready(&gateway).await;
    assert!(server.command(&["HVALS", "{tracegate}lives"]).starts_with("2 "));
    server.kill();
    server.restore_files(&old);
    server.restart();
    assert!(server.command(&["HVALS", "{tracegate}lives"]).starts_with("1 "), "the files are old");
    eventually("it lives on", || async {
        server.command(&["HVALS", "{tracegate}lives"]).starts_with("2 ").then_some(())
    })
    .await;
    is_ready(&gateway).await;
}
