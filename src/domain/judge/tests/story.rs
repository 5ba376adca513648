//! What happens in the world: sales, returns, confirmations, voids, movements; each with what it must give.

use super::explained;
use super::world::{World, code, moment, paper};
use crate::domain::claim::MovementKind;
use crate::domain::document::{Document, Line, Movement, ReturnDocument};
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::{
    Grounds, Judgement, Mode, Paper, Reading, SaleFacts, judge_confirm, judge_movement, judge_return,
    judge_sale, judge_void, scene_of,
};
use crate::domain::party::InstitutionCode;
use crate::domain::verdict::{Evidence, Finding};
use jiff::Timestamp;
use rust_decimal::Decimal;

/// Whole boxes of drug A, paid by insurance.
pub(super) fn line(scanned: &[&str]) -> Line {
    Line {
        number: 1,
        catalog_code: Some("A".to_owned()),
        quantity: Some(Decimal::from(36 * scanned.len().max(1))),
        split: false,
        unit_price: None,
        payment: Payment::Insured,
        occurred_at: None,
        scanned: scanned.iter().map(|s| (*s).to_owned()).collect(),
    }
}

/// A part of a box of drug A.
pub(super) fn split(units: u32, scanned: &[&str]) -> Line {
    Line { quantity: Some(Decimal::from(units)), split: true, ..line(scanned) }
}

impl Line {
    pub(super) fn of(self, drug: &str, units: u32) -> Self {
        Self { catalog_code: Some(drug.to_owned()), quantity: Some(Decimal::from(units)), ..self }
    }

    pub(super) fn number(self, number: u32) -> Self {
        Self { number, ..self }
    }

    pub(super) fn self_paid(self) -> Self {
        Self { payment: Payment::SelfPaid, ..self }
    }
}

#[derive(Clone, Copy)]
enum Act {
    Dispense(Mode),
    Return,
    Confirm,
}

/// Something that is about to happen.
pub(super) struct Deed<'w> {
    world: &'w mut World,
    act: Act,
    document: Document,
    occurred_at: Option<Timestamp>,
    now: Option<Timestamp>,
    unasked: bool,
    given: bool,
}

/// What came of it.
pub(super) struct Told {
    name: &'static str,
    pub judgement: Judgement,
}

impl World {
    fn deed(&mut self, act: Act, alias: &str, document_no: &str, lines: Vec<Line>) -> Deed<'_> {
        let institution = code(alias);
        let document = Document {
            institution,
            document_no: Some(document_no.to_owned()),
            visit_no: None,
            settlement_id: None,
            scene: scene_of(institution),
            operator: None,
            lines,
        };
        Deed { world: self, act, document, occurred_at: None, now: None, unasked: false, given: false }
    }

    pub(super) fn sale(&mut self, alias: &str, document_no: &str, line: Line) -> Deed<'_> {
        self.document(alias, document_no, vec![line])
    }

    pub(super) fn document(&mut self, alias: &str, document_no: &str, lines: Vec<Line>) -> Deed<'_> {
        self.deed(Act::Dispense(Mode::Sale), alias, document_no, lines)
    }

    pub(super) fn hold(&mut self, alias: &str, document_no: &str, line: Line) -> Deed<'_> {
        self.deed(Act::Dispense(Mode::Hold), alias, document_no, vec![line])
    }

    pub(super) fn report(&mut self, alias: &str, document_no: &str, lines: Vec<Line>) -> Deed<'_> {
        self.deed(Act::Dispense(Mode::Report), alias, document_no, lines)
    }

    pub(super) fn takes_back(&mut self, alias: &str, document_no: &str, line: Line) -> Deed<'_> {
        self.deed(Act::Return, alias, document_no, vec![line])
    }

    pub(super) fn confirm(&mut self, alias: &str, document_no: &str) -> Deed<'_> {
        let held = self.documents.get(&(code(alias), document_no.to_owned()));
        let lines = held.map(|d| d.lines.clone()).unwrap_or_default();
        self.deed(Act::Confirm, alias, document_no, lines)
    }

    /// Voids a document; gives the codes that were freed.
    pub(super) fn void(&mut self, alias: &str, document_no: &str) -> Vec<String> {
        let whose = Paper { document: Some(paper(document_no)), visit: None };
        let (claims, freed) = judge_void(code(alias), whose, &self.histories);
        self.apply_claims(&claims);
        freed
    }

    pub(super) fn moves(
        &mut self,
        kind: MovementKind,
        from: &str,
        to: Option<&str>,
        scanned: &str,
        at: &str,
    ) -> Told {
        let movement = Movement {
            institution: code(from),
            destination: to.map(code),
            kind,
            occurred_at: Some(moment(at)),
            scanned: vec![scanned.to_owned()],
        };
        let reading = Reading::of_scans(&movement.scanned, &self.scan_rules());
        let judgement = self.judge(code(from), Paper::default(), moment(at), |grounds| {
            judge_movement(grounds, &movement, &reading)
        });
        self.told(code(from), judgement)
    }

    fn judge(
        &self,
        institution: InstitutionCode,
        paper: Paper,
        now: Timestamp,
        judge: impl FnOnce(Grounds<'_>) -> Judgement,
    ) -> Judgement {
        judge(Grounds {
            now,
            policy: &self.policy,
            registry: &self.registry,
            paper,
            histories: &self.histories,
            positions: &self.positions_of(institution),
            provisional: false,
        })
    }

    fn told(&mut self, institution: InstitutionCode, judgement: Judgement) -> Told {
        let name = self.name;
        let changes_nothing =
            judgement.claims.is_empty() && judgement.sold.is_empty() && judgement.awaited.is_empty();
        assert!(judgement.recorded || changes_nothing, "{name}: not recorded, but it changes {judgement:?}");
        self.apply(institution, &judgement);
        Told { name, judgement }
    }
}

