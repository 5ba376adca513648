//! `HistoryService`: past sales in batches, several under way, answered in their order once they are durable.

use super::convert::{imported, institutions, past_event};
use super::pb::history_service_server::HistoryService;
use super::{Door, caller, pb, status};
use crate::domain::access::Principal;
use crate::domain::judge::PastOptions;
use crate::engine::Engine;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The service.
#[derive(Debug, Clone)]
pub struct Histories(pub Door);

type Answered = Result<pb::ImportSalesResponse, Status>;

/// A batch under way. The permit is given back once its answer was sent.
struct UnderWay {
    work: JoinHandle<Answered>,
    permit: OwnedSemaphorePermit,
}

#[tonic::async_trait]
impl HistoryService for Histories {
    type ImportSalesStream = ReceiverStream<Answered>;

    async fn import_sales(
        &self,
        request: Request<Streaming<pb::ImportSalesRequest>>,
    ) -> Result<Response<Self::ImportSalesStream>, Status> {
        let caller = caller::of(&request)?;
        self.0.engine.begin_import(&caller).await.map_err(|e| status::of(&e))?;
        let in_flight_max = self.0.engine.limits().import_batches_in_flight_max;
        let (begun, under_way) = mpsc::channel(in_flight_max);
        let (answers, stream) = mpsc::channel(1);
        let permits = Arc::new(Semaphore::new(in_flight_max));
        tokio::spawn(begin_batches(self.0.clone(), caller, request.into_inner(), permits, begun));
        tokio::spawn(answer_in_order(under_way, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Whether a batch has returns, and whether it has sales.
fn kinds_of(batch: &pb::ImportSalesRequest) -> (bool, bool) {
    let is_return = |row: &pb::PastSale| row.kind() == pb::PastKind::Return;
    (batch.rows.iter().any(is_return), !batch.rows.iter().all(is_return))
}

/// Reads batches while there is room for them. What has begun runs to its end, whether or not the client stays.
async fn begin_batches(
    door: Door,
    caller: Principal,
    mut batches: Streaming<pb::ImportSalesRequest>,
    permits: Arc<Semaphore>,
    begun: mpsc::Sender<UnderWay>,
) {
    let (in_flight_max, mut returns_before) = (permits.available_permits(), false);
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let batch = tokio::select! {
            batch = batches.message() => batch,
            () = begun.closed() => return,
            () = door.stop.cancelled() => Err(stopping()),
        };
        let stands = caller::still(&door.engine, &caller);
        let (work, last) = match batch.and_then(|batch| stands.map(|()| batch)) {
            Ok(None) => return,
            Ok(Some(batch)) => {
                // A sale that is judged before a return of an earlier batch is on record would be called a duplicate.
                let (has_returns, has_sales) = kinds_of(&batch);
                if batch.find_conflicts && returns_before && has_sales {
                    let others = u32::try_from(in_flight_max.saturating_sub(1)).unwrap_or(u32::MAX);
                    drop(permits.acquire_many(others).await);
                    returns_before = false;
                }
                returns_before |= has_returns;
                let (engine, caller) = (Arc::clone(&door.engine), caller.clone());
                (door.work.spawn(record(engine, caller, batch)), false)
            }
            Err(status) => (refused(status), true),
        };
        if begun.send(UnderWay { work, permit }).await.is_err() || last {
            return;
        }
    }
}

/// An answer that ends the stream, in its turn.
fn refused(status: Status) -> JoinHandle<Answered> {
    tokio::spawn(std::future::ready(Err(status)))
}

fn stopping() -> Status {
    Status::unavailable("the gateway is stopping; send what was not answered to it again once it is back")
}

async fn record(engine: Arc<Engine>, caller: Principal, batch: pb::ImportSalesRequest) -> Answered {
    let pb::ImportSalesRequest { batch_no, find_conflicts, count_sold, rows } = batch;
    engine.limits().check_import_batch(rows.len()).map_err(|e| status::of(&e))?;
    let sold_by = institutions(&rows);
    let rows = rows.into_iter().map(past_event).collect();
    let options = PastOptions { find_conflicts, count_sold };
    let answers = engine.import_past(&caller, rows, options).await.map_err(|e| status::of(&e))?;
    Ok(imported(batch_no, engine.ledger_name(), &sold_by, answers))
}

async fn answer_in_order(mut under_way: mpsc::Receiver<UnderWay>, answers: mpsc::Sender<Answered>) {
    while let Some(UnderWay { work, permit }) = under_way.recv().await {
        let answer = work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a batch of an import ended in a panic");
            Err(Status::internal("the gateway failed on this batch; it is recorded as a whole or not at all"))
        });
        let last = answer.is_err();
        if answers.send(answer).await.is_err() || last {
            return;
        }
        drop(permit);
    }
}
