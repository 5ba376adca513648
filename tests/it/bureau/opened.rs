//! What opens a case, joins it, and closes it by itself.

use super::{cases, minutes, the_case};
use crate::crash::Sent;
use crate::doors::as_caller;
use crate::support::eventually;
use crate::support::process::GatewayProcess;
use crate::support::world::{
    HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, connect, dispense, document, load_province,
};
use std::sync::Arc;
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// As [`dispense`], with a price.
pub fn priced(institution: &str, request_id: &str, codes: &[String], yuan: &str) -> pb::DispenseRequest {
    let mut request = dispense(institution, request_id, codes);
    for line in &mut request.document.as_mut().unwrap().lines {
        line.unit_price = yuan.into();
    }
    request
}

#[tokio::test]
async fn a_blocked_attempt_opens_a_case_without_an_amount() {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "first", &[code(1)], "30")).await;
    minutes(&world, 10);
    let blocked = world.dispense(priced(OTHER_PHARMACY, "second", &[code(1)], "31")).await;
    assert_eq!(blocked.verdict(), pb::Verdict::Block);
    let case = the_case(&world).await;
    assert_eq!(case.case_id, format!("{}-1", code(1)));
    assert_eq!((case.class(), case.state()), (pb::CaseClass::OtherInstitutionClose, pb::CaseState::Detected));
    assert_eq!(case.at_stake, "0");
    let [first, second] = case.sales.as_slice() else { panic!("{case:#?}") };
    let details = first.details.clone().unwrap();
    assert_eq!((first.institution_code.as_str(), first.attempt), (PHARMACY, false));
    assert_eq!((details.request_id.as_str(), details.amount.as_str()), ("first", "30"));
    assert_eq!(details.document_no, "D-first");
    let details = second.details.clone().unwrap();
    assert_eq!((second.institution_code.as_str(), second.attempt), (OTHER_PHARMACY, true));
    assert_eq!((details.request_id.as_str(), details.amount.as_str()), ("second", ""));
    assert_eq!(details.verdict(), pb::Verdict::Block);
    // The same request again, the same document again, and another one.
    world.dispense(priced(OTHER_PHARMACY, "second", &[code(1)], "31")).await;
    let mut again = priced(OTHER_PHARMACY, "again", &[code(1)], "31");
    again.document.as_mut().unwrap().document_no = "D-second".into();
    world.dispense(again).await;
    assert_eq!(the_case(&world).await.sales.len(), 2);
    world.dispense(priced(OTHER_PHARMACY, "third", &[code(1)], "31")).await;
    assert_eq!(the_case(&world).await.sales.len(), 3);
    world.stop().await;
}

#[tokio::test]
async fn a_reminded_duplicate_is_a_sale_with_its_amount() {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "first", &[code(1)], "30")).await;
    minutes(&world, 10);
    let reminded = world.dispense(priced(HOSPITAL, "second", &[code(1), code(2)], "31.5")).await;
    assert_eq!(reminded.verdict(), pb::Verdict::Remind);
    let case = the_case(&world).await;
    // One of the two boxes of the document.
    assert_eq!((case.at_stake.as_str(), case.sales.len()), ("31.5", 2));
    assert_eq!(case.due_on, "2026-03-11");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_accuses_nobody_until_it_is_confirmed() {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "first", &[code(1)], "30")).await;
    let hold = pb::DispenseRequest { hold: true, ..priced(HOSPITAL, "hold", &[code(1)], "31") };
    assert_eq!(world.dispense(hold).await.verdict(), pb::Verdict::Remind);
    assert_eq!(cases(&world, "operator").await, []);
    let confirm = pb::ConfirmRequest {
        institution_code: HOSPITAL.into(),
        request_id: "confirm".into(),
        dispense_request_id: "hold".into(),
        settlement_id: "S-7".into(),
        amount: "31".into(),
        ..pb::ConfirmRequest::default()
    };
    world.gate.confirm(confirm).await.expect("confirmed");
    let case = the_case(&world).await;
    assert_eq!(case.at_stake, "31");
    let duplicate = case.sales.iter().find(|sale| sale.side() == pb::CaseSide::Duplicate).unwrap();
    assert_eq!(duplicate.details.as_ref().unwrap().settlement_id, "S-7");
    world.stop().await;
}

