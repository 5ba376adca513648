//! How streams end: clients that go away, the gateway's stop, age; and what does not end them.

use super::held::HeldWorld;
use super::{answers, decision, open, sale, scanned, within};
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::process::page;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, code, connect, dispense, load_province};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use tracegate::clock::Stopwatch;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

async fn outcome(channel: &Channel, request_id: &str) -> pb::GetOutcomeResponse {
    let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: request_id.into() };
    let mut gate = DispensingServiceClient::new(channel.clone());
    gate.get_outcome(asked).await.expect("an outcome").into_inner()
}

/// What became of a request that nobody decides any more.
async fn settled(channel: &Channel, request_id: &str) -> pb::GetOutcomeResponse {
    eventually("a final outcome", || async {
        let found = outcome(channel, request_id).await;
        (found.state() != pb::OutcomeState::InDoubt).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_stream_leaves_documents_decided_or_never_read() {
    const DOCUMENTS: u64 = 12;
    let mut world = World::start().await;
    let (mut decided, mut never) = (0, 0);
    for round in 0..40_u64 {
        let id = |n: u64| format!("r{round}-{n}");
        let box_of = |n: u64| code(round * 100 + n);
        let mut stream = open(&world.channel).await;
        for n in 0..DOCUMENTS {
            stream.send(sale(&id(n), &[box_of(n)])).await;
        }
        for _ in 0..round % 30 {
            tokio::task::yield_now().await;
        }
        if round.is_multiple_of(2) {
            stream.answer().await;
        }
        drop(stream);
        for n in 0..DOCUMENTS {
            let found = settled(&world.channel, &id(n)).await;
            let rival =
                world.dispense(dispense(OTHER_PHARMACY, &format!("rival-{}", id(n)), &[box_of(n)])).await;
            let again = world.gate.dispense(dispense(PHARMACY, &id(n), &[box_of(n)])).await;
            if found.state() == pb::OutcomeState::Decided {
                decided += 1;
                assert_eq!(rival.verdict(), pb::Verdict::Block, "{found:?}");
                let again = again.expect("an answer").into_inner().decision.expect("a decision");
                assert_eq!(
                    (again.verdict(), again.replayed),
                    (pb::Verdict::Allow, true),
                    "nobody is accused"
                );
            } else {
                never += 1;
                assert_eq!(found.state(), pb::OutcomeState::Never);
                assert_eq!(rival.verdict(), pb::Verdict::Allow, "it holds nothing");
                assert_eq!(again.expect_err("closed").code(), Code::FailedPrecondition);
            }
        }
    }
    assert!(
        decided >= 20 && never > 0,
        "streams were cut in the middle: {decided} decided, {never} never read"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_in_flight_is_decided_although_its_client_is_gone() {
    let mut world = HeldWorld::start(16, 1 << 20).await;
    let stream = open(&world.channel).await;
    for n in 0..10 {
        stream.send(sale(&format!("held-{n}"), &[code(n)])).await;
    }
    world.held(10).await;
    drop(stream);
    for n in 0..10 {
        let state = outcome(&world.channel, &format!("held-{n}")).await.state();
        assert_eq!(state, pb::OutcomeState::InDoubt, "it is still being decided");
    }
    world.release(10);
    for n in 0..10 {
        let found = settled(&world.channel, &format!("held-{n}")).await;
        assert_eq!(found.state(), pb::OutcomeState::Decided, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_sending_side_waits_for_the_last_answer() {
    let mut world = HeldWorld::start(16, 1 << 20).await;
    let stream = open(&world.channel).await;
    stream.send(sale("held", &[code(1)])).await;
    world.held(1).await;
    drop(stream.messages);
    world.release(1);
    let (found, end) = answers(stream.answers).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(found.len(), 1);
    assert_eq!(decision(&found[0]).verdict(), pb::Verdict::Allow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_was_read_and_reads_no_more() {
    let mut world = HeldWorld::start(16, 1 << 20).await;
    let stream = open(&world.channel).await;
    for n in 0..5 {
        stream.send(sale(&format!("held-{n}"), &[code(n)])).await;
    }
    world.held(5).await;
    world.stop.cancel();
    // The stop may meet the task of the stream in the middle of a look at its messages: it is told within these.
    let mut gate = DispensingServiceClient::new(world.channel.clone());
    for n in 0..20 {
        let call = dispense(OTHER_PHARMACY, &format!("call-{n}"), &[code(60 + n)]);
        gate.dispense(call).await.expect("calls in flight are answered");
    }
    stream.send(sale("late", &[code(9)])).await;
    assert_eq!(outcome(&world.channel, "late").await.state(), pb::OutcomeState::Never);
    world.release(5);
    let (found, end) = answers(stream.answers).await;
    let mut ids: Vec<_> = found.iter().map(|answer| answer.correlation_id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["held-0", "held-1", "held-2", "held-3", "held-4"]);
    let status = end.expect("a status");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("the gateway stops"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_streams_do_not_hold_up_the_shutdown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let drain = [("TRACEGATE_SHUTDOWN_DRAIN_SECONDS_MAX", "60")];
    let gateway = GatewayProcess::start_with_http(dir.path(), "127.0.0.1:0", &drain);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let mut streams = Vec::new();
    for n in 0..20 {
        let mut stream = open(&channel).await;
        if n % 2 == 0 {
            stream.send(sale(&format!("s{n}"), &[code(n)])).await;
            stream.answer().await;
        }
        streams.push(stream);
    }
    let (_, metrics) = page(&gateway.pages, "/metrics");
    for line in ["tracegate_scan_streams 20\n", "tracegate_scans_in_flight 0\n"] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    let stopping = Stopwatch::start();
    gateway.signal("TERM");
    for stream in streams {
        let (found, end) = answers(stream.answers).await;
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(end.expect("a status").code(), Code::Unavailable);
    }
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{status}: {said}");
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}: {said}", stopping.elapsed());
    assert!(!said.contains("still open at the deadline"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_answers_what_was_read_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start(dir.path(), &[]);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let mut gate = DispensingServiceClient::new(channel);
    let messages = tokio_stream::iter(0..u64::MAX).map(|n| sale(&format!("s{n}"), &[code(n)]));
    let mut stream = gate.scan(messages).await.expect("a stream").into_inner();
    let mut told = BTreeMap::new();
    let mut keep = |answer: pb::ScanResponse| {
        told.insert(answer.message_no, decision(&answer).clone());
        told.len()
    };
    while keep(within(stream.message()).await.expect("no error").expect("an answer")) < 500 {}
    gateway.signal("TERM");
    let (rest, end) = answers(stream).await;
    rest.into_iter().for_each(|answer| {
        keep(answer);
    });
    assert_eq!(end.expect("a status").code(), Code::Unavailable);
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{status}: {said}");

    let gateway = GatewayProcess::start(dir.path(), &[]);
    let channel = connect(&gateway.address).await;
    let read = told.len() as u64;
    assert!(
        told.keys().copied().eq(1..=read),
        "everything that was read was answered, and nothing behind it"
    );
    for (n, told) in &told {
        let found = outcome(&channel, &format!("s{}", n - 1)).await.decision.expect("it is on record");
        assert_eq!(found.outcome_id, told.outcome_id, "{n}");
    }
    for n in read..read + 50 {
        assert_eq!(outcome(&channel, &format!("s{n}")).await.state(), pb::OutcomeState::Never, "s{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_ends_a_stream_and_another_goes_on() {
    let world = World::start_with(|config| config.grpc.connection_age_max = Duration::from_secs(1)).await;
    let mut stream = open(&world.channel).await;
    stream.send(sale("young", &[code(1)])).await;
    assert_eq!(decision(&stream.answer().await).verdict(), pb::Verdict::Allow);
    let (found, end) = answers(stream.answers).await;
    assert!(found.is_empty(), "{found:?}");
    let status = end.expect("a status");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("grpc.connection_age_seconds_max"), "{status}");
    // The same channel finds a new connection by itself, once it has seen the old one close.
    let mut gate = DispensingServiceClient::new(world.channel.clone());
    let stream = eventually("another stream", || {
        let mut gate = gate.clone();
        async move { gate.scan(tokio_stream::iter([sale("next", &[code(2)])])).await.ok() }
    });
    let (found, end) = answers(stream.await.into_inner()).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(decision(&found[0]).verdict(), pb::Verdict::Allow);
    gate.dispense(dispense(PHARMACY, "call", &[code(3)])).await.expect("calls go on as well");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_request_does_not_cut_a_stream() {
    let longest = Duration::from_millis(100);
    let world = World::start_with(|config| config.grpc.request_max = longest).await;
    let mut stream = open(&world.channel).await;
    for n in 0..4 {
        // signal: what is waited for is the time itself.
        tokio::time::sleep(longest).await;
        stream.send(sale(&format!("s{n}"), &[code(n)])).await;
        assert_eq!(decision(&stream.answer().await).verdict(), pb::Verdict::Allow);
    }
    let (rest, end) = stream.rest().await;
    assert!(rest.is_empty() && end.is_none(), "{rest:?} {end:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rivals_on_many_streams_sell_each_box_once() {
    const BOXES: u64 = 100;
    let world = World::start().await;
    let mut scanning = tokio::task::JoinSet::new();
    for rival in 0..6_u64 {
        let channel = world.channel.clone();
        let messages = (0..BOXES).map(|n| sale(&format!("rival-{rival}-{n}"), &[code(n)])).collect();
        scanning.spawn(async move { scanned(&channel, messages).await });
    }
    let mut sellers = HashMap::new();
    for answer in within(scanning.join_all()).await.into_iter().flatten() {
        let (id, answer) = answer;
        let found = decision(&answer);
        if found.verdict() == pb::Verdict::Allow {
            let name = id.rsplit('-').next().expect("a box").to_owned();
            assert_eq!(sellers.insert(name, id), None, "a box has two sellers");
        } else {
            assert_eq!(found.verdict(), pb::Verdict::Block, "{answer:?}");
        }
    }
    assert_eq!(sellers.len() as u64, BOXES, "each box has a seller");
    world.stop().await;
}
