//! What the tests of this room share: one ordinary sale, and short ways to write rules.

mod properties;
mod regimes;
mod selection;
mod values;

use super::*;
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::verdict::{Enforcement, Reason};
use jiff::civil::date;

/// A scope with some fields set.
fn scope(set: impl FnOnce(&mut Scope)) -> Scope {
    let mut scope = Scope::default();
    set(&mut scope);
    scope
}

fn rule(scope: Scope, enforcement: Enforcement) -> Rule {
    Rule {
        reason: Reason::NotPurchased,
        class: None,
        scope,
        valid_from: None,
        valid_to: None,
        enforcement,
        note: String::new(),
        source: source("test.toml", 1),
    }
}

/// A copy of a rule with something changed.
fn with(rule: &Rule, change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = rule.clone();
    change(&mut rule);
    rule
}

fn exemption(name: &str, scope: Scope) -> Exemption {
    Exemption {
        name: name.into(),
        sentence_zh: "免于扫码。".into(),
        sentence_en: "Exempt.".into(),
        scope,
        valid_from: Some(date(2025, 7, 1)),
        valid_to: None,
        source: source("test.toml", 1),
    }
}

fn source(file: &str, line: usize) -> RuleSource {
    let file = file.to_owned();
    RuleSource { file, line }
}

fn prefix(text: &str) -> DivisionPrefix {
    DivisionPrefix::parse(text).unwrap()
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy::new(rules, vec![], Settings::default())
}

fn hospital() -> InstitutionTraits {
    InstitutionTraits {
        kind: InstitutionKind::Hospital,
        division: Division(130_102),
        ownership: Some(Ownership::Private),
        agreement_signed_on: Some(date(2019, 5, 1)),
        transition_ends_on: None,
    }
}

fn situation() -> Situation<'static> {
    let drug = DrugTraits { drug_class: DrugClass::Western, dosage_form: "tablet", must_split: false };
    Situation {
        institution: hospital(),
        scene: Scene::Outpatient,
        payment: Payment::Insured,
        drug: Some(drug),
        split: false,
        day: date(2025, 11, 3),
    }
}

/// Whether a rule applies to a situation.
fn applies(rule: &Rule, at: &Situation<'_>) -> bool {
    let policy = policy(vec![rule.clone()]);
    policy.ruling(rule.reason, None, at).rule.is_some()
}
