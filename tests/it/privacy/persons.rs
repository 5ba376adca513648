//! Two sales of one person are seen to be that, and nobody learns who it was.

use crate::redis::fleet::Fleet;
use crate::support::eventually;
use crate::support::redis::RedisServer;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, at, code, connect, dispense};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tracegate::app::{Gateway, StartError};
use tracegate::clock::ManualClock;
use tracegate::config::Config;
use tracegate::grpc::pb;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// A number as one counter sends it, and the same as another one does.
const PATIENT: [&str; 2] = ["33010119900307881X", " 330101 19900307 881x"];
const SOMEBODY_ELSE: &str = "110101198001010011";

/// A wrapping key in a file of its own.
fn wrapping_key(dir: &Path, name: &str, byte: u8) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, format!("{byte:02x}").repeat(32)).expect("written");
    file
}

fn sold_to(certificate_no: &str, institution: &str, id: &str, n: u64) -> pb::DispenseRequest {
    let mut asked = dispense(institution, id, &[code(n)]);
    let person = pb::Person { certificate_no: certificate_no.into(), ..pb::Person::default() };
    asked.document.as_mut().expect("a document").person = Some(person);
    asked
}

/// Persons of the only case of a code, in the order of its sales.
async fn persons_of_case(channel: &Channel, n: u64, caller: Option<&str>) -> Vec<u32> {
    let mut asked = Request::new(pb::GetCaseRequest { case_id: format!("{}-1", code(n)) });
    if let Some(caller) = caller {
        asked.metadata_mut().insert("tracegate-caller", caller.parse().expect("a value"));
    }
    let case = BureauServiceClient::new(channel.clone()).get_case(asked).await.expect("a case");
    let sales = case.into_inner().case.expect("a case").sales;
    sales.into_iter().map(|sale| sale.details.expect("details").person).collect()
}

async fn persons_of_code(channel: &Channel, n: u64) -> Vec<u32> {
    let asked = pb::GetCodeHistoryRequest { code: code(n), person: "Li".into(), reason: "test".into() };
    let history = BureauServiceClient::new(channel.clone()).get_code_history(asked).await.expect("a history");
    history.into_inner().events.into_iter().map(|event| event.details.expect("details").person).collect()
}

/// Sells a box to one and tries to sell it to another one.
async fn sold_twice(world: &mut World, n: u64, first: &str, second: &str) {
    let sold = world.dispense(sold_to(first, PHARMACY, &format!("first-{n}"), n)).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    let again = world.dispense(sold_to(second, OTHER_PHARMACY, &format!("second-{n}"), n)).await;
    assert_eq!(again.verdict(), pb::Verdict::Block);
}

#[tokio::test]
async fn two_sales_of_one_person_are_joined_for_a_bureau() {
    let keys = tempfile::tempdir().expect("a directory");
    let file = wrapping_key(keys.path(), "a.key", 1);
    let mut world = World::start_with(|config| config.wrapping_key_files = vec![file]).await;
    sold_twice(&mut world, 1, PATIENT[0], PATIENT[1]).await;
    sold_twice(&mut world, 2, PATIENT[0], SOMEBODY_ELSE).await;
    sold_twice(&mut world, 3, PATIENT[0], "").await;
    for (n, expected) in [(1, [1, 1]), (2, [1, 2]), (3, [1, 0])] {
        assert_eq!(persons_of_case(&world.channel, n, None).await, expected, "box {n}");
        assert_eq!(persons_of_case(&world.channel, n, Some("bureau 12")).await, expected, "box {n}");
        assert_eq!(persons_of_code(&world.channel, n).await, expected, "box {n}");
        let own = format!("institution {PHARMACY}");
        assert_eq!(
            persons_of_case(&world.channel, n, Some(&own)).await,
            [0, 0],
            "not an institution's business"
        );
    }
    // Who it is for is no part of the request: it may be sent again without, or by somebody who typed it anew.
    for certificate_no in [PATIENT[1], SOMEBODY_ELSE, ""] {
        assert!(world.dispense(sold_to(certificate_no, PHARMACY, "first-1", 1)).await.replayed);
    }
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [1, 1], "the first word stays");
}

#[tokio::test]
async fn a_number_that_is_none_is_refused_without_repeating_it() {
    let mut world = World::start().await;
    let long = "7".repeat(65);
    let refused = world.gate.dispense(sold_to(&long, PHARMACY, "r1", 1)).await.expect_err("it is too long");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("certificate_no") && !refused.message().contains("777"),
        "{refused:?}"
    );
}

/// Opens a world over a directory again, with these wrapping keys.
async fn reopened(dir: Arc<TempDir>, files: &[PathBuf]) -> World {
    World::open(dir, |config| config.wrapping_key_files = files.to_vec()).await
}

/// Why a gateway with these wrapping keys does not start.
async fn refusal(dir: &TempDir, files: &[PathBuf]) -> StartError {
    let mut config = Config::built_in().expect("the defaults are valid");
    config.data_dir = dir.path().join("data");
    config.store.disk_free_bytes_min = 1;
    config.grpc.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.http_listen = None;
    config.wrapping_key_files = files.to_vec();
    Gateway::start(&config, Arc::new(ManualClock::at(at(9, 0)))).await.expect_err("it does not start")
}

