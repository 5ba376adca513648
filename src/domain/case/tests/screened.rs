//! What opens, joins, closes and re-classes a case by itself, and what is only proposed.

use super::*;

fn check(box1: &Box1, expected: &[&str]) {
    assert_eq!(box1.told(), expected);
}

#[test]
fn lawful_boxes_have_no_case() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).returned(1, 11, 60, 60).sold(2, 22, 120, 120);
    check(&one, &[]);
    assert_eq!(one.dossier, Dossier::default());
}

#[test]
fn a_third_sale_or_attempt_joins_the_open_case() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).sold(2, 22, 60, 60);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
    one.attempted(3, 33, 120);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !22 !33? 11"]);
    one.sold(1, 12, 180, 180);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !12 !22 !33? 11"]);
    let case = one.dossier.open_case().unwrap();
    assert_eq!(
        case.steps.iter().map(|s| s.kind.name()).collect::<Vec<_>>(),
        ["DETECTED", "JOINED", "JOINED"]
    );
    // The attempt has no amount; two sales of 100 yuan are at stake.
    assert_eq!(one.dossier.at_stake(case), Some(Decimal::from(200)));
    assert_eq!(case.place_of_care().unwrap().to_string(), "130102");
}

#[test]
fn classes_follow_institutions_and_gaps() {
    let mut same = Box1::default();
    same.sold(1, 11, 0, 0).sold(1, 12, 60, 60);
    check(&same, &["SAME_INSTITUTION DETECTED !12 11"]);
    let mut long = Box1::default();
    long.sold(1, 11, 0, 0).sold(2, 22, 60 * DAY, 60 * DAY);
    check(&long, &["OTHER_INSTITUTION_LONG_GAP DETECTED !22 11"]);
    let mut edge = Box1::default();
    edge.sold(1, 11, 0, 0).sold(2, 22, 7 * DAY, 7 * DAY);
    check(&edge, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
}

/// Edge case 11.
#[test]
fn a_return_reported_after_the_resale_closes_the_case() {
    let mut in_time = Box1::default();
    in_time.sold(1, 11, 0, 0).sold(2, 22, 2 * HOUR, 2 * HOUR).returned(1, 11, HOUR, 2 * DAY);
    check(&in_time, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL -11 -22"]);
    let mut late = Box1::default();
    late.sold(1, 11, 0, 0).sold(2, 22, 2 * HOUR, 2 * HOUR).returned(1, 11, HOUR, 4 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11 ?CLOSE"]);
    let mut rejected = late.clone();
    rejected.does(1, ActorKind::Bureau, Action::RejectProposal, 5 * DAY).unwrap().screen(5 * DAY);
    check(&rejected, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
    late.does(1, ActorKind::Bureau, Action::AcceptProposal, 5 * DAY).unwrap().screen(5 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL !22 11"]);
}

/// Edge case 16.
#[test]
fn the_later_event_is_the_duplicate_whichever_arrives_first() {
    let mut one = Box1::default();
    one.sold(2, 22, 2 * HOUR, 2 * HOUR).sold(1, 11, 0, DAY);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
    let case = one.dossier.open_case().unwrap();
    let [first, second] = case.involved.as_slice() else { panic!("{case:?}") };
    assert!(first.occurred_at < second.occurred_at && first.received_at > second.received_at);
    // Beyond the second limit its word alone shifts no blame.
    let mut late = Box1::default();
    late.sold(2, 22, 2 * HOUR, 2 * HOUR).sold(1, 11, 0, 4 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE DETECTED !11 22 ?FLIP"]);
    late.does(1, ActorKind::Bureau, Action::AcceptProposal, 5 * DAY).unwrap().screen(5 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
    let kinds: Vec<_> = late.dossier.cases[0].steps.iter().map(|s| s.kind.name()).collect();
    assert_eq!(kinds, ["DETECTED", "PROPOSED", "PROPOSAL_ACCEPTED", "RECLASSED"]);
}

#[test]
fn a_void_closes_a_case_only_in_time() {
    let mut in_time = Box1::default();
    in_time.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR).voided(2, 22, DAY);
    check(&in_time, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL -11 -22"]);
    let mut late = Box1::default();
    late.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR).voided(2, 22, 9 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11 ?CLOSE"]);
    late.does(1, ActorKind::Bureau, Action::RejectProposal, 9 * DAY).unwrap().screen(10 * DAY);
    check(&late, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
}

#[test]
fn a_blocked_attempt_turns_out_lawful() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).attempted(2, 22, 2 * HOUR).returned(1, 11, HOUR, DAY);
    check(&one, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL -11 -22?"]);
    // An attempt accuses nobody of what was sold after it.
    let mut before = Box1::default();
    before.sold(1, 11, 0, 0).attempted(2, 22, HOUR).voided(1, 11, 2 * HOUR).sold(3, 33, 3 * HOUR, 3 * HOUR);
    check(&before, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL -11 -22?"]);
}

#[test]
fn an_attempt_that_was_handed_over_all_the_same_is_a_sale() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).attempted(2, 22, HOUR);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !22? 11"]);
    assert_eq!(one.dossier.at_stake(one.dossier.open_case().unwrap()), Some(Decimal::ZERO));
    one.sold(2, 22, HOUR, DAY);
    check(&one, &["OTHER_INSTITUTION_CLOSE DETECTED !22 11"]);
    assert_eq!(one.dossier.at_stake(one.dossier.open_case().unwrap()), Some(Decimal::from(100)));
}

/// Edge case 23.
#[test]
fn a_makers_error_opens_no_case_and_closes_open_ones() {
    let mut listed = Box1 { makers_error: Some("notice 7"), ..Box1::default() };
    listed.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR);
    check(&listed, &[]);
    let mut open = Box1::default();
    open.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR);
    open.makers_error = Some("notice 7");
    open.screen(DAY);
    check(&open, &["OTHER_INSTITUTION_CLOSE CLOSED:MAKERS_ERROR !22 11"]);
    assert_eq!(open.dossier.cases[0].steps.last().unwrap().note, "notice 7");
}

#[test]
fn an_annulled_event_stays_visible_and_counts_no_more() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR).annulled(0, 9 * DAY);
    check(&one, &["OTHER_INSTITUTION_CLOSE CLOSED:DATA_ERROR -11 -22"]);
    assert_eq!(one.history.events.len(), 2);
    let annulled = one.dossier.cases[0].involved.iter().find(|i| i.fate == Fate::Annulled);
    assert_eq!(annulled.unwrap().name.document, Some(PaperKey(11)));
    assert!(one.history.annulled(0).is_none(), "twice");
}

/// Edge case 24.
#[test]
fn what_was_closed_stays_closed_and_a_new_sale_opens_a_case_of_its_own() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0).sold(2, 22, HOUR, HOUR);
    close(&mut one, Ending::Lawful);
    one.screen(30 * DAY);
    check(&one, &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL !22 11"]);
    one.sold(3, 33, 31 * DAY, 31 * DAY);
    check(
        &one,
        &["OTHER_INSTITUTION_CLOSE CLOSED:LAWFUL !22 11", "OTHER_INSTITUTION_LONG_GAP DETECTED !33 11"],
    );
}

pub(super) fn close(one: &mut Box1, ending: Ending) {
    use ActorKind::{Bureau, Institution};
    let number = one.dossier.open_case().unwrap().number;
    one.does(number, Bureau, Action::Push, 2 * DAY).unwrap();
    one.does(number, Institution, Action::Explain, 3 * DAY).unwrap();
    one.does(number, Bureau, Action::BeginReview, 4 * DAY).unwrap();
    one.does(number, Bureau, Action::Close { ending, amount: None }, 5 * DAY).unwrap();
}

#[test]
fn too_many_attempts_are_counted_and_not_kept() {
    let mut one = Box1::default();
    one.sold(1, 11, 0, 0);
    for n in 0..100 {
        one.attempted(2, 1000 + n, HOUR + i64::try_from(n).unwrap());
    }
    assert_eq!((one.dossier.attempts.len(), one.dossier.further_attempts), (ATTEMPTS_MAX, 36));
    let case = one.dossier.open_case().unwrap();
    assert_eq!((case.involved.len(), case.further), (INVOLVED_MAX, 1));
    // The same paper again is the same attempt.
    let before = one.dossier.clone();
    one.attempted(2, 1000, 2 * DAY);
    assert_eq!(one.dossier, before);
}
