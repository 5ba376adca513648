//! Tables over scans that are codes or stand for none. Rows name the edge case of the trade they stand for.

use super::*;
use crate::domain::drug::PackLevel;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::LazyLock;

mod properties;
mod refused;

const MSFX: &str = "83003850000000131888";
const GTIN: &str = "06900000000564";

fn scheme(issuer: &str, pattern: &str) -> OwnScheme {
    OwnScheme {
        issuer: issuer.to_owned(),
        pattern: pattern.to_owned(),
        catalog_code: None,
        pack_level: PackLevel::Small,
        units_per_pack: Some(36),
    }
}

static RULES: LazyLock<ScanRules> = LazyLock::new(|| {
    let hosts = ["look.example.cn".to_owned()];
    let placeholders = [r"^9{20}$", r"^0+$", "^(?i)test-", "测试"].map(str::to_owned);
    let schemes = [scheme("Acme", r"ACME-[A-Za-z0-9 -]{4,12}"), scheme("Late", "ACME-.*|(?i)zz[0-9]+")];
    ScanRules::new(&hosts, &placeholders, &schemes).expect("the patterns compile")
});

/// A scan in one line, so that a row shows the whole answer.
fn told(scan: &Scan) -> String {
    match scan {
        Scan::Code(TraceCode::Own(own)) => format!("{} {}", own.issuer, own.text),
        Scan::Code(code) => code.to_string(),
        Scan::NoSerial { gtin, ambiguous, .. } => {
            let doubt = if *ambiguous { "ambiguous" } else { "none" };
            format!("serial {doubt} of {}", gtin.as_deref().unwrap_or("?"))
        }
        Scan::Placeholder { text } => format!("placeholder {text}"),
        Scan::Refused { reason, detail, .. } => format!("{reason}: {}", detail.text()),
    }
}

/// Printable ASCII in full width.
fn wide(text: &str) -> String {
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).filter(|_| matches!(c, '!'..='~'));
    text.chars().map(|c| wide(c).unwrap_or(c)).collect()
}

fn check(rows: &[(&str, &str, &str)]) {
    for (name, scanned, expected) in rows {
        assert_eq!(told(&read(scanned, &RULES)), *expected, "{name}: {scanned:?}");
    }
}

#[test]
fn msfx_codes_lose_their_noise() {
    check(&[
        ("25 plain", MSFX, MSFX),
        ("25 hyphen between groups", "8300385-0000000131888", MSFX),
        ("25 blanks", " 83003850 0000 0013 1888 ", MSFX),
        ("25 full width", &wide(MSFX), MSFX),
        ("25 ]C1 in front, CR/LF behind", "]C183003850000000131888\r\n", MSFX),
        ("25 caps lock, FNC1 behind the prefix", "]D2\u{1d}83003850000000131888", MSFX),
        ("25 full-width prefix and blank", &wide("\u{3000}]Q383003850000000131888"), MSFX),
        ("25 byte order mark, STX, ETX", "\u{feff}\u{2}83003850000000131888\u{3}", MSFX),
        ("25 quoted by a spreadsheet", "'83003850000000131888", MSFX),
        ("25 visible FNC1", "<gs>83003850000000131888\\x1D", MSFX),
        ("25 other hyphens", "8300\u{2013}3850\u{2212}0000\u{2014}0013\u{2010}188\u{ff0d}8", MSFX),
        ("25 look-up page", "]Q3https://LOOK.example.cn:443/q?x=1&code=83003850000000131888#top", MSFX),
    ]);
    let published = [
        "87577040000000015130",
        "81853860111704596503",
        "81012350000000157474",
        "86443150000000180533",
        "83857930000879766660",
    ];
    for code in published {
        check(&[("25 published", code, code)]);
    }
}

