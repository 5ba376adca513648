//! Dossiers: kept with the change that causes them, swapped only for the version that was read, told in the order in
//! which they change.

use super::samples::{claim, code, first_claim, first_outcome, institution, moment, request, sale};
use super::{StoreUnderTest, reopen};
use crate::support::eventually;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tracegate::domain::case::{Attempt, Details, Dossier};
use tracegate::domain::claim::{Event, SaleEvent};
use tracegate::domain::code::CodeKey;
use tracegate::store::{
    Change, ClaimFollower, CommitError, DossierChange, DossierRow, DossierTold, Dossiers, Store,
};

/// A dossier with so many attempts; its version counts them.
pub fn dossier(attempts: u32) -> Dossier {
    let Event::Sale(sale) = sale(0, 0) else { panic!("a sale") };
    let attempt = |n: u32| Attempt {
        sale: SaleEvent {
            institution: institution(n % 3),
            occurred_at: moment(i64::from(n)),
            ..sale.clone()
        },
        details: Details { document_no: Some(format!("d{n}")), ..Details::default() },
    };
    Dossier { version: attempts, attempts: (0..attempts).map(attempt).collect(), ..Dossier::default() }
}

/// A change of nothing but a dossier.
pub fn keep(key: &CodeKey, expected: Option<u32>, attempts: u32) -> Change {
    let dossiers = vec![DossierChange { key: key.clone(), expected, dossier: dossier(attempts) }];
    Change { dossiers, ..Change::default() }
}

async fn read(store: &dyn Store, key: &CodeKey) -> Option<Dossier> {
    store.dossiers(std::slice::from_ref(key)).await.unwrap().remove(0)
}

/// Every dossier with its place, in order of places.
pub async fn all(store: &dyn Store) -> Vec<(u64, DossierRow)> {
    let mut found = take(store.all_dossiers()).await;
    found.sort_by_key(|(place, _)| *place);
    found
}

async fn take(mut dossiers: Dossiers) -> Vec<(u64, DossierRow)> {
    let mut found = Vec::new();
    while let Some(batch) = dossiers.recv().await {
        found.extend(batch.unwrap());
    }
    found
}

pub async fn a_dossier_is_swapped_only_for_the_version_that_was_read(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let key = code(1);
    assert_eq!(read(store.as_ref(), &key).await, None);
    store.commit(&keep(&key, None, 1)).await.unwrap();
    assert_eq!(read(store.as_ref(), &key).await, Some(dossier(1)));
    for stale in [None, Some(2)] {
        assert_eq!(store.commit(&keep(&key, stale, 3)).await, Err(CommitError::Conflict), "{stale:?}");
    }
    store.commit(&keep(&key, Some(1), 2)).await.unwrap();
    assert_eq!(read(store.as_ref(), &key).await, Some(dossier(2)));
    let asked = [code(2), key.clone(), code(3)];
    assert_eq!(store.dossiers(&asked).await.unwrap(), [None, Some(dossier(2)), None]);
}

pub async fn a_dossier_is_kept_with_its_change_or_not_at_all(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    store.commit(&keep(&code(1), None, 1)).await.unwrap();
    // Its dossier stands in the way: nothing of the sale is recorded.
    let stale = Change { dossiers: keep(&code(1), None, 1).dossiers, ..claim(&[code(2)], 0, "r0") };
    assert_eq!(store.commit(&stale).await, Err(CommitError::Conflict));
    assert_eq!(store.histories(&[code(2)]).await.unwrap(), [None]);
    assert_eq!(store.outcome(&request(0, "r0")).await.unwrap(), None);
    // The other way round.
    store.commit(&claim(&[code(3)], 0, "r1")).await.unwrap();
    let taken = Change { dossiers: keep(&code(4), None, 1).dossiers, ..claim(&[code(3)], 0, "r2") };
    assert_eq!(store.commit(&taken).await, Err(CommitError::Conflict));
    assert_eq!(read(store.as_ref(), &code(4)).await, None);
    let whole = Change {
        claims: vec![first_claim(&code(5), 0)],
        outcomes: vec![first_outcome(request(0, "r3"), "r3")],
        ..keep(&code(4), None, 1)
    };
    store.commit(&whole).await.unwrap();
    assert_eq!(read(store.as_ref(), &code(4)).await, Some(dossier(1)));
    assert!(store.histories(&[code(5)]).await.unwrap()[0].is_some());
}

pub async fn nobody_who_joins_a_case_is_lost(under_test: Arc<dyn StoreUnderTest>) {
    const WRITERS: u32 = 8;
    const EACH: u32 = 5;
    let store = under_test.open().await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let stands = match store.dossiers(&[code(1)]).await {
                    Ok(mut stands) => stands.remove(0).map(|dossier| dossier.version),
                    Err(error) => panic!("{error}"),
                };
                match store.commit(&keep(&code(1), stands, stands.unwrap_or(0) + 1)).await {
                    Ok(()) => done += 1,
                    Err(CommitError::Conflict | CommitError::Undecided) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(read(store.as_ref(), &code(1)).await, Some(dossier(WRITERS * EACH)));
}

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<(u64, CodeKey, u32)>>);

