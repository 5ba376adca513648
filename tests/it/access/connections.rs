//! Those who hold connections and say nothing, or too much: they are cut, and the others go on.

use super::{Guarded, asks};
use crate::support::eventually;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tracegate::config::Config;

fn narrow(config: &mut Config) {
    config.grpc.connections.connections_max = 8;
    config.grpc.connections.handshake_max = Duration::from_secs(1);
}

/// Whether the other end has closed a connection, at most a deadline from now.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a deadline");
    // An HTTP/2 server says something first; what counts is that it ends.
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[tokio::test]
async fn whoever_says_nothing_loses_its_place() {
    for tls in [false, true] {
        let guarded = Guarded::start_with(|config, files| {
            narrow(config);
            config.access.tls = tls.then_some(files);
        })
        .await;
        let address = guarded.gateway.address();
        let silent = tokio::task::spawn_blocking(move || {
            let mut all: Vec<_> = (0..8).map(|_| TcpStream::connect(address).expect("a place")).collect();
            // Some dribble, which is not enough.
            all.iter_mut().take(4).for_each(|stream| stream.write_all(b"PRI * H").expect("sent"));
            assert!(is_closed(&mut TcpStream::connect(address).expect("accepted")), "all places are taken");
            all.iter_mut().all(is_closed)
        });
        assert!(silent.await.expect("it ends"), "they were cut");
        let root = guarded.authority.root.clone();
        let key = guarded.local_key();
        eventually("others come in again", async || {
            let channel =
                if tls { guarded.secured(&root, None).await.ok()? } else { guarded.connect().await };
            asks(&channel, Some(&key)).await.ok()
        })
        .await;
        guarded.stop().await;
    }
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let guarded = Guarded::start_with(|config, _| {
        narrow(config);
        config.grpc.connections.handshake_max = Duration::from_secs(60);
        config.grpc.connections.connections_per_address_max = 3;
    })
    .await;
    let address = guarded.gateway.address();
    let greedy = tokio::task::spawn_blocking(move || {
        let held: Vec<_> = (0..3).map(|_| TcpStream::connect(address).expect("a place")).collect();
        let refused = is_closed(&mut TcpStream::connect(address).expect("accepted"));
        (held, refused)
    });
    let (held, refused) = greedy.await.expect("it ends");
    assert!(refused, "its own places are taken");
    drop(held);
    let key = guarded.local_key();
    eventually("its places are free again", async || {
        let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).ok()?;
        asks(&channel.connect().await.ok()?, Some(&key)).await.ok()
    })
    .await;
    guarded.stop().await;
}
