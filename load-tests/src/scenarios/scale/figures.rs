//! What came out, as figures, tables and goals.

use super::{ClaimPhase, Filled, Restart};
use crate::driver::FaultsSeen;
use crate::report::{Goal, Tables, table};
use serde::Serialize;
use tracegate::telemetry::IndexGauges;

/// Goal: disk of the table of claims for one claim.
const CLAIM_BYTES_MAX: f64 = 60.0;
/// Goal: memory of the index's filters for one code.
const FILTER_BYTES_MAX: f64 = 4.0;
/// Goal: claims per second with the many codes over those with the few.
const RATIO_MIN: f64 = 0.6;
/// Goal: from the start of the program to ready.
const READY_SECONDS_MAX: f64 = 5.0;
/// The filters take one code in a hundred for one that they know, so they count up to this much too few.
const INDEX_SHARE_MIN: f64 = 0.98;

/// Disk, once everything was closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DiskFigures {
    /// Claimed codes: imported and dispensed.
    pub claims: u64,
    /// The table of claims.
    pub claims_bytes: u64,
    /// The same for one claim.
    pub claims_bytes_per_claim: f64,
    /// Evidence: the event log, with registry and purchases.
    pub log_bytes: u64,
    /// All other tables: outcomes, documents, purchases, positions, registry, and the tables' own journal.
    pub other_tables_bytes: u64,
    /// The saved filters.
    pub saved_index_bytes: u64,
}

impl DiskFigures {
    pub(super) fn new(claims: u64, claims_bytes: u64, [log, tables, saved_index]: [u64; 3]) -> Self {
        Self {
            claims,
            claims_bytes,
            claims_bytes_per_claim: claims_bytes as f64 / claims as f64,
            log_bytes: log,
            other_tables_bytes: tables.saturating_sub(claims_bytes),
            saved_index_bytes: saved_index,
        }
    }
}

/// Memory of the index before the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IndexFigures {
    /// Codes in its filters, by their own count.
    pub codes: u64,
    /// Codes that they are planned for.
    pub planned: u64,
    /// Their bytes.
    pub filter_bytes: u64,
    /// The same for one claimed code.
    pub filter_bytes_per_code: f64,
    /// Codes whose histories are kept beside them: a fixed number at most, whatever the ledger holds.
    pub hot_codes: usize,
}

