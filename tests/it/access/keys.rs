//! Keys: made, shown, replaced, ended; who makes them for whom.

use super::{Guarded, asks, make, new, refused, revoke, with_key};
use crate::acceptance::on_redis::options;
use crate::support::redis::RedisServer;
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, at, dispense, load_province};
use crate::support::{eventually, within};
use jiff::SignedDuration;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tracegate::grpc::pb;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

#[tokio::test]
async fn whoever_shows_nothing_or_something_else_is_refused() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    refused(asks(&channel, None).await, Code::Unauthenticated, "show a key");
    let (id, key) = guarded.key(&channel, &format!("institution {PHARMACY}")).await;
    asks(&channel, Some(&key)).await.expect("a key that was made");
    let cut = &key[..key.len() - 1];
    let other = format!("tgk_{id}_{}", "0".repeat(64));
    let stranger = format!("tgk_{}_{}", "0".repeat(12), "0".repeat(64));
    for wrong in [cut, &other, &stranger, "tgk_", "x", "tgk_local_", ""] {
        refused(asks(&channel, Some(wrong)).await, Code::Unauthenticated, "key");
    }
    // What it says of itself does not matter, and must not contradict the key.
    let mut request = with_key(pb::ListKeysRequest::default(), &key);
    request.metadata_mut().insert("tracegate-caller", MetadataValue::from_static("operator"));
    let answer = AdminServiceClient::new(channel.clone()).list_keys(request).await;
    refused(answer, Code::PermissionDenied, "cannot act as operator");
    let mode = std::fs::metadata(guarded.dir.path().join("data/operator.key")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    guarded.stop().await;
}

#[tokio::test]
async fn a_key_speaks_for_its_own_institution_in_its_role() {
    let guarded = Guarded::start_with(|config, _| config.access.required = false).await;
    load_province(&guarded.connect().await).await;
    let channel = guarded.connect().await;
    // Where callers are believed, a key counts all the same.
    let made =
        AdminServiceClient::new(channel.clone()).create_key(new(&format!("terminal {PHARMACY}"))).await;
    let key = made.expect("the operator may").into_inner().secret;
    let mut gate = DispensingServiceClient::new(channel.clone());
    let box_of = |n: u64| [crate::support::world::code(n)];
    gate.dispense(with_key(dispense(PHARMACY, "own", &box_of(1)), &key)).await.expect("its own sale");
    let other = gate.dispense(with_key(dispense(OTHER_PHARMACY, "other", &box_of(2)), &key)).await;
    refused(other, Code::PermissionDenied, "may not act for");
    let cases = tracegate::grpc::pb::bureau_service_client::BureauServiceClient::new(channel.clone());
    let listed = cases.clone().list_cases(with_key(pb::ListCasesRequest::default(), &key)).await;
    refused(listed, Code::PermissionDenied, "terminal");
    guarded.stop().await;
}

#[tokio::test]
async fn keys_are_made_for_ones_own() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let (_, bureau) = guarded.key(&channel, "bureau 1201").await;
    let (_, pharmacy) = guarded.key(&channel, &format!("institution {PHARMACY}")).await;
    let (_, reader) = guarded.key(&channel, "reader 1201").await;
    let (_, auditor) = guarded.key(&channel, "auditor").await;
    let tries = async |by: &str, identity: &str| make(&channel, by, new(identity)).await;
    tries(&bureau, &format!("institution {HOSPITAL}")).await.expect("in its division");
    let counter = tries(&pharmacy, &format!("terminal {PHARMACY}")).await.expect("its counter");
    refused(tries(&bureau, "institution P13010200101").await, Code::PermissionDenied, "makes no keys");
    refused(tries(&bureau, "reader 1201").await, Code::PermissionDenied, "makes no keys");
    refused(
        tries(&pharmacy, &format!("terminal {OTHER_PHARMACY}")).await,
        Code::PermissionDenied,
        "makes no keys",
    );
    for by in [&reader, &auditor, &counter.1] {
        refused(tries(by, &format!("terminal {PHARMACY}")).await, Code::PermissionDenied, "may not call");
    }
    // Each sees and ends what it may make, and nothing else is there.
    let mut admin = AdminServiceClient::new(channel.clone());
    let mut seen = async |by: &str| {
        let page = admin.list_keys(with_key(pb::ListKeysRequest::default(), by)).await.expect("a list");
        page.into_inner().keys.into_iter().map(|key| key.identity).collect::<Vec<_>>()
    };
    assert_eq!(seen(&pharmacy).await, [format!("terminal {PHARMACY}")]);
    assert_eq!(seen(&bureau).await.len(), 3);
    assert_eq!(seen(&guarded.local_key()).await.len(), 6);
    let id = |key: &str| key.split('_').nth(1).expect("an id").to_owned();
    refused(revoke(&channel, &pharmacy, &id(&bureau)).await, Code::NotFound, "no key");
    revoke(&channel, &bureau, &counter.0).await.expect("in its division");
    refused(asks(&channel, Some(&counter.1)).await, Code::Unauthenticated, "revoked");
    guarded.stop().await;
}

