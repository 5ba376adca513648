//! kill -9 in a loop under load, SIGTERM under load, clients that go away: nothing acknowledged is lost, no code
//! has two first sales, no request stays in doubt.

use crate::support::process::GatewayProcess;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, World, code, connect, dispense, load_province};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tracegate::clock::Stopwatch;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

const ROUNDS: u64 = 200;
const CLIENTS: u64 = 6;
/// Every box is scanned by this many competing requests.
const RIVALS: u64 = 2;

/// What a client sent, and what it was told, if anything.
#[derive(Debug, Clone)]
pub struct Sent {
    pub institution: &'static str,
    pub request_id: String,
    pub codes: Vec<String>,
    pub told: Option<pb::Decision>,
}

/// Sends documents until the gateway is gone. Clients of one pair scan the same boxes.
async fn load_until_gone(channel: Channel, round: u64, client: u64, log: Arc<Mutex<Vec<Sent>>>) {
    let institution = if client.is_multiple_of(RIVALS) { PHARMACY } else { OTHER_PHARMACY };
    let mut gate = DispensingServiceClient::new(channel);
    for n in 0.. {
        let request_id = format!("r{round}-c{client}-{n}");
        let first = (round * 1_000 + client / RIVALS) * 100_000 + n * 3;
        let codes: Vec<_> = (first..first + 3).map(code).collect();
        let mut sent = Sent { institution, request_id: request_id.clone(), codes: codes.clone(), told: None };
        let answer = gate.dispense(dispense(institution, &request_id, &codes)).await;
        let gone = answer.is_err();
        sent.told = answer.ok().and_then(|a| a.into_inner().decision);
        log.lock().expect("not poisoned").push(sent);
        if gone {
            return;
        }
    }
}

async fn outcome(gate: &mut DispensingServiceClient<Channel>, sent: &Sent) -> pb::GetOutcomeResponse {
    let request = pb::GetOutcomeRequest {
        institution_code: sent.institution.into(),
        request_id: sent.request_id.clone(),
    };
    gate.get_outcome(request).await.expect("an outcome").into_inner()
}

