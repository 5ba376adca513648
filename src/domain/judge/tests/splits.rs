//! Parts of packs: cases 17 to 20.

use super::*;
use crate::domain::claim::MovementKind;

const ROWS: &[Row] = &[
    ("case 17: 12 of 36 on three days → ALLOW, one more unit → over-draw", |w| {
        for (day, document) in ["D1", "D2", "D3"].iter().enumerate() {
            let time = format!("2026-03-1{day} 09:00");
            w.sale("P1", document, split(12, &[BOX])).at(&time).allowed();
        }
        w.sale("P1", "D4", split(1, &[BOX]))
            .at("2026-03-13 09:00")
            .gives("BLOCK", &["DUPLICATE SPLIT_OVERDRAW LATER"])
            .recorded(false);
    }),
    ("case 17: daily draws on a ward are told apart by quantity and document", |w| {
        w.sale("H1", "D1", split(12, &[BOX])).visit("V1").ward().at("2026-03-10 09:00").allowed();
        w.sale("H1", "D2", split(12, &[BOX])).visit("V1").ward().at("2026-03-11 09:00").allowed();
        w.sale("H1", "D3", split(12, &[BOX])).visit("V1").ward().at("2026-03-12 09:00").allowed();
        w.sale("H1", "D4", split(1, &[BOX]))
            .visit("V1")
            .ward()
            .at("2026-03-13 09:00")
            .gives("REMIND", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("case 17: more than a pack in one draw → over-draw, also as the first sale", |w| {
        w.sale("P1", "D1", split(37, &[BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["DUPLICATE SPLIT_OVERDRAW LATER"])
            .recorded(false);
        w.sale("P1", "D2", split(36, &[BOX])).at("2026-03-10 10:00").allowed();
    }),
    ("case 17: what comes back may be drawn again", |w| {
        w.sale("P1", "D1", split(30, &[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", split(6, &[BOX])).at("2026-03-10 10:00").allowed();
        w.sale("P1", "D2", split(12, &[BOX])).at("2026-03-10 11:00").allowed();
        w.sale("P1", "D3", split(1, &[BOX]))
            .at("2026-03-10 12:00")
            .gives("BLOCK", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("case 17: a whole-pack sale of an opened box → WHOLE_AND_SPLIT, and the other way round", |w| {
        w.sale("P1", "D1", split(12, &[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE WHOLE_AND_SPLIT LATER"]);
        w.sale("P1", "D3", line(&[BOX_2])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D4", split(1, &[BOX_2]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE WHOLE_AND_SPLIT LATER"]);
    }),
    (
        "case 18: units per pack unknown → ALLOW, a reminder once over the cap, never a whole-pack duplicate",
        |w| {
            let draw = |units| split(units, &[BOX_UNKNOWN]).of("U", units);
            w.sale("P1", "D1", draw(60)).at("2026-03-10 09:00").gives("ALLOW", &["SPLIT_UNITS_UNKNOWN"]);
            w.sale("P1", "D2", draw(40))
                .at("2026-03-10 10:00")
                .gives("ALLOW", &["SPLIT_UNITS_UNKNOWN"])
                .numbers("SPLIT_UNITS_UNKNOWN", 100, 100);
            w.sale("P1", "D3", draw(1))
                .at("2026-03-10 11:00")
                .gives("REMIND", &["SPLIT_UNITS_UNKNOWN"])
                .numbers("SPLIT_UNITS_UNKNOWN", 100, 101);
        },
    ),
    ("case 19: split sales of one box at two institutions → finding", |w| {
        w.sale("P1", "D1", split(12, &[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P2", "D2", split(12, &[BOX]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["SPLIT_ELSEWHERE LATER"]);
    }),
    ("case 19: … unless a stock move links them", |w| {
        w.sale("P1", "D1", split(12, &[BOX])).at("2026-03-10 09:00").allowed();
        w.moves(MovementKind::StockMove, "P1", Some("P2"), BOX, "2026-03-10 09:30").recorded(true);
        w.sale("P2", "D2", split(12, &[BOX])).at("2026-03-10 10:00").allowed();
        w.sale("P3", "D3", split(6, &[BOX]))
            .at("2026-03-10 11:00")
            .gives("BLOCK", &["SPLIT_ELSEWHERE LATER"]);
    }),
    ("case 19: a move to somebody else, or a mere count, links nobody", |w| {
        w.sale("H1", "D1", split(12, &[BOX])).at("2026-03-10 09:00").allowed();
        w.moves(MovementKind::StockMove, "H1", Some("P3"), BOX, "2026-03-10 09:30").recorded(true);
        w.moves(MovementKind::StockCount, "H2", None, BOX, "2026-03-10 09:40").recorded(true);
        w.sale("H2", "D2", split(12, &[BOX]))
            .at("2026-03-10 10:00")
            .gives("REMIND", &["SPLIT_ELSEWHERE LATER"]);
    }),
    ("case 20: carton-only product → ALLOW up to its units, whatever the split flag says", |w| {
        w.sale("H1", "D1", line(&[CARTON_ONLY]).of("K", 60)).at("2026-03-10 09:00").allowed();
        w.sale("H1", "D2", split(59, &[CARTON_ONLY]).of("K", 59)).at("2026-03-10 10:00").allowed();
        w.sale("H1", "D3", line(&[CARTON_ONLY]).of("K", 1)).at("2026-03-10 11:00").allowed();
        w.sale("H1", "D4", line(&[CARTON_ONLY]).of("K", 1))
            .at("2026-03-10 12:00")
            .gives("REMIND", &["DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("case 20: a carton or middle code of another product → BLOCK, scan the small code", |w| {
        for (document, outer) in [("D1", "83003860000000131888"), ("D2", "83003870000000131888")] {
            w.sale("P1", document, line(&[outer]))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["NOT_SMALLEST_PACK"])
                .recorded(false);
            w.sale("H1", document, line(&[outer]))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &["NOT_SMALLEST_PACK"]);
        }
    }),
];

#[test]
fn splits() {
    check(ROWS);
}
