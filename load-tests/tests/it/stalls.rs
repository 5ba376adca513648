//! A server that stands still for a second: an open loop shows it, a closed loop hides it.

use crate::servers::{Ask, Gated, meter, serve};
use load_tests::driver::{
    OpenLoopPlan, Percentiles, SaturationPlan, Schedule, Spacing, UnaryLane, open_loop, saturate,
};
use std::time::Duration;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

const SECOND: Duration = Duration::from_secs(1);

/// Serves, and stands still from the end of the first second to the end of the second.
async fn stalling() -> Vec<UnaryLane<Ask>> {
    let service = Gated::default();
    let gate = service.0.clone();
    let channels = serve(service, 2).await;
    tokio::spawn(async move {
        // signal: the stall begins and ends by the clock; nothing else tells when.
        tokio::time::sleep(SECOND).await;
        let _closed = gate.write().await;
        // signal: as above.
        tokio::time::sleep(SECOND).await;
    });
    channels.into_iter().map(|channel| UnaryLane(Ask(DispensingServiceClient::new(channel)))).collect()
}

async fn open(in_flight_max: usize) -> (Percentiles, u64) {
    let schedule = Schedule::new(300.0, 3 * SECOND, Spacing::Even).unwrap();
    let plan = OpenLoopPlan { schedule, in_flight_max, first: 0 };
    let seen = open_loop(stalling().await, plan, meter()).await.unwrap();
    assert_eq!((seen.due, seen.requests, seen.faults.count), (900, 900, 0), "{seen:?}");
    (seen.latency, seen.waiting_most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_shows_a_stall_of_a_second() {
    let (latency, _) = open(1024).await;
    // A third of the requests was due while it stood still; they waited half a second on average.
    assert!(latency.p999_us > 900_000, "{latency:?}");
    assert!(latency.p90_us > 400_000, "{latency:?}");
    assert!(latency.p50_us < 400_000, "{latency:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_nobody_is_free_to_send_keep_the_time_they_were_due() {
    let (latency, waiting_most) = open(2).await;
    // Four senders were stuck; what was due meanwhile waited, and its latency counted on.
    assert!(waiting_most > 200, "{waiting_most}");
    assert!(latency.p999_us > 900_000, "{latency:?}");
    assert!(latency.p90_us > 400_000, "{latency:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_hides_it() {
    let plan = SaturationPlan {
        in_flight: 1,
        warm_up: Duration::ZERO,
        measured: 3 * SECOND,
        first: 0,
        requests_max: 1_000_000,
    };
    let seen = saturate(stalling().await, plan, meter()).await.unwrap();
    // Two senders waited, once each; everything else that would have come was not sent.
    assert!(seen.closed_loop.max_us > 900_000, "{seen:?}");
    assert!(seen.closed_loop.p99_us < 400_000, "{seen:?}");
    assert!(seen.requests > 300, "{seen:?}");
}
