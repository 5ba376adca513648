//! How large files and functions may be, and how a file begins.

use super::scan;
use super::source::{self, Source};
use super::{check, keeps};

const FILE_LINES_MAX: usize = 400;
const MAIN_LINES_MAX: usize = 60;
const FUNCTION_LINES_MAX: usize = 60;
/// A test may be one long table of rows.
const TEST_LINES_MAX: usize = 120;
/// On the line before a function that is longer: why it is not cut in two.
const LONG: &str = "// long:";
/// Nine in ten functions have at most this many lines.
const FUNCTION_LINES_MOST: usize = 45;

fn files_are_short(sources: &[Source]) -> Vec<String> {
    let too_long = |s: &Source| {
        let (lines, most) = (s.text.lines().count(), lines_max(s));
        (lines > most).then(|| format!("{}: {lines} lines, at most {most}; split it", s.path))
    };
    sources.iter().filter_map(too_long).collect()
}

fn lines_max(source: &Source) -> usize {
    if source.path.ends_with("src/main.rs") { MAIN_LINES_MAX } else { FILE_LINES_MAX }
}

/// Place, name and lines of every function that does not say why it is long.
fn functions(sources: &[Source]) -> Vec<(String, usize)> {
    let of = |s: &Source| {
        let says_why = |f: &&scan::Function| s.line_before(f.start).trim().starts_with(LONG);
        let spare = if s.is_test() { TEST_LINES_MAX - FUNCTION_LINES_MAX } else { 0 };
        let lines =
            |f: &scan::Function| (1 + s.line_at(f.body.end) - s.line_at(f.start)).saturating_sub(spare);
        let found = scan::functions(&s.code);
        found
            .iter()
            .filter(|f| !says_why(f))
            .map(|f| (format!("{} fn {}", s.place(f.start), f.name), lines(f)))
            .collect::<Vec<_>>()
    };
    sources.iter().flat_map(of).collect()
}

fn functions_are_short(sources: &[Source]) -> Vec<String> {
    let functions = functions(sources);
    let over = |most: usize| functions.iter().filter(move |(_, lines)| *lines > most);
    let mut complaints: Vec<_> = over(FUNCTION_LINES_MAX)
        .map(|(place, lines)| format!("{place}: {lines} lines, at most {FUNCTION_LINES_MAX}"))
        .collect();
    if over(FUNCTION_LINES_MOST).count() * 10 > functions.len() {
        complaints.push(format!(
            "more than one function in ten has over {FUNCTION_LINES_MOST} lines: {:#?}",
            over(FUNCTION_LINES_MOST).collect::<Vec<_>>()
        ));
    }
    complaints
}

fn files_say_what_they_are(sources: &[Source]) -> Vec<String> {
    let silent = |s: &&Source| !s.text.starts_with("//! ");
    sources
        .iter()
        .filter(silent)
        .map(|s| format!("{}: does not begin with //! and what room it is", s.path))
        .collect()
}

#[test]
fn no_file_is_too_long() {
    keeps(&files_are_short(&source::rust()));
    let row = |path: &str, lines: usize, broken| {
        check(&files_are_short(&[Source::new(path, &"x\n".repeat(lines))]), broken, path);
    };
    row("src/app.rs", FILE_LINES_MAX, false);
    row("src/app.rs", FILE_LINES_MAX + 1, true);
    row("src/main.rs", MAIN_LINES_MAX + 1, true);
}

#[test]
fn no_function_is_too_long() {
    keeps(&functions_are_short(&source::rust()));
    let row = |sizes: &[usize], broken| {
        let text: String =
            sizes.iter().map(|lines| format!("fn f() {{\n{}}}\n", "x();\n".repeat(lines - 2))).collect();
        check(&functions_are_short(&[Source::new("src/x.rs", &text)]), broken, &format!("{sizes:?}"));
    };
    row(&[FUNCTION_LINES_MOST], false);
    row(&[FUNCTION_LINES_MAX + 1], true);
    row(&[2, 2, 2, 2, 2, 2, 2, 2, 2, FUNCTION_LINES_MAX], false);
    row(&[2, 2, 2, 2, 2, 2, 2, 2, FUNCTION_LINES_MAX], true);
}

#[test]
fn every_file_begins_with_its_room() {
    keeps(&files_say_what_they_are(&source::rust()));
    let row =
        |text: &str, broken| check(&files_say_what_they_are(&[Source::new("src/x.rs", text)]), broken, text);
    row("//! A room.\n", false);
    row("// A room.\n", true);
    row("use std::fs;\n", true);
}