#[tokio::test]
async fn keys_expire_are_replaced_and_are_ended_for_good() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let local = guarded.local_key();
    let asked = pb::CreateKeyRequest { valid_days: Some(10), ..new("bureau 12") };
    let (first, old) = make(&channel, &local, asked).await.expect("a key");
    let next = pb::CreateKeyRequest { replaces_id: first.clone(), overlap_hours: 2, ..new("") };
    let (second, fresh) = make(&channel, &local, next).await.expect("a key in its place");
    asks(&channel, Some(&old)).await.expect("still good");
    asks(&channel, Some(&fresh)).await.expect("good already");
    guarded.clock.set(at(9, 0) + SignedDuration::from_hours(2));
    refused(asks(&channel, Some(&old)).await, Code::Unauthenticated, "expired at");
    asks(&channel, Some(&fresh)).await.expect("in its place");
    let ended = revoke(&channel, &local, &second).await.expect("ended");
    assert_eq!(revoke(&channel, &local, &second).await.expect("ended before"), ended);
    refused(asks(&channel, Some(&fresh)).await, Code::Unauthenticated, "revoked at");
    // A key that ended long ago is not made good by replacing it.
    let other = pb::CreateKeyRequest { replaces_id: first, ..new("operator") };
    refused(make(&channel, &local, other).await, Code::InvalidArgument, "identity");
    for (asked, field) in [
        (pb::CreateKeyRequest { valid_days: Some(0), ..new("auditor") }, "valid_days"),
        (pb::CreateKeyRequest { valid_days: Some(1101), ..new("auditor") }, "valid_days"),
        (pb::CreateKeyRequest { overlap_hours: 721, ..new("auditor") }, "overlap_hours"),
        (pb::CreateKeyRequest { label: " ".into(), ..new("auditor") }, "label"),
        (new("somebody"), "identity"),
        (new(""), "identity"),
    ] {
        refused(make(&channel, &local, asked).await, Code::InvalidArgument, field);
    }
    guarded.stop().await;
}

#[tokio::test]
async fn an_open_stream_ends_with_its_key() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let (id, key) = guarded.key(&channel, &format!("institution {PHARMACY}")).await;
    let (messages, sent) = tokio::sync::mpsc::channel(4);
    let stream = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut gate = DispensingServiceClient::new(channel.clone());
    let message = || pb::ScanRequest { correlation_id: "c".into(), request: None };
    messages.send(message()).await.expect("sent");
    let mut answers = gate.scan(with_key(stream, &key)).await.expect("let in").into_inner();
    answers.message().await.expect("an answer").expect("to the first message");
    revoke(&channel, &guarded.local_key(), &id).await.expect("ended");
    messages.send(message()).await.expect("sent");
    refused(answers.message().await, Code::Unauthenticated, "revoked");
    guarded.stop().await;
}

