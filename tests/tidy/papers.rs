//! What the documents say must be there: files, reasons, settings. And nothing of the machine it was written on.

use super::source::{self, Source};
use super::{check, keeps};
use regex::Regex;
use std::collections::BTreeSet;

/// A path in backticks counts as one of ours where it begins with one of these.
const TOP: [&str; 12] = [
    "src",
    "tests",
    "docs",
    "policy",
    "config",
    "proto",
    "fuzz",
    "deploy",
    "load-tests",
    "data",
    "examples",
    "demo",
];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

fn is_document(path: &str) -> bool {
    matches!(path, "README.md" | "ARCHITECTURE.md" | "CONTRIBUTING.md" | "CHANGELOG.md")
        || (path.ends_with(".md")
            && ["docs/", "fuzz/", "load-tests/"].iter().any(|dir| path.starts_with(dir)))
}

/// Paths that a document names, each with the paths it may stand for.
fn named_paths(document: &Source) -> Vec<(usize, String, Vec<String>)> {
    let dir = document.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let beside = |path: &str| match (dir, path) {
        ("", path) => path.to_owned(),
        (dir, path) => resolved(&format!("{dir}/{path}")),
    };
    let mut found = Vec::new();
    for link in pattern(r"\]\(([^)#\s]+)[^)]*\)").captures_iter(&document.text) {
        let Some(target) = link.get(1).filter(|t| !t.as_str().contains("://")) else {
            continue;
        };
        found.push((target.start(), target.as_str().to_owned(), vec![beside(target.as_str())]));
    }
    for quoted in pattern(r"`([\w./*-]+)`").captures_iter(&document.text) {
        let Some(path) = quoted.get(1) else { continue };
        let text = path.as_str().trim_end_matches('/');
        let ours = text.split_once('/').is_some_and(|(top, _)| TOP.contains(&top));
        let at_root = !text.contains('/') && (text.ends_with(".md") || text == "Cargo.toml");
        if ours || at_root {
            found.push((path.start(), text.to_owned(), vec![text.to_owned(), beside(text)]));
        }
    }
    found
}

/// Takes `dir/..` out of a path.
fn resolved(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn documented_paths_exist(documents: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for document in documents {
        for (at, name, candidates) in named_paths(document) {
            // Of a pattern only the directory before it is looked for.
            let whole = |path: &String| match path.split_once('*') {
                Some((before, _)) => before.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned()),
                None => path.clone(),
            };
            if !candidates.iter().map(whole).any(|path| exists(&path)) {
                complaints.push(format!("{}: {name} does not exist", document.place(at)));
            }
        }
    }
    complaints
}

/// The names in one `named!` enum, in order.
fn declared(reasons: &str, name: &str) -> Vec<String> {
    let body = reasons.split_once(&format!("pub enum {name} {{")).map_or("", |(_, rest)| rest);
    let body = body.split_once('}').map_or(body, |(body, _)| body);
    pattern(r#"= "(\w+)","#).captures_iter(body).map(|c| c[1].to_owned()).collect()
}

/// The headings `### `NAME` …` below one `## ` heading, in order.
fn headings(document: &str, under: &str) -> Vec<String> {
    let section = document.split_once(&format!("\n## {under}\n")).map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    pattern(r"(?m)^### `(\w+)`").captures_iter(section).map(|c| c[1].to_owned()).collect()
}

fn documented_in_order(declared: &[String], headings: &[String]) -> Vec<String> {
    if declared == headings && !declared.is_empty() {
        return Vec::new();
    }
    let missing: Vec<_> = declared.iter().filter(|d| !headings.contains(d)).collect();
    let unknown: Vec<_> = headings.iter().filter(|h| !declared.contains(h)).collect();
    vec![format!(
        "docs/verdicts.md: missing {missing:?}, unknown {unknown:?}, or another order: {headings:?}"
    )]
}

/// Every setting has a comment right above it, or is explained in a document.
fn settings_are_explained(settings: &str, documents: &[Source]) -> Vec<String> {
    let (mut complaints, mut above) = (Vec::new(), "");
    for line in settings.lines() {
        let name = line.split_once(" = ").map_or("", |(name, _)| name);
        let is_setting = !name.is_empty() && !line.starts_with(['#', ' ']);
        let quoted = format!("`{name}`");
        if is_setting && !above.starts_with('#') && !documents.iter().any(|d| d.text.contains(&quoted)) {
            complaints.push(format!("config/default.toml: {name} has no comment and stands in no document"));
        }
        above = line;
    }
    complaints
}

/// Whoever wrote a file, where they did so is nobody's business.
fn no_path_of_a_machine(sources: &[Source]) -> Vec<String> {
    let places =
        [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
    let mut complaints = Vec::new();
    for source in sources {
        for place in places {
            for (at, _) in source.text.match_indices(place) {
                let before = source.text[..at].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}')) {
                    complaints.push(format!("{}: names {place}", source.place(at)));
                }
            }
        }
    }
    complaints
}

