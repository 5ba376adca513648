//! A blocked attempt meets what it would meet if it had been recorded, wherever it stands in the order of events.

use super::steps::{late, timely};
use super::truth::{Truth, lens};
use crate::domain::claim::{
    Collision, ConflictKind, Event, History, Picture, SaleEvent, SaleName, SaleStatus,
};
use jiff::Timestamp;
use proptest::prelude::*;

/// What a sale of a picture meets; `None` = itself.
type Met = Vec<(ConflictKind, Option<(SaleName, Timestamp)>)>;

fn met_by(picture: &Picture, at: usize) -> Met {
    let other = |collision: &Collision| {
        let earlier = &picture.sales[collision.earlier];
        (collision.earlier != at).then(|| (earlier.name.clone(), earlier.occurred_at))
    };
    let met = picture.collisions.iter().filter(|collision| collision.later == at);
    met.map(|collision| (collision.kind, other(collision))).collect()
}

fn history(events: Vec<Event>) -> History {
    History { version: 1, events }
}

/// What the sale meets where it is recorded as the last that was heard of; `None` = it is another message about one
/// that is known.
fn met_if_recorded(mut events: Vec<Event>, sale: &SaleEvent) -> Option<Met> {
    let index = events.len();
    events.push(Event::Sale(sale.clone()));
    let recorded = history(events);
    let state = recorded.state(&lens(), false);
    let at = state.sales.iter().position(|sale| sale.members == [index])?;
    Some(met_by(&recorded.picture(std::iter::empty(), &lens()), at))
}

fn check(truth: &Truth) -> Result<(), TestCaseError> {
    let events = truth.events();
    for (at, event) in events.iter().enumerate() {
        let Event::Sale(sale) = event else { continue };
        let mut others = events.clone();
        others.remove(at);
        let sold = SaleEvent { status: SaleStatus::Sold, ..sale.clone() };
        let expected = met_if_recorded(others.clone(), &sold);
        let past = history(others);
        // Twice: an attempt is no sale, the second of them meets what the first one meets.
        let once = past.picture([sale].into_iter(), &lens());
        let twice = past.picture([sale, sale].into_iter(), &lens());
        let attempts = |picture: &Picture| -> Vec<Met> {
            let at = picture.sales.iter().enumerate().filter(|(_, sale)| sale.is_attempt);
            at.map(|(at, _)| met_by(picture, at)).collect()
        };
        prop_assert_eq!(attempts(&once), expected.iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(attempts(&twice), expected.iter().chain(&expected).cloned().collect::<Vec<_>>());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_attempt_meets_what_it_would_meet_as_a_sale(truth in timely()) {
        check(&truth)?;
    }

    #[test]
    fn an_attempt_that_is_told_late_meets_what_it_would_meet_as_a_sale(truth in late()) {
        check(&truth)?;
    }
}
