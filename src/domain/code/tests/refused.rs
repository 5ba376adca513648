//! Tables over scans that are refused: each says what it is instead, or what is wrong with it.

use super::{MSFX, check};

#[test]
fn wrong_gs1_texts_say_what_is_wrong() {
    check(&[
        (
            "27 check digit",
            "(01)06900000000565(21)S1",
            "CODE_MALFORMED: wrong check digit in GTIN 06900000000565",
        ),
        (
            "27 check digit, raw",
            "010690000000056521S1",
            "CODE_MALFORMED: wrong check digit in GTIN 06900000000565",
        ),
        (
            "27 check digit, bare",
            "06900000000565",
            "CODE_MALFORMED: wrong check digit in GTIN 06900000000565",
        ),
        ("27 month", "01069000000005641727133021S1", "CODE_MALFORMED: impossible expiry date (17) 271330"),
        (
            "27 day",
            "(01)06900000000564(11)270229(21)S1",
            "CODE_MALFORMED: impossible production date (11) 270229",
        ),
        (
            "27 serial",
            "(01)06900000000564(21)S12345678901234567890",
            "CODE_MALFORMED: serial (21) has 21 characters, at most 20 are allowed",
        ),
        (
            "27 lot",
            "010690000000056410A23456789012345678901\u{1d}21S1",
            "CODE_MALFORMED: lot (10) has 21 characters, at most 20 are allowed",
        ),
        ("27 no GTIN", "(21)S917094855", "CODE_MALFORMED: the GTIN (01) is missing"),
        ("27 empty", "(01)06900000000564(21)", "CODE_MALFORMED: serial (21) is empty"),
        (
            "27 cut off",
            "0106900000000564\u{1d}172711",
            "CODE_MALFORMED: expiry date (17) is cut off after 4 characters",
        ),
        (
            "27 set 82",
            "(01)06900000000564(21)S#1",
            "CODE_MALFORMED: serial (21) holds “#”, which is not allowed there",
        ),
        (
            "27 twice",
            "(01)06900000000564(21)S1(21)S2",
            "CODE_MALFORMED: serial (21) is there twice with different values",
        ),
        (
            "27 unknown",
            "(01)06900000000564(05)1",
            "CODE_MALFORMED: \"05\" is no known GS1 application identifier",
        ),
    ]);
}

#[test]
fn other_codes_are_named() {
    check(&[
        ("28 EAN-13", "6901234567892", "PRODUCT_BARCODE: a product bar code of 13 digits"),
        ("28 EAN-8", "]E4 96385074", "PRODUCT_BARCODE: a product bar code of 8 digits"),
        ("28 UPC-12", "036000291452", "PRODUCT_BARCODE: a product bar code of 12 digits"),
        ("28 catalogue", "XR05CBA198A001010100863", "CATALOG_CODE: 23 characters, the first a letter"),
        ("28 consumable", "C1409180510000105061", "CONSUMABLE_CODE: 20 characters, the first a C"),
        ("28 national drug code", "86900021000015", "NATIONAL_DRUG_CODE: 14 digits that begin with 86"),
    ]);
    let urls = [
        ("https://example.com/x?y=1", "host \"example.com\" is not on the list of look-up pages"),
        (
            "https://look.example.cn.evil/?code=83003850000000131888",
            "host \"look.example.cn.evil\" is not on the list of look-up pages",
        ),
        ("https://look.example.cn@evil/?code=83003850000000131888", "the address has a user name"),
        ("http://look.example.cn:443/?code=83003850000000131888", "the address has a port of its own"),
        ("ftp://look.example.cn/?code=83003850000000131888", "neither an http nor an https address"),
        ("www.look.example.cn/?code=83003850000000131888", "neither an http nor an https address"),
        ("药品 https://look.example.cn/?code=83003850000000131888", "neither an http nor an https address"),
        ("https://look.example.cn/83003850000000131888", "the address has no parameter code"),
        (
            "https://look.example.cn/?code=83003850000000131888&code=83003850000000131888",
            "the address has more than one code",
        ),
        (
            "https://look.example.cn/?code=83003850000000131888#81012350000000157474",
            "the address has more than one code",
        ),
        (
            "https://look.example.cn/?code=8300385000000013188",
            "the parameter code is not 20 digits that begin with 8",
        ),
        (
            "https://look.example.cn/?code=%383003850000000131888",
            "the parameter code is not 20 digits that begin with 8",
        ),
    ];
    for (url, fault) in urls {
        check(&[("28 foreign URL", url, &format!("FOREIGN_URL: {fault}"))]);
    }
}

#[test]
fn what_is_no_code_is_explained() {
    check(&[
        ("28 empty", " \r\n\u{3000}", "CODE_MALFORMED: nothing was scanned"),
        ("28 too long", &"8".repeat(513), "CODE_MALFORMED: 513 bytes, more than 512"),
        ("28 too short", "8123", "CODE_MALFORMED: 4 digits where 20 are due"),
        ("28 first digit", "73003850000000131888", "CODE_MALFORMED: 20 digits, but the first is not 8"),
        ("28 looks like GS1", "01234567890123456789", "CODE_MALFORMED: 20 digits, but the first is not 8"),
        ("28 two boxes", &format!("{MSFX} {MSFX}"), "CODE_MALFORMED: 2 codes were scanned into one field"),
        (
            "28 bar code misread",
            "6901234567893",
            "CODE_MALFORMED: 13 digits, a product bar code with a wrong check digit",
        ),
        ("28 other script", "药品", "CODE_MALFORMED: “药” stands in no trace code"),
        (
            "28 over 100 characters",
            &"x".repeat(101),
            "CODE_MALFORMED: 101 characters, at most 100 are allowed",
        ),
        (
            "28 spreadsheet",
            "8.3E+19",
            "CODE_CORRUPTED: a spreadsheet turned it into a number and lost digits",
        ),
        (
            "28 long",
            "8.30038500000001e+19",
            "CODE_CORRUPTED: a spreadsheet turned it into a number and lost digits",
        ),
        ("28 comma", "\"8,3E+19\"", "CODE_CORRUPTED: a spreadsheet turned it into a number and lost digits"),
        (
            "28 float",
            "83003850000000100000.0",
            "CODE_CORRUPTED: a spreadsheet turned it into a number and lost digits",
        ),
    ]);
}
