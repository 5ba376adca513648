//! What `policy explain` shows, wherever it came from: as tables for people, as one object for programs.

use crate::cli::show::{say, table};
use crate::domain::verdict::Reason;
use anyhow::Result;
use serde::Serialize;

/// What is shown, wherever it came from.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub policy_version: String,
    #[serde(serialize_with = "as_map")]
    pub understood: Words,
    pub rulings: Vec<RulingRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateRow>,
    #[serde(skip_serializing_if = "is_zero")]
    pub candidates_left_out: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Keys with what they say, in the order people read them.
pub(super) type Words = Vec<(&'static str, String)>;

fn as_map<S: serde::Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(words.iter().map(|(key, word)| (key, word)))
}

#[derive(Debug, Serialize)]
pub(super) struct RulingRow {
    pub reason: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub class: &'static str,
    pub enforcement: String,
    pub ruled: String,
    pub rule: String,
    pub note: String,
    pub remark: String,
}

#[derive(Debug, Serialize)]
pub(super) struct CandidateRow {
    pub rule: String,
    pub enforcement: String,
    pub applies: String,
    pub note: String,
}

/// A mismatch in words.
pub(super) fn applies(mismatch: &str, decides: bool) -> String {
    match (mismatch, decides) {
        ("", true) => "yes, and decides".to_owned(),
        ("", false) => "yes, but a more specific rule decides".to_owned(),
        (mismatch, _) => format!("no: {mismatch}"),
    }
}

pub(super) fn print(shown: &Shown, reason: Option<Reason>) -> Result<()> {
    let understood: Vec<_> = shown.understood.iter().map(|(key, word)| format!("{key} {word}")).collect();
    say(format!("policy {}; understood: {}", shown.policy_version, understood.join(", ")))?;
    let mut rows = table(["reason", "enforcement", "rule", "note"]);
    for row in &shown.rulings {
        let reason = format!("{} {}", row.reason, row.class);
        let mut note = row.note.clone();
        if !row.remark.is_empty() {
            note = format!("{note}\n{}", row.remark).trim().to_owned();
        }
        rows.add_row([reason.trim().to_owned(), row.enforcement.clone(), row.rule.clone(), note]);
    }
    say(rows)?;
    if reason.is_some() {
        let mut rows = table(["rule", "enforcement", "applies", "note"]);
        for row in &shown.candidates {
            rows.add_row([row.rule.as_str(), &row.enforcement, &row.applies, &row.note]);
        }
        say(rows)?;
    }
    if shown.candidates_left_out > 0 {
        say(format!("{} more rules, of other places first, are left out", shown.candidates_left_out))?;
    }
    if let Some(exemption) = &shown.exemption {
        say(format!("no code is due: {exemption}"))?;
    }
    Ok(())
}
