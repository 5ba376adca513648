//! A scan gets the verdict of a call: the same message through both doors, one request id through both, and random
//! documents on two gateways.

use super::{decision, error, message, open, question, sale, scanned};
use crate::acceptance::random::Random;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, code, dispense, document};
use std::collections::BTreeMap;
use tonic::Code;
use tracegate::grpc::pb;
use tracegate::grpc::pb::scan_request::Request;
use tracegate::grpc::pb::scan_response::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_and_dispenses_interleaved_get_their_own_answers() {
    let mut world = World::start().await;
    world.dispense(dispense(OTHER_PHARMACY, "before", &[code(0)])).await;
    let messages = (0..300_u64).flat_map(|n| {
        // Every third document has the box that is sold already.
        let boxes = if n.is_multiple_of(3) { vec![code(0), code(n + 1)] } else { vec![code(n + 1)] };
        [sale(&format!("s{n}"), &boxes), question(&format!("q{n}"), 10_000 + n)]
    });
    let answers = scanned(&world.channel, messages.collect()).await;
    for n in 0..300_u64 {
        let (sold, asked) = (&answers[&format!("s{n}")], &answers[&format!("q{n}")]);
        assert_eq!((sold.message_no, asked.message_no), (2 * n + 1, 2 * n + 2));
        let expected = if n.is_multiple_of(3) { pb::Verdict::Block } else { pb::Verdict::Allow };
        assert_eq!(decision(sold).verdict(), expected, "{sold:?}");
        assert!(matches!(sold.answer, Some(Answer::Dispense(_))), "{sold:?}");
        assert!(matches!(asked.answer, Some(Answer::Check(_))), "{asked:?}");
        let asked = decision(asked);
        assert_eq!((asked.verdict(), asked.recorded), (pb::Verdict::Allow, false), "{asked:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_is_answered_one_way_through_both_doors() {
    let mut world = World::start().await;
    let called = world.dispense(dispense(PHARMACY, "called", &[code(1)])).await;
    let again = sale("called", &[code(1)]);
    let other = message("other", Request::Dispense(dispense(PHARMACY, "called", &[code(2)])));
    let twin =
        |n: u32| message(&format!("twin-{n}"), Request::Dispense(dispense(PHARMACY, "twin", &[code(4)])));
    let messages = vec![again, other, sale("scanned", &[code(3)]), twin(1), twin(2)];
    let answers = scanned(&world.channel, messages).await;

    assert_eq!(*decision(&answers["called"]), pb::Decision { replayed: true, ..called });
    assert_eq!(error(&answers["other"]).code, i32::from(Code::AlreadyExists));
    let scanned = decision(&answers["scanned"]).clone();
    assert!(!scanned.replayed);
    let again = world.dispense(dispense(PHARMACY, "scanned", &[code(3)])).await;
    assert_eq!(again, pb::Decision { replayed: true, ..scanned });
    let twins = [decision(&answers["twin-1"]), decision(&answers["twin-2"])];
    assert_eq!(twins[0].outcome_id, twins[1].outcome_id, "one request");
    assert_eq!(twins.iter().filter(|twin| twin.replayed).count(), 1);
    assert!(twins.iter().all(|twin| twin.verdict() == pb::Verdict::Allow), "nobody is accused: {twins:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_document_is_answered_like_a_small_one() {
    let mut world = World::start().await;
    let boxes = |from: u64| (from..from + 400).map(code).collect::<Vec<_>>();
    let messages = vec![sale("large", &boxes(0)), sale("small", &[code(900)]), sale("later", &boxes(1_000))];
    let answers = scanned(&world.channel, messages).await;
    for id in ["large", "small", "later"] {
        assert_eq!(decision(&answers[id]).verdict(), pb::Verdict::Allow, "{id}");
    }
    let rival = world.dispense(dispense(OTHER_PHARMACY, "rival", &[code(399)])).await;
    assert_eq!(rival.verdict(), pb::Verdict::Block, "the large one claimed its codes");
    world.stop().await;
}

/// A document of boxes below `boxes`, at times with something wrong in it.
fn random_document(random: &mut Random, id: &str, boxes: std::ops::Range<u64>) -> pb::Document {
    let institution = if random.below(2) == 0 { PHARMACY } else { OTHER_PHARMACY };
    let pick = |random: &mut Random| code(boxes.start + random.below(boxes.end - boxes.start));
    let mut codes: Vec<_> = (0..=random.below(3)).map(|_| pick(random)).collect();
    match random.below(8) {
        0 => codes.push("6901234567892".to_owned()),
        1 => codes.push("8.3E+19".to_owned()),
        2 => codes.clear(),
        _ => {}
    }
    let mut found = document(institution, id, &codes);
    match random.below(12) {
        0 => found.lines[0].quantity = "1.2.3".to_owned(),
        1 => found.lines.clear(),
        2 => found.institution_code = "P99010100001".to_owned(),
        3 => found.lines[0].quantity = "7".to_owned(),
        _ => {}
    }
    found
}

/// An answer without what differs from one telling to the next.
fn comparable(answer: Answer) -> Answer {
    let plain = |decision: Option<pb::Decision>| {
        decision.map(|decision| pb::Decision { outcome_id: String::new(), ..decision })
    };
    match answer {
        Answer::Check(found) => Answer::Check(pb::CheckResponse { decision: plain(found.decision) }),
        Answer::Dispense(found) => Answer::Dispense(pb::DispenseResponse { decision: plain(found.decision) }),
        Answer::Error(error) => Answer::Error(error),
    }
}

async fn called(world: &mut World, request: Request) -> Answer {
    use tonic_types::StatusExt;
    let found = match request {
        Request::Check(asked) => world.gate.check(asked).await.map(|a| Answer::Check(a.into_inner())),
        Request::Dispense(asked) => {
            world.gate.dispense(asked).await.map(|a| Answer::Dispense(a.into_inner()))
        }
    };
    found.unwrap_or_else(|status| {
        let bad = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Answer::Error(pb::ScanError {
            code: status.code().into(),
            message: status.message().to_owned(),
            field: bad.into_iter().next().map(|violation| violation.field).unwrap_or_default(),
            retryable: retry.is_some(),
            retry_after: retry.map(|delay| delay.try_into().expect("a short time")),
        })
    })
}

/// The same messages over calls and over a stream, each on a gateway of its own.
async fn check_both_doors(seed: u64, in_flight_max: usize, boxes: impl Fn(u64) -> std::ops::Range<u64>) {
    let mut random = Random::new(seed);
    let messages: Vec<_> = (0..400_u64)
        .map(|n| {
            let id = format!("m{n}");
            let document = Some(random_document(&mut random, &id, boxes(n)));
            let request = if random.below(4) == 0 {
                Request::Check(pb::CheckRequest { document })
            } else {
                let hold = random.below(5) == 0;
                Request::Dispense(pb::DispenseRequest {
                    request_id: id.clone(),
                    document,
                    hold,
                    ..Default::default()
                })
            };
            message(&id, request)
        })
        .collect();
    let mut calls = World::start().await;
    let mut expected = BTreeMap::new();
    for sent in &messages {
        let answer = called(&mut calls, sent.request.clone().expect("a request")).await;
        expected.insert(sent.correlation_id.clone(), comparable(answer));
    }
    let stream = World::start_with(|config| config.grpc.scans_in_flight_max = in_flight_max).await;
    let mut found = scanned(&stream.channel, messages).await;
    let errors = expected.values().filter(|answer| matches!(answer, Answer::Error(_))).count();
    assert!((20..200).contains(&errors), "some of everything: {errors}");
    for (id, expected) in expected {
        let answer = found.remove(&id).and_then(|response| response.answer).expect("an answer");
        assert_eq!(comparable(answer), expected, "seed {seed}, message {id}");
    }
    calls.stop().await;
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_documents_get_the_verdicts_of_calls() {
    // One at a time: documents take boxes from each other, and who is first is the same through both doors.
    check_both_doors(1, 1, |_| 0..60).await;
    // Many at once: each has boxes of its own.
    check_both_doors(2, 1_024, |n| n * 10..n * 10 + 3).await;
}

#[tokio::test]
async fn who_calls_is_read_once_and_holds_for_every_message() {
    use crate::doors::as_caller;
    let mut world = World::start().await;
    let refused = world.gate.scan(as_caller(tokio_stream::empty(), "somebody")).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unauthenticated);
    let foreign = message("foreign", Request::Dispense(dispense(OTHER_PHARMACY, "foreign", &[code(1)])));
    let messages = tokio_stream::iter([foreign, sale("own", &[code(2)])]);
    let caller = format!("institution {PHARMACY}");
    let stream = world.gate.scan(as_caller(messages, &caller)).await.expect("a stream").into_inner();
    let (found, end) = super::answers(stream).await;
    assert!(end.is_none(), "{end:?}");
    let of = |id: &str| found.iter().find(|answer| answer.correlation_id == id).expect("an answer");
    assert_eq!(error(of("foreign")).code, i32::from(Code::PermissionDenied));
    assert_eq!(decision(of("own")).verdict(), pb::Verdict::Allow);
    let mut idle = open(&world.channel).await;
    idle.send(sale("one", &[code(3)])).await;
    assert_eq!(
        decision(&idle.answer().await).verdict(),
        pb::Verdict::Allow,
        "before the sending side is closed"
    );
    world.stop().await;
}
