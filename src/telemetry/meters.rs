//! What rooms tell, as numbers. Whatever happens on every request has a handle that is made once at the start, so
//! that it costs a few atomic additions; what is rare, or told once a second, is looked up by its name.

use super::names;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use std::sync::OnceLock;
use std::time::Duration;

/// The calls that are answered with a verdict.
pub const CALLS: [&str; 6] =
    ["dispense", "hold", "report_sale", "return", "report_return", "report_movement"];
/// The verdicts.
pub const VERDICTS: [&str; 4] = ["ALLOW", "REMIND", "BLOCK", "PENDING"];
/// Why a request got no answer.
pub const REFUSALS: [&str; 17] = [
    "invalid",
    "different_body",
    "closed",
    "precondition",
    "denied",
    "not_found",
    "contended",
    "store_full",
    "store_stopped",
    "store_unreadable",
    "unfit",
    "store_away",
    "undecided",
    "in_doubt",
    "overrun",
    "overload",
    "policy",
];
/// Why a connection is closed before it begins.
pub const REFUSED_CONNECTIONS: [&str; 3] = ["full", "address_full", "handshake"];
/// What becomes of rows of an imported history.
pub const IMPORTED: [&str; 4] = ["added", "known", "added_to_known", "refused"];
/// What becomes of an answer that was given while the ledger was away.
pub const PROVISIONAL: [&str; 3] = ["claimed", "corrected", "dropped"];
/// What becomes of the numbers of a person: marked, or dropped because there is no join key or none that opens.
pub const PERSONS: [&str; 3] = ["marked", "no_key", "sealed"];
/// The parts of readiness.
pub const READY_PARTS: [&str; 3] = ["store", "index", "listener"];
/// Who could answer a look-up.
const ANSWERS: [&str; 3] = ["never", "recent", "ledger"];
const STATES: [&str; 4] = ["ready", "full", "away", "stopped"];
const TRAIL_STATES: [&str; 3] = ["ready", "damaged", "stopped"];
const ROW_KINDS: [&str; 4] = ["institutions", "drugs", "no_code_entries", "own_schemes"];

static METERS: OnceLock<Meters> = OnceLock::new();

/// The meters of one call.
struct Call {
    verdicts: [Counter; VERDICTS.len()],
    repeated: Counter,
    seconds: Histogram,
}

/// Handles for everything that has labels out of a closed set.
struct Meters {
    calls: [Call; CALLS.len()],
    refusals: [Counter; REFUSALS.len()],
    look_ups: [Counter; ANSWERS.len()],
    group_changes: Histogram,
    group_seconds: Histogram,
}

/// Makes the handles; the recorder must stand. Makes them show up as 0, so that a first event is an increase.
pub(super) fn start() {
    METERS.get_or_init(|| Meters {
        calls: CALLS.map(|call| Call {
            verdicts: VERDICTS
                .map(|verdict| counter!(names::VERDICTS_TOTAL, "call" => call, "verdict" => verdict)),
            repeated: counter!(names::REPEATED, "call" => call),
            seconds: histogram!(names::CALL_SECONDS, "call" => call),
        }),
        refusals: REFUSALS.map(|kind| counter!(names::REFUSALS_TOTAL, "kind" => kind)),
        look_ups: ANSWERS.map(|answer| counter!(names::LOOK_UPS, "answer" => answer)),
        group_changes: histogram!(names::GROUP_CHANGES),
        group_seconds: histogram!(names::GROUP_SECONDS),
    });
    // Shown from the start: what is missing on a page could be zero or unknown.
    for name in [names::SCAN_STREAMS, names::SCANS_IN_FLIGHT] {
        gauge!(name).set(0.0);
    }
    counter!(names::SHADOW_FAILED).increment(0);
    for was in VERDICTS {
        for would in VERDICTS {
            counter!(names::SHADOW_DOCUMENTS, "was" => was, "would" => would).increment(0);
        }
    }
    provisional_waiting(0);
    policies_in_fleet(1);
    for became in PROVISIONAL {
        counter!(names::PROVISIONAL, "became" => became).increment(0);
    }
    for became in PERSONS {
        counter!(names::PERSONS_TOLD, "became" => became).increment(0);
    }
    for why in REFUSED_CONNECTIONS {
        counter!(names::CONNECTIONS_REFUSED, "why" => why).increment(0);
    }
    for became in IMPORTED {
        counter!(names::IMPORTED, "became" => became).increment(0);
    }
    gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn place(name: &str, of: &[&str]) -> Option<usize> {
    of.iter().position(|known| *known == name)
}

fn call(name: &str) -> Option<&'static Call> {
    METERS.get()?.calls.get(place(name, &CALLS)?)
}

