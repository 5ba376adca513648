//! Reminders that count: once for each sale, by rule and day, with what became of them; and the share of duplicates in
//! what was sold.

use super::{BUREAU, bureau, refused};
use crate::doors::as_caller;
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense};
use tonic::Code;
use tracegate::grpc::pb;

/// A box whose prefix is in no map: the sale goes on with a reminder.
pub fn unmapped(n: u64) -> String {
    format!("8999999{n:013}")
}

/// A sale of one such box for ten yuan.
pub fn reminded(institution: &str, request_id: &str, n: u64) -> pb::DispenseRequest {
    let mut request = dispense(institution, request_id, &[unmapped(n)]);
    for line in &mut request.document.as_mut().expect("a document").lines {
        line.unit_price = "10".into();
    }
    request
}

fn asked(by: pb::ComplianceBy) -> pb::SummarizeComplianceRequest {
    pb::SummarizeComplianceRequest {
        first_day: "2026-03-01".into(),
        last_day: "2026-03-31".into(),
        by: by.into(),
        ..pb::SummarizeComplianceRequest::default()
    }
}

async fn summary(
    world: &World,
    caller: &str,
    asked: pb::SummarizeComplianceRequest,
) -> pb::SummarizeComplianceResponse {
    let answer = bureau(world).summarize_compliance(as_caller(asked, caller)).await;
    answer.expect("a summary").into_inner()
}

/// What the gateway says of all rules together: reminders, persons, amount; of those followed; explained; rate.
async fn told(world: &World) -> String {
    let sum = summary(world, "operator", asked(pb::ComplianceBy::Division)).await.sum.expect("a sum");
    format!(
        "{} {} {}; {} {} {}; {}; {}",
        sum.reminders,
        sum.persons,
        sum.amount,
        sum.followed_reminders,
        sum.followed_persons,
        sum.followed_amount,
        sum.explained_persons,
        sum.rate
    )
}

async fn void(world: &mut World, request_id: &str) {
    let void = pb::VoidRequest {
        request_id: format!("void {request_id}"),
        institution_code: PHARMACY.into(),
        target: Some(pb::void_request::Target::DispenseRequestId(request_id.into())),
    };
    world.gate.void(void).await.expect("voided");
}

/// Settles the hold `h1`.
async fn confirm(world: &mut World, request_id: &str) {
    let confirm = pb::ConfirmRequest {
        request_id: request_id.into(),
        institution_code: PHARMACY.into(),
        dispense_request_id: "h1".into(),
        settlement_id: "S1".into(),
        amount: "10".into(),
        occurred_at: None,
    };
    world.gate.confirm(confirm).await.expect("confirmed");
}

fn with_reason(request: pb::DispenseRequest, reason: &str) -> pb::DispenseRequest {
    pb::DispenseRequest { go_on_reason: reason.into(), ..request }
}

#[tokio::test]
async fn a_reminder_counts_once_however_often_its_sale_is_told() {
    let mut world = World::start().await;
    assert_eq!(told(&world).await, "0 0 0; 0 0 0; 0; ");
    world.dispense(dispense(PHARMACY, "plain", &[code(1)])).await;
    assert_eq!(told(&world).await, "0 0 0; 0 0 0; 0; ", "nobody was reminded");
    let first = world.dispense(reminded(PHARMACY, "r1", 1)).await;
    assert_eq!(first.verdict(), pb::Verdict::Remind, "{first:?}");
    assert_eq!(told(&world).await, "1 1 10; 0 0 0; 0; 0");
    let again = world.dispense(reminded(PHARMACY, "r1", 1)).await;
    assert!(again.replayed && again.verdict() == pb::Verdict::Remind);
    // The same document and box under another request id: the same sale, told over another channel.
    let mut twice = reminded(PHARMACY, "r2", 1);
    twice.document.as_mut().unwrap().document_no = "D-r1".into();
    assert_eq!(world.dispense(twice).await.verdict(), pb::Verdict::Remind);
    assert_eq!(told(&world).await, "1 1 10; 0 0 0; 0; 0");
    world.dispense(reminded(HOSPITAL, "h1", 2)).await;
    assert_eq!(told(&world).await, "2 2 20; 0 0 0; 0; 0");
    world.stop().await;
}

