//! Cases for the wire, and what is asked of them.

use super::compliance::{SHARE_DIGITS, share};
use super::names;
use super::request::{institution_code, moment};
use super::{decimal, timestamp};
use crate::domain::case::{
    Action, ActionKind, CaseClass, CaseName, CaseState, Details, Ending, FileReference, GroupBy, Step,
};
use crate::domain::party::InstitutionCode;
use crate::engine::{
    Advance, Audited, CaseFilter, CaseView, Cursor, Duplicates, EngineError, InvolvedView, Range,
};
use crate::grpc::pb;
use crate::sheets::SheetFormat;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Between the parts of a page token.
const TOKEN_SEPARATOR: char = '/';

pub(super) fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(super) fn yuan(value: Option<Decimal>) -> String {
    text(value.map(|value| value.normalize()))
}

/// A case id.
pub(crate) fn case_name(field: &str, id: &str) -> Result<CaseName, EngineError> {
    CaseName::parse(id).map_err(|error| EngineError::invalid(field, error.to_string()))
}

/// A case.
pub(crate) fn case_message(view: &CaseView) -> pb::Case {
    let case = &view.case;
    let conclusion = case.conclusion.as_ref();
    pb::Case {
        case_id: view.name.to_string(),
        code: view.name.key.to_string(),
        version: view.version,
        class: names::case_class(case.class).into(),
        state: names::case_state(case.state).into(),
        ending: conclusion.map(|c| names::case_ending(c.ending)).unwrap_or_default().into(),
        opened_at: Some(timestamp(case.opened_at)),
        changed_at: Some(timestamp(case.changed_at)),
        place_of_care: text(view.place_of_care),
        catalog_code: case.catalog_code.clone().unwrap_or_default(),
        drug_name: view.drug_name.clone(),
        sales: view.involved.iter().map(sale).collect(),
        further_sales: case.further,
        at_stake: yuan(view.at_stake),
        recovered: yuan(view.money.and_then(|money| money.recovered)),
        refunded: yuan(view.money.map(|money| money.refunded)),
        due_on: text(case.due_on),
        overdue: view.is_overdue,
        proposal: view.proposal.map(names::case_proposal).unwrap_or_default().into(),
        steps: view.steps.iter().map(step).collect(),
        possible_actions: view.possible.iter().map(|action| names::case_action(*action).into()).collect(),
        policy_version: case.policy_version.to_string(),
    }
}

fn sale(one: &InvolvedView) -> pb::InvolvedSale {
    pb::InvolvedSale {
        institution_code: text(one.institution),
        institution_name: one.institution_name.clone(),
        own: one.is_own,
        attempt: one.is_attempt,
        side: names::case_side(one.side).into(),
        class: one.class.map(names::case_class).unwrap_or_default().into(),
        occurred_at: Some(timestamp(one.occurred_at)),
        received_at: Some(timestamp(one.received_at)),
        fate: names::sale_fate(one.fate).into(),
        recovered: one.is_recovered,
        details: Some(details(&one.details, one.person)),
    }
}

pub(super) fn details(details: &Details, person: u32) -> pb::SaleDetails {
    pb::SaleDetails {
        request_id: text(details.request_id.as_ref()),
        line_no: details.line.unwrap_or_default(),
        document_no: text(details.document_no.as_ref()),
        operator: text(details.operator.as_ref()),
        scene: details.scene.map(names::scene_message).unwrap_or_default().into(),
        payment: details.payment.map(names::payment_message).unwrap_or_default().into(),
        quantity: yuan(details.quantity),
        amount: yuan(details.amount),
        settlement_id: text(details.settlement_id.as_ref()),
        policy_version: text(details.policy_version.as_ref()),
        verdict: details.verdict.map(names::verdict).unwrap_or_default().into(),
        person,
    }
}

fn step(step: &Step) -> pb::CaseStep {
    let file = |file: &FileReference| pb::FileReference {
        name: file.name.clone(),
        sha256: file.sha256.clone(),
        size_bytes: file.size_bytes,
    };
    pb::CaseStep {
        kind: names::case_step_kind(step.kind).into(),
        state: names::case_state(step.state).into(),
        at: Some(timestamp(step.at)),
        actor: names::actor_kind(step.actor.kind).into(),
        actor_of: step.actor.of.clone(),
        actor_name: step.actor.name.clone(),
        note: step.note.clone(),
        files: step.files.iter().map(file).collect(),
        amount: yuan(step.amount),
        policy_version: step.policy_version.to_string(),
    }
}