/// An answer was given for the first time.
pub fn answered(name: &'static str, verdict: &'static str, took: Duration) {
    let Some(call) = call(name) else {
        counter!(names::VERDICTS_TOTAL, "call" => name, "verdict" => verdict).increment(1);
        return histogram!(names::CALL_SECONDS, "call" => name).record(took.as_secs_f64());
    };
    call.seconds.record(took.as_secs_f64());
    if let Some(counter) = place(verdict, &VERDICTS).and_then(|at| call.verdicts.get(at)) {
        counter.increment(1);
    }
}

/// A finding was part of it. Few answers have one.
pub fn found(reason: &'static str, enforcement: &'static str) {
    counter!(names::FINDINGS, "reason" => reason, "enforcement" => enforcement).increment(1);
}

/// A request got its first answer again.
pub fn repeated(name: &'static str) {
    match call(name) {
        Some(call) => call.repeated.increment(1),
        None => counter!(names::REPEATED, "call" => name).increment(1),
    }
}

/// A request got no answer, for one of [`REFUSALS`].
pub fn refused(kind: &'static str) {
    let known = METERS.get().and_then(|meters| meters.refusals.get(place(kind, &REFUSALS)?));
    match known {
        Some(counter) => counter.increment(1),
        None => counter!(names::REFUSALS_TOTAL, "kind" => kind).increment(1),
    }
}

/// A document was judged by the shadow policy too.
pub fn shadowed(was: &'static str, would: &'static str) {
    counter!(names::SHADOW_DOCUMENTS, "was" => was, "would" => would).increment(1);
}

/// The shadow policy could not judge a document.
pub fn shadow_failed() {
    counter!(names::SHADOW_FAILED).increment(1);
}

/// A connection was closed before it began; `why` is one of [`REFUSED_CONNECTIONS`].
pub fn connection_refused(why: &'static str) {
    counter!(names::CONNECTIONS_REFUSED, "why" => why).increment(1);
}

/// Rows of an imported history were answered: so many for each of [`IMPORTED`].
pub fn imported(rows: [u64; IMPORTED.len()]) {
    for (became, count) in IMPORTED.into_iter().zip(rows) {
        counter!(names::IMPORTED, "became" => became).increment(count);
    }
}

/// So many answers that were given while the ledger was away wait for it.
pub fn provisional_waiting(answers: usize) {
    gauge!(names::PROVISIONAL_WAITING).set(answers as f64);
}

/// The ledger has an answer that was given while it was away; one of [`PROVISIONAL`].
pub fn provisional_became(became: &'static str) {
    counter!(names::PROVISIONAL, "became" => became).increment(1);
}

/// A request named a person; one of [`PERSONS`].
pub fn person_told(became: &'static str) {
    counter!(names::PERSONS_TOLD, "became" => became).increment(1);
}

/// So many policies are in force at gateways of one fleet.
pub fn policies_in_fleet(policies: usize) {
    gauge!(names::FLEET_POLICIES).set(policies as f64);
}

