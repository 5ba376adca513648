//! Whatever a scanner sends gets an answer, and what is printed of a code reads back to the same key.

use std::sync::LazyLock;
use tracegate::domain::code::{CodeKey, OwnScheme, Scan, ScanRules, read};
use tracegate::domain::drug::PackLevel;

static RULES: LazyLock<ScanRules> = LazyLock::new(|| {
    let policy = tracegate::policy_files::built_in();
    let scheme = OwnScheme {
        issuer: "fuzz".to_owned(),
        pattern: "[A-Z]{2}[ -~]{4,60}".to_owned(),
        catalog_code: None,
        pack_level: PackLevel::Small,
        units_per_pack: None,
    };
    let settings = policy.settings();
    ScanRules::new(&settings.url_hosts, &settings.placeholder_patterns, &[scheme])
        .expect("the rules are valid")
});

/// Holds for any bytes.
pub fn check(data: &[u8]) {
    let Ok(scanned) = std::str::from_utf8(data) else {
        return;
    };
    let Scan::Code(code) = read(scanned, &RULES) else {
        return;
    };
    let key = code.key();
    assert_eq!(key.to_string(), code.to_string(), "key and code print the same");
    assert_eq!(CodeKey::from_bytes(key.as_bytes()), Some(key.clone()));
    match read(&code.to_string(), &RULES) {
        Scan::Code(again) => assert_eq!(again.key(), key, "{scanned:?}"),
        other => panic!("{scanned:?} was a code, {code} is {other:?}"),
    }
}
