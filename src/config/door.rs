//! The gRPC door: where it listens, what callers may take, how they are known.

use super::{address, seconds};
use crate::engine::CallerLimits;
use crate::grpc::{AdmissionLimits, ConnectionLimits, TlsFiles};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const DAY_SECONDS: u64 = 86_400;

/// The gRPC door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grpc {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Largest message.
    pub message_bytes_max: usize,
    /// Requests in flight on one connection.
    pub requests_per_connection_max: usize,
    /// What callers may take of connections.
    pub connections: ConnectionLimits,
    /// What is worked on at the same time.
    pub admission: AdmissionLimits,
    /// Age at which a connection is closed.
    pub connection_age_max: Duration,
    /// Longest request.
    pub request_max: Duration,
    /// Messages in flight on one `Scan` stream.
    pub scans_in_flight_max: usize,
    /// HTTP/2 window of a stream.
    pub stream_window_bytes: u32,
    /// HTTP/2 window of a connection.
    pub connection_window_bytes: u32,
    /// Whether tools may list services.
    pub reflection: bool,
}

/// How callers are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whoever shows neither key nor certificate is refused.
    pub required: bool,
    /// Keys and certificates of the door itself; `None` = no TLS.
    pub tls: Option<TlsFiles>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawGrpc {
    listen: String,
    message_bytes_max: u32,
    requests_per_connection_max: u32,
    requests_in_flight_max: u32,
    connections_max: u32,
    connections_per_address_max: u32,
    handshake_seconds_max: u32,
    connection_age_seconds_max: u32,
    request_seconds_max: u32,
    scans_in_flight_max: u32,
    stream_window_bytes: u32,
    connection_window_bytes: u32,
    reflection: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawCallers {
    requests_in_flight_max: u32,
    streams_max: u32,
    requests_per_second_max: u32,
    requests_burst_max: u32,
    strange_codes_per_hour_max: u32,
}

impl RawCallers {
    /// Numbers with what makes sense of them.
    pub fn numbers(&self) -> Vec<(&'static str, u64, u64, u64)> {
        let most = u32::MAX.into();
        vec![
            ("callers.requests_in_flight_max", self.requests_in_flight_max.into(), 1, 1 << 20),
            ("callers.streams_max", self.streams_max.into(), 1, 1 << 20),
            ("callers.requests_per_second_max", self.requests_per_second_max.into(), 1, most),
            ("callers.requests_burst_max", self.requests_burst_max.into(), 1, most),
            ("callers.strange_codes_per_hour_max", self.strange_codes_per_hour_max.into(), 1, most),
        ]
    }

    pub const fn limits(&self) -> CallerLimits {
        CallerLimits {
            requests_per_second_max: self.requests_per_second_max,
            requests_burst_max: self.requests_burst_max,
            strange_codes_per_hour_max: self.strange_codes_per_hour_max,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
    client_crl: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawAccess {
    required: bool,
}

impl RawGrpc {
    /// Numbers with what makes sense of them.
    pub fn numbers(&self) -> Vec<(&'static str, u64, u64, u64)> {
        vec![
            ("grpc.message_bytes_max", self.message_bytes_max.into(), 1 << 10, 1 << 30),
            ("grpc.requests_per_connection_max", self.requests_per_connection_max.into(), 1, 1 << 20),
            ("grpc.requests_in_flight_max", self.requests_in_flight_max.into(), 1, 1 << 20),
            ("grpc.connections_max", self.connections_max.into(), 1, 1 << 20),
            ("grpc.connections_per_address_max", self.connections_per_address_max.into(), 1, 1 << 20),
            ("grpc.handshake_seconds_max", self.handshake_seconds_max.into(), 1, 300),
            ("grpc.connection_age_seconds_max", self.connection_age_seconds_max.into(), 1, 365 * DAY_SECONDS),
            ("grpc.request_seconds_max", self.request_seconds_max.into(), 1, DAY_SECONDS),
            ("grpc.scans_in_flight_max", self.scans_in_flight_max.into(), 1, 1 << 16),
            ("grpc.stream_window_bytes", self.stream_window_bytes.into(), 1 << 10, (1 << 31) - 1),
            ("grpc.connection_window_bytes", self.connection_window_bytes.into(), 1 << 16, (1 << 31) - 1),
        ]
    }

    /// Where it listens; a mistake gives a harmless address.
    pub fn address(&self, mistakes: &mut Vec<String>) -> SocketAddr {
        address("grpc.listen", &self.listen, mistakes)
    }

    pub fn into_grpc(self, listen: SocketAddr, callers: &RawCallers) -> Grpc {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Grpc {
            listen,
            message_bytes_max: size(self.message_bytes_max),
            requests_per_connection_max: size(self.requests_per_connection_max),
            connections: ConnectionLimits {
                connections_max: size(self.connections_max),
                connections_per_address_max: size(self.connections_per_address_max),
                handshake_max: seconds(self.handshake_seconds_max),
            },
            admission: AdmissionLimits {
                requests_in_flight_max: size(self.requests_in_flight_max),
                requests_per_caller_max: size(callers.requests_in_flight_max),
                streams_per_caller_max: size(callers.streams_max),
            },
            connection_age_max: seconds(self.connection_age_seconds_max),
            request_max: seconds(self.request_seconds_max),
            scans_in_flight_max: size(self.scans_in_flight_max),
            stream_window_bytes: self.stream_window_bytes,
            connection_window_bytes: self.connection_window_bytes,
            reflection: self.reflection,
        }
    }
}

fn given(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

impl RawTls {
    /// What does not fit together.
    pub fn mistake(&self) -> Option<String> {
        let has = |path: &PathBuf| !path.as_os_str().is_empty();
        if has(&self.certificate) != has(&self.key) {
            return Some("tls.certificate and tls.key: write both, or neither".to_owned());
        }
        if has(&self.client_ca) && !has(&self.certificate) {
            return Some(
                "tls.client_ca: callers show certificates only over TLS; write tls.certificate".to_owned(),
            );
        }
        if has(&self.client_crl) && !has(&self.client_ca) {
            return Some("tls.client_crl: it is of tls.client_ca, which is empty".to_owned());
        }
        None
    }

    fn into_files(self) -> Option<TlsFiles> {
        let (certificate, key) = (given(self.certificate)?, given(self.key)?);
        Some(TlsFiles {
            certificate,
            key,
            client_ca: given(self.client_ca),
            client_crl: given(self.client_crl),
        })
    }
}

impl RawAccess {
    pub fn into_access(self, tls: RawTls) -> Access {
        Access { required: self.required, tls: tls.into_files() }
    }
}
