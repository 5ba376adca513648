//! A blocked attempt meets what it would meet if it had been recorded, wherever it stands in the order of events.

use super::steps::{late, timely};
use super::truth::{Truth, institution, lens, moment};
use crate::domain::claim::{
    Collision, ConflictKind, Event, History, Lens, PaperKey, Part, Picture, SaleEvent, SaleName, SaleStatus,
    Standing,
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

/// What a judgement folded of a sale pictures it as a fold of its own does, recorded or blocked.
fn check_folded(past: &History, sold: &SaleEvent, blocked: &Picture) -> Result<(), TestCaseError> {
    let Standing::New { folded: Some(folded), .. } = past.standing_of(sold, &lens()) else { return Ok(()) };
    if let Some(picture) = folded.attempted(past, sold, &lens()) {
        prop_assert_eq!(&picture, blocked);
    }
    let recorded = past.with(Event::Sale(sold.clone()));
    prop_assert_eq!(folded.recorded(&recorded, &lens()), Some(recorded.picture(std::iter::empty(), &lens())));
    Ok(())
}

#[test]
fn what_a_judgement_folded_is_enough_for_the_sale_behind_all_others_alone() {
    let [first, second, third] = [1, 2, 3].map(|n| sale(n, i64::try_from(n).unwrap()));
    let past = history(vec![Event::Sale(first.clone())]);
    let Standing::New { folded: Some(folded), .. } = past.standing_of(&second, &lens()) else { panic!() };
    let blocked = past.picture([&second].into_iter(), &lens());
    assert_eq!(blocked.collisions.len(), 1);
    assert_eq!(folded.attempted(&past, &second, &lens()), Some(blocked));
    let recorded = past.with(Event::Sale(second.clone()));
    let pictured = recorded.picture(std::iter::empty(), &lens());
    assert_eq!(folded.recorded(&recorded, &lens()), Some(pictured));

    // Another attempt, one more event, another moment, a hold: none of them was folded.
    assert_eq!(folded.attempted(&past, &third, &lens()), None);
    assert_eq!(folded.attempted(&recorded, &second, &lens()), None);
    assert_eq!(folded.recorded(&past, &lens()), None);
    let later = Lens { now: third.occurred_at, ..lens() };
    assert_eq!(folded.attempted(&past, &second, &later), None);
    assert_eq!(folded.recorded(&recorded, &later), None);
    let held = SaleStatus::Held { expires_at: third.occurred_at };
    let held = past.with(Event::Sale(SaleEvent { status: held, ..second }));
    assert_eq!(folded.recorded(&held, &lens()), None);

    // One that happened before what is on record stands between others.
    let past = history(vec![Event::Sale(third)]);
    let Standing::New { folded: Some(folded), .. } = past.standing_of(&first, &lens()) else { panic!() };
    assert_eq!(folded.attempted(&past, &first, &lens()), None);
}

/// A box of its own document, sold at a minute.
fn sale(document: u64, minute: i64) -> SaleEvent {
    SaleEvent {
        institution: institution(0),
        document: Some(PaperKey(document)),
        visit: None,
        occurred_at: moment(minute),
        received_at: moment(minute),
        part: Part::Whole,
        status: SaleStatus::Sold,
        first_findings: Vec::new(),
    }
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
        check_folded(&past, &sold, &once)?;
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
