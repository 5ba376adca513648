//! `policy show` and `policy reload`: what a gateway has in force.

use super::{Gateway, class, enforcement, place, reason, refused};
use crate::cli::connect::Clients;
use crate::cli::show::{say, table};
use crate::domain::time::local_time;
use crate::domain::verdict::Reason;
use crate::grpc::pb;
use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the rules of this reason.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
}

/// Head and settings of the last page, with the rows of all.
async fn fetch(gateway: &Gateway) -> Result<pb::GetPolicyResponse> {
    let mut clients = Clients::connect(&gateway.to, &gateway.credentials).await?;
    let mut whole = pb::GetPolicyResponse::default();
    loop {
        let request = pb::GetPolicyRequest { page_token: whole.next_page_token.clone() };
        let page = clients.policy.get_policy(request).await.map_err(|status| refused(&status))?.into_inner();
        let pb::GetPolicyResponse { rules, exemptions, .. } = whole;
        whole = pb::GetPolicyResponse {
            rules: rules.into_iter().chain(page.rules).collect(),
            exemptions: exemptions.into_iter().chain(page.exemptions).collect(),
            ..page
        };
        if whole.next_page_token.is_empty() {
            return Ok(whole);
        }
    }
}

pub(super) async fn run(args: Args) -> Result<()> {
    if let Some(name) = args.reason.as_deref().filter(|name| Reason::from_name(name).is_none()) {
        bail!("{name:?} is no reason; docs/verdicts.md lists them");
    }
    let mut policy = fetch(&args.gateway).await?;
    if let Some(name) = &args.reason {
        policy.rules.retain(|rule| reason(rule.reason()) == name);
    }
    if args.gateway.json { say(to_json(&policy)) } else { print(&policy) }
}

/// A moment for people; empty where there is none.
pub(super) fn when(at: Option<prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map(local_time).unwrap_or_default()
}

