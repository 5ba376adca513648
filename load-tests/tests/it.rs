//! The driver against servers that misbehave, and the program from its command line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets the unexpected ends in a panic, and says so"
)]

#[path = "it/answers.rs"]
mod answers;
#[path = "it/cases.rs"]
mod cases;
#[path = "it/past.rs"]
mod past;
#[path = "it/program.rs"]
mod program;
#[path = "it/redis.rs"]
mod redis_runs;
#[path = "it/servers.rs"]
mod servers;
#[path = "it/stalls.rs"]
mod stalls;
#[path = "it/streams.rs"]
mod streams;
