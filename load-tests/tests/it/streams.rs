//! Streams: every request is answered once, whatever the order; anything else is a fault.

use crate::servers::{ECHO, Manner, Message, meter, serve_echo};
use load_tests::driver::{
    Answered, Conversation, Fault, OpenLoopPlan, SaturationPlan, Schedule, Spacing, StreamLane, open_loop,
    saturate,
};
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Talks to the echo.
#[derive(Debug, Clone)]
struct Talk(Channel);

impl Conversation for Talk {
    type Ask = Message;
    type Answer = Message;

    fn ask(&self, number: u64) -> Message {
        Message { request_id: number.to_string(), ..Message::default() }
    }

    async fn open(&mut self, asks: ReceiverStream<Message>) -> Result<Streaming<Message>, Status> {
        let mut grpc = Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        let path = PathAndQuery::from_static(ECHO);
        Ok(grpc.streaming(Request::new(asks), path, ProstCodec::default()).await?.into_inner())
    }

    fn read(&self, answer: Message) -> Answered {
        let number = answer.request_id.parse().ok();
        let outcome = if number == Some(7) { Err(Fault("seven is wrong".to_owned())) } else { Ok(()) };
        Answered { number, outcome }
    }
}

/// A hundred requests over three streams; gives the faults.
async fn faults_of(manner: Manner, first: u64) -> Vec<String> {
    let lane = StreamLane { conversation: Talk(serve_echo(manner).await), streams: 3 };
    let plan = SaturationPlan {
        in_flight: 12,
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(20),
        first,
        requests_max: 100,
    };
    let seen = saturate(vec![lane], plan, meter()).await.unwrap();
    // A request without answer is a fault, so without faults all hundred were answered.
    assert_eq!(seen.faults.count as usize, seen.faults.first.len(), "{seen:?}");
    seen.faults.first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_paired_with_their_requests() {
    let right = faults_of(|n| vec![n], 1000).await;
    assert_eq!(right, Vec::<String>::new());
    let wrong = faults_of(|n| vec![n], 0).await;
    assert_eq!(wrong, ["seven is wrong"]);
    let twice = faults_of(|n| if n == 1005 { vec![n, n] } else { vec![n] }, 1000).await;
    assert_eq!(twice, ["an answer to Some(1005), which nobody waits for"]);
    let stranger = faults_of(|n| if n == 1005 { vec![4, n] } else { vec![n] }, 1000).await;
    assert_eq!(stranger, ["an answer to Some(4), which nobody waits for"]);
    let silent = faults_of(|n| if n == 1005 { vec![] } else { vec![n] }, 1000).await;
    assert_eq!(silent, ["request 1005 was not answered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_kept_over_streams() {
    let lane = StreamLane { conversation: Talk(serve_echo(|n| vec![n]).await), streams: 4 };
    let schedule = Schedule::new(400.0, Duration::from_secs(1), Spacing::Even).unwrap();
    let plan = OpenLoopPlan { schedule, in_flight_max: 64, first: 1000 };
    let seen = open_loop(vec![lane], plan, meter()).await.unwrap();
    assert_eq!((seen.due, seen.requests, seen.faults.count), (400, 400, 0), "{seen:?}");
    assert_eq!(seen.latency.count, 400);
    assert!(seen.seconds >= 0.99, "not faster than the schedule: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_cannot_be_opened_is_a_fault() {
    // Unary and streams differ in nothing here: nobody serves this path.
    let channel = crate::servers::serve(crate::servers::Gated::default(), 1).await.remove(0);
    let lane = StreamLane { conversation: Talk(channel), streams: 2 };
    let schedule = Schedule::new(100.0, Duration::from_millis(500), Spacing::Even).unwrap();
    let plan = OpenLoopPlan { schedule, in_flight_max: 8, first: 1000 };
    let seen = open_loop(vec![lane], plan, meter()).await.unwrap();
    assert!(seen.faults.first.iter().any(|fault| fault.starts_with("Unimplemented")), "{seen:?}");
    assert!(seen.faults.count >= 2, "{seen:?}");
}
