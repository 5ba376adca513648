//! Every cell that can stand in the way of a row, and the words that say so.

use super::*;

/// The column and reason of the only row of a file.
fn only_reject<T: Row>(header: &str, row: &str) -> (String, String) {
    let (good, bad) = all::<T>(&format!("{header}{row}\n"));
    assert!(good.is_empty(), "taken: {row}");
    match bad.as_slice() {
        [reject] => (reject.column.clone(), reject.reason.clone()),
        other => panic!("{row}: {other:?}"),
    }
}

#[test]
fn names_the_cell_that_stands_in_the_way() {
    let check = |(column, reason): (String, String), expected: &str, part: &str| {
        assert_eq!(column, expected, "{reason}");
        assert!(reason.contains(part), "{reason} lacks {part}");
    };
    let good = ["H13010400001", "医院", "hospital", "130104", "public", "2019-05-01", "", "", "active"];
    for (place, cell, column, part) in [
        (0, "X13010400001", "institution_code", "H13010200123"),
        (0, "", "institution_code", "empty"),
        (1, "a\u{0}b", "name", "control"),
        (2, "clinic", "kind", "hospital, pharmacy"),
        (2, "pharmacy", "kind", "that of a hospital"),
        (3, "13010", "division", "six-digit"),
        (4, "state", "ownership", "public, private"),
        (5, "2019/5/1", "agreement_signed_on", "yyyy-MM-dd"),
        (5, "20190501", "agreement_signed_on", "yyyy-MM-dd"),
        (6, "2026-02-30", "transition_ends_on", "existing day"),
        (8, "", "status", "active, suspended"),
    ] {
        let mut cells = good.to_vec();
        cells[place] = cell;
        check(only_reject::<Institution>(INSTITUTIONS, &cells.join(",")), column, part);
    }
    let long = "长".repeat(201);
    let row = format!("H13010400001,{long},hospital,130104,public,,,,active");
    check(only_reject::<Institution>(INSTITUTIONS, &row), "name", "201 characters");

    let good = ["8000011", "XB11", "n", "small", "10", "western", "tablet", "false", "false", "165.46"];
    for (place, cell, column, part) in [
        (0, "800001", "code_prefix", "7 digits"),
        (0, "6901234567892", "code_prefix", "leading zeros"),
        (0, "800001X", "code_prefix", "7 digits"),
        (1, "", "catalog_code", "filled in"),
        (3, "box", "pack_level", "small, middle, large"),
        (4, "0", "units_per_pack", "from 1"),
        (4, "+5", "units_per_pack", "from 1"),
        (4, "1.5", "units_per_pack", "from 1"),
        (4, "4294967296", "units_per_pack", "from 1"),
        (5, "drug", "drug_class", "in_house"),
        (7, "", "carton_only", "true, false"),
        (9, "-1", "listed_price", "negative"),
        (9, "abc", "listed_price", "not a number"),
    ] {
        let mut cells = good.to_vec();
        cells[place] = cell;
        check(only_reject::<Drug>(DRUGS, &cells.join(",")), column, part);
    }

    let good = ["H13010400001", "XB11", "filed", "PO1", "s", "L1", "10", "1.5", "2026-01-05T09:00:00+08:00"];
    for (place, cell, column, part) in [
        (2, "shop", "source", "platform, filed, opening_stock"),
        (3, "", "order_no", "empty"),
        (6, "0.00", "quantity", "is 0"),
        (6, "", "quantity", "not a number"),
        (6, "99999999999999999999999999999", "quantity", "28 digits"),
        (7, "-1.5", "unit_price", "negative"),
        (8, "2026-01-05 09:00:00", "purchased_at", "+08:00"),
    ] {
        let mut cells = good.to_vec();
        cells[place] = cell;
        check(only_reject::<PurchaseRecord>(PURCHASES, &cells.join(",")), column, part);
    }

    let header = "catalog_code,division_prefix,valid_from,valid_to,note\n";
    check(only_reject::<NoCodeEntry>(header, "XB11,13*,,,"), "division_prefix", "six digits");
    check(
        only_reject::<NoCodeEntry>(header, "XB11,,2026-01-02,2026-01-01,"),
        "valid_to",
        "before valid_from",
    );
    let header = "institution_code,complete_up_to\n";
    check(
        only_reject::<PurchaseFeed>(header, "1301021*,2026-01-05T09:00:00Z"),
        "institution_code",
        "six digits",
    );
}
