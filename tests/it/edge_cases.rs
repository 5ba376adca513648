//! The edge cases about requests, loads, limits and outages, told at the engine over a real directory; and the
//! list of all edge cases. Those that are judgements of the domain alone stand in `src/domain/judge/tests`.

mod gateway;
mod loads;
mod outages;
mod requests;

use std::collections::BTreeSet;
use std::path::Path;

/// Cases are numbered from 1 to this.
const LAST_CASE: u32 = 47;

/// The maker's-error list and case keeping need rooms that this gateway does not have.
const NOT_HERE: [u32; 2] = [23, 24];

/// The numbers of the cases that a source file tells: `"case 8: …"` or `fn case_8_…`.
fn told_in(source: &str) -> BTreeSet<u32> {
    let number = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok()
    };
    ["\"case ", "fn case_"].iter().flat_map(|start| source.split(start).skip(1).filter_map(number)).collect()
}

fn told_under(dir: &Path) -> BTreeSet<u32> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .flat_map(|path| told_in(&std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_edge_case_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told: BTreeSet<u32> = ["src/domain/judge/tests", "tests/it/edge_cases", "tests/it/redis"]
        .iter()
        .flat_map(|dir| told_under(&root.join(dir)))
        .collect();
    let expected: BTreeSet<u32> = (1..=LAST_CASE).filter(|n| !NOT_HERE.contains(n)).collect();
    assert_eq!(told, expected);
}
