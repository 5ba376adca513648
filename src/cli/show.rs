//! What people see: progress bars, tables, summaries.

use super::play::Played;
use anyhow::Context;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Prints to standard output. A reader that has seen enough and went away is an error that ends the command
/// quietly, see [`is_closed_pipe`].
pub(super) fn say(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// A file that was not there and that its owner alone can read.
pub(super) fn new_file(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.with_context(|| format!("{} cannot be made", path.display()))
}

/// Whether a command ended because nobody reads its output any more.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_closed))
}

/// A bar over bytes on standard error; silent where that is no terminal.
pub(super) fn progress(bytes: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(bytes).with_message(what);
    let template = "{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Says on standard error that work goes on; silent where that is no terminal.
pub(super) fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A table that fits the terminal.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(120);
    }
    table.set_header(header);
    table
}

/// Keeps the texts of a column in one piece: they are there to be copied.
pub(super) fn keep_whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// What many verdicts add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages.
    pub messages: u64,
    /// Documents that were sent.
    pub documents: u64,
    /// Scans on them.
    pub codes: u64,
    /// Messages by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Findings by reason.
    pub findings: BTreeMap<&'static str, u64>,
    /// Duplicates by class.
    pub duplicates: BTreeMap<&'static str, u64>,
    /// Messages with something that could not be understood.
    pub errors: u64,
}

impl Summary {
    /// Counts one message.
    pub fn add(&mut self, played: &Played) {
        self.messages += 1;
        self.documents += played.counts.documents;
        self.codes += played.counts.codes;
        self.errors += u64::from(played.error.is_some());
        *self.verdicts.entry(played.verdict).or_default() += 1;
        for finding in &played.findings {
            *self.findings.entry(finding.reason).or_default() += 1;
            if let Some(class) = finding.class {
                *self.duplicates.entry(class).or_default() += 1;
            }
        }
    }

    /// Messages with a verdict.
    pub fn verdict(&self, name: &str) -> u64 {
        self.verdicts.get(name).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let parts: Vec<_> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        writeln!(f, "messages {}, documents {}, codes {}", self.messages, self.documents, self.codes)?;
        writeln!(f, "verdicts   {}", list(&self.verdicts))?;
        writeln!(f, "findings   {}", list(&self.findings))?;
        write!(f, "duplicates {}", list(&self.duplicates))?;
        if self.errors > 0 {
            write!(f, "\nnot understood {} (see the field \"error\" of their lines)", self.errors)?;
        }
        Ok(())
    }
}
