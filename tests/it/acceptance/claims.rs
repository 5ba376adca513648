//! Claims and outcomes, one caller at a time.

use super::StoreUnderTest;
use super::cases::keep;
use super::everything::everything;
use super::samples::{
    awaited, catalog_code, claim, code, first_claim, first_outcome, institution, next_claim, outcome,
    own_pool, request, returned, sale, scanned,
};
use super::tallies::sold_on;
use rust_decimal::Decimal;
use std::collections::HashSet;
use std::sync::Arc;
use tracegate::domain::claim::History;
use tracegate::domain::code::CodeKey;
use tracegate::domain::judge::ClaimChange;
use tracegate::store::{Change, CommitError, OutcomeChange, Store, StoreState};

pub async fn history(store: &dyn Store, key: &CodeKey) -> Option<History> {
    store.histories(std::slice::from_ref(key)).await.unwrap().remove(0)
}

pub fn claims(claims: Vec<ClaimChange>) -> Change {
    Change { claims, ..Change::default() }
}

pub async fn nothing_is_recorded_at_first(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    assert_eq!(*store.state().borrow(), StoreState::Ready);
    let empty = everything(store.as_ref()).await;
    assert!(empty.claims.is_empty() && empty.outcomes.is_empty() && empty.requests.is_empty());
    assert!(empty.awaited.is_empty());
    assert!(empty.positions.iter().all(|(_, position)| !position.has_purchases()));
    assert_eq!((empty.registry.version, empty.registry.counts), (0, [0; 4]));
    assert_eq!(store.histories(&[]).await.unwrap(), []);
    assert_eq!(store.histories(&[code(1), code(2)]).await.unwrap(), [None, None]);
}

pub async fn a_first_claim_is_put_where_nothing_stands(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    store.commit(&claim(&[code(1)], 0, "r0")).await.unwrap();
    let first = history(store.as_ref(), &code(1)).await.unwrap();
    assert_eq!(first, first_claim(&code(1), 0).history);
    let second = store.commit(&claim(&[code(1)], 1, "r1")).await;
    assert_eq!(second, Err(CommitError::Conflict));
    assert_eq!(history(store.as_ref(), &code(1)).await, Some(first));
    assert_eq!(store.outcome(&request(1, "r1")).await.unwrap(), None);
}

pub async fn a_version_is_swapped_only_for_the_one_that_was_read(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let key = code(1);
    let unknown = next_claim(&key, &History::default(), sale(0, 0));
    assert_eq!(store.commit(&claims(vec![unknown])).await, Err(CommitError::Conflict));
    assert_eq!(history(store.as_ref(), &key).await, None);

    store.commit(&claim(std::slice::from_ref(&key), 0, "r0")).await.unwrap();
    let first = history(store.as_ref(), &key).await.unwrap();
    let swap = claims(vec![next_claim(&key, &first, returned(0, 60))]);
    store.commit(&swap.clone()).await.unwrap();
    let second = history(store.as_ref(), &key).await.unwrap();
    assert_eq!(second, first.with(returned(0, 60)));

    let ahead = next_claim(&key, &second.with(sale(1, 9)), sale(1, 10));
    for stale in [swap, claims(vec![first_claim(&key, 2)]), claims(vec![ahead])] {
        assert_eq!(store.commit(&stale).await, Err(CommitError::Conflict));
        assert_eq!(history(store.as_ref(), &key).await.as_ref(), Some(&second));
    }
}

pub async fn an_outcome_is_put_once_and_then_swapped(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let key = request(0, "r0");
    let put = |note: &str| Change { outcomes: vec![first_outcome(key.clone(), note)], ..Change::default() };
    store.commit(&put("first")).await.unwrap();
    assert_eq!(store.commit(&put("second")).await, Err(CommitError::Conflict));
    assert_eq!(store.outcome(&key).await.unwrap(), Some(outcome("first")));
    let swap = Change {
        outcomes: vec![OutcomeChange {
            key: key.clone(),
            expected: Some(1),
            outcome: outcome("first").next(),
        }],
        ..Change::default()
    };
    store.commit(&swap.clone()).await.unwrap();
    assert_eq!(store.commit(&swap).await, Err(CommitError::Conflict));
    assert_eq!(store.outcome(&key).await.unwrap(), Some(outcome("first").next()));
    // The same id at another institution, and an id that only begins alike, are other requests.
    for other in [request(1, "r0"), request(0, "r"), request(0, "r00")] {
        assert_eq!(store.outcome(&other).await.unwrap(), None);
    }
}

