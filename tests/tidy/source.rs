//! The files of the repository as the rules see them. Must not know any rule.

use super::scan;
use std::fs;
use std::path::{Path, PathBuf};

/// Built, fetched or local and never part of the repository; or no text (the corpus).
const SKIPPED: [&str; 6] = ["target", "corpus", "artifacts", "coverage", "tracegate-data", "node_modules"];

/// One text file.
pub struct Source {
    /// Relative to the root, with slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and the contents of strings blanked; offsets are the same.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { scan::blanked(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// The first directory or file under src/; empty elsewhere.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        let first = inside.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }

    /// The code that ships: nothing for a test file, and without its inline test modules.
    pub fn shipped(&self) -> String {
        if self.is_test() { String::new() } else { scan::without_test_modules(&self.code) }
    }

    /// The line number of an offset, from 1.
    pub fn line_at(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count()
    }

    /// `path:line`.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path, self.line_at(offset))
    }

    /// The line before the one that holds an offset.
    pub fn line_before(&self, offset: usize) -> &str {
        match self.line_at(offset) {
            1 => "",
            line => self.text.lines().nth(line - 2).unwrap_or_default(),
        }
    }
}

/// Where the repository is.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the repository.
pub fn everything() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the repository has files");
    found
}

/// Every Rust file under src, tests, fuzz and load-tests.
pub fn rust() -> Vec<Source> {
    let dirs = ["src/", "tests/", "fuzz/", "load-tests/"];
    let ours = |s: &Source| dirs.iter().any(|dir| s.path.starts_with(dir));
    everything().into_iter().filter(|s| s.path.ends_with(".rs") && ours(s)).collect()
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("a directory of the repository can be read") {
        let path = entry.expect("a directory entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".github";
            if !hidden && !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("it lies under the root");
            found.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
}
