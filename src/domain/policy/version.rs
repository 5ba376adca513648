//! The version of a policy: a hash over its meaning, not over its files.
//!
//! Each rule becomes one canonical text of `key=length:value` fields. Fields that are not set leave
//! no trace, so a field added to the model later does not change the version of older content.

use super::rule::{Exemption, Rule};
use super::scope::Scope;
use super::settings::{CaseRules, Settings};
use crate::domain::case::Calendar;
use jiff::civil::Date;
use std::fmt;

/// Names the content of a policy. `Display` gives the first 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyVersion([u8; 32]);

impl PolicyVersion {
    /// Expects rules and exemptions in their canonical order.
    pub(super) fn of(rules: &[Rule], exemptions: &[Exemption], settings: &Settings) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tracegate policy 1\n");
        hasher.update(canonical_settings(settings).as_bytes());
        for rule in rules {
            hasher.update(canonical_rule(rule).as_bytes());
        }
        for exemption in exemptions {
            hasher.update(canonical_exemption(exemption).as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// All 64 hex digits.
    pub fn full_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A rule's meaning as text, without the place where it was written.
pub(super) fn canonical_rule(rule: &Rule) -> String {
    let mut text = Canonical::new("rule");
    text.field("reason", rule.reason);
    text.option("class", rule.class);
    text.scope(&rule.scope);
    text.dates(rule.valid_from, rule.valid_to);
    text.field("enforcement", rule.enforcement);
    text.field("note", &rule.note);
    text.finish()
}

/// An exemption's meaning as text, without the place where it was written.
pub(super) fn canonical_exemption(exemption: &Exemption) -> String {
    let mut text = Canonical::new("exemption");
    text.field("name", &exemption.name);
    text.field("sentence_zh", &exemption.sentence_zh);
    text.field("sentence_en", &exemption.sentence_en);
    text.scope(&exemption.scope);
    text.dates(exemption.valid_from, exemption.valid_to);
    text.finish()
}

fn canonical_settings(settings: &Settings) -> String {
    // Taken apart without `..`, so that a new setting cannot be forgotten here.
    let Settings {
        lateness_minutes,
        proposal_days,
        hold_minutes,
        close_window_days,
        future_skew_seconds,
        purchase_feed_lag_hours,
        coaching_months,
        new_agreement_from,
        no_code_list_until,
        split_unknown_units_cap,
        url_hosts,
        placeholder_patterns,
        cases,
    } = settings;
    let mut text = Canonical::new("settings");
    text.field("lateness_minutes", lateness_minutes);
    text.field("proposal_days", proposal_days);
    text.field("hold_minutes", hold_minutes);
    text.field("close_window_days", close_window_days);
    text.field("future_skew_seconds", future_skew_seconds);
    text.field("purchase_feed_lag_hours", purchase_feed_lag_hours);
    text.field("coaching_months", coaching_months);
    text.field("new_agreement_from", new_agreement_from);
    text.field("no_code_list_until", no_code_list_until);
    text.field("split_unknown_units_cap", split_unknown_units_cap);
    text.set("url_hosts", url_hosts);
    text.set("placeholder_patterns", placeholder_patterns);
    canonical_cases(&mut text, cases);
    text.finish()
}

/// What is as it always was leaves no trace, so that policies from before cases had settings keep their version.
fn canonical_cases(text: &mut Canonical, cases: &CaseRules) {
    let CaseRules {
        push_working_days,
        answer_working_days,
        review_working_days,
        second_review_working_days,
        calendar: Calendar { holidays, working_weekends },
    } = cases;
    let usual = CaseRules::default();
    let changed = |days: u32, usual: u32| (days != usual).then_some(days);
    text.option("case_push_working_days", changed(*push_working_days, usual.push_working_days));
    text.option("case_answer_working_days", changed(*answer_working_days, usual.answer_working_days));
    text.option("case_review_working_days", changed(*review_working_days, usual.review_working_days));
    text.option(
        "case_second_review_working_days",
        changed(*second_review_working_days, usual.second_review_working_days),
    );
    holidays.iter().for_each(|day| text.field("holiday", day));
    working_weekends.iter().for_each(|day| text.field("working_weekend", day));
}

/// Builds one canonical text.
struct Canonical(String);

impl Canonical {
    fn new(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// The length in front keeps two different contents from becoming one text.
    fn field(&mut self, key: &str, value: impl fmt::Display) {
        let value = value.to_string();
        self.0.push_str(&format!(" {key}={}:{value}", value.len()));
    }

    fn option(&mut self, key: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.field(key, value);
        }
    }

    /// The order in which a list names its members means nothing.
    fn set(&mut self, key: &str, values: &[String]) {
        let mut values: Vec<_> = values.iter().collect();
        values.sort_unstable();
        values.dedup();
        values.into_iter().for_each(|value| self.field(key, value));
    }

    fn dates(&mut self, from: Option<Date>, to: Option<Date>) {
        self.option("valid_from", from);
        self.option("valid_to", to);
    }

    fn scope(&mut self, scope: &Scope) {
        // Taken apart without `..`, so that a new field cannot be forgotten here.
        let Scope {
            division_prefix,
            kind,
            ownership,
            agreement,
            transition,
            coaching,
            scene,
            payment,
            drug_class,
            dosage_form,
            must_split,
            split,
        } = scope;
        self.option("division_prefix", (division_prefix.digits() > 0).then_some(division_prefix));
        self.option("kind", *kind);
        self.option("ownership", *ownership);
        self.option("agreement", *agreement);
        self.option("transition", *transition);
        self.option("coaching", *coaching);
        self.option("scene", *scene);
        self.option("payment", *payment);
        self.option("drug_class", *drug_class);
        self.option("dosage_form", dosage_form.as_ref());
        self.option("must_split", *must_split);
        self.option("split", *split);
    }

    fn finish(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}
