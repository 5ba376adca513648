//! Which rule or exemption wins, what is explained, and what contradicts.

use super::*;
use crate::domain::verdict::DuplicateClass;

#[test]
fn the_most_specific_rule_wins() {
    let of = |scope| with(&rule(scope, Enforcement::Remind), |rule| rule.reason = Reason::Duplicate);
    let classed = |of: &Rule| with(of, |rule| rule.class = Some(DuplicateClass::SplitOverdraw));
    let from = |of: &Rule, month| with(of, |rule| rule.valid_from = Some(date(2025, month, 1)));
    let any = of(Scope::default());
    let national = of(scope(|scope| {
        scope.kind = Some(InstitutionKind::Hospital);
        scope.payment = Some(Payment::Insured);
        scope.split = Some(false);
    }));
    let province = of(scope(|scope| scope.division_prefix = prefix("13")));
    let city = of(scope(|scope| scope.division_prefix = prefix("1301")));
    #[rustfmt::skip]
    let rows = [
        ("a prefix before other fields", province.clone(), classed(&national)),
        ("the longer prefix", city.clone(), from(&classed(&province), 1)),
        ("more fields", national.clone(), from(&classed(&any), 1)),
        ("a class before the later start", classed(&city), from(&city, 1)),
        ("the later start", from(&classed(&city), 2), from(&classed(&city), 1)),
        ("a start before none", from(&city, 1), city.clone()),
    ];
    let class = Some(DuplicateClass::SplitOverdraw);
    for (name, winner, loser) in rows {
        for rules in [vec![winner.clone(), loser.clone()], vec![loser, winner.clone()]] {
            let policy = policy(rules);
            let ruling = policy.ruling(Reason::Duplicate, class, &situation());
            assert_eq!(ruling.rule, Some(&winner), "{name}");
        }
    }
}

#[test]
fn a_rule_of_a_class_decides_that_class_only() {
    let rule = with(&rule(Scope::default(), Enforcement::Block), |rule| {
        rule.reason = Reason::Duplicate;
        rule.class = Some(DuplicateClass::PackOverlap);
    });
    let policy = policy(vec![rule]);
    let classes = DuplicateClass::ALL.iter().copied().map(Some);
    for class in classes.chain([None]) {
        let decides = class == Some(DuplicateClass::PackOverlap);
        let ruling = policy.ruling(Reason::Duplicate, class, &situation());
        assert_eq!(ruling.enforcement == Enforcement::Block, decides, "{class:?}");
    }
}

#[test]
fn no_rule_is_off_and_other_reasons_do_not_count() {
    let policy = policy(vec![rule(Scope::default(), Enforcement::Block)]);
    let ruling = policy.ruling(Reason::Oversold, None, &situation());
    assert_eq!((ruling.enforcement, ruling.rule), (Enforcement::Off, None));
    let ruling = policy.ruling(Reason::NotPurchased, None, &situation());
    assert_eq!(ruling.enforcement, Enforcement::Block);
}

#[test]
fn explain_names_the_first_difference_of_each_rule() {
    let paid = |kind, payment| {
        let scope = scope(|scope| {
            scope.kind = Some(kind);
            scope.payment = Some(payment);
        });
        rule(scope, Enforcement::Remind)
    };
    let elsewhere = scope(|scope| scope.division_prefix = prefix("44"));
    let insured = paid(InstitutionKind::Hospital, Payment::Insured);
    let policy = policy(vec![
        rule(Scope::default(), Enforcement::Observe),
        rule(elsewhere, Enforcement::Off),
        with(&insured, |rule| rule.valid_from = Some(date(2026, 1, 1))),
        with(&insured, |rule| rule.valid_from = Some(date(2025, 1, 1))),
        with(&insured, |rule| rule.valid_to = Some(date(2024, 12, 31))),
        paid(InstitutionKind::Pharmacy, Payment::SelfPaid),
        with(&insured, |rule| rule.reason = Reason::Oversold),
    ]);
    let candidates = policy.explain(Reason::NotPurchased, None, &situation());
    let mut found: Vec<_> = candidates
        .iter()
        .map(|candidate| (candidate.mismatch.map_or("", Mismatch::name), candidate.wins))
        .collect();
    assert_eq!(found.first(), Some(&("division_prefix", false)), "the most specific comes first");
    assert_eq!(found.last(), Some(&("", false)), "the least specific comes last");
    found.sort_unstable();
    let expected = [("", false), ("", true), ("division_prefix", false), ("kind", false)];
    assert_eq!(found[..4], expected);
    assert_eq!(found[4..], [("valid_from", false), ("valid_to", false)]);
}

