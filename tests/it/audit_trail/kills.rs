//! kill -9 while entries are written: every look that was answered has its entry, and the chain is whole.

use super::{listed, verified};
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::world::{code, connect, load_province};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;

const ROUNDS: usize = 20;
const CLIENTS: usize = 4;

/// Looks at a code until the gateway is gone; notes whose looks were answered.
async fn look_until_gone(channel: Channel, name: String, answered: Arc<Mutex<Vec<String>>>) {
    let mut bureau = BureauServiceClient::new(channel);
    for n in 0.. {
        let person = format!("{name}-{n}");
        let look = pb::GetCodeHistoryRequest { code: code(1), person: person.clone(), reason: String::new() };
        if bureau.get_code_history(look).await.is_err() {
            return;
        }
        answered.lock().expect("not poisoned").push(person);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_a_loop_loses_no_entry_and_leaves_the_chain_whole() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let answered = Arc::new(Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let gateway = GatewayProcess::start(dir.path(), &[]);
        if round == 0 {
            load_province(&connect(&gateway.address).await).await;
        }
        let before = answered.lock().expect("not poisoned").len();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let channel = connect(&gateway.address).await;
            clients.spawn(look_until_gone(channel, format!("r{round}-c{client}"), Arc::clone(&answered)));
        }
        // The kill falls at another moment of a write in every round.
        let least = before + 2 + round % 7;
        eventually("some answers", || async {
            (answered.lock().expect("not poisoned").len() >= least).then_some(())
        })
        .await;
        gateway.kill();
        clients.join_all().await;
        // As the kill left it, and as the next start finds it.
        let report = verified(dir.path());
        assert_eq!(report["whole"], true, "{report:#}");
    }
    let gateway = GatewayProcess::start(dir.path(), &[]);
    let report = verified(dir.path());
    assert_eq!((&report["whole"], &report["unfinished_bytes"]), (&true.into(), &0.into()), "{report:#}");
    let entries = listed(dir.path(), &["--act", "code_history.look", "--limit", "0"]);
    let recorded: BTreeSet<_> =
        entries.iter().filter_map(|entry| entry["detail"]["person"].as_str()).collect();
    let answered = answered.lock().expect("not poisoned").clone();
    assert!(answered.len() >= 2 * ROUNDS, "the load was real: {}", answered.len());
    for person in &answered {
        assert!(recorded.contains(person.as_str()), "the look of {person} was answered and has no entry");
    }
    gateway.kill();
}
