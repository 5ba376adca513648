//! tracegate: verifies drug traceability codes at the moment of dispensing.
//!
//! Rooms in reading order: [`domain`] the trade; [`policy_files`] rules as files; [`store`] where facts are
//! kept; [`index`] what is known of them in memory; [`trail`] who changed and looked at what; [`engine`] the use
//! cases; [`grpc`] the door for callers; [`http`] the door for watchers; [`cli`] the door for people; [`config`],
//! [`telemetry`] and [`clock`] serve them all; [`app`] puts them together.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod grpc;
pub mod http;
pub mod index;
pub mod policy_files;
pub mod sheets;
pub mod store;
mod sync;
pub mod telemetry;
pub mod trail;
