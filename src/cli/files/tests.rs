//! The files room as a whole: good rows come out, bad rows come out as rejects, files that are none are refused.

mod bad_cells;
mod go_live;

use super::*;
use crate::domain::drug::{Drug, NoCodeEntry, PackLevel};
use crate::domain::party::{Institution, InstitutionCode, InstitutionKind};
use crate::domain::purchase::{FeedScope, PurchaseFeed, PurchaseRecord, PurchaseSource};
use proptest::prelude::*;
use std::io::Read;

const INSTITUTIONS: &str = "institution_code,name,kind,division,ownership,agreement_signed_on,transition_ends_on,chain_group,status\n";
const DRUGS: &str = "code_prefix,catalog_code,name,pack_level,units_per_pack,drug_class,dosage_form,carton_only,must_split,listed_price\n";
const PURCHASES: &str =
    "institution_code,catalog_code,source,order_no,supplier,lot_no,quantity,unit_price,purchased_at\n";

fn all<T: Row>(text: &str) -> (Vec<T>, Vec<Reject>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in read_rows::<T>(text.as_bytes()).expect("a readable file") {
        match row {
            Ok(row) => good.push(row),
            Err(reject) => bad.push(reject),
        }
    }
    (good, bad)
}

#[test]
fn reads_the_files_of_a_day() {
    let (institutions, rejects) = all::<Institution>(&format!(
        "{INSTITUTIONS}H13010400001,医院00001,hospital,130104,public,2019-05-01,,,active\n\
         P13010200114,药店00114,pharmacy,130203,private,2025-06-01,2026-01-01,CHAIN1,suspended\n"
    ));
    assert_eq!(rejects, []);
    assert_eq!(institutions[0].agreement_signed_on, Some("2019-05-01".parse().unwrap()));
    assert_eq!((institutions[0].chain_group.as_deref(), institutions[0].goes_live_on), (None, None));
    assert_eq!(institutions[1].kind, InstitutionKind::Pharmacy);
    assert_eq!(institutions[1].chain_group.as_deref(), Some("CHAIN1"));
    // An area may be redrawn: the division need not be the one in the code.
    assert_eq!(institutions[1].division.to_string(), "130203");

    let (drugs, rejects) = all::<Drug>(&format!(
        "{DRUGS}8000011,XB11BB001A0010100010001,药品0001,small,10,western,tablet,false,false,165.46\n\
         06901234567892,XC22CC002A0020100020002,\"药品, 0002\",large,,tcm_pieces,pieces,TRUE,False,\n"
    ));
    assert_eq!(rejects, []);
    assert_eq!((drugs[0].units_per_pack, drugs[0].listed_price), (Some(10), Some("165.46".parse().unwrap())));
    assert_eq!((drugs[1].units_per_pack, drugs[1].listed_price), (None, None));
    assert_eq!((drugs[1].name.as_str(), drugs[1].pack_level), ("药品, 0002", PackLevel::Large));
    assert!(drugs[1].carton_only && !drugs[1].must_split);

    let (purchases, rejects) = all::<PurchaseRecord>(&format!(
        "{PURCHASES}H13010400001,XB11,platform,PO0000000,国药控股河北,L2601,1000000,13.2368,2026-01-05T09:00:00+08:00\n\
         H13010400001,XB11,opening_stock,,,,-2.5,,2026-01-05T01:00:00Z\n"
    ));
    assert_eq!(rejects, []);
    assert_eq!(purchases[0].purchased_at, purchases[1].purchased_at);
    assert_eq!(
        (purchases[1].source, purchases[1].quantity.to_string()),
        (PurchaseSource::OpeningStock, "-2.5".into())
    );
}

