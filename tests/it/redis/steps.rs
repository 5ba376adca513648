//! kill -9 of a gateway at each step of a sale: what Redis has heard of it by then decides. Nothing stays in doubt,
//! nobody is accused, and what was sold is sold once.

use crate::support::process::GatewayProcess;
use crate::support::redis::RedisServer;
use crate::support::redis::proxy::{FaultProxy, Mode};
use crate::support::world::{
    OTHER_PHARMACY, PHARMACY, code, connect, dispense, knows_the_province, load_province, sold,
};
use crate::support::{eventually, within};
use std::time::Duration;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

type Gate = DispensingServiceClient<tonic::transport::Channel>;

/// What a dead gateway had under way is settled within this time.
const SETTLED_MAX: Duration = Duration::from_secs(60);

async fn gate(gateway: &GatewayProcess) -> Gate {
    Gate::new(connect(&gateway.address).await)
}

async fn verdict(gate: &Gate, institution: &str, request_id: &str) -> pb::Verdict {
    let answer = gate.clone().dispense(dispense(institution, request_id, &[code(1), code(2)])).await;
    answer.expect("an answer").into_inner().decision.expect("a decision").verdict()
}

async fn outcome(gate: &Gate) -> Option<pb::OutcomeState> {
    let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "r1".into() };
    let found = gate.clone().get_outcome(asked).await.ok()?.into_inner().state();
    (found != pb::OutcomeState::InDoubt).then_some(found)
}

/// The first gateway dies in the middle of a sale, where `held` says; `expected` = what became of the sale.
async fn check(held: Mode, expected: pb::OutcomeState) {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(&server.address());
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let other = GatewayProcess::start_in_fleet(dirs[1].path(), &server.url(), &[]);
    load_province(&connect(&other.address).await).await;
    let url = format!("redis://{}", proxy.address());
    let dying = GatewayProcess::start_in_fleet(dirs[0].path(), &url, &[]);
    let (there, here) = (gate(&other).await, gate(&dying).await);
    knows_the_province(&dying.address).await;

    proxy.set(held);
    let asking =
        tokio::spawn(
            async move { here.clone().dispense(dispense(PHARMACY, "r1", &[code(1), code(2)])).await },
        );
    eventually("the sale is held", || async { (proxy.mode() == Mode::BlackHole).then_some(()) }).await;
    dying.kill();
    assert!(asking.await.expect("the caller lives").is_err(), "nobody was answered");

    // Another counter scans the same boxes at once: in doubt, and never a duplicate of what may not be a sale.
    let meanwhile = verdict(&there, OTHER_PHARMACY, "o1").await;
    assert!(matches!(meanwhile, pb::Verdict::Pending | pb::Verdict::Block), "{meanwhile:?}");
    assert!(
        meanwhile == pb::Verdict::Pending || expected == pb::OutcomeState::Decided,
        "accused: {meanwhile:?}"
    );
    let became = within(SETTLED_MAX, "the sale is settled", || outcome(&there)).await;
    assert_eq!(became, expected);
    let is_sold = expected == pb::OutcomeState::Decided;
    let then = if is_sold { pb::Verdict::Block } else { pb::Verdict::Allow };
    assert_eq!(verdict(&there, OTHER_PHARMACY, "o1").await, then);

    // It comes back and knows the same; each box is counted once.
    let back = GatewayProcess::start_in_fleet(dirs[0].path(), &server.url(), &[]);
    assert_eq!(outcome(&gate(&back).await).await, Some(expected));
    let (ours, theirs) = if is_sold { ("2", "0") } else { ("0", "2") };
    for gateway in [&back, &other] {
        eventually("each box is counted once", || async {
            let counted =
                (sold(&gateway.address, PHARMACY).await?, sold(&gateway.address, OTHER_PHARMACY).await?);
            (counted == (ours.to_owned(), theirs.to_owned())).then_some(())
        })
        .await;
    }
}

macro_rules! steps {
    ($($name:ident: $mode:expr => $expected:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            check($mode, pb::OutcomeState::$expected).await;
        }
    )+};
}

// The names of keys and commands as they go over the wire: see `src/store/redis`. The outcome goes out with the claims.
steps! {
    killed_when_it_has_claimed: Mode::HoldAfter("}o:") => Never;
    killed_before_it_decides: Mode::HoldBefore("}d:") => Never;
    killed_when_it_has_decided: Mode::HoldAfter("}d:") => Decided;
    killed_before_it_tells_others: Mode::HoldBefore("XADD") => Decided;
    killed_when_it_has_told_others: Mode::HoldAfter("XADD") => Decided;
}
