//! The trace codes of a row, in every shape that clients give them.
//!
//! Codes pass through untouched: what a scanner added is judged by the gateway, not here.

use super::fields::{Fields, fault, opened};
use super::json::Json;
use super::message::MessageError;

/// How the field with one code is called.
const CODE_NAMES: &[&str] = &["drug_trac_codg", "drug_trac_code", "drugTracCodg", "drugTracCode"];
/// How the node with the codes of a row is called.
const NODE_NAMES: &[&str] = &["drugtracinfo", "drug_trac_info", "drugTracInfo"];
/// How deep arrays and JSON texts may be wrapped into each other.
const WRAPS_MAX: u8 = 3;

/// The codes of a sale or return row.
///
/// The node replaces the old single field of the row; that counts only where the node is absent or without a
/// code.
pub(super) fn row_codes(fields: &Fields<'_>, row: u32) -> Result<Vec<String>, MessageError> {
    let mut codes = Vec::new();
    if let Some((name, node)) = fields.find(NODE_NAMES) {
        collect(node, &fields.path_to(name), row, WRAPS_MAX, &mut codes)?;
    }
    if codes.is_empty() {
        codes.extend(code_of(fields)?);
    }
    Ok(codes)
}

/// The one code of an object, `None` where it is absent or blank.
fn code_of(fields: &Fields<'_>) -> Result<Option<String>, MessageError> {
    let Some((name, value)) = fields.find(CODE_NAMES) else {
        return Ok(None);
    };
    match value {
        Json::Text(code) => Ok(Some(code.clone())),
        Json::Number(literal) => Ok(Some(literal.clone())),
        Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => {
            Err(fields.fault(name, format!("is {}, not a code", value.kind()), "send one code as text"))
        }
    }
}

/// Appends the codes of a node: an array, one object, one plain code, or any of these as JSON text.
fn collect(
    node: &Json,
    path: &str,
    row: u32,
    wraps: u8,
    codes: &mut Vec<String>,
) -> Result<(), MessageError> {
    let inner = opened(node, path, Some(row))?;
    match inner.as_ref() {
        Json::Text(code) if !inner.is_blank() => codes.push(code.clone()),
        Json::Null | Json::Text(_) => {}
        Json::Number(literal) => codes.push(literal.clone()),
        Json::Object(_) => codes.extend(entry_code(&Fields::of(&inner, path, Some(row))?)?),
        Json::List(_) if wraps == 0 => {
            return Err(fault(path.to_owned(), Some(row), "holds arrays inside arrays", NODE_FORM));
        }
        Json::List(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{at}]"), row, wraps - 1, codes)?;
            }
        }
        Json::Bool(value) => {
            let what = format!("is {value}, not a trace code");
            return Err(fault(path.to_owned(), Some(row), what, NODE_FORM));
        }
    }
    Ok(())
}

const NODE_FORM: &str = "send an array of objects with drug_trac_codg";

/// The code of an entry of a node, `None` where it is blank.
///
/// An entry without any code field is a mistake of the sender: passing over it would hide a code.
pub(super) fn entry_code(entry: &Fields<'_>) -> Result<Option<String>, MessageError> {
    let code = code_of(entry)?;
    if code.is_some() || entry.is_empty() || entry.has_any(CODE_NAMES) {
        return Ok(code);
    }
    let what = format!("is missing from this entry; found {}", entry.names());
    Err(entry.fault("drug_trac_codg", what, NODE_FORM))
}
