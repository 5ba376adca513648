//! 3505 and 3505A (sales), 3506 and 3506A (sale returns): rows become documents with lines.
//!
//! Knows the fields of these transactions; how values are written and rows grouped is done elsewhere.

use super::codes::row_codes;
use super::fields::Fields;
use super::message::{Body, MessageError, ReturnDocument, ReturnLine, SaleDocument, SaleLine};
use super::request_id::RequestIds;
use super::rows::{group, rows_node};
use crate::domain::person::{PERSON_NUMBER_BYTES_MAX, Person};

/// A message's documents, and its rows that could not be read.
pub(super) type Documents = (Body, Vec<MessageError>);

/// Reads the sales.
pub(super) fn read_sales(input: &Fields<'_>, ids: RequestIds) -> Result<Documents, MessageError> {
    let (path, node) = rows_node(input)?;
    let groups = group(&node, &path, sold)?;
    let ids = ids.for_groups(groups.count);
    let documents = groups.good.into_iter().map(|group| {
        let rows = || group.lines.iter().map(|(row, _)| row);
        let settlement_id = rows().find_map(|row| row.settlement_id.clone());
        let person = Person {
            certificate_no: rows().find_map(|row| row.person.certificate_no.clone()),
            insured_no: rows().find_map(|row| row.person.insured_no.clone()),
        };
        let is_settled = settlement_id.is_some();
        // A sale is settled as a whole, whichever of its rows says so.
        let settled = |(row, line): (Payment, SaleLine)| SaleLine {
            insured: row.insured.unwrap_or(is_settled),
            ..line
        };
        SaleDocument {
            request_id: ids.of(&group.key),
            document_no: group.key.document_no,
            visit_no: group.key.visit_no,
            settlement_id,
            person,
            lines: group.lines.into_iter().map(settled).collect(),
        }
    });
    Ok((Body::Sales(documents.collect()), groups.rejected))
}

/// Reads the returns.
pub(super) fn read_returns(input: &Fields<'_>, ids: RequestIds) -> Result<Documents, MessageError> {
    let (path, node) = rows_node(input)?;
    let groups = group(&node, &path, returned)?;
    let ids = ids.for_groups(groups.count);
    let documents = groups.good.into_iter().map(|group| ReturnDocument {
        request_id: ids.of(&group.key),
        document_no: group.key.document_no,
        visit_no: group.key.visit_no,
        settlement_id: group.lines.iter().find_map(|(origin, _)| origin.settlement_id.clone()),
        original_sale_no: group.lines.iter().find_map(|(origin, _)| origin.sale_no.clone()),
        lines: group.lines.into_iter().map(|(_, line)| line).collect(),
    });
    Ok((Body::Returns(documents.collect()), groups.rejected))
}

/// What a sold row says about who pays and who gets it.
struct Payment {
    settlement_id: Option<String>,
    person: Person,
    insured: Option<bool>,
}

/// One sold row; who pays is settled with its document. A price that cannot be read is none: refusing the row for
/// it would leave its boxes free to be sold again.
fn sold(fields: &Fields<'_>, row: u32) -> Result<(Payment, SaleLine), MessageError> {
    let payment =
        Payment { settlement_id: fields.text("setl_id")?, person: person(fields), insured: insured(fields)? };
    let line = SaleLine {
        row,
        catalog_code: fields.text("med_list_codg")?,
        quantity: fields.decimal("sel_retn_cnt")?,
        split: fields.flag("trdn_flag")?.unwrap_or(false),
        unit_price: fields.decimal("finl_trns_pric").ok().flatten(),
        insured: false,
        occurred_at: fields.time("sel_retn_time")?,
        codes: row_codes(fields, row)?,
    };
    Ok((payment, line))
}

/// The numbers of a person. One that cannot be read, or is longer than any, is none: refusing the row for it would leave
/// its boxes free to be sold again.
pub(super) fn person(fields: &Fields<'_>) -> Person {
    let number = |name| {
        let number = fields.text(name).ok().flatten();
        number.filter(|number| number.len() <= PERSON_NUMBER_BYTES_MAX)
    };
    Person { certificate_no: number("certno"), insured_no: number("psn_no") }
}

/// Whether the fund pays. A value that is not known here says nothing: refusing the row would leave its boxes
/// free to be sold again.
fn insured(fields: &Fields<'_>) -> Result<Option<bool>, MessageError> {
    let kind = fields.one_of("mdtrt_setl_type", &[("1", true), ("2", false)])?;
    Ok(kind.ok().flatten())
}

/// What a return row says about the sale it undoes.
struct Origin {
    settlement_id: Option<String>,
    sale_no: Option<String>,
}

fn returned(fields: &Fields<'_>, row: u32) -> Result<(Origin, ReturnLine), MessageError> {
    let origin =
        Origin { settlement_id: fields.text("setl_id")?, sale_no: fields.text("medins_prod_sel_no")? };
    let line = ReturnLine {
        row,
        catalog_code: fields.text("med_list_codg")?,
        quantity: fields.decimal("sel_retn_cnt")?.map(|quantity| quantity.abs()),
        split: fields.flag("trdn_flag")?.unwrap_or(false),
        occurred_at: fields.time("sel_retn_time")?,
        codes: row_codes(fields, row)?,
    };
    Ok((origin, line))
}
