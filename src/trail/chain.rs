//! Holds lines, as they come, against what a whole trail is; in memory that does not grow with them.
//!
//! A line that cannot be believed does not say which entry it was: it counts as the one that is due. How many of such
//! lines stand between two good entries then tells whether others are missing besides.

use super::Act;
use super::entry::{Entry, Hash, Read, hash_before, read};
use super::fault::{Fault, FaultKind, Place};
use super::files::{HEAD_FILE, Head, Month};

/// Faults that are kept; more are counted.
const FAULTS_KEPT_MAX: usize = 1000;
/// Runs of missing entries that may still turn up further behind; with more, the oldest is called missing at once.
const GAPS_KEPT_MAX: usize = 1000;

/// From where lines are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// From the first entry of all.
    Beginning,
    /// From the first line of some file: what stands before it is not looked at.
    Anywhere,
}

/// Entries that were not there when their turn came.
#[derive(Debug)]
struct Gap {
    first: u64,
    last: u64,
    /// Lines between that cannot be believed: so many of them may be these.
    unreadable: u64,
    at: Place,
    /// The hash before the entry behind it, where nothing stands before the gap.
    begins_with: Option<Hash>,
}

/// An entry of which somebody else knows.
#[derive(Debug)]
struct Known {
    head: Head,
    kind: FaultKind,
    seen: bool,
}

/// What was seen of a chain so far.
#[derive(Debug)]
pub(super) struct Chain {
    from: From,
    /// The entry with the highest number.
    pub last: Option<Head>,
    /// Entries that are as they were written.
    pub entries: u64,
    /// Lines behind the last one that cannot be believed.
    broken: u64,
    gaps: Vec<Gap>,
    known: Vec<Known>,
    /// Up to which entries purges went, and these entries' hashes: what the last one announced may still be there.
    purged: Vec<(u64, Hash)>,
    at: Option<Place>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What is wrong besides.
    pub faults_not_kept: u64,
    /// Faults since the chain began, or began anew.
    pub faults_since_begin: u64,
}

impl Chain {
    pub fn new(from: From) -> Self {
        Self {
            from,
            last: None,
            entries: 0,
            broken: 0,
            gaps: Vec::new(),
            known: Vec::new(),
            purged: Vec::new(),
            at: None,
            faults: Vec::new(),
            faults_not_kept: 0,
            faults_since_begin: 0,
        }
    }

    /// An entry must be there as somebody knows it: from the file `head`, or from elsewhere.
    pub fn expect(&mut self, head: Head, kind: FaultKind) {
        self.known.push(Known { head, kind, seen: false });
    }

    /// A line is no entry for a reason that is known already.
    pub fn take_unreadable(&mut self, at: Place, why: impl Into<String>) {
        self.at = Some(at);
        self.broken += 1;
        self.fault_at(FaultKind::Unreadable, self.due(), at, why);
    }

    /// Takes a line without its end; gives the entry that it is, where it can be believed.
    pub fn take(&mut self, at: Place, line: &[u8]) -> Option<Entry> {
        match read(line) {
            Read::Whole(entry) => {
                self.at = Some(at);
                self.entries += 1;
                self.take_entry(at, &entry);
                Some(entry)
            }
            Read::Unreadable(why) => {
                self.take_unreadable(at, why);
                None
            }
            Read::Changed(says) => {
                self.at = Some(at);
                self.broken += 1;
                let due = match self.due() {
                    0 => says,
                    due => due,
                };
                let says =
                    if says == due { String::new() } else { format!(", and it says to be entry {says}") };
                self.fault_at(
                    FaultKind::Changed,
                    due,
                    at,
                    format!("what it says does not fit its hash{says}"),
                );
                None
            }
        }
    }

    /// The number of the line that was read last, if nothing is missing; 0 = unknown.
    fn due(&self) -> u64 {
        match (&self.last, self.from) {
            (Some(last), _) => last.number.saturating_add(self.broken),
            (None, From::Beginning) => self.broken,
            (None, From::Anywhere) => 0,
        }
    }

    fn take_entry(&mut self, at: Place, entry: &Entry) {
        self.compare(at, entry);
        let last = self.last.as_ref().map_or(0, |last| last.number);
        if entry.number > last {
            self.take_next(at, entry, last);
        } else if self.fill_gap(entry.number) {
            let what = format!("it stands behind entry {last}, which was written later");
            self.fault_at(FaultKind::Reordered, entry.number, at, what);
        } else {
            let what = format!("the number stands there again, behind entry {last}");
            self.fault_at(FaultKind::Repeated, entry.number, at, what);
        }
        self.look_at_month(at, entry);
        if entry.act == Act::TrailPurge.name() {
            let up_to = entry.detail.get("up_to").and_then(serde_json::Value::as_u64);
            let hash = entry.detail.get("hash").and_then(serde_json::Value::as_str);
            self.purged.extend(up_to.zip(hash.map(str::to_owned)));
        }
    }

