//! Random operations on a store and on its model: the same answers, and the same contents at the end.

use super::everything::{DOCUMENTS, REQUESTS, check_same, everything};
use super::model::{Model, Operation};
use super::samples::{
    CATALOG_CODES, CHAINS, INSTITUTIONS, awaited, catalog_code, chain_pool, code, institution,
    institution_row, moment, next_claim, outcome, own_pool, purchase, request, returned, sale,
};
use super::{StoreUnderTest, registry, reopen};
use rust_decimal::Decimal;
use std::sync::Arc;
use tracegate::domain::claim::{Event, History};
use tracegate::domain::judge::ClaimChange;
use tracegate::domain::outcome::Outcome;
use tracegate::domain::purchase::{FeedScope, PurchaseRecord, PurchaseSource};
use tracegate::domain::registry::RegistryRow;
use tracegate::store::{AwaitedKey, Change, OutcomeChange, Store};

const CODES: u64 = 12;

/// A small generator of numbers (splitmix64): the same seed gives the same operations.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub fn small(&mut self, limit: u32) -> u32 {
        u32::try_from(self.below(u64::from(limit))).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The next operation: mostly one that rests on what stands, now and then a stale one.
pub fn random_operation(random: &mut Random, model: &Model) -> Operation {
    match random.below(10) {
        0..=6 => random_commit(random, model),
        7 | 8 => {
            let count = random.below(4);
            Operation::Purchases((0..count).map(|_| random_purchase(random)).collect())
        }
        _ => {
            let count = random.below(4);
            let rows = (0..count).map(|_| random_row(random)).collect();
            Operation::Rows(rows, moment(i64::from(random.small(1000))))
        }
    }
}

fn random_commit(random: &mut Random, model: &Model) -> Operation {
    let mut change = Change::default();
    let first = random.below(CODES);
    for n in 0..random.below(4) {
        change.claims.push(random_claim(random, model, (first + n) % CODES));
    }
    let first = random.small(REQUESTS);
    let by = random.small(INSTITUTIONS);
    for n in 0..random.small(3) {
        change.outcomes.push(random_outcome(random, model, by, (first + n) % REQUESTS));
    }
    change.awaited.extend(random_questions(random));
    change.settled.extend(random_questions(random));
    let document = random.one_in(2).then(|| format!("d{}", random.below(u64::from(DOCUMENTS))));
    let units = Decimal::new(i64::from(random.small(2000)) - 500, 2);
    let drug = catalog_code(random.small(CATALOG_CODES));
    Operation::Commit { change, document, sold: random.one_in(2).then_some((by, drug, units)) }
}

/// The version that stands, or now and then another one.
fn version(random: &mut Random, stands: Option<u32>) -> Option<u32> {
    match random.below(12) {
        0 => None,
        1 => Some(random.small(3)),
        _ => stands,
    }
}

fn random_claim(random: &mut Random, model: &Model, n: u64) -> ClaimChange {
    let read = model.claims.get(&code(n)).cloned();
    let stands = read.as_ref().map(|history| history.version);
    let (by, at) = (random.small(INSTITUTIONS), i64::from(random.small(1000)));
    let event: Event = if random.one_in(4) { returned(by, at) } else { sale(by, at) };
    ClaimChange {
        expected: version(random, stands),
        ..next_claim(&code(n), &read.unwrap_or_else(History::default), event)
    }
}

fn random_outcome(random: &mut Random, model: &Model, by: u32, n: u32) -> OutcomeChange {
    let key = request(by, &format!("r{n}"));
    let read = model.outcomes.get(&key);
    let stands = read.map(|outcome| outcome.version);
    OutcomeChange {
        expected: version(random, stands),
        outcome: read.map_or_else(|| outcome(&key.request_id), Outcome::next),
        key,
    }
}

/// None, or one, of few questions.
fn random_questions(random: &mut Random) -> Option<AwaitedKey> {
    let pool = if random.one_in(2) { own_pool(0) } else { chain_pool(1) };
    let (drug, line) = (random.small(2), random.small(3));
    random.one_in(3).then(|| awaited(pool, drug, 0, "r1", line))
}

fn random_purchase(random: &mut Random) -> PurchaseRecord {
    let quantity = i64::from(random.small(40)) - 10;
    let order = format!("order-{}", random.below(3));
    let (by, drug) = (random.small(INSTITUTIONS), random.small(CATALOG_CODES));
    let mut record = purchase(by, drug, &order, if quantity == 0 { 1 } else { quantity });
    record.source = PurchaseSource::ALL[usize::try_from(random.below(3)).unwrap()];
    record
}

fn random_row(random: &mut Random) -> RegistryRow {
    let (n, drug) = (random.small(6), random.small(CATALOG_CODES));
    match random.below(6) {
        0 => registry::drug_row(n, drug),
        1 => {
            registry::no_code_row(drug, ["", "13"][usize::try_from(random.below(2)).unwrap()], &n.to_string())
        }
        2 => registry::scheme_row(&format!("maker {drug}"), "[A-Z]+", n),
        3 => registry::feed_row(FeedScope::Institution(institution(n % INSTITUTIONS)), i64::from(drug)),
        _ => {
            let chain = usize::try_from(random.below(3)).unwrap();
            institution_row(n % INSTITUTIONS, Some(chain).filter(|chain| *chain < CHAINS.len()))
        }
    }
}

/// Does `count` random operations to a store and to a model; both must answer alike.
pub async fn play(store: &dyn Store, model: &mut Model, random: &mut Random, count: usize) {
    for step in 0..count {
        let operation = random_operation(random, model);
        let told = model.apply_to(store, &operation).await;
        let expected = model.apply(operation.clone());
        assert_eq!(told, expected, "step {step}: {operation:#?}");
    }
}

pub async fn random_operations_agree_with_the_model(under_test: Arc<dyn StoreUnderTest>) {
    let seed = 20_260_721;
    println!("seed {seed}");
    let (mut random, mut model) = (Random::new(seed), Model::default());
    let mut store = under_test.open().await;
    for _ in 0..5 {
        play(store.as_ref(), &mut model, &mut random, 100).await;
        check_same(&everything(store.as_ref()).await, &model.everything(), "while open");
        store = reopen(under_test.as_ref(), store).await;
        check_same(&everything(store.as_ref()).await, &model.everything(), "after opening again");
    }
}
