//! Requests are forgotten after their time, in whatever order they were changed; what was sold stays sold.

use super::samples::{claim, code, moment, request};
use super::{StoreUnderTest, reopen};
use std::sync::Arc;
use tracegate::domain::outcome::{Outcome, RequestBody, RequestKey};
use tracegate::store::{Change, Forgetting, Forgotten, OutcomeChange, Store};

/// When the old requests were decided, and the others, in seconds.
const LONG_AGO: i64 = 0;
const LATELY: i64 = 1_000_000;
/// From when on requests are not old.
const LIMIT: i64 = 500_000;
const EACH: u64 = 30;
/// One of the old ones that must stay, one that is changed lately.
const STAYS: &str = "old-7";
const CHANGED: &str = "old-3";

fn decided(id: &str, n: u64, at: i64) -> Change {
    let mut change = claim(&[code(n)], 1, id);
    if let Some(answer) = &mut change.outcomes[0].outcome.answer {
        answer.decided_at = moment(at);
    }
    change
}

fn forgetting(stays: &'static str, only_counts: bool) -> Forgetting {
    Forgetting {
        before: moment(LIMIT),
        stays: Arc::new(move |key: &RequestKey, _: &Outcome| key.request_id == stays),
        only_counts,
        told: Arc::new(|_| {}),
    }
}

async fn fill(store: &dyn Store) {
    for n in 0..2 * EACH {
        let (id, at) = if n < EACH {
            (format!("old-{n}"), LONG_AGO + n as i64)
        } else {
            (format!("new-{n}"), LATELY + n as i64)
        };
        let mut change = decided(&id, n, at);
        change.document = Some((request(1, &id), store.paper_key(&id)));
        store.commit(&change).await.unwrap();
    }
    let key = request(1, CHANGED);
    let before = store.outcome(&key).await.unwrap().unwrap();
    let settlement_id = Some("settled".to_owned());
    let outcome = Outcome { settlement_id, ..before.next() };
    let outcomes = vec![OutcomeChange { key, expected: Some(before.version), outcome }];
    store.commit(&Change { outcomes, ..Change::default() }).await.unwrap();
}

/// The requests that are there, of those that were made; every claim is there anyhow.
async fn known(store: &dyn Store) -> Vec<String> {
    let mut known = Vec::new();
    for n in 0..2 * EACH {
        let id = if n < EACH { format!("old-{n}") } else { format!("new-{n}") };
        let outcome = store.outcome(&request(1, &id)).await.unwrap();
        let paper = store.paper_key(&id);
        let by_document = store.requests_of(request(1, &id).institution, paper, 10).await.unwrap();
        assert_eq!(by_document.len(), usize::from(outcome.is_some()), "{id} by its document");
        if let Some(outcome) = outcome {
            let Some(RequestBody::Void { dispense_request_id: Some(note), .. }) = outcome.body else {
                panic!("{id} says something else than it did")
            };
            assert_eq!(note, id);
            known.push(id);
        }
        assert!(store.histories(&[code(n)]).await.unwrap()[0].is_some(), "box {n} stays sold");
    }
    known
}

/// The requests that the log still names of long ago.
async fn logged(store: &dyn Store) -> Vec<String> {
    let mut batches = store.logged_between(moment(LONG_AGO), moment(LIMIT));
    let mut named = Vec::new();
    while let Some(batch) = batches.recv().await {
        named.extend(batch.unwrap().requests.into_iter().map(|key| key.request_id));
    }
    named
}

pub async fn old_requests_are_forgotten_and_nothing_else(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    fill(store.as_ref()).await;
    let all = known(store.as_ref()).await;
    assert_eq!(all.len() as u64, 2 * EACH);
    // One stays, and one was changed lately.
    let expected = Forgotten { requests: EACH - 2, stayed: 1, segments: 0 };
    assert_eq!(store.forget(&forgetting(STAYS, true)).await.unwrap(), expected, "counted");
    assert_eq!(known(store.as_ref()).await, all, "nothing was changed");
    let done = store.forget(&forgetting(STAYS, false)).await.unwrap();
    assert_eq!((done.requests, done.stayed), (expected.requests, 1));
    assert!(done.segments > 0);
    let left: Vec<_> = all
        .iter()
        .filter(|id| !id.starts_with("old") || [STAYS, CHANGED].contains(&id.as_str()))
        .cloned()
        .collect();
    assert_eq!(known(store.as_ref()).await, left);
    // Of the changed one the log has its later form.
    assert!(logged(store.as_ref()).await.iter().all(|id| id == STAYS || id == CHANGED));
    let again = store.forget(&forgetting(STAYS, false)).await.unwrap();
    assert_eq!((again.requests, again.stayed), (0, 1), "nothing is left but what stays");
    let store = reopen(under_test.as_ref(), store).await;
    assert_eq!(known(store.as_ref()).await, left, "after opening again");
    let third = store.forget(&forgetting("nobody", false)).await.unwrap();
    assert_eq!((third.requests, third.stayed), (1, 0), "what had to stay goes too");
    assert!(!known(store.as_ref()).await.contains(&STAYS.to_owned()));
    // A request id that was forgotten is unknown again.
    let n = 10_000;
    store.commit(&decided("old-0", n, LATELY)).await.unwrap();
    assert!(store.outcome(&request(1, "old-0")).await.unwrap().is_some());
}
