//! `tracegate import sales`, `opening-stock` and `go-live` as a clerk runs them.

use crate::support::process::{GatewayProcess, PROGRAM};
use crate::support::world::{OTHER_PHARMACY, PHARMACY, code, connect, load_province};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A gateway with the province, and a folder for files.
pub struct Desk {
    pub gateway: GatewayProcess,
    pub dir: TempDir,
}

/// What a command said.
pub struct Said {
    pub ok: bool,
    pub text: String,
}

impl Said {
    /// The JSON object on its last line of standard output.
    pub fn json(&self) -> Value {
        let line = self.text.lines().find(|line| line.starts_with('{')).expect("a JSON object");
        serde_json::from_str(line).expect("JSON")
    }
}

impl Desk {
    pub async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let gateway = GatewayProcess::start(&dir.path().join("data"), &[]);
        load_province(&connect(&gateway.address).await).await;
        Self { gateway, dir }
    }

    /// A second gateway with a ledger of its own. To be started before an import that is to be interrupted: the import
    /// goes on while a gateway starts.
    pub fn spare(&self) -> GatewayProcess {
        GatewayProcess::start(&self.dir.path().join("other"), &[])
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    pub fn command(&self, kind: &str, file: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["import", kind]).arg(file).args(["--to", &self.gateway.address, "--json"]).args(flags);
        command
    }

    pub fn import(&self, kind: &str, file: &Path, flags: &[&str]) -> Said {
        let run = self.command(kind, file, flags).output().expect("the program runs");
        let text = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
        Said { ok: run.status.success(), text }
    }
}

pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

pub fn numbers(json: &Value, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| json[name].as_u64().unwrap_or_else(|| panic!("{name} in {json}"))).collect()
}

const COUNTS: [&str; 5] = ["added", "known", "added_to_known", "refused", "with_findings"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_imported_with_its_findings_and_rejects() {
    let desk = Desk::open().await;
    // The return stands far behind the resale, the columns in an order of their own.
    let text = format!(
        "code,occurred_at,kind,document_no,institution_code,note\n\
         {one},2026-02-01 09:00:00,sale,D1,{PHARMACY},\n\
         {one},2026-02-03T09:00:00+08:00,,D2,{OTHER_PHARMACY},\n\
         {two},2026-02-01 09:00:00,sale,D3,{PHARMACY},\n\
         {two},2026-02-03 09:00:00,sale,D4,{OTHER_PHARMACY},a planted duplicate\n\
         6901234567892,2026-02-03 09:00:00,sale,D5,{PHARMACY},\n\
         {three},yesterday,sale,D6,{PHARMACY},\n\
         {three},2026-02-03 09:00:00,given,D6,{PHARMACY},\n\
         {one},2026-02-02 09:00:00,return,D1,{PHARMACY},\n",
        one = code(1),
        two = code(2),
        three = code(3)
    );
    let file = desk.file("sales.csv", &text);
    let said = desk.import("sales", &file, &["--findings"]);
    assert!(!said.ok && said.text.contains("3 row(s) were refused"), "{}", said.text);
    let json = said.json();
    assert_eq!(numbers(&json, &COUNTS), [5, 0, 0, 3, 1], "{json}");
    assert_eq!(json["findings"]["DUPLICATE OTHER_INSTITUTION_CLOSE"], 1);
    let findings = std::fs::read_to_string(beside(&file, ".findings.csv")).expect("a file of findings");
    let expected = format!(
        "line,code,reason,class,role,other_institution,other_time\n\
         5,{},DUPLICATE,OTHER_INSTITUTION_CLOSE,LATER,{PHARMACY},2026-02-01 09:00\n",
        code(2)
    );
    assert_eq!(findings.replace("later", "LATER").replace("\r\n", "\n"), expected);
    let rejects = std::fs::read_to_string(beside(&file, ".rejects.csv")).expect("a file of rejects");
    let lines: Vec<_> = rejects.lines().collect();
    assert_eq!(lines.len(), 4, "{rejects}");
    assert!(lines[0].starts_with("line,column,reason,code,"), "{rejects}");
    for (line, start) in lines[1..].iter().zip(["6,,", "7,occurred_at,", "8,kind,"]) {
        assert!(line.starts_with(start), "{start}: {line}");
    }
    assert!(lines[1].contains("PRODUCT_BARCODE"), "{rejects}");
    assert!(!beside(&file, ".progress.json").exists(), "a complete import leaves no progress");

    // Mended rows come from the rejects file itself.
    let mended =
        rejects.replace("6901234567892", &code(4)).replace("yesterday", "2026-02-03").replace("given", "");
    let mended = desk.file("mended.csv", &mended);
    assert_eq!(numbers(&desk.import("sales", &mended, &[]).json(), &COUNTS), [2, 1, 0, 0, 0]);
    let again = desk.import("sales", &file, &["--findings"]).json();
    assert_eq!(numbers(&again, &COUNTS), [0, 5, 0, 3, 1], "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_stock_and_go_live_days_are_lists_of_their_own() {
    let desk = Desk::open().await;
    let drug = crate::support::world::DRUG;
    let stock = format!(
        "institution_code,catalog_code,lot_no,quantity,counted_on\n{PHARMACY},{drug},L1,100,2026-03-01\n\
         {PHARMACY},{drug},L2,2.5,2026-03-01\n{PHARMACY},{drug},L3,0,2026-03-01\n"
    );
    let stock = desk.file("opening_stock.csv", &stock);
    let loaded = ["added", "unchanged", "replaced", "refused"];
    assert_eq!(numbers(&desk.import("opening-stock", &stock, &[]).json(), &loaded), [2, 0, 0, 1]);
    let again = desk.import("opening-stock", &stock, &[]);
    assert_eq!(numbers(&again.json(), &loaded), [0, 2, 0, 1], "{}", again.text);
    let days = format!(
        "institution_code,goes_live_on\n{PHARMACY},2026-03-01\n{OTHER_PHARMACY},\nP99999999999,2026-03-01\n"
    );
    let days = desk.file("go_live.csv", &days);
    let said = desk.import("go-live", &days, &[]);
    assert_eq!(numbers(&said.json(), &loaded), [0, 0, 1, 2], "{}", said.text);
    let rejects = std::fs::read_to_string(beside(&days, ".rejects.csv")).expect("a file of rejects");
    assert!(rejects.contains("goes_live_on") && rejects.contains("load institutions first"), "{rejects}");
}

#[test]
fn the_columns_stand_in_the_help() {
    let rows = [
        ("sales", "line_quantity"),
        ("opening-stock", "counted_on"),
        ("go-live", "goes_live_on"),
        ("purchases", "order_no"),
        ("institutions", "goes_live_on"),
    ];
    for (kind, column) in rows {
        let run = Command::new(PROGRAM).args(["import", kind, "--help"]).output().expect("the program runs");
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success() && text.contains(column), "{kind}: {text}");
    }
}
