//! What was committed is there after closing and opening again.

use super::everything::{check_same, everything};
use super::model::Model;
use super::random::{Random, play};
use super::samples::{claim, code, institution_row, moment, purchase};
use super::{StoreUnderTest, reopen};
use std::sync::Arc;
use tracegate::store::{CommitError, StoreError, StoreState};

pub async fn everything_is_there_after_opening_again(under_test: Arc<dyn StoreUnderTest>) {
    let mut store = under_test.open().await;
    play(store.as_ref(), &mut Model::default(), &mut Random::new(1), 120).await;
    let before = everything(store.as_ref()).await;
    assert!(!before.claims.is_empty() && !before.outcomes.is_empty() && !before.requests.is_empty());
    assert!(!before.awaited.is_empty() && before.registry.counts.iter().all(|count| *count > 0));
    assert!(before.positions.iter().any(|(_, position)| position.has_purchases()));
    // Twice: what opening itself does must change nothing either.
    for _ in 0..2 {
        store = reopen(under_test.as_ref(), store).await;
        assert_eq!(*store.state().borrow(), StoreState::Ready);
        check_same(&everything(store.as_ref()).await, &before, "after opening again");
    }
    let taken = before.claims[0].0.clone();
    let again = store.commit(&claim(&[taken], 0, "new")).await;
    assert_eq!(again, Err(CommitError::Conflict), "a code that was sold before is free after opening again");
    store.commit(&claim(&[code(999)], 0, "new")).await.unwrap();
}

pub async fn paper_keys_stay_the_same(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let numbers = ["", "1", "ZY20260101-0001", "单据一"];
    let before = numbers.map(|number| store.paper_key(number));
    let store = reopen(under_test.as_ref(), store).await;
    assert_eq!(numbers.map(|number| store.paper_key(number)), before);
}

pub async fn a_closed_store_takes_nothing(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    store.commit(&claim(&[code(1)], 0, "r0")).await.unwrap();
    let before = everything(store.as_ref()).await;
    store.close().await;
    store.close().await;
    let stopped = |error: &CommitError| matches!(error, CommitError::Refused(StoreError::Stopped(_)));
    assert!(store.commit(&claim(&[code(2)], 0, "r1")).await.is_err_and(|e| stopped(&e)));
    let added = store.add_purchases(vec![(purchase(0, 1, "order-1", 1), None)]).await;
    assert!(added.is_err_and(|e| stopped(&e)));
    let put = store.put_rows(vec![institution_row(1, None)], moment(0)).await;
    assert!(put.is_err_and(|e| stopped(&e)));
    let store = reopen(under_test.as_ref(), store).await;
    assert_eq!(everything(store.as_ref()).await, before);
}
