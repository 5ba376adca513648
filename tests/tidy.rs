//! House rules that a program can check, over the text of the repository. Needs nothing of the library.
//!
//! Each rule is a function from sources to complaints. Beside each stands a test that it keeps the repository
//! clean, and one that it does catch a violation.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "all of it is test code, helpers too; a wrong index fails the test"
)]

#[path = "tidy/honesty.rs"]
mod honesty;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

/// Fails with every complaint of a rule.
#[track_caller]
fn keeps(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Fails where a rule has nothing to say about a text that breaks it, or complains about one that does not.
#[track_caller]
fn check(complaints: &[String], broken: bool, about: &str) {
    assert_eq!(!complaints.is_empty(), broken, "{about}\ncomplaints: {complaints:#?}");
}
