//! What is refused, with which words, and that nothing can make the reader fall over.

use super::*;
use proptest::prelude::*;

#[test]
fn names_row_and_field_of_what_cannot_be_read() {
    for (member, value, part) in [
        ("sel_retn_cnt", "\"two\"", "\"two\" is not a number"),
        ("sel_retn_cnt", "99999999999999999999999999999", "28 digits"),
        ("sel_retn_cnt", "[1]", "an array, not text"),
        ("trdn_flag", "\"yes\"", "send 0 or 1"),
        ("trdn_flag", "2", "send 0 or 1"),
        ("sel_retn_time", "\"2026-03-10\"", "without a time of day"),
        ("rtal_docno", "{}", "an object, not text"),
    ] {
        let input = format!(r#"{{"selinfoDetail": [{}]}}"#, with(member, value));
        let path = format!("input.selinfoDetail[0].{member}");
        refused(&message("3505A", &input), &path, part);
        refused(&message("3505A", &input), &path, "(row 1)");
    }
    for (node, path, part) in [
        ("true", "", "true, not a trace code"),
        (r#"[{"code": "8"}]"#, "[0].drug_trac_codg", "found code"),
        (r#"[{"drug_trac_codg": ["8"]}]"#, "[0].drug_trac_codg", "an array, not a code"),
        (r#""[{\"drug_trac_codg\": \"8""#, "", "cannot be read"),
        ("[[[[]]]]", "[0][0][0]", "arrays inside arrays"),
    ] {
        let row = row("1", &format!(r#", "drugtracinfo": {node}"#));
        let path = format!("input.selinfo.drugtracinfo{path}");
        refused(&message("3505", &format!(r#"{{"selinfo": {row}}}"#)), &path, part);
    }
}

#[test]
fn refuses_what_is_no_message() {
    let good = message("3505", &format!(r#"{{"selinfo": {}}}"#, row("1", "")));
    assert!(read_message(&format!("\u{feff}{good}\r\n")).is_ok());
    refused("", "", "is empty");
    refused("{", "", "not usable JSON");
    refused("[1]", "", "is an array, not an object");
    refused(&" ".repeat(LINE_BYTES_MAX + 1), "", "more than 8388608");
    refused(&good.replace(r#""infno": "3505""#, r#""infno": " ""#), "infno", "required");
    refused(&good.replace("fixmedins_code", "code"), "fixmedins_code", "required");
    refused(&good.replace("inf_time", "time"), "inf_time", "yyyy-MM-dd HH:mm:ss");
    refused(&good.replace("2026-03-10 08:00:00", "yesterday"), "inf_time", "not a date-time");
    refused(&good.replace("\"input\"", "\"in\""), "input", "missing");
    refused(&message("3505", "[]"), "input", "an array, not an object");
    refused(&message("3505", r#"{"data": {}}"#), "input.selinfo", "the input holds data");
    refused(&message("3505A", r#"{"selinfoDetail": []}"#), "input.selinfo", "no row");
    refused(&message("3505", r#"{"selinfo": 3}"#), "input.selinfo", "a number, not an object");
    let both = format!(r#"{{"selinfo": {}, "selinfoDetail": [{}]}}"#, row("1", ""), row("2", ""));
    refused(&message("3505", &both), "input.selinfoDetail", "both filled");
    let many = format!(r#"{{"selinfoDetail": [{}]}}"#, vec!["{}"; 10_001].join(","));
    refused(&message("3505A", &many), "input.selinfoDetail", "10001 rows");
    // A malformed institution code is the gateway's to judge, not a message that cannot be read.
    assert_eq!(read_message(&good.replace("P13010200114", " X9 ")).unwrap().institution_code, "X9");
}

#[test]
fn a_bad_row_takes_its_document_and_no_other() {
    let bad = row("1", "").replace("1.0000", "many");
    let input = format!(r#"{{"selinfoDetail": [{}, {bad}, 7, {}]}}"#, row("1", ""), row("2", ""));
    let read = read("3505A", &input);
    let Body::Sales(documents) = read.body else { panic!("no sale") };
    assert_eq!(documents.len(), 1);
    assert_eq!((documents[0].document_no.as_deref(), documents[0].lines[0].row), (Some("RD2"), 4));
    let rejected: Vec<_> = read.rejected.iter().map(|error| (error.path.as_str(), error.row)).collect();
    assert_eq!(
        rejected,
        [("input.selinfoDetail[1].sel_retn_cnt", Some(2)), ("input.selinfoDetail[2]", Some(3))]
    );
    assert!(read.rejected[0].what.contains("1 more row(s) of its document"), "{}", read.rejected[0]);

    let input = format!(r#"{{"selinfoDetail": [{bad}, {bad}]}}"#);
    refused(&message("3505A", &input), "input.selinfoDetail[0].sel_retn_cnt", "1 more row(s)");
}

/// JSON that looks like the interface in places.
fn any_node() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just(CODE.to_owned()),
        Just("\"2026-03-10 08:00:00\"".to_owned()),
        Just("true".to_owned()),
        "[\\[\\]{}0-9a-z:,\" ]{0,12}".prop_map(|text| as_text(&text)),
    ];
    let name = prop::sample::select(vec![
        "selinfo",
        "selinfoDetail",
        "data",
        "drug_trac_info",
        "drugtracinfo",
        "drug_trac_codg",
        "mdtrt_id",
        "rtal_docno",
        "sel_retn_cnt",
        "sel_retn_time",
        "trdn_flag",
        "setl_id",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(name.clone(), inner.clone(), 0..6).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            inner.prop_map(|json| as_text(&json)),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_ends_without_a_panic(text in any::<String>()) {
        prop_assert!(read_message(&text).is_err());
    }

    /// Nothing comes back empty, errors point into the input, and the answer is the same each time.
    #[test]
    fn any_input_ends_in_documents_or_an_error(infno in "3505A?|3506|2207", input in any_node()) {
        let line = message(&infno, &input);
        let read = read_message(&line);
        prop_assert_eq!(&read, &read_message(&line));
        match read.map(|message| message.body) {
            Ok(Body::Sales(documents)) => {
                prop_assert!(!documents.is_empty());
                prop_assert!(documents.iter().all(|document| !document.lines.is_empty()));
            }
            Ok(Body::Returns(documents)) => prop_assert!(!documents.is_empty()),
            Ok(Body::NotSupported(_)) => prop_assert_eq!(infno, "2207"),
            Err(error) => prop_assert!(error.path.starts_with("input"), "{}", error),
        }
    }
}