#[tokio::test]
async fn keys_outlive_a_restart_and_their_secrets_are_nowhere() {
    let guarded = Guarded::start().await;
    let channel = guarded.connect().await;
    let (_, key) = guarded.key(&channel, "bureau 12").await;
    let secret = key.rsplit('_').next().expect("a secret").to_owned();
    let local = guarded.local_key();
    let Guarded { gateway, dir, .. } = guarded;
    gateway.stop(std::future::pending()).await;
    for entry in walk(&dir.path().join("data")) {
        let bytes = std::fs::read(&entry).expect("a file");
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds the secret", entry.display());
    }
    let again = Guarded::start_with(|config, _| config.data_dir = dir.path().join("data")).await;
    let channel = again.connect().await;
    asks(&channel, Some(&key)).await.expect("known after the restart");
    // The operator's key of this machine is another one at each start.
    refused(asks(&channel, Some(&local)).await, Code::Unauthenticated, "not known");
    again.stop().await;
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn a_key_that_one_gateway_ends_is_ended_at_all_within_a_second() {
    let server = RedisServer::start();
    let fleet = async || Guarded::start_with(|config, _| config.redis = Some(options(&server.url()))).await;
    let (one, other) = (fleet().await, fleet().await);
    let (here, there) = (one.connect().await, other.connect().await);
    let (id, key) = one.key(&here, "bureau 12").await;
    eventually("the other knows it", async || asks(&there, Some(&key)).await.ok()).await;
    for _ in 0..5 {
        let (id, key) = one.key(&here, "bureau 12").await;
        within(Duration::from_secs(1), "known", async || asks(&there, Some(&key)).await.ok()).await;
        revoke(&here, &one.local_key(), &id).await.expect("ended");
        // Whoever replaces it elsewhere in the same moment does not bring it back.
        let next = pb::CreateKeyRequest { replaces_id: id, overlap_hours: 720, ..new("") };
        make(&there, &other.local_key(), next).await.expect("a key in its place");
        refused(asks(&there, Some(&key)).await, Code::Unauthenticated, "revoked");
        within(Duration::from_secs(1), "ended", async || asks(&here, Some(&key)).await.err()).await;
    }
    revoke(&there, &other.local_key(), &id).await.expect("ended from the other side");
    within(Duration::from_secs(1), "ended", async || asks(&here, Some(&key)).await.err()).await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_auditor_reads_who_did_what_and_nothing_else() {
    let guarded = Guarded::start_with(|config, _| config.limits.callers.strange_codes_per_hour_max = 5).await;
    let channel = guarded.connect().await;
    let (id, auditor) = guarded.key(&channel, "auditor").await;
    let (_, pharmacy) = guarded.key(&channel, &format!("institution {PHARMACY}")).await;
    refused(asks(&channel, Some(&auditor)).await, Code::PermissionDenied, "auditor may not call");
    // Somebody looks at more than it may, again and again: one entry.
    let mut gate = DispensingServiceClient::new(channel.clone());
    for n in 0..3 {
        let codes: Vec<_> = (n * 10..n * 10 + 10).map(crate::support::world::code).collect();
        let document = crate::support::world::document(PHARMACY, "d", &codes);
        let asked = pb::CheckRequest { document: Some(document) };
        refused(
            gate.check(with_key(asked, &pharmacy)).await.map(drop),
            Code::ResourceExhausted,
            "never its own",
        );
    }
    revoke(&channel, &guarded.local_key(), &id).await.expect("ended");
    let (_, next) = guarded.key(&channel, "auditor").await;
    let mut admin = AdminServiceClient::new(channel.clone());
    let request = with_key(pb::ReadAuditTrailRequest { from_number: 2 }, &next);
    let mut entries = admin.read_audit_trail(request).await.expect("let in").into_inner();
    let mut acts = Vec::new();
    while let Some(entry) = entries.message().await.expect("an entry") {
        let line: serde_json::Value = serde_json::from_str(&entry.line).expect("JSON");
        assert_eq!(line["number"], entry.number);
        assert!(!entry.line.contains(auditor.rsplit('_').next().expect("a secret")), "no secrets");
        acts.push((
            line["act"].as_str().expect("an act").to_owned(),
            line["who"].as_str().expect("who").to_owned(),
        ));
    }
    let local = "operator, this machine's key";
    let expected = [
        ("gateway.start", "gateway"),
        ("key.create", local),
        ("key.create", local),
        ("probe.budget", "gateway"),
        ("key.revoke", local),
        ("key.create", local),
    ];
    assert_eq!(acts, expected.map(|(act, who)| (act.to_owned(), who.to_owned())));
    let request = with_key(pb::ReadAuditTrailRequest::default(), &pharmacy);
    refused(admin.read_audit_trail(request).await, Code::PermissionDenied, "may not call");
    guarded.stop().await;
}
