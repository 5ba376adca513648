//! Codes for the wire: everything that is recorded of one, and the list of makers' errors.

use super::cases::{details, text, yuan};
use super::{names, timestamp};
use crate::domain::claim::{Event, Part, SaleStatus};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::registry::MakersError;
use crate::engine::{CodeHistory, EngineError, HistoryAttempt, HistoryEvent, Knowledge};
use crate::grpc::pb;

/// A code, in canonical form or as it was scanned.
pub(crate) fn code_key(field: &str, scanned: &str, rules: &ScanRules) -> Result<CodeKey, EngineError> {
    match read(scanned, rules) {
        Scan::Code(code) => Ok(code.key()),
        Scan::NoSerial { .. } | Scan::Placeholder { .. } | Scan::Refused { .. } => {
            CodeKey::parse(scanned.trim())
                .filter(|key| key.to_string().len() == scanned.trim().len())
                .ok_or_else(|| EngineError::invalid(field, format!("{scanned:?} is no trace code")))
        }
    }
}

/// Everything that is recorded of a code.
pub(crate) fn code_history(history: CodeHistory, knowledge: &Knowledge) -> pb::GetCodeHistoryResponse {
    let mut events: Vec<_> = history.events.iter().map(|one| event(one, knowledge)).collect();
    events.extend(history.attempts.iter().map(|one| attempt(one, knowledge)));
    let look = |look: &crate::engine::Look| pb::CodeLook {
        at: Some(timestamp(look.at)),
        of: look.of.clone(),
        person: look.name.clone(),
        reason: look.reason.clone(),
    };
    pb::GetCodeHistoryResponse {
        code: history.key.to_string(),
        catalog_code: history.catalog_code.unwrap_or_default(),
        drug_name: history.drug_name,
        units_per_pack: history.units_per_pack.unwrap_or_default(),
        makers_error_notice_no: history.makers_error.unwrap_or_default(),
        events,
        further_attempts: history.further_attempts,
        case_ids: history.cases.iter().map(ToString::to_string).collect(),
        looks: history.looks.iter().map(look).collect(),
    }
}

fn event(one: &HistoryEvent, knowledge: &Knowledge) -> pb::CodeEvent {
    let (kind, institution, units, destination) = match &one.event {
        Event::Sale(sale) => {
            let kind = match sale.status {
                SaleStatus::Held { .. } => pb::CodeEventKind::Hold,
                SaleStatus::Sold | SaleStatus::Voided => pb::CodeEventKind::Sale,
            };
            let units = match &sale.part {
                Part::Whole => None,
                Part::Draw { units, .. } => *units,
            };
            (kind, Some(sale.institution), units, None)
        }
        Event::Return(back) => (pb::CodeEventKind::Return, Some(back.institution), back.units, None),
        Event::Movement(moved) => {
            (pb::CodeEventKind::Movement, Some(moved.institution), None, moved.destination)
        }
        Event::Annulled(_) => (pb::CodeEventKind::Unspecified, None, None, None),
    };
    let registered = institution.and_then(|code| knowledge.registry.institution(code));
    pb::CodeEvent {
        number: one.number,
        kind: kind.into(),
        institution_code: text(institution),
        institution_name: registered.map(|i| i.name.clone()).unwrap_or_default(),
        occurred_at: Some(timestamp(one.event.occurred_at())),
        received_at: Some(timestamp(one.event.received_at())),
        units: yuan(units),
        fate: one.fate.map(names::sale_fate).unwrap_or_default().into(),
        annulled: one.is_annulled,
        destination: text(destination),
        details: Some(details(&one.details, one.person)),
    }
}

fn attempt(one: &HistoryAttempt, knowledge: &Knowledge) -> pb::CodeEvent {
    let HistoryAttempt { name, occurred_at: at, details: told, person } = one;
    let registered = knowledge.registry.institution(name.institution);
    pb::CodeEvent {
        kind: pb::CodeEventKind::Attempt.into(),
        institution_code: name.institution.to_string(),
        institution_name: registered.map(|i| i.name.clone()).unwrap_or_default(),
        occurred_at: Some(timestamp(*at)),
        received_at: Some(timestamp(*at)),
        fate: pb::SaleFate::NeverSold.into(),
        details: Some(details(told, *person)),
        ..pb::CodeEvent::default()
    }
}

/// An entry of the list of makers' errors.
pub(crate) fn makers_error(wire: pb::MakersError, rules: &ScanRules) -> Result<MakersError, EngineError> {
    let first = code_key("first_code", &wire.first_code, rules)?;
    let last = match wire.last_code.as_str() {
        "" => first.clone(),
        last => code_key("last_code", last, rules)?,
    };
    if wire.notice_no.is_empty() {
        return Err(EngineError::invalid("notice_no", "is empty; a code is listed by notice"));
    }
    let pb::MakersError { notice_no, note, withdrawn, .. } = wire;
    Ok(MakersError { first, last, notice_no, note, withdrawn })
}

/// An entry for the wire.
pub(crate) fn makers_error_message(entry: &MakersError) -> pb::MakersError {
    let MakersError { first, last, notice_no, note, withdrawn } = entry;
    pb::MakersError {
        first_code: first.to_string(),
        last_code: last.to_string(),
        notice_no: notice_no.clone(),
        note: note.clone(),
        withdrawn: *withdrawn,
    }
}
