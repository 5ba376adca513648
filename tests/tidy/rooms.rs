//! Who may know whom, and what the domain must not know.

use super::scan;
use super::source::{self, Source};
use super::{check, keeps};
use regex::Regex;

/// Every room under src/ with the rooms it may name. A new room gets its place here first.
const ROOMS: [(&str, &[&str]); 17] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "grpc",
            "engine",
            "store",
            "domain",
            "policy_files",
            "config",
            "sheets",
            "telemetry",
            "trail",
            "clock",
        ],
    ),
    (
        "app",
        &[
            "grpc",
            "http",
            "engine",
            "store",
            "domain",
            "policy_files",
            "config",
            "telemetry",
            "trail",
            "clock",
        ],
    ),
    // Calls and streams live in the door: the door alone can count them.
    ("grpc", &["engine", "store", "domain", "clock", "sheets", "telemetry"]),
    ("http", &["engine", "store", "domain", "clock", "telemetry"]),
    ("engine", &["index", "store", "domain", "clock", "telemetry", "trail"]),
    ("index", &["domain", "sync"]),
    ("store", &["domain", "clock", "telemetry", "sync"]),
    // Of the store only the seam to the disk: entries are told it, it knows nothing of the trade.
    ("trail", &["store"]),
    ("domain", &[]),
    ("policy_files", &["domain"]),
    ("sheets", &[]),
    // Settings have the types of the rooms they are for.
    ("config", &["grpc", "engine", "index", "store", "telemetry"]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("sync", &[]),
    ("lib", &[]),
];

/// The rooms that a file names: `crate::room`, `crate::{room, …}`, and `tracegate::room` in main.
fn named_rooms(source: &Source) -> Vec<(usize, String)> {
    let code = source.shipped();
    let paths = Regex::new(r"\b(crate|tracegate)::(\w+|\{)").expect("a valid pattern");
    let mut found = Vec::new();
    for path in paths.captures_iter(&code) {
        let Some(first) = path.get(2) else { continue };
        if first.as_str() == "{" {
            let end = scan::closing(&code, first.start()) - 1;
            for (from, to) in scan::parts(&code, first.end(), end) {
                let piece = code[from..to].trim();
                let name = piece.split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
                found.push((from, name.unwrap_or_default().to_owned()));
            }
        } else {
            found.push((first.start(), first.as_str().to_owned()));
        }
    }
    found
}

/// main → cli → app → grpc → engine → store → domain; the others as the table says. Test code is free.
fn import_direction(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("src/")) {
        let room = source.room();
        let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!("{}: room {room} has no place in the table of rooms", source.path));
            continue;
        };
        for (at, name) in named_rooms(source) {
            let is_room = ROOMS.iter().any(|(known, _)| *known == name);
            if is_room && name != room && !below.contains(&name.as_str()) {
                complaints.push(format!("{}: {room} must not know {name}", source.place(at)));
            }
        }
    }
    complaints
}

/// The log stores opaque payloads: within the store it stands alone.
fn log_stands_alone(sources: &[Source]) -> Vec<String> {
    let outside = Regex::new(r"\bcrate::(domain|store::(embedded|event|[A-Z]))").expect("a valid pattern");
    each(sources, |s| s.path.starts_with("src/store/log/"), &outside, "the log must not know")
}

/// No async, no IO, no clock, no wire.
fn domain_is_pure(sources: &[Source]) -> Vec<String> {
    let forbidden = Regex::new(
        r"\b(tokio|tonic|prost|fjall)::|\bstd::(time|fs|net|env|thread)\b|\b(Timestamp|Zoned)::now\b|\basync\b|\.await\b",
    )
    .expect("a valid pattern");
    each(sources, |s| s.path.starts_with("src/domain/"), &forbidden, "the domain must not use")
}

/// The time is asked for in one file; whoever asks elsewhere says why on the line before: `// clock: …`.
fn one_clock(sources: &[Source]) -> Vec<String> {
    let asks = Regex::new(r"\b(SystemTime|Instant|Timestamp|Zoned)::now\b").expect("a valid pattern");
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.path != "src/clock.rs") {
        for found in asks.find_iter(&source.code) {
            if !source.line_before(found.start()).trim().starts_with("// clock:") {
                let place = source.place(found.start());
                complaints.push(format!(
                    "{place}: {} outside of src/clock.rs, without `// clock: …`",
                    found.as_str()
                ));
            }
        }
    }
    complaints
}

