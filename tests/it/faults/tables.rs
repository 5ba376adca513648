//! Tables that are gone or outdated are derived from the log, with the same answers.

use super::{Lived, open};
use crate::acceptance::everything::{check_same, everything};
use std::fs;
use tracegate::store::Store;

async fn check_answers(lived: &Lived, when: &str) {
    let store = open(&lived.path()).unwrap();
    check_same(&everything(&store).await, &lived.answers, when);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_tables_are_derived_again() {
    let mut lived = Lived::new(150).await;
    assert!(!lived.answers.claims.is_empty() && !lived.answers.requests.is_empty());
    assert!(lived.answers.registry.counts.iter().all(|count| *count > 0));
    assert!(lived.answers.positions.iter().any(|(_, position)| position.has_purchases()));
    for _ in 0..2 {
        fs::remove_dir_all(lived.path().join("tables")).unwrap();
        check_answers(&lived, "from the log alone").await;
    }
    // Life goes on with them: every answer is checked against the model.
    lived.go_on(50).await;
    check_answers(&lived, "after more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outdated_tables_catch_up_and_count_nothing_twice() {
    let mut lived = Lived::new(0).await;
    for n in [1, 20, 80] {
        lived.set_aside("tables");
        lived.go_on(n).await;
        lived.put_back("tables");
        check_answers(&lived, &format!("behind by {n}")).await;
        lived.go_on(10).await;
    }
    check_answers(&lived, "at the end").await;
}
