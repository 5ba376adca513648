//! `tracegate import sales` of a generated history, as an operator runs it: into a fresh gateway over a disk, once
//! with findings off and once with findings on.

use super::{World, progress};
use crate::driver::FaultsSeen;
use crate::gateway::{self, Ledger};
use crate::machine::{Disk, disk_bytes, machine};
use crate::past::{self, PastSales};
use crate::process::Server;
use crate::report::{Goal, Report, Spread, Tables, faults_of, table};
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Goal: codes per second, with findings and without.
const CODES_PER_SECOND_MIN: f64 = 50_000.0;

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct ImportSettings {
    /// Sold codes in the file.
    pub codes: u64,
    /// Of a thousand documents, those of which a box came back.
    pub returns_per_mille: u64,
    /// How often both ways take turns.
    pub rounds: usize,
    /// Whom it is about, and where it is kept.
    #[serde(flatten)]
    pub world: World,
}

/// The settings, and the disk that makes it durable.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReported {
    #[serde(flatten)]
    settings: ImportSettings,
    disk: Disk,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportRun {
    /// From 1.
    pub round: usize,
    /// Whether duplicates were looked for.
    pub findings: bool,
    /// From the program's start of work to the last answer, as it says itself.
    pub seconds: f64,
    /// Rows per second: each is the code of one box, sold or taken back.
    pub codes_per_second: f64,
    /// Disk that the log has taken for one of them.
    pub log_bytes_per_code: f64,
    /// The same of the tables, with all of them written.
    pub tables_bytes_per_code: f64,
    /// What was not as it should be.
    pub faults: FaultsSeen,
}

/// All imports of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ImportWay {
    /// Codes per second.
    pub codes_per_second: Spread,
    /// Disk of the log for a code.
    pub log_bytes_per_code: Spread,
    /// Disk of the tables for a code.
    pub tables_bytes_per_code: Spread,
}

/// Both kinds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportFigures {
    /// Rows of the file: sales and returns.
    pub rows: u64,
    /// Its bytes.
    pub file_bytes: u64,
    /// Every import.
    pub runs: Vec<ImportRun>,
    /// Those that do not look for duplicates.
    pub findings_off: ImportWay,
    /// Those that do.
    pub findings_on: ImportWay,
}

impl ImportFigures {
    fn of(file: &SalesFile, runs: Vec<ImportRun>) -> Self {
        let way = |findings: bool| {
            let spread = |figure: fn(&ImportRun) -> f64| {
                Spread::of(runs.iter().filter(|run| run.findings == findings).map(figure))
            };
            ImportWay {
                codes_per_second: spread(|run| run.codes_per_second),
                log_bytes_per_code: spread(|run| run.log_bytes_per_code),
                tables_bytes_per_code: spread(|run| run.tables_bytes_per_code),
            }
        };
        let (findings_off, findings_on) = (way(false), way(true));
        Self { rows: file.rows, file_bytes: file.bytes, runs, findings_off, findings_on }
    }
}

impl Tables for ImportFigures {
    fn tables(&self) -> String {
        let mut rows =
            table(["round", "findings", "seconds", "codes/s", "log bytes / code", "table bytes / code"]);
        for run in &self.runs {
            rows.add_row([
                run.round.to_string(),
                if run.findings { "on" } else { "off" }.to_owned(),
                format!("{:.1}", run.seconds),
                format!("{:.0}", run.codes_per_second),
                format!("{:.1}", run.log_bytes_per_code),
                format!("{:.1}", run.tables_bytes_per_code),
            ]);
        }
        format!(
            "{} rows of {} bytes in all\ncodes/s with findings off: {}\ncodes/s with findings on: {}\n{rows}",
            self.rows, self.file_bytes, self.findings_off.codes_per_second, self.findings_on.codes_per_second
        )
    }
}

/// The file that every run imports, with the registry's files beside it.
struct SalesFile {
    folder: tempfile::TempDir,
    path: PathBuf,
    rows: u64,
    bytes: u64,
}

impl SalesFile {
    async fn write(settings: &ImportSettings, folder: tempfile::TempDir) -> Result<Self> {
        let path = folder.path().join("sales.csv");
        let (codes, returns_per_mille, province) =
            (settings.codes, settings.returns_per_mille, settings.world.province());
        let (beside, to) = (folder.path().to_owned(), path.clone());
        let write = move || {
            province.write_to(&beside)?;
            past::write(&to, PastSales::new(&province, codes, returns_per_mille))
        };
        let rows = tokio::task::spawn_blocking(write).await??;
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Self { folder, path, rows, bytes })
    }
}

