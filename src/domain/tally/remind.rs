//! What an answer reminded of: counted once, however often the same sale is told.

use super::{Counted, Month, Reminded, Rule, Tally, TallyKey};
use crate::domain::document::{Document, Line};
use crate::domain::outcome::Answer;
use crate::domain::party::InstitutionCode;
use crate::domain::time::day_of;
use crate::domain::verdict::{Enforcement, Finding, Reason, Verdict};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an answer counts for, and what the operator said to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reminder {
    /// By rule, in their order; empty where the same sale was reminded of before.
    pub counts: Vec<(Rule, Counted)>,
    /// Why the operator went on, in their words.
    pub reason: Option<String>,
    /// The sale went on: it stood at once, its hold was confirmed, or another message of the same sale settled it.
    pub went_on: bool,
}

/// What became of a reminder, as far as tallies are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It was given before a settlement; what is held may be confirmed or not.
    Asked,
    /// It was given, and the sale stands at once.
    AskedAndSold,
    /// Its hold was confirmed.
    Sold,
    /// The sale was cancelled.
    TakenBack,
    /// A reason was given after the sale.
    Explained,
}

impl Reminder {
    /// What it adds to the tally of the institution and of the day on which it was given; `None` = nothing.
    pub fn tally(
        &self,
        institution: InstitutionCode,
        at: Timestamp,
        course: Course,
    ) -> Option<(TallyKey, Tally)> {
        let day = day_of(at);
        let mut tally = Tally::default();
        for (rule, counted) in &self.counts {
            tally.count_reminders(day.day().unsigned_abs(), *rule, &self.reminded(counted, course));
        }
        (!tally.is_empty()).then_some((TallyKey { month: Month::of(day), institution }, tally))
    }

    fn reminded(&self, counted: &Counted, course: Course) -> Reminded {
        let explained = if self.reason.is_some() { counted.persons } else { 0 };
        let asked = Reminded { all: *counted, ..Reminded::default() };
        let sold = Reminded { gone_on: *counted, explained, ..Reminded::default() };
        let mut sum = Reminded::default();
        match course {
            Course::Asked => sum.add(&asked, 1),
            Course::Sold => sum.add(&sold, 1),
            Course::TakenBack => sum.add(&sold, -1),
            Course::Explained => sum.explained = counted.persons,
            Course::AskedAndSold => {
                sum.add(&asked, 1);
                sum.add(&sold, 1);
            }
        }
        sum
    }
}

/// What the same sale was reminded of before.
#[derive(Debug, Default)]
pub struct Earlier<'a> {
    /// Answers to other requests of the same document that stand.
    pub answers: Vec<&'a Answer>,
    /// Codes of which this very sale is on record already.
    pub codes: BTreeSet<String>,
}

impl Earlier<'_> {
    fn knows(&self, finding: &Finding) -> bool {
        let is_told = |code: &String| self.codes.contains(code);
        finding.code.as_ref().is_some_and(is_told) || self.findings().any(|other| is_one(finding, other))
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.answers.iter().flat_map(|answer| &answer.findings).filter(|finding| reminds(finding))
    }
}

fn reminds(finding: &Finding) -> bool {
    finding.enforcement == Enforcement::Remind
}

/// Whether two findings of one document are one: of the same code, or of the same line where no code is named.
fn is_one(finding: &Finding, other: &Finding) -> bool {
    let same = match (&finding.code, &other.code) {
        (Some(code), Some(other)) => code == other,
        (None, None) => finding.line == other.line,
        (Some(_), None) | (None, Some(_)) => false,
    };
    same && finding.reason == other.reason
}

/// Whether an answer reminded somebody at a counter: a report of what has happened reminds nobody.
pub fn is_reminder(answer: &Answer) -> bool {
    answer.verdict == Verdict::Remind && answer.recorded && !answer.after_the_fact
}

/// What an answer counts for, by rule; the first row is for all rules together. Nothing where it reminded of nothing
/// new.
pub fn reminders(document: &Document, answer: &Answer, earlier: &Earlier<'_>) -> Vec<(Rule, Counted)> {
    if !is_reminder(answer) {
        return Vec::new();
    }
    let new = answer.findings.iter().filter(|finding| reminds(finding) && !earlier.knows(finding));
    let rules = by_rule(document, new);
    let person = i64::from(earlier.findings().next().is_none());
    let of_rules = rules.iter().map(|rule| {
        let persons = i64::from(!earlier.findings().any(|known| known.reason == rule.reason));
        let amount_fen = amount(document, &rule.lines);
        (Some(rule.reason), Counted { reminders: rule.findings, persons, amount_fen })
    });
    let mut counts = Vec::with_capacity(1 + rules.len());
    counts.push((None, Counted { reminders: person, persons: person, amount_fen: 0 }));
    counts.extend(of_rules);
    let of_all = match counts.get(1..) {
        None | Some([]) => return Vec::new(),
        // Nearly every document is reminded by one rule.
        Some([(_, only)]) => only.amount_fen,
        Some(_) => amount(document, &sorted(rules.iter().flat_map(|rule| &rule.lines).copied().collect())),
    };
    if let Some((_, all)) = counts.first_mut() {
        all.amount_fen = of_all;
    }
    counts
}

/// The findings of one rule.
struct OfRule {
    reason: Reason,
    findings: i64,
    /// Places of the lines that they are about, each once, in their order.
    lines: Vec<usize>,
}

/// Findings by rule, in the order of the rules, which are a handful.
fn by_rule<'a>(document: &Document, findings: impl Iterator<Item = &'a Finding>) -> Vec<OfRule> {
    let mut rules: Vec<OfRule> = Vec::new();
    for finding in findings {
        let lines = lines_of(document, finding);
        match rules.iter_mut().find(|rule| rule.reason == finding.reason) {
            Some(rule) => {
                rule.findings += 1;
                rule.lines.extend(lines);
            }
            None => rules.push(OfRule { reason: finding.reason, findings: 1, lines: lines.collect() }),
        }
    }
    for rule in &mut rules {
        rule.lines = sorted(std::mem::take(&mut rule.lines));
    }
    rules.sort_unstable_by_key(|rule| rule.reason);
    rules
}

/// Each place once, in their order.
fn sorted(mut places: Vec<usize>) -> Vec<usize> {
    places.sort_unstable();
    places.dedup();
    places
}

/// Which lines a finding is about; all of them where it is about the document.
fn lines_of<'a>(document: &'a Document, finding: &'a Finding) -> impl Iterator<Item = usize> + 'a {
    let is_it = |line: &Line| finding.line.is_none_or(|number| line.number == number);
    document.lines.iter().enumerate().filter(move |(_, line)| is_it(line)).map(|(at, _)| at)
}

fn amount(document: &Document, lines: &[usize]) -> i64 {
    let of = |line: &Line| -> Option<i64> {
        let yuan = line.quantity?.checked_mul(line.unit_price?)?;
        yuan.checked_mul(Decimal::ONE_HUNDRED)?.round().to_i64()
    };
    let amounts = lines.iter().filter_map(|at| document.lines.get(*at).and_then(of));
    amounts.fold(0, i64::saturating_add)
}
