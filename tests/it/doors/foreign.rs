//! For whom a role may call: every method that the table gives somebody for their own, called about one pharmacy by its
//! own people and by others.

use super::as_caller;
use crate::bureau::compliance::reminded;
use crate::support::world::{
    DRUG, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document, drug, institution,
};
use prost::Message;
use std::collections::BTreeSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tracegate::grpc::pb::admin_service_client::AdminServiceClient;
use tracegate::grpc::{RIGHTS, Reach, pb};

/// Whoever may speak for the pharmacy, then those who may not. Division 12 begins with the digits of a province, so that
/// its bureau may load what holds for everybody.
const OWN: [&str; 5] =
    ["institution P12010100001", "chain CHAIN-A", "bureau 12", "terminal P12010100001", "reader 12"];
const FOREIGN: [&str; 5] =
    ["institution P12010100002", "chain CHAIN-B", "bureau 1301", "terminal P12010100002", "reader 1301"];

/// A caller's turn: who, and a number of its own.
#[derive(Clone, Copy)]
struct Turn<'a> {
    world: &'a World,
    caller: &'static str,
    n: u64,
}

impl Turn<'_> {
    /// Calls a method; gives every answer.
    async fn call<Q, A>(self, method: &str, asked: Vec<Q>) -> Result<Vec<A>, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.world.channel.clone());
        grpc.ready().await.expect("the gateway answers");
        let path = PathAndQuery::try_from(format!("/tracegate.v1.{method}")).expect("a path");
        let request = as_caller(tokio_stream::iter(asked), self.caller);
        let mut answers = grpc.streaming(request, path, ProstCodec::<Q, A>::default()).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(answer);
            // Watching has no end.
            if method.ends_with("WatchCases") {
                break;
            }
        }
        Ok(all)
    }

    /// Whether the pharmacy is this caller's own, as far as one method says.
    async fn owns<Q, A>(self, method: &str, asked: Q, sees: impl Fn(&A) -> bool) -> bool
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        match self.call::<Q, A>(method, vec![asked]).await {
            Ok(answers) => !answers.is_empty() && answers.iter().all(sees),
            Err(status) => match status.code() {
                Code::PermissionDenied | Code::NotFound => false,
                // What cannot be done now is refused to whoever may see it.
                Code::FailedPrecondition => true,
                _ => panic!("{method} as {}: {status}", self.caller),
            },
        }
    }

    fn id(self, what: &str) -> String {
        format!("{what}-{}", self.n)
    }
}

fn loaded(results: &[pb::LoadResult]) -> bool {
    !results.is_empty() && results.iter().all(|result| result.refusal.is_empty())
}

/// What the counter does.
async fn at_the_counter(turn: Turn<'_>, method: &str) -> bool {
    let id = turn.id(method);
    let sale = dispense(PHARMACY, &id, &[code(400 + turn.n)]);
    match method {
        "Check" => {
            let asked = pb::CheckRequest { document: sale.document };
            turn.owns("DispensingService/Check", asked, |_: &pb::CheckResponse| true).await
        }
        "Dispense" => turn.owns("DispensingService/Dispense", sale, |_: &pb::DispenseResponse| true).await,
        "Confirm" => {
            let confirm = pb::ConfirmRequest {
                request_id: id,
                institution_code: PHARMACY.into(),
                dispense_request_id: turn.id("hold"),
                settlement_id: "S1".into(),
                amount: "1".into(),
                occurred_at: None,
            };
            turn.owns("DispensingService/Confirm", confirm, |_: &pb::ConfirmResponse| true).await
        }
        "Void" => {
            let target = pb::void_request::Target::DispenseRequestId(turn.id("void"));
            let void =
                pb::VoidRequest { request_id: id, institution_code: PHARMACY.into(), target: Some(target) };
            turn.owns("DispensingService/Void", void, |answer: &pb::VoidResponse| {
                !answer.freed_codes.is_empty()
            })
            .await
        }
        "Return" => {
            let back = pb::ReturnDocument {
                institution_code: PHARMACY.into(),
                lines: document(PHARMACY, "", &[code(300 + turn.n)]).lines,
                ..pb::ReturnDocument::default()
            };
            let back = pb::ReturnRequest { request_id: id, document: Some(back) };
            turn.owns("DispensingService/Return", back, |_: &pb::ReturnResponse| true).await
        }
        "GetOutcome" => {
            let asked =
                pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "sold".into() };
            turn.owns("DispensingService/GetOutcome", asked, |_: &pb::GetOutcomeResponse| true).await
        }
        "Report" => {
            let event = pb::report_request::Event::Sale(document(PHARMACY, &id, &[code(500 + turn.n)]));
            let report = pb::ReportRequest { request_id: id, event: Some(event) };
            let recorded = |answer: &pb::ReportResponse| answer.results.iter().all(|r| r.refusal.is_empty());
            turn.owns("DispensingService/Report", report, recorded).await
        }
        _ => {
            let sale = dispense(PHARMACY, &turn.id("scan"), &[code(600 + turn.n)]);
            let request = Some(pb::scan_request::Request::Dispense(sale));
            let scan = pb::ScanRequest { correlation_id: "c".into(), request };
            let answered = |answer: &pb::ScanResponse| {
                matches!(answer.answer, Some(pb::scan_response::Answer::Dispense(_)))
            };
            turn.owns("DispensingService/Scan", scan, answered).await
        }
    }
}