/// Measures it.
pub async fn import(settings: ImportSettings) -> Result<Report<ImportReported, ImportFigures>> {
    let (machine, program) = (machine(), settings.world.program()?);
    let (folder, disk) = settings.world.room(true)?;
    let bar = progress(settings.rounds * 2);
    bar.set_message("the file is written");
    let file = SalesFile::write(&settings, folder).await?;
    let mut runs = Vec::new();
    for round in 1..=settings.rounds {
        for findings in [false, true] {
            bar.set_message(format!("round {round}: findings {}", if findings { "on" } else { "off" }));
            runs.push(run(&program, &file, &settings, round, findings).await?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let faults = faults_of(runs.iter().map(|run| (file.rows, &run.faults)));
    let figures = ImportFigures::of(&file, runs);
    let goal =
        |figure, way: &ImportWay| Goal::at_least(figure, CODES_PER_SECOND_MIN, way.codes_per_second.median);
    let goals = vec![
        goal("codes per second, findings off", &figures.findings_off),
        goal("codes per second, findings on", &figures.findings_on),
    ];
    let report = Report::new("import", machine, ImportReported { settings, disk }, figures);
    Ok(Report { goals, faults, ..report })
}

/// One import into a gateway that has nothing but the registry.
async fn run(
    program: &Path,
    file: &SalesFile,
    settings: &ImportSettings,
    round: usize,
    findings: bool,
) -> Result<ImportRun> {
    let (folder, _) = settings.world.room(true)?;
    let gateway = gateway::start(program, folder.path(), Ledger::Embedded).await?;
    gateway::import(program, &gateway, file.folder.path(), gateway::REGISTRY).await?;
    // The log of a gateway that works has room ahead; one that has ended leaves what it holds.
    close(gateway).await?;
    let [log, tables] = ["log", "tables"].map(|part| folder.path().join("data").join(part));
    let (log_before, tables_before) = (disk_bytes(&log)?, disk_bytes(&tables)?);
    let gateway = gateway::start(program, folder.path(), Ledger::Embedded).await?;
    gateway.calm().await?;
    let answer = gateway::import_sales(program, &gateway, &file.path, findings).await?;
    close(gateway).await?;
    let per_code = |bytes: u64, before: u64| bytes.saturating_sub(before) as f64 / file.rows as f64;
    let seconds = answer.get("seconds").and_then(Value::as_f64).context("the answer names no seconds")?;
    Ok(ImportRun {
        round,
        findings,
        seconds,
        codes_per_second: file.rows as f64 / seconds,
        log_bytes_per_code: per_code(disk_bytes(&log)?, log_before),
        tables_bytes_per_code: per_code(disk_bytes(&tables)?, tables_before),
        faults: faults(&answer, file.rows),
    })
}

/// Lets it tidy up and ends it: at its end it writes what is in memory to the tables.
async fn close(mut gateway: Server) -> Result<()> {
    gateway.check_alive()?;
    gateway.calm().await?;
    gateway.stop().await
}

/// What an answer says other than that every row was recorded, and nothing found.
pub(super) fn faults(answer: &Value, rows: u64) -> FaultsSeen {
    let expected = [
        ("rows", rows),
        ("added", rows),
        ("known", 0),
        ("added_to_known", 0),
        ("refused", 0),
        ("with_findings", 0),
        ("institution_unknown", 0),
    ];
    let mut seen = FaultsSeen::default();
    for (name, expected) in expected {
        let found = answer.get(name).and_then(Value::as_u64);
        if found != Some(expected) {
            // One row that is wrong may show in two of these.
            seen.count = seen.count.max(found.map_or(rows, |found| found.abs_diff(expected)));
            seen.first.push(format!("{name} is {found:?}, not {expected}, in {answer}"));
        }
    }
    seen.share = seen.count as f64 / rows.max(1) as f64;
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_row_that_is_not_recorded_is_a_fault() {
        let whole = json!({
            "rows": 10, "added": 10, "known": 0, "added_to_known": 0, "refused": 0, "with_findings": 0,
            "institution_unknown": 0, "seconds": 1.5,
        });
        assert_eq!(faults(&whole, 10), FaultsSeen::default());
        let check = |name: &str, value: Value, count: u64| {
            let mut answer = whole.clone();
            answer[name] = value;
            let seen = faults(&answer, 10);
            assert_eq!((seen.count, seen.first.len()), (count, 1), "{name}: {seen:?}");
            assert!(seen.first[0].starts_with(name), "{seen:?}");
        };
        check("added", json!(9), 1);
        check("rows", json!(7), 3);
        check("known", json!(1), 1);
        check("added_to_known", json!(1), 1);
        check("refused", json!(2), 2);
        check("with_findings", json!(1), 1);
        check("institution_unknown", json!(4), 4);
        check("added", Value::Null, 10);
        assert_eq!(faults(&json!({}), 10).first.len(), 7);
    }
}