impl IndexFigures {
    pub(super) fn new(gauges: IndexGauges, claims: u64) -> Self {
        let IndexGauges { codes, planned, filter_bytes, hot_codes, .. } = gauges;
        let filter_bytes_per_code = filter_bytes as f64 / claims as f64;
        Self { codes, planned, filter_bytes, filter_bytes_per_code, hot_codes }
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScaleFigures {
    /// Past sales before each phase.
    pub fills: Vec<Filled>,
    /// Claims with few codes on record, then with many.
    pub phases: Vec<ClaimPhase>,
    /// Claims per second of the last phase over those of the first.
    pub throughput_ratio: f64,
    /// Bytes of the log for one imported code, over all of them.
    pub log_bytes_per_imported_code: f64,
    /// Bytes of the log for one dispensed document, over all phases.
    pub log_bytes_per_document: f64,
    /// Disk.
    pub disk: DiskFigures,
    /// Memory.
    pub index: IndexFigures,
    /// The gateway over it.
    pub restart: Restart,
}

impl ScaleFigures {
    pub(super) fn new(
        fills: Vec<Filled>,
        phases: Vec<ClaimPhase>,
        disk: DiskFigures,
        index: IndexFigures,
        restart: Restart,
    ) -> Self {
        let last_over_first = |figure: fn(&ClaimPhase) -> f64| {
            let [first, last] = [phases.first(), phases.last()].map(|phase| phase.map_or(f64::NAN, figure));
            last / first
        };
        let mean = |parts: Vec<(f64, u64)>| {
            let count: u64 = parts.iter().map(|(_, count)| count).sum();
            parts.iter().map(|(each, count)| each * *count as f64).sum::<f64>() / count as f64
        };
        Self {
            throughput_ratio: last_over_first(|phase| phase.claims_per_second),
            log_bytes_per_imported_code: mean(
                fills.iter().map(|fill| (fill.log_bytes_per_code, fill.codes)).collect(),
            ),
            log_bytes_per_document: mean(
                phases.iter().map(|phase| (phase.log_bytes_per_document, phase.documents)).collect(),
            ),
            fills,
            phases,
            disk,
            index,
            restart,
        }
    }

    pub(super) fn goals(&self) -> Vec<Goal> {
        vec![
            Goal::at_most(
                "disk of the table of claims for a claim, bytes",
                CLAIM_BYTES_MAX,
                self.disk.claims_bytes_per_claim,
            ),
            Goal::at_most(
                "memory of the index's filters for a code, bytes",
                FILTER_BYTES_MAX,
                self.index.filter_bytes_per_code,
            ),
            Goal::at_least("claims per second, many codes / few codes", RATIO_MIN, self.throughput_ratio),
            Goal::at_most("start to ready, s", READY_SECONDS_MAX, self.restart.ready_seconds),
        ]
    }

    /// Answers were checked one by one; here the index is held against what was recorded.
    pub(super) fn faults(&self) -> FaultsSeen {
        let (codes, claims) = (self.index.codes, self.disk.claims);
        if codes <= claims && codes as f64 >= claims as f64 * INDEX_SHARE_MIN {
            return FaultsSeen::default();
        }
        let first = vec![format!("the index counts {codes} codes, {claims} were claimed")];
        FaultsSeen { count: 1, share: 1.0 / claims as f64, first }
    }
}

impl Tables for ScaleFigures {
    fn tables(&self) -> String {
        let mut fills = table(["past sales", "seconds", "codes/s", "log bytes / code"]);
        for Filled { codes, seconds, codes_per_second, log_bytes_per_code } in &self.fills {
            fills.add_row([
                codes.to_string(),
                format!("{seconds:.1}"),
                format!("{codes_per_second:.0}"),
                format!("{log_bytes_per_code:.1}"),
            ]);
        }
        let mut phases = table([
            "codes on record",
            "documents",
            "claims/s",
            "CPU µs / document",
            "log bytes / document",
            "index built anew",
        ]);
        for phase in &self.phases {
            phases.add_row([
                phase.codes_before.to_string(),
                phase.documents.to_string(),
                format!("{:.0}", phase.claims_per_second),
                format!("{:.1}", phase.cpu_us_per_document),
                format!("{:.1}", phase.log_bytes_per_document),
                if phase.index_built_anew { "yes" } else { "no" }.to_owned(),
            ]);
        }
        let Self { disk, index, restart, throughput_ratio, .. } = self;
        let mut kept = table(["what", "bytes", "for a claim"]);
        let parts = [
            ("disk: table of claims", disk.claims_bytes),
            ("disk: event log", disk.log_bytes),
            ("disk: other tables", disk.other_tables_bytes),
            ("disk: saved filters", disk.saved_index_bytes),
            ("memory: filters of the index", index.filter_bytes),
            ("memory: gateway when ready", restart.resident_bytes),
        ];
        for (what, bytes) in parts {
            let each = bytes as f64 / disk.claims as f64;
            kept.add_row([what.to_owned(), bytes.to_string(), format!("{each:.1}")]);
        }
        format!(
            "{fills}\nclaims per second, last over first: {throughput_ratio:.3}\n{phases}\n{} claims; histories of \
             the latest {} codes in memory\n{kept}\nstart to ready: {:.2} s (listens after {:.2} s), {} codes in the index",
            disk.claims, index.hot_codes, restart.ready_seconds, restart.listens_seconds, restart.index_codes
        )
    }
}
