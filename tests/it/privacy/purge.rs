//! What was kept long enough is removed, from the tables and from the log; boxes stay sold, cases stay open.

use super::{files, holds};
use crate::support::eventually;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, at, code, dispense, institution, purchase};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracegate::config::Config;
use tracegate::engine::Retention;
use tracegate::grpc::pb;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;
use tracegate::trail::verify;

const DAYS: u32 = 90;

fn kept(requests_days: u32, trail_days: u32) -> impl FnOnce(&mut Config) {
    move |config| {
        config.retention = Retention { requests_days, trail_days };
        config.audit_nightly = false;
    }
}

fn days_later(days: i64) -> Timestamp {
    at(9, 0) + SignedDuration::from_hours(24 * days)
}

async fn purged(channel: &Channel, dry_run: bool) -> Result<pb::PurgeResponse, Status> {
    let mut told =
        AdminServiceClient::new(channel.clone()).purge(pb::PurgeRequest { dry_run }).await?.into_inner();
    let mut last = None;
    while let Some(now) = told.message().await? {
        last = Some(now);
    }
    Ok(last.expect("the last message is the result"))
}

/// A sale whose document and operator are told apart from everything else.
fn sale(id: &str, n: u64) -> pb::DispenseRequest {
    let mut asked = dispense(PHARMACY, id, &[code(n)]);
    let document = asked.document.as_mut().expect("a document");
    document.document_no = format!("PAPER-{id}");
    document.operator = format!("OPERATOR-{id}");
    asked
}

/// Whether any file of a directory holds a text.
fn stands(dir: &Path, text: &str) -> bool {
    files(dir).iter().any(|file| holds(&std::fs::read(file).expect("a file that can be read"), text))
}

async fn details(channel: &Channel, n: u64) -> Vec<pb::SaleDetails> {
    let asked = pb::GetCodeHistoryRequest { code: code(n), person: "Li".into(), reason: "test".into() };
    let history = BureauServiceClient::new(channel.clone()).get_code_history(asked).await.expect("a history");
    history.into_inner().events.into_iter().map(|event| event.details.unwrap_or_default()).collect()
}

/// Sells a box that nobody asks for again, and one of an open case.
async fn long_ago(world: &mut World) {
    let sold = world.dispense(sale("plain", 1)).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    assert_eq!(world.dispense(sale("case", 2)).await.verdict(), pb::Verdict::Allow);
    let again = world.dispense(dispense(OTHER_PHARMACY, "again", &[code(2)])).await;
    assert_eq!(again.verdict(), pb::Verdict::Block);
}

/// A gateway that keeps requests and its trail for so many days, with what was sold long ago.
async fn filled(requests_days: u32, trail_days: u32) -> World {
    let mut world = World::start_with(kept(requests_days, trail_days)).await;
    world.index_complete().await;
    long_ago(&mut world).await;
    world
}

/// Removes what is old, whether or not the gateway itself was faster.
async fn purge(world: &World) -> pb::PurgeResponse {
    eventually("nobody else purges", || async { purged(&world.channel, false).await.ok() }).await
}