#[test]
fn gs1_texts_have_one_identity() {
    let same = "(01)06900000000564(21)S917094855";
    check(&[
        ("26 FNC1", "01069000000005641727113010A1\u{1d}21S917094855", same),
        // What only looks like a number that a spreadsheet rewrote.
        ("26 serial like a fraction", "010690000000056421,0", "(01)06900000000564(21),0"),
        ("26 serial like a power", "0106900000000564211E+5", "(01)06900000000564(21)1E+5"),
        ("26 the same behind a date", "172711300106900000000564215.0", "(01)06900000000564(21)5.0"),
        ("26 other order", "21S917094855\u{1d}10A1\u{1d}172711300106900000000564", same),
        ("26 brackets", "(01)06900000000564(17)271130(10)A1(21)S917094855", same),
        ("26 brackets, blanks, other order", "(21) S917094855 (01) 06900000000564 (17) 271100", same),
        ("26 full-width brackets", &wide(same), same),
        ("26 visible FNC1", "]d201069000000005641727113010A1{GS}21S917094855", same),
        ("26 caret FNC1", "01069000000005641727113010A1^]21S917094855^]", same),
        ("26 pictured FNC1", "\u{241d}01069000000005641727113010A1\u{241d}21S917094855", same),
        ("26 escaped FNC1", r"01069000000005641727113010A1\u001d21S917094855", same),
        ("26 no FNC1 needed", "01069000000005641727113021S917094855", same),
        ("26 no FNC1, no attribute", "010690000000056421S917094855", same),
        ("26 no FNC1, dates first", "172711300106900000000564 21S917094855".replace(' ', "").as_str(), same),
        ("26 day 00", "01069000000005641727110021S917094855", same),
        ("26 other elements", "01069000000005642405X\u{1d}21S917094855\u{1d}713123\u{1d}91abc", same),
        ("26 digits with blanks", "01 06900000000564 21 123456", "(01)06900000000564(21)123456"),
    ]);
}

#[test]
fn gs1_without_one_serial_is_not_judged() {
    let none = "serial none of 06900000000564";
    let doubt = "serial ambiguous of 06900000000564";
    check(&[
        ("26 no serial", "01069000000005641727113010A1", none),
        ("26 no serial in brackets", "(01)06900000000564(10)A1", none),
        ("26 GTIN element only", "0106900000000564", none),
        ("26 bare GTIN", GTIN, none),
        ("26 a lot that says where it ends", "01069000000005641727113010A121B\u{1d}", none),
        ("26 lost FNC1, lot before serial", "01069000000005641727113010A121S917094855", doubt),
        ("26 lost FNC1, serial before lot", "010690000000056421S91709485510A1", doubt),
        ("26 lost FNC1, serial before expiry", "010690000000056421S91709485517271130", doubt),
        ("26 lost FNC1, all in a row", "21S91709485510A1172711300106900000000564", doubt),
        ("26 brackets inside a serial", "010690000000056421A(10)B\u{1d}", doubt),
        (
            "26 lost FNC1, but only one split is short enough",
            "010690000000056410LOT45678921S9988776655ABCDEFGHI",
            "(01)06900000000564(21)S9988776655ABCDEFGHI",
        ),
    ]);
}

#[test]
fn placeholders_and_own_schemes() {
    let no_family = "CODE_MALFORMED: the form of no trace code, and no registered scheme matches";
    check(&[
        ("29 nines", "99999999999999999999", "placeholder 99999999999999999999"),
        ("29 nines in groups", "9999999-9999999999999", "placeholder 99999999999999999999"),
        ("29 zeros", "0000", "placeholder 0000"),
        ("29 unanchored, other script", "无码测试1", "placeholder 无码测试1"),
        ("29 case by the pattern", "TEST-1", "placeholder TEST-1"),
        ("30 lower case kept", "ACME-aBc1 2-3", "Acme ACME-aBc1 2-3"),
        ("30 outer noise only", "]C1 ACME-aBc1 2-3\r\n", "Acme ACME-aBc1 2-3"),
        ("30 first scheme wins, second where it fails", "ACME-12_4", "Late ACME-12_4"),
        ("30 case-blind pattern keeps the case", "zZ12", "Late zZ12"),
        ("30 the whole text has to match", "xACME-1234", no_family),
        ("30 case counts", "acme-1234", no_family),
        (
            "30 a letter is never corrected",
            "8300385000000013188O",
            "CODE_MALFORMED: 'O' at place 20 is no digit",
        ),
        ("30 nor a small one", "83003850000l00131888", "CODE_MALFORMED: 'l' at place 12 is no digit"),
    ]);
}

