//! Cases by the hundred thousand: how long a page, a summary and a code's history take, and what case keeping adds to
//! the work of a duplicate. The engine runs in this process; pages are asked of it as a door would.

mod export;
mod figures;
mod fill;
mod growth;
mod work;

pub use figures::{CasesFigures, Growth, Work};

use super::World;
use crate::machine::machine;
use crate::report::{Goal, Report};
use anyhow::Result;
use serde::Serialize;

/// Goal: the first page of any filter, in milliseconds.
const PAGE_MS_MAX: f64 = 20.0;
/// Goal: a year's summary by division, in milliseconds.
const SUMMARY_MS_MAX: f64 = 1000.0;
/// Goal: everything of a code, in milliseconds.
const HISTORY_MS_MAX: f64 = 5.0;
/// Goal: memory of an export above idle, in MiB.
const EXPORT_MIB_MAX: f64 = 64.0;
/// Goal: what case keeping adds to the work of a duplicate.
const DUPLICATE_SHARE_MAX: f64 = 0.25;

/// What the scenario can be told.
#[derive(Debug, Clone, Serialize)]
pub struct CasesSettings {
    /// Cases of the smaller store.
    pub small: u64,
    /// Cases of the larger one.
    pub large: u64,
    /// Events for each case, its own two included.
    pub events_per_case: u64,
    /// How often each question is asked.
    pub repeats: u32,
    /// Duplicates that are dispensed with and without case keeping, each way.
    pub duplicates: u64,
    /// How often both ways take turns.
    pub rounds: usize,
    /// Whom it is about.
    #[serde(flatten)]
    pub world: World,
}

/// Measures it.
pub async fn cases(settings: CasesSettings) -> Result<Report<CasesSettings, CasesFigures>> {
    let machine = machine();
    let mut growth = Vec::new();
    for cases in [settings.small, settings.large] {
        growth.push(growth::measure(cases, &settings).await?);
    }
    let duplicate = work::measure(&settings).await?;
    let goals = growth.last().map(|large| goals(large, &duplicate)).unwrap_or_default();
    let figures = CasesFigures { growth, duplicate };
    Ok(Report { goals, ..Report::new("cases", machine, settings, figures) })
}

fn goals(large: &Growth, work: &Work) -> Vec<Goal> {
    let slowest = large.pages.iter().map(|page| page.median_ms).fold(0.0, f64::max);
    vec![
        Goal::at_most("first page of the slowest filter, ms", PAGE_MS_MAX, slowest),
        Goal::at_most("a year's summary by division, ms", SUMMARY_MS_MAX, large.summary_ms),
        Goal::at_most("a year's reminders by division, ms", SUMMARY_MS_MAX, large.compliance_ms),
        Goal::at_most("history of a code, ms", HISTORY_MS_MAX, large.history_ms),
        Goal::at_most("memory of an export above idle, MiB", EXPORT_MIB_MAX, large.export_mib),
        Goal::at_most("case keeping in the work of a duplicate", DUPLICATE_SHARE_MAX, work.added.median),
    ]
}
