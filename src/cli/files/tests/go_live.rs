//! The go-live files, and going on in the middle of a file.

use super::*;
use crate::domain::document::PastEvent;
use jiff::Timestamp;
use rust_decimal::Decimal;

const SALES: &str = "kind,institution_code,document_no,visit_no,occurred_at,code,quantity,split,line_no\n";

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn past_sales_are_read_in_the_forms_that_programs_write() {
    let (rows, rejects) = all::<PastRow>(&format!(
        "{SALES},P13010200114,D1,,2026-03-01 09:00:00,83003850000000131888,,,\n\
         Return,p13010200114,,V1,2026-03-01T01:00:00Z,]C183003850000000131888,2.5,TRUE,3\n\
         sale,P13010200114,D1,,2026-03-01,83003850000000131888,,false,\n"
    ));
    assert_eq!(rejects, []);
    let first = PastEvent {
        institution: InstitutionCode::parse("P13010200114").unwrap(),
        came_back: false,
        document_no: Some("D1".to_owned()),
        visit_no: None,
        occurred_at: moment("2026-03-01T09:00:00+08:00"),
        line: 1,
        catalog_code: None,
        quantity: None,
        line_quantity: None,
        split: false,
        scanned: "83003850000000131888".to_owned(),
    };
    let second = PastEvent {
        came_back: true,
        document_no: None,
        visit_no: Some("V1".to_owned()),
        quantity: Some(Decimal::new(25, 1)),
        split: true,
        line: 3,
        scanned: "]C183003850000000131888".to_owned(),
        ..first.clone()
    };
    let third = PastEvent { occurred_at: moment("2026-03-01T00:00:00+08:00"), ..first.clone() };
    assert_eq!(rows.into_iter().map(|row| row.0).collect::<Vec<_>>(), [first, second, third]);
}

#[test]
fn a_bad_past_sale_names_its_column() {
    let check = |row: &str, column: &str| {
        let (rows, rejects) = all::<PastRow>(&format!("{SALES}{row}\n"));
        assert!(rows.is_empty(), "{row}");
        assert_eq!(rejects[0].column, column, "{row}: {}", rejects[0].reason);
    };
    check("given,P13010200114,D1,,2026-03-01 09:00:00,8300,,,", "kind");
    check("sale,P1301,D1,,2026-03-01 09:00:00,8300,,,", "institution_code");
    check("sale,P13010200114,,,2026-03-01 09:00:00,8300,,,", "document_no");
    check("sale,P13010200114,D1,,1.3.2026,8300,,,", "occurred_at");
    check("sale,P13010200114,D1,,2026-03-01 09:00:00,,,,", "code");
    check("sale,P13010200114,D1,,2026-03-01 09:00:00,8300,-1,,", "quantity");
    check("sale,P13010200114,D1,,2026-03-01 09:00:00,8300,,perhaps,", "split");
    check("sale,P13010200114,D1,,2026-03-01 09:00:00,8300,,,0", "line_no");
}

#[test]
fn returns_alone_are_picked_without_a_look_at_the_rest() {
    let (rows, rejects) = all::<PastReturnRow>(&format!(
        "{SALES}sale,nobody,,,never,,,,\nreturn,P13010200114,D1,,2026-03-01 09:00:00,8300,,,\n"
    ));
    assert_eq!(rejects, []);
    assert_eq!(rows.iter().map(|row| row.0.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn opening_stock_is_a_purchase_of_its_own_source() {
    let (rows, rejects) = all::<OpeningStockRow>(
        "institution_code,catalog_code,quantity,counted_on,lot_no\nP13010200114,XB11,12.5,2026-03-31,L1\n\
         P13010200114,XB11,1,2026-04-01,\nP13010200114,XB11,-1,2026-04-01,\nP13010200114,XB11,,2026-04-01,\n\
         P13010200114,XB11,1,,\n",
    );
    let columns: Vec<_> = rejects.iter().map(|reject| reject.column.as_str()).collect();
    assert_eq!(columns, ["quantity", "quantity", "counted_on"]);
    assert_eq!(rows[0].0.source, PurchaseSource::OpeningStock);
    assert_eq!(rows[0].0.purchased_at, moment("2026-03-31T00:00:00+08:00"));
    assert_ne!(rows[0].0.identity(), rows[1].0.identity(), "another lot");
    let counted_again = PurchaseRecord { quantity: Decimal::TEN, ..rows[0].0.clone() };
    assert_eq!(counted_again.identity(), rows[0].0.identity(), "counting again replaces");
}

#[test]
fn go_live_days_must_be_days() {
    let (rows, rejects) = all::<GoLiveRow>(
        "institution_code,goes_live_on\nP13010200114,2026-04-01\nP13010200114,\nP13010200114,soon\n",
    );
    assert_eq!(rows[0].goes_live_on.to_string(), "2026-04-01");
    assert_eq!(rejects.len(), 2);
}

/// Whatever a file holds, going on at the place behind any of its rows gives the rows that follow.
#[test]
fn a_file_can_be_gone_on_with_behind_every_row() {
    let text = "\u{feff}institution_code,goes_live_on,note\r\nP13010200114,2026-04-01,\"two\nlines\"\r\n\n\
                P13010200115,2026-04-02,\"never closed\nP13010200116,2026-04-03,\n,,\nP13010200117,never,x\n\
                P13010200118,2026-04-04,last";
    let every: Vec<_> = read_rows::<GoLiveRow>(text.as_bytes()).unwrap().collect();
    assert_eq!(every.iter().filter(|row| row.is_ok()).count(), 3, "{every:?}");
    for done in 0..=every.len() {
        let mut rows = read_rows::<GoLiveRow>(text.as_bytes()).unwrap();
        rows.by_ref().take(done).for_each(drop);
        let place = rows.place();
        let rest = &text.as_bytes()[usize::try_from(place.offset_bytes).unwrap()..];
        let fresh = read_rows::<GoLiveRow>(text.as_bytes()).unwrap();
        let rest: Vec<_> = fresh.going_on_at(rest, place).collect();
        assert_eq!(rest, every[done..], "behind row {done}, at {place:?}");
    }
}