#[tokio::test]
async fn a_reason_follows_with_the_same_request_and_the_first_one_stays() {
    let mut world = World::start().await;
    let sale = reminded(PHARMACY, "r1", 1);
    world.dispense(sale.clone()).await;
    for reason in ["库存药品", "another reason"] {
        let again = world.dispense(with_reason(sale.clone(), reason)).await;
        assert!(again.replayed, "the first answer again");
        let outcome = world.outcome(PHARMACY, "r1").await.decision.expect("a decision");
        assert_eq!(outcome.go_on_reason, "库存药品", "the first one stays");
        assert_eq!(told(&world).await, "1 1 10; 0 0 0; 1; 0", "{reason}");
    }
    // With another request of the same document, and with the first one at once.
    world.dispense(reminded(PHARMACY, "r2", 2)).await;
    let mut other = with_reason(reminded(PHARMACY, "r3", 2), "also");
    other.document.as_mut().unwrap().document_no = "D-r2".into();
    world.dispense(other).await;
    assert_eq!(told(&world).await, "2 2 20; 0 0 0; 2; 0");
    world.dispense(with_reason(reminded(PHARMACY, "r4", 3), "at once")).await;
    assert_eq!(told(&world).await, "3 3 30; 0 0 0; 3; 0");
    // Where nothing reminds, a reason is not kept and disturbs nobody.
    let plain = with_reason(dispense(PHARMACY, "plain", &[code(1)]), "because");
    assert_eq!(world.dispense(plain).await.verdict(), pb::Verdict::Allow);
    let long = with_reason(reminded(PHARMACY, "long", 9), &"字".repeat(1000));
    refused(world.gate.dispense(long).await, Code::InvalidArgument, "go_on_reason");
    assert_eq!(told(&world).await, "3 3 30; 0 0 0; 3; 0");
    world.stop().await;
}