/// What is loaded, and what is asked of it.
async fn at_the_lists(turn: Turn<'_>, method: &str) -> bool {
    let whose = || PHARMACY.to_owned();
    let moment = Some(prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 });
    match method {
        "HistoryService/ImportSales" => {
            let row = pb::PastSale {
                kind: pb::PastKind::Sale.into(),
                institution_code: whose(),
                document_no: turn.id("past"),
                occurred_at: moment,
                code: code(700 + turn.n),
                ..pb::PastSale::default()
            };
            let batch = pb::ImportSalesRequest { batch_no: 1, rows: vec![row], ..Default::default() };
            let taken =
                |answer: &pb::ImportSalesResponse| answer.rows.iter().all(|row| row.refusal.is_empty());
            turn.owns(method, batch, taken).await
        }
        "PolicyService/Explain" => {
            let institution = Some(pb::explain_request::Institution::InstitutionCode(whose()));
            let asked = pb::ExplainRequest { institution, ..pb::ExplainRequest::default() };
            turn.owns(method, asked, |_: &pb::ExplainResponse| true).await
        }
        "PurchaseService/SubmitPurchases" => {
            let bought = pb::SubmitPurchasesRequest {
                institution_code: whose(),
                catalog_code: DRUG.into(),
                source: pb::PurchaseSource::Platform.into(),
                order_no: turn.id("order"),
                quantity: "1".into(),
                purchased_at: moment,
                ..pb::SubmitPurchasesRequest::default()
            };
            turn.owns(method, bought, |a: &pb::SubmitPurchasesResponse| loaded(&a.results)).await
        }
        "PurchaseService/SubmitPurchaseFeeds" => {
            let feed = pb::SubmitPurchaseFeedsRequest { scope: whose(), complete_up_to: moment };
            turn.owns(method, feed, |a: &pb::SubmitPurchaseFeedsResponse| loaded(&a.results)).await
        }
        "PurchaseService/GetPurchase" => {
            let asked = pb::GetPurchaseRequest { institution_code: whose(), catalog_code: DRUG.into() };
            turn.owns(method, asked, |_: &pb::GetPurchaseResponse| true).await
        }
        "RegistryService/LoadInstitutions" => {
            let row = pb::LoadInstitutionsRequest { institution: Some(pharmacy()) };
            turn.owns(method, row, |a: &pb::LoadInstitutionsResponse| loaded(&a.results)).await
        }
        "RegistryService/LoadGoLiveDates" => {
            let row =
                pb::LoadGoLiveDatesRequest { institution_code: whose(), goes_live_on: "2026-01-01".into() };
            turn.owns(method, row, |a: &pb::LoadGoLiveDatesResponse| loaded(&a.results)).await
        }
        "RegistryService/LoadNoCodeList" => {
            let entry = pb::NoCodeEntry {
                catalog_code: DRUG.into(),
                division_prefix: "120101".into(),
                valid_from: "2020-01-01".into(),
                valid_to: "2020-01-02".into(),
                ..pb::NoCodeEntry::default()
            };
            let row = pb::LoadNoCodeListRequest { entry: Some(entry) };
            turn.owns(method, row, |a: &pb::LoadNoCodeListResponse| loaded(&a.results)).await
        }
        // Of these a row holds for every institution: a bureau from province level up may load it, so any of 12 and none
        // of 1301.
        "RegistryService/LoadDrugs" => {
            let drug = pb::Drug { code_prefix: "8777777".into(), ..drug() };
            let row = pb::LoadDrugsRequest { drug: Some(drug) };
            turn.owns(method, row, |a: &pb::LoadDrugsResponse| loaded(&a.results)).await
        }
        "RegistryService/LoadOwnSchemes" => {
            let scheme = pb::OwnScheme {
                issuer: "maker".into(),
                pattern: "^ZZ[0-9]{9}$".into(),
                pack_level: "small".into(),
                ..pb::OwnScheme::default()
            };
            let row = pb::LoadOwnSchemesRequest { scheme: Some(scheme) };
            turn.owns(method, row, |a: &pb::LoadOwnSchemesResponse| loaded(&a.results)).await
        }
        "BureauService/PutMakersErrors" => {
            let entry = pb::MakersError {
                first_code: code(900),
                notice_no: "N1".into(),
                ..pb::MakersError::default()
            };
            let asked = pb::PutMakersErrorsRequest { entries: vec![entry] };
            turn.owns(method, asked, |a: &pb::PutMakersErrorsResponse| loaded(&a.results)).await
        }
        _ => {
            let asked = pb::GetInstitutionRequest { institution_code: whose() };
            turn.owns(method, asked, |_: &pb::GetInstitutionResponse| true).await
        }
    }
}

