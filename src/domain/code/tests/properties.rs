//! What holds of every scan: an answer without a panic, an identity that survives text and storage, and an MSFX
//! code that noise does not change.

use super::{GTIN, RULES, told, wide};
use crate::domain::code::{CodeKey, Scan, TraceCode, read};
use proptest::prelude::*;

/// What a code's key has to survive.
fn check_identity(code: &TraceCode) {
    let key = code.key();
    assert_eq!(key.to_string(), code.to_string());
    assert_eq!(CodeKey::from_bytes(key.as_bytes()).as_ref(), Some(&key));
    let stored = postcard::to_stdvec(&key).expect("written");
    assert_eq!(postcard::from_bytes::<CodeKey>(&stored).expect("read"), key);
    let json = serde_json::to_string(&key).expect("written");
    assert_eq!(serde_json::from_str::<CodeKey>(&json).expect("read"), key);
    let again = read(&code.to_string(), &RULES);
    assert!(matches!(&again, Scan::Code(again) if again.key() == key), "{code} read again is {again:?}");
}

fn check_scan(scanned: &str) {
    match read(scanned, &RULES) {
        Scan::Code(code) => check_identity(&code),
        Scan::NoSerial { text, .. } | Scan::Placeholder { text } | Scan::Refused { text, .. } => {
            assert!(text.chars().count() <= 100 && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}

/// Pieces of which confusing scans are made.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "01",
        "06900000000564",
        "17",
        "271130",
        "10",
        "21",
        "11",
        "(01)",
        "(21)",
        "(10)",
        "\u{1d}",
        "<GS>",
        "^]",
        "]C1",
        "'",
        "\"",
        "ACME-",
        "8",
        "\u{3000}",
        "-",
        " ",
        "://",
        "https://look.example.cn/?code=",
        "91",
        "240",
        "\r\n",
        "e+",
        ".",
    ];
    prop_oneof![
        4 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        2 => "[!-~]{1,12}",
        1 => "8[0-9]{19}",
        1 => "\\PC{0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(scanned in any::<String>()) {
        check_scan(&scanned);
    }

    #[test]
    fn any_mix_of_pieces_gets_an_answer(pieces in proptest::collection::vec(piece(), 0..14)) {
        check_scan(&pieces.concat());
    }

    #[test]
    fn any_serial_keeps_its_identity(serial in "[!\"%-?A-Z_a-z]{1,20}") {
        let scanned = format!("01{GTIN}21{serial}\u{1d}");
        check_scan(&scanned);
        // Brackets may look like an element, `://` like a URL, `<GS>` like a separator.
        prop_assume!(!serial.contains(['(', '<']) && !serial.contains("://"));
        prop_assert_eq!(told(&read(&scanned, &RULES)), format!("(01){GTIN}(21){serial}"));
    }

    /// Bare digits take a shorter way than the same digits with a blank in front.
    #[test]
    fn bare_digits_are_what_they_are_with_a_blank(digits in "(8[0-9]{19}|01069[0-9]{9,20}|[0-9]{1,30}|9{20})") {
        prop_assert_eq!(read(&digits, &RULES), read(&format!(" {digits}"), &RULES));
    }

    #[test]
    fn noise_never_changes_an_msfx_code(
        digits in "8[0-9]{19}",
        before in proptest::collection::vec(proptest::sample::select(
            vec!["]d2", "]C1", "]q3", "]E0", "\u{1d}", "<GS>", "[gs]", "\\x1d", "\\u001D", "^]", "\u{241d}", " ", "\u{3000}", "\u{feff}", "\t"]), 0..4),
        after in proptest::collection::vec(proptest::sample::select(
            vec!["\r", "\n", "\t", " ", "\u{1d}", "{GS}", "\u{241d}", "\u{3000}"]), 0..4),
        gap in proptest::sample::select(vec!["", " ", "-", "\u{2010}", "\u{2015}", "\u{2212}", "\u{ff0d}", "\u{3000}"]),
        at in 1usize..20,
        is_wide in any::<bool>(),
    ) {
        let (head, tail) = digits.split_at(at);
        let grouped = format!("{head}{gap}{tail}");
        let shown = if is_wide { wide(&grouped) } else { grouped };
        let scanned = format!("{}{shown}{}", before.concat(), after.concat());
        prop_assert_eq!(told(&read(&scanned, &RULES)), digits, "{:?}", scanned);
    }
}
