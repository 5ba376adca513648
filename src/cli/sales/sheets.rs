//! Two CSV files beside an import: the rows that were refused, and what was found of the others.
//!
//! Each is made with its first row. On going on, what was written after the last acknowledged batch is cut off, so
//! that every row stands there once.

use super::batches::{Span, is_named};
use super::beside;
use super::progress::{Saved, SheetBytes};
use crate::cli::files::{Reject, RejectsWriter, harmless};
use crate::domain::time::local_time;
use crate::grpc::pb;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const FINDING_COLUMNS: [&str; 7] =
    ["line", "code", "reason", "class", "role", "other_institution", "other_time"];

/// Both sheets.
pub(super) struct Sheets {
    rejects: Sheet,
    findings: Sheet,
}

impl Sheets {
    pub fn open(file: &Path, saved: &Saved) -> Result<Self> {
        Ok(Self {
            rejects: Sheet::open(saved.options.rejects.clone(), saved.sheets.rejects)?,
            findings: Sheet::open(beside(file, ".findings.csv"), saved.sheets.findings)?,
        })
    }

    /// Where findings go.
    pub fn findings_path(&self) -> &Path {
        &self.findings.path
    }

    /// Writes what a batch left behind, in order of its lines.
    pub fn write(&mut self, span: Span, answer: &pb::ImportSalesResponse) -> Result<SheetBytes> {
        let mut rejects: Vec<Reject> = span.rejects;
        let mut findings = csv::Writer::from_writer(Vec::new());
        if self.findings.bytes == 0 {
            findings.write_record(FINDING_COLUMNS)?;
        }
        let code_at = span.columns.iter().position(|column| is_named(column, "code"));
        let mut found = false;
        for row in &answer.rows {
            let taken = usize::try_from(row.index).ok().and_then(|at| span.taken.get(at));
            let taken = taken.context("the gateway answered a row that it was not sent")?;
            let code = code_at.and_then(|at| taken.record.get(at)).map_or("", String::as_str);
            for finding in &row.findings {
                findings.write_record(cells_of(taken.line, code, finding))?;
                found = true;
            }
            if !row.refusal.is_empty() {
                rejects.push(taken.clone().refused(row.refusal.clone()));
            }
        }
        if found {
            self.findings.append(&findings.into_inner().context("findings cannot be written")?)?;
        }
        if !rejects.is_empty() {
            rejects.sort_by_key(|reject| reject.line);
            let text = text_of(&rejects, self.rejects.bytes == 0, &span.columns)?;
            self.rejects.append(&text)?;
        }
        Ok(SheetBytes { rejects: self.rejects.bytes, findings: self.findings.bytes })
    }
}

fn text_of(rejects: &[Reject], with_header: bool, columns: &[String]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut writer = match with_header {
        true => RejectsWriter::new(&mut text, columns)?,
        false => RejectsWriter::append(&mut text),
    };
    for reject in rejects {
        writer.write(reject)?;
    }
    writer.finish()?;
    Ok(text)
}

fn cells_of(line: u64, code: &str, finding: &pb::PastFinding) -> [String; 7] {
    let other = finding.other_sale.as_ref();
    let at = other.and_then(|sale| sale.occurred_at);
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    [
        line.to_string(),
        harmless(code),
        reason_name(finding),
        class_name(finding),
        short(finding.role().as_str_name(), "ROLE_"),
        other.map(|sale| sale.institution_code.clone()).unwrap_or_default(),
        at.map(local_time).unwrap_or_default(),
    ]
}

/// The reason as documents spell it.
pub(super) fn reason_name(finding: &pb::PastFinding) -> String {
    short(finding.reason().as_str_name(), "REASON_")
}

/// The class of a duplicate; empty for other findings.
pub(super) fn class_name(finding: &pb::PastFinding) -> String {
    short(finding.class().as_str_name(), "DUPLICATE_CLASS_")
}

fn short(name: &str, prefix: &str) -> String {
    let name = name.strip_prefix(prefix).unwrap_or(name);
    if name == "UNSPECIFIED" { String::new() } else { name.to_owned() }
}

/// A file that is made when it is needed.
struct Sheet {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl Sheet {
    /// Of so many acknowledged bytes; 0 = none yet.
    fn open(path: PathBuf, bytes: u64) -> Result<Self> {
        if bytes == 0 {
            return Ok(Self { path, file: None, bytes });
        }
        let cannot = || format!("{} cannot be gone on with; begin again with --from-start", path.display());
        let mut file = OpenOptions::new().write(true).open(&path).with_context(cannot)?;
        if file.metadata().with_context(cannot)?.len() < bytes {
            bail!("{} is shorter than it was; begin again with --from-start", path.display());
        }
        file.set_len(bytes).with_context(cannot)?;
        file.seek(SeekFrom::End(0)).with_context(cannot)?;
        Ok(Self { path, file: Some(file), bytes })
    }

    fn append(&mut self, text: &[u8]) -> Result<()> {
        let cannot = || format!("{} cannot be written", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create(&self.path).with_context(cannot)?),
        };
        file.write_all(text).with_context(cannot)?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
