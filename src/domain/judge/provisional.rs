//! Answers that are given while the ledger cannot be asked: which ones may be, and what is said of them once it can.

use super::Judgement;
use crate::domain::outcome::Correction;
use crate::domain::verdict::{Enforcement, Finding, Reason, Verdict};
use jiff::Timestamp;

/// Whether a rule for `PROVISIONAL` lets answers pass, each with its mark.
pub const fn passes_marked(enforcement: Enforcement) -> bool {
    matches!(enforcement, Enforcement::Observe | Enforcement::Remind)
}

/// Whether a judgement on what this gateway knows may be told without the ledger. Only where a rule lets
/// `PROVISIONAL` pass, so that nothing is let through unmarked; and nobody is refused a sale for what only the ledger
/// knows.
pub fn may_be_given(judgement: &Judgement) -> bool {
    let marked = judgement
        .findings
        .iter()
        .any(|finding| finding.reason == Reason::Provisional && passes_marked(finding.enforcement));
    let hidden =
        |finding: &Finding| finding.enforcement == Enforcement::Block && finding.reason.rests_on_ledger();
    let told = match judgement.verdict {
        Verdict::Allow | Verdict::Remind => true,
        Verdict::Block => !judgement.findings.iter().any(hidden),
        Verdict::Pending => false,
    };
    marked && told && !judgement.after_the_fact
}

/// What becomes of a provisional answer, line by line: `given` = what it said, `found` = what the ledger says. A line
/// without anything new is settled in the institution's favour.
pub fn corrections(given: &[Finding], found: &[Finding], lines: &[u32], at: Timestamp) -> Vec<Correction> {
    let known = |finding: &&Finding| given.iter().any(|before| is_same(before, finding));
    let new: Vec<&Finding> = found.iter().filter(|finding| !known(finding)).collect();
    let waited = |line: u32| {
        let asked = |findings: &[Finding]| {
            findings.iter().any(|f| f.reason == Reason::PurchaseNotKnownYet && f.line == Some(line))
        };
        asked(given) && !asked(found)
    };
    let mut corrections = Vec::new();
    for (at_line, line) in lines.iter().enumerate() {
        let of_line = |f: &&&Finding| f.line == Some(*line) || (f.line.is_none() && at_line == 0);
        let mut reasons: Vec<Reason> = new.iter().filter(of_line).map(|finding| finding.reason).collect();
        reasons.dedup();
        let mut correct = |was, now| {
            corrections.push(Correction { corrected_at: at, line: *line, was, now });
        };
        if waited(*line) {
            let answer = reasons.iter().position(|reason| is_about_purchases(*reason));
            correct(Reason::PurchaseNotKnownYet, answer.map(|at| reasons.remove(at)));
        }
        if reasons.is_empty() {
            correct(Reason::Provisional, None);
        }
        reasons.into_iter().for_each(|reason| correct(Reason::Provisional, Some(reason)));
    }
    corrections
}

fn is_same(one: &Finding, other: &Finding) -> bool {
    (one.reason, one.line, &one.code) == (other.reason, other.line, &other.code)
}

const fn is_about_purchases(reason: Reason) -> bool {
    matches!(reason, Reason::NotPurchased | Reason::Oversold | Reason::PriceAboveListed)
}
