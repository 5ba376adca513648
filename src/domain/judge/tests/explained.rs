//! What an explanation says, and that it never says other than the judge does: every finding of every story is
//! compared with it.

use super::story::line;
use super::world::{World, code};
use crate::domain::code::read;
use crate::domain::document::{Document, Line};
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::{Judgement, Question, Reading, Remark, scene_of};
use crate::domain::policy::{DrugTraits, InstitutionTraits, Situation};
use crate::domain::time::day_of;
use crate::domain::verdict::{Enforcement, Finding, Reason};
use jiff::Timestamp;
use jiff::civil::{Date, date};

/// The line's catalogue code, or the one that its scans name.
fn catalog_code_of(world: &World, line: &Line) -> Option<String> {
    let scans = line.scanned.iter().map(|s| read(s, &world.scan_rules())).collect();
    let reading = Reading { lines: vec![scans] };
    reading.catalog_codes(std::slice::from_ref(line), &world.registry).into_iter().next()
}

/// Every finding of a judgement carries what an explanation of its situation says.
#[track_caller]
pub(super) fn agrees(
    world: &World,
    document: &Document,
    is_return: bool,
    now: Timestamp,
    judged: &Judgement,
) {
    for finding in &judged.findings {
        let line = document.lines.iter().find(|l| Some(l.number) == finding.line);
        let expected = enforcement_of(world, document, line, is_return, now, finding);
        // What a pack of unknown size has given so far is a fact, not a rule.
        if finding.reason == Reason::SplitUnitsUnknown {
            assert!(finding.enforcement <= expected, "{}: {finding:?} is explained otherwise", world.name);
        } else {
            assert_eq!(finding.enforcement, expected, "{}: {finding:?} is explained otherwise", world.name);
        }
    }
}

fn enforcement_of(
    world: &World,
    document: &Document,
    line: Option<&Line>,
    is_return: bool,
    now: Timestamp,
    finding: &Finding,
) -> Enforcement {
    let institution = world.registry.institution(document.institution);
    let catalog_code = line.and_then(|line| catalog_code_of(world, line));
    let product = catalog_code.as_deref().and_then(|code| world.registry.product(code));
    let occurred_at = line.and_then(|line| line.occurred_at).map_or(now, |at| at.min(now));
    let said = line.map_or(Payment::Insured, |line| line.payment);
    let situation = Situation {
        institution: institution.map_or_else(|| document.institution.into(), InstitutionTraits::from),
        scene: if is_return { scene_of(document.institution) } else { document.scene },
        payment: if is_return { Payment::Insured } else { said },
        drug: product.map(DrugTraits::from),
        split: line.is_some_and(|line| line.split),
        day: day_of(occurred_at),
    };
    let catalog_code = catalog_code.as_deref();
    let question =
        Question { policy: &world.policy, registry: &world.registry, institution, catalog_code, situation };
    question.explain(finding.reason, finding.class).enforcement
}

/// An insured whole box of a drug at an institution on a day.
fn ask<'w>(world: &'w World, alias: &str, drug: &'w str, day: Date) -> Question<'w> {
    let code = code(alias);
    let institution = world.registry.institution(code);
    Question {
        policy: &world.policy,
        registry: &world.registry,
        institution,
        catalog_code: Some(drug),
        situation: Situation {
            institution: institution.map_or_else(|| code.into(), InstitutionTraits::from),
            scene: scene_of(code),
            payment: Payment::Insured,
            drug: world.registry.product(drug).map(DrugTraits::from),
            split: false,
            day,
        },
    }
}

#[track_caller]
fn check(
    question: &Question<'_>,
    reason: Reason,
    ruled: Enforcement,
    carried: Enforcement,
    words: &[Remark],
) {
    let told = question.explain(reason, None);
    assert_eq!(
        (told.ruling.enforcement, told.enforcement, told.remarks.as_slice()),
        (ruled, carried, words),
        "{reason} on {}",
        question.situation.day
    );
}

