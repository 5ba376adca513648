//! Decisions read back as they were written, and take as few bytes as were planned.

use super::*;
use jiff::Timestamp;
use proptest::prelude::*;

fn sale(
    document: Option<u64>,
    visit: Option<u64>,
    occurred: i64,
    received: i64,
    status: SaleStatus,
) -> History {
    let at = |microseconds| Timestamp::from_microsecond(microseconds).unwrap();
    History {
        version: 1,
        events: vec![Event::Sale(SaleEvent {
            institution: InstitutionCode::parse("P99999999999").unwrap(),
            document: document.map(PaperKey),
            visit: visit.map(PaperKey),
            occurred_at: at(occurred),
            received_at: at(received),
            part: Part::Whole,
            status,
            first_findings: Vec::new(),
        })],
    }
}

fn any_status() -> impl Strategy<Value = SaleStatus> {
    let held = (0..4_000_000_000_000_000_i64)
        .prop_map(|at| SaleStatus::Held { expires_at: Timestamp::from_microsecond(at).unwrap() });
    prop_oneof![Just(SaleStatus::Sold), Just(SaleStatus::Voided), held]
}

proptest! {
    #[test]
    fn facts_read_back(
        papers in any::<(Option<u64>, Option<u64>)>(),
        times in (0..4_000_000_000_000_000_i64, 0..4_000_000_000_000_000_i64),
        whole in any::<bool>(),
        status in any_status(),
        other in any::<Option<u64>>(),
    ) {
        let occurred = if whole { times.0 / SECOND * SECOND } else { times.0 };
        let history = sale(papers.0, papers.1, occurred, times.1, status);
        let facts = Facts::of(&history).expect("a plain history");
        prop_assert_eq!(facts.history(), Some(history));
        let state = other.map_or(State::Committed, |id| State::As(DecisionId(id)));
        let decision = Decision { state, facts: Some(facts) };
        prop_assert_eq!(Decision::decode(&decision.encode()), Some(decision));
    }

    #[test]
    fn any_bytes_are_a_decision_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some(decision) = Decision::decode(&bytes) {
            prop_assert_eq!(Decision::decode(&decision.encode()), Some(decision));
        }
    }
}

#[test]
fn a_document_takes_the_bytes_that_were_planned() {
    let at = 1_780_000_000_000_000;
    let decision = |history| Decision { state: State::Committed, facts: Facts::of(&history) }.encode().len();
    assert_eq!(decision(sale(Some(1), Some(2), at, at + 3 * SECOND, SaleStatus::Sold)), 31);
    assert_eq!(Decision::ABORTED.encode(), [0]);
}

#[test]
fn what_is_not_plain_has_no_facts() {
    let plain = sale(Some(1), None, 0, 0, SaleStatus::Sold);
    let mut twice = plain.clone();
    twice.events.push(twice.events[0].clone());
    let mut drawn = plain;
    if let Event::Sale(sale) = &mut drawn.events[0] {
        sale.part = Part::Draw { line: 1, line_quantity: None, units: None };
    }
    assert_eq!([Facts::of(&twice), Facts::of(&drawn), Facts::of(&History::default())], [None; 3]);
}

#[test]
fn an_id_tells_its_gateway() {
    let id = DecisionId::new(65_535, 5);
    assert_eq!((id.gateway(), id.count()), (65_535, 5));
    assert_eq!(DecisionId::read(&id.bytes()), Some(id));
    assert_eq!(DecisionId::read(&[1]), None);
}
