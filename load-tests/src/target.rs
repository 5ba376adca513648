//! Whom traffic may go to: this machine and nobody else. Must not know what is sent.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tracegate::config::Grpc;

/// Longest wait for a connection.
const CONNECT_SECONDS_MAX: u64 = 5;

/// An address of this machine: the only kind that a driver connects to or a peer listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbackAddress(SocketAddr);

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// No address with a port.
    #[error("{0:?} is no address with port; write one like 127.0.0.1:50051")]
    NoAddress(String),
    /// Another machine, or all of them.
    #[error("{0} is not this machine's own: load goes to loopback addresses only, use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
}

impl TryFrom<SocketAddr> for LoopbackAddress {
    type Error = BadTarget;

    fn try_from(address: SocketAddr) -> Result<Self, BadTarget> {
        if address.ip().to_canonical().is_loopback() {
            Ok(Self(address))
        } else {
            Err(BadTarget::NotLoopback(address))
        }
    }
}

impl FromStr for LoopbackAddress {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let address: SocketAddr = text.parse().map_err(|_| BadTarget::NoAddress(text.to_owned()))?;
        Self::try_from(address)
    }
}

impl LoopbackAddress {
    /// The address.
    pub const fn socket(self) -> SocketAddr {
        self.0
    }

    /// Opens connections to it, each a TCP connection of its own, with the gateway's flow-control windows.
    pub async fn connect(
        self,
        connections: usize,
        grpc: &Grpc,
    ) -> Result<Vec<Channel>, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.0))?
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .initial_stream_window_size(grpc.stream_window_bytes)
            .initial_connection_window_size(grpc.connection_window_bytes)
            .tcp_nodelay(true);
        let mut channels = Vec::with_capacity(connections);
        for _ in 0..connections {
            channels.push(endpoint.connect().await?);
        }
        Ok(channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        let check = |text: &str, allowed: bool| {
            assert_eq!(text.parse::<LoopbackAddress>().is_ok(), allowed, "{text}");
        };
        check("127.0.0.1:50051", true);
        check("127.8.9.10:1", true);
        check("[::1]:50051", true);
        check("[::ffff:127.0.0.1]:50051", true);
        check("0.0.0.0:50051", false);
        check("[::]:50051", false);
        check("10.0.0.7:50051", false);
        check("192.168.1.1:50051", false);
        check("8.8.8.8:443", false);
        check("[2001:db8::1]:443", false);
        check("[::ffff:10.0.0.7]:443", false);
        check("127.0.0.1", false);
        check("localhost:50051", false);
        check("gateway.example.com:50051", false);
    }

    #[test]
    fn a_refusal_says_what_to_use() {
        let refused = "10.0.0.7:50051".parse::<LoopbackAddress>().unwrap_err();
        assert!(refused.to_string().contains("10.0.0.7:50051"), "{refused}");
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    }
}