#[test]
fn each_field_that_differs_is_named() {
    type Set = fn(&mut Scope);
    #[rustfmt::skip]
    let rows: [(ScopeField, Set); 12] = [
        (ScopeField::DivisionPrefix, |scope| scope.division_prefix = prefix("12")),
        (ScopeField::Kind, |scope| scope.kind = Some(InstitutionKind::Pharmacy)),
        (ScopeField::Ownership, |scope| scope.ownership = Some(Ownership::Public)),
        (ScopeField::Agreement, |scope| scope.agreement = Some(AgreementStatus::New)),
        (ScopeField::Transition, |scope| scope.transition = Some(Period::Running)),
        (ScopeField::Coaching, |scope| scope.coaching = Some(Period::Running)),
        (ScopeField::Scene, |scope| scope.scene = Some(Scene::Inpatient)),
        (ScopeField::Payment, |scope| scope.payment = Some(Payment::SelfPaid)),
        (ScopeField::DrugClass, |scope| scope.drug_class = Some(DrugClass::TcmPieces)),
        (ScopeField::DosageForm, |scope| scope.dosage_form = Some("Tablet".into())),
        (ScopeField::MustSplit, |scope| scope.must_split = Some(true)),
        (ScopeField::Split, |scope| scope.split = Some(true)),
    ];
    assert_eq!(rows.map(|(field, _)| field), ScopeField::ALL);
    for (field, set) in rows {
        let found = scope(set).first_mismatch(&situation(), &Settings::default());
        assert_eq!(found, Some(field));
    }
    let all = scope(|scope| rows.iter().for_each(|(_, set)| set(scope)));
    assert_eq!(all.first_mismatch(&situation(), &Settings::default()), Some(ScopeField::DivisionPrefix));
}

#[test]
fn the_most_specific_exemption_is_named() {
    let hospitals = scope(|scope| scope.kind = Some(InstitutionKind::Hospital));
    let exemptions = vec![exemption("everybody", Scope::default()), exemption("hospitals", hospitals)];
    let policy = Policy::new(vec![], exemptions, Settings::default());
    let check = |kind, day, expected: Option<&str>| {
        let mut at = situation();
        at.institution.kind = kind;
        at.day = day;
        let found = policy.exemption(&at).map(|exemption| exemption.name.as_str());
        assert_eq!(found, expected, "{kind} {day}");
    };
    check(InstitutionKind::Hospital, date(2025, 7, 1), Some("hospitals"));
    check(InstitutionKind::Pharmacy, date(2025, 7, 1), Some("everybody"));
    check(InstitutionKind::Hospital, date(2025, 6, 30), None);
}

#[test]
fn only_rules_that_could_meet_as_equals_contradict_each_other() {
    let of = |set: fn(&mut Scope)| rule(scope(set), Enforcement::Remind);
    let hospital = of(|scope| scope.kind = Some(InstitutionKind::Hospital));
    let pharmacy = of(|scope| scope.kind = Some(InstitutionKind::Pharmacy));
    let inpatient = of(|scope| scope.scene = Some(Scene::Inpatient));
    let hebei = of(|scope| scope.division_prefix = prefix("13"));
    let tianjin = of(|scope| scope.division_prefix = prefix("12"));
    let any = of(|_| ());
    let from = with(&hospital, |rule| rule.valid_from = Some(date(2025, 1, 1)));
    let until = with(&hospital, |rule| rule.valid_to = Some(date(2025, 1, 1)));
    let oversold = with(&hospital, |rule| rule.reason = Reason::Oversold);
    let overdraw = with(&any, |rule| rule.class = Some(DuplicateClass::SplitOverdraw));
    let overlap = with(&any, |rule| rule.class = Some(DuplicateClass::PackOverlap));
    #[rustfmt::skip]
    let rows = [
        ("the same scope", &hospital, &hospital, true),
        ("another kind", &hospital, &pharmacy, false),
        ("another number of fields", &hospital, &any, false),
        ("other fields, as many", &hospital, &inpatient, true),
        ("another start", &hospital, &from, false),
        ("the same start", &from, &from, true),
        ("the same open start, another end", &hospital, &until, true),
        ("another reason", &hospital, &oversold, false),
        ("another length of prefix", &hebei, &any, false),
        ("another area", &hebei, &tianjin, false),
        ("the same area", &hebei, &hebei, true),
        ("another class", &overdraw, &overlap, false),
        ("the same class", &overdraw, &overdraw, true),
        ("a class and none", &overdraw, &any, false),
    ];
    for (name, one, other, expected) in rows {
        let block = with(other, |rule| rule.enforcement = Enforcement::Block);
        assert_eq!(!contradictions([one, &block]).is_empty(), expected, "{name}");
        assert_eq!(!contradictions([&block, one]).is_empty(), expected, "{name}, other way round");
        assert!(contradictions([one, other]).is_empty(), "{name}, the same enforcement");
    }
}