fn documents() -> Vec<Source> {
    let found: Vec<_> = source::everything().into_iter().filter(|s| is_document(&s.path)).collect();
    assert!(found.iter().any(|d| d.path == "docs/verdicts.md"), "the documents are found");
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(source::root().join(path)).expect("a file of the repository")
}

#[test]
fn every_path_in_a_document_exists() {
    keeps(&documented_paths_exist(&documents(), |path| source::root().join(path).exists()));
    let row = |text: &str, broken| {
        let complaints = documented_paths_exist(&[Source::new("docs/x.md", text)], |p| {
            ["src/lib.rs", "docs/y.md", "README.md", "docs"].contains(&p)
        });
        check(&complaints, broken, text);
    };
    row("see `src/lib.rs`, [y](y.md), [up](../README.md#top) and <https://a.b/c>", false);
    row("see `docs/*.md` and `log/` and `[grpc]`", false);
    row("see `src/bib.rs`", true);
    row("see [z](z.md)", true);
    row("see `NOWHERE.md`", true);
}

#[test]
fn every_reason_and_class_is_documented_in_order() {
    let (rust, document) = (read("src/domain/verdict/reason.rs"), read("docs/verdicts.md"));
    keeps(&documented_in_order(&declared(&rust, "Reason"), &headings(&document, "Reasons")));
    keeps(&documented_in_order(
        &declared(&rust, "DuplicateClass"),
        &headings(&document, "Classes of duplicates"),
    ));
    let rust = "pub enum Reason {\n A = \"A_A\",\n B = \"B_B\",\n}";
    let row = |text: &str, broken| {
        check(&documented_in_order(&declared(rust, "Reason"), &headings(text, "Reasons")), broken, text);
    };
    row("\n## Reasons\n### `A_A` 甲\n### `B_B` 乙\n## More\n### `C_C`\n", false);
    row("\n## Reasons\n### `B_B`\n### `A_A`\n", true);
    row("\n## Reasons\n### `A_A`\n", true);
    row("\n## Reasons\n### `A_A`\n### `B_B`\n### `C_C`\n", true);
}

#[test]
fn every_setting_is_explained() {
    keeps(&settings_are_explained(&read("config/default.toml"), &documents()));
    let documents = [Source::new("docs/x.md", "| `lines_max` | lines |")];
    let row = |text: &str, broken| check(&settings_are_explained(text, &documents), broken, text);
    row("[a]\n# How many.\nrows_max = 1\n\nlines_max = 2", false);
    row("# How many.\nrows_max = 1\nother_max = 2", true);
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    keeps(&no_path_of_a_machine(&source::everything()));
    let row = |text: &str, broken| check(&no_path_of_a_machine(&[Source::new("a.md", text)]), broken, text);
    row(concat!("see /ho", "me/somebody/x"), true);
    row(concat!("`/wo", "rk/x`"), true);
    row(concat!("https://a.b/ho", "me/x and src/wo", "rk/x"), false);
}

/// The crates that a manifest names, in whichever section.
fn named_crates(manifest: &str) -> BTreeSet<String> {
    let table: toml::Table = manifest.parse().expect("a manifest");
    let targets = table.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(_, target)| target.as_table());
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let of = |table: &toml::Table| -> Vec<String> {
        let sections = sections.iter().filter_map(|name| table.get(*name)?.as_table());
        sections.flat_map(|section| section.keys().cloned()).collect()
    };
    let all = of(&table).into_iter().chain(targets.flat_map(of));
    all.filter(|name| name != "tracegate").collect()
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let read = |path: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let page = read("docs/dependencies.md");
    let row = pattern(r"(?m)^\| ([a-z][\w-]*) \| \S");
    let told: Vec<String> = row.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    let told: Vec<String> = told.into_iter().filter(|name| name != "crate").collect();
    let named: BTreeSet<String> =
        ["Cargo.toml", "load-tests/Cargo.toml"].iter().flat_map(|path| named_crates(&read(path))).collect();
    assert_eq!(
        told.iter().cloned().collect::<BTreeSet<_>>(),
        named,
        "docs/dependencies.md and the manifests"
    );
    assert_eq!(told.len(), named.len(), "a crate stands there twice");
}
