//! What a shadow policy would change, counted. Bounded: the counts have as many rows as there are calls, verdicts
//! and reasons, the list of changed requests keeps the latest. Judges nothing.

use crate::domain::outcome::{Answer, RequestKey};
use crate::domain::verdict::{Enforcement, FindingPair, Reason, Verdict, pairs};
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Most changed requests that are kept; the oldest give way.
const CHANGES_MAX: usize = 100;

/// Most differing findings that are kept of one request.
const FINDINGS_PER_CHANGE_MAX: usize = 20;

/// How one request was answered, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The verdict.
    pub verdict: Verdict,
    /// Stored as a sale or return.
    pub recorded: bool,
}

/// A request that the shadow would answer otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which request.
    pub key: RequestKey,
    /// The call, as metrics name it.
    pub call: &'static str,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// The answer in force.
    pub was: Told,
    /// What it would be.
    pub would_be: Told,
    /// The findings that differ, in order of precedence; the first ones.
    pub findings: Vec<FindingPair>,
    /// How many more differ.
    pub findings_left_out: usize,
}

/// The counts of one run.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Documents that were judged twice.
    pub documents: u64,
    /// Of these, those with another verdict, finding or record.
    pub changed: u64,
    /// Documents that the shadow could not judge.
    pub failed: u64,
    /// Documents by call, verdict in force and verdict it would be.
    pub verdicts: BTreeMap<(&'static str, Verdict, Verdict), u64>,
    /// Findings by reason, enforcement in force and enforcement it would be.
    pub reasons: BTreeMap<(Reason, Enforcement, Enforcement), u64>,
    /// Changed requests, the latest first.
    pub changes: VecDeque<Change>,
}

impl Tally {
    /// Documents that would get a stricter verdict.
    pub fn stricter(&self) -> u64 {
        self.sum(|was, would_be| would_be > was)
    }

    /// Documents that would get a milder verdict.
    pub fn milder(&self) -> u64 {
        self.sum(|was, would_be| would_be < was)
    }

    fn sum(&self, of: impl Fn(Verdict, Verdict) -> bool) -> u64 {
        self.verdicts.iter().filter(|((_, was, would_be), _)| of(*was, *would_be)).map(|(_, n)| n).sum()
    }

    /// Counts one document that was judged twice.
    pub(super) fn count(&mut self, comparison: Comparison) {
        let Comparison { change, pairs, differs } = comparison;
        self.documents += 1;
        *self.verdicts.entry((change.call, change.was.verdict, change.would_be.verdict)).or_default() += 1;
        for pair in &pairs {
            let cell = (pair.reason, pair.was.enforcement, pair.would_be.enforcement);
            *self.reasons.entry(cell).or_default() += 1;
        }
        if differs {
            self.changed += 1;
            let mut findings: Vec<_> = pairs.into_iter().filter(FindingPair::differs).collect();
            let findings_left_out = findings.len().saturating_sub(FINDINGS_PER_CHANGE_MAX);
            findings.truncate(FINDINGS_PER_CHANGE_MAX);
            self.changes.truncate(CHANGES_MAX - 1);
            self.changes.push_front(Change { findings, findings_left_out, ..change });
        }
    }
}

/// One document, judged twice. Made before the counts are locked.
pub(super) struct Comparison {
    change: Change,
    pairs: Vec<FindingPair>,
    differs: bool,
}

impl Comparison {
    /// Compares the answer that was given with what the shadow says.
    pub fn new(
        call: &'static str,
        key: &RequestKey,
        answer: &Answer,
        findings: &[crate::domain::verdict::Finding],
        would_be: Told,
    ) -> Self {
        let was = Told { verdict: answer.verdict, recorded: answer.recorded };
        let pairs = pairs(&answer.findings, findings);
        let differs = was != would_be || pairs.iter().any(FindingPair::differs);
        let change = Change {
            key: key.clone(),
            call,
            decided_at: answer.decided_at,
            was,
            would_be,
            findings: Vec::new(),
            findings_left_out: 0,
        };
        Self { change, pairs, differs }
    }
}
