//! Registry rows, both ways.

use super::{decimal, institution_code, optional};
use crate::domain::code::OwnScheme;
use crate::domain::drug::{Drug, DrugClass, NoCodeEntry, PackLevel};
use crate::domain::party::{
    Division, Institution, InstitutionCode, InstitutionKind, InstitutionStatus, Ownership,
};
use crate::domain::purchase::{FeedScope, PurchaseFeed};
use crate::engine::EngineError;
use crate::grpc::pb;
use jiff::Timestamp;
use jiff::civil::Date;

pub(super) fn date(field: &str, text: &str) -> Result<Option<Date>, EngineError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| EngineError::invalid(field, format!("{text:?} is no date; write yyyy-MM-dd")))
}

pub(super) fn choice<T: Copy>(
    field: &str,
    text: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, EngineError> {
    all.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|value| name(*value)).collect();
        EngineError::invalid(field, format!("{text:?} is not one of {}", known.join(", ")))
    })
}

fn missing<T>(row: Option<T>, field: &str) -> Result<T, EngineError> {
    row.ok_or_else(|| EngineError::invalid(field, "is missing"))
}

/// An institution.
pub(crate) fn institution(wire: Option<pb::Institution>) -> Result<Institution, EngineError> {
    let wire = missing(wire, "institution")?;
    let code = institution_code("institution_code", &wire.institution_code)?;
    let kind = choice("kind", &wire.kind, InstitutionKind::ALL, InstitutionKind::name)?;
    if kind != code.kind() {
        return Err(EngineError::invalid("kind", format!("{kind} does not agree with the code {code}")));
    }
    let division = Division::parse(&wire.division);
    Ok(Institution {
        code,
        name: wire.name,
        kind,
        division: division.ok_or_else(|| EngineError::invalid("division", "write six digits"))?,
        ownership: choice("ownership", &wire.ownership, Ownership::ALL, Ownership::name)?,
        agreement_signed_on: date("agreement_signed_on", &wire.agreement_signed_on)?,
        transition_ends_on: date("transition_ends_on", &wire.transition_ends_on)?,
        chain_group: optional(wire.chain_group),
        status: choice("status", &wire.status, InstitutionStatus::ALL, InstitutionStatus::name)?,
        goes_live_on: date("goes_live_on", &wire.goes_live_on)?,
    })
}

pub(super) fn text_of(date: Option<Date>) -> String {
    date.map(|d| d.to_string()).unwrap_or_default()
}

/// An institution's go-live day. An empty date would make it live at once: that has to be said with a date.
pub(crate) fn go_live_date(
    wire: &pb::LoadGoLiveDatesRequest,
) -> Result<(InstitutionCode, Date), EngineError> {
    let code = institution_code("institution_code", &wire.institution_code)?;
    let day = date("goes_live_on", &wire.goes_live_on)?;
    let what = "is missing; write yyyy-MM-dd, and today's date for an institution that is live";
    day.map(|day| (code, day)).ok_or_else(|| EngineError::invalid("goes_live_on", what))
}

/// An institution for the wire.
pub(crate) fn institution_message(row: &Institution) -> pb::Institution {
    pb::Institution {
        institution_code: row.code.to_string(),
        name: row.name.clone(),
        kind: row.kind.name().to_owned(),
        division: row.division.to_string(),
        ownership: row.ownership.name().to_owned(),
        agreement_signed_on: text_of(row.agreement_signed_on),
        transition_ends_on: text_of(row.transition_ends_on),
        chain_group: row.chain_group.clone().unwrap_or_default(),
        status: row.status.name().to_owned(),
        goes_live_on: text_of(row.goes_live_on),
    }
}

/// A row of the prefix map.
pub(crate) fn drug(wire: Option<pb::Drug>) -> Result<Drug, EngineError> {
    let wire = missing(wire, "drug")?;
    let digits = wire.code_prefix.bytes().all(|b| b.is_ascii_digit());
    if !digits || !matches!(wire.code_prefix.len(), 7 | 14) {
        return Err(EngineError::invalid("code_prefix", "write seven digits of an MSFX code, or a GTIN-14"));
    }
    if wire.catalog_code.is_empty() {
        return Err(EngineError::invalid("catalog_code", "is missing"));
    }
    Ok(Drug {
        pack_level: choice("pack_level", &wire.pack_level, PackLevel::ALL, PackLevel::name)?,
        units_per_pack: Some(wire.units_per_pack).filter(|u| *u > 0),
        drug_class: choice("drug_class", &wire.drug_class, DrugClass::ALL, DrugClass::name)?,
        listed_price: decimal("listed_price", &wire.listed_price)?,
        code_prefix: wire.code_prefix,
        catalog_code: wire.catalog_code,
        name: wire.name,
        dosage_form: wire.dosage_form,
        carton_only: wire.carton_only,
        must_split: wire.must_split,
    })
}