/// What the bureau asks.
async fn at_the_bureau(turn: Turn<'_>, method: &str) -> bool {
    let case_id = || format!("{}-1", code(1));
    match method {
        "BureauService/ListCases" => {
            let asked = pb::ListCasesRequest::default();
            turn.owns(method, asked, |a: &pb::ListCasesResponse| !a.cases.is_empty()).await
        }
        "BureauService/GetCase" => {
            let asked = pb::GetCaseRequest { case_id: case_id() };
            turn.owns(method, asked, |_: &pb::GetCaseResponse| true).await
        }
        "BureauService/AdvanceCase" => {
            let asked = pb::AdvanceCaseRequest {
                case_id: case_id(),
                action: pb::CaseAction::BeginSecondReview.into(),
                person: "Li".into(),
                ..pb::AdvanceCaseRequest::default()
            };
            turn.owns(method, asked, |_: &pb::AdvanceCaseResponse| true).await
        }
        "BureauService/WatchCases" => {
            let asked = pb::WatchCasesRequest::default();
            turn.owns(method, asked, |a: &pb::WatchCasesResponse| a.case.is_some()).await
        }
        "BureauService/SummarizeDuplicates" => {
            let asked = pb::SummarizeDuplicatesRequest::default();
            turn.owns(method, asked, |a: &pb::SummarizeDuplicatesResponse| !a.groups.is_empty()).await
        }
        "BureauService/SummarizeCompliance" => {
            let asked = pb::SummarizeComplianceRequest {
                first_day: "2026-03-10".into(),
                last_day: "2026-03-10".into(),
                ..pb::SummarizeComplianceRequest::default()
            };
            turn.owns(method, asked, |a: &pb::SummarizeComplianceResponse| !a.groups.is_empty()).await
        }
        "BureauService/ExportDuplicates" => {
            let format = pb::FileFormat::JsonLines.into();
            let asked = pb::ExportDuplicatesRequest { filter: None, format };
            let found = turn.call::<_, pb::ExportDuplicatesResponse>(method, vec![asked]).await;
            found.is_ok_and(|chunks| chunks.iter().any(|chunk| !chunk.chunk.is_empty()))
        }
        _ => {
            let asked =
                pb::GetCodeHistoryRequest { code: code(1), person: "Li".into(), reason: String::new() };
            turn.owns(method, asked, |_: &pb::GetCodeHistoryResponse| true).await
        }
    }
}

