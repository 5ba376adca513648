//! Bad files: every kind of mistake with file, line and reason; layers; limits.

use super::{BUILT_IN, FILE_BYTES_MAX, LoadError, RULES_MAX, built_in, load, load_with_built_in};
use crate::domain::policy::Settings;
use jiff::civil::date;
use std::fs;

/// Loads one text and compares `line: reason` with the expected lines and parts of reasons.
fn check(name: &str, text: &str, expected: &[(usize, &str)]) {
    let errors = load(&[("own.toml", text)]).map_or_else(|errors| errors, |_| vec![]);
    let found: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), expected.len(), "{name}: {found:#?}");
    for (error, (line, part)) in errors.iter().zip(expected) {
        assert_eq!((error.file.as_str(), error.line), ("own.toml", *line), "{name}: {error}");
        assert!(error.reason.contains(part), "{name}: {error} does not say {part:?}");
    }
}

/// A rule with line 1 `[[rule]]`, 2 reason, 3 enforcement, and the given lines from 4 on.
fn rule(lines: &str) -> String {
    format!("[[rule]]\nreason = \"DUPLICATE\"\nenforcement = \"block\"\n{lines}\n")
}

fn settings(lines: &str) -> String {
    format!("[settings]\n{lines}\n")
}

#[test]
fn edge_case_40_bad_rules() {
    #[rustfmt::skip]
    let rows = [
        ("unknown key", rule("colour = 1"), 4, "unknown key \"colour\" in [[rule]]; known are: reason, "),
        ("class", rule("class = \"TWICE\""), 4, "unknown class \"TWICE\"; write one of: SAME_INSTITUTION, "),
        ("kind", rule("kind = \"clinic\""), 4, "unknown kind \"clinic\"; write one of: hospital, pharmacy"),
        ("ownership", rule("ownership = \"\""), 4, "unknown ownership"),
        ("agreement", rule("agreement = \"old\""), 4, "write one of: new, existing"),
        ("transition", rule("transition = \"over\""), 4, "write one of: running, ended"),
        ("coaching", rule("coaching = true"), 4, "coaching must be a text in quotes, not boolean"),
        ("scene", rule("scene = \"home\""), 4, "write one of: outpatient, inpatient, pharmacy"),
        ("payment", rule("payment = \"Insured\""), 4, "write one of: insured, self_paid"),
        ("drug class", rule("drug_class = \"herbal\""), 4, "unknown drug_class"),
        ("form", rule("dosage_form = \" \""), 4, "dosage_form is empty"),
        ("must_split", rule("must_split = \"yes\""), 4, "must_split must be true or false, not string"),
        ("split", rule("split = 1"), 4, "split must be true or false, not integer"),
        ("long prefix", rule("division_prefix = \"1301021\""), 4, "not a division prefix (0 to 6 digits"),
        ("prefix of letters", rule("division_prefix = \"13x\""), 4, "not a division prefix"),
        ("prefix as a number", rule("division_prefix = 13"), 4, "division_prefix must be a text in quotes"),
        ("quoted date", rule("valid_from = \"2025-07-01\""), 4, "valid_from must be a date without time"),
        ("time", rule("valid_to = 2025-07-01T00:00:00"), 4, "valid_to must be a date without time"),
        ("no such day", rule("valid_from = 2025-02-30"), 4, ""),
        ("order", rule("valid_to = 2025-06-30\nvalid_from = 2025-07-01"), 4, "lies before valid_from 2025-07"),
        ("note", rule("note = 7"), 4, "note must be a text"),
        ("twice", rule("split = true\nsplit = true"), 5, "not valid TOML: duplicate key"),
        ("unquoted", rule("kind = hospital"), 4, "not valid TOML"),
    ];
    for (name, text, line, part) in rows {
        check(name, &text, &[(line, part)]);
    }
}

#[test]
fn edge_case_40_bad_tables() {
    let exemption = "[[exemption]]\nname = \"x\"\nsentence_zh = \"免\"\n";
    let named = format!("{exemption}sentence_en = \"x\"\nreason = \"NO_CODE\"");
    let class = "reason = 'NO_CODE'\nclass = 'PACK_OVERLAP'\nenforcement = 'off'";
    #[rustfmt::skip]
    let rows = [
        ("[[rule]]\nenforcement = 'off'", 1, "[[rule]] has no reason; add reason = "),
        ("\n[[rule]]\nreason = 'NO_CODE'", 2, "[[rule]] has no enforcement; add enforcement = "),
        ("[[rule]]\nreason = 'NO_COD'\nenforcement = 'off'", 2, "unknown reason \"NO_COD\"; write one of"),
        ("[[rule]]\nreason = ''\nenforcement = 'off'", 2, "reason is empty"),
        ("[[rule]]\nreason = 'NO_CODE'\nenforcement = 'deny'", 3, "write one of: off, observe, remind, block"),
        ("[[rule]]\nreason = 'IN_DOUBT'\nenforcement = 'off'", 2, "IN_DOUBT is not a rule"),
        (&format!("[[rule]]\n{class}"), 3, "NO_CODE has no classes, only DUPLICATE has"),
        ("\n[[rules]]\nreason = 'NO_CODE'", 2, "unknown key \"rules\" in the file; known are: settings, rule"),
        ("[rule]\nreason = 'NO_CODE'", 1, "rule must be a list, not table"),
        ("rule = [\n  1,\n]", 2, "rule must be a table; write it as [[rule]]"),
        ("[[settings]]", 1, "settings must be a table, not array"),
        (exemption, 1, "[[exemption]] has no sentence_en"),
        (&format!("{exemption}sentence_en = ' '"), 4, "sentence_en is empty"),
        (&named, 5, "unknown key \"reason\" in [[exemption]]; known are: name, sentence_zh"),
    ];
    for (text, line, part) in rows {
        check(text, text, &[(line, part)]);
    }
}

