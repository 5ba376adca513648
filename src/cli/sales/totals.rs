//! What an import comes to, over all its runs.

use super::batches::Span;
use super::sheets::{class_name, reason_name};
use crate::grpc::pb;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// New sales and returns.
    pub added: u64,
    /// On record already.
    pub known: u64,
    /// Told something more about a sale on record.
    pub added_to_known: u64,
    /// Refused, here or by the gateway.
    pub refused: u64,
    /// Of which something was found.
    pub with_findings: u64,
    /// Of institutions that are not in the registry.
    pub institution_unknown: u64,
    /// Findings by reason and class.
    pub findings: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds a batch.
    pub fn add(&mut self, span: &Span, answer: &pb::ImportSalesResponse) {
        self.added += u64::from(answer.added);
        self.known += u64::from(answer.already_known);
        self.added_to_known += u64::from(answer.added_to_known);
        self.refused += u64::from(answer.refused) + span.rejects.len() as u64;
        self.with_findings += u64::from(answer.with_findings);
        self.institution_unknown += u64::from(answer.institution_unknown);
        for finding in answer.rows.iter().flat_map(|row| &row.findings) {
            let name = format!("{} {}", reason_name(finding), class_name(finding));
            *self.findings.entry(name.trim().to_owned()).or_default() += 1;
        }
    }

    /// One object for scripts. `rows`, `seconds` and the rate are of the last run.
    pub fn json(&self, rows: u64, seconds: f64, codes_per_second: u64) -> serde_json::Value {
        let Self { added, known, added_to_known, refused, with_findings, institution_unknown, findings } =
            self;
        serde_json::json!({
            "added": added, "known": known, "added_to_known": added_to_known, "refused": refused,
            "with_findings": with_findings, "findings": findings, "institution_unknown": institution_unknown,
            "rows": rows, "seconds": seconds, "codes_per_second": codes_per_second,
        })
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { added, known, added_to_known, refused, with_findings, institution_unknown, findings } =
            self;
        write!(f, "{added} added, {known} known, {added_to_known} added to known sales, {refused} refused")?;
        if *with_findings > 0 {
            let parts: Vec<_> = findings.iter().map(|(name, n)| format!("{name} {n}")).collect();
            write!(f, ", {with_findings} with findings ({})", parts.join(", "))?;
        }
        if *institution_unknown > 0 {
            write!(
                f,
                "; {institution_unknown} of institutions that are not in the registry: closed, or mistyped?"
            )?;
        }
        Ok(())
    }
}
