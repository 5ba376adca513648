//! What came out, as tables.

use crate::report::{Spread, Tables, table};
use serde::Serialize;

/// One filter and the time of its first page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageTime {
    /// What is looked for.
    pub filter: &'static str,
    /// Cases that pass it.
    pub cases: u64,
    /// Median of all repeats.
    pub median_ms: f64,
}

/// One size of store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Growth {
    /// Its cases.
    pub cases: u64,
    /// Its events.
    pub events: u64,
    /// Time to fill it.
    pub fill_seconds: f64,
    /// From the start of the program to ready, with a complete list of cases.
    pub complete_seconds: f64,
    /// Memory of the gateway then.
    pub resident_mib: f64,
    /// First pages of 50 cases.
    pub pages: Vec<PageTime>,
    /// A year of cases by division, beside what was sold.
    pub summary_ms: f64,
    /// A year of reminders by division.
    pub compliance_ms: f64,
    /// `GetCodeHistory`, the record of the look included.
    pub history_ms: f64,
    /// Rows of an export as JSON lines and one as a workbook, a second.
    pub export_rows_per_second: f64,
    /// Rows.
    pub export_rows: u64,
    /// The most memory of the gateway above what it had before them, the tables' cache filled.
    pub export_mib: f64,
}

/// What case keeping adds to the work of a duplicate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// Processor time of a blocked duplicate without cases, µs.
    pub without_us: Spread,
    /// With them.
    pub with_us: Spread,
    /// What is added, as a share.
    pub added: Spread,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CasesFigures {
    /// Small, then large.
    pub growth: Vec<Growth>,
    /// Work.
    pub duplicate: Work,
}

impl Tables for CasesFigures {
    fn tables(&self) -> String {
        let mut pages = table(["first page of", "cases", "passing", "median ms"]);
        let mut others = table([
            "cases",
            "events",
            "complete s",
            "memory MiB",
            "summary ms",
            "compliance ms",
            "history ms",
            "export rows/s",
            "export MiB",
        ]);
        for growth in &self.growth {
            for page in &growth.pages {
                pages.add_row([
                    page.filter.to_owned(),
                    growth.cases.to_string(),
                    page.cases.to_string(),
                    format!("{:.2}", page.median_ms),
                ]);
            }
            others.add_row([
                growth.cases.to_string(),
                growth.events.to_string(),
                format!("{:.1}", growth.complete_seconds),
                format!("{:.0}", growth.resident_mib),
                format!("{:.1}", growth.summary_ms),
                format!("{:.1}", growth.compliance_ms),
                format!("{:.2}", growth.history_ms),
                format!("{:.0}", growth.export_rows_per_second),
                format!("{:.1}", growth.export_mib),
            ]);
        }
        let Work { without_us, with_us, added } = &self.duplicate;
        format!(
            "{pages}\n{others}\nprocessor time of a blocked duplicate: {without_us} µs without cases, {with_us} µs with \
             them; added {added}"
        )
    }
}
