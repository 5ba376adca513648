//! Imported histories: rows from the wire, answers to the wire.

use super::names;
use super::request::{clipped, institution_code, moment, optional};
use super::{decimal, timestamp};
use crate::domain::document::PastEvent;
use crate::domain::judge::{PastAnswer, PastFinding, PastStanding};
use crate::domain::party::InstitutionCode;
use crate::engine::EngineError;
use crate::grpc::pb;
use rust_decimal::Decimal;

/// A past sale or return.
pub(crate) fn past_event(wire: pb::PastSale) -> Result<PastEvent, EngineError> {
    let occurred_at = moment("occurred_at", wire.occurred_at)?;
    let came_back = match wire.kind() {
        pb::PastKind::Unspecified | pb::PastKind::Sale => false,
        pb::PastKind::Return => true,
    };
    Ok(PastEvent {
        institution: institution_code("institution_code", &wire.institution_code)?,
        came_back,
        occurred_at: occurred_at.ok_or_else(|| EngineError::invalid("occurred_at", "is missing"))?,
        line: wire.line_no.max(1),
        quantity: units_in("quantity", &wire.quantity)?,
        line_quantity: units_in("line_quantity", &wire.line_quantity)?,
        split: wire.split,
        document_no: optional(wire.document_no),
        visit_no: optional(wire.visit_no),
        catalog_code: optional(wire.catalog_code),
        scanned: clipped(wire.code),
    })
}

fn units_in(field: &str, text: &str) -> Result<Option<Decimal>, EngineError> {
    Ok(decimal(field, text)?.map(|units| units.normalize()))
}

/// Who sold each row: a finding tells whether the other side is the same institution.
pub(crate) fn institutions(rows: &[pb::PastSale]) -> Vec<Option<InstitutionCode>> {
    rows.iter().map(|row| InstitutionCode::parse(&row.institution_code).ok()).collect()
}

/// The answer to a batch. Only callers that see both sides of a finding may import.
pub(crate) fn imported(
    batch_no: u64,
    ledger_name: String,
    institutions: &[Option<InstitutionCode>],
    answers: Vec<Result<PastAnswer, EngineError>>,
) -> pb::ImportSalesResponse {
    let mut response =
        pb::ImportSalesResponse { batch_no, ledger_name, ..pb::ImportSalesResponse::default() };
    for (index, answer) in answers.into_iter().enumerate() {
        let mut row =
            pb::ImportedRow { index: u32::try_from(index).unwrap_or(u32::MAX), ..pb::ImportedRow::default() };
        let institution = institutions.get(index).copied().flatten();
        match answer {
            Ok(answer) => {
                count(&mut response, &mut row, &answer.standing);
                response.institution_unknown += u32::from(!answer.is_registered);
                row.findings = answer.findings.into_iter().map(|f| finding(f, institution)).collect();
            }
            Err(error) => {
                response.refused += 1;
                row.refusal = error.to_string();
            }
        }
        response.with_findings += u32::from(!row.findings.is_empty());
        if !row.refusal.is_empty() || !row.findings.is_empty() {
            response.rows.push(row);
        }
    }
    response
}

fn count(response: &mut pb::ImportSalesResponse, row: &mut pb::ImportedRow, standing: &PastStanding) {
    match standing {
        PastStanding::Added => response.added += 1,
        PastStanding::Known => response.already_known += 1,
        PastStanding::AddedToKnown => response.added_to_known += 1,
        PastStanding::Refused(refusal) => {
            response.refused += 1;
            row.refusal = refusal.to_string();
            row.refusal_reason = refusal.reason().map(names::reason).unwrap_or_default().into();
        }
    }
}

fn finding(found: PastFinding, institution: Option<InstitutionCode>) -> pb::PastFinding {
    pb::PastFinding {
        reason: names::reason(found.reason).into(),
        class: found.class.map(names::class).unwrap_or_default().into(),
        role: names::role(found.role).into(),
        other_sale: found.other.map(|other| pb::OtherSale {
            same_institution: Some(other.institution) == institution,
            institution_code: other.institution.to_string(),
            occurred_at: Some(timestamp(other.occurred_at)),
            received_at: Some(timestamp(other.received_at)),
            proposed: false,
        }),
    }
}