/// A moment for programs; empty where there is none.
pub(super) fn moment(at: Option<prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// The keys that a scope sets, as files spell them.
fn scope(scope: Option<&pb::PolicyScope>) -> Vec<(&'static str, String)> {
    let Some(s) = scope.cloned() else {
        return Vec::new();
    };
    let flag = |flag: Option<bool>| flag.map(|f| f.to_string()).unwrap_or_default();
    let keys = [
        ("division_prefix", s.division_prefix),
        ("kind", s.kind),
        ("ownership", s.ownership),
        ("agreement", s.agreement),
        ("transition", s.transition),
        ("coaching", s.coaching),
        ("scene", s.scene),
        ("payment", s.payment),
        ("drug_class", s.drug_class),
        ("dosage_form", s.dosage_form),
        ("must_split", flag(s.must_split)),
        ("split", flag(s.split)),
    ];
    keys.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn in_words(scope: Vec<(&'static str, String)>, from: &str, to: &str) -> String {
    let mut words: Vec<String> = scope.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let dates = [("from", from), ("to", to)];
    words.extend(dates.iter().filter(|(_, day)| !day.is_empty()).map(|(key, day)| format!("{key} {day}")));
    words.join(" ")
}

/// The settings by their keys.
fn settings(policy: &pb::GetPolicyResponse) -> [(&'static str, Value); 18] {
    let s = policy.settings.clone().unwrap_or_default();
    [
        ("lateness_minutes", s.lateness_minutes.into()),
        ("proposal_days", s.proposal_days.into()),
        ("hold_minutes", s.hold_minutes.into()),
        ("close_window_days", s.close_window_days.into()),
        ("future_skew_seconds", s.future_skew_seconds.into()),
        ("purchase_feed_lag_hours", s.purchase_feed_lag_hours.into()),
        ("coaching_months", s.coaching_months.into()),
        ("new_agreement_from", s.new_agreement_from.into()),
        ("no_code_list_until", s.no_code_list_until.into()),
        ("split_unknown_units_cap", s.split_unknown_units_cap.into()),
        ("url_hosts", s.url_hosts.into()),
        ("placeholder_patterns", s.placeholder_patterns.into()),
        ("case_push_working_days", s.case_push_working_days.into()),
        ("case_answer_working_days", s.case_answer_working_days.into()),
        ("case_review_working_days", s.case_review_working_days.into()),
        ("case_second_review_working_days", s.case_second_review_working_days.into()),
        ("holidays", s.holidays.into()),
        ("working_weekends", s.working_weekends.into()),
    ]
}

fn print(policy: &pb::GetPolicyResponse) -> Result<()> {
    say(format!("policy {}, read {}", policy.version, when(policy.loaded_at)))?;
    say(format!("from {}", policy.files.join(", ")))?;
    let shadow = match policy.shadow_version.as_str() {
        "" => "no shadow policy runs".to_owned(),
        version => format!("shadow policy {version}; see `tracegate policy shadow show`"),
    };
    say(shadow)?;
    let mut rows = table(["reason", "enforcement", "where and when", "rule", "note"]);
    for rule in &policy.rules {
        let reason = format!("{} {}", reason(rule.reason()), class(rule.class()));
        let scope = in_words(scope(rule.scope.as_ref()), &rule.valid_from, &rule.valid_to);
        rows.add_row([
            reason.trim().to_owned(),
            enforcement(rule.enforcement()),
            scope,
            place(rule),
            rule.note.clone(),
        ]);
    }
    say(rows)?;
    let mut rows = table(["exemption", "where and when", "rule", "sentence"]);
    for exemption in &policy.exemptions {
        let scope = in_words(scope(exemption.scope.as_ref()), &exemption.valid_from, &exemption.valid_to);
        let place = format!("{}:{}", exemption.source_file, exemption.source_line);
        let sentence = format!("{} {}", exemption.sentence_zh, exemption.sentence_en);
        rows.add_row([exemption.name.clone(), scope, place, sentence]);
    }
    say(rows)?;
    let mut rows = table(["setting", "value"]);
    for (key, value) in settings(policy) {
        rows.add_row([key.to_owned(), value.to_string()]);
    }
    say(rows)
}

fn to_json(policy: &pb::GetPolicyResponse) -> Value {
    let object = |keys: Vec<(&'static str, String)>| {
        keys.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>()
    };
    let rule = |rule: &pb::PolicyRule| {
        json!({
            "reason": reason(rule.reason()),
            "class": class(rule.class()),
            "scope": object(scope(rule.scope.as_ref())),
            "valid_from": rule.valid_from,
            "valid_to": rule.valid_to,
            "enforcement": enforcement(rule.enforcement()),
            "note": rule.note,
            "source": place(rule),
        })
    };
    let exemption = |e: &pb::PolicyExemption| {
        json!({
            "name": e.name,
            "scope": object(scope(e.scope.as_ref())),
            "valid_from": e.valid_from,
            "valid_to": e.valid_to,
            "sentence_zh": e.sentence_zh,
            "sentence_en": e.sentence_en,
            "source": format!("{}:{}", e.source_file, e.source_line),
        })
    };
    let settings: Map<String, Value> =
        settings(policy).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    json!({
        "version": policy.version,
        "loaded_at": moment(policy.loaded_at),
        "files": policy.files,
        "shadow_version": policy.shadow_version,
        "settings": settings,
        "rules": policy.rules.iter().map(rule).collect::<Vec<_>>(),
        "exemptions": policy.exemptions.iter().map(exemption).collect::<Vec<_>>(),
    })
}

/// Lets the gateway read its files again.
pub(super) async fn reload(gateway: Gateway) -> Result<()> {
    let mut clients = Clients::connect(&gateway.to, &gateway.credentials).await?;
    let done = clients.policy.reload_policy(pb::ReloadPolicyRequest {}).await;
    let done = done.map_err(|status| refused(&status))?.into_inner();
    if gateway.json {
        return say(json!({
            "old_version": done.old_version,
            "new_version": done.new_version,
            "shadow_version": done.shadow_version,
        }));
    }
    let changed = if done.old_version == done.new_version {
        format!("read again, nothing changed: policy {}", done.new_version)
    } else {
        format!("policy {} is in force, it was {}", done.new_version, done.old_version)
    };
    say(changed)?;
    if done.shadow_version.is_empty() {
        return Ok(());
    }
    say(format!("shadow policy {}", done.shadow_version))
}