#[test]
fn reads_the_optional_files() {
    let (feeds, rejects) = all::<PurchaseFeed>(
        "institution_code,complete_up_to\nH13010400001,2026-03-09T00:00:00+08:00\n13*,2026-03-09T00:00:00+08:00\n*,2026-03-09T00:00:00+08:00\n",
    );
    assert_eq!(rejects, []);
    let scopes: Vec<_> = feeds.into_iter().map(|feed| feed.scope).collect();
    let institution = InstitutionCode::parse("H13010400001").unwrap();
    let prefix = |digits: &str| FeedScope::DivisionPrefix(digits.to_owned());
    assert_eq!(scopes, [FeedScope::Institution(institution), prefix("13"), prefix("")]);

    let (entries, rejects) = all::<NoCodeEntry>(
        "catalog_code,division_prefix,valid_from,valid_to,note\nXB11,,,,\nXB12,1301,2025-07-01,2025-12-31,\"old\nstock\"\n",
    );
    assert_eq!(rejects, []);
    assert_eq!((entries[0].valid_from, entries[1].note.as_str()), (None, "old\nstock"));

    let (schemes, rejects) = all::<OwnSchemeRow>(
        "issuer,pattern,catalog_code,pack_level,units_per_pack\nACME,\"^AC[0-9]{3,9}$\",,small,12\n",
    );
    assert_eq!(rejects, []);
    assert_eq!((schemes[0].pattern.as_str(), &schemes[0].catalog_code), ("^AC[0-9]{3,9}$", &None));
}

#[test]
fn a_bad_row_never_stops_the_rest_and_keeps_its_line() {
    let feed = |code: &str| format!("{code},2026-03-09T00:00:00Z");
    let (first, second) = (feed("H13010400001"), feed("H13010400002"));
    let header = "institution_code,complete_up_to";
    let check = |body: &str, good: usize, lines: &[u64]| {
        let (taken, rejects) = all::<PurchaseFeed>(&format!("{header}\n{body}"));
        let found: Vec<u64> = rejects.iter().map(|reject| reject.line).collect();
        assert_eq!((taken.len(), found.as_slice()), (good, lines), "{body:?}: {rejects:?}");
    };
    check(&format!("{first}\nbad,x\n{second}"), 2, &[3]);
    check(&format!("\n\n{first}\r\n , \r\nbad,x\r\n{second}\r\n"), 2, &[6]);
    check(&format!("{first},more\n{second}\nH1"), 1, &[2, 4]);
    // Quotes: a comma or a line break inside, a stray quote, two stray quotes, one quote in the middle.
    check(&format!("\"H13010400001\",\"2026-03-09T00:00:00Z\"\n\"a\nb\",x\nbad,x\n{second}"), 2, &[3, 5]);
    check(&format!("\"{first}\n{second}\n{second}\n"), 2, &[2]);
    check(&format!("\"{first}\n{second}\n{second}\"\n{second}\n"), 2, &[2, 4]);
    check(&format!("a\"b,x\n{second}\nc\"d,x\n{second}\n"), 2, &[2, 4]);
    let many = format!("{second}\n").repeat(300);
    check(&format!("\"{first}\n{many}"), 300, &[2]);
    check(&format!("{}\n{second}", "x".repeat(70_000)), 1, &[2]);
    check("", 0, &[]);
}

#[test]
fn columns_come_in_any_order_with_strangers_between_them() {
    let (feeds, rejects) = all::<PurchaseFeed>(
        "\u{feff}note, Complete_Up_To ,institution_code\nx,2026-03-09T00:00:00Z,H13010400001\n",
    );
    assert_eq!((feeds.len(), rejects.len()), (1, 0));
    let text = INSTITUTIONS.replace("status", "status,goes_live_on")
        + "H13010400001,n,hospital,130104,public,,,,active,2026-04-01\n";
    let (institutions, _) = all::<Institution>(&text);
    assert_eq!(institutions[0].goes_live_on, Some("2026-04-01".parse().unwrap()));
}

#[test]
fn refuses_what_is_no_such_file() {
    let check = |bytes: &[u8], parts: &[&str]| {
        let error = read_rows::<PurchaseFeed>(bytes).err().expect("refused").to_string();
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    };
    check(b"", &["purchase_feeds.csv", "empty", "complete_up_to"]);
    check(b"\n,,\n", &["empty"]);
    check(b"institution_code,up_to\n", &["missing column(s) complete_up_to", "institution_code, up_to"]);
    check(b"institution_code;complete_up_to\n", &["separated by commas"]);
    check(b"institution_code,complete_up_to,Institution_Code\n", &["institution_code twice"]);
    check(b"institution_code,\"complete_up_to\n", &["header in line 1", "never closed"]);
    check(b"institution_code,complete_up_to\nx,\xB9\xFA\xD2\xA9\n", &["line 2", "save the file as UTF-8"]);
    check(b"\xFF\xFEi\0n\0", &["line 1 is not UTF-8"]);
}

