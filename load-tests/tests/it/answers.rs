//! Wrong answers: counted, shown, and the end of the run.

use crate::servers::{meter, serve};
use load_tests::driver::{
    FaultsSeen, OpenLoopPlan, SaturationPlan, Schedule, Spacing, UnaryLane, open_loop, saturate,
};
use load_tests::machine::machine;
use load_tests::peer::EmptyHandlers;
use load_tests::province::{Province, Shape};
use load_tests::report::{Comparison, Report, Round, Spread};
use load_tests::workload::{Check, Checked, Dispense};
use std::sync::Arc;
use std::time::Duration;
use tracegate::grpc::pb;

const SHAPE: Shape = Shape { codes: 3, lines: 2 };

fn province() -> Arc<Province> {
    Arc::new(Province::new(20, 10))
}

fn decision(verdict: pb::Verdict, recorded: bool) -> pb::Decision {
    pb::Decision { verdict: verdict.into(), recorded, ..pb::Decision::default() }
}

/// A server that answers everything with this decision, seen through a saturation of fifty requests.
async fn faults_of(answer: pb::Decision) -> FaultsSeen {
    let channels = serve(EmptyHandlers { check: answer.clone(), dispense: answer }, 2).await;
    let lanes: Vec<_> =
        channels.into_iter().map(|channel| UnaryLane(Dispense::new(channel, province(), SHAPE))).collect();
    let plan = SaturationPlan {
        in_flight: 4,
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(20),
        first: 0,
        requests_max: 50,
    };
    saturate(lanes, plan, meter()).await.unwrap().faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_checked() {
    let right = faults_of(decision(pb::Verdict::Allow, true)).await;
    assert_eq!(right, FaultsSeen::default());
    let blocked = faults_of(decision(pb::Verdict::Block, false)).await;
    assert_eq!((blocked.count, blocked.share), (50, 1.0), "{blocked:?}");
    assert_eq!(blocked.first.len(), 5, "{blocked:?}");
    assert!(blocked.first[0].contains("expected Sold, got VERDICT_BLOCK"), "{blocked:?}");
    let unrecorded = faults_of(decision(pb::Verdict::Allow, false)).await;
    assert_eq!(unrecorded.count, 50, "{unrecorded:?}");
    let replayed = pb::Decision { replayed: true, ..decision(pb::Verdict::Allow, true) };
    assert_eq!(faults_of(replayed).await.count, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_wrongly_fails_the_run() {
    let channels = serve(EmptyHandlers::default(), 1).await;
    let check = |channel| Check::new(channel, province(), SHAPE, Checked::Fresh);
    let lanes = channels.into_iter().map(|channel| UnaryLane(check(channel))).collect();
    let schedule = Schedule::new(200.0, Duration::from_millis(500), Spacing::Even).unwrap();
    let phase =
        open_loop(lanes, OpenLoopPlan { schedule, in_flight_max: 8, first: 0 }, meter()).await.unwrap();
    assert_eq!((phase.due, phase.faults.count), (100, 100), "{phase:?}");
    let compared = Comparison {
        codes_per_request: 3,
        answer_bytes: 0,
        saturation: Vec::new(),
        throughput_ratio: Spread::default(),
        gateway_codes_per_second: Spread::default(),
        offered_per_second: 200.0,
        open_loop: vec![Round { round: 1, peer: phase.clone(), gateway: phase }],
        p99_difference_ms: Spread::default(),
    };
    let faults = compared.faults();
    let report = Report { faults, ..Report::new("test", machine(), (), compared) };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results/test.json");
    let failed = report.finish(&out, false).unwrap_err().to_string();
    assert!(failed.contains("200 requests went wrong (100.000 %)"), "{failed}");
    assert!(failed.contains("expected Free, got VERDICT_UNSPECIFIED"), "{failed}");
    let written = std::fs::read_to_string(&out).unwrap();
    assert!(written.contains("\"share\": 1.0"), "{written}");
}
