//! Purchases, balances, and questions that wait for purchase data.

use super::StoreUnderTest;
use super::samples::{
    CHAINS, awaited, catalog_code, chain_pool, institution_row, moment, own_pool, purchase,
};
use rust_decimal::Decimal;
use std::sync::Arc;
use tokio::task::JoinSet;
use tracegate::domain::party::Pool;
use tracegate::domain::purchase::{Position, PurchaseRecord, PurchaseSource};
use tracegate::store::LoadStatus::{Added, Replaced, Unchanged};
use tracegate::store::{Change, LoadStatus, Store};

async fn position(store: &dyn Store, pool: Pool, drug: u32) -> Position {
    store.positions(&[(pool, catalog_code(drug))]).await.unwrap().remove(0)
}

async fn add(store: &dyn Store, record: PurchaseRecord, chain: Option<usize>) -> LoadStatus {
    let chain = chain.map(|chain| CHAINS[chain].to_owned());
    store.add_purchases(vec![(record, chain)]).await.unwrap().remove(0)
}

fn sold(pool: Pool, drug: u32, units: Decimal) -> Change {
    Change { sold: vec![(pool, catalog_code(drug), units)], ..Change::default() }
}

fn platform(units: i64, records: u32) -> Position {
    Position { platform: Decimal::from(units), records: [records, 0, 0], ..Position::default() }
}

pub async fn sold_units_add_up_in_any_order(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let mut adding = JoinSet::new();
    for n in 1..=60_i64 {
        let store = Arc::clone(&store);
        adding.spawn(async move {
            // Every third is a return; one in ten thousandths, so that nothing may be rounded.
            let units = Decimal::new(if n % 3 == 0 { -n } else { n }, 4);
            let mut change = sold(own_pool(0), 1, units);
            change.sold.push((chain_pool(0), catalog_code(1), units + units));
            store.commit(&change).await.unwrap();
        });
    }
    adding.join_all().await;
    let sum = Decimal::new(1830 - 2 * 630, 4);
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await.sold, sum);
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await.sold, sum + sum);
    let asked =
        [(chain_pool(0), catalog_code(2)), (own_pool(0), catalog_code(1)), (own_pool(1), catalog_code(1))];
    let found: Vec<_> = store.positions(&asked).await.unwrap().into_iter().map(|p| p.sold).collect();
    assert_eq!(found, [Decimal::ZERO, sum, Decimal::ZERO]);
}

pub async fn a_record_is_counted_once(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let other = |change: fn(&mut PurchaseRecord)| {
        let mut record = purchase(0, 1, "order-1", 100);
        change(&mut record);
        (record, None)
    };
    let records = vec![
        other(|_| {}),
        other(|_| {}),
        other(|r| r.lot_no = "L2".to_owned()),
        other(|r| r.order_no = "order-2".to_owned()),
        other(|r| r.source = PurchaseSource::Filed),
        other(|r| r.source = PurchaseSource::OpeningStock),
        other(|r| r.institution = super::samples::institution(1)),
        other(|r| r.catalog_code = catalog_code(2)),
        other(|_| {}),
    ];
    let again = store.add_purchases(records.clone()).await.unwrap();
    let expected = [Added, Unchanged, Added, Added, Added, Added, Added, Added, Unchanged];
    assert_eq!(again, expected);
    assert_eq!(store.add_purchases(records).await.unwrap(), [Unchanged; 9]);
    let hundred = Decimal::ONE_HUNDRED;
    let all = Position {
        platform: hundred * Decimal::from(3),
        filed: hundred,
        opening: hundred,
        records: [3, 1, 1],
        sold: Decimal::ZERO,
    };
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await, all);
    assert_eq!(position(store.as_ref(), own_pool(1), 1).await, platform(100, 1));
    assert_eq!(position(store.as_ref(), own_pool(0), 2).await, platform(100, 1));
}

pub async fn a_record_sent_by_many_is_counted_once(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let mut adding = JoinSet::new();
    for n in 0..40_u32 {
        let store = Arc::clone(&store);
        let record = purchase(0, 1, &format!("order-{}", n % 4), 10);
        adding.spawn(async move { add(store.as_ref(), record, Some(0)).await });
    }
    let statuses = adding.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == Added).count(), 4);
    assert_eq!(statuses.iter().filter(|status| **status == Unchanged).count(), 36);
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await, platform(40, 4));
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(40, 4));
}

pub async fn returns_are_negative_rows_of_their_own(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", 100), None).await, Added);
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", -30), None).await, Added);
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", 100), None).await, Unchanged);
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", -30), None).await, Unchanged);
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await, platform(70, 2));
}

pub async fn a_replaced_record_counts_with_its_new_quantity(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", 100), Some(0)).await, Added);
    assert_eq!(add(store.as_ref(), purchase(0, 1, "order-1", 60), Some(0)).await, Replaced);
    for pool in [own_pool(0), chain_pool(0)] {
        assert_eq!(position(store.as_ref(), pool, 1).await, platform(60, 1));
    }
    let renamed = PurchaseRecord { supplier: "another supplier".to_owned(), ..purchase(0, 1, "order-1", 60) };
    assert_eq!(add(store.as_ref(), renamed.clone(), Some(0)).await, Replaced);
    assert_eq!(add(store.as_ref(), renamed, Some(0)).await, Unchanged);
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(60, 1));
    // Corrected twice within one load.
    let twice = vec![(purchase(0, 1, "order-1", 5), None), (purchase(0, 1, "order-1", 7), None)];
    assert_eq!(store.add_purchases(twice).await.unwrap(), [Replaced, Replaced]);
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await, platform(7, 1));
}

