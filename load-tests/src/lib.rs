//! Measures a gateway under load, and beside it, in the same run, a server with empty handlers and the same
//! messages: what it reaches is the most that any gateway could.
//!
//! Rooms in reading order: [`target`] whom traffic may go to; [`driver`] arrivals, lanes, phases, latencies;
//! [`province`] whom and what the traffic is about, [`past`] what was sold before; [`workload`] the calls;
//! [`process`], [`gateway`], [`peer`], [`bare`], [`redis_server`] the servers; [`machine`] where it ran; [`report`] what came out; [`scenarios`]
//! what is measured; [`cli`] how it is asked for. The driver knows no service, no scenario and no report.

pub mod bare;
pub mod cli;
pub mod driver;
pub mod gateway;
pub mod machine;
pub mod past;
pub mod peer;
pub mod process;
pub mod province;
pub mod redis_server;
pub mod report;
pub mod scenarios;
pub mod target;
pub mod workload;
