//! The command line of the bureau against a running gateway: list, show, advance, export, report, history, audit.

use super::compliance::reminded;
use crate::support::process::{GatewayProcess, run, says};
use crate::support::world::{HOSPITAL, PHARMACY, code, connect, dispense, load_province};
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;

/// Runs the program, which must fail and say why.
async fn fails(args: &[&str], address: &str, part: &str) {
    let (ok, said) = run(args, address).await;
    assert!(!ok && said.contains(part), "{part} in {args:?}: {said}");
}

async fn with_a_case(dir: &std::path::Path) -> (GatewayProcess, String) {
    let gateway = GatewayProcess::start(dir, &[]);
    let channel = connect(&gateway.address).await;
    load_province(&channel).await;
    let mut gate = DispensingServiceClient::new(channel);
    gate.dispense(dispense(PHARMACY, "first", &[code(1)])).await.expect("sold");
    let mut again = dispense(HOSPITAL, "second", &[code(1)]);
    for line in &mut again.document.as_mut().unwrap().lines {
        line.unit_price = "12.5".into();
    }
    gate.dispense(again).await.expect("reminded");
    (gateway, format!("{}-1", code(1)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clerk_walks_a_case_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, id) = with_a_case(&dir.path().join("data")).await;
    let to = gateway.address.as_str();
    says(&["cases", "list"], to, &[&id, "DETECTED 已发现", "12.5"]).await;
    says(&["cases", "list", "--state", "closed"], to, &["no such case"]).await;
    says(&["cases", "list", "--class", "other-institution-close", "--amount-min", "12"], to, &[&id]).await;
    fails(&["cases", "list", "--state", "lost"], to, "none of detected").await;
    let json = says(&["cases", "list", "--json"], to, &[]).await;
    let case: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!((&case["case_id"], &case["at_stake"]), (&id.as_str().into(), &"12.5".into()));

    let bureau = ["--as", "bureau 1201", "--person", "李明"];
    let hospital_name = format!("institution {HOSPITAL}");
    let hospital = ["--as", hospital_name.as_str(), "--person", "王芳"];
    let advance = |rest: &[&str], by: &[&str]| -> Vec<String> {
        let all = [&["cases", "advance", id.as_str()], rest, by].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let does = async |rest: &[&str], by: &[&str], parts: &[&str]| {
        let args = advance(rest, by);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        says(&args, to, parts).await
    };
    does(&["push"], &bureau, &["PUSHED 已推送", "李明"]).await;
    let file = dir.path().join("invoice.pdf");
    std::fs::write(&file, b"abc").unwrap();
    let explain = ["explain", "--note", "进货单已核对", "--file", file.to_str().unwrap(), "--json"];
    let said = does(&explain, &hospital, &[]).await;
    let case: serde_json::Value = serde_json::from_str(&said).expect("one JSON object");
    let noted = &case["steps"][2]["files"][0];
    assert_eq!((&noted["name"], &noted["size_bytes"]), (&"invoice.pdf".into(), &3.into()));
    assert_eq!(noted["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    does(&["begin-review"], &bureau, &["FIRST_REVIEW 初审"]).await;
    let early = advance(&["close", "--note", "核实"], &bureau);
    fails(&early.iter().map(String::as_str).collect::<Vec<_>>(), to, "--ending violation").await;
    let close = ["close", "--ending", "violation", "--note", "核实为重复结算"];
    does(&close, &bureau, &["CLOSED 已结案, VIOLATION 违规", "recovered 12.5 yuan", "核实为重复结算"]).await;

    says(&["report", "duplicates", "--by", "institution"], to, &[HOSPITAL, "12.5"]).await;
    let csv = says(&["report", "duplicates", "--by", "class", "--format", "csv"], to, &["rank,group"]).await;
    assert!(csv.contains("1,OTHER_INSTITUTION_CLOSE,,1,0,1,0,12.5,12.5,0,0,2,0.5"), "{csv}");
    fails(&["report", "duplicates", "--format", "xlsx"], to, "--out FILE.xlsx").await;
    says(&["audit", "--day", "2026-01-01"], to, &["0 requests and 0 codes"]).await;
    fails(&["audit", "--month", "June"], to, "no month like 2026-06").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_are_reported_for_eyes_and_for_programs() {
    use calamine::{Data, Reader};
    let dir = tempfile::tempdir().unwrap();
    let (gateway, _) = with_a_case(&dir.path().join("data")).await;
    let to = gateway.address.as_str();
    let mut gate = DispensingServiceClient::new(connect(to).await);
    gate.dispense(reminded(PHARMACY, "r1", 7)).await.expect("reminded");
    // The gateway's own clock says on which day; a sale at midnight may fall on either.
    let days = ["--from", "2026-01-01", "--to", "2031-12-31"];
    let report = |rest: &[&'static str]| [&["report", "compliance"], rest, &days[..]].concat();
    says(
        &report(&["--by", "rule"]),
        to,
        &["DUPLICATE", "PREFIX_UNMAPPED", "12.5", "all 合计", "22.5", "0 %"],
    )
    .await;
    says(&report(&["--institution", PHARMACY, "--by", "month"]), to, &["10", "合计"]).await;
    says(&report(&["--division", "13"]), to, &["nobody was reminded"]).await;
    let csv = says(&report(&["--by", "institution", "--format", "csv"]), to, &["rank,group,name"]).await;
    assert!(csv.contains(&format!("1,{HOSPITAL},{HOSPITAL},1,1,12.5,0,0,0,0,0,0")), "{csv}");
    let json = says(&report(&["--rule", "prefix-unmapped", "--by", "rule", "--json"]), to, &[]).await;
    let row: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!((&row["group"], &row["persons"]), (&"PREFIX_UNMAPPED".into(), &"1".into()));
    let file = dir.path().join("compliance.xlsx");
    let out = ["--out", file.to_str().unwrap()];
    says(&[&report(&["--by", "rule", "--format", "xlsx"])[..], &out].concat(), to, &[]).await;
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(&file).expect("a workbook");
    let sheet = workbook.worksheet_range_at(0).expect("a sheet").expect("readable");
    let first: Vec<Data> = sheet.rows().nth(1).expect("a row").to_vec();
    assert_eq!((&first[1], &first[5]), (&Data::String("DUPLICATE".into()), &Data::Float(12.5)));
    fails(&report(&["--rule", "nothing"]), to, "is no reason").await;
    fails(&report(&["--format", "xlsx"]), to, "--out FILE.xlsx").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_read_back_and_a_history_names_who_looked() {
    use calamine::{Data, Reader};
    let dir = tempfile::tempdir().unwrap();
    let (gateway, id) = with_a_case(&dir.path().join("data")).await;
    let to = gateway.address.as_str();
    let file = dir.path().join("cases.xlsx");
    let out = file.to_str().unwrap();
    says(&["cases", "export", "--format", "xlsx", "--out", out], to, &["bytes in"]).await;
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(&file).expect("a workbook");
    let sheet = workbook.worksheet_range_at(0).expect("a sheet").expect("readable");
    let rows: Vec<Vec<Data>> = sheet.rows().map(<[Data]>::to_vec).collect();
    assert_eq!(rows.len(), 3, "a header and two sales");
    assert_eq!(rows[1][0], Data::String(id.clone()));
    assert_eq!(rows[1][1], Data::String(code(1)), "all 20 digits");
    let json = says(&["cases", "export", "--format", "json"], to, &[]).await;
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[1]["institution_code"]), (2, &HOSPITAL.into()));

    let look = ["history", &code(1), "--person", "李明", "--reason", "投诉核查"];
    says(&look, to, &["SALE 销售", PHARMACY, HOSPITAL, "李明", "投诉核查", &id]).await;
    let as_pharmacy = format!("institution {PHARMACY}");
    fails(&[&look[..], &["--as", &as_pharmacy]].concat(), to, "these may: reader, bureau, operator").await;
    let shown = says(&["cases", "show", &id, "--as", &as_pharmacy], to, &["you 本机构", "另一机构"]).await;
    assert!(!shown.contains(HOSPITAL), "{shown}");
}
