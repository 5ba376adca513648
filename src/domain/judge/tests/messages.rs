//! Messages about one sale, documents as a whole, holds: cases 1, 2, 6, 7, 15 and 45 as far as they are
//! judgements; requests are told at the engine.

use super::*;
use crate::domain::document::Line;
use rust_decimal::Decimal;

/// A box as the settlement message (2207) names it: neither drug nor quantity.
fn settled(scanned: &str) -> Line {
    Line { catalog_code: None, quantity: None, ..line(&[scanned]) }
}

const ROWS: &[Row] = &[
    ("case 1: the same sale again → a REMIND stays a REMIND, counted once", |w| {
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("H2", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"])
            .claims(1);
        let again = w
            .sale("H2", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .heard("2026-03-10 10:01")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        assert_eq!(again.claims(0).judgement.sold, [], "counted once");
    }),
    ("case 2: same institution, code and document over another message → one sale", |w| {
        let first = w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        assert_eq!(first.judgement.sold, [("A".to_owned(), Decimal::from(36))]);
        let second = w
            .report("P1", "D1", vec![line(&[BOX])])
            .at("2026-03-10 09:00")
            .heard("2026-03-10 18:00")
            .allowed();
        assert_eq!(second.judgement.sold, []);
        assert_eq!(w.open_sales(BOX, "2026-03-10 18:00"), 1);
    }),
    ("case 2: same visit, one message without document → one sale, in either order", |w| {
        w.sale("P1", "", settled(BOX)).visit_only("V1").at("2026-03-10 09:00").allowed();
        let second = w.sale("P1", "D1", line(&[BOX])).visit("V1").at("2026-03-10 09:05").allowed();
        assert_eq!(second.judgement.sold, [], "the settlement counted the pack");
        w.sale("P1", "D2", line(&[BOX_2])).visit("V2").at("2026-03-10 09:00").allowed();
        w.sale("P1", "", settled(BOX_2)).visit_only("V2").at("2026-03-10 09:05").allowed();
        for code in [BOX, BOX_2] {
            assert_eq!(w.open_sales(code, "2026-03-10 10:00"), 1);
            w.sale("P2", "D3", line(&[code]))
                .at("2026-03-10 10:00")
                .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        }
    }),
    ("case 2: another document of the same visit → a duplicate, if the pack is whole", |w| {
        w.sale("P1", "D1", line(&[BOX])).visit("V1").at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX]))
            .visit("V1")
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE SAME_INSTITUTION LATER"]);
        w.sale("P1", "D3", split(12, &[BOX_2])).visit("V1").at("2026-03-10 09:00").allowed();
        w.sale("P1", "D4", split(12, &[BOX_2])).visit("V1").at("2026-03-10 10:00").allowed();
    }),
    ("case 2: the visit of another institution says nothing", |w| {
        w.sale("P1", "", settled(BOX)).visit_only("V1").at("2026-03-10 09:00").allowed();
        w.sale("P2", "", settled(BOX))
            .visit_only("V1")
            .at("2026-03-10 09:05")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 2: a split without quantity counts nothing until the sale message brings it", |w| {
        let unknown = Line { split: true, ..settled(BOX) };
        let first = w.sale("H1", "", unknown).visit_only("V1").at("2026-03-10 09:00").allowed();
        assert_eq!(first.judgement.sold, []);
        let second = w.sale("H1", "D1", split(12, &[BOX])).visit("V1").at("2026-03-10 09:05").allowed();
        assert_eq!(second.judgement.sold, [("A".to_owned(), Decimal::from(12))]);
        w.sale("H1", "D2", split(24, &[BOX])).at("2026-03-10 10:00").allowed();
    }),
    ("case 6: one line is blocked → nothing of the document is claimed", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        let both = vec![line(&[BOX_2]), line(&[BOX]).number(2)];
        w.document("P2", "D2", both)
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"])
            .on_lines(&[Some(2)])
            .recorded(false)
            .claims(0);
        w.sale("P2", "D2", line(&[BOX_2])).at("2026-03-10 10:01").allowed().claims(1);
    }),
    ("case 6: a report is recorded line by line, with findings", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        let both = vec![line(&[BOX_2]), line(&[BOX]).number(2)];
        w.report("P2", "D2", both)
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"])
            .on_lines(&[Some(2)])
            .recorded(true)
            .claims(2);
    }),
    ("case 6: one whole pack twice in one document → CODE_REPEATED", |w| {
        let both = vec![line(&[BOX]), line(&[BOX]).number(2)];
        w.document("P1", "D1", both)
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["CODE_REPEATED"])
            .on_lines(&[Some(2)]);
    }),
    ("case 7: one bad code of a line spoils none of its neighbours", |w| {
        w.report("P1", "D1", vec![line(&[BOX, "8300385", BOX_2])])
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["CODE_MALFORMED"])
            .recorded(true)
            .claims(2);
        w.document("P2", "D2", vec![line(&["oops"]), line(&["83003850000000132008"]).number(2)])
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["CODE_MALFORMED"])
            .on_lines(&[Some(1)]);
    }),
    ("case 15: a void frees the document's codes, a sale under it again is the same sale", |w| {
        w.sale("P1", "D1", line(&[BOX, BOX_2])).at("2026-03-10 09:00").allowed();
        assert_eq!(w.void("P1", "D1").len(), 2);
        w.sale("P2", "D2", line(&[BOX_2])).at("2026-03-10 10:00").allowed();
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 11:00").allowed();
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 11:00").heard("2026-03-10 11:05").allowed().claims(0);
        assert_eq!(w.open_sales(BOX, "2026-03-10 12:00"), 1);
        assert_eq!(w.conflicts(BOX, "2026-03-10 12:00"), []);
    }),
    ("case 15: a void frees nothing of another document or institution", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        assert_eq!(w.void("P1", "D2").len() + w.void("P2", "D1").len(), 0);
        assert_eq!(w.open_sales(BOX, "2026-03-10 12:00"), 1);
    }),
    ("case 45: while a hold is undecided another caller gets PENDING, then the code is free", |w| {
        let held = w.hold("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        let end = super::world::moment("2026-03-10 09:30");
        assert_eq!(held.judgement.hold_expires_at, Some(end));
        w.sale("P1", "D2", line(&[BOX]))
            .at("2026-03-10 09:29")
            .gives("PENDING", &["IN_DOUBT"])
            .recorded(false);
        w.sale("P1", "D2", line(&[BOX])).at("2026-03-10 09:30").allowed().recorded(true);
        assert_eq!(w.conflicts(BOX, "2026-03-10 10:00"), [], "an abandoned hold accuses nobody");
    }),
    ("case 45: a late confirmation sells what is still free", |w| {
        w.hold("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.confirm("H1", "D1").at("2026-03-10 11:00").allowed().recorded(true).claims(1);
        w.sale("P1", "D2", line(&[BOX]))
            .at("2026-03-10 12:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 45: … else it is a finding with both sides", |w| {
        w.hold("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX])).at("2026-03-10 10:00").allowed();
        w.confirm("H1", "D1")
            .at("2026-03-10 11:00")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"])
            .recorded(true);
        assert_eq!(w.conflicts(BOX, "2026-03-10 12:00").len(), 2);
    }),
    ("case 45: a hold that is confirmed in time stands where it was taken", |w| {
        w.hold("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.confirm("H1", "D1").at("2026-03-10 09:10").allowed();
        w.sale("P1", "D2", line(&[BOX]))
            .at("2026-03-10 09:20")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 45: a voided hold is free at once", |w| {
        w.hold("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        assert_eq!(w.void("H1", "D1").len(), 1);
        w.sale("P1", "D2", line(&[BOX])).at("2026-03-10 09:10").allowed();
    }),
];

#[test]
fn messages() {
    check(ROWS);
}
