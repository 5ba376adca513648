//! Every shape in which clients send rows, codes and values.

use super::*;

#[test]
fn accepts_every_shape_of_the_rows() {
    let row = row("1", "");
    let list = format!("[{row}]");
    for node in [row.clone(), list.clone(), as_text(&row), as_text(&list), format!("[{}]", as_text(&row))] {
        for name in ["selinfo", "selinfoDetail"] {
            let input = format!(r#"{{"{name}": {node}}}"#);
            for infno in ["3505", "3505A"] {
                assert_eq!(sales(infno, &input)[0].lines.len(), 1, "{infno} {input}");
                assert_eq!(sales(infno, &as_text(&input))[0].lines.len(), 1, "{infno} as text {input}");
            }
            for infno in ["3506", "3506A"] {
                assert_eq!(returns(infno, &input)[0].lines.len(), 1, "{infno} {input}");
            }
        }
    }
    // A node that is there but holds nothing does not stand in the way of the other, nor the same row twice.
    for other in ["[]", "null", "\"\"", "\"[]\"", row.as_str()] {
        let input = format!(r#"{{"selinfo": {row}, "selinfoDetail": {other}}}"#);
        assert_eq!(sales("3505", &input)[0].lines.len(), 1, "{input}");
    }
}

#[test]
fn accepts_every_shape_of_the_codes() {
    let check = |more: &str, expected: &[&str]| {
        let documents = sales("3505", &format!(r#"{{"selinfo": {}}}"#, row("1", more)));
        assert_eq!(documents[0].lines[0].codes, expected, "{more}");
    };
    let node = |json: &str| format!(r#", "drugtracinfo": {json}"#);
    let one = format!(r#"{{"drug_trac_codg": "{CODE}"}}"#);
    let two = format!(r#"[{one}, {{"drug_trac_code": "{OTHER}"}}]"#);
    check("", &[]);
    for nothing in ["null", "\"\"", "\" \"", "[]", "{}", "\"[]\"", "\"null\"", "[null, \"\", {}]"] {
        check(&node(nothing), &[]);
    }
    check(&node(r#"[{"drug_trac_codg": ""}, {"drug_trac_codg": null}]"#), &[]);
    check(&node(&one), &[CODE]);
    check(&node(&two), &[CODE, OTHER]);
    check(&node(&as_text(&one)), &[CODE]);
    check(&node(&as_text(&two)), &[CODE, OTHER]);
    check(&node(&format!(r#"["{CODE}", "{OTHER}"]"#)), &[CODE, OTHER]);
    check(&node(&format!(r#""{CODE}""#)), &[CODE]);
    check(&node(&format!(r#"[{}]"#, as_text(&one))), &[CODE]);
    check(&node(&format!(r#"{{"drugTracCodg": {CODE}}}"#)), &[CODE]);
    check(
        &node(&format!("[{CODE}, 8.3E+19, 83003850000000131888.0]")),
        &[CODE, "8.3E+19", "83003850000000131888.0"],
    );
    check(&format!(r#", "drugTracInfo": {one}"#), &[CODE]);
    // What the scanner added stays, and so does a code that comes twice in the node.
    check(
        &node(r#"[" ]C18300-385\r\n", "[FNC1]0106901234567892"]"#),
        &[" ]C18300-385\r\n", "[FNC1]0106901234567892"],
    );
    check(&node(&format!("[{one}, {one}]")), &[CODE, CODE]);
    // The old field counts only where the node says nothing.
    let old = format!(r#", "drug_trac_codg": "{CODE}""#);
    check(&old, &[CODE]);
    check(&format!("{old}{}", node("[]")), &[CODE]);
    check(&format!("{old}{}", node(&one)), &[CODE]);
    check(&format!("{old}{}", node(&format!(r#"["{OTHER}"]"#))), &[OTHER]);
}

#[test]
fn reads_values_as_clients_write_them() {
    let line = |row: &str| sales("3505", &format!(r#"{{"selinfo": {row}}}"#))[0].lines[0].clone();
    for (value, expected) in [
        ("20", Some("20")),
        ("\"1.0000\"", Some("1.0000")),
        ("\" 72 \"", Some("72")),
        ("2E+1", Some("20")),
        ("-3", Some("-3")),
        ("\"\"", None),
        ("null", None),
        ("", None),
    ] {
        let quantity = line(&with("sel_retn_cnt", value)).quantity.map(|quantity| quantity.to_string());
        assert_eq!(quantity.as_deref(), expected, "{value}");
    }
    for (value, split) in [
        ("\"1\"", true),
        ("1", true),
        ("true", true),
        ("\"01\"", true),
        ("1.0", true),
        ("0", false),
        ("\"\"", false),
        ("", false),
    ] {
        assert_eq!(line(&with("trdn_flag", value)).split, split, "{value}");
    }
    for (kind, settlement, insured) in [
        ("\"1\"", "", true),
        ("2", "\"S1\"", false),
        ("", "\"S1\"", true),
        ("\"\"", "\" \"", false),
        ("", "", false),
        ("\"3\"", "\"S1\"", true),
        ("\"3\"", "", false),
    ] {
        let mut row = with("mdtrt_setl_type", kind);
        if !settlement.is_empty() {
            row = row.replace(r#""setl_id":"""#, &format!(r#""setl_id":{settlement}"#));
        }
        assert_eq!(line(&row).insured, insured, "{kind} {settlement}");
    }
    for (value, expected) in
        [("\"20260310075900\"", "2026-03-09T23:59:00Z"), ("20260310075900", "2026-03-09T23:59:00Z")]
    {
        assert_eq!(line(&with("sel_retn_time", value)).occurred_at, Some(moment(expected)), "{value}");
    }
    assert_eq!(line(&with("finl_trns_pric", "")).unit_price, None);
}
