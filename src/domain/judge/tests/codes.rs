//! What was scanned: cases 25 to 32.

use super::*;
use crate::domain::code::OwnScheme;
use crate::domain::drug::PackLevel;
use crate::domain::registry::RegistryRow;
use crate::domain::verdict::Sentence;

/// P1 sells the first form; each other form is the same box.
fn check_same_box(w: &mut World, drug: &str, units: u32, forms: &[&str]) {
    let (first, others) = forms.split_first().unwrap();
    w.sale("P1", "D1", line(&[first]).of(drug, units)).at("2026-03-10 09:00").allowed();
    for form in others {
        w.sale("P2", form, line(&[form]).of(drug, units))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }
}

/// A pharmacy scans it and is refused with a sentence that holds `says`; a report of it enters no index.
fn check_refused(w: &mut World, scanned: &str, reason: &str, says: &str) {
    let told =
        w.sale("P1", "D1", line(&[scanned])).at("2026-03-10 09:00").gives("BLOCK", &[reason]).recorded(false);
    let sentence = Sentence::of(&told.judgement.findings[0]).en;
    assert!(sentence.contains(says), "{scanned:?} gives {sentence:?}");
    w.report("P1", "D2", vec![line(&[scanned])]).at("2026-03-10 10:00").gives("BLOCK", &[reason]).claims(0);
}

fn own_scheme(w: &mut World) {
    w.registry.put(RegistryRow::OwnScheme(OwnScheme {
        issuer: "Maker".to_owned(),
        pattern: "MK-[A-Za-z0-9]{6}".to_owned(),
        catalog_code: Some("O".to_owned()),
        pack_level: PackLevel::Small,
        units_per_pack: Some(10),
    }));
}

