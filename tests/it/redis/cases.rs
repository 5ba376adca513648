//! Cases in a fleet: opened on one gateway, seen, watched and advanced on another, audited by each for itself.

use crate::bureau::compliance::reminded;
use crate::bureau::deed;
use crate::support::process::GatewayProcess;
use crate::support::redis::RedisServer;
use crate::support::world::{
    OTHER_PHARMACY, PHARMACY, code, connect, dispense, knows_the_province, load_province,
};
use crate::support::{eventually, within};
use std::time::Duration;
use tonic::transport::Channel;
use tracegate::clock::Stopwatch;
use tracegate::grpc::pb;
use tracegate::grpc::pb::bureau_service_client::BureauServiceClient;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

async fn the_case(bureau: &BureauServiceClient<Channel>, state: pb::CaseState) -> pb::Case {
    eventually("the case is known here", || async {
        let page = bureau.clone().list_cases(pb::ListCasesRequest::default()).await.ok()?.into_inner();
        page.cases.into_iter().find(|case| case.state() == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_one_case_for_the_whole_fleet() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let start = |name: &str| GatewayProcess::start_in_fleet(&dir.path().join(name), &redis.url(), &[]);
    let (first, second) = (start("first"), start("second"));
    load_province(&connect(&first.address).await).await;
    knows_the_province(&second.address).await;
    let bureaus = [&first, &second].map(|gateway| gateway.address.clone());
    let [here, there] = [
        BureauServiceClient::new(connect(&bureaus[0]).await),
        BureauServiceClient::new(connect(&bureaus[1]).await),
    ];
    let mut watched = there.clone().watch_cases(pb::WatchCasesRequest::default()).await.unwrap().into_inner();

    let sell = async |gateway: &GatewayProcess, institution: &str, id: &str| {
        let mut gate = DispensingServiceClient::new(connect(&gateway.address).await);
        gate.dispense(dispense(institution, id, &[code(1)])).await.unwrap().into_inner().decision.unwrap()
    };
    sell(&second, PHARMACY, "sold").await;
    let blocked = sell(&first, OTHER_PHARMACY, "again").await;
    let verdict = Stopwatch::start();
    assert_eq!(blocked.verdict(), pb::Verdict::Block);
    let told = tokio::time::timeout(Duration::from_secs(10), watched.message()).await;
    let told = told.expect("in time").expect("no error").expect("no end");
    assert!(verdict.elapsed() < Duration::from_secs(1), "{:?}", verdict.elapsed());
    assert_eq!(told.case.unwrap().case_id, format!("{}-1", code(1)));

    // A third document on the other gateway joins it; what was sold elsewhere is looked up.
    sell(&second, OTHER_PHARMACY, "third").await;
    let case = within(Duration::from_secs(10), "the third one joins", || async {
        let case = the_case(&here, pb::CaseState::Detected).await;
        (case.sales.len() == 3).then_some(case)
    })
    .await;
    assert_eq!(case.sales[0].details.as_ref().unwrap().document_no, "D-sold");
    here.clone().advance_case(deed(&case, pb::CaseAction::Push)).await.expect("pushed here");
    let pushed = the_case(&there, pb::CaseState::Pushed).await;
    let again = there.clone().advance_case(deed(&pushed, pb::CaseAction::Push)).await;
    assert_eq!(again.expect_err("once").code(), tonic::Code::FailedPrecondition);

    // Whoever starts later knows everything, and goes on behind the token of another gateway.
    let third = start("third");
    let late = BureauServiceClient::new(connect(&third.address).await);
    assert_eq!(the_case(&late, pb::CaseState::Pushed).await.sales.len(), 3);
    let resumed = pb::WatchCasesRequest { resume_token: told.resume_token, from_now: false };
    let mut resumed = late.clone().watch_cases(resumed).await.unwrap().into_inner();
    let next = resumed.message().await.unwrap().unwrap();
    assert_eq!(next.case.unwrap().state(), pb::CaseState::Pushed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_attempts_on_two_gateways_at_once_none_is_lost() {
    const ATTEMPTS: usize = 24;
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let start = |name: &str| GatewayProcess::start_in_fleet(&dir.path().join(name), &redis.url(), &[]);
    let (first, second) = (start("first"), start("second"));
    load_province(&connect(&first.address).await).await;
    knows_the_province(&second.address).await;
    let mut gates = Vec::new();
    for gateway in [&first, &second] {
        gates.push(DispensingServiceClient::new(connect(&gateway.address).await));
    }
    gates[0].dispense(dispense(PHARMACY, "sold", &[code(1)])).await.unwrap();
    let tries: Vec<_> = (0..ATTEMPTS)
        .map(|n| {
            let mut gate = gates[n % 2].clone();
            tokio::spawn(async move {
                let request = dispense(OTHER_PHARMACY, &format!("try{n}"), &[code(1)]);
                loop {
                    // In doubt while another one's is not decided: the same request again.
                    let answer = gate.dispense(request.clone()).await;
                    match answer.map(|answer| answer.into_inner().decision.unwrap().verdict()) {
                        Ok(pb::Verdict::Block) => return,
                        Ok(pb::Verdict::Pending) => {}
                        Ok(verdict) => panic!("{verdict:?}"),
                        Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
                    }
                }
            })
        })
        .collect();
    for attempt in tries {
        attempt.await.unwrap();
    }
    let bureau = BureauServiceClient::new(connect(&second.address).await);
    let case = within(Duration::from_secs(10), "all of them are in the case", || async {
        let case = the_case(&bureau, pb::CaseState::Detected).await;
        (case.sales.iter().filter(|sale| sale.attempt).count() == ATTEMPTS).then_some(case)
    })
    .await;
    assert_eq!(case.case_id, format!("{}-1", code(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_add_up_over_the_fleet_and_a_reason_may_come_to_another_gateway() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let start = |name: &str| GatewayProcess::start_in_fleet(&dir.path().join(name), &redis.url(), &[]);
    let (first, second) = (start("first"), start("second"));
    load_province(&connect(&first.address).await).await;
    knows_the_province(&second.address).await;
    let gate = async |gateway: &GatewayProcess| DispensingServiceClient::new(connect(&gateway.address).await);
    let (mut here, mut there) = (gate(&first).await, gate(&second).await);
    for n in 1..=3 {
        here.dispense(reminded(PHARMACY, &format!("here{n}"), n)).await.expect("reminded");
        there.dispense(reminded(OTHER_PHARMACY, &format!("there{n}"), 10 + n)).await.expect("reminded");
    }
    let explained = pb::DispenseRequest { go_on_reason: "stock".into(), ..reminded(PHARMACY, "here1", 1) };
    assert!(there.dispense(explained).await.unwrap().into_inner().decision.unwrap().replayed);
    for gateway in [&first, &second] {
        let bureau = BureauServiceClient::new(connect(&gateway.address).await);
        let asked = pb::SummarizeComplianceRequest {
            first_day: "2026-01-01".into(),
            last_day: "2035-12-31".into(),
            by: pb::ComplianceBy::Institution.into(),
            ..pb::SummarizeComplianceRequest::default()
        };
        within(Duration::from_secs(10), "both gateways' reminders", || async {
            let told = bureau.clone().summarize_compliance(asked.clone()).await.ok()?.into_inner();
            let sum = told.sum?;
            (sum.persons == 6 && sum.explained_persons == 1 && told.groups.len() == 2).then_some(())
        })
        .await;
    }
}
