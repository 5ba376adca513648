//! Stories that were judged wrongly once: each fails without its fix.

use super::*;
use crate::domain::claim::MovementKind;

const ROWS: &[Row] = &[
    ("case 13: a second return of a visit frees nothing of a later visit", |w| {
        w.sale("P1", "D1", line(&[BOX])).visit("V1").at("2026-03-10 08:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).visit_only("V1").at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX])).visit("V2").at("2026-03-10 10:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX]))
            .visit_only("V1")
            .at("2026-03-10 11:00")
            .gives("BLOCK", &["ALREADY_RETURNED"]);
        w.sale("P2", "D3", line(&[BOX]))
            .at("2026-03-10 12:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 12: a sale heard of beyond the limit, after its own return, stands against nobody", |w| {
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-02 09:00").gives("ALLOW", &["RETURN_UNPAIRED"]);
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-03 09:00").allowed();
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-01 09:00").heard("2026-03-07 09:00").allowed();
    }),
    ("case 14: a split line over two boxes comes back as it was drawn", |w| {
        w.sale("P1", "D1", split(38, &[BOX, BOX_2])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", split(38, &[BOX, BOX_2])).at("2026-03-10 10:00").allowed();
        for (document, boxed) in [("D2", BOX), ("D3", BOX_2)] {
            w.sale("P1", document, line(&[boxed])).at("2026-03-10 11:00").allowed();
        }
    }),
    ("case 14: the return of one draw that is flagged as whole frees one draw", |w| {
        for (document, at) in
            [("D1", "2026-03-10 09:00"), ("D2", "2026-03-11 09:00"), ("D3", "2026-03-12 09:00")]
        {
            w.sale("H1", document, split(12, &[BOX])).visit("V1").at(at).allowed();
        }
        w.takes_back("H1", "D9", line(&[BOX]).of("A", 12)).visit_only("V1").at("2026-03-12 10:00").allowed();
        w.sale("H1", "D4", split(24, &[BOX]))
            .visit("V1")
            .at("2026-03-12 11:00")
            .gives("REMIND", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("case 17: one box scanned twice for one draw is one box", |w| {
        w.sale("P1", "D1", split(40, &[BOX, BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("case 18: a reminder stays a reminder", |w| {
        let draw = || split(120, &[BOX_UNKNOWN]).of("U", 120);
        for visit in ["V1", "V2"] {
            w.sale("P1", "D1", draw())
                .visit(visit)
                .at("2026-03-10 09:00")
                .gives("REMIND", &["SPLIT_UNITS_UNKNOWN"]);
        }
    }),
    ("case 2: a settlement that is heard of after the return is that sale and no resale", |w| {
        w.sale("P1", "D1", line(&[BOX])).visit("V1").at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).visit_only("V1").at("2026-03-10 09:10").allowed();
        w.sale("P1", "", line(&[BOX])).visit_only("V1").at("2026-03-10 09:20").allowed();
        w.sale("P1", "D2", line(&[BOX])).visit("V2").at("2026-03-10 10:00").allowed();
    }),
    ("case 32: a prefix that is not mapped yet says nothing about the size of its pack", |w| {
        w.sale("P1", "D1", line(&[BOX_UNMAPPED]).of("A", 24))
            .at("2026-03-10 09:00")
            .gives("REMIND", &["PREFIX_UNMAPPED"]);
    }),
    ("case 32: packs of two sizes are counted together", |w| {
        w.drug("8300386", "A", Some(10), |_| {});
        w.sale("P1", "D1", line(&[BOX]).of("A", 46))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["CODE_COUNT_MISMATCH"]);
        w.sale("P1", "D2", line(&[BOX]).of("A", 37))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["QUANTITY_NOT_WHOLE"]);
    }),
    ("case 16: thirty minutes to the second is not late yet", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 08:40").allowed();
        let earlier = ["DUPLICATE OTHER_INSTITUTION_CLOSE EARLIER"];
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 08:30")
            .heard("2026-03-10 09:00")
            .gives("BLOCK", &earlier)
            .recorded(false);
        w.sale("P2", "D3", line(&[BOX]))
            .at("2026-03-10 08:30")
            .heard("2026-03-10 09:01")
            .gives("BLOCK", &earlier)
            .recorded(true);
    }),
    ("case 32: a whole pack and a part of it in one request → repeated", |w| {
        w.document("P1", "D1", vec![line(&[BOX]), split(12, &[BOX]).number(2)])
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["CODE_REPEATED"]);
    }),
    ("case 21: nobody can fill up another's box with movements", |w| {
        for n in 0..40 {
            let to = if n % 2 == 0 { None } else { Some("P2") };
            w.moves(MovementKind::StockMove, "P1", to, BOX, "2026-03-10 08:00").recorded(true);
        }
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed().claims(1);
    }),
];

#[test]
fn reviewed() {
    check(ROWS);
}
