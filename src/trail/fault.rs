//! What can be wrong with a trail, in words for whoever has to look into it.

use super::files::Month;
use std::fmt;

/// In which way entries are not as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A line is no entry.
    Unreadable,
    /// What an entry says does not fit its hash.
    Changed,
    /// An entry does not follow the one before it: one of the two is not the one that was written.
    Replaced,
    /// Entries are not there.
    Missing,
    /// Entries before the first one are not there, and no purge says so.
    FirstGone,
    /// Entries behind the last one are not there.
    CutOff,
    /// An entry stands behind one that was written later.
    Reordered,
    /// A number stands there again.
    Repeated,
    /// An entry stands in the file of another month.
    Misplaced,
    /// A start found damage and began anew.
    BegunAnew,
    /// The file `head` is missing, unreadable, or names another entry than the one that stands there.
    Head,
    /// The entry that was given as known is not there, or is another one.
    Since,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Unreadable,
        Self::Changed,
        Self::Replaced,
        Self::Missing,
        Self::FirstGone,
        Self::CutOff,
        Self::Reordered,
        Self::Repeated,
        Self::Misplaced,
        Self::BegunAnew,
        Self::Head,
        Self::Since,
    ];

    /// Its name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Changed => "changed",
            Self::Replaced => "replaced",
            Self::Missing => "missing",
            Self::FirstGone => "first_gone",
            Self::CutOff => "cut_off",
            Self::Reordered => "reordered",
            Self::Repeated => "repeated",
            Self::Misplaced => "misplaced",
            Self::BegunAnew => "begun_anew",
            Self::Head => "head",
            Self::Since => "since",
        }
    }
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub month: Month,
    /// The line in it, from 1.
    pub line: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In which way.
    pub kind: FaultKind,
    /// The first entry that it concerns; 0 = nobody can tell.
    pub number: u64,
    /// The last one.
    pub up_to: u64,
    /// The file in which it shows.
    pub file: String,
    /// The line in it, from 1; 0 = the file as a whole.
    pub line: u64,
    /// In words.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.number, self.up_to) {
            (0, _) => {}
            (first, last) if first == last => write!(f, "entry {first}, ")?,
            (first, last) => write!(f, "entries {first} to {last}, ")?,
        }
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, " line {}", self.line)?;
        }
        write!(f, ": {}: {}", self.kind.name(), self.what)
    }
}
