//! `DispensingService`: the gate at the counter.

use super::convert::{decision, document, institution_code, movement, person, return_document, settlement};
use super::pb::dispensing_service_server::DispensingService;
use super::scan::{self, Incoming, ScanLimits};
use super::{Door, caller, pb, status, watch};
use crate::domain::party::Caller;
use crate::engine::{Engine, EngineError, OutcomeReply, Reply, Said, VoidTarget};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

/// The service, with what a `Scan` stream may hold.
#[derive(Debug, Clone)]
pub struct Dispensing(pub Door, pub ScanLimits);

/// Checks a document: a call of its own, or one on a stream.
pub(super) async fn check(
    engine: &Engine,
    caller: &Caller,
    request: pb::CheckRequest,
) -> Result<pb::CheckResponse, EngineError> {
    let reply = engine.check(caller, document(request.document)?).await?;
    watch::is_answered(reply.answer.verdict.name());
    Ok(pb::CheckResponse { decision: Some(decision(&reply, caller, &engine.knowledge())) })
}

/// Dispenses a document: a call of its own, or one on a stream.
pub(super) async fn dispense(
    engine: &Engine,
    caller: &Caller,
    request: pb::DispenseRequest,
) -> Result<pb::DispenseResponse, EngineError> {
    let pb::DispenseRequest { request_id, document: mut wire, hold, go_on_reason } = request;
    let reason = Some(go_on_reason.as_str()).filter(|reason| !reason.is_empty());
    let person = person(wire.as_mut());
    let said = Said { reason, person: person.as_ref() };
    let reply = engine.dispense(caller, &request_id, document(wire)?, hold, said).await?;
    watch::is_answered(reply.answer.verdict.name());
    Ok(pb::DispenseResponse { decision: Some(decision(&reply, caller, &engine.knowledge())) })
}

impl Dispensing {
    fn shown(&self, reply: &Reply, caller: &Caller) -> Option<pb::Decision> {
        watch::is_answered(reply.answer.verdict.name());
        Some(decision(reply, caller, &self.0.engine.knowledge()))
    }
}

