//! The first day of a regime, and what is not known.

use super::*;
use crate::domain::party::InstitutionCode;
use jiff::civil::Date;

fn check(
    name: &str,
    rule: &Rule,
    institution: InstitutionTraits,
    (year, month, day): (i16, i8, i8),
    expected: bool,
) {
    let mut at = situation();
    at.institution = institution;
    at.day = date(year, month, day);
    assert_eq!(applies(rule, &at), expected, "{name}");
}

fn signed(day: Date) -> InstitutionTraits {
    let agreement_signed_on = Some(day);
    InstitutionTraits { agreement_signed_on, ..hospital() }
}

fn transition(end: Option<Date>) -> InstitutionTraits {
    InstitutionTraits { transition_ends_on: end, ..hospital() }
}

#[test]
fn edge_case_38_the_first_and_last_day_of_a_rule() {
    let any = rule(Scope::default(), Enforcement::Block);
    let end = Some(date(2025, 9, 30));
    let from = with(&any, |rule| rule.valid_from = end);
    let to = with(&any, |rule| rule.valid_to = end);
    check("start, the day before", &from, hospital(), (2025, 9, 29), false);
    check("start, the day itself", &from, hospital(), (2025, 9, 30), true);
    check("end, the last day", &to, hospital(), (2025, 9, 30), true);
    check("end, the day after", &to, hospital(), (2025, 10, 1), false);
}

#[test]
fn edge_case_38_the_end_of_the_transition() {
    let ended = rule(scope(|scope| scope.transition = Some(Period::Ended)), Enforcement::Block);
    let running = rule(scope(|scope| scope.transition = Some(Period::Running)), Enforcement::Block);
    let end = Some(date(2025, 9, 30));
    let new = signed(date(2025, 6, 1));
    let new_with_end = InstitutionTraits { transition_ends_on: end, ..new };
    let unsigned = InstitutionTraits { agreement_signed_on: None, ..transition(end) };
    #[rustfmt::skip]
    let rows = [
        ("existing, the day before", transition(end), (2025, 9, 29), false),
        ("existing, the day itself", transition(end), (2025, 9, 30), true),
        ("existing without an end", transition(None), (2025, 1, 1), true),
        ("new, the day before signing", new, (2025, 5, 31), false),
        ("new, the day of signing", new, (2025, 6, 1), true),
        ("new does not wait for an end", new_with_end, (2025, 6, 1), true),
        ("day of signing not known, the day before", unsigned, (2025, 9, 29), false),
        ("day of signing not known, the day itself", unsigned, (2025, 9, 30), true),
    ];
    for (name, institution, day, expected) in rows {
        check(name, &ended, institution, day, expected);
        check(name, &running, institution, day, !expected);
    }
}

#[test]
fn edge_case_38_the_end_of_coaching() {
    let ended = rule(scope(|scope| scope.coaching = Some(Period::Ended)), Enforcement::Block);
    let running = rule(scope(|scope| scope.coaching = Some(Period::Running)), Enforcement::Block);
    #[rustfmt::skip]
    let rows = [
        ("the day before", date(2025, 3, 15), (2025, 9, 14), false),
        ("the day itself", date(2025, 3, 15), (2025, 9, 15), true),
        ("in a short month, the day before", date(2025, 8, 31), (2026, 2, 27), false),
        ("in a short month, its last day", date(2025, 8, 31), (2026, 2, 28), true),
    ];
    for (name, signed_on, day, expected) in rows {
        check(name, &ended, signed(signed_on), day, expected);
        check(name, &running, signed(signed_on), day, !expected);
    }
}

#[test]
fn edge_case_38_the_first_day_of_new_agreements() {
    let new = rule(scope(|scope| scope.agreement = Some(AgreementStatus::New)), Enforcement::Block);
    let existing = rule(scope(|scope| scope.agreement = Some(AgreementStatus::Existing)), Enforcement::Block);
    for (signed_on, is_new) in [(date(2025, 5, 27), false), (date(2025, 5, 28), true)] {
        check("new", &new, signed(signed_on), (2026, 1, 1), is_new);
        check("existing", &existing, signed(signed_on), (2026, 1, 1), !is_new);
    }
}

/// Every value of a field: at most one matches, and none where the field is not known.
#[test]
fn what_is_not_known_does_not_match() {
    let code = InstitutionCode::parse("P13010200123").unwrap();
    let mut unregistered = situation();
    unregistered.institution = code.into();
    unregistered.drug = None;
    let mut unsigned = situation();
    unsigned.institution.agreement_signed_on = None;
    type Set = fn(&mut Scope);
    #[rustfmt::skip]
    let rows: [(&str, Set, bool, bool); 15] = [
        ("hospital", |scope| scope.kind = Some(InstitutionKind::Hospital), false, true),
        ("pharmacy by its code", |scope| scope.kind = Some(InstitutionKind::Pharmacy), true, false),
        ("division by its code", |scope| scope.division_prefix = prefix("1301"), true, true),
        ("private", |scope| scope.ownership = Some(Ownership::Private), false, true),
        ("new", |scope| scope.agreement = Some(AgreementStatus::New), false, false),
        ("existing", |scope| scope.agreement = Some(AgreementStatus::Existing), false, false),
        ("transition running", |scope| scope.transition = Some(Period::Running), false, false),
        ("transition ended", |scope| scope.transition = Some(Period::Ended), false, true),
        ("coaching running", |scope| scope.coaching = Some(Period::Running), false, false),
        ("coaching ended", |scope| scope.coaching = Some(Period::Ended), false, false),
        ("drug class", |scope| scope.drug_class = Some(DrugClass::Western), false, true),
        ("dosage form", |scope| scope.dosage_form = Some("tablet".into()), false, true),
        ("must not split", |scope| scope.must_split = Some(false), false, true),
        ("must split", |scope| scope.must_split = Some(true), false, false),
        ("whole", |scope| scope.split = Some(false), true, true),
    ];
    for (name, set, when_unregistered, when_unsigned) in rows {
        let rule = rule(scope(set), Enforcement::Block);
        assert_eq!(applies(&rule, &unregistered), when_unregistered, "{name}, not registered");
        assert_eq!(applies(&rule, &unsigned), when_unsigned, "{name}, day of signing not known");
    }
}