/// A group was made durable and applied.
pub fn group_written(changes: usize, took: Duration) {
    if let Some(meters) = METERS.get() {
        meters.group_changes.record(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
        meters.group_seconds.record(took.as_secs_f64());
    }
}

/// Codes were looked up: never claimed and known histories, both by the index, and those that the ledger was asked for.
pub fn looked_up(never: usize, recent: usize, ledger: usize) {
    let Some(meters) = METERS.get() else { return };
    for (counter, codes) in meters.look_ups.iter().zip([never, recent, ledger]) {
        if codes > 0 {
            counter.increment(codes as u64);
        }
    }
}

/// The store is in one of its states.
pub fn store_is(state: &'static str) {
    for known in STATES {
        gauge!(names::STORE_STATE, "state" => known).set(one_if(known == state));
    }
}

/// The audit trail is in one of its states, and has taken so many entries since the start.
pub fn trail_is(state: &'static str, entries: u64) {
    for known in TRAIL_STATES {
        gauge!(names::TRAIL_STATE, "state" => known).set(one_if(known == state));
    }
    counter!(names::TRAIL_ENTRIES).absolute(entries);
}

/// How full a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreGauges {
    /// Bytes that its log has taken in all.
    pub log_end_bytes: u64,
    /// Disk that its tables take.
    pub tables_bytes: u64,
    /// Disk that the table of claims takes of it; what was logged last is not in it yet.
    pub claims_bytes: u64,
    /// Changes that wait to be written.
    pub waiting_changes: usize,
    /// Changes that may wait.
    pub waiting_changes_max: usize,
    /// Free disk, where the system tells.
    pub disk_free_bytes: Option<u64>,
    /// Free disk that is needed.
    pub disk_free_bytes_min: u64,
    /// Codes that it is planned for; 0 = it needs no plan.
    pub codes_planned: u64,
}

/// The store was looked at.
pub fn store_measured(store: StoreGauges) {
    gauge!(names::LOG_END).set(store.log_end_bytes as f64);
    gauge!(names::TABLES).set(store.tables_bytes as f64);
    gauge!(names::CLAIMS).set(store.claims_bytes as f64);
    gauge!(names::WAITING).set(store.waiting_changes as f64);
    gauge!(names::WAITING_MAX).set(store.waiting_changes_max as f64);
    gauge!(names::LEDGER_PLANNED).set(store.codes_planned as f64);
    gauge!(names::DISK_FREE_MIN).set(store.disk_free_bytes_min as f64);
    if let Some(bytes) = store.disk_free_bytes {
        gauge!(names::DISK_FREE).set(bytes as f64);
    }
}

/// So many codes have an open case.
pub fn cases_are(open: usize) {
    gauge!(names::CASES_OPEN).set(open as f64);
}

/// What the index is like.
#[derive(Debug, Clone, Copy)]
pub struct IndexGauges {
    /// Codes in it.
    pub codes: u64,
    /// Codes that it is planned for.
    pub planned: u64,
    /// Bytes of its filters.
    pub filter_bytes: u64,
    /// Codes whose histories are kept.
    pub hot_codes: usize,
    /// Whether it holds every claim.
    pub complete: bool,
}

/// The index was looked after.
pub fn index_is(gauges: IndexGauges) {
    gauge!(names::INDEX_CODES).set(gauges.codes as f64);
    gauge!(names::INDEX_PLANNED).set(gauges.planned as f64);
    gauge!(names::INDEX_BYTES).set(gauges.filter_bytes as f64);
    gauge!(names::INDEX_HOT).set(gauges.hot_codes as f64);
    gauge!(names::INDEX_COMPLETE).set(one_if(gauges.complete));
}

/// The registry was loaded: its version, and its rows (institutions, drugs, no-code entries, own schemes).
pub fn registry_is(version: u64, rows: [usize; 4]) {
    gauge!(names::REGISTRY_VERSION).set(version as f64);
    for (kind, rows) in ROW_KINDS.into_iter().zip(rows) {
        gauge!(names::REGISTRY_ROWS, "kind" => kind).set(rows as f64);
    }
}

/// The oldest purchase feed of a province (two digits, or `all`) is complete up to a second since 1970.
pub fn feeds_complete_up_to(division: String, second: i64) {
    gauge!(names::FEED, "division" => division).set(second as f64);
}

/// Another policy is in force. One series more a change, of those that an operator makes.
pub fn policy_is(before: Option<String>, version: String) {
    if let Some(before) = before {
        gauge!(names::POLICY, "version" => before).set(0.0);
    }
    gauge!(names::POLICY, "version" => version).set(1.0);
}

/// Whether a part of the gateway is ready.
pub fn ready(part: &'static str, is_ready: bool) {
    gauge!(names::READY, "part" => part).set(one_if(is_ready));
}

const fn one_if(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}
