//! The gRPC door: who sees what, limits, refusals, holds, reports, purchases, health, reflection.

use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use tracegate::grpc::pb;

fn as_caller<T>(message: T, caller: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("tracegate-caller", MetadataValue::try_from(caller).expect("ASCII"));
    request
}

fn reasons(decision: &pb::Decision) -> Vec<pb::Reason> {
    decision.findings.iter().map(pb::Finding::reason).collect()
}

#[tokio::test]
async fn an_institution_learns_you_or_another_and_a_bureau_sees_both() {
    let mut world = World::start().await;
    world.dispense(dispense(OTHER_PHARMACY, "first", &[code(1)])).await;
    world.clock.set(at(9, 5));
    let check = async |world: &mut World, caller: &str| {
        let message = pb::CheckRequest { document: Some(document(PHARMACY, "D2", &[code(1)])) };
        let answer = world.gate.check(as_caller(message, caller)).await.expect("an answer").into_inner();
        answer.decision.expect("a decision").findings.remove(0).other_sale.expect("the other sale")
    };
    let own = check(&mut world, &format!("institution {PHARMACY}")).await;
    assert_eq!((own.same_institution, own.institution_code.as_str()), (false, ""));
    assert_eq!(own.occurred_at.expect("a time").seconds, at(9, 0).as_second());
    let bureau = check(&mut world, "bureau 12").await;
    assert_eq!(bureau.institution_code, OTHER_PHARMACY);
    let operator = check(&mut world, "operator").await;
    assert_eq!(operator.institution_code, OTHER_PHARMACY);
    world.stop().await;
}

#[tokio::test]
async fn callers_act_for_themselves_only() {
    let mut world = World::start().await;
    let check = async |world: &mut World, caller: &str, expected: Code| {
        let answer = world.gate.dispense(as_caller(dispense(PHARMACY, caller, &[code(2)]), caller)).await;
        let found = answer.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(found, expected, "{caller}");
    };
    check(&mut world, &format!("institution {OTHER_PHARMACY}"), Code::PermissionDenied).await;
    check(&mut world, "bureau 13", Code::PermissionDenied).await;
    check(&mut world, "chain NOBODY", Code::PermissionDenied).await;
    check(&mut world, "somebody", Code::Unauthenticated).await;
    check(&mut world, &format!("institution {PHARMACY}"), Code::Ok).await;
    let load =
        world.registry.load_drugs(as_caller(tokio_stream::empty(), &format!("institution {PHARMACY}"))).await;
    assert_eq!(load.expect_err("not allowed").code(), Code::PermissionDenied);
    world.stop().await;
}

#[tokio::test]
async fn bad_input_names_the_field_and_what_to_do() {
    let mut world = World::start_with(|config| {
        config.limits.codes_per_line_max = 3;
        config.limits.lines_per_document_max = 2;
        config.limits.text_bytes_max = 30;
    })
    .await;
    let good = || dispense(PHARMACY, "id", &[code(3)]);
    let with = |change: fn(&mut pb::Document)| {
        let mut request = good();
        change(request.document.as_mut().expect("a document"));
        request
    };
    let rows: [(&str, pb::DispenseRequest, &str); 9] = [
        ("request_id", pb::DispenseRequest { request_id: String::new(), ..good() }, "make one up"),
        ("document", pb::DispenseRequest { document: None, ..good() }, "missing"),
        ("document.institution_code", with(|d| d.institution_code = "X1".into()), "H or P and 11 digits"),
        ("document.lines", with(|d| d.lines.clear()), "at least one line"),
        ("document.lines", with(|d| d.lines = vec![pb::Line::default(); 3]), "lines_per_document_max"),
        (
            "document.lines[0].codes",
            with(|d| d.lines[0].codes = vec![String::new(); 4]),
            "codes_per_line_max",
        ),
        ("document.lines[0].quantity", with(|d| d.lines[0].quantity = "1.2.3".into()), "exact decimal"),
        ("document.document_no", with(|d| d.document_no = "x".repeat(31)), "text_bytes_max"),
        ("document.lines[0].quantity", with(|d| d.lines[0].quantity = "9".repeat(20)), "out of range"),
    ];
    for (field, request, what) in rows {
        let status = world.gate.dispense(request).await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(status.message().contains(what), "{field}: {}", status.message());
        let details = status.get_details_bad_request().expect("details for programs");
        assert_eq!(details.field_violations[0].field, field);
    }
    let mut huge = good();
    huge.document.as_mut().expect("a document").operator = "x".repeat(5 << 20);
    let status = world.gate.dispense(huge).await.expect_err("over the limit of bytes");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    world.stop().await;
}