#[tokio::test]
async fn a_reminder_is_followed_where_the_sale_does_not_go_on() {
    let mut world = World::start().await;
    world.dispense(with_reason(reminded(PHARMACY, "r1", 1), "why")).await;
    void(&mut world, "r1").await;
    assert_eq!(told(&world).await, "1 1 10; 1 1 10; 0; 1");
    void(&mut world, "r1").await;
    assert_eq!(told(&world).await, "1 1 10; 1 1 10; 0; 1");
    // Before a settlement: whoever asks and does not confirm has followed.
    let hold = pb::DispenseRequest { hold: true, ..with_reason(reminded(PHARMACY, "h1", 2), "why") };
    assert_eq!(world.dispense(hold).await.verdict(), pb::Verdict::Remind);
    assert_eq!(told(&world).await, "2 2 20; 2 2 20; 0; 1");
    for n in 1..=2 {
        confirm(&mut world, &format!("confirm {n}")).await;
        assert_eq!(told(&world).await, "2 2 20; 1 1 10; 1; 0.5", "confirmed {n} times");
    }
    void(&mut world, "h1").await;
    assert_eq!(told(&world).await, "2 2 20; 2 2 20; 0; 1");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_that_another_message_settles_went_on() {
    for reported in [false, true] {
        let mut world = World::start().await;
        let hold = reminded(PHARMACY, "h1", 1);
        world.dispense(pb::DispenseRequest { hold: true, ..with_reason(hold.clone(), "why") }).await;
        assert_eq!(told(&world).await, "1 1 10; 1 1 10; 0; 1");
        if reported {
            let event = pb::report_request::Event::Sale(hold.document.unwrap());
            let report = pb::ReportRequest { request_id: "s1".into(), event: Some(event) };
            let told = world.gate.report(tokio_stream::once(report)).await.expect("reported").into_inner();
            assert!(told.results.iter().all(|result| result.refusal.is_empty()), "{told:?}");
        } else {
            world.dispense(pb::DispenseRequest { request_id: "s1".into(), ..hold }).await;
        }
        assert_eq!(told(&world).await, "1 1 10; 0 0 0; 1; 0", "reported: {reported}");
        confirm(&mut world, "confirm").await;
        assert_eq!(told(&world).await, "1 1 10; 0 0 0; 1; 0", "it went on once");
        void(&mut world, "h1").await;
        assert_eq!(told(&world).await, "1 1 10; 1 1 10; 0; 1");
        world.stop().await;
    }
}

#[tokio::test]
async fn reminders_are_grouped_and_everybody_sees_their_own() {
    use pb::ComplianceBy::{Day, Division, Institution, Month, Rule};
    let mut world = World::start().await;
    world.dispense(reminded(PHARMACY, "r1", 1)).await;
    world.clock.set(at(24 - 1, 0));
    world.dispense(reminded(OTHER_PHARMACY, "r2", 2)).await;
    world.clock.set(at(23, 0) + jiff::SignedDuration::from_hours(2));
    let mut missing = reminded(HOSPITAL, "r3", 3);
    let line = &mut missing.document.as_mut().unwrap().lines[0];
    (line.codes, line.catalog_code, line.unit_price) = (Vec::new(), DRUG.into(), "3".into());
    let told = world.dispense(missing).await;
    assert_eq!(told.verdict(), pb::Verdict::Remind, "a hospital without a code: {told:?}");
    let grouped = async |world: &World, caller: &str, by| {
        let answer = summary(world, caller, asked(by)).await;
        let row = |one: &pb::ComplianceSummary| format!("{} {} {}", one.rank, one.group, one.amount);
        let sum = answer.sum.expect("a sum").amount;
        (answer.groups.iter().map(row).collect::<Vec<_>>().join(", "), sum)
    };
    let rows = [
        (Division, "1 120101 23".to_owned()),
        (Institution, format!("1 {PHARMACY} 10, 2 {OTHER_PHARMACY} 10, 3 {HOSPITAL} 3")),
        (Day, "1 2026-03-10 20, 2 2026-03-11 3".to_owned()),
        (Month, "1 2026-03 23".to_owned()),
        (Rule, "1 PREFIX_UNMAPPED 20, 2 NO_CODE 3".to_owned()),
    ];
    for (by, expected) in rows {
        assert_eq!(grouped(&world, BUREAU, by).await, (expected, "23".to_owned()), "{by:?}");
    }
    let own = format!("institution {PHARMACY}");
    assert_eq!(grouped(&world, &own, Institution).await, (format!("1 {PHARMACY} 10"), "10".to_owned()));
    assert_eq!(grouped(&world, "bureau 1301", Institution).await, (String::new(), "0".to_owned()));
    let of_rule = pb::SummarizeComplianceRequest { rule: pb::Reason::NoCode.into(), ..asked(Rule) };
    let answer = summary(&world, "operator", of_rule).await;
    let [only] = &answer.groups[..] else { panic!("{answer:?}") };
    assert_eq!((only.group.as_str(), only.reminders), ("NO_CODE", 1));
    let first_day = pb::SummarizeComplianceRequest { last_day: "2026-03-10".into(), ..asked(Day) };
    assert_eq!(summary(&world, "operator", first_day).await.groups.len(), 1);
    let bad = [
        (pb::SummarizeComplianceRequest { last_day: "2026-02-28".into(), ..asked(Day) }, "before the first"),
        (pb::SummarizeComplianceRequest { first_day: "March".into(), ..asked(Day) }, "write it like"),
        (pb::SummarizeComplianceRequest { first_day: "2006-03-01".into(), ..asked(Day) }, "120 months"),
    ];
    for (asked, says) in bad {
        refused(bureau(&world).summarize_compliance(asked).await, Code::InvalidArgument, says);
    }
    let dir = world.stop().await;
    let world = World::open(dir, |_| {}).await;
    assert_eq!(
        grouped(&world, BUREAU, Month).await,
        ("1 2026-03 23".to_owned(), "23".to_owned()),
        "restarted"
    );
    world.stop().await;
}

#[tokio::test]
async fn duplicates_are_compared_with_what_was_sold() {
    let mut world = World::start().await;
    for n in 1..=4 {
        world.dispense(dispense(PHARMACY, &format!("r{n}"), &[code(n * 2), code(n * 2 + 1)])).await;
    }
    world.dispense(dispense(OTHER_PHARMACY, "again", &[code(2)])).await;
    let hospital = world.dispense(dispense(HOSPITAL, "h1", &[code(3)])).await;
    assert_eq!(hospital.verdict(), pb::Verdict::Remind, "recorded: a sale too");
    let counted = async |world: &World, by: pb::GroupBy| {
        let request = pb::SummarizeDuplicatesRequest { filter: None, by: by.into() };
        let answer = bureau(world).summarize_duplicates(as_caller(request, BUREAU)).await;
        let groups = answer.expect("groups").into_inner().groups.into_iter();
        let mut rows: Vec<_> =
            groups.map(|g| format!("{} {} of {}: {}", g.group, g.cases, g.sales, g.share)).collect();
        rows.sort();
        rows
    };
    assert_eq!(counted(&world, pb::GroupBy::Division).await, ["120101 2 of 9: 0.22222222"]);
    assert_eq!(counted(&world, pb::GroupBy::Month).await, ["2026-03 2 of 9: 0.22222222"]);
    assert_eq!(counted(&world, pb::GroupBy::Drug).await, [format!("{DRUG} 2 of 9: 0.22222222")]);
    let by_institution = [format!("{HOSPITAL} 1 of 1: 1"), format!("{OTHER_PHARMACY} 1 of 0: ")];
    assert_eq!(
        counted(&world, pb::GroupBy::Institution).await,
        by_institution,
        "who sold nothing has no share"
    );
    void(&mut world, "r4").await;
    assert_eq!(counted(&world, pb::GroupBy::Day).await, ["2026-03-10 2 of 7: 0.28571429"]);
    world.stop().await;
}