const ROWS: &[Row] = &[
    ("case 25: hyphens, blanks, full-width digits, ]C1 in front, CR LF behind → the same code", |w| {
        let forms = [
            BOX,
            "83003-85000-00001-31888",
            " 8300 3850 0000 0013 1888 ",
            "\u{ff18}\u{ff13}\u{ff10}\u{ff10}3850000000131888",
            "]C183003850000000131888",
            "83003850000000131888\r\n",
            "\u{feff}83003850000000131888",
        ];
        check_same_box(w, "A", 36, &forms);
    }),
    ("case 25: a look-up page on the list stands for the code it carries", |w| {
        check_same_box(w, "A", 36, &[BOX, "https://www.mashangfangxin.com/?code=83003850000000131888"]);
    }),
    ("case 26: GS1 with brackets, with or without FNC1, other order → one identity", |w| {
        let forms = [
            "(01)04006381333931(17)271200(10)LOT1(21)SN123",
            "010400638133393117271200 21SN123",
            "]d20104006381333931172712002 1SN123",
            "]d201040063813339312 1SN123\u{1d}17271200\u{1d}10LOT1",
            "(21)SN123(01)04006381333931",
        ]
        .map(|form| if form.contains('(') { form.to_owned() } else { form.replace(' ', "") });
        check_same_box(w, "G", 10, &forms.each_ref().map(String::as_str));
    }),
    ("case 26: another lot and expiry on the same serial is the same box", |w| {
        let forms = ["(01)04006381333931(10)LOT1(21)SN123", "(01)04006381333931(17)280101(10)LOT2(21)SN123"];
        check_same_box(w, "G", 10, &forms);
    }),
    ("case 26: no serial, or a lost FNC1 with two readings → duplicates not judged, REMIND", |w| {
        let ambiguous = "010400638133393121SN12317271200";
        for (document, scanned) in [
            ("D1", "(01)04006381333931(10)LOT1"),
            ("D2", "(01)04006381333931(10)LOT1"),
            ("D3", ambiguous),
            ("D4", ambiguous),
        ] {
            w.sale("P1", document, line(&[scanned]).of("G", 10))
                .at("2026-03-10 09:00")
                .gives("REMIND", &["SERIAL_MISSING"])
                .recorded(true)
                .claims(0);
        }
    }),
    ("case 27: wrong GTIN check digit, impossible date, over-long serial → refused, and says which", |w| {
        check_refused(
            w,
            "(01)04006381333932(21)SN123",
            "CODE_MALFORMED",
            "check digit in GTIN 04006381333932",
        );
        check_refused(
            w,
            "(01)04006381333931(17)271330(21)SN1",
            "CODE_MALFORMED",
            "impossible expiry date (17) 271330",
        );
        let serial = "(01)04006381333931(21)S12345678901234567890";
        check_refused(w, serial, "CODE_MALFORMED", "serial (21) has 21 characters, at most 20");
    }),
    ("case 28: EAN-13, catalogue, consumable, 本位码, foreign URL → refused, naming what it is", |w| {
        check_refused(w, "6901234567892", "PRODUCT_BARCODE", "bar code");
        check_refused(w, "XR05CBA198A001010100863", "CATALOG_CODE", "catalogue");
        check_refused(w, "C1409180510000105061", "CONSUMABLE_CODE", "consumable");
        check_refused(w, "86900021000015", "NATIONAL_DRUG_CODE", "national drug code");
        check_refused(w, "https://example.com/?code=83003850000000131888", "FOREIGN_URL", "example.com");
        check_refused(w, "8.3E+19", "CODE_CORRUPTED", "spreadsheet");
    }),
    ("case 29: a placeholder is not indexed, and is no code", |w| {
        for document in ["D1", "D2"] {
            w.sale("P1", document, line(&["99999999999999999999"]))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["PLACEHOLDER_CODE"]);
            w.report("H1", document, vec![line(&["99999999999999999999"])])
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["PLACEHOLDER_CODE"])
                .claims(0);
        }
    }),
    ("case 29: … unless the policy accepts placeholders for that drug and scene", |w| {
        w.rules(
            "[[rule]]\nreason = 'PLACEHOLDER_CODE'\nkind = 'hospital'\nscene = 'inpatient'\n\
             drug_class = 'western'\nenforcement = 'observe'\n",
        );
        let placeholder = || line(&["99999999999999999999"]);
        for document in ["D1", "D2"] {
            w.sale("H1", document, placeholder())
                .ward()
                .at("2026-03-10 09:00")
                .gives("ALLOW", &["PLACEHOLDER_CODE"])
                .claims(0);
        }
        w.sale("H1", "D3", placeholder()).at("2026-03-10 09:00").gives("BLOCK", &["PLACEHOLDER_CODE"]);
        // Where no code is due, "no code" is no fault.
        w.sale("H1", "D4", line(&["99999999999999999999"]).of("I", 1))
            .at("2026-03-10 09:00")
            .gives("ALLOW", &["PLACEHOLDER_CODE"]);
    }),
    ("case 30: lower-case letters of an own scheme are kept: two codes", |w| {
        own_scheme(w);
        w.sale("P1", "D1", line(&["MK-ab12cd"]).of("O", 10)).at("2026-03-10 09:00").allowed();
        w.sale("P2", "D2", line(&["MK-AB12CD"]).of("O", 10)).at("2026-03-10 10:00").allowed();
        w.sale("P2", "D3", line(&["MK-ab12cd"]).of("O", 10))
            .at("2026-03-10 11:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 30: a letter in an MSFX code is never corrected", |w| {
        check_refused(w, "8300385000000013l888", "CODE_MALFORMED", "l");
        check_refused(w, "830038500000O0131888", "CODE_MALFORMED", "O");
    }),
    ("case 31: unknown prefix → unmapped, REMIND, and claimed", |w| {
        w.sale("P1", "D1", line(&[BOX_UNMAPPED]))
            .at("2026-03-10 09:00")
            .gives("REMIND", &["PREFIX_UNMAPPED"])
            .recorded(true)
            .claims(1);
        w.sale("P2", "D2", line(&[BOX_UNMAPPED]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["PREFIX_UNMAPPED", "DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 31: prefix of another drug → drug mismatch, BLOCK", |w| {
        w.sale("P1", "D1", line(&[BOX_B])).at("2026-03-10 09:00").gives("BLOCK", &["DRUG_MISMATCH"]);
        w.sale("H1", "D1", line(&[BOX_B])).at("2026-03-10 09:00").gives("BLOCK", &["DRUG_MISMATCH"]);
        w.sale("P1", "D2", line(&[BOX_B]).of("B", 12)).at("2026-03-10 09:00").allowed();
    }),
    ("case 31: both by policy", |w| {
        w.rules(
            "[[rule]]\nreason = 'DRUG_MISMATCH'\ndivision_prefix = '13'\nenforcement = 'remind'\n\
             [[rule]]\nreason = 'PREFIX_UNMAPPED'\ndivision_prefix = '13'\nenforcement = 'block'\n",
        );
        w.sale("P1", "D1", line(&[BOX_B])).at("2026-03-10 09:00").gives("REMIND", &["DRUG_MISMATCH"]);
        w.sale("P1", "D2", line(&[BOX_UNMAPPED])).at("2026-03-10 09:00").gives("BLOCK", &["PREFIX_UNMAPPED"]);
    }),
    ("case 32: fewer or more codes than packs → finding with both numbers", |w| {
        w.sale("P1", "D1", line(&[BOX]).of("A", 72))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["CODE_COUNT_MISMATCH"])
            .numbers("CODE_COUNT_MISMATCH", 2, 1);
        w.sale("H1", "D1", line(&[BOX, BOX_2]).of("A", 36))
            .at("2026-03-10 09:00")
            .gives("REMIND", &["CODE_COUNT_MISMATCH"])
            .numbers("CODE_COUNT_MISMATCH", 1, 2);
    }),
    ("case 32: with split, counts are not compared", |w| {
        w.sale("P1", "D1", split(12, &[BOX, BOX_2])).at("2026-03-10 09:00").allowed();
    }),
    ("case 32: no whole number of packs without split → BLOCK", |w| {
        for (document, units) in [("D1", 35), ("D2", 12), ("D3", 0)] {
            w.sale("P1", document, line(&[BOX]).of("A", units))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["QUANTITY_NOT_WHOLE"]);
            w.sale("H1", document, line(&[BOX]).of("A", units))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["QUANTITY_NOT_WHOLE"]);
        }
    }),
];

#[test]
fn codes() {
    check(ROWS);
}
