//! Many gateways over one Redis, and what they demand of it.

mod faults;
mod fleet;
mod guards;
mod kills;
mod losses;
mod races;
