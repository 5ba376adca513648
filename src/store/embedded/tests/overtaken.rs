//! A change that was compared with what stood, and comes to the writer after others changed it.

use super::files::TestFiles;
use super::{claim, open_with, options, request, swap, versions};
use crate::domain::outcome::{Outcome, OutcomeState};
use crate::store::embedded::prepare::Proposed;
use crate::store::embedded::writer::Job;
use crate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use crate::store::{Change, ClaimLedger, CommitError, OutcomeChange};

/// What the writer says to a change that was compared earlier.
async fn commit(store: &EmbeddedStore, proposed: Proposed) -> Result<(), CommitError> {
    store.ask(|reply| Job::Commit(Box::new(proposed), reply)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_looked_at_before_others_came_is_refused_wherever_theirs_lies() {
    for memory_bytes_max in [1, 1 << 30] {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions { memory_bytes_max, ..options() };
        let store = open_with(dir.path(), &TestFiles::default(), &options);
        store.commit(&claim(&[7], "r7")).await.unwrap();
        let early = |change: Change| Proposed::of_change(&change, &store.view).unwrap();
        let outcome = Outcome::closed(OutcomeState::Voided);
        let answer = OutcomeChange { key: request("r1"), expected: None, outcome };
        let late = [
            early(Change { claims: vec![swap(1, 0)], ..Change::default() }),
            early(Change { claims: vec![swap(7, 1)], ..Change::default() }),
            early(Change { outcomes: vec![answer], ..Change::default() }),
        ];
        let untouched = early(claim(&[2], "r2"));
        store.commit(&claim(&[1], "r1")).await.unwrap();
        store.commit(&Change { claims: vec![swap(7, 1)], ..Change::default() }).await.unwrap();
        // Where there is no memory, all of it goes to the tables meanwhile.
        for n in 10..20 {
            store.commit(&claim(&[n], &format!("r{n}"))).await.unwrap();
        }
        for proposed in late {
            assert_eq!(commit(&store, proposed).await, Err(CommitError::Conflict));
        }
        assert_eq!(commit(&store, untouched).await, Ok(()));
        assert_eq!(versions(&store, &[1, 2, 7]).await, [1, 1, 2]);
        // Who looks now sees that something else stands, and the writer that it does.
        let again = early(claim(&[1], "r30"));
        assert_eq!(again.checked, None);
        assert_eq!(commit(&store, again).await, Err(CommitError::Conflict));
    }
}