#[tokio::test]
async fn a_wrapping_key_is_replaced_and_sales_stay_joined() {
    let keys = tempfile::tempdir().expect("a directory");
    let (old, new) = (wrapping_key(keys.path(), "old.key", 1), wrapping_key(keys.path(), "new.key", 2));
    let files = vec![old.clone()];
    let mut world = World::start_with(|config| config.wrapping_key_files = files).await;
    let sold = world.dispense(sold_to(PATIENT[0], PHARMACY, "first", 1)).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    let sealed_by = sealed_by(&world.channel).await;
    let dir = world.stop().await;
    // Nobody has the new one alone before it has sealed.
    let refused = refusal(&dir, std::slice::from_ref(&new)).await.to_string();
    assert!(refused.contains(&sealed_by[0]) && refused.contains("wrapping_key_files"), "{refused}");
    let dir = reopened(dir, &[new.clone(), old.clone()]).await.stop().await;
    let mut world = reopened(dir, std::slice::from_ref(&new)).await;
    assert_ne!(self::sealed_by(&world.channel).await, sealed_by, "the new one seals");
    let again = world.dispense(sold_to(PATIENT[1], OTHER_PHARMACY, "second", 1)).await;
    assert_eq!(again.verdict(), pb::Verdict::Block);
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [1, 1]);
    let dir = world.stop().await;
    assert!(refusal(&dir, &[old]).await.to_string().contains("join key 1"));
}

async fn join_keys(channel: &Channel) -> Vec<pb::JoinKey> {
    let answer = AdminServiceClient::new(channel.clone()).list_join_keys(pb::ListJoinKeysRequest {}).await;
    answer.expect("a list").into_inner().keys
}

async fn sealed_by(channel: &Channel) -> Vec<String> {
    join_keys(channel).await.into_iter().map(|key| key.sealed_by).collect()
}

#[tokio::test]
async fn a_destroyed_join_key_joins_nothing() {
    let keys = tempfile::tempdir().expect("a directory");
    let file = wrapping_key(keys.path(), "a.key", 1);
    let mut world = World::start_with(|config| config.wrapping_key_files = vec![file]).await;
    sold_twice(&mut world, 1, PATIENT[0], PATIENT[0]).await;
    let mut admin = AdminServiceClient::new(world.channel.clone());
    let destroy = |version| pb::DestroyJoinKeyRequest { version };
    let refused = admin.destroy_join_key(destroy(1)).await.expect_err("it is in force");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(admin.destroy_join_key(destroy(9)).await.expect_err("there is none").code(), Code::NotFound);
    let made = admin.rotate_join_key(pb::RotateJoinKeyRequest {}).await.expect("a new one").into_inner();
    assert_eq!(made.key.expect("a key").version, 2);
    // Marks of the older one still join each other; nothing joins over both.
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [1, 1]);
    sold_twice(&mut world, 2, PATIENT[0], PATIENT[0]).await;
    assert_eq!(persons_of_case(&world.channel, 2, None).await, [1, 1]);
    let third = world.dispense(sold_to(PATIENT[0], OTHER_PHARMACY, "third", 1)).await;
    assert_eq!(third.verdict(), pb::Verdict::Block);
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [1, 1, 0]);
    let gone = admin.destroy_join_key(destroy(1)).await.expect("destroyed").into_inner().key.expect("a key");
    assert!(gone.destroyed_at.is_some() && gone.sealed_by.is_empty());
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [0, 0, 1]);
    assert_eq!(persons_of_case(&world.channel, 2, None).await, [1, 1], "the others go on");
    assert_eq!(join_keys(&world.channel).await.len(), 2, "it stays in the list");
}

#[tokio::test]
async fn without_a_wrapping_key_nothing_of_a_person_is_kept() {
    let mut world = World::start().await;
    sold_twice(&mut world, 1, PATIENT[0], PATIENT[0]).await;
    assert_eq!(persons_of_case(&world.channel, 1, None).await, [0, 0]);
    assert!(join_keys(&world.channel).await.is_empty());
    let refused =
        AdminServiceClient::new(world.channel.clone()).rotate_join_key(pb::RotateJoinKeyRequest {}).await;
    let refused = refused.expect_err("nothing could seal it");
    assert!(refused.message().contains("privacy.wrapping_key_files"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_of_a_fleet_join_what_they_sold() {
    let (server, keys) = (RedisServer::start(), tempfile::tempdir().expect("a directory"));
    let file = wrapping_key(keys.path(), "a.key", 1);
    let file = file.to_str().expect("a path");
    let fleet = Fleet::start(&server.url(), 2, &[("TRACEGATE_PRIVACY_WRAPPING_KEY_FILES", file)]).await;
    let (here, there) =
        (connect(&fleet.gateways[0].address).await, connect(&fleet.gateways[1].address).await);
    eventually("both have one join key", || async {
        let (one, other) = (join_keys(&here).await, join_keys(&there).await);
        (one.len() == 1 && one == other).then_some(())
    })
    .await;
    let sell = |channel: &Channel, asked| {
        let mut gate = DispensingServiceClient::new(channel.clone());
        async move { gate.dispense(asked).await.expect("an answer").into_inner().decision.expect("a decision") }
    };
    let sold = sell(&here, sold_to(PATIENT[0], PHARMACY, "first", 1)).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    let again = sell(&there, sold_to(PATIENT[1], OTHER_PHARMACY, "second", 1)).await;
    assert_eq!(again.verdict(), pb::Verdict::Block);
    assert_eq!(persons_of_case(&there, 1, None).await, [1, 1]);
    assert_eq!(persons_of_code(&here, 1).await, [1, 1]);
}
