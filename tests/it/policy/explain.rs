//! `Explain`: known situations of the built-in rules, and that a real document gets the enforcement it tells.

use super::{as_caller, code_of, rules, world_with};
use crate::support::world::{DRUG, PHARMACY, World, at, code};
use jiff::ToSpan;
use jiff::civil::date;
use tonic::Code;
use tracegate::domain::time::moment_of;
use tracegate::grpc::pb;
use tracegate::grpc::pb::explain_request::{Drug, Institution};

/// Institutions of Hebei: an existing agreement whose transition has ended, one whose transition runs, a new one in
/// its coaching period, one before its go-live day, a public and a private hospital, and one nobody knows.
const ENDED: &str = "P13010200001";
const RUNNING: &str = "P13010200002";
const COACHED: &str = "P13010200003";
const NOT_LIVE: &str = "P13010200004";
const SUSPENDED: &str = "P13010200005";
const PUBLIC: &str = "H13010200006";
const PRIVATE: &str = "H13010200007";
const UNKNOWN: &str = "P13010299999";

/// TCM pieces, and an injection that must be split.
const PIECES: &str = "XPIECES";
const SPLIT: &str = "XSPLIT";

fn institution(code: &str) -> pb::Institution {
    pb::Institution {
        institution_code: code.into(),
        name: format!("name of {code}"),
        kind: if code.starts_with('H') { "hospital" } else { "pharmacy" }.into(),
        division: "130102".into(),
        ownership: if code == PUBLIC { "public" } else { "private" }.into(),
        agreement_signed_on: if code == COACHED { "2026-01-10" } else { "2019-05-01" }.into(),
        transition_ends_on: if code == RUNNING { "2026-12-31" } else { "" }.into(),
        status: if code == SUSPENDED { "suspended" } else { "active" }.into(),
        goes_live_on: if code == NOT_LIVE { "2026-06-01" } else { "" }.into(),
        ..pb::Institution::default()
    }
}

fn drug(prefix: &str, catalog_code: &str, class: &str, must_split: bool) -> pb::LoadDrugsRequest {
    pb::LoadDrugsRequest {
        drug: Some(pb::Drug {
            code_prefix: prefix.into(),
            catalog_code: catalog_code.into(),
            name: "药品".into(),
            pack_level: "small".into(),
            units_per_pack: 10,
            drug_class: class.into(),
            dosage_form: "injection".into(),
            must_split,
            ..pb::Drug::default()
        }),
    }
}

/// A gateway for Hebei with one pilot rule of its own: in their coaching period pharmacies are reminded only.
async fn hebei() -> World {
    let coaching = "[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '13'\nkind = 'pharmacy'\n\
                    coaching = 'running'\npayment = 'insured'\nenforcement = 'remind'\nnote = 'coaching'\n";
    let (mut world, ..) = world_with(coaching, None).await;
    let codes = [ENDED, RUNNING, COACHED, NOT_LIVE, SUSPENDED, PUBLIC, PRIVATE];
    let rows = codes.map(|code| pb::LoadInstitutionsRequest { institution: Some(institution(code)) });
    world.registry.load_institutions(tokio_stream::iter(rows)).await.expect("institutions load");
    let rows = [drug("8200001", PIECES, "tcm_pieces", false), drug("8200002", SPLIT, "western", true)];
    world.registry.load_drugs(tokio_stream::iter(rows)).await.expect("drugs load");
    world
}

fn about(code: &str, drug: &str, day: &str) -> pb::ExplainRequest {
    pb::ExplainRequest {
        institution: Some(Institution::InstitutionCode(code.into())),
        drug: Some(Drug::CatalogCode(drug.into())),
        day: day.into(),
        ..pb::ExplainRequest::default()
    }
}

async fn explain(world: &World, request: pb::ExplainRequest) -> pb::ExplainResponse {
    rules(world).explain(request).await.expect("an explanation").into_inner()
}

fn ruling(answer: &pb::ExplainResponse, reason: pb::Reason, class: pb::DuplicateClass) -> pb::ReasonRuling {
    let is_it = |r: &&pb::ReasonRuling| r.reason() == reason && r.class() == class;
    answer.rulings.iter().find(is_it).expect("every reason is told").clone()
}

