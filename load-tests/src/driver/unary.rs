//! One request, one answer: a number of senders over one connection, each with one request at a time.

use super::faults::Fault;
use super::{Lane, Tally};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A call with one answer.
pub trait Unary: Clone + Send + 'static {
    /// Sends the request of this number and says what is wrong with the answer, if anything is.
    fn call(&mut self, number: u64) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Calls over one connection.
#[derive(Debug, Clone)]
pub struct UnaryLane<U>(pub U);

impl<U: Unary> Lane for UnaryLane<U> {
    async fn drive(self, tally: Arc<Tally>, in_flight: usize) {
        let mut senders = JoinSet::new();
        for _ in 0..in_flight {
            senders.spawn(send(self.0.clone(), Arc::clone(&tally)));
        }
        while let Some(ended) = senders.join_next().await {
            if let Err(error) = ended {
                tally.fault(Fault(format!("a sender ended: {error}")));
            }
        }
    }
}

async fn send<U: Unary>(mut unary: U, tally: Arc<Tally>) {
    while let Some(arrival) = tally.next().await {
        let outcome = unary.call(arrival.number).await;
        tally.answered(&arrival, outcome);
    }
}
