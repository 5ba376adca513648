//! A shadow that reads scans and times otherwise than the policy in force: what only it needs is looked up.

use super::{reasons, report, rule, rules, start_shadow, totals, verdicts, world_with};
use crate::support::world::{DRUG, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document, purchase};
use tracegate::grpc::pb;

/// Scans of box 9 stand for "no code".
const BOX_9_IS_NONE: &str = "[settings]\nplaceholder_patterns = ['^81234560000000000009$']\n";

/// A look-up page of a host that only some policies know.
fn page_of(n: u64) -> String {
    format!("https://zsm.example.org/?code={}", code(n))
}

const KNOWS_THE_HOST: &str = "[settings]\nurl_hosts = ['zsm.example.org']\n";

async fn reload(world: &World) {
    rules(world).reload_policy(pb::ReloadPolicyRequest {}).await.expect("a good file");
}

#[tokio::test]
async fn a_code_that_only_the_shadow_reads_is_judged_by_its_history() {
    let (mut world, own, _) = world_with("", None).await;
    world.dispense(dispense(OTHER_PHARMACY, "sold", &[code(9)])).await;
    std::fs::write(&own, BOX_9_IS_NONE).expect("written");
    reload(&world).await;
    start_shadow(&world, "").await;
    world.clock.set(at(9, 1));
    let blocked = world.dispense(dispense(PHARMACY, "again", &[code(9)])).await;
    assert_eq!(
        blocked.findings.iter().map(pb::Finding::reason).collect::<Vec<_>>(),
        [pb::Reason::PlaceholderCode]
    );
    let found = report(&world).await;
    assert_eq!(verdicts(&found), ["dispense BLOCK BLOCK 1"]);
    assert_eq!(reasons(&found), ["PLACEHOLDER_CODE BLOCK OFF 1", "DUPLICATE OFF BLOCK 1"]);
    assert_eq!(totals(&found), [1, 1, 0, 0, 0], "another finding, the same verdict");
    // The other way round: the policy in force reads a code where the shadow reads none.
    std::fs::write(&own, "").expect("written");
    reload(&world).await;
    start_shadow(&world, BOX_9_IS_NONE).await;
    world.dispense(dispense(PHARMACY, "third", &[code(9)])).await;
    assert_eq!(reasons(&report(&world).await), ["PLACEHOLDER_CODE OFF BLOCK 1", "DUPLICATE BLOCK OFF 1"]);
    world.stop().await;
}

fn scanned_only(id: &str, scan: String) -> pb::DispenseRequest {
    let line = pb::Line { codes: vec![scan], quantity: "1".into(), ..pb::Line::default() };
    let document = pb::Document { lines: vec![line], ..document(PHARMACY, id, &[]) };
    pb::DispenseRequest { request_id: id.into(), document: Some(document), ..Default::default() }
}

#[tokio::test]
async fn a_drug_that_only_the_shadow_reads_is_judged_by_its_purchases() {
    let (mut world, ..) = world_with("", None).await;
    start_shadow(&world, &(rule("NOT_PURCHASED", "block") + KNOWS_THE_HOST)).await;
    let blocked = world.dispense(scanned_only("unbought", page_of(1))).await;
    assert_eq!(
        blocked.findings.iter().map(pb::Finding::reason).collect::<Vec<_>>(),
        [pb::Reason::ForeignUrl]
    );
    assert_eq!(reasons(&report(&world).await), ["FOREIGN_URL BLOCK OFF 1", "NOT_PURCHASED OFF BLOCK 1"]);
    let bought = purchase(PHARMACY, "PO1", "5");
    world.purchases.submit_purchases(tokio_stream::iter([bought])).await.expect("purchases load");
    start_shadow(&world, &(rule("NOT_PURCHASED", "block") + KNOWS_THE_HOST)).await;
    world.dispense(scanned_only("bought", page_of(2))).await;
    let found = report(&world).await;
    assert_eq!(reasons(&found), ["FOREIGN_URL BLOCK OFF 1"]);
    assert_eq!(verdicts(&found), ["dispense BLOCK ALLOW 1"]);
    world.stop().await;
}

