//! The feed of claims: whoever keeps a copy of what the ledger knows never learns less than anybody else.

use super::samples::{claim, code, next_claim, returned};
use super::{StoreUnderTest, reopen};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tracegate::domain::claim::History;
use tracegate::domain::code::CodeKey;
use tracegate::store::{Change, ClaimFollower, Codes, Store};

/// Remembers what it was told.
#[derive(Default)]
struct Told {
    versions: Mutex<Vec<(u64, CodeKey, u32)>>,
}

impl ClaimFollower for Told {
    fn claimed<'a>(&self, up_to: u64, claims: &mut dyn Iterator<Item = (&'a CodeKey, &'a [u8])>) {
        let version = |history| History::from_stored(history).expect("a history in stored form").version;
        let told = claims.map(|(key, history)| (up_to, key.clone(), version(history)));
        self.versions.lock().unwrap().extend(told);
    }
}

impl Told {
    fn version(&self, key: &CodeKey) -> u32 {
        let told = self.versions.lock().unwrap();
        told.iter().rev().find(|(_, known, _)| known == key).map_or(0, |(.., version)| *version)
    }
}

async fn all(mut codes: Codes) -> Vec<CodeKey> {
    let mut found = Vec::new();
    while let Some(batch) = codes.recv().await {
        found.extend(batch.unwrap());
    }
    found
}

/// The next version of a code, resting on what stands.
async fn grow(store: &dyn Store, key: &CodeKey) -> Result<(), tracegate::store::CommitError> {
    let known = store.histories(std::slice::from_ref(key)).await.unwrap().remove(0);
    let change = match known {
        None => claim(std::slice::from_ref(key), 0, &format!("first {key}")),
        Some(history) => Change {
            claims: vec![next_claim(key, &history, returned(0, i64::from(history.version)))],
            ..Change::default()
        },
    };
    store.commit(&change).await
}

pub async fn claims_are_told_before_they_can_be_read(under_test: Arc<dyn StoreUnderTest>) {
    const CODES: u64 = 10;
    let store = under_test.open().await;
    let told = Arc::new(Told::default());
    store.follow(Arc::<Told>::clone(&told)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for n in 0..CODES {
        let (store, told, done) = (Arc::clone(&store), Arc::clone(&told), Arc::clone(&done));
        readers.spawn(async move {
            let mut read = 0;
            while !done.load(Ordering::SeqCst) {
                let history = store.histories(&[code(n)]).await.unwrap().remove(0);
                let version = history.map_or(0, |h| h.version);
                assert!(told.version(&code(n)) >= version, "version {version} of {n} was read first");
                read += 1;
                tokio::task::yield_now().await;
            }
            read
        });
    }
    for _ in 0..20 {
        let mut writers = JoinSet::new();
        for n in 0..CODES {
            let (store, told) = (Arc::clone(&store), Arc::clone(&told));
            writers.spawn(async move {
                let before = told.version(&code(n));
                grow(store.as_ref(), &code(n)).await.unwrap();
                assert_eq!(told.version(&code(n)), before + 1, "at the answer");
            });
        }
        while let Some(wrote) = writers.join_next().await {
            wrote.unwrap();
        }
    }
    done.store(true, Ordering::SeqCst);
    while let Some(read) = readers.join_next().await {
        assert!(read.unwrap() > 0, "nothing was read meanwhile");
    }
}

pub async fn claims_are_told_once_and_in_order(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    store.commit(&claim(&[code(0)], 0, "before")).await.unwrap();
    let told = Arc::new(Told::default());
    let from = store.follow(Arc::<Told>::clone(&told)).await.unwrap();
    for turn in 0..3 {
        for n in 1..4 {
            grow(store.as_ref(), &code(n)).await.unwrap();
        }
        // A refused change is not told.
        assert!(store.commit(&claim(&[code(turn)], 1, "again")).await.is_err());
    }
    let told = told.versions.lock().unwrap();
    let versions: Vec<_> = told.iter().map(|(_, key, version)| (key.clone(), *version)).collect();
    let expected: Vec<_> = (1..4).flat_map(|version| (1..4).map(move |n| (code(n), version))).collect();
    assert_eq!(versions, expected);
    assert!(told.iter().all(|(up_to, ..)| *up_to > from));
    assert!(told.is_sorted_by_key(|(up_to, ..)| *up_to));
}

pub async fn a_later_follower_takes_the_place_of_an_earlier_one(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let (first, second) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let from = store.follow(Arc::<Told>::clone(&first)).await.unwrap();
    grow(store.as_ref(), &code(1)).await.unwrap();
    let later = store.follow(Arc::<Told>::clone(&second)).await.unwrap();
    grow(store.as_ref(), &code(2)).await.unwrap();
    assert!(later > from);
    assert_eq!([first.version(&code(1)), first.version(&code(2))], [1, 0]);
    assert_eq!([second.version(&code(1)), second.version(&code(2))], [0, 1]);
    assert_eq!(all(store.codes_between(from, later)).await, [code(1)]);
}

pub async fn codes_are_read_back_from_any_position(under_test: Arc<dyn StoreUnderTest>) {
    let mut store = under_test.open().await;
    let identity = store.identity().to_owned();
    let mut places = Vec::new();
    for n in 0..40 {
        places.push(store.follow(Arc::new(Told::default())).await.unwrap());
        grow(store.as_ref(), &code(n)).await.unwrap();
        grow(store.as_ref(), &code(0)).await.unwrap();
        if n == 25 {
            store = reopen(under_test.as_ref(), store).await;
        }
    }
    assert_eq!(store.identity(), identity, "the name stays");
    let end = store.follow(Arc::new(Told::default())).await.unwrap();
    let set = |codes: Vec<CodeKey>| codes.into_iter().collect::<BTreeSet<_>>();
    let expected = |numbers: std::ops::Range<u64>| set(numbers.chain([0]).map(code).collect());
    assert_eq!(set(all(store.all_codes()).await), expected(0..40));
    for (n, place) in (0..).zip(&places) {
        assert_eq!(set(all(store.codes_between(*place, end)).await), expected(n..40), "from {n}");
        let earlier = all(store.codes_between(places[0], *place)).await;
        let expected = if n == 0 { BTreeSet::new() } else { expected(0..n) };
        assert_eq!(set(earlier), expected, "up to {n}");
    }
    assert!(all(store.codes_between(end, end)).await.is_empty());
    assert!((40..=80).contains(&store.codes_about()), "{}", store.codes_about());
    // What the ledger does not hold is an error, not an empty list.
    let mut beyond = store.codes_between(end, end + 1_000);
    assert!(beyond.recv().await.is_some_and(|batch| batch.is_err()));
}