#[tokio::test]
async fn old_requests_are_removed_and_boxes_stay_sold() {
    let mut world = filled(DAYS, 0).await;
    let data = world.dir.path().join("data");
    world.clock.set(days_later(89));
    let early = purge(&world).await;
    assert_eq!((early.requests, early.requests_stayed), (0, 0));
    assert!(stands(&data.join("log"), "PAPER-plain"));
    world.clock.set(days_later(91));
    assert_eq!(world.dispense(sale("young", 3)).await.verdict(), pb::Verdict::Allow);
    purge(&world).await;
    for gone in ["PAPER-plain", "OPERATOR-plain", "plain"] {
        assert!(!stands(&data.join("log"), gone), "{gone} stands in the log");
    }
    for stays in ["PAPER-case", "PAPER-young"] {
        assert!(stands(&data.join("log"), stays), "{stays} is gone");
    }
    assert_eq!(
        details(&world.channel, 1).await,
        [pb::SaleDetails::default()],
        "nothing is known but the sale"
    );
    assert_eq!(details(&world.channel, 2).await[0].document_no, "PAPER-case");
    // Nothing is forgotten that was sold: not to others, and not to whoever sells it again under the same document.
    let other = world.dispense(dispense(OTHER_PHARMACY, "thief", &[code(1)])).await;
    assert_eq!(other.verdict(), pb::Verdict::Block);
    let same = world.dispense(pb::DispenseRequest { request_id: "anew".into(), ..sale("plain", 1) }).await;
    assert_eq!(same.verdict(), pb::Verdict::Allow, "the same sale: {same:?}");
    assert_eq!(world.outcome(PHARMACY, "plain").await.state(), pb::OutcomeState::Never);
    // The tables are derived from what the log still says.
    let dir = world.stop().await;
    std::fs::remove_dir_all(data.join("tables")).expect("removed");
    std::fs::remove_dir_all(data.join("index")).expect("removed");
    let mut world = World::open_at(dir, days_later(91)).await;
    let other = world.dispense(dispense(OTHER_PHARMACY, "another", &[code(1)])).await;
    assert_eq!(other.verdict(), pb::Verdict::Block);
    assert_eq!(details(&world.channel, 2).await[0].document_no, "PAPER-case");
    assert_eq!(world.outcome(PHARMACY, "young").await.state(), pb::OutcomeState::Decided);
}

/// A pharmacy that buys over the platform, and of which no purchase is known yet.
const BUYER: &str = "P13010200004";

async fn load_buyer(world: &mut World) {
    let buyer = pb::Institution {
        division: "130102".into(),
        transition_ends_on: "2020-01-01".into(),
        ..institution(BUYER)
    };
    let row = tokio_stream::iter([pb::LoadInstitutionsRequest { institution: Some(buyer) }]);
    let told = world.registry.load_institutions(row).await.expect("an answer").into_inner();
    assert_eq!(told.results[0].status(), pb::LoadStatus::Added);
    let month_ago = prost_types::Timestamp { seconds: at(8, 0).as_second() - 30 * 86_400, nanos: 0 };
    let feed = pb::SubmitPurchaseFeedsRequest { scope: "13*".into(), complete_up_to: Some(month_ago) };
    let told = world.purchases.submit_purchase_feeds(tokio_stream::iter([feed])).await.expect("an answer");
    assert_eq!(told.into_inner().results[0].status(), pb::LoadStatus::Added);
}

/// A purchase of one pack, before anything was sold.
async fn load_purchase(world: &mut World) {
    let bought = purchase(BUYER, "O1", "1");
    let told = world.purchases.submit_purchases(tokio_stream::iter([bought])).await.expect("an answer");
    assert_eq!(told.into_inner().results[0].status(), pb::LoadStatus::Added);
}

#[tokio::test]
async fn a_request_that_waits_for_purchase_data_stays_until_they_have_come() {
    let mut world = World::start_with(kept(DAYS, 0)).await;
    world.index_complete().await;
    load_buyer(&mut world).await;
    let mut asked = sale("waits", 1);
    asked.document.as_mut().expect("a document").institution_code = BUYER.into();
    let reasons: Vec<_> = world.dispense(asked).await.findings.iter().map(|f| f.reason()).collect();
    assert_eq!(reasons, [pb::Reason::PurchaseNotKnownYet]);
    let log = world.dir.path().join("data/log");
    world.clock.set(days_later(91));
    assert_eq!(purge(&world).await.requests_stayed, 1);
    assert!(stands(&log, "PAPER-waits"), "it is still to be corrected");
    load_purchase(&mut world).await;
    let corrected = world.outcome(BUYER, "waits").await;
    let corrections = corrected.decision.expect("a decision").corrections;
    assert_eq!(corrections.len(), 1, "{corrections:?}");
    world.clock.set(days_later(200));
    purge(&world).await;
    assert!(!stands(&log, "PAPER-waits"), "nobody waits for it any more");
    assert_eq!(world.outcome(BUYER, "waits").await.state(), pb::OutcomeState::Never);
}