#[tokio::test]
async fn a_registry_that_changes_is_read_by_the_shadow_too_and_its_counts_stay() {
    let (mut world, ..) = world_with("", None).await;
    // Other scan rules, so that own schemes have to be compiled for the shadow apart.
    start_shadow(&world, KNOWS_THE_HOST).await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    let scheme = pb::OwnScheme {
        issuer: "药企".into(),
        pattern: "AB[0-9]{8}".into(),
        pack_level: "small".into(),
        ..pb::OwnScheme::default()
    };
    let rows = tokio_stream::iter([pb::LoadOwnSchemesRequest { scheme: Some(scheme) }]);
    world.registry.load_own_schemes(rows).await.expect("schemes load");
    let own = world.dispense(dispense(PHARMACY, "own", &["AB12345678".into()])).await;
    assert_eq!(own.verdict(), pb::Verdict::Allow, "{own:?}");
    let found = report(&world).await;
    assert_eq!((totals(&found), reasons(&found).len()), ([2, 0, 0, 0, 0], 0), "{found:?}");
    world.stop().await;
}

#[tokio::test]
async fn settings_that_move_a_verdict_a_class_or_a_record_are_counted() {
    let (mut world, ..) = world_with("", None).await;
    start_shadow(&world, "[settings]\nlateness_minutes = 5\nclose_window_days = 1\n").await;
    let sold_at = |id: &str, institution: &str, n: u64, hour: i8, minute: i8| {
        let mut request = dispense(institution, id, &[code(n)]);
        let at = at(hour, minute).as_second();
        request.document.as_mut().expect("a document").occurred_at =
            Some(prost_types::Timestamp { seconds: at, nanos: 0 });
        request
    };
    world.dispense(sold_at("sold", OTHER_PHARMACY, 1, 9, 0)).await;
    world.clock.set(at(9, 10));
    // Ten minutes late: at the counter under the policy in force, after the fact under the shadow.
    let blocked = world.dispense(sold_at("late", PHARMACY, 1, 9, 0)).await;
    assert!(!blocked.recorded && blocked.verdict() == pb::Verdict::Block, "{blocked:?}");
    let found = report(&world).await;
    assert_eq!(totals(&found), [2, 1, 0, 0, 0]);
    assert_eq!((found.changes[0].was_recorded, found.changes[0].would_be_recorded), (false, true));
    assert!(found.changes[0].findings.is_empty(), "{:?}", found.changes[0]);
    // Two days later: close or long after.
    world.clock.set(at(9, 10) + jiff::SignedDuration::from_hours(48));
    world.dispense(dispense(PHARMACY, "again", &[code(1)])).await;
    let found = report(&world).await;
    let finding = &found.changes[0].findings[0];
    assert_eq!(finding.was_class(), pb::DuplicateClass::OtherInstitutionClose);
    assert_eq!(finding.would_be_class(), pb::DuplicateClass::OtherInstitutionLongGap);
    assert_eq!(reasons(&found), ["DUPLICATE BLOCK BLOCK 2"], "one finding of another class, not two");
    world.stop().await;
}

#[tokio::test]
async fn what_the_shadow_cannot_judge_is_counted_as_failed_and_answered_all_the_same() {
    let (mut world, own, _) = world_with("", None).await;
    // As many sales and returns of one box as are kept of an institution.
    for n in 0..150 {
        let sold = world.dispense(dispense(PHARMACY, &format!("s{n}"), &[code(9)])).await;
        assert_eq!(sold.verdict(), pb::Verdict::Allow, "{sold:?}");
        let line = pb::Line { catalog_code: DRUG.into(), codes: vec![code(9)], ..pb::Line::default() };
        let document = pb::ReturnDocument {
            institution_code: PHARMACY.into(),
            document_no: format!("D-s{n}"),
            lines: vec![line],
            ..pb::ReturnDocument::default()
        };
        world.clock.set(world_time(2 * n + 1));
        let back = pb::ReturnRequest { request_id: format!("b{n}"), document: Some(document) };
        world.gate.r#return(back).await.expect("an answer");
        world.clock.set(world_time(2 * n + 2));
    }
    let full =
        world.gate.dispense(dispense(PHARMACY, "full", &[code(9)])).await.expect_err("no room is left");
    assert_eq!(full.code(), tonic::Code::FailedPrecondition);
    std::fs::write(&own, BOX_9_IS_NONE).expect("written");
    reload(&world).await;
    start_shadow(&world, "").await;
    let answer = world.dispense(dispense(PHARMACY, "none", &[code(9)])).await;
    assert_eq!(answer.verdict(), pb::Verdict::Block, "the answer in force");
    assert_eq!(totals(&report(&world).await), [0, 0, 0, 0, 1]);
    world.stop().await;
}

fn world_time(minutes: i64) -> jiff::Timestamp {
    at(9, 0) + jiff::SignedDuration::from_mins(minutes)
}
