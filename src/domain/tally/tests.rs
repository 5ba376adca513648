//! What counts as a sale and as a reminder, in tables; and that sums do not depend on the order of what is added.

use super::*;
use crate::domain::claim::{Event, History, PaperKey, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::document::{Document, Line};
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::Paper;
use crate::domain::outcome::Answer;
use crate::domain::verdict::{Enforcement, Evidence, Finding, Verdict};
use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

fn institution(n: u64) -> InstitutionCode {
    InstitutionCode::parse(&format!("P{:011}", 13_010_200_100 + n)).unwrap()
}

/// Hours after 2026-06-30T00:00:00+08:00: a month ends with the day.
fn moment(hours: i64) -> Timestamp {
    Timestamp::from_second(1_782_748_800 + hours * 3600).unwrap()
}

fn sale(document: u64, hours: i64) -> SaleEvent {
    SaleEvent {
        institution: institution(1),
        document: Some(PaperKey(document)),
        visit: None,
        occurred_at: moment(hours),
        received_at: moment(hours),
        part: Part::Whole,
        status: SaleStatus::Sold,
        first_findings: Vec::new(),
    }
}

fn history(sales: &[SaleEvent]) -> History {
    History { version: 1, events: sales.iter().cloned().map(Event::Sale).collect() }
}

/// Sales of each institution and day that a change makes.
fn counted(before: Option<&History>, after: &History) -> Vec<(String, i64)> {
    let mut count = Count::default();
    count.change(before, after);
    let mut rows = Vec::new();
    for (key, tally) in count.tallies() {
        let of_day = |(day, tally): &(u8, DayTally)| {
            (format!("{} {}", key.institution, key.month.day(*day).unwrap()), tally.sales)
        };
        rows.extend(tally.days().iter().map(of_day));
    }
    rows
}

#[track_caller]
fn check(before: Option<&History>, after: &History, expected: &[(&str, i64)]) {
    let expected: Vec<_> = expected.iter().map(|(day, n)| (format!("P13010200101 {day}"), *n)).collect();
    assert_eq!(counted(before, after), expected);
}

#[test]
fn a_sale_counts_once_for_each_document_on_its_day() {
    let one = history(&[sale(1, 1)]);
    check(None, &one, &[("2026-06-30", 1)]);
    check(Some(&one), &one, &[]);
    // The days are those of Asia/Shanghai.
    check(None, &history(&[sale(1, 24)]), &[("2026-07-01", 1)]);
    check(Some(&one), &history(&[sale(1, 1), sale(2, 25)]), &[("2026-07-01", 1)]);
    check(None, &history(&[sale(1, 1), sale(2, 25)]), &[("2026-06-30", 1), ("2026-07-01", 1)]);
}

#[test]
fn what_is_told_twice_counts_once() {
    let visit = |document: Option<u64>| SaleEvent {
        document: document.map(PaperKey),
        visit: Some(PaperKey(9)),
        ..sale(1, 1)
    };
    let first = history(&[visit(None)]);
    check(None, &first, &[("2026-06-30", 1)]);
    // The settlement names the visit alone, the sale both; another document of the visit is another sale.
    check(Some(&first), &history(&[visit(None), visit(Some(1))]), &[]);
    let both = history(&[visit(None), visit(Some(1))]);
    check(Some(&both), &history(&[visit(None), visit(Some(1)), visit(Some(2))]), &[]);
    check(
        Some(&history(&[visit(Some(1))])),
        &history(&[visit(Some(1)), visit(Some(2))]),
        &[("2026-06-30", 1)],
    );
}

#[test]
fn holds_count_once_confirmed_and_voids_take_back() {
    let held = SaleEvent { status: SaleStatus::Held { expires_at: moment(2) }, ..sale(1, 1) };
    let (held, sold) = (history(&[held]), history(&[sale(1, 1)]));
    check(None, &held, &[]);
    check(Some(&held), &sold, &[("2026-06-30", 1)]);
    // Confirmed after it lapsed: the day of the settlement.
    check(Some(&held), &history(&[sale(1, 25)]), &[("2026-07-01", 1)]);
    let voided = history(&[SaleEvent { status: SaleStatus::Voided, ..sale(1, 1) }]);
    check(Some(&sold), &voided, &[("2026-06-30", -1)]);
    check(Some(&held), &voided, &[]);
    let annulled = sold.annulled(0).unwrap();
    check(Some(&sold), &annulled, &[("2026-06-30", -1)]);
}

#[test]
fn a_return_leaves_the_sale_counted() {
    let sold = history(&[sale(1, 1)]);
    let back = Event::Return(ReturnEvent {
        institution: institution(1),
        document: Some(PaperKey(1)),
        visit: None,
        occurred_at: moment(3),
        received_at: moment(3),
        units: None,
    });
    check(Some(&sold), &sold.with(back), &[]);
}

#[test]
fn a_sale_on_record_is_found_by_document_or_visit() {
    let of = |document: Option<u64>, visit: Option<u64>| Paper {
        document: document.map(PaperKey),
        visit: visit.map(PaperKey),
    };
    let known = history(&[SaleEvent { visit: Some(PaperKey(9)), ..sale(1, 1) }]);
    assert!(is_on_record(&known, institution(1), of(Some(1), None)));
    assert!(is_on_record(&known, institution(1), of(None, Some(9))));
    assert!(!is_on_record(&known, institution(1), of(Some(2), Some(9))));
    assert!(!is_on_record(&known, institution(2), of(Some(1), None)));
    assert!(!is_held(&known, institution(1), of(Some(1), None)), "sold");
    let held = history(&[SaleEvent { status: SaleStatus::Held { expires_at: moment(2) }, ..sale(1, 1) }]);
    assert!(
        is_held(&held, institution(1), of(Some(1), None))
            && is_on_record(&held, institution(1), of(Some(1), None))
    );
    let voided = history(&[SaleEvent { status: SaleStatus::Voided, ..sale(1, 1) }]);
    assert!(!is_on_record(&voided, institution(1), of(Some(1), None)));
}

fn line(number: u32, yuan: Option<i64>) -> Line {
    Line {
        number,
        catalog_code: None,
        quantity: Some(Decimal::TWO),
        split: false,
        unit_price: yuan.map(Decimal::from),
        payment: Payment::Insured,
        occurred_at: None,
        scanned: Vec::new(),
    }
}

/// Three lines of 10, 20 and an unknown price, of two units each.
fn document() -> Document {
    Document {
        institution: institution(1),
        document_no: Some("D1".into()),
        visit_no: None,
        settlement_id: None,
        scene: Scene::Pharmacy,
        operator: None,
        lines: vec![line(1, Some(10)), line(2, Some(20)), line(3, None)],
    }
}

fn finding(reason: Reason, line: Option<u32>, code: Option<&str>) -> Finding {
    Finding {
        reason,
        class: None,
        role: None,
        enforcement: Enforcement::Remind,
        line,
        code: code.map(str::to_owned),
        evidence: Evidence::None,
    }
}

fn answer(findings: Vec<Finding>) -> Answer {
    Answer {
        outcome_id: "o".into(),
        verdict: Verdict::Remind,
        findings,
        policy_version: "v".into(),
        decided_at: moment(23),
        ledger_as_of: moment(23),
        purchases_as_of: None,
        recorded: true,
        after_the_fact: false,
        hold_expires_at: None,
    }
}

const fn count_of(reminders: i64, persons: i64, amount_fen: i64) -> Counted {
    Counted { reminders, persons, amount_fen }
}

#[test]
fn reminders_count_findings_persons_and_lines_by_rule_and_documents_over_all() {
    let mapped = finding(Reason::PrefixUnmapped, Some(1), Some("A"));
    let again = finding(Reason::PrefixUnmapped, Some(1), Some("B"));
    let bought = finding(Reason::Oversold, Some(2), None);
    let observed = Finding { enforcement: Enforcement::Observe, ..finding(Reason::NoCode, Some(3), None) };
    let told = answer(vec![mapped, again, bought, observed]);
    let counts = reminders(&document(), &told, &Earlier::default());
    let expected = [
        (None, count_of(1, 1, 6000)),
        (Some(Reason::PrefixUnmapped), count_of(2, 1, 2000)),
        (Some(Reason::Oversold), count_of(1, 1, 4000)),
    ];
    assert_eq!(counts, expected);
    let whole = answer(vec![finding(Reason::NoCode, None, None)]);
    let counts = reminders(&document(), &whole, &Earlier::default());
    assert_eq!(counts.first(), Some(&(None, count_of(1, 1, 6000))), "all lines of the document");
}

#[test]
fn what_reminds_nobody_at_a_counter_counts_nothing() {
    let told = answer(vec![finding(Reason::NoCode, Some(1), None)]);
    let rows = [
        Answer { verdict: Verdict::Block, ..told.clone() },
        Answer { verdict: Verdict::Allow, ..told.clone() },
        Answer { after_the_fact: true, ..told.clone() },
        Answer { recorded: false, ..told },
    ];
    for answer in rows {
        assert_eq!(reminders(&document(), &answer, &Earlier::default()), [], "{answer:?}");
    }
}

#[test]
fn the_same_sale_is_reminded_of_once() {
    let told = answer(vec![
        finding(Reason::PrefixUnmapped, Some(1), Some("A")),
        finding(Reason::NoCode, Some(2), None),
    ]);
    let before = Earlier { answers: vec![&told], codes: BTreeSet::new() };
    assert_eq!(reminders(&document(), &told, &before), []);
    // A code of which this very sale is on record was told over another message.
    let on_record = Earlier { answers: Vec::new(), codes: BTreeSet::from(["A".to_owned()]) };
    let counts = reminders(&document(), &told, &on_record);
    assert_eq!(counts, [(None, count_of(1, 1, 4000)), (Some(Reason::NoCode), count_of(1, 1, 4000))]);
    // Another line of the document: more reminders, and no more persons.
    let more = answer(vec![finding(Reason::NoCode, Some(1), None)]);
    let counts = reminders(&document(), &more, &Earlier { answers: vec![&told], codes: BTreeSet::new() });
    assert_eq!(counts, [(None, count_of(0, 0, 2000)), (Some(Reason::NoCode), count_of(1, 0, 2000))]);
}

fn reminder(reason: Option<&str>) -> Reminder {
    Reminder {
        counts: vec![(None, count_of(1, 1, 100)), (Some(Reason::NoCode), count_of(2, 1, 100))],
        reason: reason.map(str::to_owned),
        went_on: false,
    }
}

/// What courses come to, of all rules: reminders that were given, that went on, and persons that explained.
#[track_caller]
fn check_courses(steps: &[(Option<&str>, Course)], expected: Option<(i64, i64, i64)>) {
    let mut sum = Tally::default();
    for (reason, course) in steps {
        if let Some((key, tally)) = reminder(*reason).tally(institution(1), moment(23), *course) {
            assert_eq!((key.month.to_string(), key.institution), ("2026-06".to_owned(), institution(1)));
            sum.add(&tally);
        }
    }
    let all = sum.days().first().and_then(|(_, tally)| tally.rules().first().copied());
    let told = all.map(|(rule, reminded)| {
        assert_eq!(rule, None);
        (reminded.all.reminders, reminded.gone_on.reminders, reminded.explained)
    });
    assert_eq!(told, expected, "{steps:?}");
}

#[test]
fn a_reminder_is_followed_unless_the_sale_goes_on() {
    use Course::{Asked, AskedAndSold, Explained, Sold, TakenBack};
    check_courses(&[(None, Asked)], Some((1, 0, 0)));
    check_courses(&[(None, Asked), (None, Sold)], Some((1, 1, 0)));
    check_courses(&[(Some("r"), Asked), (Some("r"), Sold)], Some((1, 1, 1)));
    check_courses(&[(None, AskedAndSold)], Some((1, 1, 0)));
    check_courses(&[(Some("r"), AskedAndSold)], Some((1, 1, 1)));
    check_courses(&[(None, AskedAndSold), (None, Explained)], Some((1, 1, 1)));
    check_courses(&[(Some("r"), AskedAndSold), (Some("r"), TakenBack)], Some((1, 0, 0)));
    let taken_back = [(None, AskedAndSold), (None, Explained), (Some("r"), TakenBack)];
    check_courses(&taken_back, Some((1, 0, 0)));
    check_courses(&[], None);
}

#[test]
fn months_are_named_and_packed() {
    let month = Month::of(date(2026, 12, 31));
    assert_eq!((month.to_string(), month.next().to_string()), ("2026-12".to_owned(), "2027-01".to_owned()));
    assert_eq!(Month::unpack(month.packed()), month);
    let key = TallyKey { month, institution: institution(1) };
    assert_eq!(TallyKey::unpack(&key.packed()), Some(key));
    assert_eq!(TallyKey::unpack(&key.packed()[1..]), None);
    assert_eq!(month.day(31), Some(date(2026, 12, 31)));
    assert_eq!(Month::of(date(2026, 2, 1)).day(30), None);
}

fn any_tally() -> impl Strategy<Value = Tally> {
    let rule = prop_oneof![Just(None), Just(Some(Reason::NoCode)), Just(Some(Reason::Oversold))];
    let count = (-2_i64..3, -2_i64..3, -2_i64..3).prop_map(|(a, b, c)| count_of(a, b, c));
    let reminded = (count.clone(), count, -1_i64..2).prop_map(|(all, gone_on, explained)| Reminded {
        all,
        gone_on,
        explained,
    });
    let step = (1_u8..4, -2_i64..3, rule, reminded);
    prop::collection::vec(step, 0..6).prop_map(|steps| {
        let mut tally = Tally::default();
        for (day, sales, rule, reminded) in steps {
            tally.count_sales(day, sales);
            tally.count_reminders(day, rule, &reminded);
        }
        tally
    })
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_the_order(mut tallies in prop::collection::vec(any_tally(), 0..6), seed in any::<u64>()) {
        let sum = |tallies: &[Tally]| {
            let mut sum = Tally::default();
            tallies.iter().for_each(|tally| sum.add(tally));
            sum
        };
        let first = sum(&tallies);
        let by = usize::try_from(seed % 7).unwrap_or(0).min(tallies.len());
        tallies.rotate_left(by);
        tallies.reverse();
        prop_assert_eq!(&sum(&tallies), &first);
        let read = postcard::from_bytes::<Tally>(&postcard::to_stdvec(&first).unwrap()).unwrap();
        prop_assert_eq!(&read, &first);
    }

    #[test]
    fn what_is_taken_away_leaves_nothing(one in any_tally(), other in any_tally()) {
        let mut sum = one.clone();
        sum.add(&other);
        prop_assert_eq!(&sum.clone().without(&one), &other);
        prop_assert!(sum.clone().without(&sum).is_empty());
    }
}