/// Edge case 11.
#[tokio::test]
async fn a_late_return_closes_the_case() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    minutes(&world, 60);
    world.dispense(dispense(OTHER_PHARMACY, "second", &[code(1)])).await;
    assert_eq!(the_case(&world).await.state(), pb::CaseState::Detected);
    minutes(&world, 120);
    let line = pb::Line { codes: vec![code(1)], quantity: "1".into(), ..pb::Line::default() };
    let back = pb::ReturnDocument {
        institution_code: PHARMACY.into(),
        document_no: "D-first".into(),
        occurred_at: Some(prost_types::Timestamp { seconds: at(9, 30).as_second(), nanos: 0 }),
        lines: vec![line],
        ..pb::ReturnDocument::default()
    };
    let report = pb::ReportRequest {
        request_id: "back".into(),
        event: Some(pb::report_request::Event::SaleReturn(back)),
    };
    world.gate.report(tokio_stream::iter([report])).await.expect("reported");
    let case = the_case(&world).await;
    assert_eq!((case.state(), case.ending()), (pb::CaseState::Closed, pb::CaseEnding::Lawful));
    assert!(case.steps.last().unwrap().note.contains("returned before"), "{:?}", case.steps);
    world.stop().await;
}

/// Edge case 16.
#[tokio::test]
async fn a_late_report_of_the_first_sale_names_the_later_event() {
    let mut world = World::start().await;
    minutes(&world, 120);
    world.dispense(priced(OTHER_PHARMACY, "second", &[code(1)], "40")).await;
    minutes(&world, 180);
    let mut sale = document(PHARMACY, "D-first", &[code(1)]);
    sale.occurred_at = Some(prost_types::Timestamp { seconds: at(9, 5).as_second(), nanos: 0 });
    let report =
        pb::ReportRequest { request_id: "late".into(), event: Some(pb::report_request::Event::Sale(sale)) };
    world.gate.report(tokio_stream::iter([report])).await.expect("reported");
    let case = the_case(&world).await;
    let duplicate: Vec<_> = case.sales.iter().filter(|s| s.side() == pb::CaseSide::Duplicate).collect();
    assert_eq!(duplicate.len(), 1);
    assert_eq!(duplicate[0].institution_code, OTHER_PHARMACY);
    // What it brought is looked up: the sale was recorded before there was a case.
    assert_eq!(duplicate[0].details.as_ref().unwrap().amount, "40");
    assert_eq!(case.at_stake, "40");
    let first = case.sales.iter().find(|s| s.side() == pb::CaseSide::First).unwrap();
    assert!(first.occurred_at.unwrap().seconds < duplicate[0].occurred_at.unwrap().seconds);
    assert!(first.received_at.unwrap().seconds > duplicate[0].received_at.unwrap().seconds);
    world.stop().await;
}

