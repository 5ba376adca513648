//! The integration tests: real gateways on free ports, real connections, real kills.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets the unexpected ends in a panic, and says so"
)]

mod acceptance;
mod access;
mod audit_trail;
mod bureau;
mod crash;
mod days;
mod deploy;
mod doors;
mod edge_cases;
mod faults;
mod history;
mod index;
mod kept_inputs;
mod operations;
mod policy;
mod privacy;
mod redis;
mod scan;
mod seen;
mod support;
