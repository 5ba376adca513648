//! Requests and answers over a bidirectional stream: many in flight, answers in any order, each with the number
//! of its request. A number that was not asked, or is answered twice, is a fault, and so is one without answer.

use super::arrivals::Arrival;
use super::faults::Fault;
use super::{Lane, Tally};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// An answer, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The number of its request; `None` = it names none.
    pub number: Option<u64>,
    /// What is wrong with it, if anything is.
    pub outcome: Result<(), Fault>,
}

/// A call whose requests and answers are streams.
pub trait Conversation: Clone + Send + Sync + 'static {
    /// A request.
    type Ask: Send + 'static;
    /// An answer.
    type Answer: Send + 'static;

    /// The request of this number.
    fn ask(&self, number: u64) -> Self::Ask;

    /// Opens a stream.
    fn open(
        &mut self,
        asks: ReceiverStream<Self::Ask>,
    ) -> impl Future<Output = Result<Streaming<Self::Answer>, Status>> + Send;

    /// Reads an answer.
    fn read(&self, answer: Self::Answer) -> Answered;
}

/// Streams over one connection.
#[derive(Debug, Clone)]
pub struct StreamLane<C> {
    /// The call.
    pub conversation: C,
    /// How many streams share the connection; what may be in flight is divided among them.
    pub streams: usize,
}

/// What was asked over one stream and not answered yet.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u64, Arrival>>);

impl Waiting {
    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Arrival>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Conversation> Lane for StreamLane<C> {
    async fn drive(self, tally: Arc<Tally>, in_flight: usize) {
        let streams = self.streams.max(1);
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..streams {
            all.spawn(converse(self.conversation.clone(), Arc::clone(&tally), (in_flight / streams).max(1)));
        }
        while let Some(ended) = all.join_next().await {
            if let Err(error) = ended {
                tally.fault(Fault(format!("a stream's task ended: {error}")));
            }
        }
    }
}

/// Asks and listens at the same time, until both are through.
async fn converse<C: Conversation>(mut conversation: C, tally: Arc<Tally>, in_flight: usize) {
    let (sender, asks) = mpsc::channel(in_flight);
    let (window, waiting) = (Semaphore::new(in_flight), Waiting::default());
    let asking = conversation.clone();
    let ask = async {
        ask_all(&asking, &tally, &window, &waiting, sender).await;
    };
    let listen = async {
        if let Err(status) = listen_all(&mut conversation, asks, &tally, &window, &waiting).await {
            tally.fault(status.into());
        }
        // Nobody listens any more: whoever waits to ask need not.
        window.close();
    };
    tokio::join!(ask, listen);
    let left: Vec<Arrival> = waiting.locked().drain().map(|(_, arrival)| arrival).collect();
    for arrival in left {
        tally.answered(&arrival, Err(Fault(format!("request {} was not answered", arrival.number))));
    }
}

async fn ask_all<C: Conversation>(
    conversation: &C,
    tally: &Tally,
    window: &Semaphore,
    waiting: &Waiting,
    sender: mpsc::Sender<C::Ask>,
) {
    // First room for an answer, then a request: what is due goes to a stream that can take it.
    while let Ok(room) = window.acquire().await {
        room.forget();
        let Some(arrival) = tally.next().await else { return };
        waiting.locked().insert(arrival.number, arrival);
        if sender.send(conversation.ask(arrival.number)).await.is_err() {
            return;
        }
    }
}

async fn listen_all<C: Conversation>(
    conversation: &mut C,
    asks: mpsc::Receiver<C::Ask>,
    tally: &Tally,
    window: &Semaphore,
    waiting: &Waiting,
) -> Result<(), Status> {
    let mut answers = conversation.open(ReceiverStream::new(asks)).await?;
    while let Some(answer) = answers.message().await? {
        let Answered { number, outcome } = conversation.read(answer);
        match number.and_then(|number| waiting.locked().remove(&number)) {
            Some(arrival) => {
                tally.answered(&arrival, outcome);
                window.add_permits(1);
            }
            None => tally.fault(Fault(format!("an answer to {number:?}, which nobody waits for"))),
        }
    }
    Ok(())
}
