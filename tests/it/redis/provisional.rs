//! Redis is away for one gateway of two: where the policy says so it goes on selling, marked, on what it knows; and
//! everything is in the ledger once Redis is back.

use crate::support::eventually;
use crate::support::process::{GatewayProcess, page};
use crate::support::redis::RedisServer;
use crate::support::redis::proxy::{FaultProxy, Mode};
use crate::support::world::{
    DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, code, connect, dispense, document, load_province, sold,
};
use std::fmt::Debug;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

type Gate = DispensingServiceClient<Channel>;

/// Pharmacies of the division go on; the hospital does not.
const RULES: &str = r#"
[[rule]]
reason = "PROVISIONAL"
division_prefix = "12"
kind = "pharmacy"
enforcement = "remind"
note = "sales go on while the ledger is away"
"#;

/// Two gateways; what the first one says to Redis goes through a proxy.
struct World {
    server: RedisServer,
    proxy: FaultProxy,
    dirs: [TempDir; 2],
    policy: String,
    cut: Option<GatewayProcess>,
    other: GatewayProcess,
}

impl World {
    async fn start() -> Self {
        let server = RedisServer::start();
        let proxy = FaultProxy::start(&server.address());
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let rules = dirs[1].path().join("rules.toml");
        std::fs::write(&rules, RULES).unwrap();
        let policy = rules.to_str().unwrap().to_owned();
        let other = gateway(&dirs[1], &server.url(), &policy);
        load_province(&connect(&other.address).await).await;
        let cut = Some(gateway(&dirs[0], &format!("redis://{}", proxy.address()), &policy));
        let world = Self { server, proxy, dirs, policy, cut, other };
        world.is_ready().await;
        world
    }

    fn cut(&self) -> &GatewayProcess {
        self.cut.as_ref().expect("it runs")
    }

    async fn gate(&self) -> Gate {
        Gate::new(connect(&self.cut().address).await)
    }

    async fn other_gate(&self) -> Gate {
        Gate::new(connect(&self.other.address).await)
    }

    async fn is_ready(&self) {
        self.says("/ready", "200").await;
    }

    async fn says(&self, path: &str, status: &str) {
        eventually(&format!("{path} says {status}"), || async {
            page(&self.cut().pages, path).0.contains(status).then_some(())
        })
        .await;
    }

    /// From now on the first gateway hears nothing of Redis, and knows it.
    async fn cut_off(&self) {
        self.proxy.set(Mode::BlackHole);
        self.says("/ready", "503").await;
        self.says("/ready/provisional", "200").await;
    }

    /// Redis is back, and has everything that was answered without it.
    async fn is_back(&self) {
        self.proxy.set(Mode::Pass);
        self.everything_is_claimed().await;
    }

    async fn everything_is_claimed(&self) {
        eventually("nothing waits for the ledger", || async {
            let metrics = page(&self.cut().pages, "/metrics").1;
            metrics.contains("tracegate_provisional_waiting 0\n").then_some(())
        })
        .await;
    }

    fn counted(&self, became: &str) -> String {
        let name = format!("tracegate_provisional_total{{became=\"{became}\"}} ");
        let metrics = page(&self.cut().pages, "/metrics").1;
        metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("it is counted").to_owned()
    }

    /// Waits until the other gateway counts so many units as sold: a gateway writes its share a moment after a sale.
    async fn counts(&self, institution: &str, units: &str) {
        eventually(&format!("{units} sold by {institution}"), || async {
            (sold(&self.other.address, institution).await? == units).then_some(())
        })
        .await;
    }
}

fn gateway(dir: &TempDir, url: &str, policy: &str) -> GatewayProcess {
    let env = [("TRACEGATE_STORE_URL", url), ("TRACEGATE_POLICY_FILES", policy)];
    GatewayProcess::start_with_args(
        &dir.path().join("data"),
        &["--http", "127.0.0.1:0", "--init-codes", "100000"],
        &env,
    )
}

async fn told(gate: &Gate, asked: pb::DispenseRequest) -> pb::Decision {
    gate.clone().dispense(asked).await.expect("an answer").into_inner().decision.expect("a decision")
}