#[tokio::test]
async fn a_request_id_is_answered_one_way() {
    let mut world = World::start().await;
    let first = world.dispense(dispense(PHARMACY, "id", &[code(4)])).await;
    world.clock.set(at(10, 0));
    let again = world.dispense(dispense(PHARMACY, "id", &[code(4)])).await;
    assert!(again.replayed);
    assert_eq!(again.outcome_id, first.outcome_id);
    assert_eq!(again.decided_at, first.decided_at);
    let status = world.gate.dispense(dispense(PHARMACY, "id", &[code(5)])).await.expect_err("another body");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(
        status.message().contains("scanned[0]") && status.message().contains(&code(5)),
        "{}",
        status.message()
    );
    let found = world.outcome(PHARMACY, "id").await;
    assert_eq!(found.state(), pb::OutcomeState::Decided);
    assert_eq!(found.decision.expect("a decision").outcome_id, first.outcome_id);
    let never = world.outcome(PHARMACY, "lost").await;
    assert_eq!(never.state(), pb::OutcomeState::Never);
    let late = world.gate.dispense(dispense(PHARMACY, "lost", &[code(6)])).await.expect_err("closed");
    assert_eq!(late.code(), Code::FailedPrecondition);
    let dir = world.stop().await;
    let mut world = World::open(dir, |_| {}).await;
    assert_eq!(world.outcome(PHARMACY, "lost").await.state(), pb::OutcomeState::Never);
    assert_eq!(world.outcome(PHARMACY, "id").await.state(), pb::OutcomeState::Decided);
    world.stop().await;
}

fn confirm(request_id: &str, hold: &str) -> pb::ConfirmRequest {
    pb::ConfirmRequest {
        request_id: request_id.into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: hold.into(),
        settlement_id: format!("S-{hold}"),
        amount: "12.50".into(),
        occurred_at: None,
    }
}

fn held(id: &str, codes: &[String]) -> pb::DispenseRequest {
    pb::DispenseRequest { hold: true, ..dispense(PHARMACY, id, codes) }
}

#[tokio::test]
async fn a_hold_is_confirmed_voided_or_lapses_and_accuses_nobody() {
    let mut world = World::start().await;
    let hold = world.dispense(held("hold", &[code(7)])).await;
    assert_eq!(hold.hold_expires_at.expect("an end").seconds, at(9, 30).as_second());
    let rival = world.dispense(dispense(OTHER_PHARMACY, "rival", &[code(7)])).await;
    assert_eq!((rival.verdict(), reasons(&rival)), (pb::Verdict::Pending, vec![pb::Reason::InDoubt]));
    // Confirmed: the rival's next try is a duplicate.
    let sold = world.gate.confirm(confirm("c1", "hold")).await.expect("an answer").into_inner();
    assert_eq!(sold.decision.expect("a decision").verdict(), pb::Verdict::Allow);
    let rival = world.dispense(dispense(OTHER_PHARMACY, "rival", &[code(7)])).await;
    assert_eq!((rival.verdict(), reasons(&rival)), (pb::Verdict::Block, vec![pb::Reason::Duplicate]));
    // Lapsed: free again, and a late confirmation finds the other sale.
    world.dispense(held("lapsed", &[code(8)])).await;
    world.clock.set(at(9, 30));
    let rival = world.dispense(dispense(OTHER_PHARMACY, "r2", &[code(8)])).await;
    assert_eq!(rival.verdict(), pb::Verdict::Allow);
    let late = world.gate.confirm(confirm("c2", "lapsed")).await.expect("an answer").into_inner();
    let late = late.decision.expect("a decision");
    assert_eq!(
        (late.verdict(), reasons(&late), late.recorded),
        (pb::Verdict::Block, vec![pb::Reason::Duplicate], true)
    );
    // Voided: free at once; the id is closed.
    world.dispense(held("void-me", &[code(9)])).await;
    let void = pb::VoidRequest {
        request_id: "v1".into(),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DispenseRequestId("void-me".into())),
    };
    let freed = world.gate.void(void).await.expect("an answer").into_inner();
    assert_eq!(freed.freed_codes, [code(9)]);
    assert_eq!(world.outcome(PHARMACY, "void-me").await.state(), pb::OutcomeState::Voided);
    let rival = world.dispense(dispense(OTHER_PHARMACY, "r3", &[code(9)])).await;
    assert_eq!(rival.verdict(), pb::Verdict::Allow);
    let status = world.gate.confirm(confirm("c3", "void-me")).await.expect_err("voided");
    assert_eq!(status.code(), Code::FailedPrecondition);
    world.stop().await;
}