pub async fn a_chain_pools_its_members(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    add(store.as_ref(), purchase(0, 1, "order-1", 100), Some(0)).await;
    add(store.as_ref(), purchase(1, 1, "order-1", 20), Some(0)).await;
    add(store.as_ref(), purchase(2, 1, "order-1", 3), Some(1)).await;
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(120, 2));
    assert_eq!(position(store.as_ref(), chain_pool(1), 1).await, platform(3, 1));
    assert_eq!(position(store.as_ref(), own_pool(1), 1).await, platform(20, 1));
}

/// Puts an institution into a chain, or takes it out.
async fn join(store: &dyn Store, by: u32, chain: Option<usize>) {
    store.put_rows(vec![institution_row(by, chain)], moment(0)).await.unwrap();
}

pub async fn an_institution_takes_its_goods_to_another_chain(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    join(store.as_ref(), 0, Some(0)).await;
    join(store.as_ref(), 1, Some(0)).await;
    add(store.as_ref(), purchase(0, 1, "order-1", 100), Some(0)).await;
    add(store.as_ref(), purchase(0, 2, "order-1", 50), Some(0)).await;
    add(store.as_ref(), purchase(1, 1, "order-2", 20), Some(0)).await;
    for pool in [own_pool(0), chain_pool(0)] {
        store.commit(&sold(pool, 1, Decimal::new(75, 1))).await.unwrap();
    }
    let own = Position { sold: Decimal::new(75, 1), ..platform(100, 1) };
    join(store.as_ref(), 0, Some(1)).await;
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(20, 1));
    assert_eq!(position(store.as_ref(), chain_pool(0), 2).await, Position::default());
    assert_eq!(position(store.as_ref(), chain_pool(1), 1).await, own);
    assert_eq!(position(store.as_ref(), chain_pool(1), 2).await, platform(50, 1));
    assert_eq!(position(store.as_ref(), own_pool(0), 1).await, own);

    join(store.as_ref(), 0, None).await;
    assert_eq!(position(store.as_ref(), chain_pool(1), 1).await, Position::default());
    // Out and back through two chains within one load.
    let rows = [Some(1), Some(0)].map(|chain| institution_row(0, chain)).to_vec();
    store.put_rows(rows, moment(0)).await.unwrap();
    assert_eq!(position(store.as_ref(), chain_pool(1), 1).await, Position::default());
    assert_eq!(position(store.as_ref(), chain_pool(0), 2).await, platform(50, 1));
    let both = Position { sold: Decimal::new(75, 1), ..platform(120, 2) };
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, both);
}

pub async fn goods_bought_before_the_institution_is_registered_reach_its_chain(
    under_test: Arc<dyn StoreUnderTest>,
) {
    let store = under_test.open().await;
    add(store.as_ref(), purchase(0, 1, "order-1", 100), None).await;
    join(store.as_ref(), 0, Some(0)).await;
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(100, 1));
    // A correction of the old record counts for the chain from now on.
    add(store.as_ref(), purchase(0, 1, "order-1", 90), Some(0)).await;
    assert_eq!(position(store.as_ref(), chain_pool(0), 1).await, platform(90, 1));
}

pub async fn questions_wait_until_they_are_settled(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let question = |drug, id, line| awaited(chain_pool(0), drug, 0, id, line);
    let all = [question(1, "r1", 1), question(1, "r1", 2), question(1, "r2", 1), question(2, "r1", 1)];
    let waiting = Change { awaited: all.to_vec(), ..Change::default() };
    store.commit(&waiting.clone()).await.unwrap();
    store.commit(&waiting).await.unwrap();
    let pool = chain_pool(0);
    let ask = async |drug: Option<u32>, limit| {
        let code = drug.map(catalog_code);
        let of = code.as_deref().map(|code| (&pool, code));
        let mut found = store.awaited(of, limit).await.unwrap();
        found.sort();
        found
    };
    assert_eq!(ask(None, 9).await, all);
    assert_eq!(ask(Some(1), 9).await, all[..3]);
    assert_eq!(ask(Some(2), 9).await, all[3..]);
    assert_eq!(ask(Some(1), 2).await.len(), 2);
    assert_eq!(store.awaited(Some((&own_pool(0), &catalog_code(1))), 9).await.unwrap(), []);
    // A catalogue code that only begins alike is another one.
    let shorter = catalog_code(1);
    let shorter = shorter.get(..shorter.len() - 1);
    assert_eq!(store.awaited(shorter.map(|code| (&pool, code)), 9).await.unwrap(), []);

    let settled = Change { settled: vec![question(1, "r1", 2), question(3, "r1", 1)], ..Change::default() };
    store.commit(&settled).await.unwrap();
    assert_eq!(ask(None, 9).await, [&all[..1], &all[2..]].concat());
}