async fn outcome(gate: &Gate, institution: &str, request_id: &str) -> pb::GetOutcomeResponse {
    let asked = pb::GetOutcomeRequest { institution_code: institution.into(), request_id: request_id.into() };
    gate.clone().get_outcome(asked).await.expect("an outcome").into_inner()
}

fn reasons(decision: &pb::Decision) -> Vec<pb::Reason> {
    decision.findings.iter().map(pb::Finding::reason).collect()
}

/// What became of each line: line, reason that stood, reason that stands.
fn corrections(outcome: &pb::GetOutcomeResponse) -> Vec<(u32, pb::Reason, pb::Reason)> {
    let decision = outcome.decision.as_ref().expect("a decision");
    decision.corrections.iter().map(|c| (c.line_no, c.was(), c.now())).collect()
}

fn is_away<T: Debug>(answer: Result<T, Status>) {
    let refused = answer.expect_err("the ledger is away");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sales_go_on_marked_and_are_claimed_when_redis_is_back() {
    let world = World::start().await;
    let gate = world.gate().await;
    assert_eq!(told(&gate, dispense(PHARMACY, "r1", &[code(1)])).await.verdict(), pb::Verdict::Allow);
    world.cut_off().await;

    let asked = dispense(PHARMACY, "r2", &[code(2), code(3)]);
    let first = told(&gate, asked.clone()).await;
    assert_eq!((first.verdict(), first.recorded), (pb::Verdict::Remind, true), "{first:?}");
    assert_eq!(reasons(&first), [pb::Reason::Provisional]);
    let again = told(&gate, asked).await;
    assert_eq!((again.outcome_id.as_str(), again.replayed), (first.outcome_id.as_str(), true));
    let stands = outcome(&gate, PHARMACY, "r2").await;
    assert_eq!(stands.state(), pb::OutcomeState::Decided);
    assert!(corrections(&stands).is_empty());
    let different = gate.clone().dispense(dispense(PHARMACY, "r2", &[code(4)])).await;
    assert_eq!(different.expect_err("another body").code(), Code::AlreadyExists);

    // What only the ledger can say, nobody says: neither of a box that was sold before nor of one that was just sold.
    for n in [1, 2] {
        is_away(gate.clone().dispense(dispense(OTHER_PHARMACY, "other", &[code(n)])).await);
    }
    // Not where the policy refuses; and nothing but a sale.
    is_away(gate.clone().dispense(dispense(HOSPITAL, "h1", &[code(5)])).await);
    let report = pb::ConfirmRequest {
        request_id: "c1".into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: "r1".into(),
        settlement_id: "S1".into(),
        amount: "1".into(),
        occurred_at: None,
    };
    is_away(gate.clone().confirm(report).await);
    // What is wrong without any ledger is told.
    let scanned = told(&gate, dispense(PHARMACY, "r3", &["6901234567892".to_owned()])).await;
    assert_eq!((scanned.verdict(), scanned.recorded), (pb::Verdict::Block, false), "{scanned:?}");

    world.is_back().await;
    world.is_ready().await;
    assert_eq!((world.counted("claimed"), world.counted("corrected")), ("2".into(), "0".into()));
    let there = world.other_gate().await;
    let stands = outcome(&there, PHARMACY, "r2").await;
    assert_eq!(stands.decision.as_ref().unwrap().outcome_id, first.outcome_id);
    assert_eq!(corrections(&stands), [(1, pb::Reason::Provisional, pb::Reason::Unspecified)]);
    let stands = outcome(&there, PHARMACY, "r3").await;
    assert_eq!(stands.decision.as_ref().unwrap().verdict(), pb::Verdict::Block);
    let refused = told(&there, dispense(OTHER_PHARMACY, "o2", &[code(3)])).await;
    assert_eq!((refused.verdict(), reasons(&refused)), (pb::Verdict::Block, vec![pb::Reason::Duplicate]));
    world.counts(PHARMACY, "3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_was_sold_elsewhere_meanwhile_is_found() {
    let world = World::start().await;
    world.cut_off().await;
    let sold = told(&world.other_gate().await, dispense(OTHER_PHARMACY, "o1", &[code(7)])).await;
    assert_eq!(sold.verdict(), pb::Verdict::Allow);
    let gate = world.gate().await;
    let mut asked = dispense(PHARMACY, "r1", &[code(7)]);
    let second = pb::Line {
        line_no: 2,
        catalog_code: DRUG.into(),
        quantity: "1".into(),
        codes: vec![code(8)],
        ..pb::Line::default()
    };
    asked.document.as_mut().unwrap().lines.push(second);
    let provisional = told(&gate, asked).await;
    assert_eq!(reasons(&provisional), [pb::Reason::Provisional], "{provisional:?}");

    world.is_back().await;
    assert_eq!(world.counted("corrected"), "1");
    let stands = outcome(&world.other_gate().await, PHARMACY, "r1").await;
    let (marked, nothing) = (pb::Reason::Provisional, pb::Reason::Unspecified);
    assert_eq!(corrections(&stands), [(1, marked, pb::Reason::Duplicate), (2, marked, nothing)]);
    // Both sales stand: the other pharmacy's is still its own, and nobody can sell the box a third time.
    let stands = outcome(&gate, OTHER_PHARMACY, "o1").await;
    assert_eq!(stands.decision.unwrap().verdict(), pb::Verdict::Allow);
    let third = told(&gate, dispense(OTHER_PHARMACY, "o2", &[code(8)])).await;
    assert_eq!(third.verdict(), pb::Verdict::Block);
    world.counts(PHARMACY, "2").await;
    world.counts(OTHER_PHARMACY, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_provisional_sale() {
    let mut world = World::start().await;
    world.cut_off().await;
    let gate = world.gate().await;
    let mut given = Vec::new();
    for n in 0..20 {
        let sold = told(&gate, dispense(PHARMACY, &format!("r{n}"), &[code(100 + n)])).await;
        assert_eq!(sold.verdict(), pb::Verdict::Remind);
        given.push(sold.outcome_id);
    }
    // Twice: what the first life could not claim is claimed by the second, and by the third once more nothing.
    for _ in 0..2 {
        world.cut.take().expect("it runs").kill();
        world.cut = Some(gateway(&world.dirs[0], &world.server.url(), &world.policy));
        world.everything_is_claimed().await;
        let there = world.other_gate().await;
        for (n, id) in given.iter().enumerate() {
            let stands = outcome(&there, PHARMACY, &format!("r{n}")).await;
            assert_eq!(&stands.decision.expect("a decision").outcome_id, id, "r{n}");
        }
        world.counts(PHARMACY, "20").await;
    }
    assert_eq!(world.counted("claimed"), "0", "the third life knows that the ledger has them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_confirmed_after_redis_is_back() {
    let world = World::start().await;
    world.cut_off().await;
    let gate = world.gate().await;
    let hold = pb::DispenseRequest { hold: true, ..dispense(PHARMACY, "r1", &[code(1)]) };
    let held = told(&gate, hold).await;
    assert_eq!((held.verdict(), held.hold_expires_at.is_some()), (pb::Verdict::Remind, true), "{held:?}");
    let confirm = pb::ConfirmRequest {
        request_id: "c1".into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: "r1".into(),
        settlement_id: "S1".into(),
        amount: "10.00".into(),
        occurred_at: None,
    };
    is_away(gate.clone().confirm(confirm.clone()).await);
    world.is_back().await;
    let there = world.other_gate().await;
    world.counts(PHARMACY, "0").await;
    there.clone().confirm(confirm).await.expect("the hold is in the ledger");
    world.counts(PHARMACY, "1").await;
    let check = pb::CheckRequest { document: Some(document(OTHER_PHARMACY, "d", &[code(1)])) };
    let seen = there.clone().check(check).await.unwrap().into_inner().decision.unwrap();
    assert_eq!(seen.verdict(), pb::Verdict::Block);
}
