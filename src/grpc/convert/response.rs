//! To the wire: decisions with their findings, as the caller may see them.

use super::names;
use crate::domain::outcome::Correction;
use crate::domain::party::Caller;
use crate::domain::verdict::{Evidence, Finding, OtherSale, Sentence};
use crate::engine::{EngineError, Knowledge, Reply};
use crate::grpc::pb;
use crate::store::LoadStatus;
use jiff::Timestamp;

/// A moment.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// A decision as a caller may see it.
pub(crate) fn decision(reply: &Reply, caller: &Caller, knowledge: &Knowledge) -> pb::Decision {
    let answer = &reply.answer;
    let registered = |code| knowledge.registry.institution(code).cloned();
    let seen = answer.findings.iter().map(|f| finding(&f.visible_to(caller, registered)));
    pb::Decision {
        outcome_id: answer.outcome_id.clone(),
        verdict: names::verdict(answer.verdict).into(),
        findings: seen.collect(),
        policy_version: answer.policy_version.to_string(),
        decided_at: Some(timestamp(answer.decided_at)),
        ledger_as_of: Some(timestamp(answer.ledger_as_of)),
        purchases_as_of: answer.purchases_as_of.map(timestamp),
        recorded: answer.recorded,
        after_the_fact: answer.after_the_fact,
        hold_expires_at: answer.hold_expires_at.map(timestamp),
        replayed: reply.replayed,
        corrections: reply.corrections.iter().map(correction).collect(),
        go_on_reason: reply.go_on_reason.clone().unwrap_or_default(),
    }
}

fn finding(finding: &Finding) -> pb::Finding {
    let sentence = Sentence::of(finding);
    pb::Finding {
        reason: names::reason(finding.reason).into(),
        class: finding.class.map(names::class).unwrap_or_default().into(),
        role: finding.role.map(names::role).unwrap_or_default().into(),
        enforcement: names::enforcement(finding.enforcement).into(),
        line_no: finding.line.unwrap_or_default(),
        code: finding.code.clone().unwrap_or_default(),
        sentence_zh: sentence.zh,
        sentence_en: sentence.en,
        other_sale: other_sale_of(&finding.evidence).map(other_sale),
    }
}

fn other_sale_of(evidence: &Evidence) -> Option<&OtherSale> {
    if let Evidence::OtherSale(sale) = evidence { Some(sale) } else { None }
}

fn other_sale(sale: &OtherSale) -> pb::OtherSale {
    pb::OtherSale {
        same_institution: sale.same_institution,
        institution_code: sale.institution.map(|code| code.to_string()).unwrap_or_default(),
        occurred_at: Some(timestamp(sale.occurred_at)),
        received_at: Some(timestamp(sale.received_at)),
        proposed: sale.proposed,
    }
}

fn correction(correction: &Correction) -> pb::Correction {
    pb::Correction {
        corrected_at: Some(timestamp(correction.corrected_at)),
        line_no: correction.line,
        was: names::reason(correction.was).into(),
        now: correction.now.map(names::reason).unwrap_or_default().into(),
    }
}

/// The answers to loaded rows: the store's for those that were readable, a refusal for the others.
pub(crate) fn loaded(rows: Vec<Result<(), EngineError>>, statuses: Vec<LoadStatus>) -> Vec<pb::LoadResult> {
    answered(rows, statuses.into_iter().map(Ok).collect())
}

/// As [`loaded`], where rows that were readable may have been refused as well.
pub(crate) fn answered(
    rows: Vec<Result<(), EngineError>>,
    answers: Vec<Result<LoadStatus, EngineError>>,
) -> Vec<pb::LoadResult> {
    let mut answers = answers.into_iter();
    let result = |row: Result<(), EngineError>| match row.and_then(|()| answers.next().transpose()) {
        Ok(status) => pb::LoadResult { status: load_status(status).into(), refusal: String::new() },
        Err(error) => pb::LoadResult { status: pb::LoadStatus::Refused.into(), refusal: error.to_string() },
    };
    rows.into_iter().map(result).collect()
}

fn load_status(status: Option<LoadStatus>) -> pb::LoadStatus {
    match status {
        Some(LoadStatus::Added) => pb::LoadStatus::Added,
        Some(LoadStatus::Unchanged) => pb::LoadStatus::Unchanged,
        Some(LoadStatus::Replaced) => pb::LoadStatus::Replaced,
        None => pb::LoadStatus::Unspecified,
    }
}
