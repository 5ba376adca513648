//! How stories write a list of past sales, and what they expect of its import.

use crate::domain::document::PastEvent;
use crate::domain::judge::tests::World;
use crate::domain::judge::tests::world::{code, moment, paper};
use crate::domain::judge::{
    Paper, PastAnswer, PastGrounds, PastJudgement, PastOptions, PastRow, PastStanding, judge_past,
};

pub(super) const OFF: PastOptions = PastOptions { find_conflicts: false, count_sold: false };
pub(super) const FIND: PastOptions = PastOptions { find_conflicts: true, count_sold: false };
pub(super) const COUNT: PastOptions = PastOptions { find_conflicts: false, count_sold: true };
/// When imports of these stories run.
pub(super) const NOW: &str = "2026-03-10 09:00";

pub(super) fn sold(alias: &str, document_no: &str, at: &str, scanned: &str) -> PastEvent {
    PastEvent {
        institution: code(alias),
        came_back: false,
        document_no: Some(document_no.to_owned()),
        visit_no: None,
        occurred_at: moment(at),
        line: 1,
        catalog_code: None,
        quantity: None,
        line_quantity: None,
        split: false,
        scanned: scanned.to_owned(),
    }
}

pub(super) fn back(alias: &str, document_no: &str, at: &str, scanned: &str) -> PastEvent {
    PastEvent { came_back: true, ..sold(alias, document_no, at, scanned) }
}

impl PastEvent {
    pub(super) fn draws(self, units: u32) -> Self {
        Self { split: true, quantity: Some(units.into()), ..self }
    }

    pub(super) fn on_line(self, line: u32) -> Self {
        Self { line, ..self }
    }

    pub(super) fn visit(self, visit_no: &str) -> Self {
        Self { visit_no: Some(visit_no.to_owned()), ..self }
    }

    pub(super) fn without_document(self) -> Self {
        Self { document_no: None, ..self }
    }
}

impl World {
    pub(super) fn judges(&self, options: PastOptions, events: &[PastEvent]) -> PastJudgement {
        let rules = self.scan_rules();
        let row = |event: &PastEvent| {
            let hashed = |number: &Option<String>| number.as_deref().map(paper);
            let whose = Paper { document: hashed(&event.document_no), visit: hashed(&event.visit_no) };
            PastRow::new(event.clone(), whose, &rules)
        };
        let rows: Vec<_> = events.iter().map(row).collect();
        let grounds =
            PastGrounds { now: moment(NOW), policy: &self.policy, registry: &self.registry, options };
        judge_past(grounds, &rows, self.histories.clone().into_iter().collect())
    }

    /// Imports a batch and keeps it; gives what became of each row.
    pub(super) fn imports(&mut self, options: PastOptions, events: &[PastEvent]) -> Vec<String> {
        let judgement = self.judges(options, events);
        self.apply_claims(&judgement.claims);
        judgement.answers.iter().map(words).collect()
    }

    /// Imports a batch twice: the second time everything is known, and nothing changes.
    #[track_caller]
    pub(super) fn knows(&mut self, options: PastOptions, events: &[PastEvent], expected: &[&str]) {
        let first = self.judges(options, events);
        assert_eq!(first.answers.iter().map(words).collect::<Vec<_>>(), expected, "{}", self.name);
        self.apply_claims(&first.claims);
        let again = self.judges(options, events);
        assert_eq!((again.claims, again.sold), (Vec::new(), Vec::new()), "{}: a second import", self.name);
        for (answer, expected) in again.answers.iter().zip(expected) {
            let was = expected.split_once(' ').map_or("", |(_, findings)| findings);
            let expected =
                if expected.starts_with("refused") { (*expected).to_owned() } else { format!("known {was}") };
            assert_eq!(words(answer), expected.trim(), "{}: a second import", self.name);
        }
    }

    /// Units that a batch adds to what was sold, over all institutions.
    pub(super) fn counts(&mut self, options: PastOptions, events: &[PastEvent]) -> String {
        let judgement = self.judges(options, events);
        self.apply_claims(&judgement.claims);
        judgement.sold.iter().map(|(_, drug, units)| format!("{drug} {units}")).collect::<Vec<_>>().join(", ")
    }
}

/// `added`, `known DUPLICATE SAME_INSTITUTION LATER`, `refused ALREADY_RETURNED`.
pub(super) fn words(answer: &PastAnswer) -> String {
    let mut words = match &answer.standing {
        PastStanding::Added => "added".to_owned(),
        PastStanding::Known => "known".to_owned(),
        PastStanding::AddedToKnown => "added_to_known".to_owned(),
        PastStanding::Refused(refusal) => {
            let text = refusal.to_string();
            format!("refused {}", text.split([':', ' ']).next().unwrap_or_default())
        }
    };
    for finding in &answer.findings {
        let parts =
            [Some(finding.reason.name()), finding.class.map(|class| class.name()), Some(finding.role.name())];
        for part in parts.into_iter().flatten() {
            words.push(' ');
            words.push_str(part);
        }
    }
    words
}
