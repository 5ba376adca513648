//! The pages over real connections: readiness part by part, and clients that are slow, silent or endless.

use super::connections::{Bounds, serve};
use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

struct Pages {
    address: SocketAddr,
    store: watch::Sender<StoreState>,
    index: watch::Sender<IndexState>,
    stop: CancellationToken,
    ended: CancellationToken,
}

async fn start(bounds: Bounds) -> Pages {
    let (store, store_seen) = watch::channel(StoreState::Ready);
    let (index, index_seen) = watch::channel(IndexState::Complete);
    let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
    let watched = Watched {
        metrics: telemetry::start_metrics().unwrap(),
        store: store_seen,
        index: index_seen,
        provisional: Arc::new(|| true),
        stop: stop.clone(),
        ended: ended.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, pages(watched), bounds));
    Pages { address, store, index, stop, ended }
}

/// Sends bytes and reads until the other side closes; fails where it does not.
async fn sent(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever closes early need not have read it all.
    drop(stream.write_all(bytes).await);
    let mut text = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await;
    drop(read.expect("the connection is closed"));
    String::from_utf8_lossy(&text).into_owned()
}

async fn page_of(address: SocketAddr, path: &str) -> String {
    sent(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn every_part_can_take_readiness_back() {
    let pages = start(Bounds::default()).await;
    let check = async |ready: bool, part: &str| {
        let text = page_of(pages.address, "/ready").await;
        let status = if ready { "HTTP/1.1 200" } else { "HTTP/1.1 503" };
        assert!(text.starts_with(status) && text.contains(&format!("\"ready\":{ready}")), "{text}");
        assert!(text.contains(part), "{part} in {text}");
        let name = part.split('"').nth(1).unwrap();
        let line = format!("tracegate_ready{{part=\"{name}\"}} {}", i32::from(ready));
        let metrics = page_of(pages.address, "/metrics").await;
        assert!(metrics.contains(&line), "{line} in {metrics}");
        assert!(page_of(pages.address, "/live").await.starts_with("HTTP/1.1 200"), "it lives all the while");
    };
    check(true, "\"store\":\"ready\"").await;
    pages.store.send_replace(StoreState::Full("the disk is full".into()));
    check(false, "\"store\":\"full: the disk is full\"").await;
    pages.store.send_replace(StoreState::Ready);
    check(true, "\"store\":\"ready\"").await;
    pages.index.send_replace(IndexState::Warming { codes: 1, of: 9 });
    check(false, "\"index\":\"warming: 1 of about 9 codes\"").await;
    pages.index.send_replace(IndexState::Complete);
    check(true, "\"index\":\"ready\"").await;
    pages.store.send_replace(StoreState::Stopped("a fault in the writer".into()));
    check(false, "\"store\":\"stopped: a fault in the writer\"").await;
    pages.store.send_replace(StoreState::Ready);
    pages.ended.cancel();
    check(false, "\"listener\":\"ended").await;
    pages.stop.cancel();
    check(false, "\"listener\":\"stopping\"").await;
}

#[tokio::test]
async fn slow_silent_and_endless_clients_are_let_go() {
    let bounds = Bounds { connections_max: 2, head_max: Duration::from_millis(200), ..Bounds::default() };
    let address = start(bounds).await.address;
    // Two that say nothing hold both places; a third is served once they are let go.
    let silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    assert!(page_of(address, "/live").await.starts_with("HTTP/1.1 200"));
    drop(silent);
    // A head that does not end in time, and one that does not end at all.
    assert!(!sent(address, b"GET /live HTTP/1.1\r\nHost: x\r\n").await.contains("200 OK"));
    let endless = format!("GET /live HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(64 << 10));
    assert!(!sent(address, endless.as_bytes()).await.contains("200 OK"));
    // A connection that is kept, and silent: it is closed after its answer.
    let kept = sent(address, b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    // A body that nobody asked for.
    let head = "POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".to_owned();
    let refused = sent(address, (head + &"x".repeat(1 << 20)).as_bytes()).await;
    assert!(!refused.contains("200 OK"), "{refused}");
    assert!(page_of(address, "/live").await.starts_with("HTTP/1.1 200"), "and the others are served");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let short = Duration::from_millis(300);
    let bounds = Bounds { connections_max: 1, age_max: short, end_max: short, ..Bounds::default() };
    // A page that is larger than what the system keeps for somebody who does not read.
    let page = Router::new().route("/large", get(|| async { "x".repeat(64 << 20) }));
    let page = page.route("/live", get(|| async { "live\n" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, page, bounds));
    let mut deaf = TcpStream::connect(address).await.unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Its place is free again, though it is still there.
    assert!(page_of(address, "/live").await.starts_with("HTTP/1.1 200"));
    let mut text = Vec::new();
    let read = timeout(Duration::from_secs(10), deaf.read_to_end(&mut text)).await;
    drop(read.expect("the connection is closed"));
    assert!(text.starts_with(b"HTTP/1.1 200") && text.len() < 64 << 20, "{} bytes", text.len());
}
