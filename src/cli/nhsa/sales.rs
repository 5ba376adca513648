//! 3505 and 3505A (sales), 3506 and 3506A (sale returns): rows become documents with lines.
//!
//! Knows the fields of these transactions; how values are written and rows grouped is done elsewhere.

use super::codes::row_codes;
use super::fields::Fields;
use super::message::{Body, MessageError, ReturnDocument, ReturnLine, SaleDocument, SaleLine};
use super::request_id::RequestIds;
use super::rows::{group, rows_node};
use jiff::Timestamp;

/// A message's documents, and its rows that could not be read.
pub(super) type Documents = (Body, Vec<MessageError>);

/// Reads the sales of a message that was sent at `clock`.
pub(super) fn read_sales(
    input: &Fields<'_>,
    clock: Timestamp,
    ids: RequestIds,
) -> Result<Documents, MessageError> {
    let (path, node) = rows_node(input)?;
    let groups = group(&node, &path, |fields, row| sold(fields, row, clock))?;
    let ids = ids.for_groups(groups.count);
    let documents = groups.good.into_iter().map(|group| SaleDocument {
        request_id: ids.of(&group.key),
        document_no: group.key.document_no,
        visit_no: group.key.visit_no,
        settlement_id: group.lines.iter().find_map(|(settlement, _)| settlement.clone()),
        lines: group.lines.into_iter().map(|(_, line)| line).collect(),
    });
    Ok((Body::Sales(documents.collect()), groups.rejected))
}

/// Reads the returns of a message that was sent at `clock`.
pub(super) fn read_returns(
    input: &Fields<'_>,
    clock: Timestamp,
    ids: RequestIds,
) -> Result<Documents, MessageError> {
    let (path, node) = rows_node(input)?;
    let groups = group(&node, &path, |fields, row| returned(fields, row, clock))?;
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

/// One sold row, with the settlement it names.
fn sold(fields: &Fields<'_>, row: u32, clock: Timestamp) -> Result<(Option<String>, SaleLine), MessageError> {
    let settlement = fields.text("setl_id")?;
    let line = SaleLine {
        row,
        catalog_code: fields.text("med_list_codg")?,
        quantity: fields.decimal("sel_retn_cnt")?,
        split: fields.flag("trdn_flag")?.unwrap_or(false),
        unit_price: fields.decimal("finl_trns_pric")?,
        insured: insured(fields)?.unwrap_or(settlement.is_some()),
        occurred_at: fields.time("sel_retn_time")?.unwrap_or(clock),
        codes: row_codes(fields, row)?,
    };
    Ok((settlement, line))
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

fn returned(fields: &Fields<'_>, row: u32, clock: Timestamp) -> Result<(Origin, ReturnLine), MessageError> {
    let origin =
        Origin { settlement_id: fields.text("setl_id")?, sale_no: fields.text("medins_prod_sel_no")? };
    let line = ReturnLine {
        row,
        catalog_code: fields.text("med_list_codg")?,
        quantity: fields.decimal("sel_retn_cnt")?.map(|quantity| quantity.abs()),
        split: fields.flag("trdn_flag")?.unwrap_or(false),
        occurred_at: fields.time("sel_retn_time")?.unwrap_or(clock),
        codes: row_codes(fields, row)?,
    };
    Ok((origin, line))
}