impl ClaimFollower for Told {
    fn claimed<'a>(&self, _: u64, claims: &mut dyn Iterator<Item = (&'a CodeKey, &'a [u8])>) {
        claims.for_each(drop);
    }

    fn dossiers_changed(&self, changed: &mut dyn Iterator<Item = DossierTold<'_>>) {
        let mut told = self.0.lock().unwrap();
        for one in changed {
            let dossier = Dossier::from_stored(one.bytes).expect("a dossier in stored form");
            told.push((one.place, one.key.clone(), dossier.version));
        }
    }
}

impl Told {
    fn last(&self, key: &CodeKey) -> Option<(u64, u32)> {
        let told = self.0.lock().unwrap();
        told.iter().rev().find(|(_, known, _)| known == key).map(|(place, _, version)| (*place, *version))
    }
}

pub async fn changes_are_told_in_the_order_of_their_places(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    store.commit(&keep(&code(0), None, 1)).await.unwrap();
    let told = Arc::new(Told::default());
    store.follow(Arc::<Told>::clone(&told)).await.unwrap();
    // What was before can be read.
    let before = all(store.as_ref()).await;
    assert_eq!(before.iter().map(|(_, row)| row.key.clone()).collect::<Vec<_>>(), [code(0)]);
    for n in 1..=5_u32 {
        store.commit(&keep(&code(u64::from(n)), None, 1)).await.unwrap();
        store.commit(&keep(&code(0), Some(n), n + 1)).await.unwrap();
    }
    let last = || async { told.last(&code(0)).filter(|(_, version)| *version == 6) };
    eventually("the last change is told", last).await;
    let heard = told.0.lock().unwrap().clone();
    assert!(heard.windows(2).all(|pair| pair[0].0 < pair[1].0), "{heard:?}");
    assert!(heard.iter().all(|(place, ..)| *place > before[0].0), "{heard:?}");
    for n in 1..=5_u64 {
        assert_eq!(told.last(&code(n)).map(|(_, version)| version), Some(1), "{n}");
    }
    // All of them, each once, with the place at which it last changed.
    let after = all(store.as_ref()).await;
    let found: Vec<_> = after.iter().map(|(place, row)| (row.key.clone(), *place, row.version)).collect();
    let mut expected: Vec<_> = (0..=5_u64)
        .map(|n| told.last(&code(n)).map(|(place, version)| (code(n), place, version)).unwrap())
        .collect();
    expected.sort_by_key(|(_, place, _)| *place);
    assert_eq!(found, expected);
}

pub async fn what_was_logged_in_a_span_is_read_back(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    // Hours apart, so that no span needs its neighbours; enough of them for several segments.
    for n in 0..40_u32 {
        let mut change = claim(&[code(u64::from(n))], 0, &format!("r{n}"));
        for outcome in &mut change.outcomes {
            let answer = outcome.outcome.answer.as_mut().unwrap();
            answer.decided_at = moment(i64::from(n) * 3600);
        }
        store.commit(&change).await.unwrap();
    }
    let store = reopen(under_test.as_ref(), store).await;
    for (from, to, expected) in [(0, 1, 0..1), (10, 13, 10..13), (39, 100, 39..40), (50, 60, 0..0)] {
        let mut logged = store.logged_between(moment(from * 3600), moment(to * 3600));
        let (mut requests, mut codes) = (Vec::new(), Vec::new());
        while let Some(batch) = logged.recv().await {
            let batch = batch.unwrap();
            requests.extend(batch.requests);
            codes.extend(batch.codes);
        }
        let wanted: Vec<_> = expected.clone().map(|n: u32| request(0, &format!("r{n}"))).collect();
        assert_eq!(requests, wanted, "{from} to {to}");
        assert_eq!(codes, expected.map(|n| code(u64::from(n))).collect::<Vec<_>>(), "{from} to {to}");
    }
}

pub async fn dossiers_and_their_places_outlive_a_restart(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    // More than a layer of the embedded store holds, so that some of them lie in its tables.
    for n in 0..60 {
        store.commit(&keep(&code(n), None, 3)).await.unwrap();
    }
    store.commit(&keep(&code(7), Some(3), 4)).await.unwrap();
    let before = all(store.as_ref()).await;
    assert_eq!((before.len(), before.last().map(|(_, row)| row.version)), (60, Some(4)));
    let store = reopen(under_test.as_ref(), store).await;
    assert_eq!(all(store.as_ref()).await, before);
    assert_eq!(read(store.as_ref(), &code(7)).await, Some(dossier(4)));
    store.commit(&keep(&code(7), Some(4), 5)).await.unwrap();
    let after = all(store.as_ref()).await;
    assert!(after.last().unwrap().0 > before.last().unwrap().0, "places go on where they were");
}