#[test]
fn bytes_that_are_not_text_far_down_refuse_their_row_only() {
    let mut file = b"institution_code,complete_up_to\n".to_vec();
    while file.len() < 1_100_000 {
        file.extend_from_slice("H13010400001,2026-03-09T00:00:00Z\n药\n".as_bytes());
    }
    file.extend_from_slice(b"\xB9\xFA,x\nH13010400001,2026-03-09T00:00:00Z\n");
    let mut rows = read_rows::<PurchaseFeed>(file.as_slice()).expect("a readable file").collect::<Vec<_>>();
    assert!(rows.pop().is_some_and(|row| row.is_ok()));
    let reject = rows.pop().and_then(Result::err).expect("a reject");
    assert!(reject.reason.contains("save the file as UTF-8"), "{}", reject.reason);
}

#[test]
fn says_where_reading_broke_off() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk gone"))
        }
    }
    let mut head = b"institution_code,complete_up_to\n".to_vec();
    head.extend_from_slice("H13010400001,2026-03-09T00:00:00Z\n".repeat(40_000).as_bytes());
    let rows: Vec<_> = read_rows::<PurchaseFeed>(head.chain(Broken)).expect("a header").collect();
    let (last, before) = rows.split_last().unwrap();
    assert_eq!(before.iter().filter(|row| row.is_err()).count(), 0);
    let reject = last.clone().expect_err("the break");
    assert!(reject.ends_file && reject.reason.contains("disk gone"), "{}", reject.reason);
    assert!(matches!(read_rows::<PurchaseFeed>(Broken), Err(FileError::Unreadable { .. })));
}

#[test]
fn rejects_can_be_opened_mended_and_read_again() {
    let text = format!(
        "{PURCHASES}H13010400001,XB11,shop,=1+1,\"@a, \"\"b\"\"\",L1,-5,1.5,2026-01-05T09:00:00+08:00\n"
    );
    let rows = read_rows::<PurchaseRecord>(text.as_bytes()).expect("a readable file");
    let mut out = Vec::new();
    let mut writer = RejectsWriter::new(&mut out, rows.columns()).unwrap();
    for row in rows {
        writer.write(&row.expect_err("a reject")).unwrap();
    }
    writer.finish().unwrap();
    let written = String::from_utf8(out).unwrap();
    let (header, row) = written.split_once('\n').unwrap();
    assert_eq!(header, format!("line,column,reason,{}", PURCHASES.trim_end()));
    assert!(row.starts_with("2,source,\"is \"\"shop\"\"; write one of: platform"), "{row}");
    assert!(row.contains(",'=1+1,\"'@a, \"\"b\"\"\",L1,'-5,"), "{row}");

    let (mended, rejects) = all::<PurchaseRecord>(&written.replacen("shop,'=1+1", "filed,'=1+1", 1));
    assert_eq!(rejects, []);
    assert_eq!((mended[0].order_no.as_str(), mended[0].quantity.to_string()), ("=1+1", "-5".to_owned()));
    assert_eq!(mended[0].supplier, "@a, \"b\"");
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(rows) = read_rows::<PurchaseFeed>(bytes.as_slice()) {
            prop_assert!(rows.count() <= bytes.len());
        }
    }

    /// Whatever stands in between, rows whose own line is sound are taken.
    #[test]
    fn sound_rows_survive_any_neighbour(noise in "[a,\"\n ]{0,30}", after in 1usize..5) {
        let good = "H13010400001,2026-03-09T00:00:00Z\n";
        let text = format!("institution_code,complete_up_to\n{good}{noise}\n{}", good.repeat(after));
        let (taken, _) = all::<PurchaseFeed>(&text);
        prop_assert_eq!(taken.len(), 1 + after, "{:?}", noise);
    }
}