/// Wire types stay at the doors. The composition root may name services and descriptors, no message.
fn wire_types_stay_at_the_doors(sources: &[Source]) -> Vec<String> {
    let wire = Regex::new(r"(?:tonic_health::)?\bpb::(\w+)").expect("a valid pattern");
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("src/")) {
        if matches!(source.room(), "grpc" | "cli") {
            continue;
        }
        for found in wire.captures_iter(&source.shipped()) {
            let Some(whole) = found.get(0) else { continue };
            let mounts = found[1].ends_with("_server") || &found[1] == "DESCRIPTORS";
            let another_crates = whole.as_str().starts_with("tonic_health");
            let lawful = another_crates || (source.room() == "app" && mounts);
            if !lawful {
                complaints.push(format!(
                    "{}: {} outside of the doors",
                    source.place(whole.start()),
                    whole.as_str()
                ));
            }
        }
    }
    complaints
}

fn each(sources: &[Source], of: impl Fn(&Source) -> bool, wrong: &Regex, what: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| of(s)) {
        for found in wrong.find_iter(&source.shipped()) {
            complaints.push(format!("{}: {what} {}", source.place(found.start()), found.as_str()));
        }
    }
    complaints
}

#[test]
fn rooms_are_entered_from_above_only() {
    keeps(&import_direction(&source::rust()));
    let row =
        |path: &str, text: &str, broken| check(&import_direction(&[Source::new(path, text)]), broken, text);
    row("src/engine/mod.rs", "use crate::store::Store;", false);
    row("src/engine/mod.rs", "use crate::grpc::pb;", true);
    row("src/domain/claim/mod.rs", "use crate::{domain::code, store::log};", true);
    row("src/policy_files/mod.rs", "use crate::engine::Engine;", true);
    row("src/store/mod.rs", "// see crate::engine\nuse crate::domain::code::CodeKey;", false);
    row("src/store/tests.rs", "use crate::engine::Engine;", false);
    row("src/store/mod.rs", "#[cfg(test)]\nmod tests { use crate::engine::Engine; }", false);
    row("src/main.rs", "use tracegate::engine::Engine;", true);
    row("src/cellar/mod.rs", "", true);
}

#[test]
fn the_log_knows_no_trade() {
    keeps(&log_stands_alone(&source::rust()));
    let row = |text: &str, broken| {
        check(&log_stands_alone(&[Source::new("src/store/log/mod.rs", text)]), broken, text)
    };
    row("use crate::store::log::frame;", false);
    row("use crate::domain::code::CodeKey;", true);
    row("use crate::store::LogEvent;", true);
}

#[test]
fn the_domain_has_no_io_and_no_clock() {
    keeps(&domain_is_pure(&source::rust()));
    let row =
        |text: &str, broken| check(&domain_is_pure(&[Source::new("src/domain/x.rs", text)]), broken, text);
    row("use std::collections::HashMap; // std::fs", false);
    row("use std::time::Duration;", true);
    row("let now = Timestamp::now();", true);
    row("async fn read() {}", true);
    row("use tokio::sync::mpsc;", true);
}

#[test]
fn one_file_asks_the_time() {
    keeps(&one_clock(&source::rust()));
    let row = |path: &str, text: &str, broken| check(&one_clock(&[Source::new(path, text)]), broken, text);
    row("src/clock.rs", "Timestamp::now()", false);
    row("src/cli/x.rs", "let a = std::time::Instant::now();", true);
    row("tests/it/x.rs", "// clock: a deadline for the wait\nInstant::now()", false);
    row("tests/it/x.rs", "// because\nInstant::now()", true);
}

#[test]
fn wire_types_stay_in_the_doors() {
    keeps(&wire_types_stay_at_the_doors(&source::rust()));
    let row = |path: &str, text: &str, broken| {
        check(&wire_types_stay_at_the_doors(&[Source::new(path, text)]), broken, text)
    };
    row("src/grpc/dispensing.rs", "pb::Decision", false);
    row("src/engine/mod.rs", "pb::Decision", true);
    row("src/app.rs", "pb::purchase_service_server::PurchaseServiceServer", false);
    row("src/app.rs", "pb::Decision", true);
}