impl Deed<'_> {
    /// When it happened; heard of at once unless [`heard`](Self::heard) says otherwise.
    pub(super) fn at(mut self, time: &str) -> Self {
        self.occurred_at = Some(moment(time));
        self
    }

    pub(super) fn heard(mut self, time: &str) -> Self {
        self.now = Some(moment(time));
        self
    }

    pub(super) fn visit(mut self, visit_no: &str) -> Self {
        self.document.visit_no = Some(visit_no.to_owned());
        self
    }

    /// The settlement message (2207): a visit, no document.
    pub(super) fn visit_only(mut self, visit_no: &str) -> Self {
        self.document.document_no = None;
        self.visit(visit_no)
    }

    pub(super) fn ward(mut self) -> Self {
        self.document.scene = Scene::Inpatient;
        self
    }

    /// It happens; the verdict and all findings are as told: `REASON`, or `DUPLICATE CLASS ROLE`.
    #[track_caller]
    pub(super) fn gives(mut self, verdict: &str, findings: &[&str]) -> Told {
        for line in &mut self.document.lines {
            line.occurred_at = line.occurred_at.or(self.occurred_at);
        }
        let judgement = self.judge();
        let now = self.now.or(self.occurred_at).unwrap();
        explained::agrees(self.world, &self.document, matches!(self.act, Act::Return), now, &judgement);
        let found: Vec<String> = judgement.findings.iter().map(words).collect();
        let name = self.world.name;
        let document_no = self.document.document_no.clone().unwrap_or_default();
        assert_eq!(
            (judgement.verdict.name(), found.iter().map(String::as_str).collect::<Vec<_>>()),
            (verdict, findings.to_vec()),
            "{name}, document {document_no}"
        );
        let institution = self.document.institution;
        let key = (institution, document_no);
        self.world.documents.insert(key, self.document);
        self.world.told(institution, judgement)
    }

    /// The ledger cannot be asked.
    pub(super) fn unasked(self) -> Self {
        Self { unasked: true, ..self }
    }

    /// It was let through before.
    pub(super) fn given(self) -> Self {
        Self { given: true, ..self }
    }

    /// What would be judged; nothing comes of it.
    pub(super) fn weighed(mut self) -> Judgement {
        for line in &mut self.document.lines {
            line.occurred_at = line.occurred_at.or(self.occurred_at);
        }
        self.judge()
    }

    #[track_caller]
    pub(super) fn allowed(self) -> Told {
        self.gives("ALLOW", &[])
    }

    fn judge(&self) -> Judgement {
        let document = &self.document;
        let whose = Paper {
            document: document.document_no.as_deref().map(paper),
            visit: document.visit_no.as_deref().map(paper),
        };
        let now = self.now.or(self.occurred_at).unwrap();
        let reading = Reading::of(&document.lines, &self.world.scan_rules());
        let institution = document.institution;
        let unasked = self.unasked;
        self.world.judge(institution, whose, now, |grounds| match self.act {
            Act::Dispense(mode) => judge_sale(SaleFacts {
                grounds: Grounds { provisional: unasked, ..grounds },
                document,
                reading: &reading,
                mode,
                given: self.given,
            }),
            Act::Return => judge_return(grounds, &return_of(document), &reading, false),
            Act::Confirm => judge_confirm(grounds, document, &reading, self.occurred_at),
        })
    }
}

fn return_of(document: &Document) -> ReturnDocument {
    ReturnDocument {
        institution: document.institution,
        document_no: document.document_no.clone(),
        visit_no: document.visit_no.clone(),
        original_sale_no: None,
        settlement_id: None,
        operator: None,
        lines: document.lines.clone(),
    }
}

/// A finding as the rows write it.
fn words(finding: &Finding) -> String {
    let parts = [
        Some(finding.reason.name()),
        finding.class.map(|class| class.name()),
        finding.role.map(|role| role.name()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

impl Told {
    #[track_caller]
    pub(super) fn recorded(self, recorded: bool) -> Self {
        assert_eq!(self.judgement.recorded, recorded, "{}: recorded", self.name);
        self
    }

    #[track_caller]
    pub(super) fn claims(self, codes: usize) -> Self {
        assert_eq!(self.judgement.claims.len(), codes, "{}: codes claimed", self.name);
        self
    }

    /// Which line each finding is about.
    #[track_caller]
    pub(super) fn on_lines(self, lines: &[Option<u32>]) -> Self {
        let found: Vec<_> = self.judgement.findings.iter().map(|f| f.line).collect();
        assert_eq!(found, lines, "{}: lines of the findings", self.name);
        self
    }

    /// The evidence of the only finding with that reason.
    #[track_caller]
    pub(super) fn evidence(&self, reason: &str) -> &Evidence {
        let mut found = self.judgement.findings.iter().filter(|f| f.reason.name() == reason);
        let finding = found.next().unwrap_or_else(|| panic!("{}: no finding {reason}", self.name));
        assert!(found.next().is_none(), "{}: {reason} twice", self.name);
        &finding.evidence
    }

    /// The two numbers behind a finding: expected and found.
    #[track_caller]
    pub(super) fn numbers(self, reason: &str, expected: u32, found: u32) -> Self {
        let evidence =
            Evidence::Quantities { expected: Decimal::from(expected), found: Decimal::from(found) };
        assert_eq!(*self.evidence(reason), evidence, "{}: numbers of {reason}", self.name);
        self
    }
}
