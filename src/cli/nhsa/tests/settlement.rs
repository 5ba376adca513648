//! Settlements with trace codes, and the messages that are not supported.

use super::*;

const SETTLEMENT: &str = r#"{"mdtrt_id": "MV00000215", "psn_setlway": "01", "medfee_sumamt": "10.00"}"#;

#[test]
fn reads_the_codes_of_a_settlement() {
    let entry = format!(
        r#"{{"feedetl_sn": "1", "drug_trac_codg": "{CODE}", "trdn_flag": "1", "min_prcunt_type": "2"}}"#
    );
    let list = format!(r#"[{entry}, {{"drug_trac_code": {OTHER}}}, {{"drug_trac_codg": ""}}]"#);
    for (input, codes) in [
        (format!(r#"{{"data": {SETTLEMENT}, "drug_trac_info": {list}}}"#), 2),
        (format!(r#"{{"data": [{SETTLEMENT}], "drug_trac_info": {}}}"#, as_text(&list)), 2),
        (format!(r#"{{"data": {}, "drug_trac_info": {entry}}}"#, as_text(SETTLEMENT)), 1),
        (format!(r#"{{"data": {{"mdtrt_id": "MV00000215", "drug_trac_info": {list}}}}}"#), 2),
        (format!(r#"{{"data": {SETTLEMENT}, "drug_trac_info": ["{CODE}"]}}"#), 1),
    ] {
        let documents = sales("2207", &input);
        let [document] = documents.as_slice() else { panic!("{documents:?}") };
        assert_eq!(
            (document.document_no.as_deref(), document.visit_no.as_deref()),
            (None, Some("MV00000215"))
        );
        assert_eq!(document.lines.len(), codes, "{input}");
        let line = &document.lines[0];
        assert_eq!((line.codes.as_slice(), line.row, line.insured), ([CODE.to_owned()].as_slice(), 1, true));
        assert_eq!((line.split, line.quantity, &line.catalog_code), (!input.ends_with("\"]}"), None, &None));
        assert_eq!(line.occurred_at, None);
    }
}

#[test]
fn says_what_is_not_supported() {
    let why = |infno: &str, input: &str| match read(infno, input).body {
        Body::NotSupported(why) => why,
        other @ (Body::Sales(_) | Body::Returns(_)) => panic!("{other:?}"),
    };
    for input in [
        format!(r#"{{"data": {SETTLEMENT}}}"#),
        format!(r#"{{"data": {SETTLEMENT}, "drug_trac_info": []}}"#),
        format!(r#"{{"data": {SETTLEMENT}, "drug_trac_info": ""}}"#),
        format!(r#"{{"data": {SETTLEMENT}, "drug_trac_info": [{{"drug_trac_codg": null}}]}}"#),
        "{}".to_owned(),
    ] {
        assert_eq!(why("2207", &input), "2207 without drug_trac_info carries no trace codes");
    }
    assert!(why("3503", "{}").starts_with("3503 is neither a sale"));
    assert!(why("9001", "null").starts_with("9001 is neither a sale"));
    let codes = format!(r#""drug_trac_info": ["{CODE}"]"#);
    refused(&message("2207", &format!("{{{codes}}}")), "input.mdtrt_id", "required");
    refused(
        &message("2207", &format!(r#"{{"data": {{"a": 1}}, {codes}}}"#)),
        "input.data.mdtrt_id",
        "required",
    );
    refused(&message("2207", &format!(r#"{{"data": [{{}}, {{}}], {codes}}}"#)), "input.data", "2 entries");
}
