//! Many in flight, slow documents, slow readers, a document that fails, thousands of streams.

use super::held::HeldWorld;
use super::{answers, decision, error, message, open, question, sale, within};
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, code, connect, dispense};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::scan_request::Request;

const MANY: usize = 1_024;
const MANY_BYTES: usize = 4 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_overtake_a_slow_document() {
    let mut world = HeldWorld::start(MANY, MANY_BYTES).await;
    let mut stream = open(&world.channel).await;
    stream.send(sale("held", &[code(0)])).await;
    world.held(1).await;
    let mut waiting = BTreeSet::new();
    for n in 1..=50 {
        stream.send(sale(&format!("s{n}"), &[code(n)])).await;
        stream.send(question(&format!("q{n}"), 100 + n)).await;
        waiting.extend([format!("s{n}"), format!("q{n}")]);
    }
    while !waiting.is_empty() {
        let answer = stream.answer().await;
        assert_eq!(decision(&answer).verdict(), pb::Verdict::Allow, "{answer:?}");
        assert!(waiting.remove(&answer.correlation_id), "{answer:?}");
    }
    world.release(1);
    let (rest, end) = stream.rest().await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!((rest[0].correlation_id.as_str(), rest[0].message_no), ("held", 1));
    assert_eq!(decision(&rest[0]).verdict(), pb::Verdict::Allow);
}

