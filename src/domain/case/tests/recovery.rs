//! What people do to cases: money is recovered once, four eyes close a second review, nobody acts without a reason.

use super::screened::close;
use super::*;
use ActorKind::{Bureau, Institution};

fn two_sales() -> Box1 {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR);
    one
}

fn reviewed() -> Box1 {
    let mut one = two_sales();
    one.does(1, Bureau, Action::Push, DAY).unwrap();
    one.does(1, Institution, Action::Appeal, 2 * DAY).unwrap();
    one.does(1, Bureau, Action::BeginReview, 3 * DAY).unwrap();
    one
}

const fn violation(amount: Option<Decimal>) -> Action {
    Action::Close { ending: Ending::Violation, amount }
}

#[test]
fn a_violation_recovers_what_is_at_stake() {
    let mut one = two_sales();
    close(&mut one, Ending::Violation);
    let conclusion = one.dossier.cases[0].conclusion.clone().unwrap();
    assert_eq!(conclusion.recovered, Decimal::from(100));
    assert_eq!(conclusion.recovered_from.len(), 1);
    assert_eq!(one.dossier.cases[0].due_on, None);
}

/// Edge case 24.
#[test]
fn nothing_is_recovered_twice() {
    let mut one = two_sales();
    close(&mut one, Ending::Violation);
    // Now the first sale is taken out, and a third one meets the second, which was recovered already.
    one.annulled(0, 20 * DAY).sold(3, 33, 0, 20 * DAY);
    assert_eq!(one.dossier.cases.len(), 2, "{:?}", one.told());
    let case = one.dossier.open_case().unwrap();
    let recovered = case.involved.iter().find(|i| i.name.document == Some(PaperKey(22))).unwrap();
    assert!(one.dossier.is_recovered(&recovered.name));
    assert!(!one.dossier.may_be_recovered(recovered));
    let total: Decimal = one.dossier.cases.iter().filter_map(|c| one.dossier.at_stake(c)).sum();
    assert!(total <= Decimal::from(100), "{total}");
}

#[test]
fn attempts_are_never_recovered() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).attempted(2, 22, HOUR);
    one.does(1, Bureau, Action::Push, DAY).unwrap();
    one.does(1, Institution, Action::Explain, DAY).unwrap();
    one.does(1, Bureau, Action::BeginReview, DAY).unwrap();
    let asked = one.clone().does(1, Bureau, violation(Some(Decimal::ONE)), DAY).map(drop);
    assert_eq!(asked, Err(Refused::NothingToRecover));
    one.does(1, Bureau, violation(None), DAY).unwrap();
    let conclusion = one.dossier.cases[0].conclusion.clone().unwrap();
    assert_eq!((conclusion.recovered, conclusion.recovered_from), (Decimal::ZERO, Vec::new()));
}

#[test]
fn a_refund_lowers_what_is_recovered() {
    let refund = |yuan: i64| Action::MarkRefund { amount: Decimal::from(yuan) };
    let mut one = reviewed();
    one.does(1, Institution, refund(30), 3 * DAY).unwrap();
    let most = Decimal::from(70);
    assert_eq!(
        one.clone().does(1, Institution, refund(71), 3 * DAY).map(drop),
        Err(Refused::TooMuch { most })
    );
    assert_eq!(
        one.clone().does(1, Bureau, violation(Some(Decimal::from(71))), 4 * DAY).map(drop),
        Err(Refused::TooMuch { most })
    );
    one.does(1, Bureau, violation(None), 4 * DAY).unwrap();
    assert_eq!(one.dossier.cases[0].conclusion.as_ref().unwrap().recovered, most);
    assert_eq!(one.dossier.cases[0].refunded, Decimal::from(30));
}

#[test]
fn an_unknown_amount_must_be_named() {
    let mut one = reviewed();
    for involved in &mut one.dossier.cases[0].involved {
        involved.details.amount = None;
    }
    assert_eq!(one.clone().does(1, Bureau, violation(None), 4 * DAY).map(drop), Err(Refused::AmountNeeded));
    one.does(1, Bureau, violation(Some(Decimal::from(55))), 4 * DAY).unwrap();
    assert_eq!(one.dossier.cases[0].conclusion.as_ref().unwrap().recovered, Decimal::from(55));
}

#[test]
fn deeds_are_refused_with_the_reason() {
    let rules = CaseRules::default();
    let refused = |one: &Box1, deed: Deed| one.dossier.advanced(1, &deed, &rules).expect_err("refused");
    let one = reviewed();
    let lawful = Action::Close { ending: Ending::Lawful, amount: Some(Decimal::ONE) };
    assert_eq!(refused(&one, deed(Bureau, "Li", lawful, DAY)), Refused::AmountUnexpected);
    let unnamed = deed(Bureau, " ", Action::BeginSecondReview, DAY);
    assert_eq!(refused(&one, unnamed), Refused::NoName);
    let silent = Deed { note: String::new(), ..deed(Bureau, "Li", violation(None), DAY) };
    assert_eq!(refused(&one, silent), Refused::NoNote(ActionKind::Close));
    let long = Deed { note: "長".repeat(2001), ..deed(Bureau, "Li", violation(None), DAY) };
    assert_eq!(refused(&one, long), Refused::TooLong);
    assert_eq!(refused(&one, deed(Bureau, "Li", Action::AcceptProposal, DAY)), Refused::NoProposal);
    assert_eq!(
        one.dossier.advanced(2, &deed(Bureau, "Li", Action::Push, DAY), &rules),
        Err(Refused::NoSuchCase)
    );
    let not_now = refused(&one, deed(Institution, "Wang", Action::Appeal, DAY)).to_string();
    assert_eq!(
        not_now,
        "APPEAL is not possible for INSTITUTION while the case is FIRST_REVIEW; possible: EXPLAIN, MARK_REFUND"
    );
}

#[test]
fn a_second_review_is_closed_by_other_eyes() {
    let mut one = reviewed();
    one.does(1, Bureau, Action::BeginSecondReview, 4 * DAY).unwrap();
    let rules = CaseRules::default();
    let same = one.dossier.advanced(1, &deed(Bureau, "Li", violation(None), 5 * DAY), &rules);
    assert_eq!(same, Err(Refused::SameReviewer("Li".to_owned())));
    let other = one.dossier.advanced(1, &deed(Bureau, "Zhao", violation(None), 5 * DAY), &rules).unwrap();
    assert!(other.cases[0].is_closed());
}

#[test]
fn an_institution_has_its_days_to_answer() {
    let mut one = two_sales();
    one.does(1, Bureau, Action::Push, 0).unwrap();
    // Pushed on a Monday: until the next Monday.
    let due = one.dossier.cases[0].due_on.unwrap();
    assert_eq!(due.to_string(), "2026-06-08");
    let early = one.clone().does(1, Bureau, Action::BeginReview, 3 * DAY).map(drop);
    assert_eq!(early, Err(Refused::NotOverdue(due)));
    one.does(1, Bureau, Action::BeginReview, 8 * DAY).unwrap();
    assert_eq!(one.dossier.cases[0].state, CaseState::FirstReview);
}
