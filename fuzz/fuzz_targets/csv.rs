//! A registry or purchase file of any content ends, and every reject names a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracegate::cli::files::{OwnSchemeRow, Row, read_rows};
use tracegate::domain::drug::{Drug, NoCodeEntry};
use tracegate::domain::party::Institution;
use tracegate::domain::purchase::{PurchaseFeed, PurchaseRecord};

fuzz_target!(|data: &[u8]| {
    both::<Institution>(data);
    both::<Drug>(data);
    both::<NoCodeEntry>(data);
    both::<OwnSchemeRow>(data);
    both::<PurchaseRecord>(data);
    both::<PurchaseFeed>(data);
});

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
