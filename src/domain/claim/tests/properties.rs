//! What must hold of every history of a code. A failing case prints its seed and its smallest form.

use super::super::{Conflict, ConflictKind, Event, History, ReturnStanding, Standing, State};
use super::steps::{INSTITUTIONS, late, timely};
use super::truth::{Clash, Known, Sale, Truth, institution, lens, minute_of, moment};
use crate::domain::claim::{PaperKey, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::verdict::{DuplicateClass, Role};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

fn history(events: impl IntoIterator<Item = Event>) -> History {
    let start = History::default();
    events.into_iter().fold(start, |history, event| history.with(event))
}

/// In order of arrival; `seed` decides where two arrive together.
fn arrived(truth: &Truth, seed: u64) -> Vec<Event> {
    let mut events = truth.events();
    events.sort_by_key(|e| (e.received_at(), e.occurred_at().as_second() as u64 ^ seed));
    events
}

fn known(state: &State) -> Vec<Known> {
    let mut all: Vec<Known> = state
        .sales
        .iter()
        .map(|sale| Known {
            opened: sale.occurred_at,
            who: sale.institution,
            whole: sale.part == Part::Whole,
            returned: sale.is_returned(),
            held: sale.held_until.is_some(),
            units_open: sale.units_open_at(usize::MAX),
        })
        .collect();
    all.sort();
    all
}

/// In an order of their own: which rule is looked at first says nothing.
fn sorted(mut clashes: Vec<Clash>) -> Vec<Clash> {
    clashes.sort_by_key(|(kind, _, other)| (format!("{kind:?}"), *other));
    clashes
}

fn told(conflicts: &[Conflict]) -> Vec<Clash> {
    let told = conflicts.iter().map(|c| (c.kind, c.role, c.other.occurred_at));
    sorted(told.collect())
}

/// The clashes of every sale, in the order in which the sales happened.
fn clashes(state: &State) -> Vec<(Known, Vec<Clash>)> {
    let mut sales: Vec<_> = state.sales.iter().collect();
    sales.sort_by_key(|sale| sale.occurred_at);
    let clashes = sales.into_iter().map(|sale| told(&state.conflicts_of(sale, &lens())));
    known(state).into_iter().zip(clashes).collect()
}

fn true_clashes(truth: &Truth, with_holds: bool) -> Vec<(Known, Vec<Clash>)> {
    let mut counting: Vec<&Sale> = truth.sales.iter().filter(|s| counts(s, with_holds)).collect();
    counting.sort_by_key(|sale| sale.messages[0].at);
    let all = counting.into_iter().map(|sale| sorted(truth.clashes(sale, with_holds)));
    truth.known(with_holds).into_iter().zip(all).collect()
}

fn counts(sale: &Sale, with_holds: bool) -> bool {
    !sale.voided && sale.messages.iter().any(|m| !m.hold || (with_holds && !sale.expired))
}

fn expired_hold(document: u64, at: i64) -> Event {
    Event::Sale(SaleEvent {
        institution: institution(0),
        document: Some(PaperKey(document)),
        visit: None,
        occurred_at: moment(at),
        received_at: moment(at),
        part: Part::Whole,
        status: SaleStatus::Held { expires_at: moment(at + 30) },
        first_findings: Vec::new(),
    })
}

fn check_units(state: &State) -> Result<(), TestCaseError> {
    let sold: Decimal = state
        .sales
        .iter()
        .map(|sale| match &sale.part {
            Part::Draw { units, .. } => units.unwrap_or_default(),
            Part::Whole => Decimal::ZERO,
        })
        .sum();
    let open = state.units_open();
    prop_assert!(Decimal::ZERO <= open && open <= sold, "{open} open of {sold}");
    Ok(())
}

/// Without this the properties could hold because nothing ever happens.
#[test]
fn truths_hold_every_kind_of_clash() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        let truth = timely().new_tree(&mut runner).unwrap().current();
        let clashes = true_clashes(&truth, false);
        seen.extend(clashes.iter().flat_map(|(_, c)| c).map(|(kind, role, _)| format!("{kind:?} {role}")));
    }
    let classes = DuplicateClass::ALL.iter().filter(|class| **class != DuplicateClass::PackOverlap);
    let kinds = classes.map(|class| ConflictKind::Duplicate(*class)).chain([ConflictKind::SplitElsewhere]);
    let expected = kinds.flat_map(|kind| Role::ALL.iter().map(move |role| format!("{kind:?} {role}")));
    assert_eq!(seen, expected.collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_order_of_arrival_gives_the_truth(truth in timely(), seed in any::<u64>()) {
        for with_holds in [false, true] {
            let in_order = history(truth.events()).state(&lens(), with_holds);
            let as_heard = history(arrived(&truth, seed)).state(&lens(), with_holds);
            prop_assert_eq!(known(&as_heard), truth.known(with_holds));
            prop_assert_eq!(clashes(&as_heard), true_clashes(&truth, with_holds));
            prop_assert_eq!(clashes(&in_order), clashes(&as_heard));
            prop_assert_eq!(as_heard.unpaired_returns.len(), truth.strays.len());
            check_units(&as_heard)?;
        }
    }

    #[test]
    fn a_sale_at_the_counter_is_answered_by_what_happened_before(truth in timely()) {
        for (at, sale) in truth.sales.iter().enumerate() {
            for message in sale.messages.iter().filter(|m| !m.hold && !sale.voided) {
                let Event::Sale(event) = sale.event(message) else { unreachable!() };
                let mut past = truth.before(message.at);
                let standing = history(past.events()).standing_of(&event, &lens());
                if counts(&past.sales[at], true) {
                    prop_assert!(matches!(standing, Standing::Same { .. }), "{:?}", standing);
                    continue;
                }
                past.sales[at].messages.push(message.clone());
                let firm = sorted(past.clashes(&past.sales[at], false));
                let waits = firm.is_empty() && !past.clashes(&past.sales[at], true).is_empty();
                let Standing::New { conflicts, undecided_until, folded: _ } = standing else {
                    return Err(TestCaseError::fail(format!("{standing:?}")));
                };
                prop_assert_eq!(told(&conflicts), firm);
                prop_assert_eq!(undecided_until.is_some(), waits);
            }
        }
    }

    #[test]
    fn a_return_at_the_counter_is_answered_by_what_happened_before(truth in timely()) {
        for event in truth.events() {
            let Event::Return(back) = &event else { continue };
            let minute = minute_of(back.occurred_at);
            let past = truth.before(minute);
            let sold_before = past.sales.iter().any(|s| institution(s.who) == back.institution && counts(s, false));
            let is_stray = truth.strays.iter().any(|stray| stray.1 == minute);
            let expected = match (is_stray, sold_before) {
                (false, _) => ReturnStanding::Paired,
                (true, true) => ReturnStanding::AlreadyReturned,
                (true, false) => ReturnStanding::Unpaired,
            };
            let heard = history(past.events());
            prop_assert_eq!(heard.standing_of_return(back, &lens()), expected);
            prop_assert_eq!(heard.with(event.clone()).standing_of_return(back, &lens()), ReturnStanding::Same);
        }
    }

    #[test]
    fn a_return_frees_no_other_institutions_sale(
        truth in late(), who in 0..INSTITUTIONS, document in 0_u64..14, names in any::<[bool; 2]>(),
        units in prop::option::of(1_i64..50), at in 0_i64..50_000,
    ) {
        let before = history(truth.events());
        let back = Event::Return(ReturnEvent {
            institution: institution(who),
            document: names[0].then_some(PaperKey(document)),
            visit: names[1].then_some(PaperKey(1_000 + document)),
            occurred_at: moment(at),
            received_at: moment(at),
            units: units.map(Decimal::from),
        });
        let others = |history: &History| {
            let all = known(&history.state(&lens(), true));
            all.into_iter().filter(|sale| sale.who != institution(who)).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&before.with(back)), others(&before));
    }

    #[test]
    fn an_expired_hold_accuses_nobody(truth in late(), document in 0_u64..20, at in 0_i64..50_000) {
        let before = history(truth.events());
        let after = before.with(expired_hold(document, at));
        for with_holds in [false, true] {
            let clashes_of = |history: &History| clashes(&history.state(&lens(), with_holds));
            prop_assert_eq!(clashes_of(&after), clashes_of(&before));
        }
    }

    #[test]
    fn a_report_beyond_the_limit_only_proposes_to_be_earlier(truth in late(), seed in any::<u64>()) {
        let mut heard = History::default();
        for event in arrived(&truth, seed) {
            if let Event::Sale(sale) = &event
                && let Standing::New { conflicts, .. } = heard.standing_of(sale, &lens())
                && lens().is_proposal(&event)
            {
                for conflict in &conflicts {
                    prop_assert!(conflict.role == Role::Later || conflict.proposed, "{:?}", conflict);
                }
            }
            if let Event::Return(back) = &event {
                prop_assert_ne!(heard.standing_of_return(back, &lens()), ReturnStanding::Same);
            }
            heard = heard.with(event);
            check_units(&heard.state(&lens(), true))?;
        }
    }
}
