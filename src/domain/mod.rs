//! The trade itself. No async, no IO, no clock, no wire: the same input gives the same output.

pub mod drug;
pub mod party;
pub mod purchase;
pub mod verdict;
