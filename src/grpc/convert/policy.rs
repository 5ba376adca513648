//! Rules, exemptions and settings for the wire, and pages of them.

use super::names;
use super::registry::text_of;
use crate::domain::policy::{CaseRules, Exemption, Policy, Rule, Scope, Settings};
use crate::engine::EngineError;
use crate::grpc::pb;
use jiff::civil::Date;
use prost::Message;
use std::collections::BTreeSet;

/// A page ends behind the row with which it reaches this many bytes.
const PAGE_BYTES: usize = 1024 * 1024;

/// A page has at most this many rows.
const PAGE_ROWS_MAX: usize = 2_000;

fn word<T>(value: Option<T>, name: fn(T) -> &'static str) -> String {
    value.map(name).unwrap_or_default().to_owned()
}

fn scope(scope: &Scope) -> pb::PolicyScope {
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
    pb::PolicyScope {
        division_prefix: division_prefix.to_string(),
        kind: word(*kind, |v| v.name()),
        ownership: word(*ownership, |v| v.name()),
        agreement: word(*agreement, |v| v.name()),
        transition: word(*transition, |v| v.name()),
        coaching: word(*coaching, |v| v.name()),
        scene: word(*scene, |v| v.name()),
        payment: word(*payment, |v| v.name()),
        drug_class: word(*drug_class, |v| v.name()),
        dosage_form: dosage_form.clone().unwrap_or_default(),
        must_split: *must_split,
        split: *split,
    }
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// A rule.
pub(crate) fn rule(rule: &Rule) -> pb::PolicyRule {
    pb::PolicyRule {
        reason: names::reason(rule.reason).into(),
        class: rule.class.map(names::class).unwrap_or_default().into(),
        scope: Some(scope(&rule.scope)),
        valid_from: text_of(rule.valid_from),
        valid_to: text_of(rule.valid_to),
        enforcement: names::enforcement(rule.enforcement).into(),
        note: rule.note.clone(),
        source_file: rule.source.file.clone(),
        source_line: line_number(rule.source.line),
    }
}

/// An exemption.
pub(crate) fn exemption(exemption: &Exemption) -> pb::PolicyExemption {
    pb::PolicyExemption {
        name: exemption.name.clone(),
        sentence_zh: exemption.sentence_zh.clone(),
        sentence_en: exemption.sentence_en.clone(),
        scope: Some(scope(&exemption.scope)),
        valid_from: text_of(exemption.valid_from),
        valid_to: text_of(exemption.valid_to),
        source_file: exemption.source.file.clone(),
        source_line: line_number(exemption.source.line),
    }
}

/// The settings.
pub(crate) fn settings(settings: &Settings) -> pb::PolicySettings {
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
        cases:
            CaseRules {
                push_working_days,
                answer_working_days,
                review_working_days,
                second_review_working_days,
                calendar,
            },
    } = settings;
    let days = |days: &BTreeSet<Date>| days.iter().map(ToString::to_string).collect();
    pb::PolicySettings {
        lateness_minutes: *lateness_minutes,
        proposal_days: *proposal_days,
        hold_minutes: *hold_minutes,
        close_window_days: *close_window_days,
        future_skew_seconds: *future_skew_seconds,
        purchase_feed_lag_hours: *purchase_feed_lag_hours,
        coaching_months: *coaching_months,
        new_agreement_from: new_agreement_from.to_string(),
        no_code_list_until: no_code_list_until.to_string(),
        split_unknown_units_cap: *split_unknown_units_cap,
        url_hosts: url_hosts.clone(),
        placeholder_patterns: placeholder_patterns.clone(),
        case_push_working_days: *push_working_days,
        case_answer_working_days: *answer_working_days,
        case_review_working_days: *review_working_days,
        case_second_review_working_days: *second_review_working_days,
        holidays: days(&calendar.holidays),
        working_weekends: days(&calendar.working_weekends),
    }
}

/// Rows of one page, and the token of the next.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub rules: Vec<pb::PolicyRule>,
    pub exemptions: Vec<pb::PolicyExemption>,
    pub next_token: String,
}

/// The page that a token asks for. Rules come first, then exemptions; a token names the version, so that no page
/// of one policy is taken for one of another.
pub(crate) fn page(policy: &Policy, token: &str) -> Result<Page, EngineError> {
    let first = first_row(policy, token)?;
    let (rules, exemptions) = (policy.rules(), policy.exemptions());
    let (mut page, mut bytes, mut rows) = (Page::default(), 0, 0);
    let is_full = |bytes: usize, rows: usize| bytes >= PAGE_BYTES || rows >= PAGE_ROWS_MAX;
    for row in rules.iter().skip(first) {
        if is_full(bytes, rows) {
            break;
        }
        let message = rule(row);
        bytes += message.encoded_len();
        rows += 1;
        page.rules.push(message);
    }
    for row in exemptions.iter().skip(first.saturating_sub(rules.len())) {
        if is_full(bytes, rows) {
            break;
        }
        let message = exemption(row);
        bytes += message.encoded_len();
        rows += 1;
        page.exemptions.push(message);
    }
    let next = first + rows;
    if next < rules.len() + exemptions.len() {
        page.next_token = format!("{}/{next}", policy.version());
    }
    Ok(page)
}

fn first_row(policy: &Policy, token: &str) -> Result<usize, EngineError> {
    if token.is_empty() {
        return Ok(0);
    }
    let row = token
        .split_once('/')
        .filter(|(version, _)| *version == policy.version().to_string())
        .and_then(|(_, row)| row.parse().ok());
    row.ok_or_else(|| {
        let what = "is of another policy; it was read again since, so begin with an empty token";
        EngineError::invalid("page_token", what)
    })
}