#[tokio::test]
async fn known_situations_are_explained() {
    use pb::Enforcement::{Block, Observe, Off, Remind};
    use pb::Reason::{NoCode, NoCodeExempt, NotPurchased, PurchaseNotKnownYet};
    let world = hebei().await;
    let none = pb::DuplicateClass::Unspecified;
    let check =
        async |request: pb::ExplainRequest, reason: pb::Reason, expected: pb::Enforcement, note: &str| {
            let shown = format!("{request:?}");
            let told = ruling(&explain(&world, request).await, reason, none);
            assert_eq!(told.enforcement(), expected, "{reason:?} of {shown}");
            let found = told.rule.map(|r| r.note).unwrap_or_default();
            assert!(
                found.contains(note) && found.is_empty() == note.is_empty(),
                "{reason:?}: {found} of {shown}"
            );
        };
    // Hebei asks pharmacies for a purchase from 5 September 2025 on, after their transition.
    check(about(ENDED, DRUG, "2025-09-04"), NotPurchased, Off, "").await;
    check(about(ENDED, DRUG, "2025-09-05"), NotPurchased, Block, "Hebei").await;
    check(about(RUNNING, DRUG, "2026-12-30"), NotPurchased, Off, "").await;
    check(about(RUNNING, DRUG, "2026-12-31"), NotPurchased, Block, "Hebei").await;
    check(about(PUBLIC, DRUG, "2025-09-04"), NotPurchased, Block, "public hospitals at once").await;
    check(about(PUBLIC, DRUG, "2025-09-05"), NotPurchased, Block, "Hebei").await;
    check(about(NOT_LIVE, DRUG, "2026-05-31"), NotPurchased, Off, "Hebei").await;
    check(about(NOT_LIVE, DRUG, "2026-05-31"), PurchaseNotKnownYet, Observe, "not payable yet").await;
    check(about(NOT_LIVE, DRUG, "2026-06-01"), NotPurchased, Block, "Hebei").await;
    // Coaching ends six months after the signing; that day belongs to the new regime.
    check(about(COACHED, DRUG, "2026-07-09"), NoCode, Remind, "coaching").await;
    check(about(COACHED, DRUG, "2026-07-10"), NoCode, Block, "full collection").await;
    // Exempt from scanning.
    check(about(ENDED, PIECES, "2026-03-10"), NoCode, Off, "full collection").await;
    check(about(ENDED, PIECES, "2026-03-10"), NoCodeExempt, Observe, "四部门").await;
    check(about(ENDED, PIECES, "2025-06-30"), NoCodeExempt, Off, "四部门").await;
    let split = |code| pb::ExplainRequest { split: true, ..about(code, SPLIT, "2026-03-10") };
    check(split(PUBLIC), NoCodeExempt, Observe, "四部门").await;
    check(split(ENDED), NoCodeExempt, Off, "四部门").await;
    // Who pays, and no day: today by the gateway's clock, 10 March 2026.
    let own_money = pb::ExplainRequest { payment: pb::Payment::SelfPaid.into(), ..about(ENDED, DRUG, "") };
    check(own_money, NotPurchased, Off, "").await;
    check(about(ENDED, DRUG, ""), NotPurchased, Block, "Hebei").await;
    world.stop().await;
}

/// A document of one line.
fn document(code: &str, line: pb::Line) -> pb::Document {
    pb::Document {
        institution_code: code.into(),
        document_no: "D".into(),
        payment: pb::Payment::Insured.into(),
        lines: vec![line],
        ..pb::Document::default()
    }
}

fn line(drug: &str, quantity: &str, codes: &[String]) -> pb::Line {
    pb::Line {
        catalog_code: drug.into(),
        quantity: quantity.into(),
        codes: codes.to_vec(),
        ..pb::Line::default()
    }
}

/// Checks a document a moment after it happened, and asks for an explanation of the same line; gives the reasons.
async fn judged_as_explained(
    world: &mut World,
    day: jiff::civil::Date,
    document: pb::Document,
) -> Vec<pb::Reason> {
    world.clock.set(moment_of(day.at(9, 0, 0, 0)).expect("a moment"));
    let answer = world.gate.check(pb::CheckRequest { document: Some(document.clone()) }).await;
    let decision = answer.expect("an answer").into_inner().decision.expect("a decision");
    let line = document.lines[0].clone();
    let asked = pb::ExplainRequest {
        payment: line.payment,
        split: line.split,
        ..about(&document.institution_code, &line.catalog_code, &day.to_string())
    };
    let answer = explain(world, asked).await;
    assert_eq!(answer.policy_version, decision.policy_version);
    for finding in &decision.findings {
        let told = ruling(&answer, finding.reason(), finding.class());
        assert_eq!(
            told.enforcement(),
            finding.enforcement(),
            "{finding:?} of {document:?} on {day}: {told:?}"
        );
    }
    decision.findings.iter().map(pb::Finding::reason).collect()
}

