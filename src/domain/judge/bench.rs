//! Where findings are raised: looks up the rule, applies what holds for every rule, keeps the finding.

use super::codes::Coded;
use super::{ClaimChange, Collided, Grounds};
use crate::domain::claim::{Event, History, MovementEvent};
use crate::domain::code::CodeKey;
use crate::domain::document::Line;
use crate::domain::drug::Drug;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Institution, InstitutionCode};
use crate::domain::policy::{InstitutionTraits, Situation};
use crate::domain::time::day_of;
use crate::domain::verdict::{
    DuplicateClass, Enforcement, Evidence, Finding, Reason, Role, Verdict, sort, strictest,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One line under judgement.
pub(super) struct LineView<'a> {
    pub line: &'a Line,
    /// The event's time, set to now where it lay slightly in the future.
    pub occurred_at: Timestamp,
    pub situation: Situation<'a>,
    /// The product that the line is about, where the registry knows it.
    pub product: Option<&'a Drug>,
    pub catalog_code: Option<String>,
    pub codes: Vec<Coded<'a>>,
}

/// What a finding says besides its reason.
pub(super) struct Note {
    pub code: Option<String>,
    pub class: Option<DuplicateClass>,
    pub role: Option<Role>,
    pub evidence: Evidence,
    /// No stricter than this, whatever the rule says.
    pub at_most: Enforcement,
}

impl Note {
    pub fn new(evidence: Evidence) -> Self {
        Self { code: None, class: None, role: None, evidence, at_most: Enforcement::Block }
    }

    pub fn bare() -> Self {
        Self::new(Evidence::None)
    }

    #[must_use]
    pub fn code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    #[must_use]
    pub fn at_most(self, at_most: Enforcement) -> Self {
        Self { at_most, ..self }
    }
}

/// The bench at which one request is judged.
pub(super) struct Bench<'a> {
    pub grounds: Grounds<'a>,
    pub institution_code: InstitutionCode,
    pub institution: Option<&'a Institution>,
    pub scene: Scene,
    pub after_the_fact: bool,
    findings: Vec<Finding>,
    working: BTreeMap<CodeKey, Working>,
    /// What collides with what is on record.
    pub collided: Vec<Collided>,
}

/// What a bench leaves.
pub(super) struct Judged {
    pub verdict: Verdict,
    /// In order of precedence.
    pub findings: Vec<Finding>,
    pub claims: Vec<ClaimChange>,
    pub collided: Vec<Collided>,
}

/// The history of a code as this request leaves it so far.
#[derive(Default)]
struct Working {
    /// The version that was read.
    read: Option<u32>,
    history: History,
    changed: bool,
}

impl<'a> Bench<'a> {
    pub fn new(grounds: Grounds<'a>, code: InstitutionCode, scene: Scene, after_the_fact: bool) -> Self {
        Self {
            grounds,
            institution_code: code,
            institution: grounds.registry.institution(code),
            scene,
            after_the_fact,
            findings: Vec::new(),
            working: BTreeMap::new(),
            collided: Vec::new(),
        }
    }

    /// What rules ask about the institution.
    pub fn traits(&self) -> InstitutionTraits {
        self.institution.map_or_else(|| self.institution_code.into(), InstitutionTraits::from)
    }

    /// The situation of the document as a whole.
    pub fn situation(&self) -> Situation<'a> {
        Situation {
            institution: self.traits(),
            scene: self.scene,
            payment: Payment::Insured,
            drug: None,
            split: false,
            day: day_of(self.grounds.now),
        }
    }

    /// Raises a finding about the document as a whole; no cap applies. Gives what the rule does.
    pub fn raise_for_document(&mut self, reason: Reason, note: Note) -> Enforcement {
        let at = self.situation();
        self.keep(reason, None, note, &at)
    }

    /// Raises a finding about a line; gives what the rule does.
    pub fn raise(&mut self, view: &LineView<'_>, reason: Reason, note: Note) -> Enforcement {
        let at_most = note.at_most.min(cap_of_payment(reason, view.situation.payment));
        self.keep(reason, Some(view.line.number), note.at_most(at_most), &view.situation)
    }

    /// What the policy would do about a reason on a line.
    pub fn ruling(&self, view: &LineView<'_>, reason: Reason) -> Enforcement {
        self.grounds.policy.ruling(reason, None, &view.situation).enforcement
    }

    fn keep(&mut self, reason: Reason, line: Option<u32>, note: Note, at: &Situation<'_>) -> Enforcement {
        let ruled = self.grounds.policy.ruling(reason, note.class, at).enforcement;
        let enforcement =
            if reason == Reason::InDoubt { Enforcement::Observe } else { ruled.min(note.at_most) };
        if enforcement != Enforcement::Off {
            let Note { code, class, role, evidence, at_most: _ } = note;
            self.findings.push(Finding { reason, class, role, enforcement, line, code, evidence });
        }
        enforcement
    }

    /// The history of a code as this request leaves it so far.
    pub fn history(&mut self, key: &CodeKey) -> &History {
        &self.working(key).history
    }

    fn working(&mut self, key: &CodeKey) -> &mut Working {
        let known = self.grounds.histories.get(key);
        let read = || Working {
            read: known.map(|history| history.version),
            history: known.cloned().unwrap_or_default(),
            changed: false,
        };
        self.working.entry(key.clone()).or_insert_with(read)
    }

    /// The history of a code, to be changed.
    fn changing(&mut self, key: &CodeKey) -> &mut History {
        let working = self.working(key);
        working.changed = true;
        &mut working.history
    }

    /// Records an event of a code.
    pub fn record(&mut self, key: &CodeKey, event: Event) {
        self.changing(key).record(event);
    }

    /// Records a stock move of a code.
    pub fn record_move(&mut self, key: &CodeKey, moved: MovementEvent) {
        let history = self.changing(key);
        *history = history.with_move(moved);
    }

    /// Puts other events in the place of those of a code.
    pub fn rewrite(&mut self, key: &CodeKey, events: Vec<Event>) {
        let history = self.changing(key);
        *history = History { version: history.version.saturating_add(1), events };
    }

    /// The verdict, the findings in order, and the changes that were recorded.
    pub fn close(mut self) -> Judged {
        sort(&mut self.findings);
        let verdict = strictest(&self.findings);
        let changed = self.working.into_iter().filter(|(_, working)| working.changed);
        let claims = changed
            .map(|(key, Working { read, history, changed: _ })| ClaimChange { key, expected: read, history })
            .collect();
        Judged { verdict, findings: self.findings, claims, collided: self.collided }
    }
}

/// A self-paid line is no fund matter: its findings remind at most.
pub(super) fn cap_of_payment(reason: Reason, payment: Payment) -> Enforcement {
    if payment == Payment::SelfPaid && !is_never_capped(reason) {
        Enforcement::Remind
    } else {
        Enforcement::Block
    }
}

/// What makes a request unusable whoever pays for it.
fn is_never_capped(reason: Reason) -> bool {
    matches!(reason, Reason::InstitutionUnknown | Reason::InstitutionSuspended | Reason::EventTimeInFuture)
}
