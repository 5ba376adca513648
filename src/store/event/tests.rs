//! What is on disk stays readable: one event of everything, compared with the bytes that it was first written as.

use super::*;
use crate::domain::case::{Attempt, Details, Dossier};
use crate::domain::claim::{ConflictKind, Event, PaperKey, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::code::{Scan, ScanRules, read};
use crate::domain::document::{Document, Line};
use crate::domain::drug::{Drug, DrugClass, PackLevel};
use crate::domain::event::{Payment, Scene};
use crate::domain::outcome::{Answer, OutcomeState, Recorded, RequestBody};
use crate::domain::party::InstitutionCode;
use crate::domain::tally::Month;
use crate::domain::verdict::{
    DuplicateClass, Enforcement, Evidence, Finding, OtherSale, Reason, Role, Verdict,
};
use jiff::civil::date;

const GOLDEN: &str = include_str!("golden.hex");

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_773_100_000 + second).unwrap()
}

fn institution() -> InstitutionCode {
    InstitutionCode::parse("P13010200101").unwrap()
}

fn code(text: &str) -> CodeKey {
    match read(text, &ScanRules::default()) {
        Scan::Code(code) => code.key(),
        other @ (Scan::NoSerial { .. } | Scan::Placeholder { .. } | Scan::Refused { .. }) => {
            panic!("{text} is {other:?}")
        }
    }
}

fn sale() -> SaleEvent {
    SaleEvent {
        institution: institution(),
        document: Some(PaperKey(7)),
        visit: None,
        occurred_at: moment(0),
        received_at: moment(1),
        part: Part::Draw {
            line: 2,
            line_quantity: Some(Decimal::new(125, 1)),
            units: Some(Decimal::new(125, 1)),
        },
        status: SaleStatus::Held { expires_at: moment(1_800) },
        first_findings: vec![(ConflictKind::Duplicate(DuplicateClass::SplitOverdraw), Role::Later)],
    }
}

fn history() -> History {
    let back = ReturnEvent {
        institution: institution(),
        document: None,
        visit: Some(PaperKey(u64::MAX)),
        occurred_at: moment(2),
        received_at: moment(3),
        units: None,
    };
    History { version: 2, events: vec![Event::Sale(sale()), Event::Return(back)] }
}

fn outcome() -> Outcome {
    let line = Line {
        number: 1,
        catalog_code: Some("XA01".into()),
        quantity: Some(Decimal::ONE),
        split: false,
        unit_price: None,
        payment: Payment::Insured,
        occurred_at: Some(moment(0)),
        scanned: vec!["83003850000000131888".into()],
    };
    let document = Document {
        institution: institution(),
        document_no: Some("RD1".into()),
        visit_no: None,
        settlement_id: None,
        scene: Scene::Pharmacy,
        operator: None,
        lines: vec![line],
    };
    let other = OtherSale {
        institution: Some(institution()),
        same_institution: true,
        occurred_at: moment(0),
        received_at: moment(1),
        proposed: false,
    };
    let finding = Finding {
        reason: Reason::Duplicate,
        class: Some(DuplicateClass::SameInstitution),
        role: Some(Role::Later),
        enforcement: Enforcement::Block,
        line: Some(1),
        code: Some("83003850000000131888".into()),
        evidence: Evidence::OtherSale(other),
    };
    let answer = Answer {
        outcome_id: "id".into(),
        verdict: Verdict::Block,
        findings: vec![finding],
        policy_version: "v".into(),
        decided_at: moment(1),
        ledger_as_of: moment(1),
        purchases_as_of: None,
        recorded: false,
        after_the_fact: false,
        hold_expires_at: None,
    };
    let body = RequestBody::Recorded(Recorded::Dispense { document, hold: true });
    Outcome {
        state: OutcomeState::Voided,
        ..Outcome::decided(body, answer, vec![("XA01".into(), Decimal::TEN)])
    }
}

fn event() -> LogEvent {
    let request = RequestKey { institution: institution(), request_id: "r1".into() };
    let pool = Pool::Chain("连锁".into());
    let drug = Drug {
        code_prefix: "8300385".into(),
        catalog_code: "XA01".into(),
        name: "药品".into(),
        pack_level: PackLevel::Small,
        units_per_pack: Some(24),
        drug_class: DrugClass::Western,
        dosage_form: "tablet".into(),
        carton_only: false,
        must_split: true,
        listed_price: Some(Decimal::new(1_250, 2)),
    };
    let record = PurchaseRecord {
        institution: institution(),
        catalog_code: "XA01".into(),
        source: PurchaseSource::Filed,
        order_no: "PO1".into(),
        supplier: "S".into(),
        lot_no: "L".into(),
        quantity: Decimal::new(-5, 0),
        unit_price: None,
        purchased_at: moment(-10),
    };
    let question =
        AwaitedKey { pool: pool.clone(), catalog_code: "XA01".into(), request: request.clone(), line: 1 };
    LogEvent {
        claims: vec![(code("83003850000000131888"), history())],
        outcomes: vec![(request.clone(), outcome())],
        documents: vec![(request, 7)],
        purchases: vec![record],
        adds: vec![
            (pool.clone(), "XA01".into(), PositionDelta::Sold(Decimal::ONE)),
            (pool, "XA01".into(), PositionDelta::Bought(PurchaseSource::Platform, Decimal::TEN, -1)),
        ],
        awaited: vec![question.clone()],
        settled: vec![question],
        registry: vec![RegistryRow::Drug(drug)],
        registry_version: Some((3, RegistryMoment(moment(4)))),
        dossiers: Vec::new(),
        tallies: Vec::new(),
    }
}

