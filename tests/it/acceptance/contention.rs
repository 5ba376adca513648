//! Many callers at once: one wins, the others are told and then see the winner.

use super::StoreUnderTest;
use super::claims::{claims, history};
use super::samples::{INSTITUTIONS, claim, code, first_claim, first_outcome, next_claim, request, sale};
use std::sync::Arc;
use tokio::task::JoinSet;
use tracegate::domain::claim::{Event, History};
use tracegate::domain::code::CodeKey;
use tracegate::store::{Change, CommitError, Store};

const CALLERS: u32 = 48;

/// Who is on record first for a code.
fn first_seller(history: &History) -> u32 {
    match &history.events[0] {
        Event::Sale(sale) => {
            sale.occurred_at.as_second() as u32 - super::samples::moment(0).as_second() as u32
        }
        other => panic!("no sale: {other:?}"),
    }
}

/// First claims that bear the caller's number as their time.
fn marked(keys: &[CodeKey], caller: u32) -> Change {
    let mut change = claim(keys, caller % INSTITUTIONS, &format!("caller {caller}"));
    for claim in &mut change.claims {
        claim.history = History::default().with(sale(caller % INSTITUTIONS, i64::from(caller)));
    }
    change
}

/// Commits `change_of` every caller at once; who won. A loser must see what stood in the way.
async fn race(store: &Arc<dyn Store>, keys_of: fn(u32) -> Vec<CodeKey>) -> Vec<u32> {
    let mut racing = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(store);
        racing.spawn(async move {
            let keys = keys_of(caller);
            match store.commit(&marked(&keys, caller)).await {
                Ok(()) => Some(caller),
                Err(CommitError::Conflict) => {
                    let seen = store.histories(&keys).await.unwrap();
                    assert!(seen.iter().any(Option::is_some), "a conflict with nothing to be seen");
                    None
                }
                Err(error) => panic!("{error}"),
            }
        });
    }
    let mut winners: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
    winners.sort_unstable();
    winners
}

pub async fn of_many_claims_of_the_same_codes_one_wins(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let keys = [code(1), code(2), code(3)];
    let winners = race(&store, |_| vec![code(1), code(2), code(3)]).await;
    assert_eq!(winners.len(), 1, "{winners:?}");
    for found in store.histories(&keys).await.unwrap() {
        assert_eq!(first_seller(&found.unwrap()), winners[0]);
    }
    for caller in 0..CALLERS {
        let key = request(caller % INSTITUTIONS, &format!("caller {caller}"));
        let found = store.outcome(&key).await.unwrap();
        assert_eq!(found.is_some(), caller == winners[0], "caller {caller}");
    }
}

/// Each caller's codes overlap with those of its two neighbours.
fn ring(caller: u32) -> Vec<CodeKey> {
    let at = |place: u32| code(u64::from(place % CALLERS));
    vec![at(caller), at(caller + 1)]
}

pub async fn overlapping_claims_never_leave_a_half(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let winners = race(&store, ring).await;
    assert!(winners.len() >= CALLERS as usize / 3, "fewer winners than room for them: {winners:?}");
    let recorded = store.scan(None, usize::MAX).await.unwrap();
    assert_eq!(recorded.len(), 2 * winners.len(), "a loser left something");
    for winner in winners {
        for found in store.histories(&ring(winner)).await.unwrap() {
            assert_eq!(first_seller(&found.unwrap()), winner);
        }
    }
}

pub async fn no_update_is_lost_under_contention(under_test: Arc<dyn StoreUnderTest>) {
    let (callers, each) = (8, 6);
    let store = under_test.open().await;
    store.commit(&claims(vec![first_claim(&code(1), 0)])).await.unwrap();
    let mut racing = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(&store);
        racing.spawn(async move {
            let mut made = 0;
            while made < each {
                let read = history(store.as_ref(), &code(1)).await.unwrap();
                let next = next_claim(&code(1), &read, sale(0, caller));
                match store.commit(&claims(vec![next])).await {
                    Ok(()) => made += 1,
                    Err(CommitError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    racing.join_all().await;
    let read = history(store.as_ref(), &code(1)).await.unwrap();
    assert_eq!(read.events.len() as i64, 1 + callers * each);
    assert_eq!(i64::from(read.version), 1 + callers * each);
}

pub async fn one_request_is_answered_once(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let mut racing = JoinSet::new();
    for caller in 0..u64::from(CALLERS) {
        let store = Arc::clone(&store);
        racing.spawn(async move {
            // Other codes each: only the request id is in dispute.
            let change = Change {
                claims: vec![first_claim(&code(caller), 0)],
                outcomes: vec![first_outcome(request(0, "r0"), &caller.to_string())],
                ..Change::default()
            };
            store.commit(&change).await.is_ok().then_some(caller)
        });
    }
    let winners: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let recorded = store.scan(None, usize::MAX).await.unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].0, code(winners[0]));
}
