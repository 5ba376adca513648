//! Division prefixes, and what the version of a policy follows.

use super::*;

#[test]
fn a_prefix_is_up_to_six_digits() {
    for bad in ["1301021", "13a", " 13", "13 ", "-1", "1.3", "１３"] {
        assert_eq!(DivisionPrefix::parse(bad), Err(BadDivisionPrefix(bad.into())), "{bad:?}");
    }
    for good in ["", "1", "13", "013", "000000", "130102"] {
        assert_eq!(prefix(good).to_string(), good);
        assert_eq!(usize::from(prefix(good).digits()), good.len());
    }
}

#[test]
fn a_prefix_covers_what_starts_with_it() {
    for division in [130_102, 13_999, 0] {
        for text in ["", "0", "1", "13", "013", "0139", "130102", "130103", "000000"] {
            let expected = Division(division).is_within(text);
            assert_eq!(prefix(text).covers(Division(division)), expected, "{division} {text:?}");
        }
    }
}

#[test]
fn prefixes_overlap_where_one_starts_with_the_other() {
    let rows = [("13", "1301", true), ("", "99", true), ("13", "12", false), ("013", "13", false)];
    for (one, other, expected) in rows {
        assert_eq!(prefix(one).overlaps(prefix(other)), expected, "{one:?} {other:?}");
        assert_eq!(prefix(other).overlaps(prefix(one)), expected, "{other:?} {one:?}");
    }
}

fn version(rule: Rule, exemption_name: &str, settings: Settings) -> PolicyVersion {
    Policy::new(vec![rule], vec![exemption(exemption_name, Scope::default())], settings).version()
}

#[test]
fn the_version_follows_the_meaning_of_rules() {
    let base = rule(Scope::default(), Enforcement::Block);
    let of = |change: fn(&mut Rule)| version(with(&base, change), "a", Settings::default());
    let original = of(|_| ());
    assert_eq!(of(|rule| rule.source = source("elsewhere.toml", 99)), original, "where it was written");
    let changed = [
        original,
        of(|rule| rule.reason = Reason::Oversold),
        of(|rule| rule.note = "a notice".into()),
        of(|rule| rule.enforcement = Enforcement::Remind),
        of(|rule| rule.valid_from = Some(date(2025, 1, 1))),
        of(|rule| rule.valid_to = Some(date(2025, 1, 1))),
        of(|rule| rule.scope.division_prefix = prefix("13")),
        of(|rule| rule.scope.kind = Some(InstitutionKind::Hospital)),
        of(|rule| rule.scope.transition = Some(Period::Ended)),
        of(|rule| rule.scope.coaching = Some(Period::Ended)),
        of(|rule| rule.scope.must_split = Some(true)),
        of(|rule| rule.scope.split = Some(true)),
        version(base.clone(), "b", Settings::default()),
    ];
    assert_all_differ(&changed);
}

#[test]
fn the_version_follows_the_settings() {
    let of = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        version(rule(Scope::default(), Enforcement::Block), "a", settings)
    };
    let original = of(|_| ());
    assert_eq!(of(|settings| settings.url_hosts.reverse()), original, "the order of hosts");
    let changed = [
        original,
        of(|settings| settings.hold_minutes = 77),
        of(|settings| settings.lateness_minutes = 77),
        of(|settings| settings.no_code_list_until = date(2026, 6, 30)),
        of(|settings| settings.url_hosts.clear()),
        of(|settings| settings.placeholder_patterns.clear()),
    ];
    assert_all_differ(&changed);
}

fn assert_all_differ(versions: &[PolicyVersion]) {
    for (at, version) in versions.iter().enumerate() {
        assert!(!versions[at + 1..].contains(version), "number {at} comes again");
    }
}

#[test]
fn a_version_is_shown_as_its_first_16_digits() {
    let version = policy(vec![]).version();
    assert_eq!(version.to_string().len(), 16);
    assert_eq!(version.full_hex().len(), 64);
    assert!(version.full_hex().starts_with(&version.to_string()));
}
