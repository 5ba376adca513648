//! Properties of selection, against a slow model that shares no code with it.

use super::super::*;
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason};
use jiff::civil::{Date, date};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

const PREFIXES: [&str; 7] = ["", "1", "13", "12", "1301", "130102", "130104"];
const FORMS: [&str; 2] = ["tablet", "loose_injection"];

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

/// Mostly unset, so that rules match often enough to compete.
fn rarely<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Option<T>> {
    weighted(0.2, select(all))
}

fn days() -> impl Strategy<Value = Date> {
    (0..6_i8, 0..3_i8).prop_map(|(month, day)| date(2025, 6 + month, 1 + day))
}

fn scopes() -> impl Strategy<Value = Scope> {
    let institution = (
        one_of(&PREFIXES),
        rarely(InstitutionKind::ALL),
        rarely(Ownership::ALL),
        rarely(AgreementStatus::ALL),
        rarely(Period::ALL),
        rarely(Period::ALL),
    );
    let line = (
        rarely(Scene::ALL),
        rarely(Payment::ALL),
        rarely(DrugClass::ALL),
        rarely(&FORMS),
        weighted(0.2, any::<bool>()),
        weighted(0.2, any::<bool>()),
    );
    (institution, line).prop_map(|(institution, line)| {
        let (prefix, kind, ownership, agreement, transition, coaching) = institution;
        let (scene, payment, drug_class, dosage_form, must_split, split) = line;
        Scope {
            division_prefix: DivisionPrefix::parse(prefix).unwrap(),
            kind,
            ownership,
            agreement,
            transition,
            coaching,
            scene,
            payment,
            drug_class,
            dosage_form: dosage_form.map(String::from),
            must_split,
            split,
        }
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let reasons = one_of(&[Reason::Duplicate, Reason::NoCode]);
    let classes = rarely(DuplicateClass::ALL);
    let dates = (weighted(0.3, days()), weighted(0.3, days()));
    let rule = (reasons, classes, scopes(), dates, one_of(Enforcement::ALL), 1..500_usize).prop_map(
        |(reason, class, scope, (valid_from, valid_to), enforcement, line)| Rule {
            reason,
            class,
            scope,
            valid_from,
            valid_to,
            enforcement,
            note: String::new(),
            source: RuleSource { file: "test.toml".into(), line },
        },
    );
    proptest::collection::vec(rule, 0..30)
}

fn situations() -> impl Strategy<Value = Situation<'static>> {
    let institution = (
        one_of(InstitutionKind::ALL),
        one_of(&[130_102, 130_104, 130_203, 120_101]),
        proptest::option::of(one_of(Ownership::ALL)),
        proptest::option::of(days()),
        proptest::option::of(days()),
    )
        .prop_map(|(kind, division, ownership, agreement_signed_on, transition_ends_on)| {
            InstitutionTraits {
                kind,
                division: Division(division),
                ownership,
                agreement_signed_on,
                transition_ends_on,
            }
        });
    let drug = (one_of(DrugClass::ALL), one_of(&FORMS), any::<bool>())
        .prop_map(|(drug_class, dosage_form, must_split)| DrugTraits { drug_class, dosage_form, must_split });
    let drug = proptest::option::of(drug);
    (institution, one_of(Scene::ALL), one_of(Payment::ALL), drug, any::<bool>(), days()).prop_map(
        |(institution, scene, payment, drug, split, day)| Situation {
            institution,
            scene,
            payment,
            drug,
            split,
            day,
        },
    )
}

/// The first day on which a period counts as ended, written out month by month.
fn ended(end: Option<Date>, day: Date) -> Option<Period> {
    end.map(|end| if end <= day { Period::Ended } else { Period::Running })
}

fn six_months_after(day: Date) -> Date {
    let (year, month) = if day.month() > 6 { (1, day.month() - 6) } else { (0, day.month() + 6) };
    date(day.year() + year, month, day.day())
}

fn fits<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
    wanted.is_none() || wanted == found
}

