//! Tests that cannot fail, waits without a signal, and work that was left for later.

use super::scan;
use super::source::{self, Source};
use super::{check, keeps};
use regex::Regex;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// Asserts that hold whatever the program does.
fn asserts_can_fail(sources: &[Source]) -> Vec<String> {
    let call = pattern(r"\bassert(_eq)?!\(");
    let mut complaints = Vec::new();
    for source in sources {
        for found in call.captures_iter(&source.code) {
            let Some(whole) = found.get(0) else { continue };
            let end = scan::closing(&source.code, whole.end() - 1) - 1;
            let args: Vec<String> = scan::parts(&source.code, whole.end(), end)
                .into_iter()
                .map(|(from, to)| source.text[from..to].split_whitespace().collect())
                .collect();
            let idle = match (found.get(1), args.as_slice()) {
                (Some(_), [one, other, ..]) => is_same_value(one, other),
                (None, [condition, ..]) => is_always_true(condition),
                _ => false,
            };
            if idle {
                complaints.push(format!("{}: this assert cannot fail", source.place(whole.start())));
            }
        }
    }
    complaints
}

/// Two calls may differ, two names of one value may not.
fn is_same_value(one: &str, other: &str) -> bool {
    one == other && !one.contains('(')
}

fn is_always_true(condition: &str) -> bool {
    let sides: Vec<&str> = condition.split("||").collect();
    let is_true = |side: &&str| *side == "true" || side.ends_with(".len()>=0");
    let both_ways = |a: &str| {
        a.strip_suffix(".is_ok()").is_some_and(|x| sides.contains(&format!("{x}.is_err()").as_str()))
            || a.strip_suffix(".is_some()")
                .is_some_and(|x| sides.contains(&format!("{x}.is_none()").as_str()))
    };
    let equals_itself = matches!(condition.split_once("=="), Some((a, b)) if is_same_value(a, b));
    sides.iter().any(is_true) || sides.iter().any(|side| both_ways(side)) || equals_itself
}

/// Calls of functions that check something: in the file itself, and in test files beside or above it.
fn helpers_of(source: &Source, sources: &[Source], checks: &Regex) -> Vec<String> {
    let dir = |s: &Source| s.path.rsplit_once('/').map_or(String::new(), |(dir, _)| format!("{dir}/"));
    let near = |s: &&Source| s.path == source.path || (s.is_test() && source.path.starts_with(&dir(s)));
    let checking = |s: &Source| {
        scan::functions(&s.code)
            .into_iter()
            .filter(|f| checks.is_match(&s.code[f.body.clone()]))
            .map(|f| format!("{}(", f.name))
            .collect::<Vec<_>>()
    };
    sources.iter().filter(near).flat_map(checking).collect()
}

/// Test functions in which nothing can fail. A test may leave the checking to a helper, and a property may be
/// that nothing panics.
fn tests_check_something(sources: &[Source]) -> Vec<String> {
    let attribute = pattern(r"#\[(tokio::)?test(\([^\]]*\))?\]");
    let checks = pattern(r"assert|\bexpect|unwrap|panic!|\?[;.,)\s]|\b(check|keeps|eventually)\w*\(");
    let mut complaints = Vec::new();
    for source in sources {
        let functions = scan::functions(&source.code);
        let body = |f: &scan::Function| &source.code[f.body.clone()];
        let helpers = helpers_of(source, sources, &checks);
        let can_fail = |f: &scan::Function| {
            f.name.contains("never_panic")
                || checks.is_match(body(f))
                || helpers.iter().any(|helper| body(f).contains(helper))
        };
        for found in attribute.find_iter(&source.code) {
            let tested = functions.iter().find(|f| f.start > found.start());
            if let Some(f) = tested.filter(|f| !can_fail(f)) {
                let place = source.place(f.start);
                complaints.push(format!("{place}: test {} checks nothing", f.name));
            }
        }
    }
    complaints
}

