//! Watching cases: told within a second, resumed without gaps or repeats.

use super::{BUREAU, advance, bureau, deed};
use crate::doors::as_caller;
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, code, dispense};
use std::time::Duration;
use tonic::Streaming;
use tracegate::clock::Stopwatch;
use tracegate::grpc::pb;

async fn watch(world: &World, caller: &str, token: &str) -> Streaming<pb::WatchCasesResponse> {
    let request = pb::WatchCasesRequest { resume_token: token.into(), from_now: false };
    bureau(world).watch_cases(as_caller(request, caller)).await.expect("a stream").into_inner()
}

/// The next case, and the token behind it.
async fn next(stream: &mut Streaming<pb::WatchCasesResponse>) -> (pb::Case, String) {
    loop {
        let told = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
        let answer = told.expect("within ten seconds").expect("no error").expect("no end");
        if let Some(case) = answer.case {
            return (case, answer.resume_token);
        }
    }
}

async fn duplicate(world: &mut World, n: u64) {
    world.dispense(dispense(PHARMACY, &format!("a{n}"), &[code(n)])).await;
    world.dispense(dispense(OTHER_PHARMACY, &format!("b{n}"), &[code(n)])).await;
}

#[tokio::test]
async fn a_watcher_goes_on_where_it_was_after_a_restart() {
    let mut world = World::start().await;
    let mut stream = watch(&world, BUREAU, "").await;
    let mut told = Vec::new();
    let mut token = String::new();
    for n in 0..5 {
        duplicate(&mut world, n).await;
        let (case, after) = next(&mut stream).await;
        told.push((case.code.clone(), case.version));
        token = after;
        if n == 2 {
            advance(&world, BUREAU, deed(&case, pb::CaseAction::Push)).await.unwrap();
            let (pushed, after) = next(&mut stream).await;
            assert_eq!(pushed.state(), pb::CaseState::Pushed);
            told.push((pushed.code, pushed.version));
            token = after;
        }
    }
    drop(stream);
    // What changes while nobody watches is told once.
    duplicate(&mut world, 5).await;
    world.dispense(dispense(HOSPITAL, "late", &[code(1)])).await;
    let dir = world.stop().await;
    let mut world = World::open(dir, |_| {}).await;
    let mut stream = watch(&world, BUREAU, &token).await;
    for _ in 0..2 {
        let (case, _) = next(&mut stream).await;
        told.push((case.code, case.version));
    }
    duplicate(&mut world, 6).await;
    let (case, _) = next(&mut stream).await;
    told.push((case.code, case.version));
    let expected = [(0, 1), (1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1), (1, 2), (6, 1)];
    assert_eq!(told, expected.map(|(n, version)| (code(n), version)));
    world.stop().await;
}

#[tokio::test]
async fn a_case_is_told_within_a_second_of_its_verdict() {
    let mut world = World::start().await;
    let mut stream = watch(&world, BUREAU, "").await;
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        world.dispense(dispense(PHARMACY, &format!("a{n}"), &[code(n)])).await;
        world.dispense(dispense(OTHER_PHARMACY, &format!("b{n}"), &[code(n)])).await;
        let verdict = Stopwatch::start();
        next(&mut stream).await;
        slowest = slowest.max(verdict.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    world.stop().await;
}

#[tokio::test]
async fn who_may_not_see_a_case_is_not_told_of_it() {
    let mut world = World::start().await;
    let mut stream = watch(&world, &format!("institution {HOSPITAL}"), "").await;
    duplicate(&mut world, 1).await;
    world.dispense(dispense(PHARMACY, "c", &[code(2)])).await;
    world.dispense(dispense(HOSPITAL, "d", &[code(2)])).await;
    let (case, _) = next(&mut stream).await;
    assert_eq!(case.code, code(2));
    world.stop().await;
}
