//! Bytes that no honest client sends: refused cleanly, and the gateway goes on.

use super::{Guarded, asks, refused, with_key};
use crate::support::world::{PHARMACY, code, document};
use prost::Message;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], claimed: Option<u32>) -> Vec<u8> {
    let length = claimed.unwrap_or_else(|| u32::try_from(payload.len()).expect("short"));
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Sends bytes after the preface and an empty SETTINGS; whether the gateway ends the connection within a few seconds.
fn is_ended(address: std::net::SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).expect("accepted");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream.write_all(PREFACE).expect("sent");
    stream.write_all(&frame(4, 0, 0, &[], None)).expect("sent");
    // It may end while we still send.
    drop(stream.write_all(bytes));
    let mut said = [0; 4096];
    loop {
        match stream.read(&mut said) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_their_connection_and_no_other() {
    let guarded = Guarded::start().await;
    let (address, key) = (guarded.gateway.address(), guarded.local_key());
    let channel = guarded.connect().await;
    asks(&channel, Some(&key)).await.expect("an honest caller");
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("a frame of sixteen megabytes", frame(0, 0, 1, &[0; 64], Some((1 << 24) - 1))),
        ("headers that are no headers", frame(1, 4, 1, &[0xff; 64], None)),
        ("data on a stream that nobody opened", frame(0, 0, 7, b"data", None)),
        ("settings of half a setting", frame(4, 0, 0, &[0; 5], None)),
        ("a window of no bytes", frame(8, 0, 0, &[0; 4], None)),
        ("an even stream", frame(1, 5, 2, &[0x82], None)),
        ("continuation of nothing", frame(9, 4, 1, &[0x82], None)),
    ];
    for (what, bytes) in rows {
        let ended = tokio::task::spawn_blocking(move || is_ended(address, &bytes));
        assert!(ended.await.expect("it ends"), "{what}");
        asks(&channel, Some(&key)).await.unwrap_or_else(|status| panic!("{what}: {status}"));
    }
    guarded.stop().await;
}

#[tokio::test]
async fn messages_that_are_too_much_or_none_are_refused() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let (_, key) = guarded.key(&channel, &format!("institution {PHARMACY}")).await;
    let gate = DispensingServiceClient::new(channel.clone());
    let checks = async |mut gate: DispensingServiceClient<tonic::transport::Channel>,
                        asked: pb::CheckRequest| {
        gate.check(with_key(asked, &key)).await.map(drop)
    };
    // Over grpc.message_bytes_max.
    let mut large = document(PHARMACY, "d", &[]);
    large.lines[0].codes = vec!["8".repeat(1 << 20); 5];
    let large = pb::CheckRequest { document: Some(large) };
    assert!(large.encoded_len() > 4 << 20);
    refused(checks(gate.clone(), large).await, Code::OutOfRange, "limit");
    // What says that it is compressed is not unpacked, however small it came.
    let mut packed = with_key(pb::CheckRequest { document: Some(document(PHARMACY, "d", &[code(1)])) }, &key);
    packed.metadata_mut().insert("grpc-encoding", MetadataValue::from_static("gzip"));
    refused(gate.clone().check(packed).await.map(drop), Code::Unimplemented, "gzip");
    // Thousands of codes, and codes that are none.
    let many: Vec<_> = (0..5_000).map(code).collect();
    let many = pb::CheckRequest { document: Some(document(PHARMACY, "d", &many)) };
    refused(checks(gate.clone(), many).await, Code::InvalidArgument, "codes");
    let garbage =
        ["\u{0}", "]C1\u{1d}", "\u{feff}8123", "9".repeat(10_000).as_str(), "🦠💊"].map(str::to_owned);
    for one in garbage {
        let asked = pb::CheckRequest { document: Some(document(PHARMACY, "d", &[one])) };
        let answer = checks(gate.clone(), asked).await;
        let clean = answer
            .as_ref()
            .err()
            .is_none_or(|status| matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied));
        assert!(clean, "{answer:?}");
    }
    asks(&channel, Some(&key)).await.expect("it goes on");
    guarded.stop().await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let key = format!("tgk_{}", "x".repeat(60_000));
    let answer = asks(&channel, Some(&key)).await;
    assert!(answer.is_err(), "{answer:?}");
    let next = guarded.connect().await;
    asks(&next, Some(&guarded.local_key())).await.expect("it goes on");
    guarded.stop().await;
}