/// A row of the prefix map for the wire.
pub(crate) fn drug_message(row: &Drug) -> pb::Drug {
    pb::Drug {
        code_prefix: row.code_prefix.clone(),
        catalog_code: row.catalog_code.clone(),
        name: row.name.clone(),
        pack_level: row.pack_level.name().to_owned(),
        units_per_pack: row.units_per_pack.unwrap_or_default(),
        drug_class: row.drug_class.name().to_owned(),
        dosage_form: row.dosage_form.clone(),
        carton_only: row.carton_only,
        must_split: row.must_split,
        listed_price: row.listed_price.map(|p| p.to_string()).unwrap_or_default(),
    }
}

/// An entry of the no-code list.
pub(crate) fn no_code(wire: Option<pb::NoCodeEntry>) -> Result<NoCodeEntry, EngineError> {
    let wire = missing(wire, "entry")?;
    if wire.catalog_code.is_empty() {
        return Err(EngineError::invalid("catalog_code", "is missing"));
    }
    check_prefix("division_prefix", &wire.division_prefix)?;
    Ok(NoCodeEntry {
        valid_from: date("valid_from", &wire.valid_from)?,
        valid_to: date("valid_to", &wire.valid_to)?,
        catalog_code: wire.catalog_code,
        division_prefix: wire.division_prefix,
        note: wire.note,
    })
}

/// An entry of the no-code list for the wire.
pub(crate) fn no_code_message(row: &NoCodeEntry) -> pb::NoCodeEntry {
    pb::NoCodeEntry {
        catalog_code: row.catalog_code.clone(),
        division_prefix: row.division_prefix.clone(),
        valid_from: text_of(row.valid_from),
        valid_to: text_of(row.valid_to),
        note: row.note.clone(),
    }
}

/// A manufacturer's own scheme.
pub(crate) fn own_scheme(wire: Option<pb::OwnScheme>) -> Result<OwnScheme, EngineError> {
    let wire = missing(wire, "scheme")?;
    let scheme = OwnScheme {
        pack_level: choice("pack_level", &wire.pack_level, PackLevel::ALL, PackLevel::name)?,
        units_per_pack: Some(wire.units_per_pack).filter(|u| *u > 0),
        catalog_code: optional(wire.catalog_code),
        issuer: wire.issuer,
        pattern: wire.pattern,
    };
    scheme.check().map_err(|e| EngineError::invalid("pattern", e.to_string()))?;
    Ok(scheme)
}

/// A manufacturer's own scheme for the wire.
pub(crate) fn own_scheme_message(row: &OwnScheme) -> pb::OwnScheme {
    pb::OwnScheme {
        issuer: row.issuer.clone(),
        pattern: row.pattern.clone(),
        catalog_code: row.catalog_code.clone().unwrap_or_default(),
        pack_level: row.pack_level.name().to_owned(),
        units_per_pack: row.units_per_pack.unwrap_or_default(),
    }
}

/// How far purchase data is complete.
pub(crate) fn feed(wire: pb::SubmitPurchaseFeedsRequest) -> Result<PurchaseFeed, EngineError> {
    let scope = match wire.scope.strip_suffix('*') {
        Some(prefix) => {
            check_prefix("scope", prefix)?;
            FeedScope::DivisionPrefix(prefix.to_owned())
        }
        None => FeedScope::Institution(institution_code("scope", &wire.scope)?),
    };
    let at = wire.complete_up_to.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    let complete_up_to =
        at.ok_or_else(|| EngineError::invalid("complete_up_to", "is missing or no moment"))?;
    Ok(PurchaseFeed { scope, complete_up_to })
}

fn check_prefix(field: &str, prefix: &str) -> Result<(), EngineError> {
    if prefix.len() <= 6 && prefix.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(EngineError::invalid(field, format!("{prefix:?} is no division prefix; write 0 to 6 digits")))
}
