//! Whole messages of the interface and what each becomes; the helpers for the tests beside.

mod persons;
mod refusals;
mod settlement;
mod shapes;

use super::*;

const CODE: &str = "80006015313326901788";
const OTHER: &str = "80000911079117102624";

/// A message of this transaction; `input` is JSON.
fn message(infno: &str, input: &str) -> String {
    format!(
        r#"{{"infno": "{infno}", "msgid": "P13010200114202603100800000283", "mdtrtarea_admvs": "130102", "cainfo": "", "infver": "V1.0", "opter_type": "1", "opter": "0042", "opter_name": "王药师", "inf_time": "2026-03-10 08:00:00", "fixmedins_code": "P13010200114", "fixmedins_name": "", "input": {input}}}"#
    )
}

/// A sale row as a client sends it; `more` is put at its end.
fn row(document: &str, more: &str) -> String {
    format!(
        r#"{{"med_list_codg": "XH04AA060A0060100600060", "fixmedins_hilist_id": "Y600060", "fixmedins_hilist_name": "药", "setl_id": "", "mdtrt_sn": "MV{document}", "manu_lotnum": "L2601", "trdn_flag": "0", "finl_trns_pric": "189.7700", "rtal_docno": "RD{document}", "sel_retn_cnt": "1.0000", "sel_retn_time": "2026-03-1007:59:00", "mdtrt_setl_type": "1", "memo": "" {more}}}"#
    )
}

/// The row with one member replaced.
fn with(member: &str, value: &str) -> String {
    let mut members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&row("1", "")).unwrap();
    members.remove(member);
    let rest = serde_json::to_string(&members).unwrap();
    match value {
        "" => rest,
        value => format!(r#"{{"{member}": {value}, {}"#, &rest[1..]),
    }
}

fn read(infno: &str, input: &str) -> Message {
    let line = message(infno, input);
    read_message(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn sales(infno: &str, input: &str) -> Vec<SaleDocument> {
    match read(infno, input).body {
        Body::Sales(documents) => documents,
        other @ (Body::Returns(_) | Body::NotSupported(_)) => panic!("{other:?}"),
    }
}

fn returns(infno: &str, input: &str) -> Vec<ReturnDocument> {
    match read(infno, input).body {
        Body::Returns(documents) => documents,
        other @ (Body::Sales(_) | Body::NotSupported(_)) => panic!("{other:?}"),
    }
}

fn refused(line: &str, path: &str, part: &str) {
    let error = read_message(line).expect_err(line);
    assert_eq!(error.path, path, "{error}");
    assert!(error.to_string().contains(part), "{error} lacks {part}");
    assert!(!error.remedy.is_empty(), "{error} does not say what to do");
}

fn as_text(json: &str) -> String {
    serde_json::to_string(json).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn reads_a_sale_whole() {
    let node = format!(r#", "drugtracinfo": [{{"drug_trac_codg": "{CODE}"}}]"#);
    let read = read("3505a", &format!(r#"{{"selinfoDetail": [{}]}}"#, row("00000275", &node)));
    assert_eq!((read.infno.as_str(), read.institution_code.as_str()), ("3505A", "P13010200114"));
    assert_eq!((read.clock, read.operator.as_deref()), (moment("2026-03-10T00:00:00Z"), Some("0042")));
    assert_eq!(read.rejected, []);
    let Body::Sales(documents) = read.body else { panic!("no sale") };
    let [document] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!(document.document_no.as_deref(), Some("RD00000275"));
    assert_eq!((document.visit_no.as_deref(), document.settlement_id.as_deref()), (Some("MV00000275"), None));
    assert_eq!(document.request_id.len(), 32);
    let expected = SaleLine {
        row: 1,
        catalog_code: Some("XH04AA060A0060100600060".to_owned()),
        quantity: Some("1.0000".parse().unwrap()),
        split: false,
        unit_price: Some("189.7700".parse().unwrap()),
        insured: true,
        occurred_at: Some(moment("2026-03-09T23:59:00Z")),
        codes: vec![CODE.to_owned()],
    };
    assert_eq!(document.lines, [expected]);
}

#[test]
fn one_request_for_each_document_and_visit() {
    let rows = [row("2", ""), row("1", ""), row("2", ""), row("1", "").replace("MV1", "MV9")];
    let documents = sales("3505A", &format!(r#"{{"selinfoDetail": [{}]}}"#, rows.join(",")));
    let shape: Vec<_> = documents
        .iter()
        .map(|document| {
            let rows: Vec<u32> = document.lines.iter().map(|line| line.row).collect();
            (document.document_no.as_deref().unwrap(), document.visit_no.as_deref().unwrap(), rows)
        })
        .collect();
    assert_eq!(shape, [("RD2", "MV2", vec![1, 3]), ("RD1", "MV1", vec![2]), ("RD1", "MV9", vec![4])]);
    let mut ids: Vec<_> = documents.iter().map(|document| &document.request_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn the_request_id_follows_what_is_said_and_not_how_often() {
    let id = |line: &str| match read_message(line).unwrap().body {
        Body::Sales(documents) => documents[0].request_id.clone(),
        other @ (Body::Returns(_) | Body::NotSupported(_)) => panic!("{other:?}"),
    };
    let line = message("3505", &format!(r#"{{"selinfo": {}}}"#, row("1", "")));
    let same = |other: String| assert_eq!(id(&line), id(&other), "{other}");
    let differs = |other: String| assert_ne!(id(&line), id(&other), "{other}");
    assert!(id(&line).bytes().all(|byte| byte.is_ascii_hexdigit()));
    same(line.replace("20260310080000", "20260310080009"));
    same(line.replace("2026-03-10 08:00:00", "2026-03-10 09:00:00"));
    same(line.replace(": ", ":"));
    same(line.replace(r#""setl_id": "", "mdtrt_sn": "MV1""#, r#""mdtrt_sn": "MV1", "setl_id": """#));
    differs(line.replace("\"3505\"", "\"3505A\""));
    differs(line.replace("P13010200114\"", "P13010200115\""));
    differs(line.replace("1.0000", "2.0000"));
}

#[test]
fn reads_returns() {
    let row = row(
        "1",
        r#", "medins_prod_sel_no": "SN7", "drugtracinfo": [{"drug_trac_codg": "80003110298180799675"}]"#,
    );
    let row = row
        .replace("1.0000", "-24")
        .replace(r#""rtal_docno": "RD1","#, "")
        .replace(r#""setl_id": """#, r#""setl_id": "S1""#);
    let documents = returns("3506", &format!(r#"{{"selinfo": {row}}}"#));
    let [document] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!((document.document_no.as_deref(), document.visit_no.as_deref()), (None, Some("MV1")));
    assert_eq!(
        (document.settlement_id.as_deref(), document.original_sale_no.as_deref()),
        (Some("S1"), Some("SN7"))
    );
    assert_eq!(document.lines[0].quantity, Some("24".parse().unwrap()));
    assert_eq!(document.lines[0].codes, ["80003110298180799675"]);
    assert_eq!(document.lines[0].occurred_at, Some(moment("2026-03-09T23:59:00Z")));
}
