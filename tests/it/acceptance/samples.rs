//! Sample facts: a small world of institutions, drugs and codes that every case draws from.

use jiff::Timestamp;
use rust_decimal::Decimal;
use tracegate::domain::claim::{ConflictKind, Event, History, Part, ReturnEvent, SaleEvent, SaleStatus};
use tracegate::domain::code::{CodeKey, Scan, ScanRules, read};
use tracegate::domain::judge::ClaimChange;
use tracegate::domain::outcome::{Answer, Outcome, RequestBody, RequestKey};
use tracegate::domain::party::{
    Institution, InstitutionCode, InstitutionKind, InstitutionStatus, Ownership, Pool,
};
use tracegate::domain::purchase::{PurchaseRecord, PurchaseSource};
use tracegate::domain::registry::RegistryRow;
use tracegate::domain::verdict::{DuplicateClass, Enforcement, Evidence, Finding, Reason, Role, Verdict};
use tracegate::store::{AwaitedKey, Change, OutcomeChange};

pub const INSTITUTIONS: u32 = 5;
pub const CATALOG_CODES: u32 = 4;
pub const CHAINS: [&str; 2] = ["chain-1", "chain-2"];

pub fn institution(n: u32) -> InstitutionCode {
    InstitutionCode::parse(&format!("H130102{n:05}")).unwrap()
}

pub fn catalog_code(n: u32) -> String {
    format!("XR05CBA198A0010101{n:05}")
}

/// An MSFX code.
pub fn code(n: u64) -> CodeKey {
    scanned(&format!("8300385{n:013}"))
}

/// The identity of a scan that is a code.
pub fn scanned(text: &str) -> CodeKey {
    match read(text, &ScanRules::default()) {
        Scan::Code(code) => code.key(),
        other => panic!("{text} is no code: {other:?}"),
    }
}

pub fn moment(seconds: i64) -> Timestamp {
    Timestamp::new(1_767_225_600 + seconds, 123_456_000).unwrap()
}

pub fn sale(by: u32, seconds: i64) -> Event {
    Event::Sale(SaleEvent {
        institution: institution(by),
        document: None,
        visit: None,
        occurred_at: moment(seconds),
        received_at: moment(seconds + 1),
        part: Part::Draw { line: 1, line_quantity: Some(Decimal::new(125, 1)), units: None },
        status: SaleStatus::Held { expires_at: moment(seconds + 1800) },
        first_findings: vec![(ConflictKind::Duplicate(DuplicateClass::SameInstitution), Role::Earlier)],
    })
}

pub fn returned(by: u32, seconds: i64) -> Event {
    Event::Return(ReturnEvent {
        institution: institution(by),
        document: None,
        visit: None,
        occurred_at: moment(seconds),
        received_at: moment(seconds),
        units: Some(Decimal::new(5, 0)),
    })
}

/// A claim of a code that nothing is recorded of.
pub fn first_claim(key: &CodeKey, by: u32) -> ClaimChange {
    ClaimChange { key: key.clone(), expected: None, history: History::default().with(sale(by, 0)) }
}

/// One more event on a code, resting on the history that was read.
pub fn next_claim(key: &CodeKey, read: &History, event: Event) -> ClaimChange {
    ClaimChange { key: key.clone(), expected: Some(read.version), history: read.with(event) }
}

pub fn request(by: u32, id: &str) -> RequestKey {
    RequestKey { institution: institution(by), request_id: id.to_owned() }
}

/// An answered request; `note` tells outcomes apart.
pub fn outcome(note: &str) -> Outcome {
    let body = RequestBody::Void { dispense_request_id: Some(note.to_owned()), document_no: None };
    let finding = Finding {
        reason: Reason::Oversold,
        class: None,
        role: None,
        enforcement: Enforcement::Remind,
        line: Some(1),
        code: Some(code(1).to_string()),
        evidence: Evidence::Quantities { expected: Decimal::new(1, 3), found: Decimal::TEN },
    };
    let answer = Answer {
        outcome_id: format!("outcome of {note}"),
        verdict: Verdict::Remind,
        findings: vec![finding],
        policy_version: "0123456789abcdef".into(),
        decided_at: moment(2),
        ledger_as_of: moment(2),
        purchases_as_of: None,
        recorded: true,
        after_the_fact: false,
        hold_expires_at: Some(moment(1800)),
    };
    Outcome::decided(body, answer, vec![(catalog_code(0), Decimal::new(25, 1))])
}

/// Puts an outcome where none stands.
pub fn first_outcome(key: RequestKey, note: &str) -> OutcomeChange {
    OutcomeChange { key, expected: None, outcome: outcome(note) }
}

/// First claims of codes by one institution under one request id, which is the outcome's note too.
pub fn claim(keys: &[CodeKey], by: u32, id: &str) -> Change {
    Change {
        claims: keys.iter().map(|key| first_claim(key, by)).collect(),
        outcomes: vec![first_outcome(request(by, id), id)],
        ..Change::default()
    }
}

/// A purchase over the platform; `order` is its order number.
pub fn purchase(by: u32, drug: u32, order: &str, quantity: i64) -> PurchaseRecord {
    PurchaseRecord {
        institution: institution(by),
        catalog_code: catalog_code(drug),
        source: PurchaseSource::Platform,
        order_no: order.to_owned(),
        supplier: "supplier".to_owned(),
        lot_no: "L1".to_owned(),
        quantity: Decimal::from(quantity),
        unit_price: Some(Decimal::new(1234, 2)),
        purchased_at: moment(0),
    }
}

pub fn own_pool(by: u32) -> Pool {
    Pool::Institution(institution(by))
}

pub fn chain_pool(chain: usize) -> Pool {
    Pool::Chain(CHAINS[chain].to_owned())
}

pub fn awaited(pool: Pool, drug: u32, by: u32, id: &str, line: u32) -> AwaitedKey {
    AwaitedKey { pool, catalog_code: catalog_code(drug), request: request(by, id), line }
}

/// An institution in a chain, or in none.
pub fn institution_row(n: u32, chain: Option<usize>) -> RegistryRow {
    RegistryRow::Institution(Institution {
        code: institution(n),
        name: format!("institution {n}"),
        kind: InstitutionKind::Hospital,
        division: institution(n).division(),
        ownership: Ownership::Private,
        agreement_signed_on: Some(jiff::civil::date(2025, 3, 1)),
        transition_ends_on: None,
        chain_group: chain.map(|chain| CHAINS[chain].to_owned()),
        status: InstitutionStatus::Active,
        goes_live_on: None,
    })
}
