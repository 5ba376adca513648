//! What comes back: cases 10 to 14.

use super::*;

const ROWS: &[Row] = &[
    ("case 10: sale, return, sale of the same box → ALLOW", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed().recorded(true);
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-10 11:00").allowed().recorded(true);
    }),
    ("case 10: the return must come before the resale in event time", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 11:00").allowed();
        w.report("P2", "D2", vec![line(&[BOX])])
            .at("2026-03-10 10:00")
            .heard("2026-03-10 12:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 10: a return elsewhere frees nobody's sale", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P2", "D1", line(&[BOX])).at("2026-03-10 10:00").gives("ALLOW", &["RETURN_UNPAIRED"]);
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 11:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 10: sold again under the same document after the return → a sale of its own", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed();
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 11:00").allowed().claims(1);
        assert_eq!(w.open_sales(BOX, "2026-03-10 12:00"), 1);
    }),
    ("case 10: a message about the returned sale, beyond the limit → still that sale, nothing open", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed();
        let again =
            w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").heard("2026-03-14 11:00").allowed();
        assert_eq!(again.claims(0).judgement.sold, []);
        assert_eq!(w.open_sales(BOX, "2026-03-14 12:00"), 0);
    }),
    ("case 10: a return that is heard of late frees no sale that happened after it", |w| {
        w.sale("P1", "D2", line(&[BOX])).at("2026-03-12 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .heard("2026-03-14 09:00")
            .gives("ALLOW", &["RETURN_UNPAIRED"]);
        assert_eq!(w.open_sales(BOX, "2026-03-14 10:00"), 1);
    }),
    ("case 11: the return is reported after the resale → no conflict is left", |w| {
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("H2", "D2", line(&[BOX]))
            .at("2026-03-10 11:00")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        assert_eq!(w.conflicts(BOX, "2026-03-10 12:00").len(), 2);
        w.takes_back("H1", "D1", line(&[BOX]))
            .at("2026-03-10 10:00")
            .heard("2026-03-13 10:00")
            .allowed()
            .recorded(true);
        assert_eq!(w.conflicts(BOX, "2026-03-13 10:00"), []);
    }),
    ("case 11: reported beyond the second limit → the conflict stands until somebody decides", |w| {
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("H2", "D2", line(&[BOX]))
            .at("2026-03-10 11:00")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        w.takes_back("H1", "D1", line(&[BOX]))
            .at("2026-03-10 10:00")
            .heard("2026-03-13 10:01")
            .allowed()
            .recorded(true);
        assert_eq!(w.conflicts(BOX, "2026-03-13 10:01").len(), 2);
    }),
    ("case 12: a return without a sale on record → noted, paired when the sale arrives", |w| {
        w.takes_back("P1", "D1", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("ALLOW", &["RETURN_UNPAIRED"])
            .recorded(true);
        w.sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .heard("2026-03-10 11:00")
            .allowed()
            .recorded(true);
        assert_eq!(w.open_sales(BOX, "2026-03-10 11:00"), 0);
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-10 12:00").allowed();
    }),
    ("case 12: … also where the sale arrives beyond the second limit", |w| {
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").gives("ALLOW", &["RETURN_UNPAIRED"]);
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").heard("2026-03-14 11:00").allowed();
        assert_eq!(w.open_sales(BOX, "2026-03-14 11:00"), 0);
    }),
    ("case 13: returned already → BLOCK, the first return stays", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX]))
            .at("2026-03-10 11:00")
            .gives("BLOCK", &["ALREADY_RETURNED"])
            .recorded(false)
            .claims(0);
        w.sale("P1", "D2", line(&[BOX])).at("2026-03-10 12:00").allowed();
    }),
    ("case 13: … also where it is reported after the fact", |w| {
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("H1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed();
        w.takes_back("H1", "D1", line(&[BOX]))
            .at("2026-03-10 11:00")
            .heard("2026-03-11 11:00")
            .gives("BLOCK", &["ALREADY_RETURNED"])
            .claims(0);
    }),
    ("case 13: the same return over another message → counted once", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed().claims(1);
        let again =
            w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").heard("2026-03-10 10:05").allowed();
        assert_eq!(again.claims(0).judgement.sold, []);
    }),
    ("case 14: one box of three comes back → only that one is freed", |w| {
        let third = "83003850000000132008";
        w.sale("P1", "D1", line(&[BOX, BOX_2, third])).at("2026-03-10 09:00").allowed().claims(3);
        w.takes_back("P1", "D1", line(&[BOX_2])).at("2026-03-10 10:00").allowed().claims(1);
        w.sale("P2", "D2", line(&[BOX_2])).at("2026-03-10 11:00").allowed();
        for kept in [BOX, third] {
            w.sale("P2", "D3", line(&[kept]))
                .at("2026-03-10 12:00")
                .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        }
    }),
    ("case 14: a return that names its document frees nothing else of the visit", |w| {
        w.sale("H1", "D1", split(12, &[BOX])).visit("V1").at("2026-03-10 09:00").allowed();
        w.sale("H1", "D2", split(12, &[BOX])).visit("V1").at("2026-03-11 09:00").allowed();
        w.takes_back("H1", "D1", split(20, &[BOX])).visit("V1").at("2026-03-12 09:00").allowed();
        w.sale("H1", "D3", split(24, &[BOX])).visit("V1").at("2026-03-12 10:00").allowed();
        w.sale("H1", "D4", split(1, &[BOX]))
            .visit("V1")
            .at("2026-03-12 11:00")
            .gives("REMIND", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
];

#[test]
fn returns() {
    check(ROWS);
}
