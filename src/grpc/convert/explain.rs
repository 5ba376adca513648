//! Questions about the policy from the wire, explanations and shadow reports to it.

use super::policy::{exemption, rule};
use super::registry::{choice, date, text_of};
use super::response::timestamp;
use super::{institution_code, names, optional};
use crate::domain::drug::DrugClass;
use crate::domain::event::Payment;
use crate::domain::judge::{Explained, Remark};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::policy::{Candidate, InstitutionTraits};
use crate::domain::verdict::{DuplicateClass, Enforcement, FindingPair, Reason, Verdict};
use crate::engine::{
    AskedDrug, AskedInstitution, EngineError, Explanation, PolicyQuestion, ShadowChange, ShadowReport,
    Understood, UnderstoodDrug,
};
use crate::grpc::pb;

/// A question about the policy.
pub(crate) fn question(wire: pb::ExplainRequest) -> Result<PolicyQuestion, EngineError> {
    use pb::explain_request::{Drug, Institution};
    let (scene, payment) = (names::scene(wire.scene()), names::payment(wire.payment()));
    let (reason, class) = (names::asked_reason(wire.reason()), names::asked_class(wire.class()));
    let institution = match wire.institution {
        Some(Institution::InstitutionCode(text)) => {
            AskedInstitution::Code(institution_code("institution_code", &text)?)
        }
        Some(Institution::InstitutionTraits(wire)) => AskedInstitution::Traits(traits(&wire)?),
        None => {
            let what = "is missing; name an institution_code or describe institution_traits";
            return Err(EngineError::invalid("institution", what));
        }
    };
    let drug = match wire.drug {
        Some(Drug::CatalogCode(code)) => AskedDrug::CatalogCode(code),
        Some(Drug::CodePrefix(prefix)) => AskedDrug::CodePrefix(prefix),
        Some(Drug::DrugTraits(wire)) => AskedDrug::Traits(UnderstoodDrug {
            drug_class: choice("drug_traits.drug_class", &wire.drug_class, DrugClass::ALL, DrugClass::name)?,
            dosage_form: wire.dosage_form,
            must_split: wire.must_split,
        }),
        None => AskedDrug::NotKnown,
    };
    Ok(PolicyQuestion {
        institution,
        scene,
        payment: payment.unwrap_or(Payment::Insured),
        drug,
        split: wire.split,
        day: date("day", &wire.day)?,
        reason,
        class,
    })
}

fn traits(wire: &pb::InstitutionTraits) -> Result<InstitutionTraits, EngineError> {
    let field = |name: &str| format!("institution_traits.{name}");
    let ownership = optional(wire.ownership.clone());
    let ownership = ownership
        .map(|text| choice(&field("ownership"), &text, Ownership::ALL, Ownership::name))
        .transpose()?;
    Ok(InstitutionTraits {
        kind: choice(&field("kind"), &wire.kind, InstitutionKind::ALL, InstitutionKind::name)?,
        division: Division::parse(&wire.division)
            .ok_or_else(|| EngineError::invalid(field("division"), "write six digits"))?,
        ownership,
        agreement_signed_on: date(&field("agreement_signed_on"), &wire.agreement_signed_on)?,
        transition_ends_on: date(&field("transition_ends_on"), &wire.transition_ends_on)?,
    })
}

/// An explanation.
pub(crate) fn explanation(explanation: &Explanation) -> pb::ExplainResponse {
    let (candidates, left_out) = explanation.candidates();
    pb::ExplainResponse {
        policy_version: explanation.policy().version().to_string(),
        understood: Some(understood(explanation)),
        rulings: explanation.rulings().iter().map(ruling).collect(),
        candidates: candidates.iter().map(candidate).collect(),
        candidates_left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        exemption: explanation.exemption().map(exemption),
    }
}

fn understood(explanation: &Explanation) -> pb::Understood {
    let settings = explanation.policy().settings();
    let Understood { institution_code, institution, traits, scene, payment, catalog_code, drug, split, day } =
        &explanation.understood;
    let word = |name: Option<&'static str>| name.unwrap_or_default().to_owned();
    pb::Understood {
        institution_code: institution_code.map(|code| code.to_string()).unwrap_or_default(),
        institution_registered: institution.is_some(),
        institution_name: institution.as_ref().map(|i| i.name.clone()).unwrap_or_default(),
        institution_status: word(institution.as_ref().map(|i| i.status.name())),
        goes_live_on: text_of(institution.as_ref().and_then(|i| i.goes_live_on)),
        kind: traits.kind.name().to_owned(),
        division: traits.division.to_string(),
        ownership: word(traits.ownership.map(|o| o.name())),
        agreement_signed_on: text_of(traits.agreement_signed_on),
        transition_ends_on: text_of(traits.transition_ends_on),
        agreement: word(traits.agreement(settings).map(|a| a.name())),
        transition: word(traits.transition(*day, settings).map(|p| p.name())),
        coaching: word(traits.coaching(*day, settings).map(|p| p.name())),
        scene: scene.name().to_owned(),
        payment: payment.name().to_owned(),
        catalog_code: catalog_code.clone().unwrap_or_default(),
        drug_known: drug.is_some(),
        drug_class: word(drug.as_ref().map(|d| d.drug_class.name())),
        dosage_form: drug.as_ref().map(|d| d.dosage_form.clone()).unwrap_or_default(),
        must_split: drug.as_ref().is_some_and(|d| d.must_split),
        split: *split,
        day: day.to_string(),
    }
}

