//! Tallies: added up with the changes that count, once each, and read by months.

use super::StoreUnderTest;
use super::samples::{INSTITUTIONS, claim, code, institution};
use jiff::civil::date;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tracegate::domain::tally::{Counted, Month, Reminded, Tally, TallyKey};
use tracegate::domain::verdict::Reason;
use tracegate::store::{Change, CommitError, Store};

/// The month that the samples count in.
fn month() -> Month {
    Month::of(date(2026, 6, 1))
}

/// One sale of an institution on a day of June.
pub fn sold_on(by: u32, day: u8) -> (TallyKey, Tally) {
    let mut tally = Tally::default();
    tally.count_sales(day, 1);
    (TallyKey { month: month(), institution: institution(by) }, tally)
}

/// Every tally from the month before the samples' to the one after.
pub async fn all(store: &dyn Store) -> BTreeMap<TallyKey, Tally> {
    let first = Month::unpack(month().packed() - 1);
    let mut found = BTreeMap::new();
    let mut batches = store.tallies(first, month().next(), None);
    while let Some(batch) = batches.recv().await {
        for (key, tally) in batch.unwrap() {
            assert!(found.insert(key, tally).is_none(), "{key:?} is told twice");
        }
    }
    found.retain(|_, tally| !tally.is_empty());
    found
}

fn change(tallies: Vec<(TallyKey, Tally)>) -> Change {
    Change { tallies, ..Change::default() }
}

pub async fn tallies_add_up_in_any_order(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let mut adding = JoinSet::new();
    let mut expected: BTreeMap<TallyKey, Tally> = BTreeMap::new();
    for n in 0..60 {
        let counted = Counted { reminders: 1, persons: 1, amount_fen: i64::from(n) };
        let reminded = Reminded { all: counted, ..Reminded::default() };
        let (key, mut tally) = sold_on(n % INSTITUTIONS, (n % 3 + 1) as u8);
        tally.count_reminders(2, Some(Reason::NoCode), &reminded);
        expected.entry(key).or_default().add(&tally);
        let store = Arc::clone(&store);
        adding.spawn(async move { store.commit(&change(vec![(key, tally)])).await.unwrap() });
    }
    adding.join_all().await;
    assert_eq!(all(store.as_ref()).await, expected);
    // What is taken back leaves nothing.
    let back = expected.into_iter().map(|(key, tally)| (key, Tally::default().without(&tally))).collect();
    store.commit(&change(back)).await.unwrap();
    assert_eq!(all(store.as_ref()).await, BTreeMap::new());
}

pub async fn a_tally_is_added_with_its_change_or_not_at_all(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let counted = |id: &str| Change { tallies: vec![sold_on(0, 5)], ..claim(&[code(1)], 0, id) };
    store.commit(&counted("r0")).await.unwrap();
    assert_eq!(store.commit(&counted("r1")).await, Err(CommitError::Conflict));
    assert_eq!(all(store.as_ref()).await, BTreeMap::from([sold_on(0, 5)]));
}

pub async fn tallies_are_asked_by_months_and_institution(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let later = |(key, tally): (TallyKey, Tally)| (TallyKey { month: month().next(), ..key }, tally);
    let rows = [sold_on(0, 1), sold_on(1, 2), later(sold_on(0, 3))];
    for row in &rows {
        store.commit(&change(vec![row.clone()])).await.unwrap();
    }
    let asked = |first, last, of| {
        let mut batches = store.tallies(first, last, of);
        async move {
            let mut found = Vec::new();
            while let Some(batch) = batches.recv().await {
                found.extend(batch.unwrap().into_iter().filter(|(_, tally)| !tally.is_empty()));
            }
            found.sort_by_key(|(key, _)| *key);
            found
        }
    };
    let [first, second, third] = rows;
    assert_eq!(asked(month(), month(), None).await, [first.clone(), second]);
    assert_eq!(asked(month().next(), month().next(), None).await, std::slice::from_ref(&third));
    let own = Some(institution(0));
    assert_eq!(asked(month(), month().next(), own).await, [first, third]);
    assert_eq!(asked(month().next(), month(), own).await, [], "no month at all");
}
