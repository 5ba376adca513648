//! One acceptance suite for every store, written against the store traits alone.
//!
//! A store joins with one line, `run_on!`. What a store cannot do is a named [`Need`] in its list: the cases that
//! ask for it must then fail on it, so that an inability that has gone is told and never just skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

pub mod everything;
pub mod samples;

pub mod cases;
pub mod claims;
mod contention;
mod durability;
mod feed;
pub mod forget;
pub mod model;
pub mod on_redis;
mod purchases;
pub mod random;
mod registry;
mod scan;
pub mod tallies;

use std::path::PathBuf;
use std::sync::Arc;
use tracegate::store::embedded::{EmbeddedOptions, EmbeddedStore};
use tracegate::store::{Answering, Store};

/// What a case asks of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What the traits promise of an open store.
    Traits,
    /// What was committed is there after closing and opening again.
    Durability,
}

/// A store as the suite sees it.
pub trait StoreUnderTest: Send + Sync {
    /// Opens it; empty at first, later with what was left. Only one is open at a time.
    fn open(&self) -> Answering<'_, Arc<dyn Store>>;

    /// What this store is known to be unable to do.
    fn unable(&self) -> &'static [Need];
}

/// Closes a store and opens it again; the caller holds the last handle.
pub async fn reopen(under_test: &dyn StoreUnderTest, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await;
    assert_eq!(Arc::strong_count(&store), 1, "somebody still holds the closed store");
    drop(store);
    under_test.open().await
}

/// The embedded store in a directory of its own, with segments small enough that the log has many.
pub struct Embedded(tempfile::TempDir);

impl Embedded {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// Few resources, so that every limit is met early.
pub fn small_options() -> EmbeddedOptions {
    EmbeddedOptions {
        disk_free_bytes_min: 1 << 20,
        group_changes_max: 8,
        queue_changes_max: 16,
        cache_bytes: 1 << 20,
        memory_bytes_max: 4096,
        segment_bytes_max: 4096,
        ..EmbeddedOptions::default()
    }
}

impl StoreUnderTest for Embedded {
    fn open(&self) -> Answering<'_, Arc<dyn Store>> {
        Box::pin(async {
            let path = self.path();
            let opening = tokio::task::spawn_blocking(move || EmbeddedStore::open(&path, &small_options()));
            Arc::new(opening.await.unwrap().unwrap()) as Arc<dyn Store>
        })
    }

    fn unable(&self) -> &'static [Need] {
        &[]
    }
}

/// Runs a case; where the store is known to be unable to do what it asks, the case must fail.
async fn run<F>(need: Need, under_test: impl StoreUnderTest + 'static, case: fn(Arc<dyn StoreUnderTest>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let unable = under_test.unable().contains(&need);
    let ran = tokio::spawn(case(Arc::new(under_test))).await;
    match ran {
        Ok(()) => assert!(!unable, "the store can do it after all: strike {need:?} from its inabilities"),
        Err(failure) if unable => println!("as known, the store cannot: {need:?} ({failure})"),
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

macro_rules! cases {
    ($make:expr; $($need:ident: $($room:ident::$case:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                run(Need::$need, $make, $room::$case).await;
            }
        )+)+
    };
}

macro_rules! run_on {
    ($backend:ident, $make:expr) => {
        mod $backend {
            use super::*;

            cases! { $make;
                Traits:
                    claims::nothing_is_recorded_at_first,
                    claims::a_first_claim_is_put_where_nothing_stands,
                    claims::a_version_is_swapped_only_for_the_one_that_was_read,
                    claims::an_outcome_is_put_once_and_then_swapped,
                    claims::a_change_is_made_whole_or_not_at_all,
                    claims::histories_come_in_the_order_asked,
                    claims::requests_are_found_by_their_document,
                    claims::an_empty_change_is_made,
                    claims::paper_keys_tell_numbers_apart,
                    contention::of_many_claims_of_the_same_codes_one_wins,
                    contention::overlapping_claims_never_leave_a_half,
                    contention::no_update_is_lost_under_contention,
                    contention::one_request_is_answered_once,
                    scan::codes_come_in_order_and_page_by_page,
                    feed::claims_are_told_before_they_can_be_read,
                    feed::claims_are_told_once_and_in_order,
                    feed::a_later_follower_takes_the_place_of_an_earlier_one,
                    tallies::tallies_add_up_in_any_order,
                    tallies::a_tally_is_added_with_its_change_or_not_at_all,
                    tallies::tallies_are_asked_by_months_and_institution,
                    purchases::sold_units_add_up_in_any_order,
                    purchases::a_record_is_counted_once,
                    purchases::a_record_sent_by_many_is_counted_once,
                    purchases::returns_are_negative_rows_of_their_own,
                    purchases::a_replaced_record_counts_with_its_new_quantity,
                    purchases::a_chain_pools_its_members,
                    purchases::an_institution_takes_its_goods_to_another_chain,
                    purchases::goods_bought_before_the_institution_is_registered_reach_its_chain,
                    purchases::questions_wait_until_they_are_settled,
                    registry::rows_are_added_unchanged_or_replaced,
                    registry::a_registry_reads_back_as_it_was_put,
                    registry::each_load_gets_its_own_version,
                    registry::a_key_that_was_ended_does_not_come_back,
                    cases::a_dossier_is_swapped_only_for_the_version_that_was_read,
                    cases::a_dossier_is_kept_with_its_change_or_not_at_all,
                    cases::nobody_who_joins_a_case_is_lost,
                    cases::changes_are_told_in_the_order_of_their_places;
                Durability:
                    durability::everything_is_there_after_opening_again,
                    durability::paper_keys_stay_the_same,
                    durability::a_closed_store_takes_nothing,
                    cases::what_was_logged_in_a_span_is_read_back,
                    cases::dossiers_and_their_places_outlive_a_restart,
                    feed::codes_are_read_back_from_any_position,
                    forget::old_requests_are_forgotten_and_nothing_else,
                    random::random_operations_agree_with_the_model;
            }
        }
    };
}

run_on!(embedded, Embedded::new());
run_on!(redis, on_redis::OnRedis::alone());
run_on!(sentinel, on_redis::OnRedis::under_sentinel());
run_on!(cluster, on_redis::OnRedis::in_cluster());
