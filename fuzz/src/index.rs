//! Saved filters of any content are refused or used; damage is never believed.
//!
//! The input is what was changed in a file that was saved in order: places and bytes. Where its first byte says so, the
//! file gets the checksum that belongs to what it holds then, so that what stands behind the checksum is tried as well.

use jiff::Timestamp;
use std::sync::LazyLock;
use tracegate::domain::code::CodeKey;
use tracegate::index::{Index, IndexOptions, Seen};

const OPTIONS: IndexOptions =
    IndexOptions { hot_codes_max: 4, codes_planned_min: 256, false_positives_per_mille: 10 };
const SEED: [u8; 32] = *b"halves that differ in every byte";
const SUM_BYTES: usize = 32;
const CODES: u64 = 50;
/// Enough to meet nearly every filter of a file.
const LOOKED_UP: u64 = 1000;

static CODES_AFTER: LazyLock<Vec<CodeKey>> = LazyLock::new(|| (CODES..CODES + LOOKED_UP).map(code).collect());

static SAVED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("filters");
    let index = Index::new(OPTIONS, SEED);
    index.add_old(&(0..CODES).map(code).collect::<Vec<_>>());
    index.save(&path).expect("it can be saved");
    std::fs::read(&path).expect("it can be read")
});

fn code(number: u64) -> CodeKey {
    CodeKey::parse(&format!("8123456{number:013}")).expect("a code")
}

/// Holds for any bytes: whether the checksum is put right, how much is cut off (two bytes), then changes of three bytes
/// each.
pub fn check(data: &[u8]) {
    let Some((&[sealed, low, high], edits)) = data.split_first_chunk() else { return };
    let sealed = sealed % 2 == 1;
    let mut file = SAVED.clone();
    let (sum_at, cut) = (file.len() - SUM_BYTES, usize::from(u16::from_le_bytes([low, high])));
    for edit in edits.chunks_exact(3) {
        let &[low, high, byte] = edit else { continue };
        let at = usize::from(u16::from_le_bytes([low, high])) % sum_at;
        file[at] = byte;
    }
    if sealed {
        file.truncate(sum_at.saturating_sub(cut));
        let sum = *blake3::hash(&file).as_bytes();
        file.extend_from_slice(&sum);
    } else {
        file.truncate(file.len().saturating_sub(cut));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("filters");
    std::fs::write(&path, &file).expect("it can be written");
    let index = Index::new(OPTIONS, SEED);
    let Ok(loaded) = index.load(&path) else { return };
    assert!(sealed || file == *SAVED, "damage was believed");
    index.finish_generation(loaded.up_to);
    index.add_old(&*CODES_AFTER);
    let is_known = |code| index.look_up(code, Timestamp::UNIX_EPOCH).seen != Seen::Never;
    assert!(CODES_AFTER.iter().all(is_known), "they were added a moment ago");
    index.save(&path).expect("it can be saved again");
}