#[tonic::async_trait]
impl DispensingService for Dispensing {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let caller = caller::of(&request)?;
        let checked = check(&self.0.engine, &caller, request.into_inner());
        Ok(Response::new(self.0.look(checked).await?))
    }

    async fn dispense(
        &self,
        request: Request<pb::DispenseRequest>,
    ) -> Result<Response<pb::DispenseResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let id = wire.request_id.clone();
        let work = |engine: Arc<Engine>| async move { dispense(&engine, &caller, wire).await };
        Ok(Response::new(self.0.run_for(&id, work).await?))
    }

    async fn confirm(
        &self,
        request: Request<pb::ConfirmRequest>,
    ) -> Result<Response<pb::ConfirmResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let code =
            institution_code("institution_code", &wire.institution_code).map_err(|e| status::of(&e))?;
        let request_id = wire.request_id.clone();
        let settled = settlement(wire).map_err(|e| status::of(&e))?;
        let (asking, id) = (caller.clone(), request_id.clone());
        let work =
            |engine: Arc<Engine>| async move { engine.confirm(&asking, code, &request_id, settled).await };
        let reply = self.0.run_for(&id, work).await?;
        Ok(Response::new(pb::ConfirmResponse { decision: self.shown(&reply, &caller) }))
    }

    async fn void(&self, request: Request<pb::VoidRequest>) -> Result<Response<pb::VoidResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let code =
            institution_code("institution_code", &wire.institution_code).map_err(|e| status::of(&e))?;
        let target = match wire.target {
            Some(pb::void_request::Target::DispenseRequestId(id)) => VoidTarget::Request(id),
            Some(pb::void_request::Target::DocumentNo(number)) => VoidTarget::Document(number),
            None => {
                let what = "is missing; name a dispense_request_id or a document_no";
                return Err(status::of(&EngineError::invalid("target", what)));
            }
        };
        let (asking, id) = (caller.clone(), wire.request_id.clone());
        let work =
            |engine: Arc<Engine>| async move { engine.void(&asking, code, &wire.request_id, target).await };
        let (reply, freed_codes) = self.0.run_for(&id, work).await?;
        Ok(Response::new(pb::VoidResponse { decision: self.shown(&reply, &caller), freed_codes }))
    }

    async fn r#return(
        &self,
        request: Request<pb::ReturnRequest>,
    ) -> Result<Response<pb::ReturnResponse>, Status> {
        let caller = caller::of(&request)?;
        let pb::ReturnRequest { request_id, document: wire } = request.into_inner();
        let document = return_document(wire).map_err(|e| status::of(&e))?;
        let (asking, id) = (caller.clone(), request_id.clone());
        let work =
            |engine: Arc<Engine>| async move { engine.take_back(&asking, &request_id, document).await };
        let reply = self.0.run_for(&id, work).await?;
        Ok(Response::new(pb::ReturnResponse { decision: self.shown(&reply, &caller) }))
    }

    async fn get_outcome(
        &self,
        request: Request<pb::GetOutcomeRequest>,
    ) -> Result<Response<pb::GetOutcomeResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let code =
            institution_code("institution_code", &wire.institution_code).map_err(|e| status::of(&e))?;
        let (asking, id) = (caller.clone(), wire.request_id.clone());
        let work = |engine: Arc<Engine>| async move { engine.outcome(&asking, code, &wire.request_id).await };
        let (state, reply) = match self.0.run_for(&id, work).await? {
            OutcomeReply::Decided(reply) => (pb::OutcomeState::Decided, Some(reply)),
            OutcomeReply::InDoubt => (pb::OutcomeState::InDoubt, None),
            OutcomeReply::Never => (pb::OutcomeState::Never, None),
            OutcomeReply::Voided(reply) => (pb::OutcomeState::Voided, reply),
        };
        let decision = reply.and_then(|reply| self.shown(&reply, &caller));
        Ok(Response::new(pb::GetOutcomeResponse { state: state.into(), decision }))
    }

    async fn report(
        &self,
        request: Request<Streaming<pb::ReportRequest>>,
    ) -> Result<Response<pb::ReportResponse>, Status> {
        let caller = caller::of(&request)?;
        let mut events = request.into_inner();
        let mut results = Vec::new();
        let limit = self.0.engine.limits().events_per_report_max;
        while let Some(event) = events.message().await? {
            if results.len() >= limit.saturating_mul(SURPLUS_TOLD_FACTOR) {
                let what = format!("far more than {limit} events in one stream (events_per_report_max)");
                return Err(status::of(&EngineError::invalid("stream", what)));
            }
            if results.len() >= limit {
                results.push(surplus(event, limit));
                continue;
            }
            let span = watch::event(&event.request_id);
            results.push(self.report_one(&caller, event).instrument(span).await);
        }
        Ok(Response::new(pb::ReportResponse { results }))
    }

    type ScanStream = scan::Answers;

    async fn scan(
        &self,
        request: Request<Streaming<Incoming>>,
    ) -> Result<Response<Self::ScanStream>, Status> {
        let caller = caller::of(&request)?;
        Ok(Response::new(scan::open(&self.0, self.1, caller, request.into_inner())))
    }
}

impl Dispensing {
    /// Records one event; a bad one never spoils its neighbours.
    async fn report_one(&self, caller: &Caller, event: pb::ReportRequest) -> pb::ReportResult {
        let request_id = event.request_id.clone();
        let asking = caller.clone();
        let work = |engine: Arc<Engine>| async move { record(&engine, &asking, event).await };
        let recorded = self.0.run_for(&request_id, work).await;
        let (decision, refusal) = match recorded {
            Ok(reply) if reply.answer.recorded => (self.shown(&reply, caller), String::new()),
            Ok(reply) => (self.shown(&reply, caller), "not recorded; see the findings".to_owned()),
            Err(status) => (None, status.message().to_owned()),
        };
        pb::ReportResult { request_id, decision, refusal }
    }
}

/// How many times the limit of events is still answered, event by event, before a stream is cut.
const SURPLUS_TOLD_FACTOR: usize = 10;

/// The answer to an event over the limit: those before it are recorded and keep their answers.
fn surplus(event: pb::ReportRequest, limit: usize) -> pb::ReportResult {
    let refusal = format!(
        "not recorded: over {limit} events in one stream (events_per_report_max); send it in another"
    );
    pb::ReportResult { request_id: event.request_id, decision: None, refusal }
}

async fn record(engine: &Engine, caller: &Caller, event: pb::ReportRequest) -> Result<Reply, EngineError> {
    use pb::report_request::Event;
    let id = event.request_id;
    match event.event {
        Some(Event::Sale(wire)) => {
            let mut wire = Some(wire);
            let person = person(wire.as_mut());
            let said = Said { reason: None, person: person.as_ref() };
            engine.report_sale(caller, &id, document(wire)?, said).await
        }
        Some(Event::SaleReturn(wire)) => {
            engine.report_return(caller, &id, return_document(Some(wire))?).await
        }
        Some(Event::Movement(wire)) => engine.report_movement(caller, &id, movement(wire)?).await,
        None => Err(EngineError::invalid("event", "is missing; report a sale, a return or a movement")),
    }
}
