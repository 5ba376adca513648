//! Who is calling: from metadata, defaulting to the operator on loopback.

use crate::domain::party::{Caller, InstitutionCode};
use std::net::SocketAddr;
use tonic::codegen::http::{self, HeaderValue};
use tonic::metadata::MetadataValue;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Status};

/// The metadata key: `operator`, `bureau 13`, `institution P13010200101`, `chain CHAIN-A` (percent-encoded
/// where a chain's name is not ASCII).
pub const CALLER_KEY: &str = "tracegate-caller";

/// The caller of a request that has passed the gate.
pub(super) fn of<T>(request: &Request<T>) -> Result<Caller, Status> {
    match request.extensions().get::<Caller>() {
        Some(caller) => Ok(caller.clone()),
        // A server without a gate in front of it.
        None => said(request.metadata().get(CALLER_KEY).map(MetadataValue::as_bytes), request.remote_addr()),
    }
}

/// The caller of a call that has just come in.
pub(super) fn of_call<T>(request: &http::Request<T>) -> Result<Caller, Status> {
    let address = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    said(request.headers().get(CALLER_KEY).map(HeaderValue::as_bytes), address)
}

fn said(value: Option<&[u8]>, address: Option<SocketAddr>) -> Result<Caller, Status> {
    let local = address.is_none_or(|address| address.ip().is_loopback());
    let Some(value) = value else {
        return if local { Ok(Caller::Operator) } else { Err(unknown("is missing")) };
    };
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    let caller = parse(text.ok_or_else(|| unknown("is not ASCII"))?)?;
    if caller == Caller::Operator && !local {
        return Err(Status::permission_denied("the operator calls from this machine only"));
    }
    Ok(caller)
}

fn parse(text: &str) -> Result<Caller, Status> {
    let (kind, name) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let name = name.trim();
    match kind {
        "operator" if name.is_empty() => Ok(Caller::Operator),
        "bureau" if name.len() <= 6 && name.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Caller::Bureau(name.to_owned()))
        }
        "institution" => {
            InstitutionCode::parse(name).map(Caller::Institution).map_err(|e| unknown(&e.to_string()))
        }
        "chain" if !name.is_empty() => Ok(Caller::Chain(percent_decoded(name))),
        _ => Err(unknown(&format!("reads {text:?}"))),
    }
}

fn unknown(what: &str) -> Status {
    Status::unauthenticated(format!(
        "metadata {CALLER_KEY} {what}; say 'operator', 'bureau DIVISION', 'institution CODE' or 'chain GROUP'"
    ))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex =
            |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        let mut ahead = rest.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_read_from_metadata() {
        let check = |text: &str, expected: Option<Caller>| assert_eq!(parse(text).ok(), expected, "{text}");
        let code = InstitutionCode::parse("P13010200101").unwrap();
        check("operator", Some(Caller::Operator));
        check("bureau 13", Some(Caller::Bureau("13".into())));
        check("institution P13010200101", Some(Caller::Institution(code)));
        check("chain CHAIN-A", Some(Caller::Chain("CHAIN-A".into())));
        check("chain %E8%BF%9E%E9%94%81", Some(Caller::Chain("连锁".into())));
        check("institution X", None);
        check("bureau abc", None);
        check("operator please", None);
        check("", None);
    }
}