/// What is looked for. `today` = the day on which a step is overdue.
pub(crate) fn case_filter(
    wire: Option<pb::CaseFilter>,
    today: jiff::civil::Date,
) -> Result<CaseFilter, EngineError> {
    let Some(wire) = wire else { return Ok(CaseFilter::default()) };
    let classes: Option<Vec<CaseClass>> = wire.classes().map(names::asked_case_class).collect();
    let states: Option<Vec<CaseState>> = wire.states().map(names::asked_case_state).collect();
    let unknown = |field: &str| EngineError::invalid(field, "holds a value that is not known");
    Ok(CaseFilter {
        division_prefix: division_prefix("filter.division_prefix", wire.division_prefix)?,
        institution: asked_institution("filter.institution_code", &wire.institution_code)?,
        classes: classes.ok_or_else(|| unknown("filter.classes"))?,
        states: states.ok_or_else(|| unknown("filter.states"))?,
        catalog_code: (!wire.catalog_code.is_empty()).then_some(wire.catalog_code),
        occurred: range("filter.occurred", wire.occurred_from, wire.occurred_to)?,
        opened: range("filter.opened", wire.opened_from, wire.opened_to)?,
        amount_fen: Range {
            from: fen("filter.amount_min", &wire.amount_min)?,
            to: fen("filter.amount_max", &wire.amount_max)?,
        },
        overdue_on: wire.overdue.then_some(today),
        with_proposal: wire.with_proposal,
        ..CaseFilter::default()
    })
}

/// The digits with which divisions begin; none = any.
pub(super) fn division_prefix(field: &str, prefix: String) -> Result<Option<String>, EngineError> {
    if prefix.len() > 6 || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EngineError::invalid(field, "has at most six digits"));
    }
    Ok((!prefix.is_empty()).then_some(prefix))
}

/// An institution that is asked about; none = any.
pub(super) fn asked_institution(field: &str, code: &str) -> Result<Option<InstitutionCode>, EngineError> {
    if code.is_empty() { Ok(None) } else { institution_code(field, code).map(Some) }
}

/// From a moment on, and before another one.
fn range(
    field: &str,
    from: Option<prost_types::Timestamp>,
    to: Option<prost_types::Timestamp>,
) -> Result<Range, EngineError> {
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    let from = micros(moment(format!("{field}_from"), from)?);
    let to = micros(moment(format!("{field}_to"), to)?);
    Ok(Range { from, to: to.map(|to| to.saturating_sub(1)) })
}

fn fen(field: &str, text: &str) -> Result<Option<i64>, EngineError> {
    let Some(amount) = decimal(field, text)? else { return Ok(None) };
    let fen = (amount * Decimal::ONE_HUNDRED).round().to_i64();
    fen.map(Some).ok_or_else(|| EngineError::invalid(field, "is larger than any amount"))
}

/// The token of the page behind a cursor.
pub(crate) fn page_token(cursor: Option<&Cursor>) -> String {
    cursor.map(|c| format!("{}{TOKEN_SEPARATOR}{}", c.opened_at, c.name)).unwrap_or_default()
}

/// The cursor of a token.
pub(crate) fn cursor(token: &str) -> Result<Option<Cursor>, EngineError> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (opened_at, name) = token.split_once(TOKEN_SEPARATOR)?;
        Some(Cursor { opened_at: opened_at.parse().ok()?, name: CaseName::parse(name).ok()? })
    };
    let bad =
        || EngineError::invalid("page_token", "is none that this gateway gave; begin with an empty one");
    read().map(Some).ok_or_else(bad)
}

/// What is done to a case.
pub(crate) fn advance(wire: pb::AdvanceCaseRequest) -> Result<Advance, EngineError> {
    let asked = names::asked_case_action(wire.action());
    let kind = asked.ok_or_else(|| EngineError::invalid("action", "is missing; say what shall be done"))?;
    let amount = decimal("amount", &wire.amount)?;
    let action = match kind {
        ActionKind::Push => Action::Push,
        ActionKind::Explain => Action::Explain,
        ActionKind::Appeal => Action::Appeal,
        ActionKind::BeginReview => Action::BeginReview,
        ActionKind::BeginSecondReview => Action::BeginSecondReview,
        ActionKind::Close => Action::Close { ending: ending(wire.ending())?, amount },
        ActionKind::MarkRefund => Action::MarkRefund { amount: amount.unwrap_or_default() },
        ActionKind::AnnulEvent => Action::AnnulEvent { number: wire.event_number },
        ActionKind::AcceptProposal => Action::AcceptProposal,
        ActionKind::RejectProposal => Action::RejectProposal,
    };
    Ok(Advance {
        name: case_name("case_id", &wire.case_id)?,
        action,
        person: wire.person,
        note: wire.note,
        files: wire.files.into_iter().map(file).collect::<Result<_, _>>()?,
        version: (wire.version > 0).then_some(wire.version),
    })
}

