//! The registry's rows.

use super::everything::{RegistryView, view};
use super::samples::{catalog_code, institution, institution_row, moment};
use super::{StoreUnderTest, samples};
use jiff::civil::date;
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use tracegate::domain::access::{AccessKey, Identity};
use tracegate::domain::code::OwnScheme;
use tracegate::domain::drug::{Drug, DrugClass, NoCodeEntry, PackLevel};
use tracegate::domain::purchase::{FeedScope, PurchaseFeed};
use tracegate::domain::registry::{Registry, RegistryRow};
use tracegate::store::LoadStatus::{Added, Replaced, Unchanged};
use tracegate::store::Store;

/// A prefix of a drug; the prefix's number shows in its price.
pub fn drug_row(prefix: u32, drug: u32) -> RegistryRow {
    RegistryRow::Drug(Drug {
        code_prefix: format!("83{prefix:05}"),
        catalog_code: catalog_code(drug),
        name: format!("drug {drug}"),
        pack_level: PackLevel::Small,
        units_per_pack: Some(24),
        drug_class: DrugClass::Western,
        dosage_form: "片剂".to_owned(),
        carton_only: false,
        must_split: false,
        listed_price: Some(Decimal::new(i64::from(prefix), 2)),
    })
}

pub fn no_code_row(drug: u32, area: &str, note: &str) -> RegistryRow {
    RegistryRow::NoCode(NoCodeEntry {
        catalog_code: catalog_code(drug),
        division_prefix: area.to_owned(),
        valid_from: Some(date(2025, 7, 1)),
        valid_to: None,
        note: note.to_owned(),
    })
}

pub fn scheme_row(issuer: &str, pattern: &str, units: u32) -> RegistryRow {
    RegistryRow::OwnScheme(OwnScheme {
        issuer: issuer.to_owned(),
        pattern: pattern.to_owned(),
        catalog_code: None,
        pack_level: PackLevel::Small,
        units_per_pack: Some(units),
    })
}

pub fn feed_row(scope: FeedScope, seconds: i64) -> RegistryRow {
    RegistryRow::Feed(PurchaseFeed { scope, complete_up_to: moment(seconds) })
}

/// Rows of every kind, not in the order of their identities.
fn rows() -> Vec<RegistryRow> {
    vec![
        scheme_row("maker B", "B[0-9]+", 1),
        scheme_row("maker A", "[A-Z][0-9]+", 2),
        drug_row(9, 1),
        drug_row(5, 1),
        drug_row(7, 2),
        institution_row(3, Some(1)),
        institution_row(1, None),
        no_code_row(1, "13", "province"),
        no_code_row(1, "", "national"),
        feed_row(FeedScope::DivisionPrefix("13".to_owned()), 10),
        feed_row(FeedScope::Institution(institution(3)), 20),
    ]
}

async fn read(store: &dyn Store) -> RegistryView {
    view(&store.load_registry().await.unwrap())
}

pub async fn rows_are_added_unchanged_or_replaced(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let count = rows().len();
    let put = async |rows, seconds| store.put_rows(rows, moment(seconds)).await.unwrap();
    assert_eq!(put(Vec::new(), 1).await, (Vec::new(), 0));
    assert_eq!(put(rows(), 2).await, (vec![Added; count], 1));
    // What changes nothing has no version and no time of its own.
    assert_eq!(put(rows(), 3).await, (vec![Unchanged; count], 1));
    assert_eq!(read(store.as_ref()).await.changed_at, Some(moment(2)));
    let mixed = vec![drug_row(5, 1), drug_row(7, 3), drug_row(6, 3), no_code_row(1, "13", "changed")];
    assert_eq!(put(mixed, 4).await, (vec![Unchanged, Replaced, Added, Replaced], 2));
    let after = read(store.as_ref()).await;
    assert_eq!((after.version, after.changed_at), (2, Some(moment(4))));
    assert_eq!(after.counts, [2, 4, 2, 2]);
    // The same row several times within one load.
    let repeated = vec![drug_row(8, 1), drug_row(8, 1), drug_row(8, 2), drug_row(8, 2)];
    assert_eq!(put(repeated, 5).await, (vec![Added, Unchanged, Replaced, Unchanged], 3));
    let registry = store.load_registry().await.unwrap();
    assert_eq!(registry.drug("8300008").unwrap().catalog_code, catalog_code(2));
}

pub async fn a_registry_reads_back_as_it_was_put(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let (_, version) = store.put_rows(rows(), moment(0)).await.unwrap();
    // What a running gateway holds after the load, and what it will hold after a restart, must decide alike.
    let mut held = Registry::default();
    rows().into_iter().for_each(|row| held.put(row));
    (held.version, held.changed_at) = (version, Some(moment(0)));
    assert_eq!(read(store.as_ref()).await, view(&held));
}

pub async fn a_key_that_was_ended_does_not_come_back(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let key = AccessKey {
        id: "k1".to_owned(),
        identity: Identity::OPERATOR,
        label: "desk".to_owned(),
        secret_hash: [7; 32],
        created_at: moment(0),
        created_by: "operator".to_owned(),
        expires_at: moment(1_000),
        revoked_at: None,
    };
    let put = async |key: &AccessKey| {
        store.put_rows(vec![RegistryRow::AccessKey(key.clone())], moment(9)).await.unwrap().0
    };
    assert_eq!(put(&key).await, [Added]);
    let revoked = AccessKey { revoked_at: Some(moment(5)), ..key.clone() };
    assert_eq!(put(&revoked).await, [Replaced]);
    // Another gateway replaced it a moment before it heard of that.
    let shortened = AccessKey { expires_at: moment(10), ..key.clone() };
    assert_eq!(put(&shortened).await, [Replaced]);
    assert_eq!(put(&key).await, [Unchanged]);
    let both = AccessKey { expires_at: moment(10), ..revoked };
    assert_eq!(store.load_registry().await.unwrap().access_key("k1"), Some(&both));
}

pub async fn each_load_gets_its_own_version(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let mut loading = JoinSet::new();
    for n in 0..20_u32 {
        let store = Arc::clone(&store);
        loading.spawn(async move {
            let row = institution_row(n % samples::INSTITUTIONS, None);
            let rows = vec![drug_row(n, n % samples::CATALOG_CODES), row];
            store.put_rows(rows, moment(0)).await.unwrap().1
        });
    }
    let versions: BTreeSet<_> = loading.join_all().await.into_iter().collect();
    assert!(versions.iter().copied().eq(1..=20), "{versions:?}");
    let after = read(store.as_ref()).await;
    assert_eq!((after.version, after.counts), (20, [5, 20, 0, 0]));
}