#[test]
fn what_holds_for_every_rule_is_told_with_the_rule() {
    use Enforcement::{Block, Observe, Off, Remind};
    let mut world = World::new("explained");
    world.institution("P4", |i| i.goes_live_on = Some(date(2026, 4, 1)));
    world.no_code_list("B", "1301", Some(date(2026, 3, 10)));
    world.rules("[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '130102'\npayment = 'self_paid'\nkind = 'pharmacy'\nenforcement = 'block'\nnote = ''\n");
    let (spring, summer) = (date(2026, 3, 10), date(2026, 6, 1));
    let p1 = ask(&world, "P1", "A", spring);
    check(&p1, Reason::NoCode, Block, Block, &[]);
    check(&p1, Reason::NoCodeExempt, Observe, Off, &[Remark::NotExempt]);
    check(&p1, Reason::NoCodeListed, Observe, Off, &[Remark::NotListed]);
    check(&p1, Reason::NotPurchased, Block, Block, &[]);
    check(&p1, Reason::PurchaseNotKnownYet, Remind, Remind, &[]);
    check(&p1, Reason::InDoubt, Off, Observe, &[Remark::AlwaysPending]);
    check(&p1, Reason::SplitUnitsUnknown, Remind, Remind, &[Remark::UnknownUnitsCap]);
    // National only: pharmacies are not held to the platform, so nothing waits for its data.
    check(&ask(&world, "P1", "A", date(2025, 9, 4)), Reason::NotPurchased, Off, Off, &[]);
    let before = ask(&world, "P1", "A", date(2025, 9, 4));
    check(&before, Reason::PurchaseNotKnownYet, Remind, Off, &[Remark::OnlyWithNotPurchased]);
    // Go-live.
    let p4 = ask(&world, "P4", "A", spring);
    check(&p4, Reason::NotPurchased, Block, Off, &[Remark::NotKnownInstead]);
    check(&p4, Reason::PurchaseNotKnownYet, Remind, Observe, &[Remark::BeforeGoLive]);
    check(&p4, Reason::Oversold, Remind, Observe, &[Remark::BeforeGoLive]);
    check(&ask(&world, "P4", "A", summer), Reason::NotPurchased, Block, Block, &[]);
    // No code is due.
    let exempt = ask(&world, "P1", "T", spring);
    assert_eq!(exempt.exemption().map(|e| e.name.as_str()), Some("tcm_pieces"));
    check(&exempt, Reason::NoCode, Block, Off, &[Remark::Exempt]);
    check(&exempt, Reason::NoCodeExempt, Observe, Observe, &[]);
    check(&exempt, Reason::PlaceholderCode, Block, Observe, &[Remark::Exempt]);
    let listed = ask(&world, "P1", "B", spring);
    check(&listed, Reason::NoCode, Block, Off, &[Remark::Listed]);
    check(&listed, Reason::NoCodeListed, Observe, Observe, &[]);
    check(&listed, Reason::PlaceholderCode, Block, Observe, &[Remark::Listed]);
    check(&ask(&world, "P1", "B", date(2026, 3, 11)), Reason::NoCode, Block, Block, &[]);
    // Who pays.
    let own = Situation { payment: Payment::SelfPaid, ..p1.situation };
    let self_paid = Question { situation: own, ..p1 };
    check(&self_paid, Reason::NoCode, Block, Remind, &[Remark::SelfPaid]);
    check(&self_paid, Reason::InstitutionSuspended, Block, Block, &[Remark::WholeDocument]);
    let ward = Situation { scene: Scene::Inpatient, ..own };
    check(&Question { situation: ward, ..p1 }, Reason::AlreadyReturned, Block, Block, &[Remark::OnReturns]);
}

#[test]
fn an_overview_tells_every_reason_once_and_duplicates_by_class() {
    let world = World::new("overview");
    let rows = ask(&world, "P1", "A", date(2026, 3, 10)).overview(None, None);
    let duplicates = rows.iter().filter(|r| r.reason == Reason::Duplicate).count();
    assert_eq!((rows.len(), duplicates), (Reason::ALL.len() + 5, 6));
    assert!(rows.iter().filter(|r| r.reason == Reason::Duplicate).all(|r| r.class.is_some()));
    let one = ask(&world, "P1", "A", date(2026, 3, 10)).overview(Some(Reason::NoCode), None);
    assert_eq!(one.iter().map(|r| r.reason).collect::<Vec<_>>(), [Reason::NoCode]);
}

#[test]
fn an_explanation_that_lies_is_noticed() {
    let mut world = World::new("a lie");
    let mut judged =
        world.sale("P1", "D1", line(&[])).at("2026-03-10 09:00").gives("BLOCK", &["NO_CODE"]).judgement;
    judged.findings[0].enforcement = Enforcement::Remind;
    let document = world.documents[&(code("P1"), "D1".to_owned())].clone();
    let now = super::world::moment("2026-03-10 09:00");
    let noticed = std::panic::catch_unwind(|| agrees(&world, &document, false, now, &judged));
    assert!(noticed.is_err(), "the comparison compares nothing");
}