fn ruling(explained: &Explained<'_>) -> pb::ReasonRuling {
    let sentences = |sentence: fn(Remark) -> &'static str, between: &str| {
        explained.remarks.iter().map(|remark| sentence(*remark)).collect::<Vec<_>>().join(between)
    };
    pb::ReasonRuling {
        reason: names::reason(explained.reason).into(),
        class: explained.class.map(names::class).unwrap_or_default().into(),
        enforcement: names::enforcement(explained.enforcement).into(),
        ruled: names::enforcement(explained.ruling.enforcement).into(),
        rule: explained.ruling.rule.map(rule),
        remark_zh: sentences(Remark::zh, ""),
        remark_en: sentences(Remark::en, " "),
    }
}

fn candidate(candidate: &Candidate<'_>) -> pb::RuleCandidate {
    pb::RuleCandidate {
        rule: Some(rule(candidate.rule)),
        mismatch: candidate.mismatch.map(|m| m.name()).unwrap_or_default().to_owned(),
        decides: candidate.wins,
    }
}

/// What a shadow would change.
pub(crate) fn shadow_report(report: &ShadowReport) -> pb::ShadowReport {
    let tally = &report.tally;
    let verdict_count = |((call, was, would_be), n): (&(&'static str, Verdict, Verdict), &u64)| {
        let (was, would_be) = (names::verdict(*was).into(), names::verdict(*would_be).into());
        pb::ShadowVerdictCount { call: (*call).to_owned(), was, would_be, documents: *n }
    };
    let reason_count = |((reason, was, would_be), n): (&(Reason, Enforcement, Enforcement), &u64)| {
        let (was, would_be) = (names::enforcement(*was).into(), names::enforcement(*would_be).into());
        pb::ShadowReasonCount { reason: names::reason(*reason).into(), was, would_be, findings: *n }
    };
    pb::ShadowReport {
        shadow_version: report.version.to_string(),
        files: report.files.clone(),
        compared_with_version: report.compared_with.to_string(),
        since: Some(timestamp(report.since)),
        documents: tally.documents,
        changed: tally.changed,
        stricter: tally.stricter(),
        milder: tally.milder(),
        failed: tally.failed,
        verdicts: tally.verdicts.iter().map(verdict_count).collect(),
        reasons: tally.reasons.iter().map(reason_count).collect(),
        changes: tally.changes.iter().map(shadow_change).collect(),
    }
}

fn shadow_change(change: &ShadowChange) -> pb::ShadowChange {
    pb::ShadowChange {
        institution_code: change.key.institution.to_string(),
        request_id: change.key.request_id.clone(),
        call: change.call.to_owned(),
        decided_at: Some(timestamp(change.decided_at)),
        was: names::verdict(change.was.verdict).into(),
        would_be: names::verdict(change.would_be.verdict).into(),
        was_recorded: change.was.recorded,
        would_be_recorded: change.would_be.recorded,
        findings: change.findings.iter().map(shadow_finding).collect(),
        findings_left_out: u32::try_from(change.findings_left_out).unwrap_or(u32::MAX),
    }
}

fn shadow_finding(pair: &FindingPair) -> pb::ShadowFinding {
    let class = |class: Option<DuplicateClass>| class.map(names::class).unwrap_or_default().into();
    pb::ShadowFinding {
        reason: names::reason(pair.reason).into(),
        line_no: pair.line.unwrap_or_default(),
        code: pair.code.clone().unwrap_or_default(),
        was: names::enforcement(pair.was.enforcement).into(),
        would_be: names::enforcement(pair.would_be.enforcement).into(),
        was_class: class(pair.was.class),
        would_be_class: class(pair.would_be.class),
        was_role: pair.was.role.map(names::role).unwrap_or_default().into(),
        would_be_role: pair.would_be.role.map(names::role).unwrap_or_default().into(),
    }
}
