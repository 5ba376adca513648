//! What a later look at a recorded sale corrects of its answer. Duplicates and splits are the business of cases; what
//! the clock said stays said.

use super::Judgement;
use crate::domain::outcome::{Answer, Correction};
use crate::domain::verdict::{Enforcement, Finding, Reason};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A reason on a line; `0` = the document as a whole.
type Place = (u32, Reason);

/// Corrections that make an answer what it would be now. The same facts give no further ones.
pub fn audited(
    answer: &Answer,
    corrections: &[Correction],
    judgement: &Judgement,
    at: Timestamp,
) -> Vec<Correction> {
    let mut stands = places(&answer.findings);
    for correction in corrections {
        stands.remove(&(correction.line, correction.was));
        stands.extend(correction.now.filter(|reason| is_audited(*reason)).map(|now| (correction.line, now)));
    }
    let now = places(&judgement.findings);
    let gone = stands.difference(&now).map(|(line, was)| (*line, *was, None));
    let new = now.difference(&stands).map(|(line, now)| (*line, Reason::InDoubt, Some(*now)));
    let correct = |(line, was, now)| Correction { corrected_at: at, line, was, now };
    gone.chain(new).map(correct).collect()
}

/// What a reminder or more is raised for.
fn places(findings: &[Finding]) -> BTreeSet<Place> {
    let counts =
        |finding: &&Finding| finding.enforcement >= Enforcement::Remind && is_audited(finding.reason);
    findings.iter().filter(counts).map(|finding| (finding.line.unwrap_or(0), finding.reason)).collect()
}

/// Whether an audit corrects a reason. Purchases that are waited for are judged again when they come; what was sold
/// more than bought changes with every sale.
const fn is_audited(reason: Reason) -> bool {
    match reason {
        Reason::ProductBarcode
        | Reason::CatalogCode
        | Reason::NationalDrugCode
        | Reason::ConsumableCode
        | Reason::ForeignUrl
        | Reason::CodeMalformed
        | Reason::CodeCorrupted
        | Reason::PlaceholderCode
        | Reason::QuantityNotWhole
        | Reason::NoCode
        | Reason::CodeCountMismatch
        | Reason::NoCodeExempt
        | Reason::NoCodeListed
        | Reason::NotSmallestPack
        | Reason::DrugMismatch
        | Reason::PrefixUnmapped
        | Reason::NotPurchased
        | Reason::PriceAboveListed
        | Reason::InstitutionUnknown
        | Reason::InstitutionSuspended => true,
        Reason::CodeRepeated
        | Reason::Duplicate
        | Reason::SplitElsewhere
        | Reason::PurchaseNotKnownYet
        | Reason::Oversold
        | Reason::SplitUnitsUnknown
        | Reason::SerialMissing
        | Reason::EventTimeInFuture
        | Reason::EventTimeClamped
        | Reason::ReturnUnpaired
        | Reason::AlreadyReturned
        | Reason::Provisional
        | Reason::InDoubt => false,
    }
}