/// With so many held back nothing more is read; what follows is read once they are decided.
async fn check_bound(in_flight_max: usize, bytes_max: usize, expected: usize) {
    let mut world = HeldWorld::start(in_flight_max, bytes_max).await;
    let stream = open(&world.channel).await;
    for n in 0..expected {
        stream.send(sale(&format!("held-{n}"), &[code(n as u64)])).await;
    }
    world.held(expected).await;
    stream.send(sale("held-beyond", &[code(50)])).await;
    stream.send(sale("beyond", &[code(51)])).await;
    // Calls on the same connection are behind these two, and are answered.
    let mut gate = DispensingServiceClient::new(world.channel.clone());
    for n in 0..20 {
        gate.dispense(dispense(OTHER_PHARMACY, &format!("call-{n}"), &[code(60 + n)]))
            .await
            .expect("an answer");
    }
    assert_eq!(world.held_so_far(), expected, "nothing was read beyond the limit");
    let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "beyond".into() };
    let found = gate.get_outcome(asked).await.expect("an outcome").into_inner();
    assert_eq!(found.state(), pb::OutcomeState::Never);
    world.release(expected + 1);
    let (rest, end) = stream.rest().await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(rest.len(), expected + 2, "{rest:?}");
    for answer in rest {
        if answer.correlation_id == "beyond" {
            // Asking had closed it: the proof that it was read only after that.
            assert_eq!(error(&answer).code, i32::from(Code::FailedPrecondition), "{answer:?}");
        } else {
            assert_eq!(decision(&answer).verdict(), pb::Verdict::Allow, "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_are_in_flight_than_the_limits_allow() {
    check_bound(1, MANY_BYTES, 1).await;
    check_bound(3, MANY_BYTES, 3).await;
    // A message has over a hundred bytes: with two in flight the limit is passed.
    check_bound(MANY, 150, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_fails_is_its_own_answer_and_nobody_elses() {
    let world = HeldWorld::start(MANY, MANY_BYTES).await;
    let mut stream = open(&world.channel).await;
    let large: Vec<_> = (1_000..1_200).map(code).collect();
    for (n, (id, codes)) in [("panics-small", vec![code(1)]), ("panics-large", large)].into_iter().enumerate()
    {
        stream.send(sale(id, &codes)).await;
        let answer = stream.answer().await;
        assert_eq!(answer.correlation_id, id);
        assert_eq!(error(&answer).code, i32::from(Code::Internal), "{answer:?}");
        assert!(error(&answer).message.contains("GetOutcome"), "{answer:?}");
        stream.send(sale(&format!("next-{n}"), &codes)).await;
        let answer = stream.answer().await;
        assert_eq!(decision(&answer).verdict(), pb::Verdict::Allow, "nothing of it stayed: {answer:?}");
    }
    let (rest, end) = stream.rest().await;
    assert!(rest.is_empty() && end.is_none(), "{rest:?} {end:?}");
}

/// A document that is long to send and has long answers: a malformed code on each of its lines.
fn wordy(n: usize) -> pb::ScanRequest {
    let id = format!("w{n}");
    let mut request = dispense(PHARMACY, &id, &[]);
    let line = |at: u32| pb::Line {
        line_no: at,
        catalog_code: "X".repeat(120),
        quantity: "1".into(),
        codes: vec![format!("no-code-{n}-{at}")],
        ..pb::Line::default()
    };
    request.document.as_mut().expect("a document").lines = (1..=30).map(line).collect();
    message(&id, Request::Dispense(request))
}

/// Waits until a number stands still.
async fn at_rest(number: &AtomicUsize) -> usize {
    let (mut before, mut still) = (0, 0);
    while still < 20 {
        // signal: that nothing happens any more is told by nobody.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = number.load(Ordering::SeqCst);
        still = if now == before && now > 0 { still + 1 } else { 0 };
        before = now;
    }
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_stops_the_sender_and_loses_nothing() {
    const MESSAGES: usize = 600;
    let mut world = World::start_with(|config| {
        config.grpc.scans_in_flight_max = 8;
        config.grpc.stream_window_bytes = 1 << 14;
    })
    .await;
    let address = format!("http://{}", world.address());
    let endpoint = Channel::from_shared(address).expect("an address").initial_stream_window_size(1 << 14);
    let mut gate = DispensingServiceClient::new(endpoint.connect().await.expect("the gateway answers"));
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let messages = tokio_stream::iter(0..MESSAGES).map(move |n| {
        counted.fetch_add(1, Ordering::SeqCst);
        wordy(n)
    });
    let stream = gate.scan(messages).await.expect("a stream").into_inner();
    // What is not read by the server is held by the client's own buffers, a megabyte at most.
    let taken = within(at_rest(&sent)).await;
    assert!(
        taken < MESSAGES / 2,
        "{taken} of {MESSAGES} messages were taken from a client that reads no answer"
    );
    // Whoever reads is not disturbed.
    let other = world.dispense(dispense(OTHER_PHARMACY, "other", &[code(1)])).await;
    assert_eq!(other.verdict(), pb::Verdict::Allow);
    let (found, end) = answers(stream).await;
    assert!(end.is_none(), "{end:?}");
    let ids: BTreeSet<_> = found.iter().map(|answer| answer.correlation_id.clone()).collect();
    assert_eq!((found.len(), ids.len()), (MESSAGES, MESSAGES), "each is answered once");
    assert!(found.iter().all(|answer| decision(answer).verdict() == pb::Verdict::Block));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_streams_are_open_at_once() {
    // One connection may have 128.
    const CONNECTIONS: u64 = 16;
    const STREAMS: u64 = 2_000;
    let world = World::start().await;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(&world.address()).await);
    }
    let mut opening = JoinSet::new();
    for n in 0..STREAMS {
        let channel = channels[usize::try_from(n % CONNECTIONS).expect("small")].clone();
        opening.spawn(async move { (n, open(&channel).await) });
    }
    let streams = within(opening.join_all()).await;
    let mut scanning = JoinSet::new();
    for (n, mut stream) in streams {
        scanning.spawn(async move {
            stream.send(sale(&format!("s{n}"), &[code(n)])).await;
            let answer = stream.answer().await;
            assert_eq!(answer.correlation_id, format!("s{n}"));
            assert_eq!(decision(&answer).verdict(), pb::Verdict::Allow, "{answer:?}");
            stream
        });
    }
    let streams = within(scanning.join_all()).await;
    assert_eq!(streams.len() as u64, STREAMS, "all were open at the same time");
    for stream in streams {
        let (rest, end) = stream.rest().await;
        assert!(rest.is_empty() && end.is_none(), "{rest:?} {end:?}");
    }
    world.stop().await;
}