fn ending(wire: pb::CaseEnding) -> Result<Ending, EngineError> {
    names::asked_case_ending(wire)
        .ok_or_else(|| EngineError::invalid("ending", "is missing; a case is closed with one"))
}

/// Characters of a hash in hexadecimal digits.
const SHA256_DIGITS: usize = 64;
/// The longest name of a file, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

fn file(wire: pb::FileReference) -> Result<FileReference, EngineError> {
    let pb::FileReference { name, sha256, size_bytes } = wire;
    if name.is_empty() || name.len() > FILE_NAME_BYTES_MAX {
        let what = format!("a file has a name of 1 to {FILE_NAME_BYTES_MAX} bytes");
        return Err(EngineError::invalid("files.name", what));
    }
    if sha256.len() != SHA256_DIGITS || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let what = "is the SHA-256 of the file: 64 hexadecimal digits, as sha256sum prints them";
        return Err(EngineError::invalid("files.sha256", what));
    }
    Ok(FileReference { name, sha256: sha256.to_ascii_lowercase(), size_bytes })
}

/// Most days of one audit.
const AUDITED_DAYS_MAX: i32 = 31;

/// A day.
pub(super) fn day(field: &str, text: &str) -> Result<Date, EngineError> {
    let bad = |_| EngineError::invalid(field, format!("{text:?} is no day; write it like 2026-06-30"));
    text.parse::<Date>().map_err(bad)
}

/// The first and the last day of an audit.
pub(crate) fn audited_days(wire: &pb::RunAuditRequest) -> Result<(Date, Date), EngineError> {
    let (first, last) = (day("first_day", &wire.first_day)?, day("last_day", &wire.last_day)?);
    let days = (last - first).get_days();
    if (0..AUDITED_DAYS_MAX).contains(&days) {
        return Ok((first, last));
    }
    let what = format!("an audit covers 1 to {AUDITED_DAYS_MAX} days, the last not before the first");
    Err(EngineError::invalid("last_day", what))
}

/// How far an audit is.
pub(crate) const fn audit_message(audited: Audited) -> pb::RunAuditResponse {
    let Audited { requests, codes, corrected, cases_changed, pushed } = audited;
    pb::RunAuditResponse { requests, codes, corrected, cases_changed, pushed }
}

/// In which form a file is written.
pub(crate) fn file_format(wire: pb::FileFormat) -> SheetFormat {
    match wire {
        pb::FileFormat::Unspecified | pb::FileFormat::Csv => SheetFormat::Csv,
        pb::FileFormat::Xlsx => SheetFormat::Xlsx,
        pb::FileFormat::JsonLines => SheetFormat::JsonLines,
    }
}

/// By what cases are counted.
pub(crate) fn group_by(wire: pb::GroupBy) -> GroupBy {
    match wire {
        pb::GroupBy::Unspecified | pb::GroupBy::Division => GroupBy::Division,
        pb::GroupBy::Institution => GroupBy::Institution,
        pb::GroupBy::Drug => GroupBy::Drug,
        pb::GroupBy::Class => GroupBy::Class,
        pb::GroupBy::Day => GroupBy::Day,
        pb::GroupBy::Month => GroupBy::Month,
    }
}

/// The cases of a group, with its place.
pub(crate) fn summary(rank: usize, of: Duplicates, name: String) -> pb::DuplicateSummary {
    let Duplicates { summary: group, sales } = of;
    let yuan = |fen: i64| Decimal::new(fen, 2).normalize().to_string();
    pb::DuplicateSummary {
        group: group.group,
        name,
        rank: u32::try_from(rank).unwrap_or(u32::MAX),
        cases: group.cases,
        open: group.open,
        violations: group.violations,
        dismissed: group.dismissed,
        amount: yuan(group.amount_fen),
        recovered: yuan(group.recovered_fen),
        refunded: yuan(group.refunded_fen),
        amount_unknown: group.amount_unknown,
        sales: u64::try_from(sales).unwrap_or(0),
        share: share(Decimal::from(group.cases), Decimal::from(sales), SHARE_DIGITS),
    }
}
