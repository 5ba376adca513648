//! `BureauService`: cases of duplicate codes.

use super::convert::{
    advance, audit_message, audited_days, case_filter, case_message, case_name, code_history, code_key,
    compliance, cursor, file_format, group_by, loaded, makers_error, makers_error_message, page_token,
    summary, tally_filter,
};
use super::export::{Exported, export};
use super::pb::bureau_service_server::BureauService;
use super::{Door, caller, pb, status};
use crate::domain::access::Principal;
use crate::domain::case::GroupBy;
use crate::domain::party::InstitutionCode;
use crate::domain::registry::RegistryRow;
use crate::domain::tally::TallyBy;
use crate::engine::{Engine, EngineError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Cases of a page, where nobody says how many.
const PAGE_CASES: usize = 50;
/// Answers that wait for whoever watches.
const WATCHED_WAITING_MAX: usize = 16;
/// Entries of one call.
const ENTRIES_MAX: usize = 1000;

/// The service. A stream ends after the time given, and its client opens another.
#[derive(Debug, Clone)]
pub struct Bureaus(pub Door, pub Duration);

/// What is said to whoever watched for long.
const GROWN_OLD: &str =
    "this stream has grown old (connection_age_seconds_max); watch again with the last token";

type Watched = Result<pb::WatchCasesResponse, Status>;

#[tonic::async_trait]
impl BureauService for Bureaus {
    type WatchCasesStream = ReceiverStream<Watched>;
    type RunAuditStream = ReceiverStream<Result<pb::RunAuditResponse, Status>>;
    type ExportDuplicatesStream = ReceiverStream<Exported>;

    async fn list_cases(
        &self,
        request: Request<pb::ListCasesRequest>,
    ) -> Result<Response<pb::ListCasesResponse>, Status> {
        let caller = caller::of(&request)?;
        let pb::ListCasesRequest { filter, page_size, page_token: token } = request.into_inner();
        let asked = async {
            let filter = case_filter(filter, self.0.engine.today())?;
            let limit = if page_size == 0 { PAGE_CASES } else { page_size as usize };
            self.0.engine.list_cases(&caller, filter, cursor(&token)?, limit).await
        };
        let page = self.0.look(asked).await?;
        Ok(Response::new(pb::ListCasesResponse {
            cases: page.cases.iter().map(case_message).collect(),
            next_page_token: page_token(page.next.as_ref()),
            incomplete: !page.is_complete,
        }))
    }

    async fn get_case(
        &self,
        request: Request<pb::GetCaseRequest>,
    ) -> Result<Response<pb::GetCaseResponse>, Status> {
        let caller = caller::of(&request)?;
        let id = request.into_inner().case_id;
        let asked = async { self.0.engine.case(&caller, &case_name("case_id", &id)?).await };
        let case = self.0.look(asked).await?;
        Ok(Response::new(pb::GetCaseResponse { case: Some(case_message(&case)) }))
    }

    async fn advance_case(
        &self,
        request: Request<pb::AdvanceCaseRequest>,
    ) -> Result<Response<pb::AdvanceCaseResponse>, Status> {
        let caller = caller::of(&request)?;
        let advance = advance(request.into_inner()).map_err(|e| status::of(&e))?;
        let work = |engine: Arc<Engine>| async move { engine.advance_case(&caller, advance).await };
        let case = self.0.run(work).await?;
        Ok(Response::new(pb::AdvanceCaseResponse { case: Some(case_message(&case)) }))
    }

    async fn watch_cases(
        &self,
        request: Request<pb::WatchCasesRequest>,
    ) -> Result<Response<Self::WatchCasesStream>, Status> {
        let caller = caller::of(&request)?;
        let pb::WatchCasesRequest { resume_token, from_now } = request.into_inner();
        let behind = match (resume_token.as_str(), from_now) {
            ("", true) => *self.0.engine.case_changes().borrow(),
            ("", false) => 0,
            (token, _) => token.parse().map_err(|_| {
                let what = "is none that this gateway gave; begin with an empty one";
                status::of(&EngineError::invalid("resume_token", what))
            })?,
        };
        let (sender, stream) = mpsc::channel(WATCHED_WAITING_MAX);
        let age_max = self.1;
        let door = self.0.clone();
        tokio::spawn(async move {
            let watching = watch(door, caller, behind, sender.clone());
            if tokio::time::timeout(age_max, watching).await.is_err() {
                drop(sender.send(Err(Status::unavailable(GROWN_OLD))).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn summarize_duplicates(
        &self,
        request: Request<pb::SummarizeDuplicatesRequest>,
    ) -> Result<Response<pb::SummarizeDuplicatesResponse>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let by = group_by(wire.by());
        let engine = &self.0.engine;
        let filter = case_filter(wire.filter, engine.today()).map_err(|e| status::of(&e))?;
        let groups = self.0.look(engine.summarize_duplicates(&caller, filter, by)).await?;
        let named = (1..).zip(groups).map(|(rank, group)| {
            let name = name_of(engine, by, &group.summary.group);
            summary(rank, group, name)
        });
        let incomplete = !engine.knows_all_cases();
        Ok(Response::new(pb::SummarizeDuplicatesResponse { groups: named.collect(), incomplete }))
    }

    async fn summarize_compliance(
        &self,
        request: Request<pb::SummarizeComplianceRequest>,
    ) -> Result<Response<pb::SummarizeComplianceResponse>, Status> {
        let caller = caller::of(&request)?;
        let engine = &self.0.engine;
        let (filter, by) = tally_filter(request.into_inner()).map_err(|e| status::of(&e))?;
        let (groups, sum) = self.0.look(engine.summarize_compliance(&caller, &filter, by)).await?;
        let named = (1..).zip(&groups).map(|(rank, one)| {
            let of_institution = by == TallyBy::Institution;
            let name = if of_institution { institution_name(engine, &one.group) } else { String::new() };
            pb::ComplianceSummary { group: one.group.clone(), name, rank, ..compliance(&one.reminded) }
        });
        let groups = named.collect();
        Ok(Response::new(pb::SummarizeComplianceResponse { groups, sum: Some(compliance(&sum)) }))
    }

    async fn export_duplicates(
        &self,
        request: Request<pb::ExportDuplicatesRequest>,
    ) -> Result<Response<Self::ExportDuplicatesStream>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let format = file_format(wire.format());
        let filter = case_filter(wire.filter, self.0.engine.today()).map_err(|e| status::of(&e))?;
        let (sender, stream) = mpsc::channel(WATCHED_WAITING_MAX);
        tokio::spawn(export(self.0.clone(), caller, filter, format, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn run_audit(
        &self,
        request: Request<pb::RunAuditRequest>,
    ) -> Result<Response<Self::RunAuditStream>, Status> {
        let caller = caller::of(&request)?;
        let wire = request.into_inner();
        let days = audited_days(&wire).map_err(|e| status::of(&e))?;
        self.0.engine.authorize_audit(&caller).map_err(|e| status::of(&e))?;
        let (sender, stream) = mpsc::channel(WATCHED_WAITING_MAX);
        let (engine, stop) = (Arc::clone(&self.0.engine), self.0.stop.clone());
        // It goes on where the client goes away: what it does stands anyway.
        self.0.work.spawn(async move {
            let told = |audited| drop(sender.try_send(Ok(audit_message(audited))));
            let audit = tokio::select! {
                audit = engine.audit_for(&caller, days, wire.everything, told) => audit.map_err(|e| status::of(&e)),
                () = stop.cancelled() => Err(Status::unavailable("the gateway is stopping; run the audit again")),
            };
            drop(sender.send(audit.map(audit_message)).await);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_code_history(
        &self,
        request: Request<pb::GetCodeHistoryRequest>,
    ) -> Result<Response<pb::GetCodeHistoryResponse>, Status> {
        let caller = caller::of(&request)?;
        let pb::GetCodeHistoryRequest { code, person, reason } = request.into_inner();
        let knowledge = self.0.engine.knowledge();
        let key = code_key("code", &code, &knowledge.scan_rules).map_err(|e| status::of(&e))?;
        // It records the look: it goes on to its end, whether or not the client stays.
        let work =
            |engine: Arc<Engine>| async move { engine.code_history(&caller, &key, &person, &reason).await };
        let history = self.0.run(work).await?;
        Ok(Response::new(code_history(history, &knowledge)))
    }

    async fn put_makers_errors(
        &self,
        request: Request<pb::PutMakersErrorsRequest>,
    ) -> Result<Response<pb::PutMakersErrorsResponse>, Status> {
        let caller = caller::of(&request)?;
        let entries = request.into_inner().entries;
        if entries.len() > ENTRIES_MAX {
            let what = format!("has {} entries, at most {ENTRIES_MAX} are taken at once", entries.len());
            return Err(status::of(&EngineError::invalid("entries", what)));
        }
        let limits = *self.0.engine.limits();
        let rules = &self.0.engine.knowledge().scan_rules;
        let (mut rows, mut read_as) = (Vec::new(), Vec::new());
        for wire in entries {
            let checked = makers_error(wire, rules).map(RegistryRow::MakersError);
            let checked = checked.and_then(|row| limits.check_row(&row).map(|()| row));
            read_as.push(checked.map(|row| rows.push(row)));
        }
        let work = |engine: Arc<Engine>| async move { engine.load_rows(&caller, rows).await };
        let (statuses, _) = self.0.run(work).await?;
        Ok(Response::new(pb::PutMakersErrorsResponse { results: loaded(read_as, statuses) }))
    }

    async fn list_makers_errors(
        &self,
        request: Request<pb::ListMakersErrorsRequest>,
    ) -> Result<Response<pb::ListMakersErrorsResponse>, Status> {
        caller::of(&request)?;
        let knowledge = self.0.engine.knowledge();
        let entries = knowledge.registry.makers_errors().iter().map(makers_error_message).collect();
        Ok(Response::new(pb::ListMakersErrorsResponse { entries }))
    }
}

fn institution_name(engine: &Engine, code: &str) -> String {
    let registry = &engine.knowledge().registry;
    let code = InstitutionCode::parse(code).ok();
    code.and_then(|code| registry.institution(code)).map(|i| i.name.clone()).unwrap_or_default()
}

/// What a group is called by people.
fn name_of(engine: &Engine, by: GroupBy, group: &str) -> String {
    let registry = &engine.knowledge().registry;
    match by {
        GroupBy::Institution => institution_name(engine, group),
        GroupBy::Drug => registry.product(group).map(|drug| drug.name.clone()).unwrap_or_default(),
        GroupBy::Division | GroupBy::Class | GroupBy::Day | GroupBy::Month => String::new(),
    }
}

/// Tells cases as they change, until the client goes away or the gateway stops.
async fn watch(door: Door, caller: Principal, mut behind: u64, answers: mpsc::Sender<Watched>) {
    let mut changes = door.engine.case_changes();
    loop {
        changes.borrow_and_update();
        if let Err(status) = caller::still(&door.engine, &caller) {
            drop(answers.send(Err(status)).await);
            return;
        }
        let (cases, up_to) = match door.engine.changed_cases(&caller, behind).await {
            Ok(found) => found,
            Err(error) => {
                drop(answers.send(Err(status::of(&error))).await);
                return;
            }
        };
        let more = up_to != behind;
        for watched in &cases {
            let case = Some(case_message(&watched.case));
            let answer = pb::WatchCasesResponse { case, resume_token: watched.place.to_string() };
            if answers.send(Ok(answer)).await.is_err() {
                return;
            }
        }
        if more && cases.last().is_none_or(|last| last.place != up_to) {
            // What follows was not for this caller; it need not be looked at again.
            let token = pb::WatchCasesResponse { case: None, resume_token: up_to.to_string() };
            if answers.send(Ok(token)).await.is_err() {
                return;
            }
        }
        behind = up_to;
        if more {
            continue;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = answers.closed() => return,
            () = door.stop.cancelled() => {
                let why = "the gateway is stopping; watch again with the last token once it is back";
                drop(answers.send(Err(Status::unavailable(why))).await);
                return;
            }
        }
    }
}
