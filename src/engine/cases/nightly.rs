//! The audit of the day before, at midnight in Asia/Shanghai. Each gateway audits what its own log holds, so that a fleet
//! audits everything once; which day was audited last is kept, and what was missed is made up for.

use super::super::looks::Looks;
use super::super::{Engine, EngineError};
use crate::domain::time::day_of;
use crate::store::write_durably;
use crate::trail::Act;
use jiff::ToSpan;
use jiff::civil::Date;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Days that are made up for at most.
const MISSED_DAYS_MAX: i64 = 31;
/// Between two attempts while the ledger does not answer.
const TRY_EVERY: Duration = Duration::from_secs(30);

impl Engine {
    /// Audits each day once it is over, until `stop`. `file` = where the last audited day is kept.
    pub async fn audit_nightly(&self, file: PathBuf, stop: CancellationToken) {
        let mut looks = Looks::until(&stop);
        let mut last = None;
        while looks.next().await {
            let Some(yesterday) = day_of(self.clock.now()).yesterday().ok() else { continue };
            let audited = *last.get_or_insert_with(|| last_audited(&file).unwrap_or(yesterday));
            if audited >= yesterday || !self.knows_all_cases() {
                continue;
            }
            match looks.work(self.audit_missed(audited, yesterday, &file)).await {
                Some(Ok(())) => last = Some(yesterday),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the audit of the day before is tried again");
                    looks.pause(TRY_EVERY).await;
                }
                None => return,
            }
        }
    }

    async fn audit_missed(&self, audited: Date, yesterday: Date, file: &Path) -> Result<(), EngineError> {
        let earliest = yesterday.saturating_sub(MISSED_DAYS_MAX.days());
        let mut day = audited.max(earliest);
        while day < yesterday {
            day = day.tomorrow().unwrap_or(yesterday);
            let done = self.audit((day, day), false, |_| {}).await?;
            tracing::info!(
                %day,
                requests = done.requests,
                codes = done.codes,
                corrected = done.corrected,
                cases = done.cases_changed,
                pushed = done.pushed,
                "audited"
            );
            // Behind it: nobody asked for it, and what it changed follows from what is on record.
            let fact = self.own_fact(Act::AuditRun, format!("{day} to {day}"));
            let fact = fact.with("corrected", done.corrected).with("cases", done.cases_changed);
            self.note(fact.with("pushed", done.pushed)).await;
            if let Err(error) = keep(file, day) {
                tracing::warn!(%error, "the audited day cannot be kept; it is audited again after a restart");
            }
        }
        Ok(())
    }
}

/// The day that a file names.
fn last_audited(file: &Path) -> Option<Date> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Whole or not at all, even after a power loss: a file that cannot be read would pass over days.
fn keep(file: &Path, day: Date) -> std::io::Result<()> {
    match (file.parent(), file.file_name().and_then(OsStr::to_str)) {
        (Some(folder), Some(name)) => write_durably(folder, name, &format!("{day}\n")),
        (None, _) | (_, None) => Err(std::io::ErrorKind::InvalidFilename.into()),
    }
}
