//! Histories that are imported, as stories: what is recorded, what is found, and that a second import changes
//! nothing.

mod list;
mod orders;

use super::world::{code, dec, moment};
use super::*;
use crate::domain::claim::{EVENTS_PER_INSTITUTION_MAX, Event, SaleStatus};
use crate::domain::document::PastEvent;
use list::{COUNT, FIND, NOW, OFF, back, sold};

const ROWS: &[Row] = &[
    ("a sale of the past is a sale: the box is a duplicate at the counter", |w| {
        w.knows(OFF, &[sold("P1", "D1", "2026-03-04 09:00", BOX)], &["added"]);
        w.sale("P2", "D2", line(&[BOX])).at(NOW).gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
        w.sale("P1", "D3", line(&[BOX])).at(NOW).gives("BLOCK", &["DUPLICATE SAME_INSTITUTION LATER"]);
    }),
    ("its own day counts, not the day of the import", |w| {
        w.knows(OFF, &[sold("P1", "D1", "2026-01-04 09:00", BOX)], &["added"]);
        let told = w
            .sale("P2", "D2", line(&[BOX]))
            .at(NOW)
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_LONG_GAP LATER"]);
        let crate::domain::verdict::Evidence::OtherSale(other) = told.evidence("DUPLICATE") else { panic!() };
        let day = moment("2026-01-04 09:00");
        assert_eq!((other.occurred_at, other.received_at, other.proposed), (day, day, false));
    }),
    ("its own sale at the counter again, under the same document → the same sale", |w| {
        w.knows(FIND, &[sold("P1", "D1", "2026-03-10 08:50", BOX)], &["added"]);
        w.sale("P1", "D1", line(&[BOX])).at(NOW).allowed().claims(0);
    }),
    ("a live sale of the document stands: known, or told its earlier moment", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-09 09:00").allowed();
        let rows = [sold("P1", "D1", "2026-03-09 09:05", BOX), sold("P1", "D1", "2026-03-09 08:55", BOX)];
        w.knows(FIND, &rows, &["known", "added_to_known"]);
        assert_eq!(w.open_sales(BOX, NOW), 1);
        w.sale("P2", "D2", line(&[BOX])).at(NOW).gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("what was found at the counter is not wiped out by a list that knows the sale", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-08 09:00").allowed();
        let found = &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"];
        w.report("P2", "D2", vec![line(&[BOX])]).at("2026-03-09 09:00").gives("BLOCK", found);
        let list = [sold("P2", "D2", "2026-03-09 08:59", BOX)];
        assert_eq!(w.imports(OFF, &list), ["added_to_known"]);
        w.report("P2", "D2", vec![line(&[BOX])]).at("2026-03-09 09:00").gives("BLOCK", found);
    }),
    ("duplicates are found once, with their class and side, and kept", |w| {
        let rows = [
            sold("P1", "D1", "2026-01-01 09:00", BOX),
            sold("P1", "D2", "2026-01-02 09:00", BOX),
            sold("P1", "D1", "2026-01-01 09:00", BOX_2),
            sold("P2", "D1", "2026-03-01 09:00", BOX_2),
        ];
        w.knows(
            FIND,
            &rows,
            &[
                "added",
                "added DUPLICATE SAME_INSTITUTION LATER",
                "added",
                "added DUPLICATE OTHER_INSTITUTION_LONG_GAP LATER",
            ],
        );
        let Event::Sale(kept) = &w.histories[&w.key(BOX)].events[1] else { panic!() };
        assert_eq!(kept.first_findings.len(), 1);
    }),
    ("a row that turns out to be the earlier one is told so", |w| {
        assert_eq!(w.imports(FIND, &[sold("P1", "D1", "2026-03-02 09:00", BOX)]), ["added"]);
        let earlier = [sold("P2", "D2", "2026-03-01 09:00", BOX)];
        w.knows(FIND, &earlier, &["added DUPLICATE OTHER_INSTITUTION_CLOSE EARLIER"]);
    }),
    ("with findings off facts are recorded and nobody is looked for", |w| {
        let rows = [sold("P1", "D1", "2026-01-01 09:00", BOX), sold("P2", "D2", "2026-01-02 09:00", BOX)];
        w.knows(OFF, &rows, &["added", "added"]);
        let kept = |e: &Event| matches!(e, Event::Sale(s) if s.first_findings.is_empty());
        assert!(w.histories[&w.key(BOX)].events.iter().all(kept));
        assert_eq!(w.conflicts(BOX, NOW).len(), 2, "an audit still sees both sides");
    }),
    ("sale, return, sale → nobody is accused, in whatever order a batch has them", |w| {
        let rows = [
            sold("P2", "D2", "2026-02-03 09:00", BOX),
            back("P1", "D1", "2026-02-02 09:00", BOX),
            sold("P1", "D1", "2026-02-01 09:00", BOX),
        ];
        w.knows(FIND, &rows, &["added", "added", "added"]);
        assert_eq!((w.conflicts(BOX, NOW), w.open_sales(BOX, NOW)), (vec![], 1));
    }),
    ("a list that knows only days: sale and return of one moment, then a resale", |w| {
        let day = "2026-02-01 00:00";
        let rows = [
            sold("P1", "D1", day, BOX),
            back("P1", "D1", day, BOX),
            sold("P2", "D2", "2026-02-02 00:00", BOX),
        ];
        w.knows(FIND, &rows, &["added", "added", "added"]);
        assert_eq!((w.conflicts(BOX, NOW), w.open_sales(BOX, NOW)), (vec![], 1));
    }),
    ("a second return of one sale is refused, the first stays", |w| {
        let rows = [
            sold("P1", "D1", "2026-02-01 09:00", BOX),
            back("P1", "D1", "2026-02-02 09:00", BOX),
            back("P1", "D1", "2026-02-03 09:00", BOX),
        ];
        w.knows(FIND, &rows, &["added", "added", "refused ALREADY_RETURNED"]);
    }),
    ("a return that came first finds its sale", |w| {
        assert_eq!(w.imports(FIND, &[back("P1", "D1", "2026-02-02 09:00", BOX)]), ["added"]);
        w.knows(FIND, &[sold("P1", "D1", "2026-02-01 09:00", BOX)], &["added"]);
        w.sale("P2", "D2", line(&[BOX])).at(NOW).allowed();
    }),
    ("one sale over two channels: by document, by visit where one has none", |w| {
        let rows = [
            sold("H1", "D1", "2026-02-01 09:00", BOX).visit("V1"),
            sold("H1", "", "2026-02-01 09:02", BOX).visit("V1").without_document(),
            sold("H1", "D1", "2026-02-01 09:03", BOX),
        ];
        assert_eq!(w.imports(FIND, &rows), ["added", "known", "known"]);
    }),
    ("draws within the pack are lawful, one unit more is an over-draw", |w| {
        let draw = |document, day: &str, units| {
            sold("H1", document, &format!("2026-02-{day} 09:00"), BOX).draws(units)
        };
        let rows = [draw("D1", "01", 12), draw("D2", "02", 12), draw("D3", "03", 12), draw("D4", "04", 1)];
        w.knows(FIND, &rows, &["added", "added", "added", "added DUPLICATE SPLIT_OVERDRAW LATER"]);
    }),
    ("two draws of one document are told apart by their line", |w| {
        let draw = |line| sold("H1", "D1", "2026-02-01 09:00", BOX).draws(12).on_line(line);
        w.knows(FIND, &[draw(1), draw(2)], &["added", "added"]);
        assert_eq!(w.imports(FIND, &[draw(2)]), ["known"]);
    }),
    ("a whole sale of a split box is found", |w| {
        let rows =
            [sold("H1", "D1", "2026-02-01 09:00", BOX).draws(12), sold("H1", "D2", "2026-02-02 09:00", BOX)];
        w.knows(FIND, &rows, &["added", "added DUPLICATE WHOLE_AND_SPLIT LATER"]);
    }),
    ("a part that comes back can be drawn again", |w| {
        let draw = |document, at| sold("H1", document, at, BOX).draws(36);
        let rows = [
            draw("D1", "2026-02-01 09:00"),
            back("H1", "D1", "2026-02-02 09:00", BOX).draws(36),
            draw("D2", "2026-02-03 09:00"),
        ];
        w.knows(FIND, &rows, &["added", "added", "added"]);
    }),
    ("a carton that has the only code serves as many as it holds, whatever the split flag says", |w| {
        let bottle = |n: u32| {
            let event = sold("H1", &format!("D{n}"), &format!("2026-02-01 09:{n:02}"), CARTON_ONLY);
            PastEvent { quantity: Some(60.into()), ..event }
        };
        w.knows(
            FIND,
            &[bottle(1), bottle(2), bottle(3)],
            &["added", "added", "added DUPLICATE SPLIT_OVERDRAW LATER"],
        );
    }),
    ("what was voided since stays voided", |w| {
        let list = [sold("P1", "D1", "2026-03-09 09:00", BOX)];
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-09 09:00").allowed();
        assert_eq!(w.void("P1", "D1"), [BOX]);
        assert_eq!(w.imports(FIND, &list), ["known"]);
        w.sale("P2", "D2", line(&[BOX])).at(NOW).allowed();
    }),
    ("a hold of the document is ended: it was sold", |w| {
        w.hold("P1", "D1", line(&[BOX])).at("2026-03-10 08:45").allowed();
        w.knows(FIND, &[sold("P1", "D1", "2026-03-10 08:45", BOX)], &["added_to_known"]);
    }),
    ("an institution that is not registered is recorded, and told", |w| {
        let rows = [sold("P9", "D1", "2026-02-01 09:00", BOX), sold("P1", "D1", "2026-02-01 09:00", BOX_2)];
        let told = w.judges(OFF, &rows).answers;
        assert_eq!(told.iter().map(|a| a.is_registered).collect::<Vec<_>>(), [false, true]);
        w.knows(FIND, &rows, &["added", "added"]);
    }),
    ("what cannot be true is refused, and spoils no neighbour", |w| {
        let good = |n: u32| sold("P1", "D1", "2026-02-01 09:00", &format!("8300385{n:013}"));
        let bad = |scanned: &str| sold("P1", "D1", "2026-02-01 09:00", scanned);
        let rows = [
            good(1),
            bad("6901234567892"),
            bad("99999999999999999999"),
            bad("8.3E+19"),
            bad("(01)04006381333931(10)LOT1"),
            good(2).without_document(),
            PastEvent { quantity: Some(0.into()), ..good(3) },
            sold("P1", "D1", "2026-03-10 09:06", BOX),
            sold("P1", "D1", "1970-01-01 08:00", BOX),
            good(4),
        ];
        let expected = [
            "added",
            "refused PRODUCT_BARCODE",
            "refused PLACEHOLDER_CODE",
            "refused CODE_CORRUPTED",
            "refused SERIAL_MISSING",
            "refused document_no",
            "refused quantity",
            "refused EVENT_TIME_IN_FUTURE",
            "refused occurred_at",
            "added",
        ];
        w.knows(FIND, &rows, &expected);
    }),
    ("a moment slightly ahead of the clock is now", |w| {
        w.knows(FIND, &[sold("P1", "D1", "2026-03-10 09:04", BOX)], &["added"]);
        let Event::Sale(kept) = &w.histories[&w.key(BOX)].events[0] else { panic!() };
        assert_eq!((kept.occurred_at, kept.status), (moment(NOW), SaleStatus::Sold));
    }),
    ("no institution fills up a box", |w| {
        let draw = |n: usize| {
            let event = sold("H1", &format!("D{n}"), "2026-02-01 09:00", CARTON_ONLY);
            PastEvent { quantity: Some(dec("0.1")), ..event }
        };
        let rows: Vec<_> = (0..=EVENTS_PER_INSTITUTION_MAX).map(draw).collect();
        let told = w.imports(OFF, &rows);
        assert_eq!(told.last().map(String::as_str), Some("refused H13010200001"));
        assert_eq!(told.iter().filter(|t| *t == "added").count(), EVENTS_PER_INSTITUTION_MAX);
        let mut other = draw(0);
        other.institution = code("H2");
        assert_eq!(w.imports(OFF, &[other]), ["added"]);
    }),
    ("nothing is counted as sold unless it is asked for, and nothing twice", |w| {
        let rows = [
            sold("P1", "D1", "2026-02-01 09:00", BOX),
            sold("P1", "D1", "2026-02-01 09:00", BOX_2).draws(12),
            sold("P1", "D1", "2026-02-01 09:00", BOX_UNMAPPED),
        ];
        let mut other = World::new(w.name);
        assert_eq!(other.counts(OFF, &rows), "");
        assert_eq!(w.counts(COUNT, &rows), "A 48");
        assert_eq!(w.counts(COUNT, &rows), "");
    }),
    ("what came back is not sold, whether its return is told before or after", |w| {
        let (sale, return_) =
            (sold("P1", "D1", "2026-02-01 09:00", BOX), back("P1", "D1", "2026-02-02 09:00", BOX));
        let mut other = World::new(w.name);
        assert_eq!(other.counts(COUNT, std::slice::from_ref(&return_)), "");
        assert_eq!(other.counts(COUNT, std::slice::from_ref(&sale)), "");
        assert_eq!(w.counts(COUNT, &[sale]), "A 36");
        assert_eq!(w.counts(COUNT, &[return_]), "A -36");
    }),
    ("a part that came back before its sale was told is not sold", |w| {
        assert_eq!(w.counts(COUNT, &[back("P1", "D1", "2026-02-02 09:00", BOX).draws(5)]), "");
        assert_eq!(w.counts(COUNT, &[sold("P1", "D1", "2026-02-01 09:00", BOX).draws(12)]), "A 7");
    }),
];

#[test]
fn histories_are_recorded_once_and_accuse_nobody_wrongly() {
    check(ROWS);
}
