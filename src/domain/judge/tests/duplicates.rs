//! One code, one sale: cases 8, 9, 16, 21 and 22.

use super::world::moment;
use super::*;
use crate::domain::claim::MovementKind;
use crate::domain::verdict::{DuplicateClass, Evidence, OtherSale, Role};

const ROWS: &[Row] = &[
    (
        "case 8: same institution, other document, whole pack → SAME_INSTITUTION, a pharmacy is blocked",
        |w| {
            w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
            w.sale("P1", "D2", line(&[BOX]))
                .at("2026-03-10 10:00")
                .gives("BLOCK", &["DUPLICATE SAME_INSTITUTION LATER"])
                .recorded(false);
        },
    ),
    ("case 8: … and a hospital is reminded", |w| {
        w.sale("H1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("H1", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("REMIND", &["DUPLICATE SAME_INSTITUTION LATER"])
            .recorded(true);
    }),
    ("case 8: … by policy", |w| {
        w.rules(
            "[[rule]]\nreason = 'DUPLICATE'\nclass = 'SAME_INSTITUTION'\ndivision_prefix = '1301'\n\
             enforcement = 'observe'\n",
        );
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("ALLOW", &["DUPLICATE SAME_INSTITUTION LATER"]);
    }),
    ("case 8: a blocked attempt is no sale: it stands in nobody's way", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P2", "D2", line(&[BOX, BOX_2]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        w.sale("P3", "D3", line(&[BOX_2])).at("2026-03-10 11:00").allowed();
    }),
    ("case 9: another institution two days apart → close", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-08 09:00").allowed();
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 9: two months apart → long gap", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-01-10 09:00").allowed();
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_LONG_GAP LATER"]);
    }),
    ("case 9: exactly at the window's edge → close, a minute later → long gap", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-01 09:00").allowed();
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-08 09:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        w.sale("P3", "D3", line(&[BOX]))
            .at("2026-03-08 09:01")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_LONG_GAP LATER"]);
    }),
    ("case 9: … also where the earlier event is heard of last", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.report("P2", "D2", vec![line(&[BOX])])
            .at("2026-03-08 09:00")
            .heard("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE EARLIER"]);
    }),
    ("case 9: … with a long gap as well", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.report("P3", "D3", vec![line(&[BOX])])
            .at("2026-03-03 08:59")
            .heard("2026-03-10 11:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_LONG_GAP EARLIER"]);
    }),
    ("case 16: reported late, after a sale that happened later → recorded, EARLIER", |w| {
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-10 10:00").allowed();
        let told = w
            .sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .heard("2026-03-10 12:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE EARLIER"])
            .recorded(true);
        let later = OtherSale {
            institution: Some(super::world::code("P2")),
            same_institution: false,
            occurred_at: moment("2026-03-10 10:00"),
            received_at: moment("2026-03-10 10:00"),
            proposed: false,
        };
        assert_eq!(*told.evidence("DUPLICATE"), Evidence::OtherSale(later));
        let roles: Vec<_> =
            w.conflicts(BOX, "2026-03-10 12:00").iter().map(|c| (c.role, c.other.occurred_at)).collect();
        let named = [(Role::Earlier, "2026-03-10 10:00"), (Role::Later, "2026-03-10 09:00")];
        assert_eq!(
            roles,
            named.map(|(role, other)| (role, moment(other))),
            "the later event is the duplicate"
        );
    }),
    ("case 16: reported beyond the second limit → the EARLIER place is only proposed", |w| {
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-10 10:00").allowed();
        let told = w
            .sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .heard("2026-03-13 09:01")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE EARLIER"])
            .recorded(true);
        assert!(matches!(told.evidence("DUPLICATE"), Evidence::OtherSale(OtherSale { proposed: true, .. })));
    }),
    ("case 21: stock-in, count and move, and then the sale → never a duplicate", |w| {
        // Only a move to somebody else says anything about a later sale.
        for (kind, to, claims) in [
            (MovementKind::StockIn, None, 0),
            (MovementKind::StockCount, None, 0),
            (MovementKind::StockMove, Some("P2"), 1),
        ] {
            let told = w.moves(kind, "P1", to, BOX, "2026-03-10 08:00").recorded(true).claims(claims);
            assert_eq!(told.judgement.findings, []);
        }
        w.sale("P2", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        let told = w.moves(MovementKind::StockCount, "P2", None, BOX, "2026-03-10 10:00").recorded(true);
        assert_eq!(told.judgement.findings, []);
    }),
    ("case 22: self-paid, then insured → duplicate", |w| {
        w.sale("P1", "D1", line(&[BOX]).self_paid()).at("2026-03-10 09:00").allowed().claims(1);
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 22: insured, then self-paid → duplicate, but no more than a reminder", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P2", "D2", line(&[BOX]).self_paid())
            .at("2026-03-10 10:00")
            .gives("REMIND", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"])
            .recorded(true);
    }),
];

#[test]
fn duplicates() {
    check(ROWS);
}

#[test]
fn every_class_of_duplicate_but_pack_overlap_is_told_somewhere() {
    // Packs inside packs need a parent map, which no source offers yet.
    let told = [include_str!("duplicates.rs"), include_str!("splits.rs")].concat();
    let missing: Vec<_> =
        DuplicateClass::ALL.iter().filter(|class| !told.contains(&format!("DUPLICATE {class} "))).collect();
    assert_eq!(missing, [&DuplicateClass::PackOverlap]);
}