#[test]
fn keys_are_in_the_order_of_their_bytes() {
    let texts = [MSFX, "83003850000000131889", "89999999999999999999", "80000000000000000000"];
    let others = ["(01)06900000000564(21)S1", "(01)06900000000564(21)S2", "ACME-1234"];
    let keys = texts.iter().chain(&others).map(|text| CodeKey::parse(text).unwrap());
    let keys: Vec<CodeKey> = keys.collect();
    for one in &keys {
        for other in &keys {
            let (bytes, others) = (one.as_bytes(), other.as_bytes());
            assert_eq!(one.cmp(other), bytes.cmp(others), "{one} and {other}");
            assert_eq!(one == other, bytes == others, "{one} and {other}");
        }
        let again = CodeKey::from_bytes(one.as_bytes()).unwrap();
        let hash = |key: &CodeKey| BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        assert_eq!((&again, hash(&again)), (one, hash(one)));
    }
}

#[test]
fn attributes_are_kept_and_are_no_identity() {
    let code = |text: &str| {
        let scan = read(text, &RULES);
        let Scan::Code(TraceCode::Gs1(code)) = scan else { panic!("{text}: {scan:?}") };
        code
    };
    let full = code("01069000000005641727110010a1\u{1d}21S1");
    assert_eq!((full.lot(), full.expires().map(|d| d.to_string())), (Some("a1"), Some("2027-11".to_owned())));
    assert_eq!(
        code("(01)06900000000564(17)280229(21)S1").expires().map(|d| d.to_string()).as_deref(),
        Some("2028-02-29")
    );
    let bare = code("(01)06900000000564(21)S1");
    assert_eq!((bare.lot(), bare.expires()), (None, None));
    assert_eq!(TraceCode::Gs1(full).key(), TraceCode::Gs1(bare.clone()).key());
    assert_ne!(TraceCode::Gs1(bare).key(), TraceCode::Gs1(code("(01)06900000000564(21)s1")).key());
}

#[test]
fn prefixes_name_the_product() {
    for (text, prefix) in
        [(MSFX, Some("8300385")), ("(01)06900000000564(21)S1", Some(GTIN)), ("ACME-1234", None)]
    {
        let Scan::Code(code) = read(text, &RULES) else { panic!("{text} is a code") };
        assert_eq!(code.prefix(), prefix, "{text}");
        assert_eq!(code.key().prefix().as_deref(), prefix, "{text}: the key alone");
        assert_eq!(CodeKey::parse(&code.to_string()), Some(code.key()), "{text}: canonical text");
    }
}

#[test]
fn bad_patterns_are_refused() {
    for pattern in ["(", "a)|(?:b", "[0-9]{1000}{1000}"] {
        let error = scheme("x", pattern).check().expect_err(pattern);
        assert!(error.to_string().contains("cannot be used"), "{error}");
        assert!(!error.problem.is_empty() && !error.to_string().contains('\n'), "{error}");
        assert!(ScanRules::new(&[], &[pattern.to_owned()], &[]).is_err(), "{pattern}");
    }
    assert_eq!(scheme("x", "a|b").check(), Ok(()));
}

#[test]
fn keys_are_small_and_refuse_other_bytes() {
    assert_eq!(CodeKey::msfx(MSFX).as_bytes().len(), 10);
    assert_eq!(CodeKey::gs1(GTIN, "S1").as_bytes().len(), 9);
    let refused: [&[u8]; 9] = [
        b"",
        b"\x01",
        b"\x01\0\0\0\0\0\0\0\0\0",
        b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x02\0\0\0\0\0\x01S1",
        b"\x02\0\0\0\0\0\0",
        b"\x03",
        b"\x03\x1d",
        b"\x04ABC",
    ];
    for bytes in refused {
        assert!(CodeKey::from_bytes(bytes).is_none(), "{bytes:?}");
    }
    assert!(postcard::from_bytes::<CodeKey>(b"\x02\x04A").is_err());
}
