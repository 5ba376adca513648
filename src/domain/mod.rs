//! The trade itself. No async, no IO, no clock, no wire: the same input gives the same output.
//!
//! Reading order: [`code`] what was scanned, [`access`] who calls, [`party`] and [`drug`] who and what,
//! [`person`] to whom, without naming them, [`document`] what a caller
//! brings, [`claim`] what is known of one code, [`policy`] which rules hold, [`judge`] the verdict, [`case`] what the
//! bureau keeps of duplicates.

pub mod access;
pub mod case;
pub mod claim;
pub mod code;
pub mod document;
pub mod drug;
pub mod event;
pub mod judge;
pub mod outcome;
pub mod party;
pub mod person;
pub mod policy;
pub mod purchase;
pub mod registry;
pub mod stored;
pub mod tally;
pub mod time;
pub mod verdict;