/// Edge case 23.
#[tokio::test]
async fn a_listed_makers_error_opens_no_case_and_closes_open_ones() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "a", &[code(1)])).await;
    world.dispense(dispense(OTHER_PHARMACY, "b", &[code(1)])).await;
    assert_eq!(the_case(&world).await.state(), pb::CaseState::Detected);
    let entry = |first: u64, last: u64| pb::MakersError {
        first_code: code(first),
        last_code: code(last),
        notice_no: "津医保〔2026〕7号".into(),
        ..pb::MakersError::default()
    };
    let channel = world.channel.clone();
    let put = |entry: pb::MakersError, caller: &str| {
        let request = pb::PutMakersErrorsRequest { entries: vec![entry] };
        let mut bureau = BureauServiceClient::new(channel.clone());
        let request = as_caller(request, caller);
        async move { bureau.put_makers_errors(request).await }
    };
    let of_city = put(entry(1, 5), "bureau 1201").await;
    assert_eq!(of_city.expect_err("only a province").code(), tonic::Code::PermissionDenied);
    let wrong = put(entry(5, 1), "bureau 12").await.expect("answered").into_inner().results.remove(0);
    assert!(wrong.refusal.contains("last_code"), "{wrong:?}");
    let added = put(entry(1, 5), "bureau 12").await.expect("listed").into_inner().results.remove(0);
    assert_eq!((added.status(), added.refusal.as_str()), (pb::LoadStatus::Added, ""));
    let closed = the_case(&world).await;
    assert_eq!((closed.state(), closed.ending()), (pb::CaseState::Closed, pb::CaseEnding::MakersError));
    assert_eq!(closed.steps.last().unwrap().note, "津医保〔2026〕7号");
    // Both boxes of a listed code may be sold; it is noted, and nobody is accused.
    world.dispense(dispense(PHARMACY, "c", &[code(3)])).await;
    let second = world.dispense(dispense(OTHER_PHARMACY, "d", &[code(3)])).await;
    assert_eq!(second.verdict(), pb::Verdict::Allow);
    assert_eq!(second.findings[0].enforcement(), pb::Enforcement::Observe);
    assert_eq!(cases(&world, "operator").await.len(), 1);
    // Once the notice is withdrawn, the rule holds again.
    let withdrawn = pb::MakersError { withdrawn: true, ..entry(1, 5) };
    put(withdrawn, "bureau 12").await.expect("withdrawn");
    let third = world.dispense(dispense(HOSPITAL, "e", &[code(3)])).await;
    assert_eq!(third.verdict(), pb::Verdict::Remind);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_verdict_and_case_loses_no_case() {
    const ROUNDS: u64 = 12;
    let dir = tempfile::tempdir().unwrap();
    let mut told: Vec<Sent> = Vec::new();
    let mut gateway = GatewayProcess::start(dir.path(), &[]);
    load_province(&connect(&gateway.address).await).await;
    for round in 0..ROUNDS {
        let channel = connect(&gateway.address).await;
        let mut gate = DispensingServiceClient::new(channel.clone());
        let codes: Vec<_> = (0..20).map(|n| code(round * 100 + n)).collect();
        for (n, code) in codes.iter().enumerate() {
            let sold = dispense(PHARMACY, &format!("a{round}-{n}"), std::slice::from_ref(code));
            gate.dispense(sold).await.expect("sold");
        }
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let clients: Vec<_> = codes
            .into_iter()
            .enumerate()
            .map(|(n, code)| {
                let (mut gate, log) = (DispensingServiceClient::new(channel.clone()), Arc::clone(&log));
                tokio::spawn(async move {
                    let request_id = format!("b{round}-{n}");
                    let codes = vec![code];
                    let answer = gate.dispense(dispense(OTHER_PHARMACY, &request_id, &codes)).await;
                    let told = answer.ok().and_then(|answer| answer.into_inner().decision);
                    log.lock().unwrap().push(Sent { institution: OTHER_PHARMACY, request_id, codes, told });
                })
            })
            .collect();
        // Some of them are answered, some are not.
        let enough = usize::try_from(round % 10).unwrap();
        eventually("answers", || async { (log.lock().unwrap().len() >= enough).then_some(()) }).await;
        gateway.kill();
        for client in clients {
            client.await.unwrap();
        }
        told.extend(std::mem::take(&mut *log.lock().unwrap()));
        gateway = GatewayProcess::start(dir.path(), &[]);
    }
    let answered: Vec<_> = told.iter().filter(|sent| sent.told.is_some()).collect();
    assert!(!answered.is_empty() && answered.len() < told.len(), "{} of {}", answered.len(), told.len());
    let channel = connect(&gateway.address).await;
    for sent in answered {
        assert_eq!(sent.told.as_ref().unwrap().verdict(), pb::Verdict::Block);
        let asked = pb::GetCaseRequest { case_id: format!("{}-1", sent.codes[0]) };
        let case = BureauServiceClient::new(channel.clone()).get_case(asked).await;
        let case = case.unwrap_or_else(|status| panic!("{}: {status}", sent.request_id)).into_inner();
        let attempts = case.case.unwrap().sales.into_iter().filter(|sale| sale.attempt).count();
        assert_eq!(attempts, 1, "{}", sent.request_id);
    }
}