#[tokio::test]
async fn a_gateway_purges_by_itself_each_day() {
    let world = filled(DAYS, 0).await;
    let log = world.dir.path().join("data/log");
    world.clock.set(days_later(100));
    eventually("the request is removed", || async { (!stands(&log, "PAPER-plain")).then_some(()) }).await;
    let trail = world.dir.path().join("data/trail");
    assert!(stands(&trail, "requests.purge"));
}

#[tokio::test]
async fn a_purge_says_what_it_would_do_and_what_is_missing() {
    let mut world = World::start().await;
    world.index_complete().await;
    let refused = purged(&world.channel, true).await.expect_err("everything is kept");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("retention.requests_days"), "{refused:?}");
    long_ago(&mut world).await;
    let dir = world.stop().await;
    // A start with another setting, and one that only counts.
    let world = reopened(dir, days_later(10)).await;
    let would = eventually("counted", || async { purged(&world.channel, true).await.ok() }).await;
    assert_eq!((would.requests, would.segments), (0, 0));
    assert!(would.requests_before.is_some() && would.trail_before.is_none());
}

async fn reopened(dir: Arc<TempDir>, now: Timestamp) -> World {
    let world = World::open_later(dir, now, kept(DAYS, 0)).await;
    world.index_complete().await;
    world
}

#[tokio::test]
async fn what_a_purge_could_not_finish_is_finished_by_the_next() {
    let mut world = World::start_with(kept(0, 0)).await;
    long_ago(&mut world).await;
    let dir = world.stop().await;
    let log = dir.path().join("data/log");
    // The first segment cannot be written anew: a directory stands where its draft would.
    let segment = files(&log).into_iter().find(|file| file.extension().is_some_and(|e| e == "log"));
    let draft = segment.expect("a segment").with_extension("new");
    std::fs::create_dir(&draft).expect("made");
    let world = reopened(dir, days_later(100)).await;
    let failed = eventually("nobody else purges", || async {
        purged(&world.channel, false).await.err().filter(|error| error.code() != Code::FailedPrecondition)
    })
    .await;
    assert!(failed.message().contains("cannot") || failed.message().contains("could not"), "{failed:?}");
    assert!(stands(&log, "PAPER-plain"), "the log has it still");
    std::fs::remove_dir(&draft).expect("removed");
    purge(&world).await;
    assert!(!stands(&log, "PAPER-plain"));
    assert_eq!(details(&world.channel, 2).await[0].document_no, "PAPER-case");
}

#[tokio::test]
async fn old_months_of_the_trail_are_removed_and_the_rest_is_whole() {
    let world = filled(0, DAYS).await;
    for days in [35, 70, 130] {
        world.clock.set(days_later(days));
        // Each look at a code is an entry.
        details(&world.channel, 2).await;
    }
    let trail = world.dir.path().join("data/trail");
    eventually("the months are removed", || async { (!trail.join("2026-03.jsonl").exists()).then_some(()) })
        .await;
    purge(&world).await;
    let mut months: Vec<_> =
        files(&trail).into_iter().filter_map(|f| f.file_name()?.to_str().map(str::to_owned)).collect();
    months.retain(|name| name.ends_with(".jsonl"));
    months.sort();
    assert_eq!(
        months,
        ["2026-04.jsonl", "2026-05.jsonl", "2026-07.jsonl"],
        "no other is {DAYS} days past its end"
    );
    let _dir = world.stop().await;
    let report = verify(&trail, None).expect("it can be read");
    assert!(report.is_whole(), "{report:?}");
    assert!(stands(&trail, "trail.purge"));
}
