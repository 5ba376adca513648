//! kill -9 of gateways of a fleet under load: nothing acknowledged is lost, nothing is sold twice, nothing accuses
//! anybody, and nothing stays in doubt.

use super::fleet::Fleet;
use crate::crash::Sent;
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::redis::RedisServer;
use crate::support::world::{OTHER_PHARMACY, PHARMACY, code, connect, dispense, sold};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

const GATEWAYS: usize = 3;
const ROUNDS: u64 = 25;
/// Documents that each client sends in a round.
const DOCUMENTS: u64 = 30;

/// Sends documents to one gateway; one that is in doubt or not answered is left as it is.
async fn send(channel: Channel, round: u64, client: u64, log: Arc<Mutex<Vec<Sent>>>) {
    let institution = if client.is_multiple_of(2) { PHARMACY } else { OTHER_PHARMACY };
    let mut gate = DispensingServiceClient::new(channel);
    for n in 0..DOCUMENTS {
        // Every box is wanted by a client of each gateway.
        let first = (round * 1_000 + n) * 3;
        let codes: Vec<_> = (first..first + 3).map(code).collect();
        let request_id = format!("r{round}-c{client}-{n}");
        let answer = gate.dispense(dispense(institution, &request_id, &codes)).await;
        let told = answer.ok().and_then(|answer| answer.into_inner().decision);
        let told = told.filter(|decision| decision.verdict() != pb::Verdict::Pending);
        log.lock().expect("not poisoned").push(Sent { institution, request_id, codes, told });
    }
}

/// What the fleet knows of a document, once nothing of it is in doubt.
async fn settled(gate: &DispensingServiceClient<Channel>, sent: &Sent) -> Option<pb::Decision> {
    let asked = || pb::GetOutcomeRequest {
        institution_code: sent.institution.into(),
        request_id: sent.request_id.clone(),
    };
    eventually("nothing is in doubt", || async {
        let found = gate.clone().get_outcome(asked()).await.ok()?.into_inner();
        match found.state() {
            // Answered PENDING and never sent again: nothing of it is claimed.
            pb::OutcomeState::InDoubt => Some(None),
            pb::OutcomeState::Unspecified => None,
            _ => Some(found.decision),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_are_killed_and_nothing_is_lost_or_sold_twice() {
    let server = RedisServer::start();
    let mut fleet = Fleet::start(&server.url(), GATEWAYS, &[]).await;
    let (mut sellers, mut acknowledged) = (HashMap::new(), 0);
    for round in 0..ROUNDS {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut clients = JoinSet::new();
        for (at, gateway) in fleet.gateways.iter().enumerate() {
            let channel = connect(&gateway.address).await;
            clients.spawn(send(channel, round, at as u64, Arc::clone(&log)));
        }
        let least = usize::try_from(5 + round % 19).expect("small");
        eventually("some answers", || async {
            (log.lock().expect("not poisoned").len() >= least).then_some(())
        })
        .await;
        let victim = usize::try_from(round).expect("small") % GATEWAYS;
        fleet.gateways.remove(victim).kill();
        while let Some(done) = clients.join_next().await {
            done.expect("a client does not panic");
        }
        let back = GatewayProcess::start_in_fleet(fleet.dirs[victim].path(), &fleet.url, &[]);
        fleet.gateways.insert(victim, back);
        let gate = fleet.gate((victim + 1) % GATEWAYS).await;
        let sent = std::mem::take(&mut *log.lock().expect("not poisoned"));
        for sent in sent {
            let stands = settled(&gate, &sent).await;
            if let Some(told) = &sent.told {
                acknowledged += 1;
                let stands = stands.as_ref().unwrap_or_else(|| panic!("lost: {sent:?}"));
                assert_eq!(stands.outcome_id, told.outcome_id, "{sent:?}");
                assert_eq!(stands.verdict, told.verdict, "{sent:?}");
            }
            let sold = stands.is_some_and(|decision| decision.verdict() == pb::Verdict::Allow);
            for code in sent.codes.iter().filter(|_| sold) {
                let before = sellers.insert(code.clone(), sent.request_id.clone());
                assert!(before.is_none(), "{code} was sold to {before:?} and {sent:?}");
            }
        }
    }
    assert!(acknowledged > 500, "the load was real: {acknowledged}");
    // Each box is one unit, counted once, whoever finished its sale.
    eventually("each sold box is counted once", || async {
        let mut counted = 0;
        for institution in [PHARMACY, OTHER_PHARMACY] {
            counted += sold(&fleet.gateways[0].address, institution).await?.parse::<usize>().ok()?;
        }
        println!("{counted} counted, {} sold", sellers.len());
        (counted == sellers.len()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_gateway_left_is_settled_by_another() {
    let server = RedisServer::start();
    let mut fleet = Fleet::start(&server.url(), 2, &[]).await;
    // Stopped in the middle of a change: the moment is found by trying.
    let log = Arc::new(Mutex::new(Vec::new()));
    let channel = connect(&fleet.gateways[0].address).await;
    let mut clients = JoinSet::new();
    for client in 0..8 {
        clients.spawn(send(channel.clone(), client, client, Arc::clone(&log)));
    }
    eventually("some answers", || async { (log.lock().expect("not poisoned").len() >= 20).then_some(()) })
        .await;
    fleet.gateways.remove(0).kill();
    while let Some(done) = clients.join_next().await {
        done.expect("a client does not panic");
    }
    // Nobody starts it again: within a minute nothing of it is under way.
    let started = tracegate::clock::Stopwatch::start();
    loop {
        let keys = server.command(&["KEYS", "{g:*}open"]);
        if keys.trim().is_empty() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "still under way: {keys}");
        // signal: another process settles it; nobody tells when.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let gate = fleet.gate(0).await;
    let sent = log.lock().expect("not poisoned").clone();
    for sent in sent {
        let stands = settled(&gate, &sent).await;
        if let Some(told) = &sent.told {
            assert_eq!(stands.expect("not lost").outcome_id, told.outcome_id);
        }
    }
}