/// A change that touches everything a change can touch.
fn wide(store: &dyn Store) -> Change {
    Change {
        claims: [1, 2, 3].map(|n| first_claim(&code(n), 0)).to_vec(),
        outcomes: ["r1", "r2"].map(|id| first_outcome(request(0, id), id)).to_vec(),
        document: Some((request(0, "r1"), store.paper_key("d1"))),
        sold: vec![(own_pool(0), catalog_code(1), Decimal::TEN)],
        awaited: vec![awaited(own_pool(0), 1, 0, "r1", 1)],
        settled: vec![awaited(own_pool(0), 2, 0, "r9", 1)],
        dossiers: keep(&code(1), None, 2).dossiers,
        tallies: vec![sold_on(0, 3)],
    }
}

pub async fn a_change_is_made_whole_or_not_at_all(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let standing =
        Change { awaited: vec![awaited(own_pool(0), 2, 0, "r9", 1)], ..claim(&[code(9)], 1, "r9") };
    store.commit(&standing).await.unwrap();
    let before = everything(store.as_ref()).await;

    let mut by_claim = wide(store.as_ref());
    by_claim.claims.push(first_claim(&code(9), 0));
    let mut by_outcome = wide(store.as_ref());
    by_outcome.outcomes.push(first_outcome(request(1, "r9"), "other"));
    for refused in [by_claim, by_outcome] {
        assert_eq!(store.commit(&refused).await, Err(CommitError::Conflict));
        assert_eq!(everything(store.as_ref()).await, before);
    }

    store.commit(&wide(store.as_ref())).await.unwrap();
    let after = everything(store.as_ref()).await;
    assert_eq!((after.claims.len(), after.outcomes.len()), (4, 3));
    assert_eq!(after.requests, [(0, "d1".to_owned(), vec!["r1".to_owned()])]);
    assert_eq!(after.awaited, [awaited(own_pool(0), 1, 0, "r1", 1)].into());
    let asked = [(own_pool(0), catalog_code(1))];
    assert_eq!(store.positions(&asked).await.unwrap()[0].sold, Decimal::TEN);
}

pub async fn histories_come_in_the_order_asked(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let gs1 = scanned("(01)06901234567892(21)S1");
    store.commit(&claim(&[code(3), gs1.clone()], 2, "r0")).await.unwrap();
    let asked = [gs1.clone(), code(1), code(3), gs1.clone(), code(2)];
    let found = store.histories(&asked).await.unwrap();
    let claimed = |key| Some(first_claim(&key, 2).history);
    let expected = [claimed(gs1.clone()), None, claimed(code(3)), claimed(gs1), None];
    assert_eq!(found, expected);
}

pub async fn requests_are_found_by_their_document(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let rows = [(0, "r1", "d1"), (0, "r2", "d1"), (0, "r10", "d1"), (0, "r3", "d2"), (1, "r1", "d1")];
    for (by, id, number) in rows {
        let document = Some((request(by, id), store.paper_key(number)));
        let change = Change { document, ..claim(&[], by, id) };
        store.commit(&change).await.unwrap();
    }
    let find = async |by, number: &str, limit| {
        let found = store.requests_of(institution(by), store.paper_key(number), limit).await;
        let mut ids = found.unwrap();
        ids.sort();
        ids
    };
    assert_eq!(find(0, "d1", 10).await, ["r1", "r10", "r2"]);
    assert_eq!(find(0, "d2", 10).await, ["r3"]);
    assert_eq!(find(1, "d1", 10).await, ["r1"]);
    assert_eq!(find(1, "d2", 10).await, [""; 0]);
    assert_eq!(find(0, "d1", 2).await.len(), 2);
}

pub async fn an_empty_change_is_made(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let before = everything(store.as_ref()).await;
    store.commit(&Change::default()).await.unwrap();
    assert_eq!(store.add_purchases(Vec::new()).await.unwrap(), []);
    assert_eq!(everything(store.as_ref()).await, before);
}

pub async fn paper_keys_tell_numbers_apart(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let numbers = (0..10_000).map(|n| n.to_string());
    let odd = ["", " ", "0 ", "００", "A1", "a1"].map(str::to_owned);
    let keys: HashSet<_> = numbers.chain(odd).map(|number| store.paper_key(&number)).collect();
    assert_eq!(keys.len(), 10_006);
    assert_eq!(store.paper_key("A1"), store.paper_key("A1"));
}