#[test]
fn edge_case_40_bad_settings() {
    #[rustfmt::skip]
    let rows = [
        ("unknown", settings("hold_seconds = 3"), 2, "unknown key \"hold_seconds\" in [settings]"),
        ("too small", settings("lateness_minutes = 0"), 2, "lateness_minutes must be from 1 to 1440, not 0"),
        ("too large", settings("proposal_days = 366"), 2, "proposal_days must be from 1 to 365, not 366"),
        ("negative", settings("hold_minutes = -1"), 2, "hold_minutes must be from 1 to 1440, not -1"),
        ("huge", settings("coaching_months = 9223372036854775807"), 2, "coaching_months must be from 0 to 60"),
        ("fraction", settings("close_window_days = 7.5"), 2, "must be a whole number, not float"),
        ("date", settings("\nnew_agreement_from = 2025"), 3, "new_agreement_from must be a date"),
        ("hosts", settings("url_hosts = \"a.cn\""), 2, "url_hosts must be a list, not string"),
        ("host", settings("url_hosts = [\n\"a.cn\",\n\"https://b.cn/x\",\n]"), 4, "is not a host name"),
        ("empty host", settings("url_hosts = [\"\"]"), 2, "is not a host name"),
        ("host of a number", settings("url_hosts = [1]"), 2, "url_hosts must hold texts in quotes only"),
        ("regex", settings("placeholder_patterns = ['^0+$',\n'(']"), 3, "is not a regular expression: "),
        ("huge regex", settings(r"placeholder_patterns = ['\d{1000000}']"), 2, "is not a regular expression: "),
        ("matches all", settings("placeholder_patterns = ['.*']"), 2, "matches the empty text"),
    ];
    for (name, text, line, part) in rows {
        check(name, &text, &[(line, part)]);
    }
    let many = settings(&format!("placeholder_patterns = [{}]", "'^1$',".repeat(201)));
    check("too many", &many, &[(2, "placeholder_patterns has more than 200 entries")]);
}

#[test]
fn all_mistakes_of_all_files_at_once() {
    let first = "[settings]\nhold_minutes = 0\n\n[[rule]]\nreason = \"X\"\nenforcement = \"y\"\nz = 1\n";
    let second = "[[rule]]\nreason = [\nkind = \"x\"\n";
    let third = "\u{feff}[[exemption]]\r\nname = \"x\"\r\n";
    let errors = load(&[("a", first), ("b", second), ("c", third)]).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| (error.file.as_str(), error.line)).collect();
    let (expected_a, rest) = places.split_at(4);
    assert_eq!(expected_a, [("a", 2), ("a", 5), ("a", 6), ("a", 7)]);
    assert!(rest.iter().any(|(file, _)| *file == "b"), "{errors:#?}");
    assert!(!errors.iter().any(|error| error.file == "b" && error.reason.contains("has no")), "{errors:#?}");
    assert_eq!(rest.iter().filter(|place| **place == ("c", 1)).count(), 2, "both sentences missing");
}

#[test]
fn contradictions_name_both_places() {
    let text =
        |enforcement: &str| format!("[[rule]]\nreason = \"NO_CODE\"\nenforcement = \"{enforcement}\"\n");
    let (block, off) = (text("block"), format!("\n{}", text("off")));
    let errors = load(&[("a.toml", &block), ("b.toml", &off)]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].file.as_str(), errors[0].line), ("b.toml", 2));
    assert!(errors[0].reason.starts_with("contradicts a.toml:1: both decide NO_CODE, "), "{}", errors[0]);
    assert!(load(&[("a.toml", &block), ("b.toml", &block)]).is_ok(), "two rules that agree");
    let later = format!("{off}valid_from = 2025-07-01\n");
    assert!(load(&[("a.toml", &block), ("b.toml", &later)]).is_ok(), "a later start");
}