#[tokio::test]
async fn a_document_is_voided_by_its_number_and_sold_again_by_a_new_request() {
    let mut world = World::start().await;
    let mut first = dispense(PHARMACY, "a", &[code(10), code(11)]);
    first.document.as_mut().expect("a document").document_no = "RD1".into();
    let mut second = dispense(PHARMACY, "b", &[code(12)]);
    second.document.as_mut().expect("a document").document_no = "RD1".into();
    world.dispense(first.clone()).await;
    world.dispense(second).await;
    let void = pb::VoidRequest {
        request_id: "v".into(),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DocumentNo("RD1".into())),
    };
    let mut freed = world.gate.void(void).await.expect("an answer").into_inner().freed_codes;
    freed.sort();
    assert_eq!(freed, [code(10), code(11), code(12)]);
    let refused = world.gate.dispense(first.clone()).await.expect_err("closed");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let again = world.dispense(pb::DispenseRequest { request_id: "c".into(), ..first }).await;
    assert_eq!(again.verdict(), pb::Verdict::Allow);
    world.stop().await;
}

#[tokio::test]
async fn a_report_records_every_event_and_a_bad_one_spoils_nothing() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(13)])).await;
    world.clock.set(at(9, 1));
    let sale = |id: &str, n: u64| pb::ReportRequest {
        request_id: id.into(),
        event: Some(pb::report_request::Event::Sale(document(OTHER_PHARMACY, id, &[code(n)]))),
    };
    let movement = pb::Movement {
        institution_code: PHARMACY.into(),
        kind: pb::MovementKind::StockCount.into(),
        codes: vec![code(13)],
        ..pb::Movement::default()
    };
    let events = vec![
        sale("r1", 13),
        pb::ReportRequest { request_id: "r2".into(), event: None },
        sale("r3", 14),
        pb::ReportRequest {
            request_id: "r4".into(),
            event: Some(pb::report_request::Event::Movement(movement)),
        },
    ];
    let report = world.gate.report(tokio_stream::iter(events)).await.expect("an answer").into_inner();
    let shown: Vec<_> = report
        .results
        .iter()
        .map(|r| {
            (
                r.request_id.as_str(),
                r.decision.as_ref().map(|d| (d.verdict(), d.recorded)),
                r.refusal.is_empty(),
            )
        })
        .collect();
    let expected = [
        ("r1", Some((pb::Verdict::Block, true)), true),
        ("r2", None, false),
        ("r3", Some((pb::Verdict::Allow, true)), true),
        ("r4", Some((pb::Verdict::Allow, true)), true),
    ];
    assert_eq!(shown, expected);
    let blocked = world.dispense(dispense(PHARMACY, "next", &[code(14)])).await;
    assert_eq!(reasons(&blocked), [pb::Reason::Duplicate]);
    world.stop().await;
}

fn purchase(order: &str, quantity: &str) -> pb::SubmitPurchasesRequest {
    pb::SubmitPurchasesRequest {
        institution_code: HOSPITAL.into(),
        catalog_code: DRUG.into(),
        source: pb::PurchaseSource::Platform.into(),
        order_no: order.into(),
        supplier: "供应商".into(),
        lot_no: "L1".into(),
        quantity: quantity.into(),
        unit_price: "1.00".into(),
        purchased_at: Some(prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 }),
    }
}

#[tokio::test]
async fn purchases_are_answered_one_by_one_and_balance_exactly() {
    let mut world = World::start().await;
    let records =
        vec![purchase("PO1", "0.3"), purchase("PO2", "x"), purchase("PO1", "0.3"), purchase("PO1", "-0.1")];
    let answer =
        world.purchases.submit_purchases(tokio_stream::iter(records)).await.expect("an answer").into_inner();
    let statuses: Vec<_> = answer.results.iter().map(pb::LoadResult::status).collect();
    use pb::LoadStatus::{Added, Refused, Unchanged};
    assert_eq!(statuses, [Added, Refused, Unchanged, Added]);
    assert!(answer.results[1].refusal.contains("exact decimal"), "{}", answer.results[1].refusal);
    world.dispense(dispense(HOSPITAL, "sold", &[code(15)])).await;
    let asked = pb::GetPurchaseRequest { institution_code: HOSPITAL.into(), catalog_code: DRUG.into() };
    let found = world.purchases.get_purchase(asked).await.expect("an answer").into_inner();
    assert_eq!((found.platform_quantity.as_str(), found.sold_quantity.as_str()), ("0.2", "1"));
    assert_eq!((found.balance.as_str(), found.age_seconds), ("-0.8", 0));
    world.stop().await;
}