/// Keys of the pharmacy's counters.
async fn at_the_keys(turn: Turn<'_>, method: &str) -> bool {
    let asked = || pb::CreateKeyRequest {
        identity: format!("terminal {PHARMACY}"),
        label: turn.id(method),
        ..pb::CreateKeyRequest::default()
    };
    if method == "CreateKey" {
        return turn
            .owns("AdminService/CreateKey", asked(), |a: &pb::CreateKeyResponse| !a.secret.is_empty())
            .await;
    }
    // Nobody's word: the operator.
    let mut admin = AdminServiceClient::new(turn.world.channel.clone());
    let made = admin.create_key(asked()).await.expect("the operator may").into_inner().key.expect("a key");
    if method == "ListKeys" {
        let list = pb::ListKeysRequest::default();
        return turn.owns("AdminService/ListKeys", list, |a: &pb::ListKeysResponse| !a.keys.is_empty()).await;
    }
    let revoke = pb::RevokeKeyRequest { id: made.id };
    turn.owns("AdminService/RevokeKey", revoke, |_: &pb::RevokeKeyResponse| true).await
}

/// The pharmacy as a member of a chain.
fn pharmacy() -> pb::Institution {
    pb::Institution { chain_group: "CHAIN-A".into(), ..institution(PHARMACY) }
}

/// A sale, a case of the pharmacy alone, a reminder, and for each caller something to confirm, void and return.
async fn prepare(world: &mut World) {
    let row = pb::LoadInstitutionsRequest { institution: Some(pharmacy()) };
    world.registry.load_institutions(tokio_stream::once(row)).await.expect("loaded");
    world.dispense(dispense(PHARMACY, "sold", &[code(1)])).await;
    world.dispense(dispense(PHARMACY, "again", &[code(1)])).await;
    world.dispense(reminded(PHARMACY, "reminded", 1)).await;
    for n in 0..10 {
        let hold = dispense(PHARMACY, &format!("hold-{n}"), &[code(100 + n)]);
        world.dispense(pb::DispenseRequest { hold: true, ..hold }).await;
        world.dispense(dispense(PHARMACY, &format!("void-{n}"), &[code(200 + n)])).await;
        world.dispense(dispense(PHARMACY, &format!("sold-{n}"), &[code(300 + n)])).await;
    }
}

#[tokio::test]
async fn what_is_for_ones_own_is_refused_about_others() {
    let mut world = World::start().await;
    prepare(&mut world).await;
    // Its counts are the whole gateway's, and its list is looked at in policy::shadow.
    let elsewhere = BTreeSet::from(["PolicyService/GetShadow"]);
    let mut walked = 0;
    for right in RIGHTS.iter().filter(|right| !elsewhere.contains(right.method)) {
        let reaches = [right.institution, right.chain, right.bureau, right.terminal, right.reader];
        let callers = OWN.iter().zip(FOREIGN).zip(reaches).zip(0..);
        for (((own, foreign), _), n) in callers.filter(|(((..), reach), _)| *reach == Reach::Own) {
            for (caller, is_own, n) in [(*own, true, n), (foreign, false, n + 5)] {
                let turn = Turn { world: &world, caller, n };
                let owns = match right.method.split_once('/') {
                    Some(("DispensingService", method)) => at_the_counter(turn, method).await,
                    Some(("BureauService", "PutMakersErrors")) => at_the_lists(turn, right.method).await,
                    Some(("AdminService", method)) => at_the_keys(turn, method).await,
                    Some(("BureauService", _)) => at_the_bureau(turn, right.method).await,
                    _ => at_the_lists(turn, right.method).await,
                };
                assert_eq!(owns, is_own, "{} as {caller}", right.method);
                walked += 1;
            }
        }
    }
    assert!(walked > 150, "{walked}");
    // Nothing of what others tried stands.
    for n in 5..10 {
        let sold = world.outcome(PHARMACY, &format!("Dispense-{n}")).await;
        assert_eq!(sold.state(), pb::OutcomeState::Never, "{OTHER_PHARMACY} and others sold nothing: {n}");
    }
    world.stop().await;
}
