//! Bad messages of every kind between good ones: each gets its error, and the stream goes on.

use super::{answers, decision, error, message, raw, sale};
use crate::support::world::{PHARMACY, World, code, dispense};
use prost::Message;
use tonic::Code;
use tracegate::grpc::pb;
use tracegate::grpc::pb::scan_request::Request;

/// The correlation id that comes back, the status and the field of the error, a part of its message.
type Expected = (&'static str, Code, &'static str, &'static str);

fn bad_messages() -> Vec<(Vec<u8>, Expected)> {
    let bad = |id: &str, change: fn(&mut pb::DispenseRequest)| {
        let mut request = dispense(PHARMACY, id, &[code(1)]);
        change(&mut request);
        message(id, Request::Dispense(request)).encode_to_vec()
    };
    let empty = pb::ScanRequest { correlation_id: "empty".into(), request: None };
    let whole = sale("cut", &[code(1)]).encode_to_vec();
    let cut = whole[..whole.len() - 5].to_vec();
    // A known field with another wire type, in front of the correlation id.
    let turned = [b"\x10\x01".as_slice(), sale("turned", &[code(1)]).encode_to_vec().as_slice()].concat();
    let mut text = sale("text", &[code(1)]).encode_to_vec();
    let at = text.iter().rposition(|byte| *byte == b'8').expect("a code");
    text[at] = 0xff;
    let unknown = b"\x0a\x07unknown\x7a\x01x".to_vec();
    vec![
        (empty.encode_to_vec(), ("empty", Code::InvalidArgument, "request", "send a check or a dispense")),
        (unknown, ("unknown", Code::InvalidArgument, "request", "does not know")),
        (
            bad("no-id", |r| r.request_id.clear()),
            ("no-id", Code::InvalidArgument, "request_id", "make one up"),
        ),
        (bad("no-doc", |r| r.document = None), ("no-doc", Code::InvalidArgument, "document", "missing")),
        (
            bad("nowhere", |r| r.document.as_mut().expect("one").institution_code = "X".into()),
            ("nowhere", Code::InvalidArgument, "document.institution_code", "H or P and 11 digits"),
        ),
        (b"\xff\xff\xff\xff".to_vec(), ("", Code::InvalidArgument, "message", "is no ScanRequest")),
        (cut, ("cut", Code::InvalidArgument, "message", "is no ScanRequest")),
        (turned, ("", Code::InvalidArgument, "message", "is no ScanRequest")),
        (text, ("text", Code::InvalidArgument, "message", "UTF-8")),
        (Vec::new(), ("", Code::InvalidArgument, "request", "is missing")),
        (
            sale(&"x".repeat(129), &[code(1)]).encode_to_vec(),
            ("", Code::InvalidArgument, "correlation_id", "129 bytes, at most 128"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_message_never_ends_the_stream_and_spoils_nothing() {
    let world = World::start().await;
    let bad = bad_messages();
    let good = |n: usize| sale(&format!("good-{n}"), &[code(100 + n as u64)]).encode_to_vec();
    let sent = bad.iter().enumerate().flat_map(|(n, (bytes, _))| [bytes.clone(), good(n)]).collect();
    let (mut found, end) = answers(raw::scan(&world.channel, sent).await).await;
    assert!(end.is_none(), "{end:?}");
    found.sort_by_key(|answer| answer.message_no);
    assert!(found.iter().map(|answer| answer.message_no).eq(1..=2 * bad.len() as u64));
    for (n, (_, (id, code, field, part))) in bad.into_iter().enumerate() {
        let (told, good) = (error(&found[2 * n]), &found[2 * n + 1]);
        assert_eq!(found[2 * n].correlation_id, id, "{told:?}");
        assert_eq!((told.code, told.field.as_str()), (i32::from(code), field), "{told:?}");
        assert!(told.message.contains(part), "{part} in {told:?}");
        assert!(!told.retryable && told.retry_after.is_none(), "{told:?}");
        assert_eq!(good.correlation_id, format!("good-{n}"));
        assert_eq!(decision(good).verdict(), pb::Verdict::Allow, "{good:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correlation_ids_come_back_byte_by_byte() {
    let world = World::start().await;
    let ids = ["", "a", "a", " a ", "一\u{0}\n", &"x".repeat(128)];
    let sent = ids.iter().enumerate().map(|(n, id)| {
        let request = dispense(PHARMACY, &format!("r{n}"), &[code(n as u64)]);
        message(id, Request::Dispense(request)).encode_to_vec()
    });
    let (mut found, end) = answers(raw::scan(&world.channel, sent.collect()).await).await;
    assert!(end.is_none(), "{end:?}");
    found.sort_by_key(|answer| answer.message_no);
    assert!(found.iter().map(|answer| answer.correlation_id.as_str()).eq(ids));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_ends_the_stream_behind_the_answers_before_it() {
    let mut world = World::start_with(|config| config.grpc.message_bytes_max = 2_000).await;
    let mut huge = dispense(PHARMACY, "huge", &[code(2)]);
    huge.document.as_mut().expect("a document").operator = "x".repeat(2_000);
    let sent =
        [sale("before", &[code(1)]), message("huge", Request::Dispense(huge)), sale("after", &[code(3)])];
    let sent = sent.iter().map(Message::encode_to_vec).collect();
    let (found, end) = answers(raw::scan(&world.channel, sent).await).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(decision(&found[0]).verdict(), pb::Verdict::Allow);
    let status = end.expect("a status");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    for part in ["message 2 ", "grpc.message_bytes_max", "2000 bytes"] {
        assert!(status.message().contains(part), "{part} in {status}");
    }
    for id in ["huge", "after"] {
        assert_eq!(world.outcome(PHARMACY, id).await.state(), pb::OutcomeState::Never, "{id}");
    }
    world.stop().await;
}