fn forbidden(sources: &[Source], wrong: &Regex, what: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for found in wrong.find_iter(&source.code) {
            complaints.push(format!("{}: {} {what}", source.place(found.start()), found.as_str()));
        }
    }
    complaints
}

fn ignored_tests_say_why(sources: &[Source]) -> Vec<String> {
    forbidden(sources, &pattern(r"#\[ignore\]"), "without a reason")
}

fn nothing_is_left_for_later(sources: &[Source]) -> Vec<String> {
    forbidden(sources, &pattern(r"\b(todo|unimplemented|dbg)!"), "has no place here")
}

/// Waiting is for a signal. Where there is none, the line before says why: `// signal: …`.
fn nobody_sleeps(sources: &[Source]) -> Vec<String> {
    let sleep = pattern(r"\bsleep(_until)?\(");
    let mut complaints = Vec::new();
    for source in sources {
        for found in sleep.find_iter(&source.code) {
            if !source.line_before(found.start()).trim().starts_with("// signal:") {
                complaints.push(format!("{}: sleeps without `// signal: …`", source.place(found.start())));
            }
        }
    }
    complaints
}

#[test]
fn every_assert_can_fail() {
    keeps(&asserts_can_fail(&source::rust()));
    let row = |text: &str, broken| check(&asserts_can_fail(&[Source::new("tests/x.rs", text)]), broken, text);
    row("assert!(true);", true);
    row("assert!(a == b || true, \"x\");", true);
    row("assert!(list.len() >= 0);", true);
    row("assert!(r.is_ok() || r.is_err());", true);
    row("assert!(a == a);", true);
    row("assert_eq!(a, a);", true);
    row("assert_eq!(\"a\", \"b\");", false);
    row("assert_eq!(fold(&a), fold(&a), \"twice the same\");", false);
    row("assert!(a.is_ok() || b.is_err());", false);
    row("// assert!(true)\nassert!(a == b);", false);
}

#[test]
fn every_test_checks_something() {
    keeps(&tests_check_something(&source::rust()));
    let row =
        |text: &str, broken| check(&tests_check_something(&[Source::new("tests/x.rs", text)]), broken, text);
    row("#[test]\nfn a() { let x = 1; }", true);
    row("#[tokio::test(flavor = \"current_thread\")]\nasync fn a() { call().await; }", true);
    row("#[test]\nfn a() -> Result<(), E> { read()?; Ok(()) }", false);
    row("#[test]\nfn a() { check(1, 2); }", false);
    row("fn row() { assert!(x); }\n#[test]\nfn a() { row(); }", false);
    row("fn row() { x(); }\n#[test]\nfn a() { row(); }", true);
    row("#[test]\nfn a() { let x = read().unwrap(); }", false);
    row("#[test]\nfn a() { // assert!(x)\n }", true);
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    keeps(&ignored_tests_say_why(&source::rust()));
    let row =
        |text: &str, broken| check(&ignored_tests_say_why(&[Source::new("tests/x.rs", text)]), broken, text);
    row("#[ignore]\nfn a() {}", true);
    row("#[ignore = \"needs a terabyte\"]\nfn a() {}", false);
}

#[test]
fn no_work_is_left_for_later() {
    keeps(&nothing_is_left_for_later(&source::rust()));
    let row = |text: &str, broken| {
        check(&nothing_is_left_for_later(&[Source::new("src/x.rs", text)]), broken, text)
    };
    row("fn a() { todo!() }", true);
    row("dbg!(x);", true);
    row("let text = \"todo!\"; // unimplemented!", false);
}

#[test]
fn nobody_sleeps_instead_of_a_signal() {
    keeps(&nobody_sleeps(&source::rust()));
    let row = |text: &str, broken| check(&nobody_sleeps(&[Source::new("tests/x.rs", text)]), broken, text);
    row("tokio::time::sleep(d).await;", true);
    row("// signal: none comes, the other process cannot tell\nstd::thread::sleep(d);", false);
    row("// a moment\nstd::thread::sleep(d);", true);
    row("let asleep = nap(1);", false);
}
