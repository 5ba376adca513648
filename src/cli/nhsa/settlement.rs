//! 2207 (outpatient settlement) with trace codes: each code becomes one line of a sale without document.
//!
//! Knows the fields of this transaction only.

use super::codes::entry_code;
use super::fields::{Fields, fault, opened};
use super::json::Json;
use super::message::{Body, MessageError, SaleDocument, SaleLine};
use super::request_id::RequestIds;
use super::rows::{Key, rows_of};
use super::sales::person;
use std::borrow::Cow;

const NODE_NAMES: &[&str] = &["drug_trac_info", "drugtracinfo", "drugTracInfo"];
const NO_CODES: &str = "2207 without drug_trac_info carries no trace codes";

/// Reads the codes of a settlement.
///
/// The codes of one settlement are one sale: a single entry that cannot be read refuses the message.
pub(super) fn read_settlement(input: &Fields<'_>, ids: &RequestIds) -> Result<Body, MessageError> {
    let data = data_node(input)?;
    let data_path = input.path_to("data");
    let data = data.as_deref().map(|data| Fields::of(data, &data_path, None)).transpose()?;
    let Some((path, node)) = code_node(input, data.as_ref()) else {
        return Ok(Body::NotSupported(NO_CODES.to_owned()));
    };
    let lines = read_lines(node, &path)?;
    if lines.is_empty() {
        return Ok(Body::NotSupported(NO_CODES.to_owned()));
    }
    let data = data.as_ref().unwrap_or(input);
    let key = Key { document_no: None, visit_no: Some(data.required("mdtrt_id")?) };
    Ok(Body::Sales(vec![SaleDocument {
        request_id: ids.of(&key),
        document_no: None,
        visit_no: key.visit_no,
        settlement_id: data.text("setl_id")?,
        person: person(data),
        lines,
    }]))
}

/// `data`: an object, an array of one, or either as JSON text.
fn data_node<'a>(input: &Fields<'a>) -> Result<Option<Cow<'a, Json>>, MessageError> {
    let Some((name, value)) = input.find(&["data"]) else {
        return Ok(None);
    };
    let opened = opened(value, &input.path_to(name), None)?;
    match opened.as_ref() {
        Json::List(items) => match items.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(Cow::Owned(only.clone()))),
            _ => {
                let what = format!("has {} entries", items.len());
                Err(input.fault(name, what, "send one settlement in each message"))
            }
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => Ok(Some(opened)),
    }
}

/// The node with the codes: beside `data`, where the interface has it, or inside.
fn code_node<'a>(input: &Fields<'a>, data: Option<&Fields<'a>>) -> Option<(String, &'a Json)> {
    let of = |fields: &Fields<'a>| fields.find(NODE_NAMES).map(|(name, node)| (fields.path_to(name), node));
    of(input).or_else(|| data.and_then(of))
}

/// One line for each entry that has a code.
fn read_lines(node: &Json, path: &str) -> Result<Vec<SaleLine>, MessageError> {
    let node = opened(node, path, None)?;
    let (rows, closed) = rows_of(&node, path)?;
    if let Some(error) = closed.into_iter().next() {
        return Err(error);
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        let (code, split) = read_entry(&row.value, &row.path, row.number)?;
        lines.extend(code.map(|code| line(row.number, code, split)));
    }
    Ok(lines)
}

fn read_entry(entry: &Json, path: &str, row: u32) -> Result<(Option<String>, bool), MessageError> {
    match entry {
        Json::Text(code) if !entry.is_blank() => Ok((Some(code.clone()), false)),
        Json::Null | Json::Text(_) => Ok((None, false)),
        Json::Number(literal) => Ok((Some(literal.clone()), false)),
        Json::Object(_) => {
            let fields = Fields::of(entry, path, Some(row))?;
            Ok((entry_code(&fields)?, fields.flag("trdn_flag")?.unwrap_or(false)))
        }
        Json::Bool(_) | Json::List(_) => {
            let what = format!("is {}, not an entry with a code", entry.kind());
            Err(fault(path.to_owned(), Some(row), what, "send objects with drug_trac_codg and trdn_flag"))
        }
    }
}

/// The node says neither drug nor price; a settlement is paid by the fund. It has no time of its own.
fn line(row: u32, code: String, split: bool) -> SaleLine {
    SaleLine {
        row,
        catalog_code: None,
        quantity: None,
        split,
        unit_price: None,
        insured: true,
        occurred_at: None,
        codes: vec![code],
    }
}
