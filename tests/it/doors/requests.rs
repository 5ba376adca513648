//! Refusals, limits, request ids, documents that overlap.

use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use tonic::Code;
use tonic_types::StatusExt;
use tracegate::grpc::pb;

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