#[tokio::test]
async fn the_registry_answers_what_was_loaded_and_counts_its_versions() {
    let mut world = World::start().await;
    let asked = pb::GetDrugRequest { code_prefix: "8123456".into() };
    let found = world.registry.get_drug(asked).await.expect("an answer").into_inner();
    assert_eq!((found.drug.expect("a drug").catalog_code.as_str(), found.registry_version), (DRUG, 2));
    let asked = pb::GetInstitutionRequest { institution_code: "P99999999999".into() };
    assert_eq!(world.registry.get_institution(asked).await.expect_err("unknown").code(), Code::NotFound);
    let scheme = |pattern: &str| {
        let scheme = pb::OwnScheme {
            issuer: "药企".into(),
            pattern: pattern.into(),
            pack_level: "small".into(),
            ..pb::OwnScheme::default()
        };
        pb::LoadOwnSchemesRequest { scheme: Some(scheme) }
    };
    let rows = tokio_stream::iter([scheme("AB[0-9]{8}"), scheme("(")]);
    let answer = world.registry.load_own_schemes(rows).await.expect("an answer").into_inner();
    assert_eq!(answer.registry_version, 3);
    assert!(answer.results[0].refusal.is_empty() && !answer.results[1].refusal.is_empty(), "{answer:?}");
    let own = world.dispense(dispense(PHARMACY, "own", &["AB12345678".into()])).await;
    assert_eq!(own.verdict(), pb::Verdict::Allow, "{own:?}");
    let dir = world.stop().await;
    let mut world = World::open(dir, |_| {}).await;
    let status =
        world.registry.get_registry_status(pb::GetRegistryStatusRequest {}).await.expect("an answer");
    let status = status.into_inner();
    assert_eq!(
        (status.registry_version, status.institutions, status.drugs, status.own_schemes),
        (3, 3, 1, 1)
    );
    world.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let world = World::start().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(world.channel.clone());
    let asked = tonic_health::pb::HealthCheckRequest { service: "tracegate.v1.DispensingService".into() };
    let found = health.check(asked).await.expect("an answer").into_inner();
    assert_eq!(found.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(world.channel.clone());
    let mut answers =
        reflection.server_reflection_info(tokio_stream::iter([list])).await.expect("a stream").into_inner();
    let answer: ServerReflectionResponse = answers.message().await.expect("an answer").expect("not the end");
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("no list of services: {answer:?}");
    };
    let names: Vec<_> = services.service.iter().map(|s| s.name.as_str()).collect();
    for service in ["DispensingService", "PurchaseService", "RegistryService"] {
        assert!(names.contains(&format!("tracegate.v1.{service}").as_str()), "{names:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn overlapping_documents_at_once_give_exactly_one_allow() {
    let mut world = World::start().await;
    for round in 0..40_u64 {
        let shared = code(1_000 + round);
        let rivals = (0..6_u64).map(|n| {
            let mut gate = world.gate.clone();
            let institution = if n.is_multiple_of(2) { PHARMACY } else { OTHER_PHARMACY };
            let own = code(10_000 + round * 10 + n);
            let codes = if n < 3 { vec![shared.clone(), own] } else { vec![own, shared.clone()] };
            let request = dispense(institution, &format!("rival-{round}-{n}"), &codes);
            async move {
                gate.dispense(request).await.expect("an answer").into_inner().decision.expect("a decision")
            }
        });
        let decisions: Vec<_> = futures_join(rivals).await;
        let allowed = decisions.iter().filter(|d| d.verdict() == pb::Verdict::Allow).count();
        let blocked = decisions.iter().filter(|d| d.verdict() == pb::Verdict::Block).count();
        assert_eq!((allowed, blocked), (1, 5), "{decisions:?}");
    }
    let check = pb::CheckRequest { document: Some(document(HOSPITAL, "D", &[code(99)])) };
    let unsold = world.gate.check(check).await.expect("an answer").into_inner().decision.expect("a decision");
    assert!(!unsold.recorded && unsold.outcome_id.is_empty());
    world.stop().await;
}

async fn futures_join<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for future in futures {
        tasks.spawn(future);
    }
    tasks.join_all().await
}
