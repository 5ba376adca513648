//! Walking over all codes.

use super::StoreUnderTest;
use super::samples::{claim, code, scanned};
use std::sync::Arc;
use tracegate::domain::code::CodeKey;
use tracegate::store::Store;

/// Every key behind `after`, read in pages.
async fn paged(store: &dyn Store, after: Option<&CodeKey>, limit: usize) -> Vec<CodeKey> {
    let mut found: Vec<CodeKey> = Vec::new();
    loop {
        let page = store.scan(found.last().or(after), limit).await.unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return found;
        }
        found.extend(page.into_iter().map(|(key, _)| key));
    }
}

pub async fn codes_come_in_order_and_page_by_page(under_test: Arc<dyn StoreUnderTest>) {
    let store = under_test.open().await;
    let gs1 = ["(01)06901234567892(21)S", "(01)06901234567892(21)S1", "(01)06901234567892(21)T"];
    // Odd numbers only: the even ones are asked for and are not there.
    let mut keys: Vec<_> = (0..20).map(|n| code(2 * n + 1)).chain(gs1.map(scanned)).collect();
    for (n, key) in keys.iter().enumerate().rev() {
        let change = claim(std::slice::from_ref(key), 0, &format!("r{n}"));
        store.commit(&change).await.unwrap();
    }
    keys.sort();
    for limit in [1, 2, 7, keys.len(), keys.len() + 1] {
        assert_eq!(paged(store.as_ref(), None, limit).await, keys, "pages of {limit}");
    }
    for after in [code(0), code(1), code(2), code(38), code(39), code(40)] {
        let behind: Vec<_> = keys.iter().filter(|key| **key > after).cloned().collect();
        assert_eq!(paged(store.as_ref(), Some(&after), 3).await, behind, "after {after:?}");
    }
    assert_eq!(store.scan(None, 0).await.unwrap(), []);
    let histories = store.histories(&keys).await.unwrap();
    let scanned = store.scan(None, usize::MAX).await.unwrap();
    assert!(scanned.into_iter().map(|(_, history)| Some(history)).eq(histories));
}
