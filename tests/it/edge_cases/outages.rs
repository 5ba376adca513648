//! A disk that is full or fails, a gateway that dies: cases 5 and 42.

use super::gateway::{BOX, BOX_2, Gateway, document};
use std::sync::atomic::Ordering;
use tracegate::engine::{EngineError, OutcomeReply};
use tracegate::store::{StoreError, StoreState};

#[tokio::test]
async fn case_5_what_was_in_doubt_is_sold_or_free_after_the_restart_never_something_between() {
    let g = Gateway::new().await;
    g.disk.fails_sync.store(true, Ordering::SeqCst);
    let lost = g.dispense("R1", document("P1", "D1", &[BOX, BOX_2])).await.unwrap_err();
    assert!(matches!(lost, EngineError::InDoubt(_)), "{lost}");
    let g = g.restarted().await;
    let expected = match g.outcome("P1", "R1").await {
        OutcomeReply::Decided(reply) => {
            assert!(reply.answer.recorded);
            "BLOCK DUPLICATE"
        }
        OutcomeReply::Never => "ALLOW",
        other => panic!("{other:?}"),
    };
    assert_eq!(g.sells("R2", document("P2", "D2", &[BOX])).await, expected);
    assert_eq!(g.sells("R3", document("P3", "D3", &[BOX_2])).await, expected);
}

#[tokio::test]
async fn case_5_a_sale_that_was_answered_is_final_after_a_restart() {
    let g = Gateway::new().await;
    let first = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    let g = g.restarted().await;
    let OutcomeReply::Decided(known) = g.outcome("P1", "R1").await else {
        panic!("forgotten");
    };
    assert_eq!(known.answer, first.answer);
    assert_eq!(g.sells("R2", document("P2", "D2", &[BOX])).await, "BLOCK DUPLICATE");
}

#[tokio::test]
async fn case_42_a_full_disk_takes_no_claims_loses_nothing_and_recovers() {
    let g = Gateway::new().await;
    assert_eq!(g.sells("R1", document("P1", "D1", &[BOX])).await, "ALLOW");
    g.disk.full.store(true, Ordering::SeqCst);
    let refused = g.dispense("R2", document("P2", "D2", &[BOX_2])).await.unwrap_err();
    assert!(matches!(refused, EngineError::Store(StoreError::Full(_))) && refused.retryable(), "{refused}");
    let state = g.engine.store().state().borrow().clone();
    assert!(matches!(&state, StoreState::Full(why) if why.contains("disk is full")), "{state:?}");
    assert!(matches!(g.outcome("P1", "R1").await, OutcomeReply::Decided(_)), "reads go on");
    g.disk.full.store(false, Ordering::SeqCst);
    assert_eq!(g.sells("R2", document("P2", "D2", &[BOX_2])).await, "ALLOW");
    assert_eq!(*g.engine.store().state().borrow(), StoreState::Ready);
    let g = g.restarted().await;
    assert_eq!(g.sells("R3", document("P3", "D3", &[BOX])).await, "BLOCK DUPLICATE");
    assert_eq!(g.sells("R4", document("P3", "D4", &[BOX_2])).await, "BLOCK DUPLICATE");
}

#[tokio::test]
async fn case_42_a_failed_fsync_needs_a_restart() {
    let g = Gateway::new().await;
    assert_eq!(g.sells("R1", document("P1", "D1", &[BOX])).await, "ALLOW");
    g.disk.fails_sync.store(true, Ordering::SeqCst);
    let lost = g.dispense("R2", document("P2", "D2", &[BOX_2])).await.unwrap_err();
    assert!(matches!(lost, EngineError::InDoubt(_)), "{lost}");
    g.disk.fails_sync.store(false, Ordering::SeqCst);
    let stopped = g.dispense("R3", document("P3", "D3", &[BOX_2])).await.unwrap_err();
    assert!(matches!(stopped, EngineError::Store(StoreError::Stopped(_))), "{stopped}");
    assert!(!stopped.retryable());
    let state = g.engine.store().state().borrow().clone();
    assert!(matches!(&state, StoreState::Stopped(why) if why.contains("synced")), "{state:?}");
    let g = g.restarted().await;
    assert_eq!(*g.engine.store().state().borrow(), StoreState::Ready);
    assert_eq!(
        g.sells("R4", document("P2", "D4", &[BOX])).await,
        "BLOCK DUPLICATE",
        "nothing acknowledged is lost"
    );
}