/// Whether a scope matches, judged over names and whole values.
fn scope_matches(scope: &Scope, at: &Situation<'_>) -> bool {
    let party = at.institution;
    let new = party.agreement_signed_on.map(|day| day >= date(2025, 5, 28));
    let agreement = new.map(|new| if new { AgreementStatus::New } else { AgreementStatus::Existing });
    let end = if new == Some(true) { party.agreement_signed_on } else { party.transition_ends_on };
    let transition = party.ownership.map(|_| ended(end, at.day).unwrap_or(Period::Ended));
    let coaching = ended(party.agreement_signed_on.map(six_months_after), at.day);
    party.division.is_within(&scope.division_prefix.to_string())
        && fits(&scope.kind, &Some(party.kind))
        && fits(&scope.ownership, &party.ownership)
        && fits(&scope.agreement, &agreement)
        && fits(&scope.transition, &transition)
        && fits(&scope.coaching, &coaching)
        && fits(&scope.scene, &Some(at.scene))
        && fits(&scope.payment, &Some(at.payment))
        && fits(&scope.drug_class, &at.drug.map(|drug| drug.drug_class))
        && fits(&scope.dosage_form, &at.drug.map(|drug| drug.dosage_form.to_owned()))
        && fits(&scope.must_split, &at.drug.map(|drug| drug.must_split))
        && fits(&scope.split, &Some(at.split))
}

fn rule_matches(rule: &Rule, class: Option<DuplicateClass>, at: &Situation<'_>) -> bool {
    scope_matches(&rule.scope, at)
        && fits(&rule.class, &class)
        && rule.valid_from.is_none_or(|from| from <= at.day)
        && rule.valid_to.is_none_or(|to| at.day <= to)
}

/// How specific a rule is, and of equals the stricter first.
fn weight(rule: &Rule) -> impl Ord + std::fmt::Debug + use<> {
    let scope = &rule.scope;
    let prefix = scope.division_prefix.to_string().len();
    (prefix, scope.other_fields_set(), rule.class.is_some(), rule.valid_from, rule.enforcement)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_winner_matches_and_nothing_that_matches_is_more_specific(
        rules in rules(),
        at in situations(),
        class in proptest::option::of(one_of(DuplicateClass::ALL)),
    ) {
        let policy = Policy::new(rules, vec![], Settings::default());
        let matching = policy.rules().iter().filter(|rule| {
            rule.reason == Reason::Duplicate && rule_matches(rule, class, &at)
        });
        let ruling = policy.ruling(Reason::Duplicate, class, &at);
        prop_assert_eq!(ruling.rule.map(weight), matching.map(weight).max());
        prop_assert_eq!(ruling.enforcement, ruling.rule.map_or(Enforcement::Off, |rule| rule.enforcement));
        if let Some(rule) = ruling.rule {
            prop_assert!(rule.reason == Reason::Duplicate && rule_matches(rule, class, &at));
        }
        for candidate in policy.explain(Reason::Duplicate, class, &at) {
            prop_assert_eq!(candidate.mismatch.is_none(), rule_matches(candidate.rule, class, &at));
            prop_assert_eq!(candidate.wins, ruling.rule == Some(candidate.rule));
        }
    }

    #[test]
    fn the_order_of_rules_means_nothing(
        (rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        at in situations(),
    ) {
        let one = Policy::new(rules, vec![], Settings::default());
        let other = Policy::new(shuffled, vec![], Settings::default());
        prop_assert_eq!(one.ruling(Reason::NoCode, None, &at), other.ruling(Reason::NoCode, None, &at));
        prop_assert_eq!(one.version(), other.version());
    }

    #[test]
    fn without_contradictions_equals_agree(rules in rules(), at in situations()) {
        prop_assume!(contradictions(&rules).is_empty());
        let policy = Policy::new(rules, vec![], Settings::default());
        let ruling = policy.ruling(Reason::NoCode, None, &at);
        let place = |rule: &Rule| {
            (rule.scope.division_prefix.digits(), rule.scope.other_fields_set(), rule.valid_from)
        };
        let mut equals = policy.rules().iter().filter(|rule| {
            rule.reason == Reason::NoCode
                && rule_matches(rule, None, &at)
                && ruling.rule.is_some_and(|winner| place(winner) == place(rule))
        });
        prop_assert!(equals.all(|rule| rule.enforcement == ruling.enforcement));
    }
}