/// Compares what clients were told with what the gateway knows now; counts who sold each box.
async fn verify(address: &str, sent: &[Sent], sellers: &mut HashMap<String, String>) -> usize {
    let mut gate = DispensingServiceClient::new(connect(address).await);
    let mut acknowledged = 0;
    for sent in sent {
        let found = outcome(&mut gate, sent).await;
        assert_ne!(found.state(), pb::OutcomeState::InDoubt, "{sent:?}");
        if let Some(told) = &sent.told {
            acknowledged += 1;
            let stands = found
                .decision
                .as_ref()
                .unwrap_or_else(|| panic!("an acknowledged request is gone: {sent:?}"));
            assert_eq!(stands.outcome_id, told.outcome_id, "{sent:?}");
            assert_eq!(stands.verdict, told.verdict, "{sent:?}");
        }
        let sold = found.decision.is_some_and(|d| d.verdict() == pb::Verdict::Allow);
        for code in sent.codes.iter().filter(|_| sold) {
            let before = sellers.insert(code.clone(), sent.request_id.clone());
            assert!(before.is_none_or(|b| b == sent.request_id), "{code} has two first sales: {sent:?}");
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_a_loop_loses_nothing_and_sells_nothing_twice() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut gateway = GatewayProcess::start(dir.path(), &[]);
    load_province(&connect(&gateway.address).await).await;
    let (mut all, mut sellers, mut acknowledged) = (Vec::new(), HashMap::new(), 0);
    for round in 0..ROUNDS {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let channel = connect(&gateway.address).await;
            clients.spawn(load_until_gone(channel, round, client, Arc::clone(&log)));
        }
        // The kill falls at another moment of the group commit in every round.
        let least = usize::try_from(3 + round % 17).expect("a small number");
        crate::support::eventually("some answers", || async {
            (log.lock().expect("not poisoned").len() >= least).then_some(())
        })
        .await;
        gateway.kill();
        while let Some(done) = clients.join_next().await {
            done.expect("a client does not panic");
        }
        gateway = GatewayProcess::start(dir.path(), &[]);
        let sent = std::mem::take(&mut *log.lock().expect("not poisoned"));
        acknowledged += verify(&gateway.address, &sent, &mut sellers).await;
        all.extend(sent);
    }
    // Once more at the end: later rounds must not have disturbed earlier ones.
    let again = verify(&gateway.address, &all, &mut sellers).await;
    assert_eq!(again, acknowledged);
    assert!(acknowledged > usize::try_from(ROUNDS).expect("small"), "the load was real: {acknowledged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_in_flight_and_exits_in_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start(dir.path(), &[("TRACEGATE_SHUTDOWN_DRAIN_SECONDS_MAX", "5")]);
    load_province(&connect(&gateway.address).await).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(load_until_gone(connect(&gateway.address).await, 0, client, Arc::clone(&log)));
    }
    crate::support::eventually("some answers", || async {
        (log.lock().expect("not poisoned").len() > 50).then_some(())
    })
    .await;
    let stopping = Stopwatch::start();
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{status}: {said}");
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}: {said}", stopping.elapsed());
    while let Some(done) = clients.join_next().await {
        done.expect("a client does not panic");
    }
    let gateway = GatewayProcess::start(dir.path(), &[]);
    let sent = std::mem::take(&mut *log.lock().expect("not poisoned"));
    let acknowledged = verify(&gateway.address, &sent, &mut HashMap::new()).await;
    assert!(acknowledged > 50, "{acknowledged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gateway = GatewayProcess::start(dir.path(), &[("TRACEGATE_SHUTDOWN_DRAIN_SECONDS_MAX", "1")]);
    let channel = connect(&gateway.address).await;
    // An open report stream that never ends.
    let (events, stream) = tokio::sync::mpsc::channel::<pb::ReportRequest>(1);
    let mut gate = DispensingServiceClient::new(channel);
    let open =
        tokio::spawn(async move { gate.report(tokio_stream::wrappers::ReceiverStream::new(stream)).await });
    crate::support::eventually("the stream is open", || async { (events.capacity() == 1).then_some(()) })
        .await;
    let stopping = Stopwatch::start();
    gateway.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| gateway.wait()).await.expect("the wait ends");
    assert!(status.success(), "{status}: {said}");
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}: {said}", stopping.elapsed());
    drop(events);
    assert!(open.await.expect("the call ends").is_err(), "the stream was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_leaves_nothing_or_a_final_outcome() {
    let mut world = World::start().await;
    let mut cut = 0;
    for n in 0..200_u64 {
        let id = format!("gone-{n}");
        let mut gate = world.gate.clone();
        let request = dispense(PHARMACY, &id, &[code(n)]);
        let call = tokio::spawn(async move { gate.dispense(request).await });
        for _ in 0..n % 40 {
            tokio::task::yield_now().await;
        }
        call.abort();
        cut += usize::from(call.await.is_err());
        let found = crate::support::eventually("a final outcome", || {
            let mut gate = world.gate.clone();
            let request = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: id.clone() };
            async move {
                let found = gate.get_outcome(request).await.expect("an outcome").into_inner();
                (found.state() != pb::OutcomeState::InDoubt).then_some(found)
            }
        })
        .await;
        let other = world.dispense(dispense(OTHER_PHARMACY, &format!("other-{n}"), &[code(n)])).await;
        let expected = match found.state() {
            pb::OutcomeState::Decided => pb::Verdict::Block,
            _ => pb::Verdict::Allow,
        };
        assert_eq!(other.verdict(), expected, "{n}: {found:?}");
        if found.state() == pb::OutcomeState::Never {
            let late = world.gate.dispense(dispense(PHARMACY, &id, &[code(n)])).await;
            assert_eq!(late.expect_err("closed").code(), tonic::Code::FailedPrecondition, "{n}");
        }
    }
    assert!(cut > 20, "the clients did go away: {cut}");
    world.stop().await;
}
