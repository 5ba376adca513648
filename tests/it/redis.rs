//! Many gateways over one Redis.

mod fleet;
mod kills;
mod losses;
mod races;
