//! From facts to a verdict: pure, the same input gives the same answer.
//!
//! [`Reading::of`] says what the scans of a document are and which facts are needed; the engine fetches them;
//! [`judge_sale`] and [`judge_return`] put rules and facts together. A judgement names the changes of the
//! ledger that follow from it; it does not know how they are kept.

mod audit;
mod bench;
mod claims;
mod codes;
mod explain;
mod past;
mod provisional;
mod purchases;
mod quantity;
mod returns;
mod sale;
mod settle;
#[cfg(test)]
mod tests;

pub use audit::audited;
pub use codes::{CodeProduct, product_of};
pub use explain::{Explained, Question, Remark, usual_scene};
pub use past::{
    PastAnswer, PastFinding, PastGrounds, PastJudgement, PastOptions, PastRefusal, PastRow, PastStanding,
    judge_past,
};
pub use provisional::{corrections, may_be_given, passes_marked};
pub use returns::{judge_return, scene_of};
pub use sale::{Mode, SaleFacts, judge_sale};
pub use settle::{judge_confirm, judge_movement, judge_void};

use crate::domain::claim::{Folded, History, Lens, PaperKey, SaleEvent};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::document::Line;
use crate::domain::policy::{Policy, Settings};
use crate::domain::purchase::Position;
use crate::domain::registry::Registry;
use crate::domain::verdict::{Finding, Verdict};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What every judgement rests on.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// The gateway's clock at the decision.
    pub now: Timestamp,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The registry's snapshot.
    pub registry: &'a Registry,
    /// Document and visit, hashed.
    pub paper: Paper,
    /// What is recorded of each code that the reading names; a code that is missing here has no history.
    pub histories: &'a BTreeMap<CodeKey, History>,
    /// What is known of purchases, by catalogue code.
    pub positions: &'a BTreeMap<String, Position>,
    /// The ledger could not be asked: histories are as this gateway last heard of them, purchases are not known.
    pub provisional: bool,
}

/// The hashed document and visit number of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paper {
    /// The document, where there is one.
    pub document: Option<PaperKey>,
    /// The visit, where there is one.
    pub visit: Option<PaperKey>,
}

/// What the scans of a document are, line by line.
#[derive(Debug, Clone)]
pub struct Reading {
    /// One list of scans a line, in order.
    pub lines: Vec<Vec<Scan>>,
}

impl Reading {
    /// Reads every scan.
    pub fn of(lines: &[Line], rules: &ScanRules) -> Self {
        Self { lines: lines.iter().map(|l| l.scanned.iter().map(|s| read(s, rules)).collect()).collect() }
    }

    /// The codes whose histories are needed.
    pub fn keys(&self) -> BTreeSet<CodeKey> {
        self.lines.iter().flatten().filter_map(key_of).collect()
    }

    /// The catalogue codes whose purchases are needed.
    pub fn catalog_codes(&self, lines: &[Line], registry: &Registry) -> BTreeSet<String> {
        lines
            .iter()
            .zip(&self.lines)
            .filter_map(|(line, scans)| catalog_code_of(line, scans, registry))
            .collect()
    }
}

/// The identity of a scan, where it has one.
fn key_of(scan: &Scan) -> Option<CodeKey> {
    match scan {
        Scan::Code(code) => Some(code.key()),
        Scan::NoSerial { .. } | Scan::Placeholder { .. } | Scan::Refused { .. } => None,
    }
}

/// The line's catalogue code, or the one that the first mapped scan names.
fn catalog_code_of(line: &Line, scans: &[Scan], registry: &Registry) -> Option<String> {
    line.catalog_code
        .clone()
        .or_else(|| scans.iter().find_map(|s| codes::drug_of(s, registry)?.catalog_code).map(str::to_owned))
}

/// A change of one code's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimChange {
    /// The code.
    pub key: CodeKey,
    /// The version that was read; `None` = the code was not known.
    pub expected: Option<u32>,
    /// The history as it shall be.
    pub history: History,
}

/// A purchase question that waits for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Line of the document.
    pub line: u32,
    /// NHSA catalogue code.
    pub catalog_code: String,
}

/// What follows from the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The strictest enforcement among the findings.
    pub verdict: Verdict,
    /// In order of precedence.
    pub findings: Vec<Finding>,
    /// Changes of the ledger; empty where nothing is claimed.
    pub claims: Vec<ClaimChange>,
    /// Units by which the sold balance of a catalogue code grows.
    pub sold: Vec<(String, Decimal)>,
    /// Purchase questions to be judged again when data arrives.
    pub awaited: Vec<Awaited>,
    /// When the hold lapses, where one was taken.
    pub hold_expires_at: Option<Timestamp>,
    /// Stored as sales or returns.
    pub recorded: bool,
    /// Came after the lateness limit, or as a report.
    pub after_the_fact: bool,
    /// Sales, or blocked attempts, that collide with what is on record: they open cases.
    pub collided: Vec<Collided>,
}

/// A code that collides with what is on record, for the first time in this sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collided {
    /// Line of the document.
    pub line: u32,
    /// The code.
    pub key: CodeKey,
    /// The sale that is recorded, or would have been.
    pub sale: SaleEvent,
    /// What was folded to tell, where the history and this sale are all of it.
    pub folded: Option<Folded>,
    /// Its pack.
    pub pack: Pack,
}

/// The pack that a code stands for, as far as prefix map or scheme know it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pack {
    /// Smallest priced units in it.
    pub units_per_pack: Option<u32>,
    /// NHSA catalogue code of the drug.
    pub catalog_code: Option<String>,
}

/// The lens through which a policy looks at histories.
pub fn lens(now: Timestamp, settings: &Settings, units_per_pack: Option<u32>) -> Lens {
    Lens {
        now,
        units_per_pack,
        proposal_limit: SignedDuration::from_hours(24 * i64::from(settings.proposal_days)),
        close_window: SignedDuration::from_hours(24 * i64::from(settings.close_window_days)),
    }
}

impl Reading {
    /// Reads scans that stand on no line.
    pub fn of_scans(scanned: &[String], rules: &ScanRules) -> Self {
        Self { lines: vec![scanned.iter().map(|s| read(s, rules)).collect()] }
    }
}
