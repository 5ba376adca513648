//! A file of any content and of any kind that is imported ends, and every reject names a line.

use tracegate::cli::files::{
    GoLiveRow, OpeningStockRow, OwnSchemeRow, PastReturnRow, PastRow, Row, read_rows,
};
use tracegate::domain::drug::{Drug, NoCodeEntry};
use tracegate::domain::party::Institution;
use tracegate::domain::purchase::{PurchaseFeed, PurchaseRecord};

/// Each kind of file.
const KINDS: [fn(&[u8]); 10] = [
    both::<Institution>,
    both::<Drug>,
    both::<NoCodeEntry>,
    both::<OwnSchemeRow>,
    both::<PurchaseRecord>,
    both::<PurchaseFeed>,
    both::<PastRow>,
    both::<PastReturnRow>,
    both::<OpeningStockRow>,
    both::<GoLiveRow>,
];

/// Holds for any bytes: the first says what kind of file the others are.
pub fn check(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    KINDS[usize::from(*kind) % KINDS.len()](file);
}

/// Reads the bytes as a file, and as the rows of a file whose header is right.
fn both<T: Row>(data: &[u8]) {
    read_all::<T>(data);
    let header: Vec<&str> = T::REQUIRED.iter().chain(T::OPTIONAL).copied().collect();
    let whole = [header.join(",").as_bytes(), b"\n", data].concat();
    read_all::<T>(&whole);
}

fn read_all<T: Row>(data: &[u8]) {
    let Ok(rows) = read_rows::<T>(data) else { return };
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut count = 0;
    for row in rows {
        count += 1;
        assert!(count <= lines, "more rows than lines");
        if let Err(reject) = row {
            assert!((1..=lines).contains(&reject.line), "line {}", reject.line);
            assert!(!reject.reason.is_empty());
        }
    }
}