#[tokio::test]
async fn a_real_document_gets_what_the_explanation_says() {
    use pb::Reason::*;
    let mut world = hebei().await;
    let sold = pb::DispenseRequest {
        request_id: "sold".into(),
        document: Some(pb::Document {
            document_no: "S".into(),
            ..document(PHARMACY, line(DRUG, "1", &[code(9)]))
        }),
        ..Default::default()
    };
    assert_eq!(world.dispense(sold).await.verdict(), pb::Verdict::Allow);
    let (old, spring, summer) = (date(2025, 9, 4), date(2026, 3, 12), date(2026, 7, 10));
    let own_money = |line: pb::Line| pb::Line { payment: pb::Payment::SelfPaid.into(), ..line };
    let split = |line: pb::Line| pb::Line { split: true, ..line };
    let scanned = |code: &str, drug: &str, scan: &str| document(code, line(drug, "", &[scan.to_owned()]));
    let rows: Vec<(jiff::civil::Date, pb::Document, &[pb::Reason])> = vec![
        (old, document(ENDED, line(DRUG, "1", &[code(1)])), &[]),
        (old.saturating_add(1.day()), document(ENDED, line(DRUG, "1", &[code(1)])), &[NotPurchased]),
        (spring, document(RUNNING, line(DRUG, "1", &[code(1)])), &[]),
        (spring, document(NOT_LIVE, line(DRUG, "1", &[code(1)])), &[PurchaseNotKnownYet]),
        (spring, document(PUBLIC, line(DRUG, "1", &[])), &[NoCode, NotPurchased]),
        (spring, document(PRIVATE, line(DRUG, "2", &[code(1)])), &[CodeCountMismatch, NotPurchased]),
        (spring, document(RUNNING, line(DRUG, "1", &[])), &[NoCode]),
        (spring, document(COACHED, line(DRUG, "1", &[])), &[NoCode, NotPurchased]),
        (summer, document(COACHED, line(DRUG, "1", &[])), &[NoCode, NotPurchased]),
        (spring, document(RUNNING, line(PIECES, "1", &[])), &[NoCodeExempt]),
        (spring, document(PUBLIC, split(line(SPLIT, "1", &[]))), &[NoCodeExempt, NotPurchased]),
        (spring, document(RUNNING, own_money(line(DRUG, "1.5", &[code(1)]))), &[QuantityNotWhole]),
        (spring, document(RUNNING, line(DRUG, "1", &[code(9)])), &[Duplicate]),
        (spring, document(RUNNING, own_money(line(DRUG, "1", &[code(9)]))), &[Duplicate]),
        (spring, document(SUSPENDED, own_money(line(DRUG, "1", &[code(1)]))), &[InstitutionSuspended]),
        (spring, document(UNKNOWN, line(DRUG, "1", &[code(1)])), &[InstitutionUnknown]),
        (spring, scanned(RUNNING, DRUG, "99999999999999999999"), &[PlaceholderCode]),
        (spring, scanned(RUNNING, PIECES, "99999999999999999999"), &[PlaceholderCode]),
        (spring, scanned(RUNNING, DRUG, "83003850000000131888"), &[PrefixUnmapped]),
        (spring, scanned(RUNNING, PIECES, &code(1)), &[DrugMismatch]),
        (spring, scanned(RUNNING, DRUG, "6901234567892"), &[ProductBarcode]),
    ];
    for (day, document, expected) in rows {
        let shown = format!("{document:?} on {day}");
        assert_eq!(judged_as_explained(&mut world, day, document).await, expected, "{shown}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_asked_reason_is_told_with_every_rule_and_what_was_understood() {
    let world = hebei().await;
    world.clock.set(at(9, 0));
    let asked = pb::ExplainRequest { reason: pb::Reason::NotPurchased.into(), ..about(RUNNING, DRUG, "") };
    let answer = explain(&world, asked.clone()).await;
    assert_eq!(answer.rulings.len(), 1);
    let mismatches: Vec<_> = answer
        .candidates
        .iter()
        .map(|c| (c.rule.as_ref().expect("a rule").source_file.as_str(), c.mismatch.as_str(), c.decides))
        .collect();
    let (hebei, national) = ("policy/hebei.toml", "policy/national.toml");
    assert_eq!(
        mismatches,
        [
            (hebei, "kind", false),
            (hebei, "kind", false),
            (hebei, "transition", false),
            (national, "kind", false),
            (national, "kind", false),
            (national, "kind", false),
        ],
        "most specific first"
    );
    let u = answer.understood.expect("what was understood");
    assert!(u.institution_registered && u.drug_known);
    assert_eq!(
        (u.kind.as_str(), u.division.as_str(), u.ownership.as_str()),
        ("pharmacy", "130102", "private")
    );
    assert_eq!(
        (u.agreement.as_str(), u.transition.as_str(), u.coaching.as_str()),
        ("existing", "running", "ended")
    );
    assert_eq!((u.scene.as_str(), u.payment.as_str(), u.day.as_str()), ("pharmacy", "insured", "2026-03-10"));
    assert_eq!(
        (u.catalog_code.as_str(), u.drug_class.as_str(), u.dosage_form.as_str()),
        (DRUG, "western", "tablet")
    );
    // By a prefix it is the same drug; by traits the same institution.
    let by_prefix = pb::ExplainRequest { drug: Some(Drug::CodePrefix("8123456".into())), ..asked.clone() };
    assert_eq!(explain(&world, by_prefix).await.understood.expect("understood").catalog_code, DRUG);
    let traits = pb::InstitutionTraits {
        kind: "pharmacy".into(),
        division: "130102".into(),
        ownership: "private".into(),
        agreement_signed_on: "2019-05-01".into(),
        transition_ends_on: "2026-12-31".into(),
    };
    let described =
        pb::ExplainRequest { institution: Some(Institution::InstitutionTraits(traits)), ..asked.clone() };
    assert_eq!(explain(&world, described.clone()).await.candidates, answer.candidates);
    // What nobody knows is said to be unknown.
    let unknown =
        pb::ExplainRequest { drug: Some(Drug::CatalogCode("XNONE".into())), ..about(UNKNOWN, "", "") };
    let u = explain(&world, unknown).await.understood.expect("understood");
    assert!(!u.institution_registered && !u.drug_known && u.ownership.is_empty(), "{u:?}");
    world.stop().await;
}

#[tokio::test]
async fn who_may_ask_about_whom_and_what_cannot_be_asked() {
    let world = hebei().await;
    let traits = |kind: &str| pb::InstitutionTraits {
        kind: kind.into(),
        division: "130102".into(),
        ..Default::default()
    };
    let described = |kind: &str| pb::ExplainRequest {
        institution: Some(Institution::InstitutionTraits(traits(kind))),
        ..pb::ExplainRequest::default()
    };
    let class = pb::DuplicateClass::SameInstitution.into();
    let own = format!("institution {ENDED}");
    let rows = [
        (own.as_str(), about(ENDED, DRUG, ""), Code::Ok),
        (own.as_str(), about(RUNNING, DRUG, ""), Code::PermissionDenied),
        (own.as_str(), described("pharmacy"), Code::PermissionDenied),
        ("bureau 13", about(ENDED, DRUG, ""), Code::Ok),
        ("bureau 12", about(ENDED, DRUG, ""), Code::PermissionDenied),
        ("bureau 12", described("pharmacy"), Code::Ok),
        ("operator", described("clinic"), Code::InvalidArgument),
        ("operator", about("P1", DRUG, ""), Code::InvalidArgument),
        ("operator", about(ENDED, DRUG, "10.3.2026"), Code::InvalidArgument),
        ("operator", about(ENDED, &"X".repeat(1_000), ""), Code::InvalidArgument),
        ("operator", pb::ExplainRequest { class, ..about(ENDED, DRUG, "") }, Code::InvalidArgument),
        ("operator", pb::ExplainRequest::default(), Code::InvalidArgument),
    ];
    for (caller, request, expected) in rows {
        let shown = format!("{caller}: {request:?}");
        assert_eq!(code_of(&rules(&world).explain(as_caller(request, caller)).await), expected, "{shown}");
    }
    world.stop().await;
}