#[test]
fn a_broken_file_raises_no_contradictions() {
    let good = "[[rule]]\nreason = \"NO_CODE\"\nenforcement = \"off\"\n";
    let broken = "[[rule]]\nreason = \"NO_CODE\"\nkind = hospital\nenforcement = \"block\"\n";
    let errors = load(&[("good", good), ("broken", broken)]).unwrap_err();
    assert!(errors.iter().all(|error| error.reason.starts_with("not valid TOML")), "{errors:#?}");
}

#[test]
fn a_later_layer_replaces_settings_one_by_one() {
    let first = settings("hold_minutes = 10\nclose_window_days = 9");
    let second =
        settings("hold_minutes = 20\nurl_hosts = [\"WWW.Example.CN\"]\nno_code_list_until = 2026-06-30");
    let policy = load(&[("first", &first), ("second", &second)]).unwrap();
    let expected = Settings {
        hold_minutes: 20,
        close_window_days: 9,
        url_hosts: vec!["www.example.cn".into()],
        no_code_list_until: date(2026, 6, 30),
        ..Settings::default()
    };
    assert_eq!(policy.settings(), &expected);
}

#[test]
fn layout_comments_and_paths_do_not_change_the_version() {
    let spaced =
        "# why\n[settings]\nhold_minutes=20 # less\n\n[[rule]]\n enforcement='off'\nreason = 'NO_CODE'";
    let inline =
        "rule = [{ reason = \"NO_CODE\", enforcement = \"off\" }]\n[settings]\nhold_minutes = 0x14\n";
    let other = "rule = [{ reason = \"NO_CODE\", enforcement = \"block\" }]\n[settings]\nhold_minutes = 20\n";
    let version = |name: &str, text: &str| load(&[(name, text)]).unwrap().version();
    assert_eq!(version("a", spaced), version("/b/c", inline));
    assert_ne!(version("a", spaced), version("a", other));
    let backwards: Vec<_> = BUILT_IN.into_iter().rev().collect();
    assert_eq!(load(&backwards).unwrap().version(), built_in().version(), "order of layers that agree");
}

#[test]
fn sources_are_the_lines_of_the_entries() {
    let entry = |reason: &str| format!("\n[[rule]]\nreason = \"{reason}\"\nenforcement = \"off\"\n");
    let text = entry("NO_CODE") + &entry("OVERSOLD");
    let inline = "rule = [\n  { reason = \"DUPLICATE\", enforcement = \"off\" },\n]\n";
    let policy = load(&[("a", &text), ("b", inline)]).unwrap();
    let sources: Vec<_> = policy.rules().iter().map(|rule| rule.source.to_string()).collect();
    assert_eq!(sources, ["a:2", "b:2", "a:6"]);
}

#[test]
fn limits_on_bytes_and_rules() {
    let long = "#".repeat(FILE_BYTES_MAX + 1);
    check("bytes", &long, &[(1, "longer than 1048576 bytes")]);
    check("just short enough", &long[1..], &[]);
    let rows = |count: usize| "\n{reason='NO_CODE',enforcement='off'},".repeat(count);
    let half = format!("rule = [{}]", rows(RULES_MAX / 2));
    let more = format!("rule = [{}]", rows(RULES_MAX / 2 + 1));
    assert_eq!(load(&[("a", &half), ("b", &half)]).unwrap().rules().len(), RULES_MAX);
    let errors = load(&[("a", &half), ("b", &more)]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].file.as_str(), errors[0].line), ("b", RULES_MAX / 2 + 2));
    assert!(errors[0].reason.contains("more than 10000 entries [[rule]]"), "{}", errors[0]);
}

#[test]
fn files_over_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = write("good.toml", b"[settings]\nhold_minutes = 45\n");
    let policy = load_with_built_in(std::slice::from_ref(&good)).unwrap();
    assert_eq!(policy.settings().hold_minutes, 45);
    assert_eq!(policy.rules().len(), built_in().rules().len());

    let bad = write("bad.toml", b"[settings]\nhold_minutes = 0\n");
    let binary = write("binary.toml", b"# text\n\xff\xfe");
    let long = write("long.toml", &vec![b'\n'; FILE_BYTES_MAX + 1]);
    let missing = folder.path().join("missing.toml");
    let errors = load_with_built_in(&[good, bad, binary, missing, long]).unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| match error {
            LoadError::Unreadable { path, source } => (path.ends_with("missing.toml"), source.to_string()),
            LoadError::Invalid(wrong) => (false, format!("{}: {}", wrong.line, wrong.reason)),
        })
        .collect();
    assert_eq!(found.len(), 4);
    assert!(found[0].1.starts_with("2: not UTF-8"), "{found:?}");
    assert!(found[1].0, "{found:?}");
    assert!(found[2].1.starts_with("1: longer than"), "{found:?}");
    assert!(found[3].1.starts_with("2: hold_minutes must be"), "{found:?}");
}