fn tally() -> (TallyKey, Tally) {
    let mut tally = Tally::default();
    tally.count_sales(3, 2);
    (TallyKey { month: Month::of(date(2026, 6, 3)), institution: institution() }, tally)
}

/// An event that says something of every kind.
pub(super) fn everything() -> LogEvent {
    let row = DossierRow {
        key: code("83003850000000131888"),
        version: 2,
        bytes: Bytes::from_static(&[1, 2, 3]),
        expected: None,
    };
    LogEvent { dossiers: vec![row], tallies: vec![tally()], ..event() }
}

#[test]
fn an_event_with_dossiers_or_tallies_has_a_format_of_its_own() {
    let with_both = everything();
    let with_tallies = LogEvent { tallies: vec![tally()], ..event() };
    for event in [with_both, with_tallies] {
        let EncodedEvent { bytes, dossiers, .. } = event.encode().unwrap();
        assert_eq!(bytes.first(), Some(&EVENT_FORMAT_WITH_CASES));
        let places: Vec<&[u8]> = dossiers.into_iter().map(|place| &bytes[place]).collect();
        assert_eq!(places, event.dossiers.iter().map(|row| &row.bytes[..]).collect::<Vec<_>>());
        assert_eq!(LogEvent::decode(&bytes).unwrap(), event);
        assert!(LogEvent::decode(&bytes[..bytes.len() - 1]).is_err());
    }
}

#[test]
fn a_dossier_is_written_as_its_row_is() {
    // Lengths of one byte, of the usual two, and of three.
    let dossiers = [0, 2, 300].map(|attempts: usize| {
        let details = || Details { operator: Some("1".repeat(64)), ..Details::default() };
        let attempt = || Attempt { sale: sale(), details: details() };
        Dossier { version: 3, attempts: (0..attempts).map(|_| attempt()).collect(), ..Dossier::default() }
    });
    let change = |dossier| DossierChange { key: code("83003850000000131888"), expected: Some(2), dossier };
    let change = Change { dossiers: dossiers.map(change).into(), ..Change::default() };
    let row = |change: &DossierChange| DossierRow {
        key: change.key.clone(),
        version: 3,
        bytes: change.dossier.stored().into(),
        expected: Some(2),
    };
    let rows: LogEvent =
        LogEvent { dossiers: change.dossiers.iter().map(row).collect(), ..LogEvent::default() };
    let lengths: Vec<usize> = rows.dossiers.iter().map(|row| row.bytes.len()).collect();
    assert!(matches!(lengths[..], [..128, 128..16_384, _]), "{lengths:?}");
    assert!(lengths[2] >= 16_384, "{lengths:?}");
    let event = LogEvent::of_change(&change);
    let encoded = event.encode().unwrap();
    assert_eq!(encoded, rows.encode().unwrap());
    assert_eq!(event.written(&encoded).dossiers, rows.dossiers);
}

#[test]
fn events_are_written_as_they_always_were() {
    let bytes = event().encode().unwrap().bytes;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.trim(), "directories of this format could not be read any more");
}

#[test]
fn events_are_read_as_they_were_written() {
    let golden = GOLDEN.trim();
    let byte = |at: usize| u8::from_str_radix(&golden[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..golden.len()).step_by(2).map(byte).collect();
    assert_eq!(LogEvent::decode(&bytes).unwrap(), event());
}

#[test]
fn what_is_no_event_is_refused() {
    assert!(matches!(LogEvent::decode(&[]), Err(EventError::Garbled(_))));
    assert!(matches!(LogEvent::decode(&[EVENT_FORMAT, 200]), Err(EventError::Garbled(_))));
    assert!(matches!(LogEvent::decode(&[9]), Err(EventError::Format { found: 9 })));
}

#[test]
fn the_places_of_an_event_are_its_histories_and_outcomes() {
    let event = event();
    let EncodedEvent { bytes, claims, outcomes, dossiers } = event.encode().unwrap();
    assert!(dossiers.is_empty());
    assert_eq!((claims.len(), outcomes.len()), (event.claims.len(), event.outcomes.len()));
    assert!(!claims.is_empty() && !outcomes.is_empty());
    for (place, (_, history)) in claims.into_iter().zip(&event.claims) {
        assert_eq!(postcard::from_bytes::<History>(&bytes[place]).unwrap(), *history);
    }
    for (place, (_, outcome)) in outcomes.into_iter().zip(&event.outcomes) {
        assert_eq!(postcard::from_bytes::<Outcome>(&bytes[place]).unwrap(), *outcome);
    }
}
