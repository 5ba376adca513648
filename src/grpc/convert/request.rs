//! From the wire: documents, returns, movements, settlements, purchases.

use super::{decimal, names};
use crate::domain::code::SCANNED_BYTES_MAX;
use crate::domain::document::{Document, Line, Movement, ReturnDocument};
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::scene_of;
use crate::domain::party::InstitutionCode;
use crate::domain::person::Person;
use crate::domain::purchase::PurchaseRecord;
use crate::engine::{EngineError, Settlement};
use crate::grpc::pb;
use jiff::Timestamp;
use std::fmt::{self, Display};

/// Places of a price that are kept.
const PRICE_PLACES_MAX: u32 = 10;

/// An institution code in a field.
pub(crate) fn institution_code(field: &str, text: &str) -> Result<InstitutionCode, EngineError> {
    InstitutionCode::parse(text).map_err(|e| EngineError::invalid(field, e.to_string()))
}

/// An empty text is no text; blanks around it do not count.
pub(crate) fn optional(text: String) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        None
    } else if trimmed.len() == text.len() {
        Some(text)
    } else {
        Some(trimmed.to_owned())
    }
}

/// A moment, to the microsecond.
pub(super) fn moment(
    field: impl Display,
    wire: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, EngineError> {
    let Some(wire) = wire else { return Ok(None) };
    let at = Timestamp::new(wire.seconds, wire.nanos)
        .ok()
        .and_then(|at| Timestamp::from_microsecond(at.as_microsecond()).ok());
    at.map(Some).ok_or_else(|| {
        EngineError::invalid(field.to_string(), "is no moment between the years -9999 and 9999")
    })
}

/// To whom a document's goods are handed.
pub(crate) fn person(wire: Option<&mut pb::Document>) -> Option<Person> {
    let pb::Person { certificate_no, insured_no } = wire?.person.take()?;
    Some(Person { certificate_no: optional(certificate_no), insured_no: optional(insured_no) })
}

/// A dispensing document.
pub(crate) fn document(wire: Option<pb::Document>) -> Result<Document, EngineError> {
    let wire = wire.ok_or_else(|| EngineError::invalid("document", "is missing"))?;
    let institution = institution_code("document.institution_code", &wire.institution_code)?;
    let scene = names::scene(wire.scene());
    let settlement_id = optional(wire.settlement_id.clone());
    let said = names::payment(wire.payment());
    // Without a word about payment, a settlement says that the fund pays.
    let insured = if settlement_id.is_some() { Payment::Insured } else { Payment::SelfPaid };
    let occurred_at = moment("document.occurred_at", wire.occurred_at)?;
    Ok(Document {
        institution,
        lines: lines(wire.lines, said.unwrap_or(insured), occurred_at)?,
        document_no: optional(wire.document_no),
        visit_no: optional(wire.visit_no),
        settlement_id,
        scene: scene.unwrap_or_else(|| default_scene(institution)),
        operator: optional(wire.operator),
    })
}

fn default_scene(institution: InstitutionCode) -> Scene {
    scene_of(institution)
}

/// A sale return.
pub(crate) fn return_document(wire: Option<pb::ReturnDocument>) -> Result<ReturnDocument, EngineError> {
    let wire = wire.ok_or_else(|| EngineError::invalid("document", "is missing"))?;
    let occurred_at = moment("document.occurred_at", wire.occurred_at)?;
    Ok(ReturnDocument {
        institution: institution_code("document.institution_code", &wire.institution_code)?,
        document_no: optional(wire.document_no),
        visit_no: optional(wire.visit_no),
        original_sale_no: optional(wire.original_sale_no),
        settlement_id: optional(wire.settlement_id),
        operator: optional(wire.operator),
        lines: lines(wire.lines, Payment::Insured, occurred_at)?,
    })
}

fn lines(
    wire: Vec<pb::Line>,
    payment: Payment,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Line>, EngineError> {
    wire.into_iter().enumerate().map(|(at, l)| line(at, l, payment, occurred_at)).collect()
}

fn line(
    at: usize,
    wire: pb::Line,
    payment: Payment,
    occurred_at: Option<Timestamp>,
) -> Result<Line, EngineError> {
    // Put together only where something is wrong.
    let field = |name: &'static str| fmt::from_fn(move |f| write!(f, "document.lines[{at}].{name}"));
    let place = u32::try_from(at + 1).unwrap_or(u32::MAX);
    Ok(Line {
        number: if wire.line_no == 0 { place } else { wire.line_no },
        quantity: decimal(field("quantity"), &wire.quantity)?.map(|quantity| quantity.normalize()),
        // A price that was a binary fraction somewhere has more places than money has.
        unit_price: decimal(field("unit_price"), &wire.unit_price)?
            .map(|price| price.round_dp(PRICE_PLACES_MAX)),
        split: wire.split,
        payment: names::payment(wire.payment()).unwrap_or(payment),
        occurred_at: moment(field("occurred_at"), wire.occurred_at)?.or(occurred_at),
        catalog_code: optional(wire.catalog_code),
        scanned: wire.codes.into_iter().map(clipped).collect(),
    })
}

/// A scan, or as much of an overlong one as shows that it is none: what no scanner sends is not kept for ever.
pub(super) fn clipped(mut scan: String) -> String {
    if scan.len() > SCANNED_BYTES_MAX {
        let end = (SCANNED_BYTES_MAX + 1..scan.len()).find(|at| scan.is_char_boundary(*at));
        scan.truncate(end.unwrap_or(scan.len()));
    }
    scan
}

/// A movement inside.
pub(crate) fn movement(wire: pb::Movement) -> Result<Movement, EngineError> {
    let destination = optional(wire.destination_code.clone());
    let kind = names::movement_kind(wire.kind());
    Ok(Movement {
        institution: institution_code("movement.institution_code", &wire.institution_code)?,
        destination: destination
            .map(|code| institution_code("movement.destination_code", &code))
            .transpose()?,
        kind: kind.ok_or_else(|| EngineError::invalid("movement.kind", "say count, move or stock-in"))?,
        occurred_at: moment("movement.occurred_at", wire.occurred_at)?,
        scanned: wire.codes.into_iter().map(clipped).collect(),
    })
}

/// A settlement of a hold.
pub(crate) fn settlement(wire: pb::ConfirmRequest) -> Result<Settlement, EngineError> {
    let amount = decimal("amount", &wire.amount)?;
    Ok(Settlement {
        amount: amount.ok_or_else(|| EngineError::invalid("amount", "is missing; write yuan like 12.50"))?,
        occurred_at: moment("occurred_at", wire.occurred_at)?,
        dispense_request_id: wire.dispense_request_id,
        settlement_id: wire.settlement_id.trim().to_owned(),
    })
}

/// A purchase record.
pub(crate) fn purchase(wire: pb::SubmitPurchasesRequest) -> Result<PurchaseRecord, EngineError> {
    let source = names::source(wire.source());
    let quantity = decimal("quantity", &wire.quantity)?.filter(|q| !q.is_zero());
    let purchased_at = moment("purchased_at", wire.purchased_at)?;
    let record = PurchaseRecord {
        institution: institution_code("institution_code", &wire.institution_code)?,
        catalog_code: wire.catalog_code,
        source: source
            .ok_or_else(|| EngineError::invalid("source", "say platform, filed or opening stock"))?,
        order_no: wire.order_no,
        supplier: wire.supplier,
        lot_no: wire.lot_no,
        quantity: quantity.ok_or_else(|| EngineError::invalid("quantity", "is missing or zero"))?,
        unit_price: decimal("unit_price", &wire.unit_price)?,
        purchased_at: purchased_at.ok_or_else(|| EngineError::invalid("purchased_at", "is missing"))?,
    };
    if record.catalog_code.is_empty() {
        return Err(EngineError::invalid("catalog_code", "is missing"));
    }
    Ok(record)
}
