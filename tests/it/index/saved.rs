//! Saved filters: they load only where everything fits, and a gateway starts from them.

use super::{SEED, complete, options, record, seen};
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, code, dispense, document};
use std::path::Path;
use std::sync::Arc;
use tracegate::grpc::pb;
use tracegate::index::{Index, IndexOptions, Misfit, Seen};

fn saved(path: &Path) -> IndexOptions {
    let options = options(1_000, 10);
    let index = complete(options);
    for n in 0..500 {
        record(&index, n + 1, &[(n, 1)]);
    }
    let saved = index.save(path).expect("it can be saved");
    assert_eq!(saved.up_to, 500);
    assert!((490..=500).contains(&saved.codes), "{saved:?}");
    options
}

#[test]
fn a_saved_index_answers_as_before() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("deep").join("filters");
    let options = saved(&path);
    let index = Index::new(options, SEED);
    let loaded = index.load(&path).expect("it fits");
    assert_eq!(loaded.up_to, 500);
    // Told meanwhile, and read back from the ledger.
    record(&index, 501, &[(600, 1)]);
    index.finish_generation(501);
    assert!((0..500).all(|n| seen(&index, n) == Seen::AskLedger), "histories are not saved");
    assert_ne!(seen(&index, 600), Seen::Never);
    assert!((1_000..2_000).filter(|n| seen(&index, *n) == Seen::Never).count() > 900);
    assert_eq!(index.save(&path).expect("it can be saved").up_to, 501);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("filters");
    let options = saved(&path);
    let check = |options: IndexOptions, seed, expected: &str| {
        let refused = Index::new(options, seed).load(&path).expect_err(expected);
        assert_eq!(refused.to_string(), expected);
    };
    check(
        IndexOptions { false_positives_per_mille: 11, ..options },
        SEED,
        "it has another rate of false positives",
    );
    check(
        IndexOptions { codes_planned_min: 1_001, ..options },
        SEED,
        "it has another number of planned codes",
    );
    check(options, [4; 32], "it has another ledger");
    let whole = std::fs::read(&path).expect("it can be read");
    for at in (0..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("it can be written");
        assert!(Index::new(options, SEED).load(&path).is_err(), "byte {at} was changed");
    }
    for length in [0, 7, 60, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("it can be written");
        assert!(Index::new(options, SEED).load(&path).is_err(), "cut to {length}");
    }
    std::fs::remove_file(&path).expect("it can be removed");
    assert!(matches!(Index::new(options, SEED).load(&path), Err(Misfit::Missing)));
}

/// Not even with the right checksum: a look into it would divide by zero, or last for minutes.
#[test]
fn a_filter_that_cannot_be_looked_into_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("filters");
    let options = saved(&path);
    let whole = std::fs::read(&path).expect("it can be read");
    let check = |change: fn(&mut Vec<u8>), is_refused: bool, what: &str| {
        let mut file = whole[..whole.len() - 32].to_vec();
        change(&mut file);
        let sum = *blake3::hash(&file).as_bytes();
        file.extend_from_slice(&sum);
        std::fs::write(&path, file).expect("it can be written");
        let loaded = Index::new(options, SEED).load(&path);
        assert_eq!(matches!(loaded, Err(Misfit::Damaged)), is_refused, "{what}: {loaded:?}");
    };
    // The first filter begins after the head and its own length: version (1), bytes of bits (8), hashes (4), seed (32).
    check(|_| {}, false, "unchanged");
    check(|file| file[93] = 0x7f, true, "two thousand million hashes");
    let without_bits = |file: &mut Vec<u8>| {
        let bits = usize::from(file[76]) - 45;
        file[76] = 45;
        file[85..93].fill(0);
        file.drain(129..129 + bits);
    };
    check(without_bits, true, "no bits");
}

/// The bits of a filter follow from seed and code for ever: a filter saved by an older build must stay true.
#[test]
fn the_saved_form_is_fixed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("filters");
    saved(&path);
    let bytes = std::fs::read(&path).expect("it can be read");
    let sum = blake3::hash(&bytes).to_hex();
    assert_eq!(&sum[..16], "2b77a2631e331f92", "another FORMAT is needed in src/index/saved.rs");
}

/// Stops a gateway and starts it again over its directory, after `between` was done to the directory.
async fn restarted(world: World, between: impl FnOnce(&Path)) -> World {
    let dir = world.stop().await;
    between(&dir.path().join("data").join("index").join("filters"));
    let world = World::open(Arc::clone(&dir), |_| {}).await;
    world.index_complete().await;
    world
}

/// What `Check` says at another counter about the codes up to `sold`, and about one beyond.
async fn check_sold(world: &mut World, sold: u64) {
    for n in 0..=sold {
        let request = pb::CheckRequest { document: Some(document(OTHER_PHARMACY, "C", &[code(n)])) };
        let answer = world.gate.check(request).await.expect("an answer").into_inner();
        let verdict = answer.decision.expect("a decision").verdict();
        let expected = if n < sold { pb::Verdict::Block } else { pb::Verdict::Allow };
        assert_eq!(verdict, expected, "code {n} of {sold}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_starts_from_saved_filters_or_without_them() {
    let mut world = World::start().await;
    world.index_complete().await;
    let mut sold = 0;
    let ways: [fn(&Path); 4] = [
        |_| {},
        |file| std::fs::remove_file(file).expect("the filters were saved at the end"),
        |file| std::fs::write(file, b"TGFILTER, but not really").expect("it can be written"),
        |_| {},
    ];
    for way in ways {
        for _ in 0..3 {
            let institution = if sold % 2 == 0 { PHARMACY } else { HOSPITAL };
            let told = world.dispense(dispense(institution, &format!("r{sold}"), &[code(sold)])).await;
            assert_eq!(told.verdict(), pb::Verdict::Allow, "{told:?}");
            sold += 1;
        }
        check_sold(&mut world, sold).await;
        world = restarted(world, way).await;
        check_sold(&mut world, sold).await;
    }
    world.stop().await;
}

/// Copies a directory with everything in it. The threads that tidy up the tables may still remove a file after the
/// store was closed, as long as this process lives: then the copy is begun anew.
fn copy(from: &Path, to: &Path) {
    let copied = |_: &u32| {
        let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
        let whole = copied.expect("cp can be run").success();
        if !whole {
            std::fs::remove_dir_all(to).expect("half a copy can be removed");
        }
        whole
    };
    assert!((0..100).any(|turn| copied(&turn)), "{} to {}", from.display(), to.display());
}

/// A ledger that was restored from a backup grows past the position that newer filters name: they must not lie there
/// and wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_that_are_newer_than_a_restored_ledger_are_removed() {
    let mut world = World::start().await;
    world.index_complete().await;
    world.dispense(dispense(PHARMACY, "before", &[code(0)])).await;
    let dir = world.stop().await;
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    copy(&data, &backup);
    let mut world = World::open(Arc::clone(&dir), |_| {}).await;
    world.index_complete().await;
    world.dispense(dispense(PHARMACY, "lost", &[code(1)])).await;
    let dir = world.stop().await;
    for part in ["log", "tables"] {
        std::fs::remove_dir_all(data.join(part)).expect("it can be removed");
        copy(&backup.join(part), &data.join(part));
    }
    let mut world = World::open(dir, |_| {}).await;
    world.index_complete().await;
    assert!(!data.join("index").join("filters").exists(), "the newer filters are gone");
    check_sold(&mut world, 1).await;
    world.stop().await;
}
