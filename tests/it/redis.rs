//! Many gateways over one Redis, what they demand of it, and moving a ledger there and back.

mod cases;
mod copies;
mod faults;
pub mod fleet;
mod growing;
pub mod guards;
mod kills;
mod losses;
mod migrate;
mod provisional;
mod races;
mod steps;
