//! TLS: who is let in by which certificate, and what changes without a stop.

use super::{Guarded, asks, refused};
use crate::support::certificates::Authority;
use crate::support::world::{PHARMACY, connect};
use tonic::Code;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;

/// Whose keys somebody sees says who it is.
async fn lists(channel: &Channel) -> Result<usize, tonic::Status> {
    let page = AdminServiceClient::new(channel.clone()).list_keys(pb::ListKeysRequest::default()).await?;
    Ok(page.into_inner().keys.len())
}

#[tokio::test]
async fn a_certificate_names_the_caller() {
    let guarded = Guarded::start_with_tls().await;
    let root = guarded.authority.root.clone();
    let shows = async |uris: &[&str]| {
        let shown = guarded.authority.client(uris, 7);
        guarded.secured(&root, Some(&shown)).await.expect("the handshake succeeds")
    };
    let operator = shows(&["tracegate:operator"]).await;
    assert_eq!(lists(&operator).await.expect("the operator sees keys"), 0);
    let pharmacy = shows(&[&format!("tracegate:institution:{PHARMACY}"), "https://example.org/x"]).await;
    asks(&pharmacy, None).await.expect("an institution is known");
    let reader = shows(&["tracegate:reader:1201"]).await;
    refused(lists(&reader).await, Code::PermissionDenied, "reader 1201");
    asks(&shows(&["tracegate:chain:%E8%BF%9E%E9%94%81"]).await, None).await.expect("a chain is known");
    // Nobody's, nobody known, and two at once.
    for uris in [&[][..], &["tracegate:somebody"], &["tracegate:operator", "tracegate:bureau:12"]] {
        refused(asks(&shows(uris).await, None).await, Code::Unauthenticated, "show a key");
    }
    // A key does as well, and goes before the certificate.
    let nobody = guarded.secured(&root, None).await.expect("a certificate is not needed");
    refused(asks(&nobody, None).await, Code::Unauthenticated, "show a key");
    asks(&nobody, Some(&guarded.local_key())).await.expect("the operator's key");
    refused(asks(&pharmacy, Some("tgk_x")).await, Code::Unauthenticated, "not known");
    guarded.stop().await;
}

#[tokio::test]
async fn what_is_not_vouched_for_is_refused_in_the_handshake() {
    let guarded = Guarded::start_with_tls().await;
    let (root, stranger) = (guarded.authority.root.clone(), Authority::new());
    std::fs::write(guarded.dir.path().join("crl.pem"), guarded.authority.revokes(&[66])).expect("written");
    guarded.gateway.reload_certificates();
    let check = async |shown| {
        // The refusal of a client's certificate comes after the client's own end of the handshake.
        let asked = match guarded.secured(&root, Some(&shown)).await {
            Ok(channel) => asks(&channel, None).await.map_err(|status| format!("{status:?}")),
            Err(error) => Err(error),
        };
        asked.expect_err("it must not be let in")
    };
    check(stranger.client(&["tracegate:operator"], 1)).await;
    check(guarded.authority.client_until(&["tracegate:operator"], 2, 2021)).await;
    check(guarded.authority.client(&["tracegate:operator"], 66)).await;
    // A server's certificate is no caller's.
    check(guarded.authority.server()).await;
    // And the gateway itself is not believed by whoever does not know its root.
    guarded.secured(&stranger.root, None).await.expect_err("another root");
    // Whoever speaks plainly is turned away, and the others do not notice.
    let plain = Channel::from_shared(format!("http://{}", guarded.gateway.address())).expect("an address");
    match plain.connect().await {
        Ok(channel) => drop(asks(&channel, None).await.expect_err("no TLS, no answer")),
        Err(error) => drop(error),
    }
    let good = guarded.authority.client(&["tracegate:operator"], 3);
    let channel = guarded.secured(&root, Some(&good)).await.expect("the handshake succeeds");
    lists(&channel).await.expect("the operator");
    guarded.stop().await;
}

#[tokio::test]
async fn certificates_change_without_a_stop() {
    let guarded = Guarded::start_with_tls().await;
    let root = guarded.authority.root.clone();
    let shown = guarded.authority.client(&["tracegate:operator"], 5);
    let connected = guarded.secured(&root, Some(&shown)).await.expect("the handshake succeeds");
    lists(&connected).await.expect("the operator");
    // Another authority vouches for the gateway: who is connected stays so.
    let other = Authority::new();
    other.server().write(guarded.dir.path(), "server");
    guarded.gateway.reload_certificates();
    lists(&connected).await.expect("the connection goes on");
    guarded.secured(&root, None).await.expect_err("the old root does not do any more");
    guarded.secured(&other.root, None).await.expect("the new one does");
    // A file that cannot be used changes nothing.
    std::fs::write(guarded.dir.path().join("server.pem"), "no certificate").expect("written");
    guarded.gateway.reload_certificates();
    guarded.secured(&other.root, None).await.expect("the old one stays in force");
    other.server().write(guarded.dir.path(), "server");
    // A revoked certificate ends its connections.
    std::fs::write(guarded.dir.path().join("crl.pem"), guarded.authority.revokes(&[5])).expect("written");
    guarded.gateway.reload_certificates();
    let answer = match guarded.secured(&other.root, Some(&shown)).await {
        Ok(channel) => lists(&channel).await.map_err(|status| status.to_string()),
        Err(error) => Err(error),
    };
    answer.expect_err("revoked");
    crate::support::eventually("the open connection ends", async || lists(&connected).await.err()).await;
    guarded.stop().await;
}

#[tokio::test]
async fn without_tls_nothing_changes_for_those_on_this_machine() {
    let guarded = Guarded::start_with(|config, _| config.access.required = false).await;
    let channel = connect(&guarded.gateway.address().to_string()).await;
    asks(&channel, None).await.expect("the operator of this machine");
    assert!(!guarded.dir.path().join("data/operator.key").exists());
    guarded.stop().await;
}
