//! One message of a `Scan` stream as it arrived: read, or with what is wrong with it. Never an error of the stream,
//! and no word about what becomes of it.

use crate::engine::EngineError;
use crate::grpc::codec::Received;
use crate::grpc::pb;
use pb::scan_request::Request;
use prost::Message;
use prost::bytes::Buf;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};

/// Bytes of a correlation id. It is kept with its document and written again: it must stay small.
const CORRELATION_ID_BYTES_MAX: usize = 128;

/// One message of a `Scan` stream.
#[derive(Debug)]
pub struct Incoming {
    /// The caller's id for it; empty where it could not be read.
    pub correlation_id: String,
    /// Its size on the wire.
    pub bytes: usize,
    /// What it asks, or why it cannot be asked.
    pub request: Result<Request, EngineError>,
}

/// Reads any bytes: damage is a part of the message it stands in.
#[derive(Debug, Default)]
pub struct IncomingDecoder;

impl Received for Incoming {
    type Decoder = IncomingDecoder;
}

impl Decoder for IncomingDecoder {
    type Item = Incoming;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Incoming>, Status> {
        // Taken whole: what is left of a damaged message must not be read as the next one.
        let bytes = buf.copy_to_bytes(buf.remaining());
        Ok(Some(Incoming::read(bytes)))
    }
}

impl Incoming {
    fn read(wire: impl Buf) -> Self {
        let bytes = wire.remaining();
        let mut read = pb::ScanRequest::default();
        // What was read before the damage stays.
        let whole = read.merge(wire);
        let mut correlation_id = read.correlation_id;
        let length = correlation_id.len();
        let request = if length > CORRELATION_ID_BYTES_MAX {
            correlation_id.clear();
            let what = format!("has {length} bytes, at most {CORRELATION_ID_BYTES_MAX} are allowed");
            Err(EngineError::invalid("correlation_id", what))
        } else if let Err(damage) = whole {
            let what = format!("is no ScanRequest ({damage}); it was not looked at, encode it again");
            Err(EngineError::invalid("message", what))
        } else {
            let what = "is missing, or of a kind that this gateway does not know; send a check or a dispense";
            read.request.ok_or_else(|| EngineError::invalid("request", what))
        };
        Self { correlation_id, bytes, request }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], correlation_id: &str, wrong_field: Option<&str>) {
        let read = Incoming::read(bytes);
        let field = match &read.request {
            Err(EngineError::Invalid { field, .. }) => Some(field.as_str()),
            Err(other) => panic!("{bytes:?}: {other}"),
            Ok(_) => None,
        };
        assert_eq!((read.correlation_id.as_str(), field), (correlation_id, wrong_field), "{bytes:?}");
        assert_eq!(read.bytes, bytes.len());
    }

    fn scan(correlation_id: &str, request: Option<Request>) -> Vec<u8> {
        pb::ScanRequest { correlation_id: correlation_id.to_owned(), request }.encode_to_vec()
    }

    #[test]
    fn a_message_says_what_is_wrong_with_it() {
        let asked = Some(Request::Check(pb::CheckRequest::default()));
        check(&scan("一", asked.clone()), "一", None);
        check(&scan("", asked.clone()), "", None);
        check(&scan(&"x".repeat(CORRELATION_ID_BYTES_MAX), asked.clone()), &"x".repeat(128), None);
        check(&scan(&"x".repeat(CORRELATION_ID_BYTES_MAX + 1), asked.clone()), "", Some("correlation_id"));
        check(&scan("a", None), "a", Some("request"));
        check(&[], "", Some("request"));
        check(b"\xff\xff\xff", "", Some("message"));
        check(b"\x0a\x02\xc3\x28", "", Some("message"));
        let cut = |n: usize| scan("a", asked.clone()).into_iter().chain(vec![0x1a; n]).collect::<Vec<_>>();
        check(&cut(1), "a", Some("message"));
        check(&cut(2), "a", Some("message"));
    }

    #[test]
    fn any_bytes_are_read_and_never_panic() {
        proptest::proptest!(|(bytes: Vec<u8>, at in 0..64_usize, with: u8)| {
            proptest::prop_assert_eq!(Incoming::read(bytes.as_slice()).bytes, bytes.len());
            let mut damaged = scan("correlation", Some(Request::Dispense(pb::DispenseRequest {
                request_id: "request".to_owned(),
                ..pb::DispenseRequest::default()
            })));
            let at = at % damaged.len();
            damaged[at] ^= with;
            proptest::prop_assert_eq!(Incoming::read(damaged.as_slice()).bytes, damaged.len());
        });
    }
}
