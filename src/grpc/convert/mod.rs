//! The only place where wire types and domain types meet.

mod access;
mod cases;
mod cells;
mod codes;
mod compliance;
mod explain;
mod history;
mod names;
mod policy;
mod registry;
mod request;
mod response;

pub(super) use access::{access_key, join_key, new_key, purged_message};
pub(super) use cases::{
    advance, audit_message, audited_days, case_filter, case_message, case_name, cursor, file_format,
    group_by, page_token, summary,
};
pub(super) use cells::{case_cells, case_columns};
pub(super) use codes::{code_history, code_key, makers_error, makers_error_message};
pub(super) use compliance::{compliance, tally_filter};
pub(super) use explain::{explanation, question, shadow_report};
pub(super) use history::{imported, institutions, past_event};
pub(super) use policy::{page, settings as policy_settings};
pub(super) use registry::{
    drug, drug_message, feed, go_live_date, institution, institution_message, no_code, no_code_message,
    own_scheme, own_scheme_message,
};
pub(super) use request::{
    document, institution_code, movement, optional, person, purchase, return_document, settlement,
};
pub(super) use response::{answered, decision, loaded, timestamp};

use crate::engine::EngineError;
use rust_decimal::Decimal;
use std::fmt::Display;

/// Reads an exact decimal; empty = `None`.
pub(super) fn decimal(field: impl Display, text: &str) -> Result<Option<Decimal>, EngineError> {
    if text.is_empty() {
        return Ok(None);
    }
    Decimal::from_str_exact(text.trim()).map(Some).map_err(|e| {
        EngineError::invalid(
            field.to_string(),
            format!("{text:?} is no exact decimal ({e}); write it like 12.50"),
        )
    })
}