    /// An entry with a higher number than all before it.
    fn take_next(&mut self, at: Place, entry: &Entry, last: u64) {
        let is_first = self.last.is_none();
        let between = entry.number.saturating_sub(last).saturating_sub(1);
        let skips = is_first && self.from == From::Anywhere;
        if between > self.broken && !skips {
            let begins_with = is_first.then(|| entry.before.clone());
            let (first, unreadable) = (last.saturating_add(1), self.broken);
            self.gaps.push(Gap { first, last: entry.number - 1, unreadable, at, begins_with });
            if self.gaps.len() > GAPS_KEPT_MAX {
                let oldest = self.gaps.remove(0);
                self.tell_gap(&oldest);
            }
        }
        self.broken = 0;
        let begins = entry.act == Act::TrailBegin.name();
        if begins || entry.number == 1 {
            self.take_begin(at, entry, begins);
        } else if between == 0
            && let Some(before) = self.last.as_ref().filter(|before| before.hash != entry.before)
        {
            let what = format!(
                "it does not follow the entry {} that stands before it: one of both was replaced",
                before.number
            );
            self.fault_at(FaultKind::Replaced, entry.number, at, what);
        }
        self.last = Some(Head { number: entry.number, hash: entry.hash.clone() });
    }

    fn take_begin(&mut self, at: Place, entry: &Entry, begins: bool) {
        if !begins || entry.before != hash_before(&entry.about) {
            let what = "no trail begins like this: it was replaced";
            self.fault_at(FaultKind::Replaced, entry.number, at, what);
        }
        if entry.number > 1 {
            // Whatever is missing before it does not turn up behind it.
            for gap in std::mem::take(&mut self.gaps) {
                self.tell_gap(&gap);
            }
            let why =
                entry.detail.get("because").and_then(serde_json::Value::as_str).unwrap_or("nobody says why");
            self.fault_at(FaultKind::BegunAnew, entry.number, at, format!("the trail begins anew: {why}"));
            self.faults_since_begin = 0;
        }
    }

    /// Holds an entry against those of which somebody else knows.
    fn compare(&mut self, at: Place, entry: &Entry) {
        let mut differing = Vec::new();
        for known in self.known.iter_mut().filter(|known| known.head.number == entry.number) {
            known.seen = true;
            if known.head.hash != entry.hash {
                differing.push(known.kind);
            }
        }
        for kind in differing {
            let what = if kind == FaultKind::Since {
                "it is another entry than the one that was given as known"
            } else {
                "it is another entry than the one that the file `head` names"
            };
            self.fault_at(kind, entry.number, at, what);
        }
    }

    /// An entry stands in the file of its month, or in a later one where the clock went back.
    fn look_at_month(&mut self, at: Place, entry: &Entry) {
        if let Some(own) = entry.moment().map(Month::of).filter(|own| *own > at.month) {
            self.fault_at(FaultKind::Misplaced, entry.number, at, format!("it belongs into {own}"));
        }
    }

    /// Whether an entry was missing until now; it is not any more.
    fn fill_gap(&mut self, number: u64) -> bool {
        let Some(found) = self.gaps.iter().position(|gap| (gap.first..=gap.last).contains(&number)) else {
            return false;
        };
        let Gap { first, last, unreadable, at, begins_with } = self.gaps.remove(found);
        let behind = Gap { first: number + 1, last, unreadable, at, begins_with: begins_with.clone() };
        let before = Gap { first, last: number - 1, unreadable: 0, at, begins_with };
        let rest = [before, behind].into_iter().filter(|gap| gap.first <= gap.last);
        self.gaps.splice(found..found, rest);
        true
    }

    /// There are no more lines.
    pub fn finish(&mut self) {
        for gap in std::mem::take(&mut self.gaps) {
            self.tell_gap(&gap);
        }
        let last = self.due();
        for Known { head, kind, seen } in std::mem::take(&mut self.known) {
            let (number, is_behind) = (head.number, head.number > last);
            if kind == FaultKind::Head && is_behind {
                let what = format!("the file `head` says that entries up to {number} were there");
                self.fault(FaultKind::CutOff, (last + 1, number), self.at, what);
            } else if kind == FaultKind::Since && !seen {
                self.fault(
                    FaultKind::Since,
                    (number, number),
                    self.at,
                    "the entry that was given as known is not there",
                );
            }
        }
    }

    fn tell_gap(&mut self, gap: &Gap) {
        let is_purged = |(up_to, hash): &(u64, Hash)| {
            gap.first == 1 && gap.last == *up_to && gap.begins_with.as_ref() == Some(hash)
        };
        let count = gap.last - gap.first + 1;
        if gap.unreadable >= count || self.purged.iter().any(is_purged) {
            return;
        }
        let is_first = gap.begins_with.is_some();
        let kind = if is_first { FaultKind::FirstGone } else { FaultKind::Missing };
        let mut what = format!("{} not there", if count == 1 { "it is" } else { "they are" });
        if gap.unreadable > 0 {
            what = format!("{} of them are not there", count - gap.unreadable);
        }
        if is_first {
            what.push_str(", and no purge says that they were removed");
        }
        self.fault(kind, (gap.first, gap.last), Some(gap.at), what);
    }

    fn fault_at(&mut self, kind: FaultKind, number: u64, at: Place, what: impl Into<String>) {
        self.fault(kind, (number, number), Some(at), what);
    }

    /// Notes what is wrong; without a place it is the head's.
    pub fn fault(
        &mut self,
        kind: FaultKind,
        (number, up_to): (u64, u64),
        at: Option<Place>,
        what: impl Into<String>,
    ) {
        self.faults_since_begin += 1;
        if self.faults.len() >= FAULTS_KEPT_MAX {
            self.faults_not_kept += 1;
            return;
        }
        let file = at.map_or_else(|| HEAD_FILE.to_owned(), |at| at.month.to_string());
        let line = at.map_or(0, |at| at.line);
        self.faults.push(Fault { kind, number, up_to, file, line, what: what.into() });
    }
}
