//! What one caller may take, and what all of them together: what is too much is refused at once and says how long to wait.

use super::refused;
use crate::doors::as_caller;
use crate::scan::held::HeldWorld;
use crate::support::eventually;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, code, dispense, document};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracegate::clock::Stopwatch;
use tracegate::config::Config;
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

fn pharmacy() -> String {
    format!("institution {PHARMACY}")
}

/// Says that it is too much, and when it will not be.
#[track_caller]
fn too_much<T: std::fmt::Debug>(answer: Result<T, Status>, of: &str) {
    let after =
        answer.as_ref().err().and_then(StatusExt::get_details_retry_info).and_then(|info| info.retry_delay);
    assert!(after.is_some_and(|after| !after.is_zero()), "{answer:?}");
    refused(answer, Code::ResourceExhausted, of);
}

fn narrow(config: &mut Config) {
    config.limits.callers.requests_burst_max = 5;
    config.limits.callers.requests_per_second_max = 1;
    config.grpc.admission.streams_per_caller_max = 2;
    config.limits.callers.strange_codes_per_hour_max = 100;
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_to_wait_and_its_retries_are_answered() {
    let world = World::start_with(narrow).await;
    let mut gate = world.gate.clone();
    let mut sells = async |who: &str, id: &str, n: u64| {
        let caller = format!("institution {who}");
        let answer = gate.dispense(as_caller(dispense(who, id, &[code(n)]), &caller)).await;
        answer.map(|answer| answer.into_inner().decision.expect("a decision").replayed)
    };
    for n in 0..5 {
        assert!(!sells(PHARMACY, &format!("s{n}"), n).await.expect("sold"));
    }
    // A bucket of five fills by one a second: of so many in a row some are too much.
    let mut answers = Vec::new();
    for n in 10..30 {
        answers.push(sells(PHARMACY, &format!("s{n}"), n).await);
    }
    let over = answers.into_iter().find(Result::is_err).expect("too many");
    too_much(over, "too many requests");
    assert!(sells(PHARMACY, "s0", 0).await.expect("a known request"), "the first answer again");
    assert!(!sells(OTHER_PHARMACY, "other", 100).await.expect("another caller"));
    // The same bucket for every method.
    let mut cases = BureauServiceClient::new(world.channel.clone());
    let mut refusals = 0;
    for _ in 0..5 {
        let listed = cases.list_cases(as_caller(pb::ListCasesRequest::default(), &pharmacy())).await;
        refusals += u32::from(listed.is_err_and(|status| status.code() == Code::ResourceExhausted));
    }
    assert!(refusals > 0, "lists are counted too");
    for _ in 0..50 {
        cases.list_cases(pb::ListCasesRequest::default()).await.expect("the operator takes what it needs");
    }
    world.stop().await;
}

#[tokio::test]
async fn on_a_stream_each_message_counts_and_the_stream_goes_on() {
    let world = World::start_with(narrow).await;
    let mut gate = world.gate.clone();
    let scans = (0..40).map(|n| pb::ScanRequest {
        correlation_id: n.to_string(),
        request: Some(pb::scan_request::Request::Check(pb::CheckRequest {
            document: Some(document(PHARMACY, "d", &[code(n)])),
        })),
    });
    let answers = gate.scan(as_caller(tokio_stream::iter(scans), &pharmacy())).await.expect("a stream");
    let mut answers = answers.into_inner();
    let (mut checked, mut refused) = (0, 0);
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        match answer.answer {
            Some(pb::scan_response::Answer::Check(_)) => checked += 1,
            Some(pb::scan_response::Answer::Error(error)) => {
                assert_eq!((error.code, error.retryable), (i32::from(Code::ResourceExhausted), true));
                assert!(error.retry_after.is_some_and(|after| after.seconds > 0 || after.nanos > 0));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(checked >= 5 && refused >= 20 && checked + refused == 40, "{checked} checked, {refused} refused");
    world.stop().await;
}

#[tokio::test]
async fn looks_at_codes_that_were_never_ones_own_have_a_budget() {
    let world = World::start_with(|config| config.limits.callers.strange_codes_per_hour_max = 100).await;
    let mut gate = world.gate.clone();
    let others: Vec<_> = (0..5).map(code).collect();
    let own: Vec<_> = (100..110).map(code).collect();
    gate.dispense(dispense(OTHER_PHARMACY, "others", &others)).await.expect("sold");
    gate.dispense(dispense(PHARMACY, "own", &own)).await.expect("sold");
    let mut checks = async |codes: &[String], caller: &str| {
        let asked = pb::CheckRequest { document: Some(document(PHARMACY, "d", codes)) };
        gate.check(as_caller(asked, caller)).await.map(drop)
    };
    for _ in 0..50 {
        checks(&own, &pharmacy()).await.expect("its own codes are free");
    }
    let fresh: Vec<_> = (200..215).map(code).collect();
    checks(&fresh, &pharmacy()).await.expect("fifteen that nobody sold");
    checks(&others[..4], &pharmacy()).await.expect("four of others weigh eighty");
    too_much(checks(&others[..1], &pharmacy()).await, "never its own");
    checks(&own, &pharmacy()).await.expect("its own are free all the same");
    checks(&others, "bureau 12").await.expect("a bureau sees its divisions anyway");
    // More than an hour's worth at once is never to be had.
    let many: Vec<_> = (300..410).map(code).collect();
    too_much(checks(&many, &format!("terminal {PHARMACY}")).await, "never its own");
    world.stop().await;
}

#[tokio::test]
async fn a_caller_has_so_many_streams_open() {
    let world = World::start_with(narrow).await;
    let open = async |caller: &str| {
        let (messages, sent) = mpsc::channel::<pb::ScanRequest>(1);
        let mut gate = DispensingServiceClient::new(world.channel.clone());
        gate.scan(as_caller(ReceiverStream::new(sent), caller)).await.map(|answers| (messages, answers))
    };
    let first = open(&pharmacy()).await.expect("one");
    let _second = open(&pharmacy()).await.expect("two");
    too_much(open(&pharmacy()).await, "open streams");
    let _other = open(&format!("institution {OTHER_PHARMACY}")).await.expect("another caller");
    drop(first);
    eventually("a place is free again", async || open(&pharmacy()).await.ok()).await;
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_worked_on_is_refused_at_once() {
    check_in_flight(3, 100, "operator", "as many requests").await;
    // A caller that has its share leaves the rest to others.
    check_in_flight(100, 3, &pharmacy(), "requests in flight").await;
}

async fn check_in_flight(all: usize, own: usize, caller: &str, of: &str) {
    let mut world = HeldWorld::start_admitting(all, own).await;
    let channel = world.channel.clone();
    let sells = |n: u64, who: &str, caller: &str| {
        let mut gate = DispensingServiceClient::new(channel.clone());
        let request = as_caller(dispense(who, &format!("held{n}"), &[code(n)]), caller);
        async move {
            // What is let in by mistake would wait for ever.
            let answer = tokio::time::timeout(Duration::from_secs(30), gate.dispense(request)).await;
            answer.expect("an answer").map(drop)
        }
    };
    let working: Vec<_> = (0..3).map(|n| tokio::spawn(sells(n, PHARMACY, caller))).collect();
    world.held(3).await;
    too_much(sells(4, PHARMACY, caller).await, of);
    assert_eq!(world.held_so_far(), 3, "what was refused never reached the store");
    let other = format!("institution {OTHER_PHARMACY}");
    let others = tokio::spawn(sells(5, OTHER_PHARMACY, &other));
    if all > own {
        world.held(4).await;
        world.release(100);
        others.await.expect("it ends").expect("its share is not taken by another one");
    } else {
        too_much(others.await.expect("it ends"), of);
        world.release(100);
    }
    for one in working {
        one.await.expect("it ends").expect("what was let in is answered");
    }
    sells(4, PHARMACY, caller).await.expect("there is room again");
}

#[tokio::test]
async fn a_connection_that_sends_on_while_it_is_refused_is_read_slowly_and_answered_again() {
    let mut world = HeldWorld::start_admitting(1, 100).await;
    let mut gate = DispensingServiceClient::new(world.channel.clone());
    let request = |n: u64| as_caller(dispense(PHARMACY, &format!("held{n}"), &[code(n)]), &pharmacy());
    let working = tokio::spawn({
        let (mut gate, first) = (gate.clone(), request(0));
        async move { gate.dispense(first).await.map(drop) }
    });
    world.held(1).await;
    let started = Stopwatch::start();
    for n in 1..=20 {
        too_much(gate.dispense(request(n)).await, "as many requests");
    }
    // The first two are read at once, each further one after a rest of 50 ms.
    assert!(started.elapsed() >= Duration::from_millis(18 * 50), "{:?}", started.elapsed());
    world.release(100);
    working.await.expect("it ends").expect("what was let in is answered");
    for n in 1..=20 {
        gate.dispense(request(n)).await.expect("there is room again");
    }
}
