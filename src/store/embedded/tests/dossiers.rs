//! A dossier that went to the tables stands in the way of another first one, as one in memory does.

use super::files::TestFiles;
use super::{close, code, open_with, options};
use crate::domain::case::Dossier;
use crate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use crate::store::{CaseBook, Change, ClaimLedger, CommitError, DossierChange};

/// Puts the first dossier of a code; gives whether none stood.
async fn is_first(store: &EmbeddedStore, number: u64) -> bool {
    let dossier = Dossier { version: 1, ..Dossier::default() };
    let dossiers = vec![DossierChange { key: code(number), expected: None, dossier }];
    match store.commit(&Change { dossiers, ..Change::default() }).await {
        Ok(()) => true,
        Err(CommitError::Conflict) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn count(store: &EmbeddedStore) -> usize {
    let (mut batches, mut found) = (store.all_dossiers(), 0);
    while let Some(batch) = batches.recv().await {
        found += batch.unwrap().len();
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_is_found_wherever_it_lies() {
    for memory_bytes_max in [1, 1 << 30] {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions { memory_bytes_max, ..options() };
        let store = open_with(dir.path(), &TestFiles::default(), &options);
        assert!(is_first(&store, 1).await);
        // From here on it is known which codes have none.
        assert_eq!(count(&store).await, 1);
        assert!(is_first(&store, 2).await);
        assert!(!is_first(&store, 1).await && !is_first(&store, 2).await);
        close(store).await;

        let store = open_with(dir.path(), &TestFiles::default(), &options);
        assert!(!is_first(&store, 1).await, "before all were read");
        assert_eq!(count(&store).await, 2);
        assert!(!is_first(&store, 1).await && !is_first(&store, 2).await, "after all were read");
        assert!(is_first(&store, 3).await && !is_first(&store, 3).await);
        close(store).await;
    }
}
